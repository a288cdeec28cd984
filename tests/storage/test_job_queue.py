"""Which jobs come next: the longest due, a few of each lane, however long the queue is."""

from collections import Counter

import pytest

from gateway.domain.nodes import Node
from gateway.domain.values import Instant
from gateway.services.context import Context
from gateway.storage import job_queue, jobs
from gateway.storage.database import Statement
from gateway.storage.jobs import Job
from tests.conftest import Clock

LEASE = 30_000


def enqueue(context: Context, node: Node, lane: str, number: int) -> None:
    with context.database.transaction():
        for _ in range(number):
            context.enqueue("ring", node.id, {}, lane=lane)


def claim(context: Context, *, limit: int, busy: dict[str, int] | None = None) -> list[Job]:
    now = context.now()
    until = Instant(now + LEASE)
    return jobs.claim_jobs(context.database, "me", now=now, lease_until=until, limit=limit, busy=busy or {}, per_lane=2)


def lanes(claimed: list[Job]) -> dict[str, int]:
    return dict(Counter(job.lane for job in claimed))


def test_the_longest_due_come_first(context: Context, acme: Node, clock: Clock) -> None:
    for lane in ("c", "a", "b"):
        enqueue(context, acme, lane, 1)
        clock.advance(milliseconds=1)
    assert [job.lane for job in claim(context, limit=2)] == ["c", "a"]


def test_what_is_to_run_later_does_not_come(context: Context, acme: Node, clock: Clock) -> None:
    enqueue(context, acme, "a", 1)
    clock.now = Instant(clock.now - 1)
    assert claim(context, limit=9) == []


def test_behind_a_long_queue_of_one_lane_the_others_come_at_once(context: Context, acme: Node, clock: Clock) -> None:
    enqueue(context, acme, "slow", 3 * job_queue.HEAD)
    for lane in ("z", "a", ""):
        clock.advance(milliseconds=1)
        enqueue(context, acme, lane, 3)
    assert lanes(claim(context, limit=20)) == {"slow": 2, "z": 2, "a": 2, "": 3}
    assert lanes(claim(context, limit=20, busy={"slow": 2, "z": 1})) == {"z": 1, "a": 1}
    assert claim(context, limit=20, busy={"slow": 2, "z": 2, "a": 2}) == []


def test_of_lanes_behind_a_long_queue_the_longest_due_comes_first(context: Context, acme: Node, clock: Clock) -> None:
    enqueue(context, acme, "slow", 2 * job_queue.HEAD)
    for lane in ("z", "a"):
        clock.advance(milliseconds=1)
        enqueue(context, acme, lane, 1)
    assert lanes(claim(context, limit=1, busy={"slow": 2})) == {"z": 1}


def test_a_lane_that_waits_for_later_is_passed_over(context: Context, acme: Node, clock: Clock) -> None:
    enqueue(context, acme, "slow", 2 * job_queue.HEAD)
    clock.advance(seconds=10)
    enqueue(context, acme, "later", 1)
    clock.advance(seconds=-5)
    assert claim(context, limit=9, busy={"slow": 2}) == []


def test_jobs_of_no_lane_are_not_counted(context: Context, acme: Node) -> None:
    enqueue(context, acme, "", 2 * job_queue.HEAD)
    assert len(claim(context, limit=job_queue.HEAD + 10)) == job_queue.HEAD + 10


def test_what_a_dead_process_left_comes_first(context: Context, acme: Node, clock: Clock) -> None:
    enqueue(context, acme, "a", 1)
    [lost] = claim(context, limit=1)
    enqueue(context, acme, "", 2 * job_queue.HEAD)
    clock.advance(milliseconds=LEASE)
    assert claim(context, limit=1)[0].id == lost.id


@pytest.mark.sqlite
@pytest.mark.parametrize("statement", [*job_queue._ANY, job_queue._ABANDONED, job_queue._HEAD, job_queue._OF_LANE, job_queue._LANES])
def test_no_look_walks_through_the_queue(context: Context, acme: Node, statement: Statement) -> None:
    enqueue(context, acme, "slow", 2 * job_queue.HEAD)
    context.database.script("ANALYZE")
    given = {"now": str(context.now()), "limit": "8", "lane": "'slow'"}
    sql, bound = context.database.engine.get_sql_context().parse(statement.query)
    for value in bound:
        sql = sql.replace("?", given.get(value, f"'{value}'"), 1)
    steps = [row[3] for row in context.database.script(f"EXPLAIN QUERY PLAN {sql}")]
    assert any("INDEX job_" in step for step in steps)
    assert [step for step in steps if step.startswith("SCAN") and step != "SCAN lanes"] == []
    # The lanes are sorted by their first jobs; nothing else may be.
    assert statement is job_queue._LANES or not any("TEMP B-TREE" in step for step in steps)
