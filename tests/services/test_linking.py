"""Which account an assertion stands for: criterion, proof at both ends, binding for good (openid.md 55-72, decisions.md 8, 11, 12)."""

import dataclasses
import json
from typing import Any

import pytest

from gateway.domain.document import PersonFields
from gateway.domain.identity import Assertion, Criterion, EmailTrust, IdentityProvider, LinkDecision, Vendor, same_login
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.people import Account
from gateway.domain.values import ProviderId
from gateway.services import access, connections, domains, linking, nodes, people, provisioning
from gateway.services.connections import NewConnection
from gateway.services.context import Context
from gateway.services.nodes import NewNode
from gateway.services.people import NewPerson
from gateway.storage import audit
from gateway.storage import identity_providers as stored
from gateway.storage import people as stored_people

TENANT_ID = "7f8ac8b4-5d0f-4f3e-9d9e-0e6a6a0c3f11"
OBJECT_ID = "d6f4a7c3-8f2e-4f61-9d3e-1b2a3c4d5e6f"


def add_provider(context: Context, node: Node, key: str = "corp", **changes: Any) -> IdentityProvider:
    plain = IdentityProvider(
        id=ProviderId(context.new_id()),
        node=node.id,
        key=key,
        name=key,
        issuer=f"https://{key}.example",
        client_id="moongate",
        vendor=Vendor.GENERIC,
        matching=Criterion.EMAIL,
        claim="preferred_username",
        exact_case=False,
        email_trust=EmailTrust.CLAIM,
        external_id_claim="sub",
        link_only=False,
        mfa_amr=(),
        mfa_acr=(),
        active=True,
        created_at=context.now(),
    )
    provider = dataclasses.replace(plain, **changes)
    stored.insert_provider(context.database, provider, wrapped_secret="")
    return provider


def entra(context: Context, node: Node, **changes: Any) -> IdentityProvider:
    return add_provider(context, node, vendor=Vendor.ENTRA, matching=Criterion.CUSTOM_LOGIN, external_id_claim="oid", **changes)


def says(provider: IdentityProvider, subject: str = "subject-1", /, **claims: Any) -> Assertion:
    return Assertion(provider.issuer, subject, {"iss": provider.issuer, "sub": subject, **claims})


def add_person(context: Context, node: Node, login: str, email: str = "", **changes: Any) -> Account:
    fields = PersonFields(user_name=login, email=email or login, given_name="First", family_name="Last")
    return people.create_person(context, node, dataclasses.replace(NewPerson(fields), **changes))


def push(context: Context, node: Node, provider: IdentityProvider | None, document: dict[str, object]) -> Account:
    """What the node's directory pushes by SCIM, over a connection tied to `provider`."""
    issued = connections.create_connection(context, node, NewConnection("directory", provider=provider.id if provider else None))
    return provisioning.create_provisioned(context, issued.connection, node, json.loads(json.dumps(document))).account


def change(context: Context, account: Account, **changes: Any) -> Account:
    changed = dataclasses.replace(account, version=account.version + 1, **changes)
    assert stored_people.change_account(context.database, changed, expected_version=account.version)
    return changed


def keep(context: Context, provider: IdentityProvider, assertion: Assertion) -> LinkDecision:
    with context.database.transaction():
        decision = linking.resolve(context, provider, assertion)
        assert not linking.keep(context, provider, assertion, decision)
    return decision


@pytest.fixture
def corp(context: Context, acme: Node) -> IdentityProvider:
    return add_provider(context, acme)


@pytest.fixture
def person(context: Context, acme: Node) -> Account:
    return add_person(context, acme, "flast@acme.example")


MAIL: dict[str, Any] = {"email": "flast@acme.example", "email_verified": True}


