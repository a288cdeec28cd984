"""We as OpenID provider: the endpoints as apps see them."""
