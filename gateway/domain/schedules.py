"""What administrators put on a calendar, and the runs of it."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.values import Instant, NodeId


class Task(StrEnum):
    """What a step of a job can do."""

    NOTIFICATION = "notification"
    """Send the mails that were put aside for it."""


class RunState(StrEnum):
    """How a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Something that is done at times that an administrator chose; *job* where people read."""

    id: str
    node: NodeId
    name: str
    description: str
    step: str
    task: Task
    cron: str
    """Empty: it runs once."""
    time_zone: str
    """Name of a zone in the IANA database, by which the expression is read."""
    ends_at: Instant | None
    """After which it runs no more."""
    enabled: bool
    next_run: Instant | None
    """None: it runs no more."""
    created_at: Instant


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """One run of a schedule."""

    id: str
    schedule: str
    due_at: Instant
    """For which occurrence; of several that were missed it is the first."""
    began_at: Instant | None
    ended_at: Instant | None
    state: RunState
    sent: int
    skipped: int
    failed: int
