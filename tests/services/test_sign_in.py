"""The stored attempt: bound to one browser and one issuer, changed by each step, taken once."""

from dataclasses import replace

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.people import AccountType
from gateway.domain.relying_party import Level
from gateway.domain.sign_in import Path, SignIn, Step, next_step
from gateway.services import credentials, nodes, people, relying_parties, sessions
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.services.nodes import NewNode
from gateway.services.sign_in import Begun
from gateway.storage import audit
from gateway.storage import sessions as stored_sessions
from tests.conftest import Clock
from tests.sign_ins import PASSWORD, asserted, begin, change, make_app, make_member, make_person, make_provider, request_of, stored, vouched


def again(context: Context, node: Node, begun: Begun) -> SignIn:
    """The attempt as it is stored now."""
    return sign_ins.get(context, node, begun.sign_in.id, begun.secret)


def test_what_is_stored_is_what_was_begun(context: Context, acme: Node) -> None:
    app = make_app(context, acme)
    begun = begin(context, acme, app, login_hint="anna.berg", tenant="acme", max_age=60, acr_values=("a", "b"))
    assert again(context, acme, begun) == begun.sign_in
    assert begun.sign_in.login == "anna.berg"


def test_a_sign_in_is_unknown_in_another_browser(context: Context, acme: Node) -> None:
    begun = begin(context, acme, make_app(context, acme))
    for secret in ("", begun.secret + "x", "mgt_" + "A" * 43):
        with pytest.raises(Refusal) as refused:
            sign_ins.get(context, acme, begun.sign_in.id, secret)
        assert refused.value.code == "E_State_Invalid"


def test_a_sign_in_is_unknown_at_another_issuer(context: Context, acme: Node, globex: Node) -> None:
    begun = begin(context, acme, make_app(context, acme))
    with pytest.raises(Refusal, match="Start again"):
        sign_ins.get(context, globex, begun.sign_in.id, begun.secret)


def test_a_sign_in_that_took_too_long_is_told_apart_from_an_unknown_one(context: Context, acme: Node, clock: Clock) -> None:
    begun = begin(context, acme, make_app(context, acme))
    clock.advance(seconds=600)
    with pytest.raises(Refusal) as refused:
        sign_ins.get(context, acme, begun.sign_in.id, begun.secret)
    assert refused.value.code == "E_Session_Expired"
    assert sign_ins.get_for_return(context, acme, begun.sign_in.id, begun.secret) == begun.sign_in


def test_a_sign_in_is_finished_by_exactly_one_caller(context: Context, acme: Node) -> None:
    begun = begin(context, acme, make_app(context, acme))
    assert [sign_ins.finish(context, begun.sign_in) for _ in range(3)] == [True, False, False]
    for ask in (sign_ins.get, sign_ins.get_for_return):
        with pytest.raises(Refusal) as refused:
            ask(context, acme, begun.sign_in.id, begun.secret)
        assert refused.value.code == "E_State_Invalid"


def test_a_step_after_the_end_changes_nothing_and_opens_no_session(context: Context, acme: Node) -> None:
    app, anna = make_app(context, acme), make_person(context, acme, "anna.berg", password=PASSWORD)
    begun = begin(context, acme, app)
    sign_ins.finish(context, begun.sign_in)
    with pytest.raises(Refusal) as refused:
        sign_ins.prove_password(context, acme, begun.sign_in, "anna.berg", PASSWORD)
    assert refused.value.code == "E_State_Invalid"
    assert stored_sessions.list_sessions(context.database, anna.id) == []


def test_a_login_hint_is_the_name_typed_unless_an_account_is_to_be_chosen(context: Context, acme: Node) -> None:
    app = make_app(context, acme)
    assert next_step(begin(context, acme, app, login_hint="anna").sign_in) is Step.CHOOSE_METHOD
    assert next_step(begin(context, acme, app, login_hint="anna", prompt=("select_account",)).sign_in) is Step.IDENTIFY


