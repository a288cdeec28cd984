"""We are the relying party: `<issuer>/federation/<key>/start`, `/callback` and `/backchannel-logout`.

Sends the browser to a tenant's identity provider with state bound to that browser, a nonce and PKCE, and takes nothing that comes back on
trust: the provider's answer becomes an assertion only when every check passed (OpenID Connect Core section 3.1.3.7). Whether an
assertion may sign anybody in is decided in `gateway.services`, not here.
"""
