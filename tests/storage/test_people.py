"""Rows of people: what is written, what is kept unique, what filters find."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.document import PersonFields
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.schema import CORE_USER_URN
from gateway.services import people as service
from gateway.services.context import Context
from gateway.services.people import NewPerson
from gateway.storage import people
from gateway.storage.database import Duplicate
from gateway.storage.people import SearchedValue
from tests.scim.people import traced


@pytest.fixture
def person(context: Context, acme: Node) -> Callable[[str], Account]:
    def make(login: str) -> Account:
        fields = PersonFields(user_name=login, given_name="Ada", family_name="L", email=f"{login}@acme.example")
        return service.create_person(context, acme, NewPerson(fields))

    return make


def test_an_account_is_read_back_as_it_was_written(context: Context, person: Callable[[str], Account]) -> None:
    ada = person("ada")
    assert people.find_account(context.database, ada.id) == ada


def test_only_columns_that_differ_are_written(context: Context, person: Callable[[str], Account]) -> None:
    ada = person("ada")
    changed = replace(ada, active_by_scim=False, version=2)
    with traced(context.database) as ran:
        assert people.change_account(context.database, changed, expected_version=1, before=ada)
    update = next(sql for sql in ran if sql.startswith("UPDATE"))
    assert '"active_by_scim" = 0' in update
    assert "login_key" not in update
    assert people.find_account(context.database, ada.id) == changed


def test_a_change_on_another_version_touches_nothing(context: Context, person: Callable[[str], Account]) -> None:
    ada = person("ada")
    assert not people.change_account(context.database, replace(ada, job_title="X", version=9), expected_version=8)
    assert people.find_account(context.database, ada.id) == ada


def test_a_name_belongs_to_one_account_of_its_namespace(context: Context, person: Callable[[str], Account]) -> None:
    ada, bob = person("ada"), person("bob")
    with pytest.raises(Duplicate):
        people.insert_name(context.database, ada.namespace, "BOB", ada.id, "member")
    with pytest.raises(Duplicate):
        people.change_home_name(context.database, replace(bob, login="Ada"))


def test_searched_values_follow_the_account(context: Context, person: Callable[[str], Account]) -> None:
    ada = person("ada")
    people.replace_values(context.database, ada, [SearchedValue("emails", 0, "value", "x@y.z")])
    assert context.database.script("SELECT account, value_key FROM scim_value") == [(ada.id, "x@y.z")]
    people.bury_account(context.database, replace(ada, deleted_at=context.now(), version=2), expected_version=1)
    assert context.database.script("SELECT account FROM scim_value") == []
    assert context.database.script("SELECT account FROM sign_in_name") == []


def test_the_enterprise_extension_fills_its_columns(context: Context, person: Callable[[str], Account]) -> None:
    ada = person("ada")
    urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    document = ada.document[:-1] + f',"{urn}":{{"employeeNumber":"E1","department":"Sales","manager":{{"value":"M1"}}}}}}'
    people.change_account(context.database, replace(ada, document=document, version=2), expected_version=1)
    assert context.database.script("SELECT employee_number_key, department_key, manager FROM account") == [("e1", "sales", "M1")]


def test_stored_text_is_compact_and_begins_with_schemas_and_id() -> None:
    stored = people.stored_json({"userName": "é", "schemas": [CORE_USER_URN]}, "1")
    assert stored == f'{{"schemas":["{CORE_USER_URN}"],"id":"1","userName":"é"}}'
