"""Jobs that nobody tries any more are seen, and run again when a person says so."""

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.mails import MailKind, MailState
from gateway.domain.nodes import Node
from gateway.services import dead_letters, mail
from gateway.services.context import Context
from gateway.services.house import House
from gateway.services.jobs import Runner, Unrecoverable
from gateway.services.mail_delivery import Delivery
from gateway.storage import jobs, mails
from gateway.storage.jobs import Job
from tests.conftest import Clock
from tests.factors import add_person
from tests.services.test_mail import Post

KIND = "ring"


class Handler:
    """Fails for good until it is mended."""

    mended = False
    done = 0

    def __call__(self, _house: House, _job: Job) -> None:
        if not self.mended:
            raise Unrecoverable("the bell is cracked")
        self.done += 1


@pytest.fixture
def handler() -> Handler:
    return Handler()


@pytest.fixture
def runner(house: House, handler: Handler) -> Runner:
    return Runner(house, {KIND: handler})


def queue(context: Context, node: Node) -> None:
    with context.database.transaction():
        context.enqueue(KIND, node.id, {"name": "one"}, dedupe="one")


def test_a_dead_job_is_listed_with_what_killed_it(context: Context, acme: Node, runner: Runner) -> None:
    queue(context, acme)
    runner.run_due()
    [dead] = dead_letters.list_dead(context, limit=10)
    assert (dead.kind, dead.node, dead.error, dead.attempts) == (KIND, acme.id, "the bell is cracked", 1)
    assert (dead.payload, dead.correlation_id) == ({"name": "one"}, context.correlation_id)


def test_a_dead_job_runs_again_with_all_its_attempts(context: Context, acme: Node, runner: Runner, handler: Handler) -> None:
    queue(context, acme)
    runner.run_due()
    [dead] = dead_letters.list_dead(context, limit=10)
    handler.mended = True
    assert runner.run_due() == 0
    dead_letters.run_again(context, dead.id)
    assert runner.run_due() == 1
    assert handler.done == 1
    assert dead_letters.list_dead(context, limit=10) == []
    assert context.database.script("SELECT target FROM audit WHERE action = 'job.run_again'") == [(dead.id,)]


def test_the_runner_is_woken_for_a_job_that_runs_again(context: Context, acme: Node, runner: Runner) -> None:
    queue(context, acme)
    runner.run_due()
    [dead] = dead_letters.list_dead(context, limit=10)
    context.database.jobs_bell.wait(0)
    dead_letters.run_again(context, dead.id)
    assert context.database.jobs_bell.wait(0)


def test_what_is_not_dead_does_not_run_again(context: Context, acme: Node, runner: Runner, handler: Handler) -> None:
    handler.mended = True
    queue(context, acme)
    runner.run_due()
    [(job_id,)] = context.database.script("SELECT id FROM job")
    for unknown in (job_id, "nothing", "x" * 10_000):
        with pytest.raises(Refusal) as refused:
            dead_letters.run_again(context, unknown)
        assert refused.value.code == "E_Resource_Not_Found"


def test_the_mail_of_a_dead_job_is_sent_again(context: Context, acme: Node, house: House, clock: Clock, quick_hashes: None) -> None:
    ada, post = add_person(context, acme, "ada"), Post()
    runner = Runner(house, {mail.DELIVERY: Delivery(post)})
    mail.queue(context, ada, MailKind.FACTOR_ENROLLED, event="one", told={"at": 0})
    # As if the process had died at every attempt.
    for _ in range(10):
        jobs.claim_jobs(house.database, "dying", now=clock(), lease_until=clock(), limit=1, busy={}, per_lane=2)
    runner.run_due()
    [dead] = dead_letters.list_dead(context, limit=10)
    dead_letters.run_again(context, dead.id)
    runner.run_due()
    assert [item.recipient for item in post.carried] == ["ada@mail.example"]


def test_a_mail_that_failed_is_sent_again_by_its_dead_job(
    context: Context, acme: Node, house: House, clock: Clock, quick_hashes: None
) -> None:
    ada, post = add_person(context, acme, "ada"), Post()
    runner = Runner(house, {mail.DELIVERY: Delivery(post)})
    mail.queue(context, ada, MailKind.FACTOR_ENROLLED, event="one", told={"at": 0})
    [item] = mail.list_of_person(context, ada)
    with context.database.transaction():
        mails.change_mail(context.database, item.id, MailState.QUEUED, MailState.FAILED, now=clock())
        context.database.script("UPDATE job SET state = 'dead', finished_at = 0, dedupe = NULL")
    [dead] = dead_letters.list_dead(context, limit=10)
    dead_letters.run_again(context, dead.id)
    runner.run_due()
    assert len(post.carried) == 1
    assert dead_letters.list_dead(context, limit=10) == []