def test_the_right_password_opens_a_session_at_this_issuer(context: Context, acme: Node) -> None:
    app, anna = make_app(context, acme), make_person(context, acme, "anna.berg", password=PASSWORD)
    begun = begin(context, acme, app)
    progress = sign_ins.prove_password(context, acme, begun.sign_in, "Anna.Berg", PASSWORD)
    session = sessions.find_live_session(context, acme, progress.session_secret)
    assert session is not None
    assert (session.account, session.means.level, session.means.amr) == (anna.id, Level.ONE_FACTOR, ("pwd",))
    assert next_step(progress.sign_in) is Step.FINISHED
    assert again(context, acme, begun) == progress.sign_in
    assert progress.sign_in.tenant == "acme"


def test_every_sign_in_opens_a_session_with_a_secret_of_its_own(context: Context, acme: Node) -> None:
    app = make_app(context, acme)
    make_person(context, acme, "anna.berg", password=PASSWORD)
    secrets = [
        sign_ins.prove_password(context, acme, begin(context, acme, app).sign_in, "anna.berg", PASSWORD).session_secret for _ in range(2)
    ]
    assert secrets[0] != secrets[1]


@pytest.mark.parametrize(
    ("login", "password", "code"),
    [("nobody", PASSWORD, "E_No_User"), ("anna.berg", "wrong", "E_Invalid_Credentials"), ("", "", "E_No_User")],
)
def test_a_wrong_password_is_answered_neutrally_and_the_trail_knows_why(
    context: Context, acme: Node, login: str, password: str, code: str
) -> None:
    app = make_app(context, acme)
    make_person(context, acme, "anna.berg", password=PASSWORD)
    begun = begin(context, acme, app)
    with pytest.raises(Refusal) as refused:
        sign_ins.prove_password(context, acme, begun.sign_in, login, password)
    assert refused.value.code == "E_Invalid_Credentials"
    assert again(context, acme, begun).refusal is None
    traces = audit.list_traces(context.database, begun.sign_in.correlation_id)
    assert [trace.code for trace in traces] == [code]
    assert [row.code for row in audit.list_audit_of_correlation(context.database, begun.sign_in.correlation_id)] == [code]


def test_the_trace_of_a_wrong_password_names_the_account_and_holds_no_password(context: Context, acme: Node) -> None:
    app, anna = make_app(context, acme), make_person(context, acme, "anna.berg", password=PASSWORD)
    begun = begin(context, acme, app)
    with pytest.raises(Refusal):
        sign_ins.prove_password(context, acme, begun.sign_in, "anna.berg", "hunter2 hunter2")
    (trace,) = audit.list_traces(context.database, begun.sign_in.correlation_id)
    assert trace.account == anna.id
    assert "hunter2" not in str(trace)


def test_a_temporary_password_that_ran_out_is_told_to_who_knows_it(context: Context, acme: Node, clock: Clock) -> None:
    app, anna = make_app(context, acme), make_person(context, acme, "anna.berg")
    password, _ = credentials.issue_temporary_password(context, anna)
    clock.advance(seconds=72 * 3600)
    begun = begin(context, acme, app)
    progress = sign_ins.prove_password(context, acme, begun.sign_in, "anna.berg", password)
    assert progress.sign_in.refusal is not None
    assert progress.sign_in.refusal.code == "E_Temp_Password_Expired"
    assert next_step(again(context, acme, begun)) is Step.REFUSED


def test_a_temporary_password_must_be_changed_before_anything_else(context: Context, acme: Node) -> None:
    app, anna = make_app(context, acme), make_person(context, acme, "anna.berg")
    password, _ = credentials.issue_temporary_password(context, anna)
    begun = begin(context, acme, app)
    progress = sign_ins.prove_password(context, acme, begun.sign_in, "anna.berg", password)
    assert (progress.session_secret, next_step(progress.sign_in)) == ("", Step.CHANGE_PASSWORD)
    with pytest.raises(Refusal) as refused:
        sign_ins.change_password(context, acme, progress.sign_in, "short")
    assert refused.value.code == "E_Password_Policy"
    changed = sign_ins.change_password(context, acme, progress.sign_in, PASSWORD)
    assert changed.session_secret
    assert next_step(changed.sign_in) is Step.FINISHED


def test_no_password_is_changed_where_no_change_is_due(context: Context, acme: Node) -> None:
    app = make_app(context, acme)
    make_person(context, acme, "anna.berg", password=PASSWORD)
    begun = begin(context, acme, app)
    done = sign_ins.prove_password(context, acme, begun.sign_in, "anna.berg", PASSWORD).sign_in
    for sign_in in (begun.sign_in, done):
        with pytest.raises(Refusal, match="Start again"):
            sign_ins.change_password(context, acme, sign_in, "another four quiet herons")


