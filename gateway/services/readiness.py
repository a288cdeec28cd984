"""Whether this process can serve: what a load balancer asks every few seconds. Cheap, and it changes nothing.

Only what makes every answer wrong or impossible fails: a load balancer would take all processes out at once for what they share. All
else is a warning, for people.
"""

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.domain.checks import Check, Outcome, worst
from gateway.domain.values import MINUTE_MS, SECOND_MS, Instant
from gateway.services.house import House
from gateway.services.key_check import KeysMisfit, recheck_keys
from gateway.storage import condition, schema
from gateway.storage.database import DatabaseUnavailable

STUCK_MS = MINUTE_MS
"""Jobs that are due for longer say that nobody does them."""
SKEW_MS = MINUTE_MS
"""Clocks that differ by more make codes end early and tokens begin late."""
MEGABYTE = 1024 * 1024
LOW_BYTES = 1024 * MEGABYTE
"""Of free space: somebody should make room."""
LEAST_BYTES = 32 * MEGABYTE
"""With less, the next writes fail."""
_LIFE_MS = SECOND_MS

_LOG = logging.getLogger(__name__)

Look = Callable[[House], Check]

FreeSpace = Callable[[Path], int]
"""Returns the free bytes of the file system that a folder is in."""


def free_space(folder: Path) -> int:
    """Return what the operating system says."""
    return shutil.disk_usage(folder).free


@dataclass(slots=True)
class Readiness:
    """How this process is. Looked at anew at most once a second, whoever asks how often; a change is told in the log, once."""

    house: House
    is_leaving: Callable[[], bool]
    free_space: FreeSpace = free_space
    _checks: Sequence[Check] = ()
    _until: Instant = Instant(0)  # noqa: RUF009 -- a NewType's call makes nothing
    _told: frozenset[tuple[str, Outcome]] = frozenset()

    def look(self) -> Sequence[Check]:
        """Return every check, as of this second; leaving is told at once."""
        now = self.house.clock()
        if not self._until - _LIFE_MS <= now < self._until:
            self._checks = examine(self.house, self.free_space)
            self._until = Instant(now + _LIFE_MS)
            self._tell(self._checks)
        return [*self._checks, _leaving(self.is_leaving())]

    def _tell(self, checks: Sequence[Check]) -> None:
        found = frozenset((check.check, check.outcome) for check in checks if check.outcome is not Outcome.OK)
        for check in checks:
            if (check.check, check.outcome) in found - self._told:
                tell(check)
        for name, _ in {before for before in self._told if before[0] not in {now for now, _ in found}}:
            _LOG.info("%s: well again", name)
        self._told = found


def tell(check: Check) -> None:
    """Write a check that is not well to the log, as one line."""
    level = logging.ERROR if check.outcome is Outcome.FAILED else logging.WARNING
    fields = {"check": check.check, "outcome": check.outcome, "reason": check.reason, "remedy": check.remedy}
    _LOG.log(level, "%s: %s", check.check, check.detail, extra={"fields": {name: value for name, value in fields.items() if value}})


def examine(house: House, free: FreeSpace = free_space) -> list[Check]:
    """Return how everything is that serving needs. Where the database cannot be reached, what stands in it is not looked at."""
    reached = check_database(house)
    inside = _INSIDE if reached.outcome is Outcome.OK else {}
    return [reached, *looked(house, inside), check_disk(house, free)]


def check_database(house: House) -> Check:
    """Look whether the database answers."""
    began = time.perf_counter_ns()
    try:
        condition.read_clock(house.database)
    except DatabaseUnavailable as error:
        return Check(
            "database", Outcome.FAILED, "The database does not answer.", reason=str(error), remedy="Start it, or mend the way to it."
        )
    return Check("database", Outcome.OK, f"{house.database.name} answers in {(time.perf_counter_ns() - began) / 1e6:.1f} ms.")


def check_schema(house: House) -> Check:
    """Look whether the database has every migration of this release."""
    if not schema.is_current(house.database):
        return Check("schema", Outcome.FAILED, "The database lacks a migration of this release.", remedy="moongate migrate")
    return Check("schema", Outcome.OK, f"The database is at version {schema.version(house.database)}.")


