"""Grants: what a code and a refresh token stand for, and what ends them; their races and replays are proved at the endpoint."""

from dataclasses import replace

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import AuthorizationRequest, Level, Means, RelyingParty, Session
from gateway.domain.sign_in import Path
from gateway.services import admission, grants, nodes, people, relying_parties, sessions
from gateway.services.admission import Admitted, Attempt
from gateway.services.context import Context
from gateway.services.grants import GrantRejected, ScopeWidened, TargetRejected
from gateway.services.relying_parties import NewRelyingParty
from gateway.storage import audit
from tests.conftest import Clock
from tests.granting import CALLBACK, add_ann, add_shop, asking, code_for, open_secret, open_session, redeem
from tests.sign_ins import make_app, make_member

VERIFIER = "v" * 43
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


def test_code_stands_for_person_tenant_and_means(context: Context, acme: Node, shop: RelyingParty, session: Session, ann: Account) -> None:
    issued = redeem(context, acme, shop, code_for(context, acme, shop, session, nonce="n"))
    assert (issued.account.id, issued.acting.id, issued.grant.means, issued.grant.nonce) == (ann.id, acme.id, session.means, "n")
    assert issued.refresh_token.startswith("mgr_")


def test_no_code_outlives_a_session_that_ended_since_the_door_read_it(
    context: Context, acme: Node, shop: RelyingParty, session: Session
) -> None:
    sessions.end_session(context, session, "signed out")
    with pytest.raises(Refusal) as refused:
        code_for(context, acme, shop, session)
    assert refused.value.code == "E_Session_Expired"


@pytest.mark.parametrize(("challenge", "verifier"), [(CHALLENGE, ""), (CHALLENGE, "w" * 43), ("", VERIFIER)])
def test_pkce_holds_both_ways(context: Context, acme: Node, shop: RelyingParty, session: Session, challenge: str, verifier: str) -> None:
    code = code_for(context, acme, shop, session, code_challenge=challenge)
    with pytest.raises(GrantRejected, match="invalid"):
        redeem(context, acme, shop, code, verifier)


@pytest.mark.parametrize("uri", ["", CALLBACK + "/", "https://other.example/cb"])
def test_code_is_good_at_the_address_it_was_sent_to(context: Context, acme: Node, shop: RelyingParty, session: Session, uri: str) -> None:
    code = code_for(context, acme, shop, session)
    with pytest.raises(GrantRejected):
        grants.redeem_code(context, acme, shop, code, redirect_uri=uri, verifier="")
    with pytest.raises(GrantRejected):
        redeem(context, acme, shop, code)


def test_reason_of_a_rejection_is_for_the_log_only(context: Context, acme: Node, shop: RelyingParty) -> None:
    with pytest.raises(GrantRejected) as rejected:
        redeem(context, acme, shop, "mgo_unknown")
    assert rejected.value.reason == "unknown code"
    assert str(rejected.value) == "The grant is invalid, expired, used or revoked."


def test_refusal_leaves_its_trace(context: Context, acme: Node, shop: RelyingParty, session: Session) -> None:
    strict = relying_parties.change(context, shop, {"roleless": False})
    traced = context.traced_as("c" * 32)
    with pytest.raises(Refusal):
        grants.authorize(traced, acme, strict, asking(strict), session, tenant="")
    (trace,) = audit.list_traces(context.database, "c" * 32)
    assert trace.code == "E_No_Tenant_Sponsor"


def test_replay_leaves_its_audit_row_although_it_is_refused(context: Context, acme: Node, shop: RelyingParty, session: Session) -> None:
    code = code_for(context, acme, shop, session)
    issued = redeem(context, acme, shop, code)
    with pytest.raises(GrantRejected):
        redeem(context, acme, shop, code)
    row = audit.list_audit(context.database, acme.id, limit=1)[0]
    assert (row.action, row.target, row.outcome) == ("code.replayed", issued.grant.id, "refused")


def test_resource_that_was_not_granted_is_no_target(context: Context, acme: Node, shop: RelyingParty, session: Session) -> None:
    code = code_for(context, acme, shop, session)
    with pytest.raises(TargetRejected):
        redeem(context, acme, shop, code, resource="https://other.example")


