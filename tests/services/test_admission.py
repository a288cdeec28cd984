"""The one choke point: the golden tests of the chain, who may open sessions, and what every attempt leaves behind."""

import ast
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.identity import IdentityProvider
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.people import Account
from gateway.domain.relying_party import Level, Means, RelyingParty
from gateway.domain.sign_in import Path, Step
from gateway.services import access, admission, nodes, people
from gateway.services import sign_in as sign_ins
from gateway.services.admission import Admitted, Attempt
from gateway.services.context import Context
from gateway.services.nodes import NewNode
from gateway.storage import audit, identity_providers
from gateway.storage import sessions as stored_sessions
from gateway.storage.audit import Trace
from tests.conftest import Clock
from tests.sign_ins import PASSWORD, asserted, begin, change, make_app, make_member, make_person, make_provider, stored, vouched

ROOT = FilePath(__file__).resolve().parents[2]


def by_federation(context: Context, node: Node, app: RelyingParty, email: str, *, tenant: str = "") -> sign_ins.Progress:
    """A sign-in with the provider `corp` of a node, which vouches for an address."""
    provider = next(item for item in providers(context, node) if item.key == "corp")
    begun = begin(context, node, app, tenant=tenant)
    return sign_ins.prove_federated(context, node, begun.sign_in, provider, vouched(provider, email, subject=email))


def providers(context: Context, node: Node) -> list[IdentityProvider]:
    return identity_providers.list_providers(context.database, node.id)


def code_of(progress: sign_ins.Progress) -> str:
    assert bool(progress.session_secret) == (progress.sign_in.refusal is None)
    return progress.sign_in.refusal.code if progress.sign_in.refusal else ""


def trace_of(context: Context, progress: sign_ins.Progress) -> Trace:
    (trace,) = audit.list_traces(context.database, progress.sign_in.correlation_id)
    return trace


@pytest.fixture
def wiki(context: Context, acme: Node) -> RelyingParty:
    make_provider(context, acme)
    return make_app(context, acme)


@pytest.fixture
def anna(context: Context, acme: Node) -> Account:
    return make_person(context, acme, "anna.berg")


# Golden tests of the decision chain (requirements.md section 10, read with decisions.md 15, 16); 8 stands with the pages.


def test_golden_1_an_unknown_name_is_refused_with_the_value_that_was_looked_for(context: Context, acme: Node, wiki: RelyingParty) -> None:
    progress = by_federation(context, acme, wiki, "flast@contoso.example")
    assert code_of(progress) == "E_No_User"
    assert progress.sign_in.refusal is not None
    assert progress.sign_in.refusal.data["value"] == "flast@contoso.example"
    assert "flast@contoso.example" in str(Refusal("E_No_User", data=progress.sign_in.refusal.data))


def test_golden_2_a_person_known_only_by_another_value_is_unknown_and_the_trace_holds_no_candidate(
    context: Context, acme: Node, wiki: RelyingParty
) -> None:
    make_person(context, acme, "flast", email="first.last@acme.example")
    progress = by_federation(context, acme, wiki, "flast@acme.example")
    assert code_of(progress) == "E_No_User"
    assert "first.last" not in str(trace_of(context, progress))


def test_golden_3_somebody_whose_tenants_are_all_switched_off_learns_that(
    context: Context, acme: Node, wiki: RelyingParty, anna: Account
) -> None:
    nodes.disable_node(context, acme)
    assert code_of(by_federation(context, acme, wiki, anna.email)) == "E_Tenant_Not_Allowed"


def test_golden_3_a_tenant_above_counts_as_well(context: Context, platform: Node, acme: Node, wiki: RelyingParty, anna: Account) -> None:
    nodes.disable_node(context, platform)
    assert code_of(by_federation(context, acme, wiki, anna.email)) == "E_Tenant_Not_Allowed"


def test_golden_3_the_home_counts_wherever_somebody_signs_in(context: Context, platform: Node, acme: Node, anna: Account) -> None:
    make_provider(context, acme)
    app = make_app(context, platform)
    nodes.disable_node(context, acme)
    assert code_of(prove_at_platform(context, platform, acme, app, anna, tenant="")) == "E_Tenant_Not_Allowed"


def test_golden_3_the_tenant_acted_in_counts(context: Context, platform: Node, acme: Node, globex: Node, anna: Account) -> None:
    make_provider(context, acme)
    app = make_app(context, platform)
    make_member(context, anna, globex)
    nodes.disable_node(context, globex)
    assert code_of(prove_at_platform(context, platform, acme, app, anna, tenant="globex")) == "E_Tenant_Not_Allowed"
    assert code_of(prove_at_platform(context, platform, acme, app, anna, tenant="acme")) == ""


