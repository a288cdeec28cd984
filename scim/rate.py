"""How many requests a connection may send, counted in this process (decisions.md 37)."""

import threading

from gateway.domain.connections import Connection
from gateway.domain.errors import Refusal
from gateway.domain.values import SECOND_MS, ConnectionId, Instant

_MOST_CONNECTIONS = 10_000


class RateLimit:
    """Counts the requests of each connection in the second that runs; one connection's load never slows another."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._lock = threading.Lock()
        self._counts: dict[ConnectionId, tuple[int, int]] = {}

    def require(self, connection: Connection, now: Instant) -> None:
        """Count a request, or refuse it with `E_Rate_Limited` where the second is used up."""
        second = now // SECOND_MS
        with self._lock:
            if len(self._counts) > _MOST_CONNECTIONS:
                self._counts.clear()
            counted, count = self._counts.get(connection.id, (second, 0))
            count = count + 1 if counted == second else 1
            self._counts[connection.id] = (second, count)
        if count > connection.requests_per_second:
            raise Refusal("E_Rate_Limited", data={"seconds": 1}, reason=f"more than {connection.requests_per_second} requests a second")