def test_refresh_token_is_good_for_its_own_app_at_its_own_issuer(
    context: Context, acme: Node, globex: Node, shop: RelyingParty, session: Session
) -> None:
    issued = redeem(context, acme, shop, code_for(context, acme, shop, session))
    new = NewRelyingParty("Other", [CALLBACK], roleless=True)
    for node in (acme, globex):
        other, _ = relying_parties.register(context, node.id, new)
        with pytest.raises(GrantRejected):
            grants.refresh(context, node, other, issued.refresh_token)
    assert grants.refresh(context, acme, shop, issued.refresh_token).refresh_token


def test_refresh_that_asks_for_more_is_refused_before_the_token_is_used(
    context: Context, acme: Node, shop: RelyingParty, session: Session
) -> None:
    issued = redeem(context, acme, shop, code_for(context, acme, shop, session))
    with pytest.raises(ScopeWidened):
        grants.refresh(context, acme, shop, issued.refresh_token, scope=("openid", "email"))
    with pytest.raises(TargetRejected):
        grants.refresh(context, acme, shop, issued.refresh_token, resource="https://other.example")
    stored = context.database.script("SELECT rotated_at FROM refresh_token")
    assert stored == [(None,)]


def test_live_grant_is_found_at_its_own_issuer_only(
    context: Context, acme: Node, globex: Node, shop: RelyingParty, session: Session
) -> None:
    issued = redeem(context, acme, shop, code_for(context, acme, shop, session))
    assert grants.find_live(context, acme.id, issued.grant.id) is not None
    assert grants.find_live(context, globex.id, issued.grant.id) is None
    assert grants.find_live(context, acme.id, "unknown") is None


@pytest.mark.parametrize("act", ["disabled", "deleted", "locked", "app off", "app deleted", "tenant off", "platform off"])
def test_grant_dies_with_whatever_it_hangs_on(
    context: Context, acme: Node, platform: Node, shop: RelyingParty, session: Session, ann: Account, act: str
) -> None:
    issued = redeem(context, acme, shop, code_for(context, acme, shop, session))
    match act:
        case "disabled":
            people.set_enabled(context, ann, enabled=False)
        case "deleted":
            people.delete_person(context, ann)
        case "locked":
            people.set_admin_lock(context, ann, locked=True)
        case "app off":
            relying_parties.set_disabled(context, shop, disabled=True)
        case "app deleted":
            relying_parties.delete(context, shop)
        case "tenant off":
            nodes.disable_node(context, acme)
        case _:
            nodes.disable_node(context, platform)
    assert grants.find_live(context, acme.id, issued.grant.id) is None


def test_grant_ends_with_an_account_that_expires_without_anybodys_act(
    context: Context, acme: Node, shop: RelyingParty, session: Session, ann: Account, clock: Clock
) -> None:
    with context.database.transaction():
        people.store_person(context, ann, replace(ann, disable_after=type(clock.now)(clock.now + 30_000)))
    issued = redeem(context, acme, shop, code_for(context, acme, shop, session))
    assert grants.find_live(context, acme.id, issued.grant.id) is not None
    clock.advance(seconds=30)
    assert grants.find_live(context, acme.id, issued.grant.id) is None


def test_grant_of_a_tenant_switched_on_again_stays_dead(context: Context, acme: Node, shop: RelyingParty, session: Session) -> None:
    issued = redeem(context, acme, shop, code_for(context, acme, shop, session))
    nodes.enable_node(context, nodes.disable_node(context, acme))
    assert grants.find_live(context, acme.id, issued.grant.id) is None
    with pytest.raises(GrantRejected):
        grants.refresh(context, acme, shop, issued.refresh_token)


@pytest.mark.parametrize("at", ["home", "tenant acted in"])
def test_grant_dies_with_home_and_with_the_tenant_acted_in(
    context: Context, platform: Node, acme: Node, globex: Node, ann: Account, at: str
) -> None:
    app = make_app(context, platform, name="Portal")
    make_member(context, ann, globex)
    means = Means(level=Level.ONE_FACTOR, amr=("pwd",), auth_time=context.now())
    attempt = Attempt(node=platform.id, path=Path.PASSWORD, client=app, account=ann.id, means=means, tenant=globex.slug)
    with context.database.transaction():
        admitted = admission.admit(context, attempt)
        assert isinstance(admitted, Admitted)
        _, secret = admission.open_session(context, platform.id, admitted)
    session = sessions.find_live_session(context, platform, secret)
    assert session is not None
    asked = AuthorizationRequest(app.client_id, app.redirect_uris[0], ("openid",))
    code = grants.authorize(context, platform, app, asked, session, tenant=globex.slug)
    assert isinstance(code, str)
    issued = grants.redeem_code(context, platform, app, code, redirect_uri=asked.redirect_uri, verifier="")
    assert issued.acting.id == globex.id
    assert grants.find_live(context, platform.id, issued.grant.id) is not None
    nodes.enable_node(context, nodes.disable_node(context, acme if at == "home" else globex))
    assert grants.find_live(context, platform.id, issued.grant.id) is None


