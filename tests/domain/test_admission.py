"""The chain that everybody passes: its order is a contract, because the first hit is the code that people see (requirements.md 2f)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.access import Entitlement, Place
from gateway.domain.admission import CHAIN, Facts, confirms_email, judge, reached_means, refusal_at, stronger_means
from gateway.domain.credential import FactorState
from gateway.domain.errors import catalogue
from gateway.domain.identity import Criterion, LinkDecision, LookedFor
from gateway.domain.nodes import NodeKind
from gateway.domain.people import AccountType
from gateway.domain.relying_party import Level, Means
from gateway.domain.sign_in import Path, Step
from gateway.domain.values import AccountId, Instant, NodeId
from tests.domain.makers import NOW, account, app, assertion, node, provider

HOME = Place(NodeId("node-acme"), "acme", "Acme", True, True, True, True, (), False)
ELSEWHERE = replace(HOME, node=NodeId("node-globex"), slug="globex", name="Globex", home=False)
GRANTED = Entitlement(HOME, (), "")
PASSWORD = Means(Level.ONE_FACTOR, ("pwd",), NOW)
FEDERATED = Means(Level.FEDERATED, ("fed",), NOW, "corp")
PLATFORM = node(slug="platform", kind=NodeKind.PLATFORM, parent=None)
OFF = node(slug="off", disabled_at=NOW)
SOUGHT = LookedFor(Criterion.EMAIL, "email", "anna@acme.example")
LINKED = LinkDecision(AccountId("anna"), new=True, code="", looked_for=SOUGHT)


def link_refused(code: str, step: str) -> LinkDecision:
    return LinkDecision(None, new=False, code=code, looked_for=SOUGHT, step=step, detail={"why": code})


def by_password(**facts: Any) -> Facts:
    """Somebody who typed the right password and whom nothing stops."""
    good = Facts(
        path=Path.PASSWORD,
        now=NOW,
        issuer_chain=(node(), PLATFORM),
        client=app(),
        account=account(),
        home_chain=(node(), PLATFORM),
        means=PASSWORD,
        entitlement=GRANTED,
        acting_chain=(node(), PLATFORM),
    )
    return replace(good, **facts)


def by_provider(**facts: Any) -> Facts:
    """Somebody whom the provider vouched for and whom nothing stops."""
    good = by_password(path=Path.FEDERATED, provider=provider(), assertion=assertion(), link=LINKED, means=FEDERATED)
    return replace(good, **facts)


def acc(**facts: Any) -> Callable[[Facts], Facts]:
    """A mending that sets facts of the account."""
    return lambda given: replace(given, account=replace(given.account, **facts) if given.account else None)


def fact(**facts: Any) -> Callable[[Facts], Facts]:
    """A mending that sets facts."""
    return lambda given: replace(given, **facts)


def test_nothing_wrong_is_admitted() -> None:
    for facts in (by_password(), by_provider()):
        verdict = judge(facts)
        assert verdict.admitted
        assert {step.outcome for step in verdict.trace} == {"passed"}


MENDINGS: list[tuple[str, Callable[[Facts], Facts]]] = [
    ("E_Client_Unknown", fact(client=app(second_factor_unsupported=True))),
    ("E_Idp_Unknown", fact(provider_owned=True)),
    ("E_Idp_Disabled", fact(provider=provider(link_only=True))),
    ("E_Idp_Link_Only", fact(provider=provider())),
    ("E_Claim_Missing", fact(link=link_refused("E_No_User", "match"))),
    ("E_No_User", fact(link=link_refused("E_Ambiguous_User", "match"))),
    ("E_Ambiguous_User", fact(link=link_refused("E_Email_Unverified", "proof"))),
    ("E_Email_Unverified", fact(link=link_refused("E_Subject_Changed", "binding"))),
    ("E_Subject_Changed", fact(link=LINKED)),
    ("E_Wrong_Sign_In_Method", fact(names_provider=True)),
    ("E_No_User", acc(deleted_at=None)),
    ("E_No_Associated_Tenants", fact(home_chain=(OFF, PLATFORM))),
    ("E_Tenant_Not_Allowed", fact(home_chain=(node(), PLATFORM))),
    ("E_Tenant_Not_Allowed", fact(issuer_chain=(node(), PLATFORM))),
    ("E_Tenant_Not_Allowed", fact(acting_chain=(node(), PLATFORM), client=app())),
    ("E_Service_Account_Interactive", acc(type=AccountType.HUMAN)),
    ("E_User_Disabled", acc(active_by_scim=True)),
    ("E_User_Disabled", acc(enabled_by_admin=True)),
    ("E_Account_Expired", acc(disable_after=Instant(NOW + 1))),
    ("E_Email_Not_Validated", acc(email_validated_at=NOW)),
    ("E_Not_Activated", acc(activated_at=NOW)),
    ("E_Locked_Out", acc(admin_locked_at=None)),
    ("E_Role_Inactive", fact(entitlement=Entitlement(None, (), "E_No_Tenant_Sponsor"))),
    ("E_No_Tenant_Sponsor", fact(entitlement=Entitlement(None, (ELSEWHERE,), "E_Not_Entitled"))),
    ("E_Not_Entitled", fact(entitlement=GRANTED, client=app(second_factor_unsupported=True))),
    ("E_Service_Account_Needed", fact(client=app(), may_ask=False)),
    ("E_Mfa_Required", fact(factor=FactorState.NONE)),
    ("E_Mfa_Setup_Required", acc(mfa_required=False)),
]
"""Each code, and what mends it: from everything wrong at once to nothing."""

WORST = by_provider(
    client=app(disabled_at=NOW),
    provider=provider(active=False, link_only=True),
    provider_owned=False,
    assertion=assertion(email_verified=False),
    link=link_refused("E_Claim_Missing", "claims"),
    method_names=("Other",),
    means=PASSWORD,
    account=account(
        deleted_at=NOW,
        type=AccountType.SERVICE,
        enabled_by_admin=False,
        active_by_scim=False,
        disable_after=NOW,
        self_registered=True,
        email_validated_at=None,
        activated_at=None,
        admin_locked_at=NOW,
        mfa_required=True,
    ),
    home_chain=(node(slug="gone", deleted_at=NOW),),
    issuer_chain=(OFF,),
    acting_chain=(OFF,),
    entitlement=Entitlement(None, (), "E_Role_Inactive"),
    factor=FactorState.ENROLLED,
)


def test_first_hit_wins_in_the_order_of_the_chain() -> None:
    facts, met = WORST, []
    for _, mend in MENDINGS:
        met.append(judge(facts).code)
        facts = mend(facts)
    assert met == [code for code, _ in MENDINGS]
    assert judge(facts).admitted


def test_every_code_of_the_chain_is_in_the_catalogue() -> None:
    assert {code for code, _ in MENDINGS} <= set(catalogue())


def test_steps_after_the_hit_are_not_reached() -> None:
    trace = judge(by_password(account=account(enabled_by_admin=False))).trace
    outcomes = [step.outcome for step in trace]
    at = outcomes.index("refused")
    assert trace[at].step == "enabled"
    assert set(outcomes[:at]) == {"passed"}
    assert set(outcomes[at + 1 :]) == {"not reached"}
    assert [step.step for step in trace] == [name for name, _ in CHAIN]


def test_trace_tells_what_was_looked_for_and_found() -> None:
    steps = {step.step: step.detail for step in judge(by_provider()).trace}
    assert steps["client"] == {"app": "Portal", "client_id": "portal"}
    assert steps["protocol"] == {"issuer": "https://corp.example", "subject": "s1"}
    assert steps["match"] == {
        "criterion": Criterion.EMAIL,
        "claim": "email",
        "value": "anna@acme.example",
        "account": "anna",
        "by": "first match",
    }
    known = judge(by_provider(link=LinkDecision(AccountId("anna"), new=False, code=""))).trace
    assert next(step.detail for step in known if step.step == "match") == {"account": "anna", "by": "link"}


def test_account_that_nobody_loaded_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        judge(by_password(account=None))


# --- the method


def test_password_is_refused_to_federated_only_before_anything_is_told_of_the_account() -> None:
    facts = by_password(account=account(federated_only=True, deleted_at=NOW, enabled_by_admin=False), method_names=("Corp",))
    verdict = judge(facts)
    assert verdict.code == "E_Federated_Only"
    assert {"providers": ("Corp",)} in [step.detail for step in verdict.trace]


def test_password_stays_possible_beside_a_provider() -> None:
    assert judge(by_password(method_names=("Corp",))).admitted


def test_account_without_a_method_takes_any_provider_and_one_with_it_only_that() -> None:
    assert judge(by_provider(method_names=())).admitted
    assert judge(by_provider(method_names=("Corp",), names_provider=True)).admitted
    assert judge(by_provider(method_names=("Other",))).code == "E_Wrong_Sign_In_Method"


def test_provider_switched_off_ends_no_live_session() -> None:
    assert judge(by_provider(path=Path.SESSION, provider=provider(active=False))).admitted


# --- the tenants


@pytest.mark.parametrize("chain", ["home_chain", "issuer_chain", "acting_chain"])
@pytest.mark.parametrize("off", [{"disabled_at": NOW}, {"deleted_at": NOW}])
def test_node_that_is_off_anywhere_above_closes_the_door(chain: str, off: dict[str, Instant]) -> None:
    facts = by_password(**{chain: (node(), node(slug="partner", **off), PLATFORM)})
    expected = "E_No_Associated_Tenants" if chain == "home_chain" and "deleted_at" in off else "E_Tenant_Not_Allowed"
    assert judge(facts).code == expected


def test_purged_home_is_no_home() -> None:
    assert judge(by_password(home_chain=(), home_purged=True)).code == "E_No_Associated_Tenants"


# --- the account


def test_service_account_signs_in_only_at_apps_without_second_factor() -> None:
    service = account(type=AccountType.SERVICE, mfa_required=True)
    assert judge(by_password(account=service)).code == "E_Service_Account_Interactive"
    assert judge(by_password(account=service, client=None)).code == "E_Service_Account_Interactive"
    assert judge(by_password(account=service, client=app(second_factor_unsupported=True))).admitted


def test_account_expires_at_its_instant() -> None:
    assert judge(by_password(account=account(disable_after=Instant(NOW + 1)))).admitted
    assert judge(by_password(account=account(disable_after=NOW))).code == "E_Account_Expired"


def test_first_sign_in_by_the_organisation_activates() -> None:
    invited = account(activated_at=None)
    assert judge(by_password(account=invited)).code == "E_Not_Activated"
    assert judge(by_provider(account=invited)).admitted


@pytest.mark.parametrize(
    ("claims", "confirmed"),
    [
        ({}, True),
        ({"email": "ANNA@ACME.example"}, True),
        ({"email_verified": False}, False),
        ({"email_verified": None}, False),
        ({"email": "other@acme.example"}, False),
        ({"email": None}, False),
    ],
)
def test_only_the_very_address_that_the_provider_vouches_for_is_confirmed(claims: dict[str, object], confirmed: bool) -> None:
    registered = account(self_registered=True, email_validated_at=None)
    facts = by_provider(account=registered, assertion=assertion(**claims))
    assert confirms_email(facts) is confirmed
    assert judge(facts).code == ("" if confirmed else "E_Email_Not_Validated")


def test_nobody_confirms_an_empty_address() -> None:
    facts = by_provider(account=account(self_registered=True, email_validated_at=None, email=""), assertion=assertion(email=""))
    assert not confirms_email(facts)
    assert not confirms_email(by_password())


# --- entitlement


def test_person_chooses_where_several_tenants_remain() -> None:
    verdict = judge(by_password(entitlement=Entitlement(None, (HOME, ELSEWHERE), "")))
    assert verdict.due is Step.CHOOSE_TENANT
    assert not verdict.admitted
    assert {"tenants": ("acme", "globex")} in [step.detail for step in verdict.trace]


def test_first_factor_for_another_issuer_asks_for_no_entitlement_and_no_second_factor() -> None:
    facts = by_password(client=None, entitlement=None, account=account(mfa_required=True), step_up=True)
    assert judge(facts).admitted


# --- what is due


def test_password_is_changed_before_the_second_factor_and_only_on_the_password_path() -> None:
    temporary = account(must_change_password=True, mfa_required=True)
    assert judge(by_password(account=temporary)).due is Step.CHANGE_PASSWORD
    assert judge(by_provider(account=replace(temporary, mfa_required=False))).admitted


OTP = Means(Level.MULTI_FACTOR, ("pwd", "otp", "mfa"), NOW)
THEIRS = Means(Level.MULTI_FACTOR, ("fed", "mfa"), NOW, "corp")
OURS_TOO = Means(Level.MULTI_FACTOR, ("fed", "otp", "mfa"), NOW, "corp")


@pytest.mark.parametrize(
    ("required", "factor", "means", "due"),
    [
        (False, FactorState.NONE, PASSWORD, None),
        (False, FactorState.ENROLLED, PASSWORD, Step.VERIFY_TOTP),
        (False, FactorState.TO_REPLACE, PASSWORD, Step.VERIFY_TOTP),
        (True, FactorState.NONE, PASSWORD, Step.ENROL_TOTP),
        (True, FactorState.ENROLLED, PASSWORD, Step.VERIFY_TOTP),
        (True, FactorState.ENROLLED, OTP, None),
        (True, FactorState.TO_REPLACE, PASSWORD, Step.VERIFY_TOTP),
        (True, FactorState.TO_REPLACE, OTP, Step.ENROL_TOTP),
        (True, FactorState.RESET, PASSWORD, Step.VERIFY_TOTP),
        (True, FactorState.RESET, OTP, Step.ENROL_TOTP),
    ],
)
def test_second_factor_after_a_password(required: bool, factor: FactorState, means: Means, due: Step | None) -> None:
    assert judge(by_password(account=account(mfa_required=required), factor=factor, means=means)).due is due


@pytest.mark.parametrize(
    ("required", "factor", "means", "due"),
    [
        (False, FactorState.ENROLLED, FEDERATED, None),
        (True, FactorState.NONE, FEDERATED, Step.ENROL_TOTP),
        (True, FactorState.ENROLLED, FEDERATED, Step.VERIFY_TOTP),
        (True, FactorState.NONE, THEIRS, None),
        (True, FactorState.TO_REPLACE, THEIRS, None),
        (True, FactorState.ENROLLED, OURS_TOO, None),
        (True, FactorState.TO_REPLACE, OURS_TOO, Step.ENROL_TOTP),
    ],
)
def test_second_factor_after_a_provider(required: bool, factor: FactorState, means: Means, due: Step | None) -> None:
    assert judge(by_provider(account=account(mfa_required=required), factor=factor, means=means)).due is due


@pytest.mark.parametrize("kind", [NodeKind.PLATFORM, NodeKind.DISTRIBUTOR, NodeKind.PARTNER, NodeKind.FOLDER])
def test_people_of_nodes_that_manage_others_always_owe_a_factor(kind: NodeKind) -> None:
    assert judge(by_password(home_chain=(node(kind=kind),))).due is Step.ENROL_TOTP


def test_demand_that_comes_later_leaves_a_live_session_alone_unless_the_app_wants_more() -> None:
    demanded = account(mfa_required=True)
    assert judge(by_password(path=Path.SESSION, account=demanded)).admitted
    assert judge(by_password(path=Path.SESSION, account=demanded, step_up=True)).due is Step.ENROL_TOTP
    assert judge(by_password(path=Path.REFRESH, account=demanded, factor=FactorState.ENROLLED, step_up=True)).admitted


# --- means


@pytest.mark.parametrize(
    ("amr", "acr", "level"),
    [
        ((), "", Level.FEDERATED),
        (("pwd",), "urn:other", Level.FEDERATED),
        (("pwd", "mfa"), "", Level.MULTI_FACTOR),
        ((), "urn:mfa", Level.MULTI_FACTOR),
    ],
)
def test_provider_proves_a_second_factor_only_by_the_values_it_is_trusted_for(amr: tuple[str, ...], acr: str, level: Level) -> None:
    trusted = provider(mfa_amr=("mfa",), mfa_acr=("urn:mfa",))
    means = reached_means(trusted, replace(assertion(), amr=amr, acr=acr), NOW)
    assert means.level is level
    assert ("mfa" in means.amr) is (level is Level.MULTI_FACTOR)
    assert reached_means(provider(), replace(assertion(), amr=amr, acr=acr), NOW).level is Level.FEDERATED


def test_time_of_authentication_is_the_providers_where_it_tells() -> None:
    assert reached_means(provider(), replace(assertion(), auth_time=Instant(5)), NOW).auth_time == 5
    assert reached_means(provider(), assertion(), NOW).auth_time == NOW


def test_empty_acr_proves_nothing() -> None:
    assert reached_means(provider(mfa_acr=("",)), assertion(), NOW).level is Level.FEDERATED


def test_code_of_ours_makes_means_stronger_and_no_newer() -> None:
    assert stronger_means(PASSWORD) == OTP
    assert stronger_means(OTP) == OTP
    assert stronger_means(FEDERATED).provider == "corp"


# --- refusals of doors


def test_refusal_of_a_door_is_a_trace_too() -> None:
    trace = refusal_at("protocol", "E_Token_Invalid", {"check": "nonce"})
    assert [step.outcome for step in trace][:4] == ["passed", "passed", "refused", "not reached"]
    assert trace[2].detail == {"check": "nonce", "code": "E_Token_Invalid"}
    assert len(trace) == len(CHAIN)
