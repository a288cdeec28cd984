"""We are the OpenID provider: `<issuer>/oauth2/authorize`, `token`, `userinfo`, `jwks` and their neighbours, and discovery.

Applications rely on what this door says, so it says only what `gateway.services.admission` allowed. Grants fill in their own part of phases
that none can leave out: authenticate the client, take the code or token once, ask admission again, sign.
"""
