"""What the house does by itself at intervals: sweeping, sealing, changing keys. One process at a time does each of them.

A room registers a `Routine` in `gateway.worker.ROUTINES`. Its row is a lease, extended while it runs; that of a process that died is over
after `LEASE_MS`, and another one goes on. A routine must therefore bear to be begun again where it was left.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.domain.values import SECOND_MS, Instant
from gateway.services.context import Context
from gateway.services.house import House
from gateway.storage import routines
from gateway.storage.database import DatabaseUnavailable

LEASE_MS = 30 * SECOND_MS
"""How long a routine stays with a process that died."""

PAUSE_AFTER_ERROR_MS = 10 * SECOND_MS
"""How long a routine that failed rests at least."""

POLL_SECONDS = 0.5

_log = logging.getLogger(__name__)


def _always(_house: House) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Routine:
    """Something that is done at intervals."""

    name: str
    act: Callable[[House], bool]
    """Does a piece of the work, a short one, outside any transaction; returns whether more is left, which is then done at once."""
    every: int
    """Milliseconds from the end of one round to the beginning of the next."""
    wanted: Callable[[House], bool] = _always
    """Asked before each round, twice a second when it is due: one cheap read that tells whether there is anything to do. A routine that
    is not wanted costs no write."""


class Clerk:
    """Does the routines of a process, one after another, in a thread of his own."""

    def __init__(self, house: House, known: Sequence[Routine]) -> None:
        """Take the routines there are."""
        self._house = house
        self._known = {routine.name: routine for routine in known}
        self._owner = house.entropy(8).hex()
        self._stopping = threading.Event()
        self._running = ""
        self._introduced = False
        self._next_beat = Instant(0)

    def lead(self) -> None:
        """Do what is due until told to stop."""
        while not self._stopping.is_set():
            try:
                self.run_due()
            except DatabaseUnavailable as error:
                _log.warning("routines wait for the database", extra={"fields": {"error": str(error)}})
            except Exception:  # noqa: BLE001 -- without him nothing would be swept and sealed any more
                _log.exception("the clerk stumbled")
            self._stopping.wait(POLL_SECONDS)
        self._house.database.close()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    def run_due(self) -> None:
        """Do what is due and wanted, piece by piece in turn until nothing is left."""
        self._introduce()
        while self._round():
            pass

    def beat(self, now: Instant) -> None:
        """Keep the lease of the routine that runs; called by another thread, often."""
        name = self._running
        if name and now >= self._next_beat:
            routines.extend_routine(self._house.database, name, self._owner, lease_until=Instant(now + LEASE_MS))
            self._next_beat = Instant(now + LEASE_MS // 3)

    def _introduce(self) -> None:
        if not self._introduced:
            now = self._house.clock()
            missing = self._known.keys() - {state.name for state in routines.list_routines(self._house.database)}
            for name in sorted(missing):
                routines.add_routine(self._house.database, name, next_run=now)
            self._introduced = True

    def _round(self) -> bool:
        """Do one piece of each routine that is due; return whether there is more."""
        due = [self._known[name] for name in routines.list_due(self._house.database, self._house.clock()) if name in self._known]
        left = [self._do(routine) for routine in due if not self._stopping.is_set()]
        return any(left)

    def _do(self, routine: Routine) -> bool:
        """Do one piece if it is wanted and nobody else is at it; return whether more is left."""
        house, now = self._house, self._house.clock()
        if not routine.wanted(house):
            return False
        lease_until = Instant(now + LEASE_MS)
        if not routines.claim_routine(house.database, routine.name, self._owner, now=now, lease_until=lease_until):
            return False
        self._next_beat, self._running = Instant(now + LEASE_MS // 3), routine.name
        pause, error, more = routine.every, "", False
        try:
            more = routine.act(house)
        except Exception as failure:  # noqa: BLE001 -- whatever a routine raises is a failed round; the others go on
            _log.exception("a routine failed", extra={"fields": {"routine": routine.name}})
            pause, error = max(pause, PAUSE_AFTER_ERROR_MS), type(failure).__name__
        finally:
            self._running = ""
        ended = house.clock()
        next_run = ended if more else Instant(ended + pause)
        routines.finish_routine(house.database, routine.name, self._owner, now=ended, next_run=next_run, error=error)
        return more


def list_states(context: Context) -> list[routines.RoutineState]:
    """Return how it stands with every routine, by name."""
    return routines.list_routines(context.database)
