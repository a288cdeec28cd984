"""Mails are queued with the act, sent once, tried again, and told of to whoever asks what became of them."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.mails import MailDeferred, MailKind, MailRefused, MailServer, MailState, MailUnconfirmed, OutgoingMail
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.values import HOUR_MS, MINUTE_MS
from gateway.outbound.mail import SmtpCarrier
from gateway.services import mail, mail_delivery, nodes, people
from gateway.services.context import Context
from gateway.services.house import House
from gateway.services.jobs import LEASE_MS, Crew, Runner
from gateway.services.mail_delivery import PAUSES_MS, Delivery
from gateway.storage import jobs, mails
from gateway.storage.database import DatabaseUnavailable
from gateway.storage.jobs import Job
from gateway.storage.mails import StoredMail
from gateway.tokens.keyring import KeyRing
from tests.conftest import Clock
from tests.factors import add_person
from tests.journeys.processes import wait_for
from tests.outbound.mail_servers import HANG, mail_server

PATIENCE = 10

KIND = MailKind.FACTOR_ENROLLED


@dataclass
class Post:
    """A carrier that notes what it carried, and disappoints as a test wants."""

    carried: list[OutgoingMail] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None

    def carry(self, mail: OutgoingMail, *, hand_over: Callable[[], None]) -> str:
        self.before()
        hand_over()
        self.after()
        self.carried.append(mail)
        return "250 queued"


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def runner(house: House, post: Post) -> Runner:
    return Runner(house, {mail.DELIVERY: Delivery(post)})


@pytest.fixture
def ada(context: Context, acme: Node, quick_hashes: None) -> Account:
    return add_person(context, acme, "ada")


def queue(context: Context, account: Account, event: str = "one", address: str = "") -> None:
    mail.queue(context, account, KIND, event=event, told={"at": context.now()}, address=address)


def raising(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def log(context: Context, account: Account) -> list[tuple[str, MailState, int, str]]:
    """What the log tells of the mails that a test queued."""
    return [(item.event, item.state, item.attempts, item.reply) for item in mail.list_of_person(context, account) if ":" not in item.event]


def only(context: Context, account: Account) -> StoredMail:
    [found] = [item for item in mail.list_of_person(context, account) if ":" not in item.event]
    return found


def carried(post: Post) -> list[OutgoingMail]:
    return [item for item in post.carried if item.letter.subject == "A second factor was set up"]


def test_a_mail_is_sent_once_and_logged(context: Context, ada: Account, runner: Runner, post: Post) -> None:
    queue(context, ada)
    runner.run_due()
    runner.run_due()
    [sent] = carried(post)
    assert (sent.recipient, sent.sender_name, sent.recipient_name) == ("ada@mail.example", "Acme Ltd", "Given Family")
    assert log(context, ada) == [("one", MailState.SENT, 0, "250 queued")]
    assert sent.id == only(context, ada).id


def test_of_one_event_a_person_is_told_once(context: Context, acme: Node, ada: Account, runner: Runner, post: Post) -> None:
    bob = add_person(context, acme, "bob")
    for account in (ada, bob, ada):
        queue(context, account)
    runner.run_due()
    queue(context, ada)
    runner.run_due()
    assert sorted(item.recipient for item in carried(post)) == ["ada@mail.example", "bob@mail.example"]


def test_a_mail_of_an_act_that_fails_is_never_sent(context: Context, ada: Account, runner: Runner, post: Post) -> None:
    def act() -> None:
        with context.database.transaction():
            queue(context, ada)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        act()
    runner.run_due()
    assert carried(post) == []
    assert log(context, ada) == []


def test_what_a_mail_tells_is_wrapped_and_forgotten_once_it_is_sent(context: Context, ada: Account, runner: Runner) -> None:
    mail.queue(context, ada, MailKind.EMAIL_CHANGED, event="one", told={"at": 0, "email": "https://secret.example/token"})
    assert "secret" not in str(context.database.script("SELECT * FROM mail"))
    assert "secret" not in str(context.database.script("SELECT * FROM job"))
    runner.run_due()
    assert only(context, ada).data == ""


def test_an_address_that_is_none_is_logged_and_not_tried(context: Context, ada: Account, runner: Runner, post: Post) -> None:
    queue(context, replace(ada, email=""), "one")
    queue(context, ada, "two", address="no address\r\nBcc: x@y.example")
    runner.run_due()
    assert [state for _, state, *_ in log(context, ada)] == [MailState.SKIPPED] * 2
    assert carried(post) == []


@pytest.mark.parametrize("gone", ["disabled", "deleted"])
def test_whoever_left_meanwhile_gets_nothing(context: Context, ada: Account, runner: Runner, post: Post, gone: str) -> None:
    queue(context, ada)
    if gone == "disabled":
        people.set_enabled(context, ada, enabled=False)
    else:
        people.delete_person(context, ada)
    runner.run_due()
    assert carried(post) == []
    assert only(context, ada).state is MailState.SKIPPED


def test_a_mail_that_is_put_off_is_tried_after_1_5_30_minutes_2_and_12_hours(
    context: Context, ada: Account, runner: Runner, post: Post, clock: Clock, house: House
) -> None:
    assert PAUSES_MS == (MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS, 12 * HOUR_MS)
    runner.run_due()
    queue(context, ada)
    post.before = raising(MailDeferred("450 greylisted"))
    for at, pause in enumerate(PAUSES_MS, 1):
        assert runner.run_due() == 1
        assert log(context, ada) == [("one", MailState.QUEUED, at, "450 greylisted")]
        clock.advance(milliseconds=pause - 1)
        assert runner.run_due() == 0
        clock.advance(milliseconds=1)
    assert runner.run_due() == 1
    assert log(context, ada) == [("one", MailState.FAILED, 6, "450 greylisted")]
    assert jobs.count_jobs(house.database)["dead"] == 1


def test_a_mail_that_was_put_off_goes_later(context: Context, ada: Account, runner: Runner, post: Post, clock: Clock) -> None:
    queue(context, ada)
    post.before = raising(MailDeferred("450 greylisted"))
    runner.run_due()
    post.before = lambda: None
    clock.advance(seconds=60)
    runner.run_due()
    assert len(carried(post)) == 1
    assert log(context, ada) == [("one", MailState.SENT, 1, "250 queued")]


def test_a_mail_refused_after_its_end_is_tried_again(context: Context, ada: Account, runner: Runner, post: Post, clock: Clock) -> None:
    queue(context, ada)
    post.after = raising(MailDeferred("451 later"))
    runner.run_due()
    assert log(context, ada) == [("one", MailState.QUEUED, 1, "451 later")]
    post.after = lambda: None
    clock.advance(seconds=60)
    runner.run_due()
    assert log(context, ada) == [("one", MailState.SENT, 1, "250 queued")]


def test_a_bounce_is_logged_and_not_tried_again(
    context: Context, ada: Account, runner: Runner, post: Post, clock: Clock, house: House
) -> None:
    queue(context, ada)
    post.before = raising(MailRefused("550 no such user"))
    runner.run_due()
    clock.advance(seconds=86_400)
    assert runner.run_due() == 0
    assert log(context, ada) == [("one", MailState.BOUNCED, 1, "550 no such user")]
    assert "dead" not in jobs.count_jobs(house.database)


def test_a_line_that_breaks_after_the_end_leaves_the_mail_unconfirmed(
    context: Context, ada: Account, runner: Runner, post: Post, clock: Clock
) -> None:
    queue(context, ada)
    post.after = raising(MailUnconfirmed("no answer"))
    runner.run_due()
    clock.advance(seconds=86_400)
    assert runner.run_due() == 0
    assert log(context, ada) == [("one", MailState.UNCONFIRMED, 1, "no answer")]


class _Killed(BaseException):
    """What SIGKILL does: nobody notes anything."""


def killed() -> None:
    raise _Killed


@pytest.mark.parametrize(("moment", "state", "sent"), [("before", MailState.SENT, 1), ("after", MailState.UNCONFIRMED, 0)])
def test_a_mail_whose_process_was_killed_is_sent_if_and_only_if_it_was_not_handed_over(
    context: Context, ada: Account, house: House, runner: Runner, post: Post, clock: Clock, moment: str, state: MailState, sent: int
) -> None:
    runner.run_due()
    queue(context, ada)
    setattr(post, moment, killed)
    with pytest.raises(_Killed):
        runner.run_due()
    post.before = post.after = lambda: None
    other = Runner(house, {mail.DELIVERY: Delivery(post)})
    assert other.run_due() == 0
    clock.advance(milliseconds=LEASE_MS)
    other.run_due()
    assert only(context, ada).state is state
    assert len(carried(post)) == sent


def test_of_two_processes_one_hands_over(context: Context, ada: Account, house: House, runner: Runner, post: Post, clock: Clock) -> None:
    """One was frozen until its lease was over, and goes on while another one has the mail."""
    runner.run_due()
    queue(context, ada)
    other = Post()

    def meanwhile() -> None:
        clock.advance(milliseconds=LEASE_MS)
        Runner(house, {mail.DELIVERY: Delivery(other)}).run_due()

    post.before = meanwhile
    runner.run_due()
    assert (len(carried(other)), len(carried(post))) == (1, 0)
    assert only(context, ada).state is MailState.SENT


def test_whoever_was_thought_dead_and_lives_tells_how_it_ended(
    context: Context, ada: Account, house: House, runner: Runner, post: Post, clock: Clock
) -> None:
    queue(context, ada)

    def meanwhile() -> None:
        clock.advance(milliseconds=LEASE_MS)
        Runner(house, {mail.DELIVERY: Delivery(Post())}).run_due()
        assert only(context, ada).state is MailState.UNCONFIRMED

    post.after = meanwhile
    runner.run_due()
    assert only(context, ada).state is MailState.SENT


def test_a_database_that_is_gone_at_the_last_moment_sends_nothing(
    context: Context, ada: Account, runner: Runner, post: Post, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.run_due()
    queue(context, ada)
    with monkeypatch.context() as patch:
        patch.setattr(mails, "change_mail", lambda *_given, **_named: raising(DatabaseUnavailable("locked"))())
        runner.run_due()
    assert carried(post) == []
    clock.advance(seconds=60)
    runner.run_due()
    assert len(carried(post)) == 1


def test_what_the_server_said_is_noted_once_the_database_is_back(
    context: Context, ada: Account, runner: Runner, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.run_due()
    queue(context, ada)
    real, away = mails.change_mail, iter([True, True])

    def change(*given: Any, **named: Any) -> bool:
        if given[3] is MailState.SENT and next(away, False):
            raise DatabaseUnavailable("restarting")
        return real(*given, **named)

    monkeypatch.setattr(mails, "change_mail", change)
    monkeypatch.setattr(mail_delivery, "WAITS_SECONDS", (0, 0, 0))
    runner.run_due()
    assert log(context, ada) == [("one", MailState.SENT, 0, "250 queued")]


def test_a_mail_server_that_hangs_holds_up_no_other_job(context: Context, acme: Node, house: House, quick_hashes: None) -> None:
    done = threading.Event()
    for at in range(20):
        queue(context, add_person(context, acme, f"person{at}"))
    with mail_server({"RCPT": HANG}) as server:
        carrier = SmtpCarrier(MailServer("localhost", server.port, False, False, "", "", ""), public_host="id.example.com")

        def log_out(_house: House, _job: Job) -> None:
            done.set()

        runner = Runner(house, {mail.DELIVERY: Delivery(carrier), "logout": log_out}, Crew(threads=4, per_lane=2))
        runner.start()
        wait_for(lambda: server.verbs().count("RCPT") == 2)
        with context.database.transaction():
            context.enqueue("logout", acme.id, {}, lane="an app")
        assert done.wait(PATIENCE)
        assert server.verbs().count("RCPT") == 2
        server.over.set()
        server.hang_up()
        assert runner.stop(PATIENCE)
    carrier.close()


def test_a_mail_that_no_key_opens_fails_with_the_reason(context: Context, ada: Account, house: House, post: Post) -> None:
    queue(context, ada)
    other_keys = replace(house, keyring=KeyRing(("x" * 64,), house.entropy))
    Runner(other_keys, {mail.DELIVERY: Delivery(post)}).run_due()
    [(_, state, _, reply)] = log(context, ada)
    assert state is MailState.FAILED
    assert "MOONGATE_SECRET_KEYS" in reply


@pytest.mark.parametrize("error", [MailRefused("550 no"), MailUnconfirmed("no answer")])
def test_an_administrator_sends_again_what_is_not_known_to_have_come(
    context: Context, ada: Account, runner: Runner, post: Post, error: Exception
) -> None:
    queue(context, ada)
    post.after = raising(error)
    runner.run_due()
    post.after = lambda: None
    moved = people.change_fields(context, ada, replace(people.fields_of(ada), email="new@mail.example"))
    again = mail.send_again(context, moved, only(context, ada).id)
    assert (again.state, again.attempts) == (MailState.QUEUED, 0)
    runner.run_due()
    assert [item.recipient for item in carried(post)] == ["new@mail.example"]
    assert context.database.script("SELECT COUNT(*) FROM audit WHERE action = 'mail.sent_again'") == [(1,)]


def test_what_was_sent_or_is_somebody_elses_is_not_sent_again(
    context: Context, acme: Node, ada: Account, runner: Runner, post: Post
) -> None:
    queue(context, ada)
    with pytest.raises(Refusal):
        mail.send_again(context, ada, only(context, ada).id)
    runner.run_due()
    with pytest.raises(Refusal) as sent:
        mail.send_again(context, ada, only(context, ada).id)
    assert sent.value.code == "E_Field_Invalid"
    with pytest.raises(Refusal) as foreign:
        mail.send_again(context, add_person(context, acme, "bob"), only(context, ada).id)
    assert foreign.value.code == "E_Resource_Not_Found"


def test_the_brand_is_the_nearest_nodes_and_the_language_the_tenants(
    context: Context, acme: Node, ada: Account, runner: Runner, post: Post
) -> None:
    nodes.change_node(context, acme, name="Zahnrad & Söhne <GmbH>", policies={"language": "de"})
    queue(context, ada)
    runner.run_due()
    sent = post.carried[-1]
    assert sent.letter.language == "de"
    assert sent.sender_name == "Zahnrad & Söhne <GmbH>"
    assert "Zahnrad &amp; Söhne &lt;GmbH&gt;" in sent.letter.html
