"""Which jobs come next: the longest due, a few of each lane, found without a walk through a long queue.

A queue may hold a hundred thousand mails behind one lane. So its head is read first; only where lanes that are full fill it, the lanes
are gone through, from one to the next in their index, however many jobs each has.
"""

from collections.abc import Iterator, Mapping

import peewee as pw

from gateway.domain.values import Instant
from gateway.storage.database import Database, Statement, place
from gateway.storage.tables.machinery import Job

HEAD = 64
"""How many of the longest due are read at first: in most queues enough for all hands."""

READY = (Job.state == "ready") & (Job.run_at <= place("now"))
ABANDONED = (Job.state == "running") & (Job.lease_until <= place("now"))
"""Its owner let the lease run out."""

_ANY = tuple(Statement(Job.select(Job.id).where(condition).limit(1)) for condition in (READY, ABANDONED))
_ABANDONED = Statement(Job.select(Job.id, Job.lane).where(ABANDONED).limit(place("limit")))
# By time alone: those of one millisecond would have to be sorted, and a bulk of a hundred thousand is of one millisecond.
_HEAD = Statement(Job.select(Job.id, Job.lane).where(READY).order_by(Job.run_at).limit(place("limit")))
_OF_LANE = Statement(Job.select(Job.id).where(READY & (Job.lane == place("lane"))).order_by(Job.run_at).limit(place("limit")))


def _lanes() -> pw.Query:
    """Return the query for the lanes that have a job that is due, the longest due first."""
    following, first = Job.alias(), Job.alias()
    lanes = Job.select(pw.fn.MIN(Job.lane).alias("lane")).where(Job.state == "ready").cte("lanes", recursive=True, columns=("lane",))
    step = pw.Select(
        [lanes],
        [following.select(pw.fn.MIN(following.lane)).where((following.state == "ready") & (following.lane > lanes.c.lane))],
    ).where(lanes.c.lane.is_null(is_null=False))
    known = lanes.union_all(step)
    head = first.select(pw.fn.MIN(first.run_at)).where((first.state == "ready") & (first.lane == known.c.lane))
    return known.select_from(known.c.lane).where(head <= place("now")).order_by(head)


_LANES = Statement(_lanes())


def is_any_due(database: Database, now: Instant) -> bool:
    """Return whether any job is due."""
    return any(database.row(statement, now=now) is not None for statement in _ANY)


def next_jobs(database: Database, now: Instant, taken: Mapping[str, int], *, limit: int, per_lane: int) -> Iterator[tuple[str, str]]:
    """Return id and lane of jobs that are due, the longest due first, as long as the caller asks for more.

    `taken` counts the jobs of each lane that the caller has; he goes on counting while he takes what is returned here, and passes over
    what is beyond `per_lane`. Jobs of no lane (an empty name) are not counted.
    """
    yield from database.rows(_ABANDONED, now=now, limit=limit)
    head = database.rows(_HEAD, now=now, limit=max(HEAD, limit))
    yield from head
    if len(head) < max(HEAD, limit):
        return
    for (lane,) in database.rows(_LANES, now=now):
        room = limit if lane == "" else per_lane - taken.get(lane, 0)
        if room > 0:
            yield from ((row[0], lane) for row in database.rows(_OF_LANE, now=now, lane=lane, limit=room))