class TestUntouchedDirectories:
    """People whom a directory pushes with its default mapping sign in at the first try, and no switch was touched."""

    def entra_claims(self, **claims: Any) -> dict[str, Any]:
        return {"tid": TENANT_ID, "oid": OBJECT_ID, "name": "First Last", "ver": "2.0"} | claims

    def entra_user(self, user_name: str, mail: str | None) -> dict[str, Any]:
        document: dict[str, object] = {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": user_name,
            "externalId": "flast",  # mailNickname, which is not the oid
            "displayName": "First Last",
            "name": {"givenName": "First", "familyName": "Last", "formatted": "First Last"},
            "active": True,
        }
        return document | ({"emails": [{"type": "work", "value": mail, "primary": True}]} if mail else {})

    @pytest.mark.parametrize(
        ("user_name", "mail", "preferred_username"),
        [
            ("flast@contoso.com", "flast@contoso.com", "flast@contoso.com"),
            ("FLast@contoso.com", "first.last@contoso.de", "flast@contoso.com"),
            ("flast@contoso.onmicrosoft.com", None, "flast@contoso.onmicrosoft.com"),
            ("x_y.com#EXT#@contoso.onmicrosoft.com", "x@y.com", "x@y.com"),
            ("first_last_y.com#EXT#@contoso.onmicrosoft.com", "First_Last@y.com", "First_Last@y.com"),
            ("x_y.com#EXT#@contoso.onmicrosoft.com", None, "x_y.com#EXT#@contoso.onmicrosoft.com"),
        ],
    )
    @pytest.mark.parametrize("tied", [True, False])
    def test_entra(self, context: Context, acme: Node, user_name: str, mail: str | None, preferred_username: str, tied: bool) -> None:
        provider = entra(context, acme)
        account = push(context, acme, provider if tied else None, self.entra_user(user_name, mail))
        claims = self.entra_claims(preferred_username=preferred_username) | ({"email": mail} if mail else {})
        decision = keep(context, provider, says(provider, f"{TENANT_ID}/{OBJECT_ID}", **claims))
        assert (decision.code, decision.account, decision.new) == ("", account.id, True)
        again = linking.resolve(context, provider, says(provider, f"{TENANT_ID}/{OBJECT_ID}"))
        assert (again.account, again.new) == (account.id, False)

    def test_entra_guest_and_member_of_one_name_are_no_choice(self, context: Context, acme: Node) -> None:
        provider = entra(context, acme)
        push(context, acme, provider, self.entra_user("x_y.com#EXT#@contoso.onmicrosoft.com", None))
        add_person(context, acme, "x@y.com")
        decision = linking.resolve(context, provider, says(provider, **self.entra_claims(preferred_username="x@y.com")))
        assert decision.code == "E_Ambiguous_User"

    def test_the_guests_of_entra_are_nobody_at_another_vendor(self, context: Context, acme: Node) -> None:
        provider = add_provider(context, acme, matching=Criterion.CUSTOM_LOGIN)
        push(context, acme, provider, self.entra_user("x_y.com#EXT#@contoso.onmicrosoft.com", None))
        assert linking.resolve(context, provider, says(provider, preferred_username="x@y.com")).code == "E_No_User"
        assert not same_login(provider, "x_y.com#EXT#@contoso.onmicrosoft.com", "x@y.com")

    def test_entra_by_external_id_where_the_oid_was_mapped(self, context: Context, acme: Node) -> None:
        provider = entra(context, acme)
        provider = dataclasses.replace(provider, matching=Criterion.EXTERNAL_ID)
        account = push(context, acme, provider, self.entra_user("flast@contoso.com", None) | {"externalId": OBJECT_ID})
        assert linking.resolve(context, provider, says(provider, oid=OBJECT_ID)).account == account.id
        assert linking.resolve(context, provider, says(provider, oid=OBJECT_ID.upper())).code == "E_No_User"

    def test_an_external_id_of_a_directory_that_is_not_tied_is_nothing(self, context: Context, acme: Node) -> None:
        provider = entra(context, acme, key="other")
        provider = dataclasses.replace(provider, matching=Criterion.EXTERNAL_ID)
        push(context, acme, None, self.entra_user("flast@contoso.com", None) | {"externalId": OBJECT_ID})
        assert linking.resolve(context, provider, says(provider, oid=OBJECT_ID)).code == "E_No_User"

    @pytest.mark.parametrize("proof", [{"email_verified": True}, {"email_verified": "true"}, {}])
    def test_okta(self, context: Context, acme: Node, proof: dict[str, Any]) -> None:
        provider = add_provider(context, acme, vendor=Vendor.OKTA)
        user = {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": "flast@okta.example",
            "externalId": "00ujl29u0le5T6Aj10h7",
            "name": {"givenName": "First", "familyName": "Last"},
            "emails": [{"primary": True, "value": "First.Last@okta.example", "type": "work"}],
            "displayName": "First Last",
            "locale": "en-US",
            "groups": [],
            "active": True,
        }
        account = push(context, acme, provider, user)
        decision = linking.resolve(context, provider, says(provider, "00ujl29u0le5T6Aj10h7", email="first.last@OKTA.example", **proof))
        assert (decision.code, decision.account) == ("", account.id)


