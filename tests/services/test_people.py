"""The one writer of people: rules of forms, versions, names, sign-out, and what it leaves behind (R-034 to R-050, R-093 to R-111)."""

import json
from dataclasses import replace

import pytest

from gateway.domain.document import PersonFields
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.people import Account
from gateway.domain.values import ConnectionId
from gateway.services import credentials, nodes, people
from gateway.services.context import Context
from gateway.services.nodes import NewNode
from gateway.services.people import NewPerson
from gateway.storage import audit, connections
from gateway.storage import credentials as stored_credentials
from gateway.storage import people as stored
from tests.conftest import Clock
from tests.sign_ins import make_provider

ADA = PersonFields(user_name="ada", given_name="Ada", family_name="Lovelace", email="ada@acme.example")


def made(context: Context, node: Node, fields: PersonFields = ADA, **more: object) -> Account:
    return people.create_person(context, node, NewPerson(fields, **more))  # type: ignore[arg-type]  # fields of NewPerson


def code_of(raised: pytest.ExceptionInfo[Refusal]) -> tuple[str, str]:
    return raised.value.code, raised.value.field


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        (replace(ADA, user_name="a b"), "E_Login_Syntax", "login"),
        (replace(ADA, user_name="ab"), "E_Login_Syntax", "login"),
        (replace(ADA, given_name=" "), "E_Field_Required", "given_name"),
        (replace(ADA, family_name=""), "E_Field_Required", "family_name"),
        (replace(ADA, email=""), "E_Field_Required", "email"),
        (replace(ADA, email="no address"), "E_Email_Syntax", "email"),
        (replace(ADA, display_name="a\u0000b"), "E_Field_Invalid", "display_name"),
        (replace(ADA, given_name="x" * 65), "E_Field_Invalid", "given_name"),
    ],
)
def test_a_person_made_by_hand_keeps_the_rules_of_forms(context: Context, acme: Node, fields: PersonFields, code: str, field: str) -> None:
    with pytest.raises(Refusal) as raised:
        made(context, acme, fields)
    assert code_of(raised) == (code, field)
    assert stored.list_accounts(context.database, acme.id) == []


def test_a_login_is_taken_in_its_namespace_and_free_in_another(context: Context, acme: Node, globex: Node) -> None:
    made(context, acme)
    unit = nodes.create_node(context, acme.id, NewNode("unit", "Unit", NodeKind.UNIT))
    for node in (acme, unit):
        with pytest.raises(Refusal) as raised:
            made(context, node, replace(ADA, user_name="ADA", email="other@acme.example"))
        assert raised.value.code == "E_Login_Taken"
    assert made(context, globex).home == globex.id


def test_an_address_is_unique_among_hand_made_people(context: Context, acme: Node) -> None:
    made(context, acme)
    with pytest.raises(Refusal) as raised:
        made(context, acme, replace(ADA, user_name="ada2", email="ADA@acme.example"))
    assert code_of(raised) == ("E_Email_Taken", "email")


def test_federated_only_needs_a_provider(context: Context, acme: Node) -> None:
    with pytest.raises(Refusal):
        made(context, acme, federated_only=True)
    make_provider(context, acme)
    assert made(context, acme, federated_only=True).federated_only


def test_a_new_person_leaves_names_document_counter_audit_and_event(context: Context, acme: Node) -> None:
    account = made(context, acme)
    assert stored.find_account_by_name(context.database, acme.namespace, "ADA") == account
    assert json.loads(account.document)["userName"] == "ada"
    assert connections.total(context.database, acme.id, "User") == 1
    rows = audit.list_audit_of_correlation(context.database, context.correlation_id)
    assert [row.action for row in rows if row.target == account.id] == ["person.created"]
    assert (account.id,) in context.database.script("SELECT aggregateid FROM outbox")


def test_unchanged_a_person_keeps_the_version(context: Context, acme: Node, clock: Clock) -> None:
    account = made(context, acme)
    clock.advance(seconds=5)
    assert people.change_fields(context, account, ADA) == account
    changed = people.change_fields(context, account, replace(ADA, job_title="Countess"))
    assert (changed.version, changed.updated_at, changed.job_title) == (2, clock.now, "Countess")
    assert json.loads(changed.document)["title"] == "Countess"


def test_a_change_on_top_of_an_older_state_is_refused(context: Context, acme: Node) -> None:
    account = made(context, acme)
    people.change_fields(context, account, replace(ADA, job_title="Countess"))
    with pytest.raises(Refusal) as raised:
        people.change_fields(context, account, replace(ADA, job_title="Duchess"))
    assert raised.value.code == "E_Version_Conflict"


def test_a_new_login_signs_in_and_the_former_one_is_free(context: Context, acme: Node) -> None:
    account = made(context, acme)
    people.change_fields(context, account, replace(ADA, user_name="augusta"))
    assert stored.find_account_by_name(context.database, acme.namespace, "ada") is None
    assert stored.find_account_by_name(context.database, acme.namespace, "augusta") is not None
    made(context, acme, replace(ADA, email="other@acme.example"))


def test_r190_fields_that_a_directory_manages_are_not_edited_by_hand(context: Context, acme: Node) -> None:
    account = made(context, acme)
    with pytest.raises(Refusal) as raised:
        people.change_fields(context, replace(account, managed_by=ConnectionId("c")), ADA)
    assert raised.value.code == "E_Idp_Managed_Attribute"


def test_r103_federated_only_erases_the_password(context: Context, acme: Node) -> None:
    make_provider(context, acme)
    account = credentials.set_password(context, made(context, acme), "correct horse battery staple")
    people.set_federated_only(context, account, federated_only=True)
    assert stored_credentials.find_password(context.database, account.id) is None


def test_a_disabled_and_a_locked_person_are_told_apart(context: Context, acme: Node, clock: Clock) -> None:
    account = people.set_enabled(context, made(context, acme), enabled=False)
    assert (account.enabled, account.active_by_scim) == (False, True)
    account = people.set_admin_lock(context, people.set_enabled(context, account, enabled=True), locked=True)
    assert (account.enabled, account.admin_locked_at) == (True, clock.now)
    assert people.set_admin_lock(context, account, locked=False).admin_locked_at is None


def test_a_deleted_person_frees_the_name_and_can_be_recovered_for_thirty_days(context: Context, acme: Node, clock: Clock) -> None:
    account = made(context, acme)
    deleted = people.delete_person(context, account)
    assert stored.find_account_by_name(context.database, acme.namespace, "ada") is None
    found = stored.find_deleted_account(context.database, acme.namespace, "ADA")
    assert found is not None
    assert found.id == account.id
    assert connections.total(context.database, acme.id, "User") == 0
    recovered = people.recover_person(context, deleted)
    assert (recovered.enabled, recovered.deleted_at) == (False, None)
    assert connections.total(context.database, acme.id, "User") == 1
    again = people.delete_person(context, recovered)
    clock.advance(seconds=30 * 86_400)
    with pytest.raises(Refusal):
        people.recover_person(context, again)


def test_a_person_is_found_at_a_node_and_above_and_nowhere_else(context: Context, acme: Node, globex: Node) -> None:
    unit = nodes.create_node(context, acme.id, NewNode("unit", "Unit", NodeKind.UNIT))
    account = made(context, unit)
    for node in (unit, acme):
        assert people.get_person(context, node, "ADA").id == account.id
    other = nodes.create_node(context, acme.id, NewNode("other", "Other", NodeKind.UNIT))
    for node in (other, globex):
        with pytest.raises(Refusal) as raised:
            people.get_person(context, node, "ada")
        assert raised.value.code == "E_Resource_Not_Found"
