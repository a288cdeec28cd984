"""`moongate group`: what each command does, by its results."""

import pytest

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.services import groups
from gateway.services.context import Context
from gateway.services.groups import Wanted
from tests.cli.conftest import Commands
from tests.groups import connection_at, person_at


@pytest.fixture
def ada(context: Context, acme: Node) -> Account:
    return person_at(context, acme, "ada")


@pytest.fixture
def ben(context: Context, acme: Node) -> Account:
    return person_at(context, acme, "ben")


def test_a_group_is_made_changed_shown_and_deleted(moongate: Commands, ada: Account, ben: Account) -> None:
    created = moongate.json("group", "create", "--tenant", "acme", "Sales", "ada")
    assert created == {"id": created["id"], "name": "Sales", "managed_by": None, "version": 1, "added": 1}
    assert moongate.json("group", "add", "--tenant", "acme", "sales", "ben", "ada")["added"] == 1
    assert moongate.json("group", "remove", "--tenant", "acme", "sales", "ada")["removed"] == 1
    shown = moongate.json("group", "show", "--tenant", "acme", "SALES")
    assert shown["members"] == [{"id": ben.id, "type": "User", "login": "ben", "name": "Ben Ek"}]
    assert [group["name"] for group in moongate.json("group", "list", "--tenant", "acme")] == ["Sales"]
    moongate.json("group", "delete", "--tenant", "acme", "Sales")
    assert moongate.json("group", "list", "--tenant", "acme") == []


def test_names_are_looked_for_at_the_tenant_that_is_named(moongate: Commands, ada: Account, globex: Node) -> None:
    moongate.json("group", "create", "--tenant", "acme", "Sales")
    assert moongate.refusal("group", "show", "--tenant", "globex", "Sales") == "E_Resource_Not_Found"
    assert moongate.refusal("group", "create", "--tenant", "globex", "Sales", "ada") == "E_Resource_Not_Found"
    assert moongate.refusal("group", "create", "--tenant", "acme", "SALES") == "E_Group_Name_Taken"
    assert moongate.json("group", "list", "--tenant", "globex") == []


def test_the_groups_of_a_directory_are_changed_there(moongate: Commands, context: Context, acme: Node, ada: Account) -> None:
    connection, _ = connection_at(context, acme)
    groups.create_group(context, acme, Wanted("Pushed", None), connection=connection)
    assert moongate.refusal("group", "add", "--tenant", "acme", "Pushed", "ada") == "E_Idp_Managed_Attribute"
    assert moongate.json("group", "show", "--tenant", "acme", "Pushed")["managed_by"] == connection.id