class TestWhoseAccount:
    def test_55_the_subject_of_one_provider_is_nobody_at_another(
        self, context: Context, acme: Node, corp: IdentityProvider, person: Account
    ) -> None:
        keep(context, corp, says(corp, **MAIL))
        other = add_provider(context, acme, "other")
        assert linking.resolve(context, other, says(other, email="nobody@acme.example", email_verified=True)).code == "E_No_User"
        assert linking.resolve(context, other, Assertion(corp.issuer, "subject-1", {})).account is None

    def test_56_another_tenants_provider_finds_nobody_here(self, context: Context, globex: Node, person: Account) -> None:
        provider = add_provider(context, globex, "globex")
        assert linking.resolve(context, provider, says(provider, **MAIL)).code == "E_No_User"

    def test_a_provider_binds_people_of_its_node_and_of_its_units_alone(self, context: Context, platform: Node) -> None:
        partner = nodes.create_node(context, platform.id, NewNode("pat", "Pat", NodeKind.PARTNER))
        customer = nodes.create_node(context, partner.id, NewNode("cust", "Cust", NodeKind.CUSTOMER))
        unit = nodes.create_node(context, customer.id, NewNode("unit", "Unit", NodeKind.UNIT))
        below, at = add_person(context, unit, "below@acme.example"), add_person(context, customer, "at@acme.example")
        providers = {node.slug: add_provider(context, node, f"of-{node.slug}") for node in (platform, partner, customer, unit)}

        def finders(account: Account) -> set[str]:
            claims = {"email": account.email, "email_verified": True}
            found = {slug: linking.resolve(context, provider, says(provider, **claims)) for slug, provider in providers.items()}
            return {slug for slug, decision in found.items() if decision.account == account.id}

        assert finders(below) == {"cust", "unit"}
        assert finders(at) == {"cust"}

    def test_67_a_bound_account_takes_no_second_subject(self, context: Context, corp: IdentityProvider, person: Account) -> None:
        keep(context, corp, says(corp, **MAIL))
        decision = linking.resolve(context, corp, says(corp, "subject-2", **MAIL))
        assert (decision.code, decision.step) == ("E_Subject_Changed", "binding")
        assert decision.detail == {"account": person.id, "old_subject": "subject-1", "new_subject": "subject-2"}

    def test_67_after_a_relink_the_next_proved_sign_in_binds_anew(self, context: Context, corp: IdentityProvider, person: Account) -> None:
        keep(context, corp, says(corp, **MAIL))
        assert linking.relink(context, corp, person.id)
        assert not linking.relink(context, corp, person.id)
        assert keep(context, corp, says(corp, "subject-2", **MAIL)).account == person.id

    def test_67_a_subject_bound_meanwhile_is_a_clash(self, context: Context, acme: Node, corp: IdentityProvider, person: Account) -> None:
        decision = linking.resolve(context, corp, says(corp, **MAIL))
        other = add_person(context, acme, "other@acme.example")
        stored.insert_link(context.database, corp, corp.issuer, "subject-1", other.id, now=context.now())
        assert linking.keep(context, corp, says(corp, **MAIL), decision) == "E_Already_Linked"

    def test_70_a_changed_address_upstream_is_the_same_person(self, context: Context, corp: IdentityProvider, person: Account) -> None:
        keep(context, corp, says(corp, **MAIL))
        assert linking.resolve(context, corp, says(corp, email="married@acme.example")).account == person.id

    def test_a_deleted_account_matches_nobody(self, context: Context, corp: IdentityProvider, person: Account) -> None:
        keep(context, corp, says(corp, **MAIL))
        people.delete_person(context, person)
        assert linking.resolve(context, corp, says(corp, **MAIL)).code == "E_No_User"

    def test_linking_is_audited_once(self, context: Context, acme: Node, corp: IdentityProvider, person: Account) -> None:
        keep(context, corp, says(corp, **MAIL))
        keep(context, corp, says(corp, **MAIL))
        rows = [row for row in audit.list_audit(context.database, acme.id, limit=50) if row.action == "person.linked"]
        assert [row.target for row in rows] == [person.id]


