"""`moongate job`: what runs at chosen times, what the house does by itself, and what nobody tries any more."""

import click

from gateway.cli.command import Result, command, context, moment, node_of, tenant_option
from gateway.cli.moments import Moment
from gateway.domain.schedules import Schedule, Task
from gateway.domain.values import Instant
from gateway.services import dead_letters, people, routines, schedules
from gateway.services.schedules import NewSchedule


@click.group("job")
def group() -> None:
    """Jobs: at chosen times, by themselves, and dead ones."""


_name = click.argument("name")


@command(group, "create")
@tenant_option
@_name
@click.option("--step", default="", metavar="NAME", help="What its step is called.")
@click.option("--task", default="", metavar="TASK", help=f"What the step does: {', '.join(Task)}.")
@click.option("--description", default="")
@click.option("--cron", default="", metavar="EXPR", help="Minute, hour, day, month, weekday; without it the job runs once.")
@click.option("--time-zone", default="UTC", show_default=True, metavar="Z", help="By which --cron is read, such as Europe/Berlin.")
@click.option("--at", default=None, type=Moment(), help="Not before; without --cron: at this time. ISO 8601.")
@click.option("--until", default=None, type=Moment(), help="Not after. ISO 8601.")
def create(
    *,
    slug: str,
    name: str,
    step: str,
    task: str,
    description: str,
    cron: str,
    time_zone: str,
    at: Instant | None,
    until: Instant | None,
) -> Result:
    """Put a job on a tenant's calendar; without times it runs at once."""
    act = context()
    new = NewSchedule(name, step, task, description, cron, time_zone, at, until)
    return _as_result(schedules.create(act, node_of(act, slug), new))


@command(group, "list")
@tenant_option
def list_(*, slug: str) -> Result:
    """List a tenant's jobs."""
    act = context()
    return [_as_result(item) for item in schedules.list_schedules(act, node_of(act, slug))]


@command(group, "run")
@tenant_option
@_name
def run(*, slug: str, name: str) -> Result:
    """Run a job now, beside its times."""
    act = context()
    started = schedules.run_now(act, schedules.get_schedule(act, node_of(act, slug), name))
    return {"run": started.id, "state": started.state}


@command(group, "pause")
@tenant_option
@_name
@click.option("--resume", is_flag=True, help="Let it go on.")
def pause(*, slug: str, name: str, resume: bool) -> Result:
    """Let a job rest, or go on."""
    act = context()
    found = schedules.get_schedule(act, node_of(act, slug), name)
    return _as_result(schedules.resume(act, found) if resume else schedules.pause(act, found))


@command(group, "history")
@tenant_option
@_name
def history(*, slug: str, name: str) -> Result:
    """List a job's latest runs, newest first."""
    act = context()
    return [
        {
            "run": item.id,
            "due_at": moment(item.due_at),
            "began_at": moment(item.began_at),
            "ended_at": moment(item.ended_at),
            "state": item.state,
            "sent": item.sent,
            "skipped": item.skipped,
        }
        for item in schedules.list_runs(act, schedules.get_schedule(act, node_of(act, slug), name))
    ]


@command(group, "delete")
@tenant_option
@_name
def delete(*, slug: str, name: str) -> Result:
    """Take a job off the calendar, with its history."""
    act = context()
    found = schedules.get_schedule(act, node_of(act, slug), name)
    schedules.delete(act, found)
    return {"deleted": found.name}


@command(group, "routines")
def list_routines() -> Result:
    """List what the house does by itself, and how it went the last time."""
    return [
        {
            "name": item.name,
            "next_run": moment(item.next_run),
            "running_until": moment(item.lease_until),
            "began_at": moment(item.began_at),
            "ended_at": moment(item.ended_at),
            "error": item.last_error or None,
        }
        for item in routines.list_states(context())
    ]


@command(group, "dead")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
def dead(*, limit: int) -> Result:
    """List the jobs of the whole house that nobody tries any more, newest first."""
    act = context()
    return [
        {
            "id": item.id,
            "kind": item.kind,
            "tenant": people.node_of(act, item.node).slug,
            "attempts": item.attempts,
            "error": item.error,
            "queued_at": moment(item.created_at),
            "died_at": moment(item.finished_at),
            "correlation_id": item.correlation_id or None,
        }
        for item in dead_letters.list_dead(act, limit=limit)
    ]


@command(group, "again")
@click.argument("job_id", metavar="ID")
def again(*, job_id: str) -> Result:
    """Let a dead job run again, with all its attempts."""
    revived = dead_letters.run_again(context(), job_id)
    return {"id": revived.id, "kind": revived.kind, "error": revived.error}


def _as_result(schedule: Schedule) -> dict[str, object]:
    return {
        "name": schedule.name,
        "description": schedule.description or None,
        "step": schedule.step,
        "task": schedule.task,
        "cron": schedule.cron or None,
        "time_zone": schedule.time_zone if schedule.cron else None,
        "until": moment(schedule.ends_at),
        "status": "active" if schedule.enabled else "paused",
        "next_run": moment(schedule.next_run) if schedule.enabled else None,
    }
