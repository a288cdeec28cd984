"""What administrators put on a calendar: *jobs* with a name, a step and times. Each occurrence runs once, whatever processes there are.

What was missed while nobody was there runs once on return (R-166): the next time is reckoned from now, not from the time that was missed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.domain.audit import Event
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.people import has_controls
from gateway.domain.schedules import RunState, Schedule, ScheduleRun, Task
from gateway.domain.values import SECOND_MS, Instant
from gateway.services import cron, mail
from gateway.services.context import Context
from gateway.services.house import WORKER, House
from gateway.services.jobs import Unrecoverable
from gateway.services.routines import Routine
from gateway.storage import nodes, schedules
from gateway.storage.database import Duplicate
from gateway.storage.jobs import Job

RUN = "schedule"
"""The kind of job that does a run."""
LISTED = 50
_BATCH = 100
_NAME_LIMIT = 128
_DESCRIPTION_LIMIT = 1024


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """What an administrator asks for."""

    name: str
    step: str = ""
    task: str = ""
    """One of `Task`; empty where a step has none, which is refused."""
    description: str = ""
    cron: str = ""
    """Empty: it runs once, `at` a time or at once."""
    time_zone: str = "UTC"
    at: Instant | None = None
    """When it runs for the first time at the earliest."""
    ends_at: Instant | None = None


def create(context: Context, node: Node, new: NewSchedule) -> Schedule:
    """Put a job on a tenant's calendar. Refuses one without a step and a task, and times that never come."""
    _require_text("name", new.name, _NAME_LIMIT)
    _require_text("description", new.description, _DESCRIPTION_LIMIT, may_be_empty=True)
    if not new.step.strip() or new.task not in set(Task):
        raise Refusal("E_Job_No_Task", field="task", data={"step": new.step[:_NAME_LIMIT] or "(none)", "tenant": node.slug})
    _require_text("step", new.step, _NAME_LIMIT)
    now = context.now()
    # One millisecond back, so that a start at a moment that the expression names is that moment.
    first = cron.next_run(new.cron, new.time_zone, Instant((new.at or now) - 1)) if new.cron else new.at or now
    if first is None or (new.ends_at is not None and new.ends_at < first):
        raise Refusal("E_Job_Schedule", field="schedule", data={"value": new.cron, "tenant": node.slug})
    made = Schedule(
        context.new_id(),
        node.id,
        new.name.strip(),
        new.description,
        new.step.strip(),
        Task(new.task),
        new.cron,
        new.time_zone,
        new.ends_at,
        True,
        first,
        now,
    )
    with context.database.transaction():
        try:
            schedules.insert_schedule(context.database, made)
        except Duplicate as error:
            rule = "a name that no other job of the tenant has"
            raise Refusal("E_Field_Invalid", field="name", data={"field": "name", "rule": rule}) from error
        _record(context, made, "created", {"cron": made.cron, "time_zone": made.time_zone, "task": made.task})
    return made


def get_schedule(context: Context, node: Node, name: str) -> Schedule:
    """Return a tenant's job by name, or refuse."""
    found = schedules.find_schedule(context.database, node.id, name)
    if found is None:
        raise Refusal("E_Resource_Not_Found", field="name", data={"value": name[:_NAME_LIMIT]})
    return found


def list_schedules(context: Context, node: Node) -> list[Schedule]:
    """Return a tenant's jobs by name."""
    return schedules.list_schedules(context.database, node.id)


def list_runs(context: Context, schedule: Schedule) -> list[ScheduleRun]:
    """Return the latest runs of a job, newest first."""
    return schedules.list_runs(context.database, schedule.id, limit=LISTED)


def run_now(context: Context, schedule: Schedule) -> ScheduleRun:
    """Run a job now, beside its times, paused or not."""
    with context.database.transaction():
        run = _queue_run(context, schedule, context.now())
        _record(context, schedule, "run", {})
    return run


def pause(context: Context, schedule: Schedule) -> Schedule:
    """Let a job rest until it is resumed."""
    with context.database.transaction():
        schedules.switch(context.database, schedule, enabled=False, next_run=schedule.next_run)
        _record(context, schedule, "paused", {})
    return schedules.get_by_id(context.database, schedule.id) or schedule


