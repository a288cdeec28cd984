"""SCIM connections: where they belong, tokens shown once, what stays when they go (R-174, decisions.md 34, 35)."""

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from gateway.domain.connections import Adoption
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.services import connections
from gateway.services.connections import NewConnection
from gateway.services.context import Context
from gateway.storage import people as stored_people
from tests.scim.people import People, people_of, person, refused


@pytest.fixture
def entra(client: FlaskClient, context: Context, acme: Node) -> People:
    return people_of(client, context, acme)


@pytest.fixture
def adopting(client: FlaskClient, context: Context, acme: Node) -> People:
    return people_of(client, context, acme, adoption=Adoption.ADOPT)


def stored(context: Context, user: str) -> Account:
    account = stored_people.find_account(context.database, user)  # type: ignore[arg-type]  # ids travel as text
    assert account is not None
    return account


def test_a_token_is_shown_once_and_stored_as_a_hash(context: Context, acme: Node) -> None:
    issued = connections.create_connection(context, acme, NewConnection("Entra"))
    assert issued.secret.startswith("mgscim_")
    assert len(issued.secret) > 45
    assert issued.secret not in repr(context.database.script("SELECT * FROM scim_token"))
    assert issued.secret not in repr(context.database.script("SELECT * FROM audit"))


def test_a_connection_belongs_to_a_customer_a_prospect_or_a_unit(context: Context, platform: Node, acme: Node) -> None:
    with pytest.raises(Refusal) as refusal:
        connections.create_connection(context, platform, NewConnection("x"))
    assert refusal.value.code == "E_Scope_Mismatch"
    for bad in (NewConnection("x", profile="nobody"), NewConnection("x", days=0), NewConnection("x", provider="nobody")):  # type: ignore[arg-type]  # an id
        with pytest.raises(Refusal):
            connections.create_connection(context, acme, bad)
    assert connections.list_connections(context, acme) == []


def test_a_connection_switched_off_during_a_change_stays_off(entra: People, context: Context, acme: Node) -> None:
    before = entra.connection
    connections.set_disabled(context, acme, before, disabled=True)
    changed = connections.change_connection(context, acme, before, replace(before, name="Renamed"))
    assert (changed.name, changed.disabled_at) == ("Renamed", context.now())
    refused(entra.send("GET", "/Users"), 401)


def test_a_deleted_connection_leaves_its_people_managed_by_nobody(entra: People, adopting: People, context: Context) -> None:
    user = entra.create(externalId="e1")["id"]
    connections.delete_connection(context, entra.connection)
    refused(entra.send("GET", "/Users"), 401)
    assert stored(context, user).managed_by is None
    assert adopting.post(person()).status_code == 201
