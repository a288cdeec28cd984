"""The cellar: the only room that knows tables, and the only one that imports peewee.

Functions take the node first, because a query without a tenant is how one tenant sees another. They return frozen values of
`gateway.domain`, never rows, so that no query hides in a template and no write escapes its service. Transactions belong to the caller:
`gateway.services` opens one for each use case. Beside it stand `gateway.tokens` and `gateway.outbound`, which it never calls.
"""
