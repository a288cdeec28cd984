"""Codes and first refresh tokens are sealed: stored nowhere before they are used, and dead with whatever they hang on (ADR 15)."""

import base64
from dataclasses import replace

import pytest

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import RelyingParty, Session
from gateway.services import grants, nodes, people, relying_parties, sessions, sweeping
from gateway.services.context import Context
from gateway.services.grants import GrantRejected
from gateway.storage import audit
from gateway.tokens.keyring import KeyRing
from tests.conftest import Clock
from tests.granting import add_ann, add_shop, code_for, open_session, redeem
from tests.races import crowd

CHALLENGE = "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"


@pytest.fixture
def ann(context: Context, acme: Node) -> Account:
    return add_ann(context, acme)


@pytest.fixture
def shop(context: Context, acme: Node) -> RelyingParty:
    return add_shop(context, acme)


@pytest.fixture
def session(context: Context, acme: Node, shop: RelyingParty, ann: Account) -> Session:
    return open_session(context, acme, shop, ann)


def test_nothing_is_stored_for_a_code_before_it_is_redeemed(context: Context, acme: Node, shop: RelyingParty, session: Session) -> None:
    code = code_for(context, acme, shop, session)
    assert context.database.script("SELECT COUNT(*) FROM app_grant") == [(0,)]
    redeem(context, acme, shop, code)
    assert context.database.script("SELECT COUNT(*) FROM app_grant") == [(1,)]


def test_code_that_is_refused_leaves_nothing_alive(context: Context, acme: Node, shop: RelyingParty, session: Session) -> None:
    with pytest.raises(GrantRejected):
        redeem(context, acme, shop, code_for(context, acme, shop, session), verifier="w" * 43)
    assert context.database.script("SELECT COUNT(*) FROM app_grant WHERE ended_at IS NULL") == [(0,)]


def test_code_fits_into_a_url_and_tells_nothing(context: Context, acme: Node, shop: RelyingParty, session: Session) -> None:
    code = code_for(context, acme, shop, session, nonce="n" * 43, code_challenge=CHALLENGE)
    assert len(code) <= 512
    assert b"n" * 43 not in base64.b64decode(code.removeprefix("mgo_") + "==", altchars=b"-_")


def test_code_of_a_long_request_is_kept_and_good_once(context: Context, acme: Node, shop: RelyingParty, session: Session) -> None:
    code = code_for(context, acme, shop, session, nonce="n" * 4096)
    assert len(code) < 64
    assert redeem(context, acme, shop, code).grant.nonce == "n" * 4096
    with pytest.raises(GrantRejected):
        redeem(context, acme, shop, code)


@pytest.mark.parametrize("at", range(4, 360, 37))
def test_changed_code_is_unknown(context: Context, acme: Node, shop: RelyingParty, session: Session, at: int) -> None:
    code = code_for(context, acme, shop, session, nonce="n" * 43)
    changed = code[:at] + ("A" if code[at] != "A" else "B") + code[at + 1 :]
    with pytest.raises(GrantRejected) as rejected:
        redeem(context, acme, shop, changed)
    assert rejected.value.reason == "unknown code"
    redeem(context, acme, shop, code)


def test_code_is_told_in_the_audit_trail_as_the_sign_on_that_it_is_of(
    context: Context, acme: Node, shop: RelyingParty, session: Session
) -> None:
    browser = replace(context, correlation_id="b" * 32, address="192.0.2.7")
    redeem(replace(context, correlation_id="a" * 32, address="192.0.2.99"), acme, shop, code_for(browser, acme, shop, session))
    row = audit.list_audit(context.database, acme.id, limit=1)[0]
    assert (row.action, row.correlation_id, row.address, row.channel) == ("sign_in.granted", "b" * 32, "192.0.2.7", "sign_in")


@pytest.mark.parametrize(
    "act", ["disabled", "deleted", "locked", "app off", "app off and on", "app deleted", "tenant off and on", "platform off", "signed out"]
)
def test_code_dies_with_whatever_it_hangs_on(
    context: Context, acme: Node, platform: Node, shop: RelyingParty, session: Session, ann: Account, act: str
) -> None:
    code = code_for(context, acme, shop, session)
    match act:
        case "disabled":
            people.set_enabled(context, ann, enabled=False)
        case "deleted":
            people.delete_person(context, ann)
        case "locked":
            people.set_admin_lock(context, ann, locked=True)
        case "app off":
            relying_parties.set_disabled(context, shop, disabled=True)
        case "app off and on":
            relying_parties.set_disabled(context, shop, disabled=True)
            relying_parties.set_disabled(context, shop, disabled=False)
        case "app deleted":
            relying_parties.delete(context, shop)
        case "tenant off and on":
            nodes.enable_node(context, nodes.disable_node(context, acme))
        case "platform off":
            nodes.disable_node(context, platform)
        case _:
            sessions.end_session(context, session, "signed out")
    with pytest.raises(GrantRejected):
        redeem(context, acme, shop, code)


def test_code_dies_with_an_account_that_expires_without_anybodys_act(
    context: Context, acme: Node, shop: RelyingParty, session: Session, ann: Account, clock: Clock
) -> None:
    with context.database.transaction():
        people.store_person(context, ann, replace(ann, disable_after=type(clock.now)(clock.now + 30_000)))
    code = code_for(context, acme, shop, session)
    clock.advance(seconds=30)
    with pytest.raises(GrantRejected):
        redeem(context, acme, shop, code)


