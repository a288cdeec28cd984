"""What stands on a calendar runs once at each of its times, whoever looks, and never for what is gone."""

import threading
from dataclasses import replace

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.mails import MailKind, MailState
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.people import Account
from gateway.domain.schedules import RunState, Schedule
from gateway.domain.values import DAY_MS, HOUR_MS, Instant
from gateway.services import mail, nodes, people, schedules
from gateway.services.context import Context
from gateway.services.house import House
from gateway.services.jobs import Runner
from gateway.services.nodes import NewNode
from gateway.services.routines import Clerk
from gateway.services.schedules import NewSchedule
from gateway.storage.jobs import Job
from tests.conftest import Clock
from tests.factors import add_person

HOURLY = NewSchedule("Tell new people", "Tell them", "notification", cron="0 * * * *")


@pytest.fixture
def clerk(house: House) -> Clerk:
    return Clerk(house, [schedules.ROUTINE])


@pytest.fixture
def runner(house: House) -> Runner:
    return Runner(house, {schedules.RUN: schedules.run, mail.DELIVERY: _deliver})


def _deliver(_house: House, _job: Job) -> None:
    """Leave mails as they are queued."""


@pytest.fixture
def ada(context: Context, acme: Node, quick_hashes: None) -> Account:
    return add_person(context, acme, "ada")


def put_aside(context: Context, account: Account, event: str = "created") -> None:
    mail.queue(context, account, MailKind.PROFILE_CREATED, event=event, told={"link": "https://x.example"}, aside=True)


def states(context: Context, account: Account) -> list[MailState]:
    return [item.state for item in mail.list_of_person(context, account)]


def runs(context: Context, schedule: Schedule) -> list[tuple[RunState, int, int]]:
    return [(run.state, run.sent, run.skipped) for run in schedules.list_runs(context, schedule)]


def test_a_job_runs_at_each_of_its_times(context: Context, acme: Node, clerk: Clerk, clock: Clock) -> None:
    made = schedules.create(context, acme, HOURLY)
    clerk.run_due()
    assert runs(context, made) == []
    for times in (1, 2, 3):
        clock.advance(seconds=3600)
        clerk.run_due()
        clerk.run_due()
        assert len(runs(context, made)) == times


def test_what_was_missed_runs_once(context: Context, acme: Node, clerk: Clerk, clock: Clock) -> None:
    made = schedules.create(context, acme, HOURLY)
    clock.advance(seconds=5 * 24 * 3600)
    clerk.run_due()
    clerk.run_due()
    [run] = schedules.list_runs(context, made)
    assert run.due_at == made.next_run
    following = schedules.get_schedule(context, acme, made.name).next_run
    assert following is not None
    assert clock.now < following <= clock.now + HOUR_MS