def test_golden_4_somebody_of_a_deleted_tenant_learns_that(context: Context, acme: Node, wiki: RelyingParty, anna: Account) -> None:
    nodes.delete_node(context, nodes.disable_node(context, acme))
    assert code_of(by_federation(context, acme, wiki, anna.email)) == "E_No_Associated_Tenants"


def test_golden_5_no_role_and_no_role_free_app_anywhere(context: Context, acme: Node, anna: Account) -> None:
    make_provider(context, acme)
    app = make_app(context, acme, roleless=False)
    assert code_of(by_federation(context, acme, app, anna.email)) == "E_No_Tenant_Sponsor"


def test_golden_6_a_role_in_one_tenant_does_not_open_another_and_the_first_is_offered(
    context: Context, platform: Node, acme: Node, globex: Node, anna: Account
) -> None:
    make_provider(context, platform)
    make_provider(context, acme)
    app = make_app(context, platform, roleless=False)
    access.create_role(context, acme.id, "Reader", kind="tenant", apps=[app.client_id], level=0)
    access.grant_role(context, acme.id, anna, "Reader")
    refused = prove_at_platform(context, platform, acme, app, anna, tenant="globex")
    assert code_of(refused) == "E_Not_Entitled"
    assert refused.sign_in.refusal is not None
    assert refused.sign_in.refusal.data["tenants"] == "Acme Ltd"
    assert code_of(prove_at_platform(context, platform, acme, app, anna, tenant="acme")) == ""


def test_golden_7_a_role_free_app_in_the_second_tenant_lets_them_in(
    context: Context, platform: Node, acme: Node, globex: Node, anna: Account
) -> None:
    make_provider(context, acme)
    app = make_app(context, platform, roleless=True)
    make_member(context, anna, globex)
    progress = prove_at_platform(context, platform, acme, app, anna, tenant="globex")
    assert (code_of(progress), progress.sign_in.tenant) == ("", "globex")


def prove_at_platform(
    context: Context, platform: Node, home: Node, app: RelyingParty, account: Account, *, tenant: str
) -> sign_ins.Progress:
    """A sign-in at the platform's issuer with the provider of somebody's home."""
    provider = providers(context, home)[0]
    begun = begin(context, platform, app, tenant=tenant)
    return sign_ins.prove_federated(context, platform, begun.sign_in, provider, vouched(provider, account.email))


# What each fact of an account does (requirements.md section 6).


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"enabled_by_admin": False}, "E_User_Disabled"),
        ({"active_by_scim": False}, "E_User_Disabled"),
        ({"disable_after": 1}, "E_Account_Expired"),
        ({"admin_locked_at": 1}, "E_Locked_Out"),
        ({"enabled_by_admin": False, "disable_after": 1}, "E_User_Disabled"),
    ],
)
def test_each_fact_of_an_account_stops_a_federated_sign_in(
    context: Context, acme: Node, wiki: RelyingParty, anna: Account, facts: dict[str, object], code: str
) -> None:
    change(context, anna, **facts)
    progress = by_federation(context, acme, wiki, anna.email)
    assert code_of(progress) == code
    assert stored_sessions.list_sessions(context.database, anna.id) == []


def test_a_deleted_account_matches_nobody(context: Context, acme: Node, wiki: RelyingParty, anna: Account) -> None:
    assert code_of(by_federation(context, acme, wiki, anna.email)) == ""
    people.delete_person(context, stored(context, anna.id))
    assert code_of(by_federation(context, acme, wiki, anna.email)) == "E_No_User"


def test_the_end_of_an_account_comes_with_the_clock(context: Context, acme: Node, wiki: RelyingParty, anna: Account, clock: Clock) -> None:
    change(context, anna, disable_after=clock.now + 1000)
    assert code_of(by_federation(context, acme, wiki, anna.email)) == ""
    clock.advance(seconds=1)
    assert code_of(by_federation(context, acme, wiki, anna.email)) == "E_Account_Expired"


def test_the_first_sign_in_by_the_organisation_activates(context: Context, acme: Node, wiki: RelyingParty, anna: Account) -> None:
    assert anna.activated_at is None
    assert code_of(by_federation(context, acme, wiki, anna.email)) == ""
    assert stored(context, anna.id).activated_at == context.now()