def resume(context: Context, schedule: Schedule) -> Schedule:
    """Let a paused job go on, at the next of its times: what it missed in its pause was not wanted."""
    now = context.now()
    next_run = _following(schedule, now) if schedule.cron else schedule.next_run
    with context.database.transaction():
        schedules.switch(context.database, schedule, enabled=True, next_run=next_run)
        _record(context, schedule, "resumed", {})
    return schedules.get_by_id(context.database, schedule.id) or schedule


def delete(context: Context, schedule: Schedule) -> None:
    """Take a job off the calendar, with its history; a run that is under way ends."""
    with context.database.transaction():
        schedules.delete_schedule(context.database, schedule.id)
        _record(context, schedule, "deleted", {})


def is_any_due(house: House) -> bool:
    """Return whether there is anything for `fire_due`."""
    return bool(schedules.list_due(house.database, house.clock(), limit=1))


def fire_due(house: House) -> bool:
    """Queue a run of each job that is due, and set its next time; return whether there may be more."""
    context = house.context(WORKER)
    now = context.now()
    due = schedules.list_due(context.database, now, limit=_BATCH)
    for schedule in due:
        chain = nodes.list_chain(context.database, schedule.node)
        alive = all(node.disabled_at is None and node.deleted_at is None for node in chain)
        with context.database.transaction():
            if schedules.advance(context.database, schedule, _following(schedule, now)) and alive:
                _queue_run(context, schedule, schedule.next_run or now)
    return len(due) == _BATCH


ROUTINE = Routine("schedules", fire_due, every=SECOND_MS, wanted=is_any_due)


def run(house: House, job: Job) -> None:
    """Do a run: the handler of `RUN`. It may be begun again where a process died."""
    context = house.context(WORKER, correlation_id=job.correlation_id)
    found = schedules.find_run(context.database, str(job.payload["run"]))
    schedule = schedules.get_by_id(context.database, found.schedule) if found is not None else None
    if found is None or schedule is None:
        raise Unrecoverable("the job was deleted")
    schedules.begin_run(context.database, found.id, context.now())
    while _TASKS[schedule.task](context, schedule, found):
        pass
    schedules.end_run(context.database, found.id, context.now())


def _notify(context: Context, schedule: Schedule, run: ScheduleRun) -> bool:
    """Queue a batch of the mails that were put aside in the tenant and below it; return whether there is more."""
    with context.database.transaction():
        sent, skipped = mail.release(context, schedule.node, run.id, limit=_BATCH)
        schedules.count_in_run(context.database, run.id, sent=sent, skipped=skipped)
    return sent + skipped > 0


_TASKS: Mapping[Task, Callable[[Context, Schedule, ScheduleRun], bool]] = {Task.NOTIFICATION: _notify}
"""What each task does: a batch at a time, until it returns False."""


def _following(schedule: Schedule, now: Instant) -> Instant | None:
    """Return when a job runs next, if it does."""
    if not schedule.cron:
        return None
    found = cron.next_run(schedule.cron, schedule.time_zone, now)
    return None if found is None or (schedule.ends_at is not None and found > schedule.ends_at) else found


def _queue_run(context: Context, schedule: Schedule, due_at: Instant) -> ScheduleRun:
    run = ScheduleRun(context.new_log_id(), schedule.id, due_at, None, None, RunState.QUEUED, 0, 0, 0)
    schedules.insert_run(context.database, run)
    # Runs of one job go one after another, and those of many leave hands for others.
    context.enqueue(RUN, schedule.node, {"run": run.id}, dedupe=f"{RUN}:{run.id}", lane=RUN)
    return run


def _record(context: Context, schedule: Schedule, act: str, detail: Mapping[str, object]) -> None:
    context.record(Event(schedule.node, f"schedule.{act}", "schedule", schedule.id, detail={"name": schedule.name, **detail}))


def _require_text(field: str, text: str, limit: int, *, may_be_empty: bool = False) -> None:
    if len(text) > limit or has_controls(text) or not (text.strip() or may_be_empty):
        rule = f"1 to {limit} characters, no control characters"
        raise Refusal("E_Field_Invalid", field=field, data={"field": field, "rule": rule})
