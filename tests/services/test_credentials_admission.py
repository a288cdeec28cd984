"""Of whom a second factor is asked, by which path, and what locks do to it (openid.md 92-98, requirements.md 2g)."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.locks import GuessPath
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.people import Account
from gateway.domain.relying_party import AuthorizationRequest, Level, RelyingParty, Session
from gateway.domain.sign_in import Path, Proof, SignIn, Step
from gateway.services import access, admission, credentials, grants, hand_over, locks, memberships, nodes, people, second_factor, sessions
from gateway.services import sign_in as sign_ins
from gateway.services.admission import Admitted, Attempt
from gateway.services.context import Context
from gateway.services.credentials import Checked
from gateway.services.nodes import NewNode
from gateway.services.sign_in import Progress
from gateway.storage import audit
from tests.conftest import Clock
from tests.factors import (
    PASSWORD,
    add_app,
    add_person,
    add_provider,
    assertion_of,
    begin,
    by_password,
    code_at,
    current,
    enrol,
    refused_codes,
    request_of,
    session_of,
)


def test_mfa_required_is_asked_of_a_federated_sign_in_too(
    context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str
) -> None:
    provider = add_provider(context, acme)
    sign_in = sign_ins.prove_federated(context, acme, begin(context, acme, shop), provider, assertion_of(mia, amr=("mfa",))).sign_in
    assert (sign_in.due, sign_in.session) == (Step.VERIFY_TOTP, None)
    progress = second_factor.prove_code(context, acme, sign_in, code_at(secret, context.now()))
    assert session_of(context, progress.sign_in).means.amr == ("fed", "otp", "mfa")


@pytest.mark.parametrize(("amr", "due"), [(("mfa",), ""), (("pwd",), Step.ENROL_TOTP), ((), Step.ENROL_TOTP)])
def test_a_provider_is_trusted_for_what_its_amr_proves_and_never_for_its_absence(
    *, context: Context, acme: Node, shop: RelyingParty, mia: Account, amr: tuple[str, ...], due: str
) -> None:
    provider = add_provider(context, acme, mfa_amr=("mfa",))
    progress = sign_ins.prove_federated(context, acme, begin(context, acme, shop), provider, assertion_of(mia, amr=amr))
    assert progress.sign_in.due == due
    assert bool(progress.session_secret) == (not due)


@pytest.mark.parametrize(
    ("acting", "kind", "due"), [("platform", "hierarchy", Step.ENROL_TOTP), ("platform", "tenant", ""), ("acme", "hierarchy", "")]
)
def test_an_administrator_by_membership_needs_a_factor_of_ours_whatever_their_provider_proves(
    *, context: Context, platform: Node, acme: Node, mia: Account, acting: str, kind: str, due: str
) -> None:
    """decisions.md 8: another organisation's provider must not be able to make administrators of this one."""
    provider, portal = add_provider(context, acme, mfa_amr=("mfa",)), add_app(context, platform)
    memberships.add(context, platform, mia)

    def arrive() -> Progress:
        begun = replace(begin(context, platform, portal), tenant=acting)
        return sign_ins.prove_federated(context, platform, begun, provider, assertion_of(mia, amr=("mfa",)))

    assert arrive().session_secret
    access.create_role(context, platform.id, "Boss", kind=kind, apps=[], level=3)
    access.grant_role(context, platform.id, mia, "Boss")
    progress = arrive()
    assert (progress.sign_in.due, bool(progress.session_secret)) == (due, not due)


def test_an_enrolled_factor_is_asked_beside_a_password_even_where_none_is_demanded(
    context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str
) -> None:
    with context.database.transaction():
        free = people.store_person(context, current(context, mia), relaxed(current(context, mia)))
    assert by_password(context, acme, shop, free).due == Step.VERIFY_TOTP
    provider = add_provider(context, acme)
    assert sign_ins.prove_federated(context, acme, begin(context, acme, shop), provider, assertion_of(free)).session_secret


def relaxed(account: Account) -> Account:
    return replace(account, mfa_required=False)


def test_what_the_tenant_demands_holds_for_everybody_and_for_its_units(context: Context, acme: Node, shop: RelyingParty) -> None:
    unit = nodes.create_node(context, acme.id, NewNode("acme-lab", "Lab", NodeKind.UNIT))
    people_of = [add_person(context, node, login) for node, login in ((acme, "olaf"), (unit, "rosa"))]
    assert [by_password(context, acme, shop, account).due for account in people_of] == ["", ""]
    nodes.change_node(context, acme, policies={"mfa_required": "yes"})
    nodes.change_node(context, unit, policies={"mfa_required": "no"})
    assert [by_password(context, acme, shop, account).due for account in people_of] == [Step.ENROL_TOTP, Step.ENROL_TOTP]