def test_a_linked_person_who_waits_for_a_mail_is_confirmed_by_the_same_verified_address(
    context: Context, acme: Node, wiki: RelyingParty, anna: Account
) -> None:
    assert code_of(by_federation(context, acme, wiki, anna.email)) == ""
    change(context, anna, self_registered=True, email_validated_at=None)
    assert code_of(by_federation(context, acme, wiki, anna.email)) == ""
    assert stored(context, anna.id).email_validated_at == context.now()


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "other@acme.example", "email_verified": True},
        {"email": "anna.berg@acme.example", "email_verified": False},
        {"email": "anna.berg@acme.example"},
        {"email_verified": True},
        {},
    ],
)
def test_another_or_unverified_address_confirms_nothing(
    context: Context, acme: Node, wiki: RelyingParty, anna: Account, claims: dict[str, object]
) -> None:
    assert code_of(by_federation(context, acme, wiki, anna.email)) == ""
    change(context, anna, self_registered=True, email_validated_at=None)
    provider = providers(context, acme)[0]
    begun = begin(context, acme, wiki)
    progress = sign_ins.prove_federated(context, acme, begun.sign_in, provider, asserted(provider, anna.email, **claims))
    assert code_of(progress) == "E_Email_Not_Validated"
    assert stored(context, anna.id).email_validated_at is None


def test_a_self_registered_account_without_a_confirmed_address_is_never_linked(
    context: Context, acme: Node, wiki: RelyingParty, anna: Account
) -> None:
    change(context, anna, self_registered=True, email_validated_at=None)
    assert code_of(by_federation(context, acme, wiki, anna.email)) == "E_No_User"


# The provider.


@pytest.mark.parametrize(("facts", "code"), [({"active": False}, "E_Idp_Disabled"), ({"link_only": True}, "E_Idp_Link_Only")])
def test_a_provider_that_may_not_sign_in_lets_nobody_in(
    context: Context, acme: Node, anna: Account, facts: dict[str, Any], code: str
) -> None:
    make_provider(context, acme, **facts)
    assert code_of(by_federation(context, acme, make_app(context, acme), anna.email)) == code


def test_a_provider_of_another_tenant_lets_nobody_in(context: Context, acme: Node, globex: Node, anna: Account) -> None:
    foreign, app = make_provider(context, globex), make_app(context, acme)
    begun = begin(context, acme, app)
    progress = sign_ins.prove_federated(context, acme, begun.sign_in, foreign, vouched(foreign, anna.email))
    assert code_of(progress) == "E_Idp_Unknown"


def test_a_unit_uses_the_provider_of_its_customer_and_the_customer_not_its_neighbours(context: Context, acme: Node) -> None:
    unit = nodes.create_node(context, acme.id, NewNode("sales", "Sales", NodeKind.UNIT))
    provider, app = make_provider(context, acme), make_app(context, unit)
    ben = make_person(context, unit, "ben.cole")
    begun = begin(context, unit, app)
    progress = sign_ins.prove_federated(context, unit, begun.sign_in, provider, vouched(provider, ben.email))
    assert code_of(progress) == ""


def test_a_customer_does_not_use_the_provider_of_its_partner(context: Context, platform: Node, acme: Node, anna: Account) -> None:
    above, app = make_provider(context, platform), make_app(context, acme)
    begun = begin(context, acme, app)
    progress = sign_ins.prove_federated(context, acme, begun.sign_in, above, vouched(above, anna.email))
    assert code_of(progress) == "E_Idp_Unknown"


def test_a_login_matching_criterion_is_used_once_and_then_the_subject_decides(
    context: Context, acme: Node, wiki: RelyingParty, anna: Account
) -> None:
    provider = providers(context, acme)[0]
    for email, verified in ((anna.email, True), ("renamed@acme.example", False)):
        begun = begin(context, acme, wiki)
        claims = asserted(provider, "s-9", email=email, email_verified=verified)
        progress = sign_ins.prove_federated(context, acme, begun.sign_in, provider, claims)
        assert code_of(progress) == ""
        assert progress.sign_in.proof is not None
        assert progress.sign_in.proof.account == anna.id


def test_another_subject_with_the_same_address_is_refused(context: Context, acme: Node, wiki: RelyingParty, anna: Account) -> None:
    provider = providers(context, acme)[0]
    codes = []
    for subject in ("s-1", "s-2"):
        begun = begin(context, acme, wiki)
        codes.append(code_of(sign_ins.prove_federated(context, acme, begun.sign_in, provider, vouched(provider, anna.email, subject))))
    assert codes == ["", "E_Subject_Changed"]


# Password and Federated Only.


def test_an_account_that_names_another_provider_is_told_which(context: Context, acme: Node, wiki: RelyingParty) -> None:
    entra = make_provider(context, acme, "entra")
    ben = make_person(context, acme, "ben.cole", provider=entra.id)
    progress = by_federation(context, acme, wiki, ben.email)
    assert code_of(progress) == "E_Wrong_Sign_In_Method"
    assert progress.sign_in.refusal is not None
    assert progress.sign_in.refusal.data["expected"] == "Entra"


