"""The ground: the words of the field as frozen values, and its rules as pure functions.

Nothing here knows a table, a request or a library: only the standard library may be imported, and time, randomness and the outside
come in as arguments (`values.Clock`, `values.Entropy`, the Protocols of `ports`). Rules decide (`decide_...`), refuse (`errors.Refusal`,
with a code of `catalogue.toml`) or return a value. Every other room stands on this one, and doors turn its refusals into answers.
"""
