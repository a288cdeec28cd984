"""Sign what we vouch for, verify what others claim.

`signing` makes our tokens with python-jose and key objects held in memory. `verification` decides about every token that comes from
outside, our own ones included, with joserfc; `claims` holds its rules about the payload. The two never meet: python-jose sees no token
it did not make.
"""