class TestProof:
    @pytest.mark.parametrize("value", [False, "false", 0, "no", []])
    def test_57_an_address_that_is_said_to_be_unverified_always_refuses(
        self, context: Context, acme: Node, person: Account, value: object
    ) -> None:
        domains.add(context, acme, "acme.example", assume_verified=True)
        provider = add_provider(context, acme, email_trust=EmailTrust.DOMAINS)
        decision = linking.resolve(context, provider, says(provider, email=MAIL["email"], email_verified=value))
        assert (decision.code, decision.step) == ("E_Email_Unverified", "proof")

    def test_57_so_does_one_that_is_compared_as_a_custom_login(self, context: Context, acme: Node, person: Account) -> None:
        provider = add_provider(context, acme, matching=Criterion.CUSTOM_LOGIN, claim="email")
        assert linking.resolve(context, provider, says(provider, email=MAIL["email"], email_verified=False)).code == "E_Email_Unverified"
        assert linking.resolve(context, provider, says(provider, email=MAIL["email"])).account == person.id

    def test_58_silence_is_enough_where_the_node_proved_the_domain_and_trusts(self, context: Context, acme: Node, person: Account) -> None:
        trusting = add_provider(context, acme, email_trust=EmailTrust.DOMAINS)
        assert linking.resolve(context, trusting, says(trusting, email=MAIL["email"])).code == "E_Email_Unverified"
        domains.add(context, acme, "acme.example", assume_verified=True)
        assert linking.resolve(context, trusting, says(trusting, email=MAIL["email"])).account == person.id
        by_claim = add_provider(context, acme, "strict")
        assert linking.resolve(context, by_claim, says(by_claim, email=MAIL["email"])).code == "E_Email_Unverified"

    def test_58_a_domain_that_another_node_proved_is_no_stand_in(self, context: Context, acme: Node, globex: Node, person: Account) -> None:
        domains.add(context, globex, "acme.example", assume_verified=True)
        provider = add_provider(context, acme, email_trust=EmailTrust.DOMAINS)
        assert linking.resolve(context, provider, says(provider, email=MAIL["email"])).code == "E_Email_Unverified"

    def test_58_a_directory_tied_to_another_provider_is_no_stand_in(self, context: Context, acme: Node, corp: IdentityProvider) -> None:
        other = add_provider(context, acme, "other")
        document: dict[str, Any] = {"userName": "f", "emails": [{"value": "flast@acme.example", "type": "work", "primary": True}]}
        push(context, acme, other, document)
        assert linking.resolve(context, corp, says(corp, email="flast@acme.example")).code == "E_Email_Unverified"

    def test_60_who_registered_alone_and_proved_nothing_is_never_linked(
        self, context: Context, corp: IdentityProvider, person: Account
    ) -> None:
        account = change(context, person, self_registered=True)
        assert linking.resolve(context, corp, says(corp, **MAIL)).code == "E_No_User"
        change(context, account, email_validated_at=context.now())
        assert linking.resolve(context, corp, says(corp, **MAIL)).account == person.id

    def test_60_a_login_that_somebody_chose_alone_is_not_taken_for_the_directorys(self, context: Context, acme: Node) -> None:
        provider = entra(context, acme)
        trap = add_person(context, acme, "ceo@acme.example", "attacker@acme.example")
        trap = change(context, trap, self_registered=True, email_validated_at=context.now())
        assert linking.resolve(context, provider, says(provider, preferred_username="ceo@acme.example")).code == "E_No_User"
        change(context, trap, self_registered=False)
        assert linking.resolve(context, provider, says(provider, preferred_username="ceo@acme.example")).account == trap.id

    def test_69_administrators_are_not_linked_by_themselves(
        self, context: Context, acme: Node, corp: IdentityProvider, person: Account
    ) -> None:
        access.create_role(context, acme.id, "Administrator", kind="hierarchy", apps=(), level=0)
        access.grant_role(context, acme.id, person, "Administrator")
        assert linking.resolve(context, corp, says(corp, **MAIL)).code == "E_Link_Proof_Required"
        stored.replace_sign_in_methods(context.database, person.id, [stored.SignInMethod(corp.id, 0, "")])
        assert linking.resolve(context, corp, says(corp, **MAIL)).account == person.id


