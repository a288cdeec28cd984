"""Jobs: written in the transaction of the act that wants them, claimed with a lease, run at least once (decisions.md 39)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.domain.values import Instant, NodeId
from gateway.storage.database import Database, Statement, place, places
from gateway.storage.tables.machinery import Job as JobTable

_INSERT = Statement(JobTable.insert(places(JobTable)).on_conflict_ignore())
_CLAIMABLE = (
    JobTable.select(JobTable.id)
    .where(
        ((JobTable.state == "ready") & (JobTable.run_at <= place("now")))
        | ((JobTable.state == "running") & (JobTable.lease_until <= place("now")))
    )
    .order_by(JobTable.run_at)
    .limit(place("limit"))
)
_CLAIM = Statement(
    JobTable.update(
        {
            JobTable.state: "running",
            JobTable.owner: place("owner"),
            JobTable.lease_until: place("lease_until"),
            JobTable.attempts: JobTable.attempts + 1,
        }
    )
    .where(JobTable.id.in_(_CLAIMABLE))
    .returning(JobTable.id, JobTable.kind, JobTable.node, JobTable.payload, JobTable.attempts)
)
_FINISH = Statement(
    JobTable.update({JobTable.state: place("state"), JobTable.last_error: place("error"), JobTable.finished_at: place("now")}).where(
        (JobTable.id == place("id")) & (JobTable.owner == place("owner")) & (JobTable.state == "running")
    )
)
_RETRY = Statement(
    JobTable.update({JobTable.state: "ready", JobTable.last_error: place("error"), JobTable.run_at: place("run_at")}).where(
        (JobTable.id == place("id")) & (JobTable.owner == place("owner")) & (JobTable.state == "running")
    )
)


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job."""

    id: str
    kind: str
    node: NodeId
    payload: Mapping[str, Any]
    attempts: int
    """This attempt among them."""


def insert_job(
    database: Database, job_id: str, kind: str, node_id: NodeId, payload: Mapping[str, object], *, dedupe: str | None, now: Instant
) -> None:
    """Add a job that may run at once; one with the same `dedupe` is not added twice."""
    database.write(
        _INSERT,
        id=job_id,
        kind=kind,
        node=node_id,
        payload=json.dumps(payload, separators=(",", ":")),
        dedupe=dedupe,
        state="ready",
        attempts=0,
        run_at=now,
        lease_until=None,
        owner=None,
        last_error="",
        created_at=now,
        finished_at=None,
    )


def claim_jobs(database: Database, owner: str, *, now: Instant, lease_until: Instant, limit: int) -> list[Job]:
    """Claim jobs that are due, or whose owner let its lease run out."""
    with database.transaction():
        rows = database.rows(_CLAIM, owner=owner, now=now, lease_until=lease_until, limit=limit)
    return [Job(row[0], row[1], row[2], json.loads(row[3]), row[4]) for row in rows]


def finish_job(database: Database, job: Job, owner: str, *, state: str, error: str, now: Instant) -> bool:
    """Close a job as `done` or `dead`; return False if another owner took it over."""
    return database.write(_FINISH, id=job.id, owner=owner, state=state, error=error, now=now) == 1


def retry_job(database: Database, job: Job, owner: str, *, error: str, run_at: Instant) -> bool:
    """Put a job back for a later attempt; return False if another owner took it over."""
    return database.write(_RETRY, id=job.id, owner=owner, error=error, run_at=run_at) == 1
