"""Jobs: written in the transaction of the act that wants them, claimed with a lease, run at least once (decisions.md 39)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import peewee as pw

from gateway.domain.values import Instant, NodeId
from gateway.storage import job_queue
from gateway.storage.database import JOBS, Database, Row, Statement, place, places
from gateway.storage.job_queue import ABANDONED, READY
from gateway.storage.tables.machinery import Job as JobTable

_INSERT = Statement(JobTable.insert(places(JobTable)).on_conflict_ignore())
_CLAIM = Statement(
    JobTable.update(
        {
            JobTable.state: "running",
            JobTable.owner: place("owner"),
            JobTable.lease_until: place("lease_until"),
            JobTable.attempts: JobTable.attempts + 1,
        }
    )
    .where((JobTable.id == place("id")) & (READY | ABANDONED))
    .returning(JobTable.id, JobTable.kind, JobTable.node, JobTable.payload, JobTable.attempts, JobTable.lane, JobTable.correlation_id)
)
_MINE = (JobTable.id == place("id")) & (JobTable.owner == place("owner")) & (JobTable.state == "running")
_EXTEND = Statement(JobTable.update({JobTable.lease_until: place("lease_until")}).where(_MINE))
_RELEASE = Statement(
    JobTable.update({JobTable.state: "ready", JobTable.lease_until: None, JobTable.attempts: JobTable.attempts - 1}).where(_MINE)
)
_FINISH = Statement(
    JobTable.update(
        {JobTable.state: place("state"), JobTable.last_error: place("error"), JobTable.finished_at: place("now"), JobTable.dedupe: None}
    ).where(_MINE)
)
_RETRY = Statement(
    JobTable.update({JobTable.state: "ready", JobTable.last_error: place("error"), JobTable.run_at: place("run_at")}).where(_MINE)
)
_DEAD_COLUMNS = (
    JobTable.id,
    JobTable.kind,
    JobTable.node,
    JobTable.payload,
    JobTable.attempts,
    JobTable.last_error,
    JobTable.created_at,
    JobTable.finished_at,
    JobTable.correlation_id,
)
_DEAD = Statement(JobTable.select(*_DEAD_COLUMNS).where(JobTable.state == "dead").order_by(JobTable.id.desc()).limit(place("limit")))
_FIND_DEAD = Statement(JobTable.select(*_DEAD_COLUMNS).where((JobTable.id == place("id")) & (JobTable.state == "dead")))
_REVIVE = Statement(
    JobTable.update({JobTable.state: "ready", JobTable.attempts: 0, JobTable.run_at: place("now"), JobTable.finished_at: None}).where(
        (JobTable.id == place("id")) & (JobTable.state == "dead")
    )
)
_BURY = Statement(JobTable.update({JobTable.state: "done"}).where((JobTable.id == place("id")) & (JobTable.state == "dead")))
_COUNTS = Statement(JobTable.select(JobTable.state, pw.fn.COUNT(JobTable.id)).group_by(JobTable.state))


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job."""

    id: str
    kind: str
    node: NodeId
    payload: Mapping[str, Any]
    attempts: int
    """This attempt among them."""
    lane: str = ""
    correlation_id: str = ""
    """Of the act that queued it."""


@dataclass(frozen=True, slots=True)
class DeadJob:
    """A job that nobody tries any more."""

    id: str
    kind: str
    node: NodeId
    payload: Mapping[str, Any]
    attempts: int
    error: str
    """Of the last attempt."""
    created_at: Instant
    finished_at: Instant
    correlation_id: str


def insert_job(
    database: Database,
    job_id: str,
    kind: str,
    node_id: NodeId,
    payload: Mapping[str, object],
    *,
    dedupe: str | None,
    now: Instant,
    lane: str = "",
    correlation_id: str = "",
) -> None:
    """Add a job that may run at once; one with the same `dedupe` that is not over yet is not added twice.

    Jobs of one `lane` (an app, say) run few at a time, so that a slow one delays nobody else. Whoever waits for jobs in this process is
    woken once the transaction is committed.
    """
    database.write(
        _INSERT,
        id=job_id,
        kind=kind,
        node=node_id,
        payload=json.dumps(payload, separators=(",", ":")),
        lane=lane,
        dedupe=dedupe,
        state="ready",
        attempts=0,
        run_at=now,
        lease_until=None,
        owner=None,
        last_error="",
        created_at=now,
        finished_at=None,
        correlation_id=correlation_id,
    )
    database.changed(JOBS)


