"""What is kept for how long, and what points at what (gateway/services/sweeping.py)."""

import pytest
from flask.testing import FlaskClient

from gateway.domain.audit import Event
from gateway.domain.mails import MailKind
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import AuthorizationRequest, RelyingParty
from gateway.domain.values import DAY_MS, Instant
from gateway.services import devices, grants, mail, schedules, sessions, sweeping
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.services.house import House
from gateway.services.routines import Clerk
from gateway.services.schedules import NewSchedule
from gateway.storage.database import Database
from tests.conftest import Clock
from tests.scim.people import people_of
from tests.sign_ins import PASSWORD, REDIRECT_URI, begin, make_app, make_person
from tests.sql import walks

HOUR_MS = 3_600_000


@pytest.fixture
def anna(context: Context, acme: Node) -> Account:
    return make_person(context, acme, "anna.berg", password=PASSWORD)


@pytest.fixture
def wiki(context: Context, acme: Node) -> RelyingParty:
    return make_app(context, acme, grants=("authorization_code", "refresh_token"), scopes=("openid", "offline_access"))


def sign_in(context: Context, node: Node, app: RelyingParty, *, scope: tuple[str, ...], nonce: str = "") -> grants.Issued:
    """Sign in and redeem the code; what an app has then."""
    secret = sign_ins.prove_password(context, node, begin(context, node, app).sign_in, "anna.berg", PASSWORD).session_secret
    session = sessions.find_live_session(context, node, secret)
    assert session is not None
    asked = AuthorizationRequest(app.client_id, REDIRECT_URI, scope, nonce=nonce)
    code = grants.authorize(context, node, app, asked, session, tenant="")
    assert isinstance(code, str)
    return grants.redeem_code(context, node, app, code, redirect_uri=REDIRECT_URI, verifier="")


def rows(context: Context, *tables: str) -> list[int]:
    return [context.database.script(f"SELECT COUNT(*) FROM {table}")[0][0] for table in tables]  # noqa: S608 -- names of our own tables


def sweep_all(context: Context, *, batch: int = 500) -> None:
    while sweeping.sweep(context.database, context.now(), batch=batch):
        pass


CHAIN = ("sign_in", "kept_code", "refresh_token", "app_grant", "session")


@pytest.mark.parametrize(
    ("days", "left"),
    [(0.9, [1, 1, 2, 1, 1]), (2, [0, 0, 2, 1, 1]), (7.4, [0, 0, 2, 1, 1]), (8, [0, 0, 0, 0, 0])],
)
def test_what_a_sign_in_leaves_goes_step_by_step(
    context: Context, acme: Node, anna: Account, wiki: RelyingParty, clock: Clock, days: float, left: list[int]
) -> None:
    first = sign_in(context, acme, wiki, scope=("openid",), nonce="n" * 512).refresh_token
    grants.refresh(context, acme, wiki, first)
    clock.now = Instant(clock.now + int(days * DAY_MS))
    sweep_all(context)
    assert rows(context, *CHAIN) == left


def test_a_grant_with_offline_access_outlives_its_session_and_its_rotated_tokens(
    context: Context, acme: Node, anna: Account, wiki: RelyingParty, clock: Clock
) -> None:
    token = sign_in(context, acme, wiki, scope=("openid", "offline_access")).refresh_token
    for _ in range(4):
        clock.now = Instant(clock.now + 20 * DAY_MS)
        token = grants.refresh(context, acme, wiki, token).refresh_token
        sweep_all(context)
    # Issued 80, 60, 40, 20 and 0 days ago, each good for 30 days.
    assert rows(context, "app_grant", "session", "refresh_token") == [1, 1, 2]
    assert grants.refresh(context, acme, wiki, token).refresh_token


def test_a_replay_of_a_rotated_token_still_ends_the_family_after_a_sweep(
    context: Context, acme: Node, anna: Account, wiki: RelyingParty, clock: Clock
) -> None:
    stolen = sign_in(context, acme, wiki, scope=("openid", "offline_access")).refresh_token
    token = grants.refresh(context, acme, wiki, stolen).refresh_token
    clock.now = Instant(clock.now + 29 * DAY_MS)
    sweep_all(context)
    for each in (stolen, token):
        with pytest.raises(grants.GrantRejected):
            grants.refresh(context, acme, wiki, each)


@pytest.mark.parametrize(
    ("table", "days"),
    [("outbox", 7), ("scim_log", 30), ("schedule_run", 90), ("admission_trace", 90), ("mail", 180), ("known_device", 400)],
)
def test_logs_and_devices_are_kept_so_long(
    client: FlaskClient, context: Context, acme: Node, anna: Account, wiki: RelyingParty, clock: Clock, table: str, days: int
) -> None:
    people_of(client, context, acme).create()
    sign_in(context, acme, wiki, scope=("openid",))
    devices.remember(context, anna.id, "")
    mail.queue(context, anna, MailKind.PASSWORD_CHANGED, event="one")
    schedules.run_now(context, schedules.create(context, acme, NewSchedule("Tell", "Tell", "notification", cron="0 0 1 1 *")))
    (before,) = rows(context, table)
    assert before
    clock.now = Instant(clock.now + days * DAY_MS)
    sweep_all(context)
    assert rows(context, table) == [before]
    clock.advance(milliseconds=1)
    sweep_all(context)
    assert rows(context, table) == [0]


def test_a_device_that_one_person_left_is_still_known_to_another(context: Context, acme: Node, anna: Account, clock: Clock) -> None:
    other = make_person(context, acme, "olaf.berg")
    secret = devices.remember(context, anna.id, "")
    clock.now = Instant(clock.now + 300 * DAY_MS)
    devices.remember(context, other.id, secret)
    clock.now = Instant(clock.now + 101 * DAY_MS)
    sweep_all(context)
    assert context.database.script("SELECT account FROM known_device") == [(other.id,)]


def test_the_audit_trail_is_not_swept(context: Context, acme: Node, clock: Clock) -> None:
    with context.database.transaction():
        context.record(Event(acme.id, "tenant.seen", "tenant", acme.id))
    before = rows(context, "audit")
    clock.now = Instant(clock.now + 5000 * DAY_MS)
    sweep_all(context)
    assert rows(context, "audit") == before


def test_one_sweep_removes_no_more_than_a_batch(context: Context, acme: Node, wiki: RelyingParty, clock: Clock) -> None:
    for _ in range(7):
        begin(context, acme, wiki)
    clock.now = Instant(clock.now + 2 * DAY_MS)
    left = []
    while sweeping.sweep(context.database, context.now(), batch=3):
        left += rows(context, "sign_in")
    assert left == [4, 1, 0]


def test_the_worker_sweeps_until_nothing_is_left_and_again_after_an_hour(
    house: House, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Instant] = []

    def sweep(_database: Database, now: Instant) -> bool:
        asked.append(now)
        return len(asked) < 3

    monkeypatch.setattr(sweeping, "sweep", sweep)
    clerk, began = Clerk(house, [sweeping.ROUTINE]), clock.now
    for _ in range(5):
        clerk.run_due()
    clock.now = Instant(clock.now + HOUR_MS)
    clerk.run_due()
    assert asked == [began] * 3 + [clock.now]


def test_what_points_at_a_row_is_found_by_an_index(context: Context) -> None:
    """Else each row that goes would cost a walk through the whole table, under the write lock."""
    for sql in ("SELECT 1 FROM sign_in WHERE parent = 'x'", "SELECT 1 FROM refresh_token WHERE app_grant = 'x'"):
        assert not walks(context.database, sql)
