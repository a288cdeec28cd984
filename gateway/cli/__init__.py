"""The key to the house: the command `moongate`, one module per noun.

Every command takes `--json`: then standard output is exactly one JSON document, and an error is one on standard error, with exit status
1 (2 for wrong usage). Commands call `gateway.services` as every door does, and show a secret once.
"""

from gateway.cli.main import main

__all__ = ["main"]