def claim_jobs(
    database: Database, owner: str, *, now: Instant, lease_until: Instant, limit: int, busy: Mapping[str, int], per_lane: int
) -> list[Job]:
    """Claim jobs that are due, or whose owner let its lease run out, so that none of a lane's jobs beyond `per_lane` run here at once.

    `busy` counts the jobs of each lane that run in this process already.
    """
    # Most looks find nothing; they take no write lock.
    if limit <= 0 or not job_queue.is_any_due(database, now):
        return []
    taken = dict(busy)
    claimed: list[Job] = []
    with database.transaction():
        lost = True
        # Where another process was faster with all that was seen, what is left by now is looked at at once.
        while lost and not claimed:
            lost = False
            for job_id, lane in job_queue.next_jobs(database, now, taken, limit=limit, per_lane=per_lane):
                if lane and taken.get(lane, 0) >= per_lane:
                    continue
                row = database.row(_CLAIM, id=job_id, owner=owner, now=now, lease_until=lease_until)
                if row is None:
                    lost = True
                    continue
                taken[lane] = taken.get(lane, 0) + 1
                claimed.append(Job(row[0], row[1], row[2], json.loads(row[3]), row[4], row[5], row[6]))
                if len(claimed) == limit:
                    break
    return claimed


def extend_leases(database: Database, jobs: Sequence[Job], owner: str, *, lease_until: Instant) -> None:
    """Keep jobs that still run from being taken for those of a dead process."""
    with database.transaction():
        database.write_many(_EXTEND, [{"id": job.id, "owner": owner, "lease_until": lease_until} for job in jobs])


def release_jobs(database: Database, jobs: Sequence[Job], owner: str) -> None:
    """Give back jobs that were claimed and not begun."""
    with database.transaction():
        database.write_many(_RELEASE, [{"id": job.id, "owner": owner} for job in jobs])


def finish_job(database: Database, job: Job, owner: str, *, state: str, error: str, now: Instant) -> bool:
    """Close a job as `done` or `dead`; return False if another owner took it over."""
    return database.write(_FINISH, id=job.id, owner=owner, state=state, error=error, now=now) == 1


def retry_job(database: Database, job: Job, owner: str, *, error: str, run_at: Instant) -> bool:
    """Put a job back for a later attempt; return False if another owner took it over."""
    return database.write(_RETRY, id=job.id, owner=owner, error=error, run_at=run_at) == 1


def list_dead(database: Database, *, limit: int) -> list[DeadJob]:
    """Return the jobs that nobody tries any more, newest first."""
    return [_dead(row) for row in database.rows(_DEAD, limit=limit)]


def find_dead(database: Database, job_id: str) -> DeadJob | None:
    """Return a job that nobody tries any more, or None."""
    row = database.row(_FIND_DEAD, id=job_id)
    return None if row is None else _dead(row)


def revive_job(database: Database, job_id: str, now: Instant) -> bool:
    """Let a dead job have all its attempts again, from now; return False if it is not dead."""
    revived = database.write(_REVIVE, id=job_id, now=now) == 1
    database.changed(JOBS)
    return revived


def bury_job(database: Database, job_id: str) -> bool:
    """Count a dead job as done, because what it was to do is done otherwise; return False if it is not dead."""
    return database.write(_BURY, id=job_id) == 1


def _dead(row: Row) -> DeadJob:
    job_id, kind, node, payload, *rest = row
    return DeadJob(job_id, kind, node, json.loads(payload), *rest)


def count_jobs(database: Database) -> dict[str, int]:
    """Return how many jobs are in each state: `ready`, `running`, `done`, `dead`."""
    return {row[0]: row[1] for row in database.rows(_COUNTS)}
