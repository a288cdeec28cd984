"""Jobs run at least once, soon, side by side, and again after whatever went wrong."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import pytest

from gateway.domain.nodes import Node
from gateway.domain.ports import Unreachable
from gateway.domain.values import Instant
from gateway.services import sweeping
from gateway.services.context import Context
from gateway.services.house import House
from gateway.services.jobs import BACK_OFF_MS, LEASE_MS, Crew, Runner, Unrecoverable
from gateway.services.routines import Clerk
from gateway.storage import jobs
from gateway.storage.jobs import Job
from tests.conftest import Clock

PATIENCE = 10
"""Seconds after which a test that waits for a thread has failed."""

KIND = "ring"


@dataclass
class Deeds:
    """A handler that notes its jobs and then does what the test wants."""

    done: list[str] = field(default_factory=list)
    act: Callable[[Job], None] = lambda job: None
    enough: threading.Event = field(default_factory=threading.Event)
    wanted: int = 0

    def __call__(self, _house: House, job: Job) -> None:
        self.act(job)
        self.done.append(job.payload["name"])
        if len(self.done) == self.wanted:
            self.enough.set()


@pytest.fixture
def deeds() -> Deeds:
    return Deeds()


@pytest.fixture
def runner(house: House, deeds: Deeds) -> Iterator[Runner]:
    made = Runner(house, {KIND: deeds}, Crew(threads=4, per_lane=2))
    yield made
    assert made.stop(PATIENCE)


class Enqueue(Protocol):
    def __call__(self, name: str, *, lane: str = "", dedupe: str | None = None, kind: str = KIND) -> None: ...


@pytest.fixture
def enqueue(context: Context, acme: Node) -> Enqueue:
    """Queue a job in a transaction of its own."""

    def queue(name: str, *, lane: str = "", dedupe: str | None = None, kind: str = KIND) -> None:
        with context.database.transaction():
            context.enqueue(kind, acme.id, {"name": name}, lane=lane, dedupe=dedupe)

    return queue


def raising(error: Exception) -> Callable[[Job], None]:
    def act(job: Job) -> None:
        raise error

    return act


def states(house: House) -> dict[str, int]:
    return jobs.count_jobs(house.database)


def test_a_job_runs_once_and_is_done(enqueue: Enqueue, house: House, runner: Runner, deeds: Deeds) -> None:
    enqueue("one")
    assert runner.run_due() == 1
    assert runner.run_due() == 0
    assert deeds.done == ["one"]
    assert states(house) == {"done": 1}


def test_a_job_of_a_transaction_that_fails_never_runs(enqueue: Enqueue, house: House, runner: Runner, deeds: Deeds) -> None:
    def fail() -> None:
        with house.database.transaction():
            enqueue("one")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert runner.run_due() == 0
    assert deeds.done == []


def test_the_runner_is_woken_by_the_commit(context: Context, acme: Node) -> None:
    bell = context.database.jobs_bell
    with context.database.transaction():
        context.enqueue(KIND, acme.id, {"name": "one"})
    assert bell.wait(0)


# On PostgreSQL the bell may ring without a cause, when the listener has its connection.
@pytest.mark.sqlite
def test_the_runner_is_woken_by_the_commit_and_not_before(context: Context, acme: Node) -> None:
    bell = context.database.jobs_bell
    with context.database.transaction():
        context.enqueue(KIND, acme.id, {"name": "one"})
        assert not bell.wait(0)
    assert bell.wait(0)
    assert not bell.wait(0)


def test_a_failed_job_runs_again_after_growing_pauses_and_is_dead_at_last(
    enqueue: Enqueue, house: House, clock: Clock, runner: Runner, deeds: Deeds
) -> None:
    deeds.act = raising(Unreachable("connection refused"))
    enqueue("one")
    for pause in BACK_OFF_MS:
        assert runner.run_due() == 1
        clock.advance(milliseconds=pause - 1)
        assert runner.run_due() == 0
        clock.advance(milliseconds=1)
    assert runner.run_due() == 1
    assert states(house) == {"dead": 1}
    [(outcome, detail)] = house.database.script("SELECT outcome, detail FROM audit WHERE action = 'job.dead'")
    assert outcome == "refused"
    assert "connection refused" in detail


def test_a_job_that_failed_succeeds_later(enqueue: Enqueue, house: House, clock: Clock, runner: Runner, deeds: Deeds) -> None:
    deeds.act = raising(ValueError("a secret"))
    enqueue("one")
    runner.run_due()
    deeds.act = lambda job: None
    clock.advance(seconds=1)
    assert runner.run_due() == 1
    assert states(house) == {"done": 1}


def test_the_text_of_a_foreign_error_is_not_kept(enqueue: Enqueue, house: House, runner: Runner, deeds: Deeds) -> None:
    deeds.act = raising(ValueError("password=hunter2"))
    enqueue("one")
    runner.run_due()
    assert house.database.script("SELECT last_error FROM job") == [("ValueError",)]


def test_an_unrecoverable_job_and_one_nobody_knows_are_dead_at_once(enqueue: Enqueue, house: House, runner: Runner, deeds: Deeds) -> None:
    deeds.act = raising(Unrecoverable("the app is gone"))
    enqueue("one")
    enqueue("two", kind="unheard of")
    runner.run_due()
    assert states(house) == {"dead": 2}


def test_a_job_of_a_killed_process_runs_again_when_its_lease_is_over(
    enqueue: Enqueue, house: House, clock: Clock, runner: Runner, deeds: Deeds
) -> None:
    enqueue("one")
    lost = jobs.claim_jobs(
        house.database, "dead process", now=clock(), lease_until=Instant(clock() + LEASE_MS), limit=1, busy={}, per_lane=2
    )
    assert len(lost) == 1
    clock.advance(milliseconds=LEASE_MS - 1)
    assert runner.run_due() == 0
    clock.advance(milliseconds=1)
    assert runner.run_due() == 1
    assert deeds.done == ["one"]
    assert not jobs.finish_job(house.database, lost[0], "dead process", state="dead", error="", now=clock())


def test_a_job_that_kills_its_process_every_time_is_dead_at_last(
    enqueue: Enqueue, house: House, clock: Clock, runner: Runner, deeds: Deeds
) -> None:
    enqueue("one")
    for _ in range(len(BACK_OFF_MS) + 1):
        jobs.claim_jobs(house.database, "dying", now=clock(), lease_until=Instant(clock() + LEASE_MS), limit=1, busy={}, per_lane=2)
        clock.advance(milliseconds=LEASE_MS)
    runner.run_due()
    assert deeds.done == []
    assert states(house) == {"dead": 1}


def test_two_claims_never_get_the_same_job(enqueue: Enqueue, house: House, clock: Clock) -> None:
    for at in range(20):
        enqueue(str(at))
    claimed: list[str] = []

    def claim(owner: str) -> None:
        while found := jobs.claim_jobs(
            house.database, owner, now=clock(), lease_until=Instant(clock() + LEASE_MS), limit=3, busy={}, per_lane=2
        ):
            claimed.extend(job.id for job in found)
        house.database.close()

    threads = [threading.Thread(target=claim, args=(str(at),)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(claimed) == len(set(claimed)) == 20


def test_work_queued_here_is_done_at_once_by_running_threads(enqueue: Enqueue, runner: Runner, deeds: Deeds) -> None:
    deeds.wanted = 1
    runner.start()
    enqueue("one")
    assert deeds.enough.wait(PATIENCE)


def test_a_slow_app_delays_no_other(enqueue: Enqueue, runner: Runner, deeds: Deeds) -> None:
    release = threading.Event()
    deeds.act = lambda job: None if job.lane != "slow" else _block(release)
    deeds.wanted = 20
    for at in range(30):
        enqueue(f"slow {at}", lane="slow")
    for at in range(20):
        enqueue(f"quick {at}", lane=f"app {at}")
    runner.start()
    try:
        assert deeds.enough.wait(PATIENCE)
        assert all(name.startswith("quick") for name in deeds.done)
    finally:
        release.set()


def test_a_lane_runs_no_more_jobs_at_once_than_allowed(enqueue: Enqueue, runner: Runner, deeds: Deeds) -> None:
    guard, inside, most = threading.Lock(), 0, 0

    def act(job: Job) -> None:
        nonlocal inside, most
        with guard:
            inside += 1
            most = max(most, inside)
        with guard:
            inside -= 1

    deeds.act, deeds.wanted = act, 30
    for at in range(30):
        enqueue(str(at), lane="one app")
    runner.start()
    assert deeds.enough.wait(PATIENCE)
    assert most <= 2


def test_stopping_ends_what_runs_and_gives_back_the_rest(enqueue: Enqueue, house: House, deeds: Deeds) -> None:
    runner = Runner(house, {KIND: deeds}, Crew(threads=1, per_lane=1))
    begun, release = threading.Event(), threading.Event()

    def act(job: Job) -> None:
        begun.set()
        _block(release)

    deeds.act = act
    for at in range(5):
        enqueue(str(at))
    runner.start()
    assert begun.wait(PATIENCE)
    stopper = threading.Thread(target=runner.stop, args=(PATIENCE,))
    stopper.start()
    release.set()
    stopper.join(PATIENCE)
    assert not stopper.is_alive()
    counted = states(house)
    assert counted.get("running", 0) == 0
    assert counted["ready"] + counted["done"] == 5


def test_a_long_job_keeps_its_lease(enqueue: Enqueue, house: House, clock: Clock, runner: Runner, deeds: Deeds) -> None:
    begun, release = threading.Event(), threading.Event()

    def act(job: Job) -> None:
        begun.set()
        _block(release)

    deeds.act, deeds.wanted = act, 1
    enqueue("long")
    runner.start()
    assert begun.wait(PATIENCE)
    first = house.database.script("SELECT lease_until FROM job")[0][0]
    clock.advance(milliseconds=LEASE_MS // 2)
    runner._look()
    assert house.database.script("SELECT lease_until FROM job")[0][0] > first
    release.set()
    assert deeds.enough.wait(PATIENCE)


def test_a_deduplicated_job_is_queued_once_until_it_is_over(enqueue: Enqueue, runner: Runner, deeds: Deeds) -> None:
    enqueue("one", dedupe="the same")
    enqueue("two", dedupe="the same")
    runner.run_due()
    enqueue("three", dedupe="the same")
    runner.run_due()
    assert deeds.done == ["one", "three"]


def test_done_jobs_are_forgotten_after_a_week(enqueue: Enqueue, house: House, clock: Clock, runner: Runner) -> None:
    enqueue("one")
    runner.run_due()
    clock.advance(seconds=7 * 86_400 + 1)
    Clerk(house, [sweeping.ROUTINE]).run_due()
    assert states(house) == {}


def test_a_job_carries_the_correlation_id_of_the_act_that_queued_it(
    enqueue: Enqueue, context: Context, runner: Runner, deeds: Deeds
) -> None:
    seen: list[str] = []
    deeds.act = lambda job: seen.append(job.correlation_id)
    enqueue("one")
    runner.run_due()
    assert seen == [context.correlation_id]


def _block(release: threading.Event) -> None:
    if not release.wait(PATIENCE):
        message = "nobody released the job"
        raise AssertionError(message)


def test_a_bug_in_the_machinery_ends_neither_foreman_nor_hand(
    enqueue: Enqueue, runner: Runner, deeds: Deeds, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = threading.Event()
    finish, claim = jobs.finish_job, jobs.claim_jobs

    def fail_once(real: Callable[..., object]) -> Callable[..., object]:
        failed: list[bool] = []

        def call(*given: object, **named: object) -> object:
            if not failed:
                failed.append(True)
                broken.set()
                raise KeyError
            return real(*given, **named)

        return call

    monkeypatch.setattr(jobs, "finish_job", fail_once(finish))
    monkeypatch.setattr(jobs, "claim_jobs", fail_once(claim))
    deeds.wanted = 6
    runner.start()
    assert broken.wait(PATIENCE)
    for at in range(6):
        enqueue(str(at))
    assert deeds.enough.wait(PATIENCE)
    assert "the foreman stumbled" in caplog.text


def test_what_a_runner_claimed_is_its_own_until_the_lease_is_over(
    enqueue: Enqueue, house: House, clock: Clock, runner: Runner, deeds: Deeds
) -> None:
    enqueue("one")
    assert len(runner._claim(limit=1)) == 1
    other = Runner(house, {KIND: deeds})
    assert other.run_due() == 0
    clock.advance(milliseconds=LEASE_MS - 1)
    assert other.run_due() == 0
    clock.advance(milliseconds=1)
    assert other.run_due() == 1


def test_whoever_lost_all_that_he_saw_takes_what_is_left(enqueue: Enqueue, house: House, clock: Clock) -> None:
    """On PostgreSQL two may see the same jobs; the slower one is not to rest while there is work."""
    enqueue("one")
    enqueue("two")
    together = threading.Barrier(2)
    claimed: list[str] = []

    def claim(owner: str) -> None:
        together.wait(PATIENCE)
        until = Instant(clock() + LEASE_MS)
        found = jobs.claim_jobs(house.database, owner, now=clock(), lease_until=until, limit=1, busy={}, per_lane=2)
        claimed.extend(job.id for job in found)
        house.database.close()

    threads = [threading.Thread(target=claim, args=(str(at),)) for at in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(set(claimed)) == 2
