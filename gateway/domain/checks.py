"""Looking at the house: what was looked at, how it is, and what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How something is."""

    OK = "ok"
    WARNING = "warning"
    """It serves, but somebody should look."""
    FAILED = "failed"
    """It cannot serve as it is."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    check: str
    outcome: Outcome
    detail: str
    """One sentence that anybody may read: no address, no path, no name of a person."""
    reason: str = ""
    """What lies behind it, for whoever runs the house: an engine's own words, a path, a list."""
    remedy: str = ""
    """What to do; empty where there is nothing to do."""


def worst(checks: Iterable[Check]) -> Outcome:
    """Return the outcome of all together."""
    found = {check.outcome for check in checks}
    return next((outcome for outcome in (Outcome.FAILED, Outcome.WARNING) if outcome in found), Outcome.OK)