class TestCriteria:
    def test_61_two_people_of_one_address_are_no_choice(self, context: Context, acme: Node, corp: IdentityProvider) -> None:
        for name in ("a", "b"):
            push(context, acme, None, {"userName": name, "emails": [{"value": "Shared@acme.example", "type": "work", "primary": True}]})
        decision = linking.resolve(context, corp, says(corp, email="shared@acme.example", email_verified=True))
        assert (decision.code, decision.account) == ("E_Ambiguous_User", None)

    @pytest.mark.parametrize(
        ("ours", "theirs", "same"),
        [
            ("First.Last@EX.example", "first.last@ex.example", True),
            ("strasse@ex.example", "straße@ex.example", True),
            ("flast@ex.example", "ｆｌａｓｔ@ex.example", True),
            ("flast@ex.example", " flast@ex.example ", True),
            ("i@ex.example", "İ@ex.example", False),
            ("flast@ex.example", "flast+x@ex.example", False),
            ("flast@ex.example", "fl\u0430st@ex.example", False),
        ],
    )
    def test_62_one_rule_of_comparison(
        self, context: Context, acme: Node, corp: IdentityProvider, ours: str, theirs: str, same: bool
    ) -> None:
        account = push(context, acme, None, {"userName": "f", "emails": [{"value": ours, "type": "work", "primary": True}]})
        decision = linking.resolve(context, corp, says(corp, email=theirs, email_verified=True))
        assert decision.account == (account.id if same else None)

    @pytest.mark.parametrize("value", [None, "", "  ", [], ["flast@acme.example"], 7, {"a": 1}])
    def test_63_a_claim_that_is_missing_never_falls_back_to_another(
        self, context: Context, acme: Node, person: Account, value: object
    ) -> None:
        provider = add_provider(context, acme, matching=Criterion.CUSTOM_LOGIN)
        decision = linking.resolve(context, provider, says(provider, preferred_username=value, **MAIL))
        assert (decision.code, decision.step) == ("E_Claim_Missing", "claims")
        assert decision.looked_for is not None
        assert decision.looked_for.claim == "preferred_username"

    def test_64_nobody_is_told_by_what_was_looked_for(self, context: Context, corp: IdentityProvider) -> None:
        decision = linking.resolve(context, corp, says(corp, email="stranger@acme.example", email_verified=True))
        assert decision.code == "E_No_User"
        assert decision.looked_for is not None
        assert (decision.looked_for.criterion, decision.looked_for.value) == (Criterion.EMAIL, "stranger@acme.example")

    def test_the_login_typed_for_this_provider_comes_before_the_accounts_own(self, context: Context, acme: Node) -> None:
        provider = add_provider(context, acme, matching=Criterion.CUSTOM_LOGIN)
        account = add_person(context, acme, "flast@acme.example", provider=provider.id, federated_login="EMP-0042")
        assert linking.resolve(context, provider, says(provider, preferred_username="emp-0042")).account == account.id
        assert linking.resolve(context, provider, says(provider, preferred_username="flast@acme.example")).code == "E_No_User"

    def test_exact_case_where_the_provider_says_so(self, context: Context, acme: Node, person: Account) -> None:
        provider = add_provider(context, acme, matching=Criterion.CUSTOM_LOGIN, exact_case=True)
        assert linking.resolve(context, provider, says(provider, preferred_username="FLast@acme.example")).code == "E_No_User"
        assert linking.resolve(context, provider, says(provider, preferred_username="flast@acme.example")).account == person.id

    def test_the_accounts_own_criterion_wins_and_only_that_one_is_tried(self, context: Context, acme: Node, corp: IdentityProvider) -> None:
        account = add_person(context, acme, "flast", "flast@acme.example", matching=Criterion.CUSTOM_LOGIN.value)
        assert linking.resolve(context, corp, says(corp, **MAIL)).code == "E_No_User"
        assert linking.resolve(context, corp, says(corp, preferred_username="flast")).account == account.id
