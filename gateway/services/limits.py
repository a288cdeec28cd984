"""Limits that all processes keep together (docs/adr/0014-limits-and-caches.md).

Requests are counted in process, each process granting its share: no request writes for it. Guesses are counted exactly, in the database,
before they are checked. Where a shared counter is set (Valkey), both are counted there, and here again as soon as it does not answer.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Protocol

from gateway.domain.errors import Refusal
from gateway.domain.limits import Limit, counted_as
from gateway.domain.values import Instant
from gateway.storage import limits
from gateway.storage.database import Database

_MOST_KEPT = 10_000
"""Callers remembered at once by a process; the one who came first is forgotten first."""


class SharedCounter(Protocol):
    """Counts for all processes; `None` for an answer says that it cannot now, and that the caller has to count otherwise."""

    def count(self, name: str, key: str, window_ms: int, *, by: int = 1) -> tuple[int, int] | None:
        """Add to a count and return it, with the milliseconds until its window ends."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A guess that was counted."""

    limit: Limit
    key: str
    number: int
    """Which of its window it is."""
    left_ms: int
    """Until the window ends."""
    shared: bool

    @property
    def last(self) -> bool:
        """Whether no further one is granted in this window."""
        return self.number >= self.limit.most


@dataclass(slots=True)
class _Window:
    count: int
    ends_at: int


@dataclass(slots=True)
class Limits:
    """The counts of one process, and the way to those of all."""

    processes: int = 1
    """How many processes serve now; told by their pulse."""
    shared: SharedCounter | None = None
    _windows: OrderedDict[tuple[str, str], _Window] = field(default_factory=OrderedDict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def require(self, limit: Limit, key: str, now: Instant, *, most: int | None = None) -> None:
        """Count one, or refuse it with `E_Rate_Limited` where this process's share is used up; `most` makes the share smaller."""
        granted = limit.share(self.processes)
        number, left = self._count(limit, key, now)
        if number > (granted if most is None else min(granted, most)):
            raise _refusal(limit, left)

    def require_from(self, limit: Limit, address: str, now: Instant) -> None:
        """Count one from an address, where all processes count together or else here; refuse it with `E_Rate_Limited`."""
        key = counted_as(address)
        if not key:
            return
        counted = self.shared.count(limit.name, key, limit.window_ms) if self.shared else None
        if counted is None:
            self.require(limit, key, now)
        elif counted[0] > limit.most:
            raise _refusal(limit, counted[1])

    def guess(self, database: Database, limit: Limit, key: str, now: Instant) -> Guess:
        """Count a guess before it is checked; refuse it with `E_Rate_Limited` where all are used up. A right one is to be forgiven."""
        counted = self.shared.count(limit.name, key, limit.window_ms) if self.shared else None
        if counted is not None:
            number, left = counted
        else:
            number, ends_at = limits.count(database, limit.name, key, now=now, ends_at=Instant(now + limit.window_ms))
            left = ends_at - now
        if number > limit.most:
            raise _refusal(limit, left)
        return Guess(limit, key, number, left, shared=counted is not None)

    def guess_from(self, database: Database, limit: Limit, address: str, now: Instant) -> Guess | None:
        """Count a guess from an address as `guess` does; None for one that is not counted."""
        key = counted_as(address)
        return self.guess(database, limit, key, now) if key else None

    def forgive(self, database: Database, guess: Guess | None) -> None:
        """Take back a guess that was right."""
        if guess is None:
            return
        if not guess.shared:
            limits.uncount(database, guess.limit.name, guess.key)
        elif self.shared:
            self.shared.count(guess.limit.name, guess.key, guess.limit.window_ms, by=-1)

    def _count(self, limit: Limit, key: str, now: Instant) -> tuple[int, int]:
        """Count one in this process; return which of its window it is, and the milliseconds until that ends."""
        with self._guard:
            window = self._windows.get((limit.name, key))
            if window is None or window.ends_at <= now:
                window = self._windows[limit.name, key] = _Window(0, now + limit.window_ms)
                self._windows.move_to_end((limit.name, key))
                if len(self._windows) > _MOST_KEPT:
                    self._windows.popitem(last=False)
            window.count += 1
            return window.count, window.ends_at - now


def _refusal(limit: Limit, left_ms: int) -> Refusal:
    seconds = max(1, -(-left_ms // 1000))
    return Refusal(
        "E_Rate_Limited", data={"seconds": seconds}, reason=f"more than {limit.most} in {limit.window_ms // 1000} s: {limit.name}"
    )