def check_writing(house: House) -> Check:
    """Look whether the database takes a write: it may be read-only, or full."""
    try:
        condition.try_to_write(house.database, f"trial {house.entropy(8).hex()}")
    except DatabaseUnavailable as error:
        remedy = "Make room, or give back the right to write; then it goes on by itself."
        return Check("writing", Outcome.FAILED, "The database takes no writes.", reason=str(error), remedy=remedy)
    return Check("writing", Outcome.OK, "The database takes writes.")


def check_keys(house: House) -> Check:
    """Look whether the secret keys are those of the database."""
    try:
        recheck_keys(house.database, house.keyring)
    except KeysMisfit:
        detail = "The secret keys are not those that the database was filled with."
        remedy = "Put the key it was filled with into MOONGATE_SECRET_KEYS, behind the newest, and start again."
        return Check("secret keys", Outcome.FAILED, detail, remedy=remedy)
    return Check("secret keys", Outcome.OK, "The secret keys open what the database holds.")


def check_clock(house: House) -> Check:
    """Look whether this machine and the database, or whoever wrote last, agree about the time."""
    now = house.clock()
    skew = now - condition.read_clock(house.database)
    newest = condition.find_newest_event(house.database) or now
    remedy = "Let the time service set the clocks (chronyc tracking, timedatectl)."
    if abs(skew) > SKEW_MS:
        detail = f"The clock here is {abs(skew) // SECOND_MS} seconds {'ahead of' if skew > 0 else 'behind'} the database's."
        return Check("clock", Outcome.WARNING, detail, remedy=remedy)
    if newest - now > SKEW_MS:
        detail = (
            f"The newest event happened {(newest - now) // SECOND_MS} seconds from now: the clock here went back, or another's is ahead."
        )
        return Check("clock", Outcome.WARNING, detail, remedy=remedy)
    return Check("clock", Outcome.OK, "The clocks here and at the database agree.")


def check_jobs(house: House) -> Check:
    """Look whether anybody does the jobs."""
    due = [waiting.since for waiting in condition.list_waiting(house.database) if waiting.state == "ready"]
    late = house.clock() - min(due, default=house.clock())
    if late > STUCK_MS:
        return Check("jobs", Outcome.WARNING, f"Jobs wait for {late // SECOND_MS} seconds.", remedy="Start a worker: moongate worker")
    return Check("jobs", Outcome.OK, "No job waits for long.")


def check_disk(house: House, free: FreeSpace = free_space) -> Check:
    """Look at the space for the embedded database, mails and figures."""
    try:
        left = free(house.settings.home)
    except OSError as error:
        return Check("disk", Outcome.FAILED, "The home cannot be looked at.", reason=f"{house.settings.home}: {error.strerror}")
    if left >= LOW_BYTES:
        return Check("disk", Outcome.OK, f"{left / (1024 * MEGABYTE):.1f} GB are free.")
    outcome = Outcome.FAILED if left < LEAST_BYTES and house.settings.database_url.startswith("sqlite:") else Outcome.WARNING
    remedy = "Make room; then it goes on by itself."
    return Check("disk", outcome, f"Only {left // MEGABYTE} MB are free.", reason=str(house.settings.home), remedy=remedy)


def looked(house: House, looks: Mapping[str, Look]) -> list[Check]:
    """Return what looks at the database tell, by the names of their checks; one that the database does not answer is told as that."""
    checks = []
    for name, look in looks.items():
        try:
            checks.append(look(house))
        except DatabaseUnavailable as error:
            checks.append(Check(name, Outcome.FAILED, "The database does not answer.", reason=str(error)))
    return checks


_INSIDE: Mapping[str, Look] = {
    "schema": check_schema,
    "writing": check_writing,
    "secret keys": check_keys,
    "clock": check_clock,
    "jobs": check_jobs,
}


def is_ready(checks: Sequence[Check]) -> bool:
    """Return whether nothing fails."""
    return worst(checks) is not Outcome.FAILED


def _leaving(leaving: bool) -> Check:  # noqa: FBT001 -- the one thing it tells
    if leaving:
        return Check("leaving", Outcome.FAILED, "This process was told to end: it finishes what it began, and takes nothing new.")
    return Check("leaving", Outcome.OK, "This process stays.")