@pytest.mark.parametrize("value", ["1", "true", "on", "maybe"])
def test_a_switch_is_yes_or_no(context: Context, acme: Node, value: str) -> None:
    with pytest.raises(Refusal) as refused:
        nodes.change_node(context, acme, policies={"mfa_required": value})
    assert refused.value.code == "E_Field_Invalid"


def test_accounts_of_managing_nodes_always_need_a_second_factor(context: Context, platform: Node) -> None:
    app = add_app(context, platform)
    admin = add_person(context, platform, "admin")
    assert by_password(context, platform, app, admin).due == Step.ENROL_TOTP


def test_a_person_who_owes_a_factor_needs_a_service_account_where_an_app_supports_none(context: Context, acme: Node, mia: Account) -> None:
    legacy = add_app(context, acme, second_factor_unsupported=True)
    sign_in = by_password(context, acme, legacy, mia)
    assert sign_in.refusal is not None
    assert sign_in.refusal.code == "E_Service_Account_Needed"
    assert refused_codes(context, sign_in) == ["E_Service_Account_Needed"]


def test_a_live_session_goes_on_when_the_demand_comes_later(context: Context, acme: Node, shop: RelyingParty) -> None:
    olaf = add_person(context, acme, "olaf")
    means = session_of(context, by_password(context, acme, shop, olaf)).means
    second_factor.enforce(context, olaf)
    admitted = admission.admit(context, Attempt(acme.id, Path.SESSION, client=shop, account=olaf.id, means=means))
    assert isinstance(admitted, Admitted)
    assert admitted.due is None


@pytest.mark.parametrize(("enrolled", "code"), [(False, "E_Mfa_Setup_Required"), (True, "E_Mfa_Required")])
def test_where_nobody_can_be_asked_a_factor_that_the_app_wants_is_refused_as_interaction_required(
    context: Context, acme: Node, shop: RelyingParty, enrolled: bool, code: str
) -> None:
    olaf = add_person(context, acme, "olaf")
    means = session_of(context, by_password(context, acme, shop, olaf)).means
    if enrolled:
        enrol(context, acme, shop, second_factor.enforce(context, olaf))
    attempt = Attempt(acme.id, Path.SESSION, client=shop, account=olaf.id, means=means, step_up=True, may_ask=False)
    refusal = admission.admit(context, attempt)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.entry.app_error) == (code, "interaction_required")
    refused = [trace for trace in audit.list_traces(context.database, context.correlation_id) if trace.code]
    assert [(trace.code, trace.account) for trace in refused] == [(code, olaf.id)]
    assert code in [row.code for row in audit.list_audit_of_correlation(context.database, context.correlation_id)]


def test_a_session_with_two_factors_is_strong_enough_for_an_app_that_wants_them(
    context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str
) -> None:
    opened = second_factor.prove_code(context, acme, by_password(context, acme, shop, mia), code_at(secret, context.now())).sign_in
    means = session_of(context, opened).means
    attempt = Attempt(acme.id, Path.SESSION, client=shop, account=mia.id, means=means, step_up=True, may_ask=False)
    assert isinstance(admission.admit(context, attempt), Admitted)


def test_an_administrators_lock_refuses_between_the_factors(
    context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str
) -> None:
    sign_in = by_password(context, acme, shop, mia)
    people.set_admin_lock(context, mia, locked=True)
    ended = second_factor.prove_code(context, acme, sign_in, code_at(secret, context.now())).sign_in
    assert ended.refusal is not None
    assert (ended.refusal.code, ended.session) == ("E_Locked_Out", None)


@pytest.mark.parametrize("path", list(Path))
def test_an_administrators_lock_refuses_by_every_path(context: Context, acme: Node, shop: RelyingParty, path: Path) -> None:
    olaf = add_person(context, acme, "olaf")
    means = session_of(context, by_password(context, acme, shop, olaf)).means
    attempt = Attempt(acme.id, path, client=shop, account=olaf.id, means=means)
    assert isinstance(admission.admit(context, attempt), Admitted)
    people.set_admin_lock(context, current(context, olaf), locked=True)
    refusal = admission.admit(context, attempt)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.entry.page_status, refusal.entry.app_error) == ("E_Locked_Out", 423, "access_denied")


@pytest.mark.parametrize("path", [Path.FEDERATED, Path.SESSION, Path.REFRESH])
def test_automatic_locks_end_nothing_that_was_open(context: Context, acme: Node, shop: RelyingParty, path: Path) -> None:
    olaf = add_person(context, acme, "olaf")
    means = session_of(context, by_password(context, acme, shop, olaf)).means
    for guess_path in GuessPath:
        for _ in range(10):
            locks.punish(context, locks.count_guess(context, olaf, "olaf", guess_path))
    assert isinstance(admission.admit(context, Attempt(acme.id, path, client=shop, account=olaf.id, means=means)), Admitted)


