"""When something on a calendar is due: a cron expression in a time zone of the IANA database."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from gateway.domain.errors import Refusal
from gateway.domain.values import Instant

_FIELDS = 5
"""Minute, hour, day, month, weekday: nothing runs more often than once a minute."""
_LONGEST = 100


def next_run(expression: str, time_zone: str, after: Instant) -> Instant | None:
    """Return the first moment later than `after` that an expression names, or None where none comes.

    Where clocks go forward, what falls into the hour that is missing runs at its end; where they go back, what names an hour runs once
    and what runs several times an hour runs in both. Refuses an expression or a zone that nobody understands (`E_Job_Schedule`).
    """
    moment = datetime.fromtimestamp(after / 1000, UTC).astimezone(_zone(time_zone))
    if len(expression) > _LONGEST or len(expression.split()) != _FIELDS:
        raise _refusal(expression)
    try:
        for found in CronSim(expression, moment):
            run = Instant(int(found.timestamp() * 1000))
            # In the second of two equal hours the library gives what was due in the first.
            if run > after:
                return run
    except CronSimError as error:
        raise _refusal(expression) from error
    return None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise _refusal(name) from error


def _refusal(value: str) -> Refusal:
    return Refusal("E_Job_Schedule", field="schedule", data={"value": value[:_LONGEST]})
