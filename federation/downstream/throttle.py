"""Slowing down whoever guesses at an app's proof (openid.md 25)."""

import threading
from collections import OrderedDict, deque

from gateway.domain.values import MINUTE_MS, Instant

FAILURES = "moongate.client_failures"
"""Where the app keeps the counts of this process."""
LIMIT = 10
WINDOW_MS = MINUTE_MS
_CALLERS = 10_000


class TooManyFailures(Exception):
    """A caller failed too often; `seconds` is when to come back."""

    def __init__(self, seconds: int) -> None:
        """Keep the wait."""
        super().__init__("Too many failed attempts.")
        self.seconds = seconds


class Failures:
    """Failed proofs by app and caller's address, within the last minute; safe for threads.

    By address too, so that a stranger cannot stop an app by guessing at its secret from elsewhere.
    """

    def __init__(self) -> None:
        """Begin with nobody."""
        self._lock = threading.Lock()
        self._times: OrderedDict[tuple[str, str], deque[Instant]] = OrderedDict()

    def require_few(self, client_id: str, address: str, now: Instant) -> None:
        """Raise TooManyFailures for a caller that failed `LIMIT` times within the window."""
        with self._lock:
            times = self._times.get((client_id, address))
            if times and len(times) == LIMIT and times[0] + WINDOW_MS > now:
                raise TooManyFailures(1 + (times[0] + WINDOW_MS - now) // 1000)

    def count(self, client_id: str, address: str, now: Instant) -> None:
        """Note a failure; the callers that failed longest ago are forgotten first."""
        with self._lock:
            self._times.setdefault((client_id, address), deque(maxlen=LIMIT)).append(now)
            self._times.move_to_end((client_id, address))
            while len(self._times) > _CALLERS:
                self._times.popitem(last=False)