def test_an_automatic_lock_leaves_the_federated_path_open_and_an_administrators_closes_it(
    context: Context, acme: Node, shop: RelyingParty
) -> None:
    olaf, provider = add_person(context, acme, "olaf"), add_provider(context, acme)
    for _ in range(11):
        credentials.check_password(context, acme, "olaf", "wrong")
    assert locks.find_lock(context, olaf, GuessPath.PASSWORD).holds(context.now())
    assert sign_ins.prove_federated(context, acme, begin(context, acme, shop), provider, assertion_of(olaf)).session_secret
    people.set_admin_lock(context, current(context, olaf), locked=True)
    refused = sign_ins.prove_federated(context, acme, begin(context, acme, shop), provider, assertion_of(olaf)).sign_in
    assert refused.refusal is not None
    assert refused.refusal.code == "E_Locked_Out"
    assert refused_codes(context, refused) == ["E_Locked_Out"]


def test_a_federated_sign_in_does_not_open_a_locked_password_path(context: Context, acme: Node, shop: RelyingParty) -> None:
    olaf, provider = add_person(context, acme, "olaf"), add_provider(context, acme)
    for _ in range(10):
        credentials.check_password(context, acme, "olaf", "wrong")
    sign_ins.prove_federated(context, acme, begin(context, acme, shop), provider, assertion_of(olaf))
    assert credentials.check_password(context, acme, "olaf", "wrong").code == "E_Locked_Out"


def test_a_new_password_ends_every_session_that_was_open(context: Context, acme: Node, shop: RelyingParty) -> None:
    olaf = add_person(context, acme, "olaf")
    opened = [by_password(context, acme, shop, olaf) for _ in range(2)]
    credentials.set_password(context, current(context, olaf), "seven loud geese land")
    assert [session_of(context, sign_in).ended_at for sign_in in opened] == [context.now(), context.now()]


def test_a_new_password_opens_a_path_that_guesses_had_locked(context: Context, acme: Node, shop: RelyingParty) -> None:
    olaf = add_person(context, acme, "olaf")
    for _ in range(10):
        credentials.check_password(context, acme, "olaf", "wrong")
    password, _ = credentials.issue_temporary_password(context, olaf)
    assert credentials.check_password(context, acme, "olaf", password).code == ""


def test_who_has_the_password_but_not_the_second_factor_cannot_change_the_password(
    context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str
) -> None:
    sign_in = by_password(context, acme, shop, mia)
    assert sign_in.due == Step.VERIFY_TOTP
    with pytest.raises(Refusal) as refused:
        sign_ins.change_password(context, acme, sign_in, "seven loud geese land")
    assert refused.value.code == "E_State_Invalid"
    assert credentials.check_password(context, acme, "mia", PASSWORD).code == ""


def test_a_new_password_still_leaves_the_second_factor_to_prove(
    context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str
) -> None:
    password, _ = credentials.issue_temporary_password(context, mia)
    sign_in = sign_ins.prove_password(context, acme, begin(context, acme, shop), "mia", password).sign_in
    assert sign_in.due == Step.CHANGE_PASSWORD
    changed = sign_ins.change_password(context, acme, sign_in, "seven loud geese land").sign_in
    assert (changed.due, changed.session) == (Step.VERIFY_TOTP, None)


# What an app wants, and proofs for other issuers


def wanting_two_factors(context: Context, app: RelyingParty, **changes: Any) -> AuthorizationRequest:
    return replace(request_of(app), acr_values=(f"{context.urls.public_url}/acr/mfa",), **changes)


def test_an_app_that_wants_two_factors_gets_no_code_from_a_session_of_one(context: Context, acme: Node, shop: RelyingParty) -> None:
    olaf = add_person(context, acme, "olaf")
    session = session_of(context, by_password(context, acme, shop, olaf))
    outcome = grants.authorize(context, acme, shop, wanting_two_factors(context, shop), session, tenant="")
    assert isinstance(outcome, Admitted)
    assert outcome.due is Step.ENROL_TOTP
    with pytest.raises(Refusal) as refused:
        grants.authorize(context, acme, shop, wanting_two_factors(context, shop, prompt=("none",)), session, tenant="")
    assert refused.value.code == "E_Mfa_Setup_Required"
    assert isinstance(grants.authorize(context, acme, shop, request_of(shop), session, tenant=""), str)


