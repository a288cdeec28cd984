"""Schedules and their runs. Whoever sets `next_run` from the value that was read has the occurrence: one process among all."""

from dataclasses import fields

from gateway.domain.schedules import RunState, Schedule, ScheduleRun, Task
from gateway.domain.values import Instant, NodeId, comparison_key
from gateway.storage.database import Database, Row, Statement, place, places
from gateway.storage.tables.jobs import Schedule as ScheduleTable
from gateway.storage.tables.jobs import ScheduleRun as RunTable

_COLUMNS = [getattr(ScheduleTable, field.name) for field in fields(Schedule)]
_INSERT = Statement(ScheduleTable.insert(places(ScheduleTable)))
_FIND = Statement(
    ScheduleTable.select(*_COLUMNS).where((ScheduleTable.node == place("node")) & (ScheduleTable.name_key == place("name_key")))
)
_GET = Statement(ScheduleTable.select(*_COLUMNS).where(ScheduleTable.id == place("id")))
_OF_NODE = Statement(ScheduleTable.select(*_COLUMNS).where(ScheduleTable.node == place("node")).order_by(ScheduleTable.name_key))
_DUE = Statement(
    ScheduleTable.select(*_COLUMNS)
    .where((ScheduleTable.enabled == 1) & (ScheduleTable.next_run <= place("now")))
    .order_by(ScheduleTable.next_run)
    .limit(place("limit"))
)
_ADVANCE = Statement(
    ScheduleTable.update({ScheduleTable.next_run: place("next_run")}).where(
        (ScheduleTable.id == place("id")) & (ScheduleTable.next_run == place("seen")) & (ScheduleTable.enabled == 1)
    )
)
_SWITCH = Statement(
    ScheduleTable.update({ScheduleTable.enabled: place("enabled"), ScheduleTable.next_run: place("next_run")}).where(
        ScheduleTable.id == place("id")
    )
)
_DELETE = Statement(ScheduleTable.delete().where(ScheduleTable.id == place("id")))
_DELETE_RUNS = Statement(RunTable.delete().where(RunTable.schedule == place("id")))
_INSERT_RUN = Statement(RunTable.insert(places(RunTable)))
_FIND_RUN = Statement(RunTable.select().where(RunTable.id == place("id")))
_RUNS = Statement(RunTable.select().where(RunTable.schedule == place("schedule")).order_by(RunTable.id.desc()).limit(place("limit")))
_BEGIN = Statement(
    RunTable.update({RunTable.state: RunState.RUNNING.value, RunTable.began_at: place("now")}).where(
        (RunTable.id == place("id")) & (RunTable.state == RunState.QUEUED.value)
    )
)
_COUNT = Statement(
    RunTable.update({RunTable.sent: RunTable.sent + place("sent"), RunTable.skipped: RunTable.skipped + place("skipped")}).where(
        RunTable.id == place("id")
    )
)
_END = Statement(RunTable.update({RunTable.state: RunState.DONE.value, RunTable.ended_at: place("now")}).where(RunTable.id == place("id")))


def insert_schedule(database: Database, schedule: Schedule) -> None:
    """Add a schedule. Raises Duplicate if the node has one of that name."""
    values = {field.name: getattr(schedule, field.name) for field in fields(schedule)}
    database.write(_INSERT, **values | {"enabled": int(schedule.enabled), "name_key": comparison_key(schedule.name)})


def find_schedule(database: Database, node_id: NodeId, name: str) -> Schedule | None:
    """Return a node's schedule by name, or None."""
    row = database.row(_FIND, node=node_id, name_key=comparison_key(name))
    return None if row is None else _schedule(row)


def get_by_id(database: Database, schedule_id: str) -> Schedule | None:
    """Return a schedule, or None if it was deleted."""
    row = database.row(_GET, id=schedule_id)
    return None if row is None else _schedule(row)


def list_schedules(database: Database, node_id: NodeId) -> list[Schedule]:
    """Return a node's schedules by name."""
    return [_schedule(row) for row in database.rows(_OF_NODE, node=node_id)]


def list_due(database: Database, now: Instant, *, limit: int) -> list[Schedule]:
    """Return schedules that are due, the longest due first."""
    return [_schedule(row) for row in database.rows(_DUE, now=now, limit=limit)]


def advance(database: Database, schedule: Schedule, next_run: Instant | None) -> bool:
    """Take the occurrence that is due and set the next one; return False if another process took it, or it was paused."""
    return database.write(_ADVANCE, id=schedule.id, seen=schedule.next_run, next_run=next_run) == 1


def switch(database: Database, schedule: Schedule, *, enabled: bool, next_run: Instant | None) -> None:
    """Pause a schedule or let it go on."""
    database.write(_SWITCH, id=schedule.id, enabled=int(enabled), next_run=next_run)


def delete_schedule(database: Database, schedule_id: str) -> None:
    """Remove a schedule with its runs."""
    with database.transaction():
        database.write(_DELETE_RUNS, id=schedule_id)
        database.write(_DELETE, id=schedule_id)


def insert_run(database: Database, run: ScheduleRun) -> None:
    """Add a run."""
    database.write(_INSERT_RUN, **{field.name: getattr(run, field.name) for field in fields(run)})


def find_run(database: Database, run_id: str) -> ScheduleRun | None:
    """Return a run, or None."""
    row = database.row(_FIND_RUN, id=run_id)
    return None if row is None else _run(row)


def list_runs(database: Database, schedule_id: str, *, limit: int) -> list[ScheduleRun]:
    """Return the latest runs of a schedule, newest first."""
    return [_run(row) for row in database.rows(_RUNS, schedule=schedule_id, limit=limit)]


def begin_run(database: Database, run_id: str, now: Instant) -> None:
    """Note that a run begins, unless it did."""
    database.write(_BEGIN, id=run_id, now=now)


def count_in_run(database: Database, run_id: str, *, sent: int, skipped: int) -> None:
    """Add to the counts of a run."""
    database.write(_COUNT, id=run_id, sent=sent, skipped=skipped)


def end_run(database: Database, run_id: str, now: Instant) -> None:
    """Note that a run has ended."""
    database.write(_END, id=run_id, now=now)


def _schedule(row: Row) -> Schedule:
    schedule_id, node, name, description, step, task, cron, time_zone, ends_at, enabled, next_run, created_at = row
    return Schedule(schedule_id, node, name, description, step, Task(task), cron, time_zone, ends_at, bool(enabled), next_run, created_at)


def _run(row: Row) -> ScheduleRun:
    run_id, schedule, due_at, began_at, ended_at, state, *counts = row
    return ScheduleRun(run_id, schedule, due_at, began_at, ended_at, RunState(state), *counts)
