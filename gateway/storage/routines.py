"""Routines: what the house does by itself at intervals. A row is the lease: one process at a time holds it."""

from dataclasses import dataclass

from gateway.domain.values import Instant
from gateway.storage.database import Database, Statement, place, places
from gateway.storage.tables.jobs import Routine

_INSERT = Statement(Routine.insert(places(Routine)).on_conflict_ignore())
_IS_DUE = (Routine.next_run <= place("now")) & (Routine.lease_until.is_null() | (Routine.lease_until <= place("now")))
_DUE = Statement(Routine.select(Routine.name).where(_IS_DUE).order_by(Routine.next_run))
_CLAIM = Statement(
    Routine.update({Routine.owner: place("owner"), Routine.lease_until: place("lease_until"), Routine.began_at: place("now")}).where(
        (Routine.name == place("name")) & _IS_DUE
    )
)
_MINE = (Routine.name == place("name")) & (Routine.owner == place("owner"))
_EXTEND = Statement(Routine.update({Routine.lease_until: place("lease_until")}).where(_MINE))
_FINISH = Statement(
    Routine.update(
        {
            Routine.owner: None,
            Routine.lease_until: None,
            Routine.next_run: place("next_run"),
            Routine.ended_at: place("now"),
            Routine.last_error: place("error"),
        }
    ).where(_MINE)
)
_LIST = Statement(
    Routine.select(Routine.name, Routine.next_run, Routine.lease_until, Routine.began_at, Routine.ended_at, Routine.last_error).order_by(
        Routine.name
    )
)


@dataclass(frozen=True, slots=True)
class RoutineState:
    """How it stands with a routine."""

    name: str
    next_run: Instant
    lease_until: Instant | None
    """Set while a process is at it."""
    began_at: Instant | None
    ended_at: Instant | None
    last_error: str


def add_routine(database: Database, name: str, *, next_run: Instant) -> None:
    """Make a routine known, unless it is."""
    database.write(_INSERT, name=name, next_run=next_run, owner=None, lease_until=None, began_at=None, ended_at=None, last_error="")


def list_due(database: Database, now: Instant) -> list[str]:
    """Return the names of the routines that are due and that nobody is at, the longest due first."""
    return [row[0] for row in database.rows(_DUE, now=now)]


def claim_routine(database: Database, name: str, owner: str, *, now: Instant, lease_until: Instant) -> bool:
    """Take a routine that is due; return False if another process was faster."""
    return database.write(_CLAIM, name=name, owner=owner, now=now, lease_until=lease_until) == 1


def extend_routine(database: Database, name: str, owner: str, *, lease_until: Instant) -> bool:
    """Keep a routine that still runs; return False if another process took it over."""
    return database.write(_EXTEND, name=name, owner=owner, lease_until=lease_until) == 1


def finish_routine(database: Database, name: str, owner: str, *, now: Instant, next_run: Instant, error: str) -> bool:
    """Give a routine back until it is due again; return False if another process took it over."""
    return database.write(_FINISH, name=name, owner=owner, now=now, next_run=next_run, error=error) == 1


def list_routines(database: Database) -> list[RoutineState]:
    """Return how it stands with every routine, by name."""
    return [RoutineState(*row) for row in database.rows(_LIST)]
