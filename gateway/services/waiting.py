"""Rows that may wait a moment, so that many of them share a commit: nobody was told that they are there, and nobody decides by them."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from gateway.domain.values import SECOND_MS, Instant

MOST = 1000
"""Rows that wait at most."""
Row = TypeVar("Row")


class Waiting(Generic[Row]):
    """Rows that wait for at most a second, as long as anything happens at all; safe for threads. A crash loses them."""

    def __init__(self) -> None:
        """Begin empty."""
        self._lock = threading.Lock()
        self._rows: list[Row] = []
        self._since = Instant(0)

    def add(self, row: Row, now: Instant) -> None:
        """Let a row wait."""
        with self._lock:
            if not self._rows:
                self._since = now
            self._rows.append(row)

    def write_due(self, now: Instant, write: Callable[[Sequence[Row]], None]) -> None:
        """Write all that waits, if that is a second's or very much."""
        if self._rows and (now - self._since >= SECOND_MS or len(self._rows) >= MOST):
            self.write_all(write)

    def write_all(self, write: Callable[[Sequence[Row]], None]) -> None:
        """Write all that waits."""
        with self._lock:
            rows, self._rows = self._rows, []
        if rows:
            write(rows)