def test_what_admission_refuses_after_a_proof_is_stored_and_not_raised(context: Context, acme: Node) -> None:
    provider = make_provider(context, acme)
    begun = begin(context, acme, make_app(context, acme))
    progress = sign_ins.prove_federated(context, acme, begun.sign_in, provider, vouched(provider, "flast@acme.example"))
    assert progress.session_secret == ""
    stored = again(context, acme, begun).refusal
    assert stored is not None
    assert (stored.code, stored.data["value"]) == ("E_No_User", "flast@acme.example")


def test_a_code_that_nobody_may_learn_is_neutral_even_after_the_right_password(context: Context, acme: Node) -> None:
    # An app may be the only place for a service account; everywhere else nobody learns that it is one.
    app, anna = make_app(context, acme), make_person(context, acme, "robot.one", password=PASSWORD)
    change(context, anna, type=AccountType.SERVICE)
    begun = begin(context, acme, app)
    with pytest.raises(Refusal) as refused:
        sign_ins.prove_password(context, acme, begun.sign_in, "robot.one", PASSWORD)
    assert refused.value.code == "E_Invalid_Credentials"
    assert again(context, acme, begun).refusal is None
    assert [trace.code for trace in audit.list_traces(context.database, begun.sign_in.correlation_id)] == ["E_Service_Account_Interactive"]


def test_an_assertion_of_a_provisioned_person_opens_a_session(context: Context, acme: Node) -> None:
    provider, anna = make_provider(context, acme), make_person(context, acme, "anna.berg")
    begun = begin(context, acme, make_app(context, acme))
    progress = sign_ins.prove_federated(context, acme, begun.sign_in, provider, vouched(provider, anna.email))
    session = sessions.find_live_session(context, acme, progress.session_secret)
    assert session is not None
    assert (session.account, session.means.level, session.means.provider) == (anna.id, Level.FEDERATED, provider.id)
    assert progress.sign_in.proof is not None
    assert (progress.sign_in.proof.path, progress.sign_in.proof.proved_at) == (Path.FEDERATED, context.now())


def test_an_app_that_was_deleted_meanwhile_gets_nobody(context: Context, acme: Node) -> None:
    app, provider = make_app(context, acme), make_provider(context, acme)
    anna = make_person(context, acme, "anna.berg")
    begun = begin(context, acme, app)
    relying_parties.delete(context, app)
    progress = sign_ins.prove_federated(context, acme, begun.sign_in, provider, vouched(provider, anna.email))
    assert progress.sign_in.refusal is not None
    assert progress.sign_in.refusal.code == "E_Client_Unknown"


def test_another_account_begins_without_name_hints_and_refusal(context: Context, acme: Node) -> None:
    provider = make_provider(context, acme)
    begun = begin(context, acme, make_app(context, acme), login_hint="flast@acme.example", domain_hint="acme.example", idp_hint="corp")
    refused = sign_ins.prove_federated(context, acme, begun.sign_in, provider, vouched(provider, "flast@acme.example")).sign_in
    sign_ins.restart(context, acme, refused)
    fresh = again(context, acme, begun)
    assert next_step(fresh) is Step.IDENTIFY
    assert fresh.request is not None
    assert (fresh.request.login_hint, fresh.request.domain_hint, fresh.request.idp_hint) == ("", "", "")
    assert fresh.request.prompt == ("select_account",)
    assert fresh.request.redirect_uri == request_of(make_app(context, acme)).redirect_uri


def test_a_state_serves_once(context: Context, acme: Node) -> None:
    provider = make_provider(context, acme)
    begun = begin(context, acme, make_app(context, acme))
    state, leg = sign_ins.begin_leg(context, begun.sign_in, provider)
    assert sign_ins.take_leg(context, state) == leg
    assert len({state, leg.nonce, leg.verifier}) == 3
    for unknown in (state, "", "mgu_other"):
        with pytest.raises(Refusal) as refused:
            sign_ins.take_leg(context, unknown)
        assert refused.value.code == "E_State_Invalid"


