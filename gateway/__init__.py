"""Moongate, a multi-tenant identity gateway, as a house of floors.

    roof      app, cli, worker, demo        builds the house, turns the key, sweeps at night
    doors     web | scim | federation       people | provisioning | sign-on: side by side, each unaware of the others
    hallway   http                          which tenant is this? whose session or token is this?
    kitchen   services                      one use case, one function, one transaction, one audit event
    cellar    storage | tokens | outbound   tables | signatures | calls to the outside
    ground    domain                        values and rules; the standard library only

A request enters at a door, goes down the floors and comes up once: imports go down only, and import-linter holds that (pyproject.toml).
`settings` is the only reader of the environment.
"""
