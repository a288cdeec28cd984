"""Accounts made just in time: by a provider that may, in domains its node proved, never beside an account that is there (R-069)."""

from typing import Any

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.identity import Assertion, Criterion, EmailTrust, IdentityProvider
from gateway.domain.nodes import Node
from gateway.domain.sign_in import Path
from gateway.services import access, admission, connections, explain, people, provisioning, what_if
from gateway.services.admission import Admitted, Attempt
from gateway.services.connections import NewConnection
from gateway.services.context import Context
from gateway.services.identity_providers import Changes, change_provider
from gateway.services.what_if import Question
from gateway.storage import audit, identity_providers
from gateway.storage import people as stored_people
from tests.sign_ins import asserted, make_app, make_person, make_provider, prove_domain, vouched

NEW = "new@acme.example"


@pytest.fixture
def corp(context: Context, acme: Node) -> IdentityProvider:
    prove_domain(context, acme, "acme.example")
    return make_provider(context, acme, jit=True)


def come(context: Context, node: Node, provider: IdentityProvider, assertion: Assertion) -> Admitted | Refusal:
    app = make_app(context, node, name=context.new_id())
    return admission.admit(
        context.traced_as(context.new_id()), Attempt(node.id, Path.FEDERATED, client=app, provider=provider, assertion=assertion)
    )


def refused(context: Context, node: Node, provider: IdentityProvider, assertion: Assertion) -> Refusal:
    accounts, events = len(stored_people.list_accounts(context.database, node.id)), joined(context, node)
    outcome = come(context, node, provider, assertion)
    assert isinstance(outcome, Refusal)
    assert len(stored_people.list_accounts(context.database, node.id)) == accounts
    assert joined(context, node) == events
    return outcome


def joined(context: Context, node: Node) -> list[str]:
    return [row.target for row in audit.list_audit(context.database, node.id, limit=50) if row.action == "person.joined"]


def test_a_newcomer_gets_an_account_and_comes_in(context: Context, acme: Node, corp: IdentityProvider) -> None:
    said = asserted(corp, email=NEW, email_verified=True, given_name="Nora", family_name="New", name="Nora New")
    admitted = come(context, acme, corp, said)
    assert isinstance(admitted, Admitted)
    account = people.get_person(context, acme, NEW)
    assert (account.id, account.email, account.given_name, account.family_name) == (admitted.account.id, NEW, "Nora", "New")
    assert (account.activated_at, account.email_validated_at, account.managed_by) == (context.now(), context.now(), None)
    assert joined(context, acme) == [account.id]
    assert identity_providers.find_linked_account(context.database, corp, said.issuer, said.subject) == account.id


def test_the_second_time_it_is_the_same_account(context: Context, acme: Node, corp: IdentityProvider) -> None:
    first, second = (come(context, acme, corp, vouched(corp, email)) for email in (NEW, "renamed@acme.example"))
    assert isinstance(first, Admitted)
    assert isinstance(second, Admitted)
    assert first.account.id == second.account.id
    assert len(joined(context, acme)) == 1


def test_the_trace_says_how_the_account_came(context: Context, acme: Node, corp: IdentityProvider) -> None:
    traced = context.traced_as(context.new_id())
    admission.admit(traced, Attempt(acme.id, Path.FEDERATED, provider=corp, assertion=vouched(corp, NEW)))
    decisive = explain.explain(context, traced.correlation_id, scope=None).decisive
    assert decisive is not None
    assert next(step.detail["by"] for step in decisive.chain if step.step == "match") == "just in time"


def test_without_the_switch_nobody_is_made(context: Context, acme: Node) -> None:
    prove_domain(context, acme, "acme.example")
    corp = make_provider(context, acme)
    assert refused(context, acme, corp, vouched(corp, NEW)).code == "E_No_User"


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({}, "E_Claim_Missing"),
        ({"email": ""}, "E_Claim_Missing"),
        ({"email": ["new@acme.example"]}, "E_Claim_Missing"),
        ({"email": NEW, "email_verified": False}, "E_Email_Unverified"),
        ({"email": NEW}, "E_Email_Unverified"),
        ({"email": "new@globex.example", "email_verified": True}, "E_Domain_Not_Allowed"),
        ({"email": "new@sub.acme.example", "email_verified": True}, "E_Domain_Not_Allowed"),
        ({"email": "new@gmail.com", "email_verified": True}, "E_Domain_Not_Allowed"),
        ({"email": "acme.example", "email_verified": True}, "E_Domain_Not_Allowed"),
        ({"email": "a b@acme.example", "email_verified": True}, "E_Email_Syntax"),
        ({"email": "new@evil.example@acme.example", "email_verified": True}, "E_Email_Syntax"),
    ],
)
def test_an_address_has_to_be_proved_and_of_a_proved_domain(
    context: Context, acme: Node, globex: Node, corp: IdentityProvider, claims: dict[str, Any], code: str
) -> None:
    prove_domain(context, globex, "globex.example")
    assert refused(context, acme, corp, asserted(corp, **claims)).code == code


