"""What is done later, and what is called outside for it, stands in the log under the id of the act that wanted it."""

import logging
from collections.abc import Iterator

import pytest

from gateway.domain.nodes import Node
from gateway.metrics import figures, sums
from gateway.metrics.ledger import LEDGER
from gateway.services.house import OPERATOR, House
from gateway.services.jobs import Runner, Unrecoverable
from gateway.storage.jobs import Job
from tests.logbook import Log, logging_as_before

ID = "c0ffee" * 5 + "00"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    LEDGER.forget()
    with logging_as_before():
        yield
    LEDGER.forget()


def handle(house: House, job: Job) -> None:
    logging.getLogger("moongate").info("doing it")
    if job.payload.get("fails"):
        raise Unrecoverable("it cannot be done")


def queue(house: House, node: Node, correlation_id: str, **payload: object) -> None:
    with house.database.transaction():
        house.context(OPERATOR, correlation_id=correlation_id).enqueue("errand", node.id, payload)


def test_a_job_is_traced_under_the_act_that_queued_it(house: House, acme: Node) -> None:
    log = Log()
    queue(house, acme, ID)
    queue(house, acme, "d" * 32, fails=True)
    Runner(house, {"errand": handle}).run_due()
    logging.getLogger("moongate").info("something else")
    told = [line.get("correlation_id") for line in log.lines("moongate")]
    assert set(told[:2]) == {ID, "d" * 32}
    assert told[2] is None
    assert [line["correlation_id"] for line in log.lines("gateway.services.jobs")] == ["d" * 32]


def test_jobs_are_counted_by_kind_and_outcome_and_strange_kinds_are_not_told_apart(house: House, acme: Node) -> None:
    queue(house, acme, ID)
    queue(house, acme, ID, fails=True)
    for kind in ("strange", "stranger"):
        with house.database.transaction():
            house.context(OPERATOR).enqueue(kind, acme.id, {})
    Runner(house, {"errand": handle}).run_due()
    counted = {series.labels: series.numbers[0] for series in sums.collect() if series.family is figures.JOBS}
    assert counted == {("errand", "done"): 1, ("errand", "dead"): 1, ("unknown", "dead"): 2}
