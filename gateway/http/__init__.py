"""The hallway between the doors and the kitchen: which tenant is this, and whose session or token?

`tenancy` finds the node by host and path among the stored issuers, so that doors see paths below an issuer only
(`/oauth2/authorize`, `/scim/v2/Users`, `/sign-in`). Doors meet each other by URL alone, through the names in `endpoints`.
Here and above is the last place that knows Flask's request; the kitchen gets a `Context`.
"""