def test_of_several_processes_one_takes_an_occurrence(context: Context, house: House, acme: Node, clock: Clock) -> None:
    made = schedules.create(context, acme, HOURLY)
    clock.advance(seconds=3600)
    together = threading.Barrier(4)

    def fire() -> None:
        together.wait(10)
        schedules.fire_due(house)
        house.database.close()

    threads = [threading.Thread(target=fire) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(runs(context, made)) == 1


def test_a_job_without_times_runs_once_at_once_or_at_its_moment(context: Context, acme: Node, clerk: Clerk, clock: Clock) -> None:
    now = schedules.create(context, acme, replace(HOURLY, name="now", cron=""))
    later = schedules.create(context, acme, replace(HOURLY, name="later", cron="", at=Instant(clock.now + HOUR_MS)))
    clerk.run_due()
    assert (len(runs(context, now)), len(runs(context, later))) == (1, 0)
    clock.advance(seconds=3600)
    clerk.run_due()
    clock.advance(seconds=DAY_MS)
    clerk.run_due()
    assert (len(runs(context, now)), len(runs(context, later))) == (1, 1)


def test_a_job_begins_and_ends_when_it_was_told(context: Context, acme: Node, clerk: Clerk, clock: Clock) -> None:
    start = Instant(clock.now + 24 * HOUR_MS)
    made = schedules.create(context, acme, replace(HOURLY, at=start, ends_at=Instant(start + 2 * HOUR_MS)))
    for _ in range(40):
        clerk.run_due()
        clock.advance(seconds=3600)
    assert len(runs(context, made)) == 2


def test_a_paused_job_rests_and_misses_nothing_it_was_not_asked_for(context: Context, acme: Node, clerk: Clerk, clock: Clock) -> None:
    made = schedules.pause(context, schedules.create(context, acme, HOURLY))
    clock.advance(seconds=3 * 3600)
    clerk.run_due()
    assert runs(context, made) == []
    schedules.resume(context, made)
    clerk.run_due()
    assert runs(context, made) == []
    clock.advance(seconds=3600)
    clerk.run_due()
    assert len(runs(context, made)) == 1


def test_a_deleted_job_runs_no_more_and_its_queued_run_ends_quietly(
    context: Context, acme: Node, clerk: Clerk, runner: Runner, clock: Clock
) -> None:
    made = schedules.create(context, acme, HOURLY)
    clock.advance(seconds=3600)
    clerk.run_due()
    schedules.delete(context, made)
    runner.run_due()
    clock.advance(seconds=3600)
    clerk.run_due()
    assert schedules.list_schedules(context, acme) == []
    assert context.database.script("SELECT COUNT(*) FROM schedule_run") == [(0,)]


def test_a_tenant_that_is_off_has_no_runs(context: Context, house: House, acme: Node, clerk: Clerk, clock: Clock) -> None:
    made = schedules.create(context, acme, HOURLY)
    nodes.disable_node(context, acme)
    clock.advance(seconds=3600)
    clerk.run_due()
    assert runs(context, made) == []
    assert not schedules.is_any_due(house)


@pytest.mark.parametrize(
    ("new", "code"),
    [
        (replace(HOURLY, step=""), "E_Job_No_Task"),
        (replace(HOURLY, task=""), "E_Job_No_Task"),
        (replace(HOURLY, task="coffee"), "E_Job_No_Task"),
        (replace(HOURLY, cron="0 0 30 2 *"), "E_Job_Schedule"),
        (replace(HOURLY, time_zone="Mars/Olympus"), "E_Job_Schedule"),
        (replace(HOURLY, ends_at=Instant(1)), "E_Job_Schedule"),
        (replace(HOURLY, name=" "), "E_Field_Invalid"),
        (replace(HOURLY, name="a\nb"), "E_Field_Invalid"),
        (replace(HOURLY, name="x" * 129), "E_Field_Invalid"),
        (replace(HOURLY, description="x" * 1025), "E_Field_Invalid"),
    ],
)
def test_a_job_that_cannot_be_is_refused(context: Context, acme: Node, new: NewSchedule, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        schedules.create(context, acme, new)
    assert refused.value.code == code
    assert schedules.list_schedules(context, acme) == []


def test_a_name_stands_once_in_a_tenant_however_it_is_written(context: Context, acme: Node, globex: Node) -> None:
    schedules.create(context, acme, HOURLY)
    schedules.create(context, globex, HOURLY)
    with pytest.raises(Refusal) as refused:
        schedules.create(context, acme, replace(HOURLY, name="TELL NEW PEOPLE"))
    assert refused.value.code == "E_Field_Invalid"
    assert schedules.get_schedule(context, acme, "tell new PEOPLE").node == acme.id


def test_the_notification_task_sends_what_was_put_aside_once(
    context: Context, acme: Node, ada: Account, clerk: Clerk, runner: Runner, clock: Clock
) -> None:
    bob, eve = add_person(context, acme, "bob"), add_person(context, acme, "eve")
    for account in (ada, ada, bob, eve):
        put_aside(context, account)
    people.set_enabled(context, eve, enabled=False)
    runner.run_due()
    assert states(context, ada) == [MailState.WAITING]
    made = schedules.create(context, acme, HOURLY)
    clock.advance(seconds=3600)
    clerk.run_due()
    schedules.run_now(context, made)
    runner.run_due()
    assert [states(context, account) for account in (ada, bob, eve)] == [[MailState.QUEUED], [MailState.QUEUED], [MailState.SKIPPED]]
    assert sorted(runs(context, made)) == [(RunState.DONE, 0, 0), (RunState.DONE, 2, 1)]


def test_the_notification_task_reaches_units_and_no_other_tenant(
    context: Context, acme: Node, globex: Node, ada: Account, runner: Runner
) -> None:
    unit = nodes.create_node(context, acme.id, NewNode("acme-lab", "Lab", NodeKind.UNIT))
    lab, other = add_person(context, unit, "lab"), add_person(context, globex, "other")
    for account in (ada, lab, other):
        put_aside(context, account)
    schedules.run_now(context, schedules.create(context, acme, HOURLY))
    runner.run_due()
    assert [states(context, account) for account in (ada, lab, other)] == [[MailState.QUEUED], [MailState.QUEUED], [MailState.WAITING]]


def test_what_was_put_aside_can_be_sent_now_by_hand(context: Context, ada: Account) -> None:
    put_aside(context, ada)
    [waiting] = mail.list_of_person(context, ada)
    assert mail.send_again(context, ada, waiting.id).state is MailState.QUEUED


def test_every_act_on_a_job_is_in_the_trail(context: Context, acme: Node) -> None:
    made = schedules.create(context, acme, HOURLY)
    schedules.pause(context, made)
    schedules.resume(context, made)
    schedules.run_now(context, made)
    schedules.delete(context, made)
    found = context.database.script("SELECT action FROM audit WHERE target_kind = 'schedule' ORDER BY id")
    assert [row[0] for row in found] == [f"schedule.{act}" for act in ("created", "paused", "resumed", "run", "deleted")]
