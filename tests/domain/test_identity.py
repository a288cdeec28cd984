"""Linking as a decision (openid.md 55-63, 67; decisions.md 11, 12): which account an assertion stands for, or why none."""

from typing import Any

import pytest

from gateway.domain.identity import (
    Criterion,
    LinkDecision,
    LookedFor,
    Vendor,
    decide_link,
    guest_address,
    guest_login_start,
    looked_for,
    same_login,
)
from gateway.domain.values import AccountId
from tests.domain.makers import assertion, candidate, provider

ANNA, BO = AccountId("anna"), AccountId("bo")


def decided(
    *candidates: dict[str, Any], linked: AccountId | None = None, matching: Criterion = Criterion.EMAIL, **claims: object
) -> LinkDecision:
    return decide_link(provider(matching=matching), assertion(**claims), linked, [candidate(**facts) for facts in candidates])


def test_verified_address_links_the_account_that_has_it() -> None:
    assert decided({}) == LinkDecision(ANNA, new=True, code="", looked_for=LookedFor(Criterion.EMAIL, "email", "anna@acme.example"))


@pytest.mark.parametrize("claims", [{}, {"email": "other@acme.example"}, {"email": None}, {"email_verified": False}])
def test_link_alone_decides_whatever_the_claims_say_later(claims: dict[str, Any]) -> None:
    assert decided({"account": BO}, linked=ANNA, **claims) == LinkDecision(ANNA, new=False, code="")


def test_nobody_found_is_no_user_and_tells_what_was_looked_for() -> None:
    decision = decided()
    assert (decision.code, decision.step, decision.account) == ("E_No_User", "match", None)
    assert decision.looked_for == LookedFor(Criterion.EMAIL, "email", "anna@acme.example")


@pytest.mark.parametrize("value", [None, "", "   ", ["anna@acme.example"], 5, {"value": "x"}, True])
@pytest.mark.parametrize(
    ("matching", "claim"), [(Criterion.EMAIL, "email"), (Criterion.CUSTOM_LOGIN, "preferred_username"), (Criterion.EXTERNAL_ID, "sub")]
)
def test_claim_that_is_no_text_is_missing_and_no_other_claim_stands_in(value: object, matching: Criterion, claim: str) -> None:
    claims: dict[str, Any] = {claim: value}
    decision = decided(matching=matching, **claims)
    assert (decision.code, decision.step) == ("E_Claim_Missing", "claims")
    assert "claims" in decision.detail
    assert "anna@acme.example" not in str(decision.detail)


def test_two_accounts_are_ambiguous_and_nobody_is_linked() -> None:
    decision = decided({}, {"account": BO})
    assert (decision.code, decision.step, decision.account) == ("E_Ambiguous_User", "match", None)
    assert decision.detail == {"accounts": [ANNA, BO]}


def test_one_account_found_twice_is_one() -> None:
    assert decided({}, {}).account == ANNA


# --- criteria


def test_only_the_criterion_of_the_provider_finds_an_account_without_one_of_its_own() -> None:
    assert decided({"criterion": Criterion.CUSTOM_LOGIN}).code == "E_No_User"
    assert decided({"criterion": Criterion.EXTERNAL_ID}).code == "E_No_User"
    assert decided({"criterion": Criterion.CUSTOM_LOGIN}, matching=Criterion.CUSTOM_LOGIN).account == ANNA


def test_own_criterion_of_an_account_wins_over_the_providers() -> None:
    own = {"criterion": Criterion.CUSTOM_LOGIN, "own_criterion": "custom-login"}
    decision = decided(own)
    assert decision.account == ANNA
    assert decision.looked_for == LookedFor(Criterion.CUSTOM_LOGIN, "preferred_username", "anna")
    assert decided({"own_criterion": "custom-login"}).code == "E_No_User"


def test_accounts_found_by_different_criteria_are_ambiguous_too() -> None:
    own = {"account": BO, "criterion": Criterion.CUSTOM_LOGIN, "own_criterion": "custom-login"}
    assert decided({}, own).code == "E_Ambiguous_User"


@pytest.mark.parametrize(
    ("criterion", "claim"), [(Criterion.EMAIL, "email"), (Criterion.CUSTOM_LOGIN, "upn"), (Criterion.EXTERNAL_ID, "oid")]
)
def test_each_criterion_reads_its_one_claim(criterion: Criterion, claim: str) -> None:
    configured = provider(claim="upn", external_id_claim="oid")
    assert looked_for(configured, assertion(upn=" Anna ", oid="o1"), criterion).claim == claim
    assert looked_for(configured, assertion(**{claim: " Anna "}), criterion).value == "Anna"


# --- proof