def test_two_legs_of_one_sign_in_live_side_by_side(context: Context, acme: Node) -> None:
    provider = make_provider(context, acme)
    begun = begin(context, acme, make_app(context, acme))
    (first, _), (second, _) = (sign_ins.begin_leg(context, begun.sign_in, provider) for _ in range(2))
    assert sign_ins.take_leg(context, second).sign_in == sign_ins.take_leg(context, first).sign_in


def test_whoever_belongs_to_two_tenants_chooses(context: Context, platform: Node) -> None:
    first = nodes.create_node(context, platform.id, NewNode("one", "One", NodeKind.CUSTOMER))
    second = nodes.create_node(context, platform.id, NewNode("two", "Two", NodeKind.CUSTOMER))
    app, provider = make_app(context, platform), make_provider(context, first)
    anna = make_person(context, first, "anna.berg")
    make_member(context, anna, second)
    begun = begin(context, platform, app)
    progress = sign_ins.prove_federated(context, platform, begun.sign_in, provider, vouched(provider, anna.email))
    assert (progress.session_secret, next_step(progress.sign_in)) == ("", Step.CHOOSE_TENANT)
    assert [place.slug for place in sign_ins.list_choices(context, platform, progress.sign_in)] == ["one", "two"]
    chosen = sign_ins.choose_tenant(context, platform, progress.sign_in, "two")
    assert (bool(chosen.session_secret), chosen.sign_in.tenant) == (True, "two")


def test_a_tenant_that_was_not_offered_cannot_be_chosen(context: Context, platform: Node, globex: Node, acme: Node) -> None:
    second = nodes.create_node(context, platform.id, NewNode("two", "Two", NodeKind.CUSTOMER))
    app, provider = make_app(context, platform), make_provider(context, acme)
    anna = make_person(context, acme, "anna.berg")
    make_member(context, anna, second)
    begun = begin(context, platform, app)
    progress = sign_ins.prove_federated(context, platform, begun.sign_in, provider, vouched(provider, anna.email))
    chosen = sign_ins.choose_tenant(context, platform, progress.sign_in, "globex")
    assert chosen.session_secret == ""
    assert chosen.sign_in.refusal is not None
    assert chosen.sign_in.refusal.code == "E_Not_Entitled"


def test_nothing_is_chosen_before_a_proof(context: Context, acme: Node) -> None:
    begun = begin(context, acme, make_app(context, acme))
    assert sign_ins.list_choices(context, acme, begun.sign_in) == ()
    with pytest.raises(Refusal, match="Start again"):
        sign_ins.choose_tenant(context, acme, begun.sign_in, "acme")


def test_a_second_person_at_the_provider_replaces_the_first(context: Context, acme: Node) -> None:
    provider = make_provider(context, acme)
    anna, ben = make_person(context, acme, "anna.berg"), make_person(context, acme, "ben.cole")
    begun = begin(context, acme, make_app(context, acme))
    for account, subject in ((anna, "s-1"), (ben, "s-2")):
        progress = sign_ins.prove_federated(context, acme, again(context, acme, begun), provider, vouched(provider, account.email, subject))
        session = sessions.find_live_session(context, acme, progress.session_secret)
        assert session is not None
        assert session.account == account.id


def test_a_locked_person_with_a_proof_is_refused_when_asked_again(context: Context, acme: Node) -> None:
    provider, anna = make_provider(context, acme), make_person(context, acme, "anna.berg")
    begun = begin(context, acme, make_app(context, acme))
    proved = sign_ins.prove_federated(context, acme, begun.sign_in, provider, vouched(provider, anna.email)).sign_in
    people.set_admin_lock(context, stored(context, anna.id), locked=True)
    progress = sign_ins.advance(context, acme, replace(proved, session=None))
    assert progress.session_secret == ""
    assert progress.sign_in.refusal is not None
    assert progress.sign_in.refusal.code == "E_Locked_Out"


def test_an_unverified_address_links_nobody(context: Context, acme: Node) -> None:
    provider, anna = make_provider(context, acme), make_person(context, acme, "anna.berg")
    begun = begin(context, acme, make_app(context, acme))
    progress = sign_ins.prove_federated(context, acme, begun.sign_in, provider, asserted(provider, email=anna.email, email_verified=False))
    assert progress.sign_in.refusal is not None
    assert progress.sign_in.refusal.code == "E_Email_Unverified"
