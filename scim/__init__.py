"""The door for provisioning: SCIM 2.0 at `<issuer>/scim/v2` (RFC 7643, RFC 7644).

A bearer token names the connection, before any row is read. `normaliser` turns the dialects that enterprise directories really speak
into the one we keep; then `gateway.services` acts. Answers are the stored JSON, errors are SCIM's (RFC 7644 section 3.12), never HTML.
The only room that imports scim2-models and scim2-server; beside it stand `gateway.web` and `federation`, which it never imports.
"""
