"""Where the doors are: paths below an issuer, and paths of the whole platform. Doors meet by these names alone."""

from urllib.parse import quote, urlencode

from gateway.domain.nodes import Node

# Below an issuer.
OPENID_CONFIGURATION = "/.well-known/openid-configuration"
AUTHORIZE = "/oauth2/authorize"
AUTHORIZE_CONTINUE = "/oauth2/authorize/continue"
AUTHORIZE_RETURN = "/oauth2/authorize/return"
"""Takes a refusal back to the app that waits for an answer ("Return to application")."""
TOKEN = "/oauth2/token"
USERINFO = "/oauth2/userinfo"
INTROSPECT = "/oauth2/introspect"
REVOKE = "/oauth2/revoke"
JWKS = "/oauth2/jwks"
LOGOUT = "/oauth2/logout"
SIGN_IN = "/sign-in"
"""The dispatcher: every step of a sign-in returns to it."""
SIGN_IN_TAKE = "/sign-in/take"
"""Takes over a sign-in that another issuer handed over."""
SIGN_IN_RETURN = "/sign-in/return"
"""Takes back the proof that another issuer made for a sign-in of this one."""
SCIM = "/scim/v2"

# Of the whole platform.
HEALTH = "/healthz"
READY = "/readyz"
METRICS = "/metrics"
HELP_ERRORS = "/help/errors/"
STATIC = "/static/"
AUTHORIZATION_SERVER_METADATA = "/.well-known/oauth-authorization-server"
"""RFC 8414 §3.1: the issuer's path follows behind."""


def below(node: Node, path: str, **parameters: str) -> str:
    """Return the absolute URL of `path` below a node's stored issuer; the Host header never decides (decisions.md 3)."""
    return node.issuer + path + (f"?{urlencode(parameters)}" if parameters else "")


def federation_start(key: str) -> str:
    """Return the path, below an issuer, at which the way to an identity provider begins."""
    return f"/federation/{quote(key, safe='')}/start"


def federation_backchannel_logout(key: str) -> str:
    """Return the path, below an issuer, at which an identity provider tells that somebody signed out there."""
    return f"/federation/{quote(key, safe='')}/backchannel-logout"


def federation_callback(key: str) -> str:
    """Return the path, below an issuer, to which an identity provider answers: each provider has its own (openid.md 39)."""
    return f"/federation/{quote(key, safe='')}/callback"