def test_app_switched_on_again_has_nothing_left(context: Context, acme: Node, shop: RelyingParty, session: Session) -> None:
    issued = redeem(context, acme, shop, code_for(context, acme, shop, session))
    relying_parties.set_disabled(context, shop, disabled=True)
    relying_parties.set_disabled(context, shop, disabled=False)
    assert grants.find_live(context, acme.id, issued.grant.id) is None
    with pytest.raises(GrantRejected):
        grants.refresh(context, acme, shop, issued.refresh_token)


def test_app_ends_its_own_grants_only(context: Context, acme: Node, shop: RelyingParty, session: Session) -> None:
    issued = redeem(context, acme, shop, code_for(context, acme, shop, session))
    other, _ = relying_parties.register(context, acme.id, NewRelyingParty("Other", [CALLBACK]))
    grants.revoke(context, other, issued.grant)
    assert grants.find_live(context, acme.id, issued.grant.id) is not None
    grants.revoke(context, shop, issued.grant)
    assert grants.find_live(context, acme.id, issued.grant.id) is None
    assert audit.list_audit(context.database, acme.id, limit=1)[0].action == "grant.revoked"


class TestSessions:
    """What keeps a session alive, and what does not (decisions.md 16, 31)."""

    @pytest.fixture
    def secret(self, context: Context, acme: Node, shop: RelyingParty, ann: Account) -> str:
        return open_secret(context, acme, shop, ann)

    def test_it_is_found_by_its_secret_at_its_issuer(self, context: Context, acme: Node, globex: Node, secret: str) -> None:
        assert sessions.find_live_session(context, acme, secret)
        assert sessions.find_live_session(context, globex, secret) is None
        assert sessions.find_live_session(context, acme, secret + "x") is None
        assert sessions.find_live_session(context, acme, "") is None

    def test_its_public_id_is_no_secret(self, context: Context, acme: Node, secret: str) -> None:
        session = sessions.find_live_session(context, acme, secret)
        assert session is not None
        assert sessions.find_live_session(context, acme, session.sid) is None

    def test_use_keeps_it_from_idling_out_and_is_written_once_a_minute(
        self, context: Context, acme: Node, secret: str, clock: Clock
    ) -> None:
        clock.advance(seconds=59)
        sessions.find_live_session(context, acme, secret)
        clock.advance(seconds=3541)
        assert sessions.find_live_session(context, acme, secret) is None

    def test_it_lives_on_while_it_is_used(self, context: Context, acme: Node, secret: str, clock: Clock) -> None:
        for _ in range(12):
            clock.advance(seconds=3599)
            assert sessions.find_live_session(context, acme, secret)
        clock.advance(seconds=12)
        assert sessions.find_live_session(context, acme, secret) is None

    @pytest.mark.parametrize("act", ["disabled", "deleted", "locked", "tenant off", "platform off"])
    def test_it_ends_with_whatever_it_hangs_on(
        self, context: Context, acme: Node, platform: Node, ann: Account, secret: str, act: str
    ) -> None:
        match act:
            case "disabled":
                people.set_enabled(context, ann, enabled=False)
            case "deleted":
                people.delete_person(context, ann)
            case "locked":
                people.set_admin_lock(context, ann, locked=True)
            case "tenant off":
                nodes.enable_node(context, nodes.disable_node(context, acme))
            case _:
                nodes.disable_node(context, platform)
        assert sessions.find_live_session(context, acme, secret) is None

    def test_account_that_expires_ends_it_without_anybodys_act(
        self, context: Context, acme: Node, ann: Account, secret: str, clock: Clock
    ) -> None:
        with context.database.transaction():
            people.store_person(context, ann, replace(ann, disable_after=type(clock.now)(clock.now + 60_000)))
        clock.advance(seconds=59)
        assert sessions.find_live_session(context, acme, secret)
        clock.advance(seconds=1)
        assert sessions.find_live_session(context, acme, secret) is None