@pytest.mark.parametrize(
    ("verified", "facts", "proved"),
    [
        (True, {}, True),
        ("true", {}, True),
        (False, {}, False),
        ("false", {}, False),
        ("True", {}, False),
        (1, {}, False),
        (None, {}, False),
        (None, {"managed_by_tied_connection": True}, True),
        (None, {"email_domain_proved": True}, True),
        (False, {"managed_by_tied_connection": True, "email_domain_proved": True}, False),
        ("no", {"email_domain_proved": True}, False),
    ],
)
def test_address_is_proved_by_the_claim_or_by_what_stands_in_for_a_missing_one(
    verified: object, facts: dict[str, bool], proved: bool
) -> None:
    decision = decided(facts, email_verified=verified)
    assert (decision.code, decision.account) == (("", ANNA) if proved else ("E_Email_Unverified", None))
    assert decision.step == ("match" if proved else "proof")


@pytest.mark.parametrize("matching", [Criterion.CUSTOM_LOGIN, Criterion.EXTERNAL_ID])
def test_other_criteria_need_no_proof_of_the_address(matching: Criterion) -> None:
    assert decided({"criterion": matching}, matching=matching, email_verified=False, sub="s1").account == ANNA


def test_self_registered_account_without_proof_is_as_if_it_were_not_there() -> None:
    assert decided({"self_registered_unproved": True}).code == "E_No_User"
    assert decided({"self_registered_unproved": True}, {"account": BO}).account == BO


def test_account_bound_to_another_subject_is_not_taken_over() -> None:
    decision = decided({"linked_subject": "s0"})
    assert (decision.code, decision.step, decision.account) == ("E_Subject_Changed", "binding", None)
    assert decision.detail == {"account": ANNA, "old_subject": "s0", "new_subject": "s1"}


@pytest.mark.parametrize(
    ("facts", "code"),
    [({}, "E_Link_Proof_Required"), ({"names_provider": True}, ""), ({"managed_by_tied_connection": True}, "")],
)
def test_administrator_is_not_linked_by_a_mere_match(facts: dict[str, bool], code: str) -> None:
    assert decided({"administrator": True, **facts}).code == code


# --- logins


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("Anna", "ANNA", True),
        ("Größe", "GRÖSSE", True),
        ("Ａnna", "anna", True),
        ("anna ", "anna", True),
        ("anna", "anna+x", False),
        ("i", "ı", False),
        ("paypal", "pаypal", False),
    ],
)
def test_logins_are_compared_by_their_key(ours: str, theirs: str, same: bool) -> None:
    assert same_login(provider(), ours, theirs) is same


def test_exact_case_is_exact() -> None:
    assert not same_login(provider(exact_case=True), "Anna", "anna")
    assert same_login(provider(exact_case=True), "Anna", "Anna")


GUEST = "anna_home.example#EXT#@acme.onmicrosoft.com"


def test_guest_of_entra_signs_in_under_the_address_its_login_was_made_of() -> None:
    assert same_login(provider(vendor=Vendor.ENTRA), GUEST, "Anna@home.example")
    assert same_login(provider(vendor=Vendor.ENTRA), GUEST, GUEST)
    assert same_login(provider(vendor=Vendor.ENTRA, exact_case=True), GUEST, "anna@home.example")
    assert not same_login(provider(vendor=Vendor.ENTRA, exact_case=True), GUEST, "Anna@home.example")
    assert not same_login(provider(vendor=Vendor.OKTA), GUEST, "anna@home.example")
    assert not same_login(provider(vendor=Vendor.ENTRA), "anna", "")


@pytest.mark.parametrize(
    ("login", "address"),
    [
        (GUEST, "anna@home.example"),
        (GUEST.lower(), "anna@home.example"),
        ("first_last_home.example#EXT#@x", "first_last@home.example"),
        ("anna@acme.example", ""),
        ("anna#EXT#@x", ""),
        ("_home.example#EXT#@x", ""),
        ("anna_#EXT#@x", ""),
        ("", ""),
    ],
)
def test_address_of_a_guest_is_read_from_its_login(login: str, address: str) -> None:
    assert guest_address(login) == address


@pytest.mark.parametrize(
    ("address", "start"),
    [("anna@home.example", "anna_home.example#EXT#@"), ("anna", ""), ("@home.example", ""), ("anna@", ""), ("anna@a_b", "")],
)
def test_login_of_a_guest_begins_with_its_address(address: str, start: str) -> None:
    assert guest_login_start(address) == start
    if start:
        assert guest_address(start + "x") == address


# --- claims


@pytest.mark.parametrize(("value", "text"), [(" x ", "x"), ("", ""), (None, ""), (["x"], ""), (5, ""), (True, "")])
def test_only_a_text_is_the_text_of_a_claim(value: object, text: str) -> None:
    assert assertion(claim=value).text("claim") == text
