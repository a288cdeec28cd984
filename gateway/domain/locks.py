"""Locks against guessing: when wrong passwords or wrong codes close a path, and for how long (decisions.md 23, R-101)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from gateway.domain.values import DAY_MS, HOUR_MS, MINUTE_MS, Instant

WINDOW_MS = 15 * MINUTE_MS
"""Wrong guesses are counted from the first one on for so long."""
FIRST_LOCK_MS = 5 * MINUTE_MS
LONGEST_LOCK_MS = HOUR_MS
MEMORY_MS = DAY_MS
"""A further lock within this time of the last one is twice as long."""


class GuessPath(StrEnum):
    """What is guessed. The two are counted and locked apart: an outsider who has no password never gets to the codes."""

    PASSWORD = "password"
    CODE = "code"


LIMITS: Mapping[GuessPath, int] = {GuessPath.PASSWORD: 10, GuessPath.CODE: 5}
"""So many guesses a window; the last wrong one of them locks the path."""


@dataclass(frozen=True, slots=True)
class Lock:
    """What is remembered of the guesses at one path of one account."""

    attempts: int
    """Guesses of this window that were not right, those being checked right now among them."""
    locked_until: Instant | None
    times: int
    """How many locks followed one another."""
    last_locked_at: Instant | None

    def holds(self, now: Instant) -> bool:
        """Whether the path is closed now."""
        return self.locked_until is not None and self.locked_until > now


UNTRIED = Lock(attempts=0, locked_until=None, times=0, last_locked_at=None)


def told_time(until: Instant) -> str:
    """Return the minute after which a lock is over, as people are told it."""
    return f"{datetime.fromtimestamp(-(-until // MINUTE_MS) * 60, UTC):%H:%M} UTC"


def next_lock(lock: Lock, now: Instant) -> Lock:
    """Return the lock that a path's last wrong guess brings: five minutes, doubling up to an hour where locks follow within a day."""
    follows = lock.last_locked_at is not None and lock.last_locked_at > now - MEMORY_MS
    times = lock.times + 1 if follows else 1
    # Beyond some doublings the hour is reached anyway; the bound keeps the shift small.
    length = min(FIRST_LOCK_MS << min(times - 1, 10), LONGEST_LOCK_MS)
    return Lock(attempts=lock.attempts, locked_until=Instant(now + length), times=times, last_locked_at=now)
