"""`make demo`: the main job end to end on one machine, in a home of its own that is made anew each time.

`stage` puts the tenants, the provider, the app and the people there; `relying_party` is that app, a small page with a sign-in button;
`run` starts the gateway in a process of its own, as in production, and says what to open and what to paste. Loopback only.
"""
