"""What is kept for how long: the tables that grow with use are swept, a few rows at a time, while nobody waits for it.

The audit trail is not swept; neither are dead jobs, which somebody should see.
"""

from collections.abc import Sequence
from typing import Protocol

from gateway.domain.values import DAY_MS, HOUR_MS, Instant
from gateway.services.house import House
from gateway.services.routines import Routine
from gateway.storage import limits, sweeping
from gateway.storage.database import Database

BATCH = 500
"""Rows of one kind that go in one transaction: a few milliseconds in which nobody else writes."""


class _Removal(Protocol):
    def __call__(self, database: Database, *, before: Instant, limit: int) -> int: ...


_KEPT: Sequence[tuple[_Removal, int]] = (
    # Who comes back to a sign-in within a day can begin it anew.
    (sweeping.remove_sign_ins, DAY_MS),
    (sweeping.remove_codes, DAY_MS),
    (sweeping.remove_refresh_tokens, DAY_MS),
    # Long enough for support to see how a session ended.
    (sweeping.remove_grants, 7 * DAY_MS),
    (sweeping.remove_sessions, 7 * DAY_MS),
    (sweeping.remove_jobs, 7 * DAY_MS),
    (sweeping.remove_outbox, 7 * DAY_MS),
    (sweeping.remove_requests, 30 * DAY_MS),
    (sweeping.remove_runs, 90 * DAY_MS),
    # Long enough for a person to ask what became of a mail.
    (sweeping.remove_mails, 180 * DAY_MS),
    (sweeping.remove_traces, 90 * DAY_MS),
    # As long as browsers keep the cookie.
    (sweeping.remove_devices, 400 * DAY_MS),
    (limits.remove_counts, 0),
)
"""Removals in an order in which nothing waits for a later one, and how long each kind stays after its end."""


def sweep(database: Database, now: Instant, *, batch: int = BATCH) -> bool:
    """Remove a batch of each kind; return whether there was anything: then there may be more."""
    return sum(remove(database, before=Instant(now - kept), limit=batch) for remove, kept in _KEPT) > 0


def _sweep(house: House) -> bool:
    return sweep(house.database, house.clock())


ROUTINE = Routine("sweeping", _sweep, every=HOUR_MS)
"""A little at a time: nobody who writes waits long for the broom."""