def test_somebody_enabled_again_gets_nothing_for_an_old_code(
    context: Context, acme: Node, shop: RelyingParty, session: Session, ann: Account
) -> None:
    code = code_for(context, acme, shop, session)
    people.set_enabled(context, people.set_enabled(context, ann, enabled=False), enabled=True)
    with pytest.raises(GrantRejected):
        redeem(context, acme, shop, code)


def test_code_lives_for_a_minute(context: Context, acme: Node, shop: RelyingParty, session: Session, clock: Clock) -> None:
    late, in_time = (code_for(context, acme, shop, session) for _ in range(2))
    clock.advance(milliseconds=59_999)
    redeem(context, acme, shop, in_time)
    clock.advance(milliseconds=1)
    with pytest.raises(GrantRejected) as rejected:
        redeem(context, acme, shop, late)
    assert rejected.value.reason == "the code expired"


def test_replay_of_a_code_that_has_expired_since_ends_what_it_granted(
    context: Context, acme: Node, shop: RelyingParty, session: Session, clock: Clock
) -> None:
    code = code_for(context, acme, shop, session)
    issued = redeem(context, acme, shop, code)
    clock.advance(seconds=61)
    with pytest.raises(GrantRejected):
        redeem(context, acme, shop, code)
    assert grants.find_live(context, acme.id, issued.grant.id) is None


def test_code_sealed_by_another_installation_is_unknown(context: Context, acme: Node, shop: RelyingParty, session: Session) -> None:
    stranger = replace(context, keyring=KeyRing(("another key of another house",), context.entropy))
    with pytest.raises(GrantRejected) as rejected:
        redeem(context, acme, shop, code_for(stranger, acme, shop, session))
    assert rejected.value.reason == "unknown code"


def test_first_refresh_token_is_stored_once_it_is_used(context: Context, acme: Node, shop: RelyingParty, session: Session) -> None:
    issued = redeem(context, acme, shop, code_for(context, acme, shop, session))
    assert context.database.script("SELECT COUNT(*) FROM refresh_token") == [(0,)]
    assert grants.find_refreshable(context, acme.id, issued.refresh_token) is not None
    fresh = grants.refresh(context, acme, shop, issued.refresh_token).refresh_token
    assert context.database.script("SELECT COUNT(*) FROM refresh_token") == [(2,)]
    assert grants.find_refreshable(context, acme.id, issued.refresh_token) is None
    assert grants.find_refreshable(context, acme.id, fresh) is not None


def test_first_refresh_token_that_comes_again_ends_the_family(
    context: Context, acme: Node, shop: RelyingParty, session: Session, clock: Clock
) -> None:
    first = redeem(context, acme, shop, code_for(context, acme, shop, session)).refresh_token
    fresh = grants.refresh(context, acme, shop, first).refresh_token
    clock.advance(seconds=11)
    for token in (first, fresh):
        with pytest.raises(GrantRejected):
            grants.refresh(context, acme, shop, token)


def test_first_refresh_token_ends_with_its_time_though_it_is_stored_nowhere(
    context: Context, acme: Node, shop: RelyingParty, session: Session, clock: Clock
) -> None:
    first = redeem(context, acme, shop, code_for(context, acme, shop, session)).refresh_token
    clock.advance(seconds=30 * 24 * 3600)
    assert grants.find_refreshable(context, acme.id, first) is None
    with pytest.raises(GrantRejected):
        grants.refresh(context, acme, shop, first)


def test_first_refresh_token_whose_grant_was_swept_is_refused(
    context: Context, acme: Node, shop: RelyingParty, session: Session, clock: Clock
) -> None:
    first = redeem(context, acme, shop, code_for(context, acme, shop, session, scope=("openid",))).refresh_token
    clock.advance(seconds=10 * 24 * 3600)
    while sweeping.sweep(context.database, context.now()):
        pass
    assert context.database.script("SELECT COUNT(*) FROM app_grant") == [(0,)]
    with pytest.raises(GrantRejected):
        grants.refresh(context, acme, shop, first)


def test_of_many_who_bring_a_first_refresh_token_at_once_two_get_another(
    context: Context, acme: Node, shop: RelyingParty, session: Session
) -> None:
    """One, and the one extra child within the grace, as for any later token (decisions.md 33)."""
    first = redeem(context, acme, shop, code_for(context, acme, shop, session)).refresh_token
    got = crowd(context, 8, lambda _: grants.refresh(context, acme, shop, first))
    assert sum(isinstance(each, grants.Issued) for each in got) == 2
    assert sum(isinstance(each, GrantRejected) for each in got) == 6


@pytest.mark.parametrize("at", range(4, 110, 21))
def test_changed_first_refresh_token_is_unknown(context: Context, acme: Node, shop: RelyingParty, session: Session, at: int) -> None:
    first = redeem(context, acme, shop, code_for(context, acme, shop, session)).refresh_token
    changed = first[:at] + ("A" if first[at] != "A" else "B") + first[at + 1 :]
    with pytest.raises(GrantRejected):
        grants.refresh(context, acme, shop, changed)
    assert grants.find_refreshable(context, acme.id, changed) is None
    grants.refresh(context, acme, shop, first)


def test_code_is_no_refresh_token_and_the_other_way_round(context: Context, acme: Node, shop: RelyingParty, session: Session) -> None:
    code = code_for(context, acme, shop, session)
    with pytest.raises(GrantRejected):
        grants.refresh(context, acme, shop, code.replace("mgo_", "mgr_"))
    first = redeem(context, acme, shop, code).refresh_token
    with pytest.raises(GrantRejected) as rejected:
        redeem(context, acme, shop, first.replace("mgr_", "mgo_"))
    assert rejected.value.reason == "unknown code"
