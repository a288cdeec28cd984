"""The kitchen: one use case is one function, one transaction and one audit event.

Whoever asks (page, SCIM, API, command line, just-in-time sign-in), the same function does the work: `people` is the only writer of
people, and `admission` the only maker of sessions. Every function takes a `context.Context` and the node first. Above it stand
`gateway.http` and the doors; below it `gateway.storage`, `gateway.tokens` and, behind ports, `gateway.outbound`.
"""