def test_whoever_may_come_by_several_ways_may_use_a_password(context: Context, acme: Node, wiki: RelyingParty) -> None:
    make_person(context, acme, "ben.cole", password=PASSWORD)
    begun = begin(context, acme, wiki)
    assert code_of(sign_ins.prove_password(context, acme, begun.sign_in, "ben.cole", PASSWORD)) == ""


# What every attempt leaves behind.


def test_every_attempt_stores_the_whole_chain(context: Context, acme: Node, wiki: RelyingParty, anna: Account) -> None:
    change(context, anna, admin_locked_at=1)
    progress = by_federation(context, acme, wiki, anna.email)
    trace = trace_of(context, progress)
    assert (trace.code, trace.account, trace.client_id) == ("E_Locked_Out", anna.id, wiki.client_id)
    outcomes = {step.step: step.outcome for step in trace.chain}
    assert outcomes["match"] == outcomes["enabled"] == "passed"
    assert outcomes["lock"] == "refused"
    assert outcomes["entitlement"] == outcomes["second factor"] == "not reached"
    (row,) = [row for row in audit.list_audit_of_correlation(context.database, trace.correlation_id) if row.outcome == "refused"]
    assert (row.action, row.code, row.target) == ("sign_in.refused", "E_Locked_Out", anna.id)


def test_an_admitted_attempt_leaves_its_chain_as_well(context: Context, acme: Node, wiki: RelyingParty, anna: Account) -> None:
    trace = trace_of(context, by_federation(context, acme, wiki, anna.email))
    assert {step.outcome for step in trace.chain} == {"passed"}


def test_a_refused_first_match_makes_no_link(context: Context, acme: Node, wiki: RelyingParty, anna: Account) -> None:
    change(context, anna, enabled_by_admin=False)
    assert code_of(by_federation(context, acme, wiki, anna.email)) == "E_User_Disabled"
    change(context, anna, enabled_by_admin=True)
    provider = providers(context, acme)[0]
    begun = begin(context, acme, wiki)
    progress = sign_ins.prove_federated(context, acme, begun.sign_in, provider, vouched(provider, anna.email, "another subject"))
    assert code_of(progress) == ""


def test_the_same_chain_asked_beforehand_writes_nothing(context: Context, acme: Node, wiki: RelyingParty, anna: Account) -> None:
    provider = providers(context, acme)[0]
    attempt = Attempt(node=acme.id, path=Path.FEDERATED, client=wiki, provider=provider, assertion=vouched(provider, anna.email))
    facts = admission.load_facts(context, attempt)
    assert facts.account == anna
    assert audit.list_traces(context.database, context.correlation_id) == []
    assert stored(context, anna.id) == anna


def test_a_session_is_opened_only_for_somebody_with_nothing_left_to_do(context: Context, acme: Node, anna: Account) -> None:
    admitted = Admitted(account=anna, means=Means(Level.ONE_FACTOR, ("pwd",), context.now()), acting=None, due=None)
    due = replace(admitted, due=Step.CHANGE_PASSWORD)
    with pytest.raises(AssertionError, match="due first"):
        admission.open_session(context, acme.id, due)


# Nothing else opens sessions (architecture.md section 4).


def callers_of(name: str) -> set[str]:
    """The modules that call a function of this name, whatever they call the module it comes from."""
    found = set()
    for room in ("gateway", "scim", "federation"):
        for path in (ROOT / room).rglob("*.py"):
            tree = ast.parse(path.read_text())
            for node in ast.walk(tree):
                called = node.func if isinstance(node, ast.Call) else None
                direct = isinstance(called, ast.Name) and called.id == name
                if direct or (isinstance(called, ast.Attribute) and called.attr == name):
                    found.add(path.relative_to(ROOT).as_posix())
    return found


def test_only_admission_writes_sessions() -> None:
    assert callers_of("insert_session") == {"gateway/services/admission.py"}
    assert callers_of("renew_session") == {"gateway/services/admission.py"}


def test_only_the_sign_in_asks_admission_for_a_session() -> None:
    assert callers_of("open_session") == {"gateway/services/sign_in.py"}


def test_every_path_to_a_session_or_a_token_asks_admission() -> None:
    assert callers_of("admit") == {"gateway/services/sign_in.py", "gateway/services/grants.py"}


def test_nobody_makes_a_session_value_but_admission_and_storage() -> None:
    assert callers_of("Session") - {"gateway/services/admission.py", "gateway/storage/sessions.py"} == set()
