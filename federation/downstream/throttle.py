"""Slowing down whoever guesses at an app's proof (openid.md 25).

Wrong proofs are counted for all processes together; a right one costs no look at the counts. A process learns that a caller has used up
its guesses from its own last one, so that each further process may take one more.
"""

import threading
from collections import OrderedDict

from gateway.domain.errors import Refusal
from gateway.domain.limits import PROOFS, counted_as
from gateway.domain.values import SECOND_MS, Instant, hash_token
from gateway.services.context import Context

LIMIT = PROOFS.most
WINDOW_MS = PROOFS.window_ms
_CALLERS = 10_000


class TooManyFailures(Exception):
    """A caller failed too often; `seconds` is when to come back."""

    def __init__(self, seconds: int) -> None:
        """Keep the wait."""
        super().__init__("Too many failed attempts.")
        self.seconds = seconds


class Failures:
    """Callers that failed too often at an app, as far as this process knows; safe for threads.

    By address too, so that a stranger cannot stop an app by guessing at its secret from elsewhere.
    """

    def __init__(self) -> None:
        """Begin with nobody."""
        self._guard = threading.Lock()
        self._until: OrderedDict[str, Instant] = OrderedDict()

    def require_few(self, context: Context, client_id: str) -> None:
        """Raise TooManyFailures for a caller that failed `LIMIT` times within the window."""
        if not self._until:
            return
        key, now = _key(context, client_id), context.now()
        with self._guard:
            until = self._until.get(key, now)
        if until > now:
            raise TooManyFailures(-(-(until - now) // SECOND_MS))

    def count(self, context: Context, client_id: str) -> None:
        """Note a failure."""
        key, now = _key(context, client_id), context.now()
        try:
            guess = context.limits.guess(context.database, PROOFS, key, now)
        except Refusal as refusal:
            self._refuse_until(key, Instant(now + int(str(refusal.data["seconds"])) * SECOND_MS))
            return
        if guess.last:
            self._refuse_until(key, Instant(now + guess.left_ms))

    def _refuse_until(self, key: str, until: Instant) -> None:
        """The callers that failed longest ago are forgotten first."""
        with self._guard:
            self._until[key] = until
            self._until.move_to_end(key)
            while len(self._until) > _CALLERS:
                self._until.popitem(last=False)


def _key(context: Context, client_id: str) -> str:
    return hash_token(f"{client_id}\n{counted_as(context.address) or context.address}")