def test_a_session_as_proof_sets_no_factor_up_once_it_is_older_than_five_minutes(
    context: Context, acme: Node, shop: RelyingParty, clock: Clock
) -> None:
    olaf = add_person(context, acme, "olaf")
    session = session_of(context, by_password(context, acme, shop, olaf))
    clock.advance(seconds=301)
    begun = sign_ins.begin(context, acme, wanting_two_factors(context, shop)).sign_in
    proof = Proof(olaf.id, Path.SESSION, session.means, session.created_at)
    sign_in = sign_ins.advance(context, acme, replace(begun, proof=proof)).sign_in
    assert sign_in.due == Step.ENROL_TOTP
    with pytest.raises(Refusal) as refused:
        second_factor.offer(context, sign_in)
    assert refused.value.code == "E_Session_Expired"


def by_session(context: Context, shop: RelyingParty, node: Node, session: Session) -> SignIn:
    """A sign-in of an app that wants two factors, whose proof is the live session."""
    begun = sign_ins.begin(context, node, wanting_two_factors(context, shop)).sign_in
    proof = Proof(session.account, Path.SESSION, session.means, session.created_at, session.sid)
    return sign_ins.advance(context, node, replace(begun, proof=proof)).sign_in


def test_openid_80_a_step_up_goes_on_with_the_session_under_a_new_secret(
    context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str, clock: Clock
) -> None:
    """The former secret is worthless, and the session lives no longer than it would have."""
    provider = add_provider(context, acme)
    mia = people.store_person(context, current(context, mia), replace(current(context, mia), mfa_required=False))
    opened = sign_ins.prove_federated(context, acme, begin(context, acme, shop), provider, assertion_of(mia))
    session = session_of(context, opened.sign_in)
    clock.advance(seconds=3000)
    sign_in = by_session(context, shop, acme, session)
    assert sign_in.due == Step.VERIFY_TOTP
    raised = second_factor.prove_code(context, acme, sign_in, code_at(secret, context.now()))
    assert raised.sign_in.session == session.sid
    assert sessions.find_live_session(context, acme, opened.session_secret) is None
    now = sessions.find_live_session(context, acme, raised.session_secret)
    assert now is not None
    assert (now.sid, now.expires_at, now.means.level) == (session.sid, session.expires_at, Level.MULTI_FACTOR)


def test_a_session_that_ended_meanwhile_is_no_proof_any_more(
    context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str
) -> None:
    provider = add_provider(context, acme)
    mia = people.store_person(context, current(context, mia), replace(current(context, mia), mfa_required=False))
    opened = sign_ins.prove_federated(context, acme, begin(context, acme, shop), provider, assertion_of(mia))
    session = session_of(context, opened.sign_in)
    sign_in = by_session(context, shop, acme, session)
    sessions.end_session(context, session, "signed out")
    refused = second_factor.prove_code(context, acme, sign_in, code_at(secret, context.now()))
    assert (refused.session_secret, refused.sign_in.session, refused.sign_in.proof) == ("", None, None)
    assert refused.sign_in.refusal is not None
    assert refused.sign_in.refusal.code == "E_Session_Expired"


def test_a_former_password_is_no_proof_any_more(
    context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str, clock: Clock
) -> None:
    """An administrator sets another one because this one is in wrong hands, while those hands stand at the code's page."""
    sign_in = by_password(context, acme, shop, mia)
    clock.advance(seconds=1)
    credentials.set_password(context, current(context, mia), "seven loud geese land")
    refused = second_factor.prove_code(context, acme, sign_in, code_at(secret, context.now()))
    assert (refused.session_secret, refused.sign_in.session) == ("", None)


def test_a_password_that_is_replaced_while_it_is_checked_opens_nothing(
    context: Context, acme: Node, shop: RelyingParty, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    olaf, check = add_person(context, acme, "olaf"), credentials.check_password

    def slow(*args: Any, **options: Any) -> Checked:
        checked = check(*args, **options)
        clock.advance(milliseconds=50)
        credentials.set_password(context, current(context, olaf), "seven loud geese land")
        return checked

    monkeypatch.setattr(credentials, "check_password", slow)
    progress = sign_ins.prove_password(context, acme, begin(context, acme, shop), "olaf", PASSWORD)
    assert (progress.session_secret, progress.sign_in.session) == ("", None)


def test_a_first_factor_proved_at_another_issuer_is_followed_by_the_second_at_the_one_that_asked(
    context: Context, platform: Node, acme: Node, mia: Account, secret: str
) -> None:
    portal = add_app(context, platform)
    asked = begin(context, platform, portal)
    child = hand_over.hand_over(context, asked, acme).sign_in
    proved = sign_ins.prove_password(context, acme, child, "mia", PASSWORD).sign_in
    assert (proved.due, proved.session) == ("", None)
    _, _, handle = hand_over.give_back(context, proved)
    back = hand_over.take_back(context, platform, asked, handle).sign_in
    assert (back.due, back.session) == (Step.VERIFY_TOTP, None)
    assert second_factor.prove_code(context, platform, back, code_at(secret, context.now())).session_secret