def test_the_domain_may_stand_in_for_a_missing_proof_where_the_provider_is_trusted_so(context: Context, acme: Node) -> None:
    prove_domain(context, acme, "acme.example")
    corp = make_provider(context, acme, jit=True, email_trust=EmailTrust.DOMAINS)
    assert isinstance(come(context, acme, corp, asserted(corp, email=NEW)), Admitted)
    # Nobody said that the address is theirs: the account does not say so either.
    assert people.get_person(context, acme, NEW).email_validated_at is None


def test_a_domain_that_is_only_claimed_makes_nobody(context: Context, acme: Node) -> None:
    corp = make_provider(context, acme, jit=True)
    refusal = refused(context, acme, corp, vouched(corp, NEW))
    assert (refusal.code, refusal.data["domain"]) == ("E_Domain_Not_Allowed", "acme.example")


def test_a_login_that_somebody_has_is_not_given_again(context: Context, acme: Node, corp: IdentityProvider) -> None:
    make_person(context, acme, NEW, email="other@acme.example")
    assert refused(context, acme, corp, vouched(corp, NEW)).code == "E_Login_Taken"


def test_what_stands_in_the_way_before_makes_nobody(context: Context, acme: Node) -> None:
    prove_domain(context, acme, "acme.example")
    corp = make_provider(context, acme, jit=True, active=False)
    assert refused(context, acme, corp, vouched(corp, NEW)).code == "E_Idp_Disabled"


def test_names_that_cannot_be_kept_are_left_out(context: Context, acme: Node, corp: IdentityProvider) -> None:
    hostile = {"given_name": "N\x00ra", "family_name": "x" * 1000, "name": "\u202eevil"}
    assert isinstance(come(context, acme, corp, asserted(corp, email=NEW, email_verified=True, **hostile)), Admitted)
    account = people.get_person(context, acme, NEW)
    assert (account.given_name, account.family_name) == ("", "")


def test_a_custom_login_becomes_the_login(context: Context, acme: Node) -> None:
    prove_domain(context, acme, "acme.example")
    corp = make_provider(context, acme, jit=True, matching=Criterion.CUSTOM_LOGIN)
    said = asserted(corp, email=NEW, email_verified=True, preferred_username="nora.n")
    assert isinstance(come(context, acme, corp, said), Admitted)
    assert people.get_person(context, acme, "nora.n").email == NEW


def test_the_role_of_newcomers_is_given_and_lets_them_in(context: Context, acme: Node, corp: IdentityProvider) -> None:
    app = make_app(context, acme, roleless=False)
    access.create_role(context, acme.id, "Reader", kind="tenant", apps=[app.client_id], level=0)
    ruled = change_provider(context, corp, Changes(jit_role="Reader"))
    attempt = Attempt(acme.id, Path.FEDERATED, client=app, provider=ruled, assertion=vouched(ruled, NEW))
    assert isinstance(admission.admit(context.traced_as(context.new_id()), attempt), Admitted)


def test_newcomers_are_never_administrators(context: Context, acme: Node, corp: IdentityProvider) -> None:
    access.create_role(context, acme.id, "Boss", kind="hierarchy", apps=[], level=3)
    with pytest.raises(Refusal) as told:
        change_provider(context, corp, Changes(jit_role="Boss"))
    assert told.value.code == "E_Field_Invalid"


def test_what_if_tells_it_and_makes_nobody(context: Context, acme: Node, corp: IdentityProvider) -> None:
    claims = {"sub": "s-1", "email": NEW, "email_verified": True}
    asked = what_if.ask_by_claims(context, Question(acme), corp, claims, scope=None)
    assert asked.code == ""
    assert stored_people.list_accounts(context.database, acme.id) == []
    assert joined(context, acme) == []


def test_the_directory_of_the_tied_provider_adopts_whom_it_made(context: Context, acme: Node, corp: IdentityProvider) -> None:
    come(context, acme, corp, vouched(corp, NEW))
    tied = connections.create_connection(context, acme, NewConnection("Directory", provider=corp.id)).connection
    other = connections.create_connection(context, acme, NewConnection("Other")).connection
    with pytest.raises(Refusal) as told:
        provisioning.create_provisioned(context, other, acme, {"userName": NEW})
    assert told.value.code == "E_Login_Taken"
    adopted = provisioning.create_provisioned(context, tied, acme, {"userName": NEW}).account
    assert adopted.managed_by == tied.id
    by_hand = make_person(context, acme, "hand@acme.example")
    with pytest.raises(Refusal):
        provisioning.create_provisioned(context, tied, acme, {"userName": by_hand.login})
