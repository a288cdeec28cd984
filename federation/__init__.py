"""The door for sign-on: OpenID Connect in both directions, and the only room that imports authlib.

`upstream` relies on the identity providers of our tenants; `downstream` is the OpenID provider that applications rely on. The two
never import each other: a sign-in passes from one to the other through what `gateway.services` stored about it. What both need
(claims, keys, errors) stands here, beside them.
"""
