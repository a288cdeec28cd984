"""How many requests a connection may send: its share in this process, and less of it while this process is slow (decisions.md 37)."""

import threading

from gateway.domain.connections import Connection
from gateway.domain.limits import scim_limit
from gateway.domain.values import Instant
from gateway.services.limits import Limits

SLOW_US = 250_000
"""An answer that takes longer than this says that the process has more than it can do."""
_WEIGHT = 0.05
"""Of one answer in the average."""
_LESS, _MORE = 0.8, 1.05
_STEP_MS = 100
"""The share changes at most so often: what was refused has to show first."""


class RateLimit:
    """Grants each connection its share of the second that runs; one connection's load never slows another."""

    def __init__(self) -> None:
        """Begin quick."""
        self._guard = threading.Lock()
        self._average_us = 0.0
        self._granted = 1.0
        self._stepped_at = 0

    def require(self, limits: Limits, connection: Connection, now: Instant) -> None:
        """Count a request, or refuse it with `E_Rate_Limited` where the share of the second is used up."""
        limit = scim_limit(connection.requests_per_second)
        # Never under the least, however slow it is: a directory that is refused for long goes into quarantine.
        most = None if self._granted == 1.0 else max(limit.least, int(limit.share(limits.processes) * self._granted))
        limits.require(limit, connection.id, now, most=most)

    def measure(self, duration_us: int, now: Instant) -> None:
        """Note how long an answer took, and grant less while they take long, more while they do not."""
        if self._granted == 1.0 and duration_us < SLOW_US and self._average_us < SLOW_US:
            # What nearly every request comes to; without the guard, because an average may miss one.
            self._average_us += _WEIGHT * (duration_us - self._average_us)
            return
        with self._guard:
            self._average_us += _WEIGHT * (duration_us - self._average_us)
            if now - self._stepped_at >= _STEP_MS:
                self._stepped_at = now
                self._granted = max(0.01, self._granted * _LESS) if self._average_us >= SLOW_US else min(1.0, self._granted * _MORE)
