"""Directories at the customer acme, one for each profile."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from gateway.domain.nodes import Node
from gateway.services.context import Context
from tests.conftest import Clock
from tests.ready import require_ready_is_right
from tests.scim.people import ENTERPRISE_URN, People, people_of


@pytest.fixture(autouse=True)
def ready_is_right(context: Context) -> Iterator[None]:
    """Whatever a test did: nobody reads anything out of date."""
    yield
    require_ready_is_right(context)


@pytest.fixture
def entra(client: FlaskClient, context: Context, acme: Node) -> People:
    return people_of(client, context, acme, "entra")


@pytest.fixture
def okta(client: FlaskClient, context: Context, acme: Node) -> People:
    return people_of(client, context, acme, "okta")


@pytest.fixture
def strict(client: FlaskClient, context: Context, acme: Node) -> People:
    return people_of(client, context, acme, "strict")


@pytest.fixture
def lenient(client: FlaskClient, context: Context, acme: Node) -> People:
    return people_of(client, context, acme, "lenient")


@pytest.fixture
def crowd(entra: People, clock: Clock) -> People:
    """Three people who differ."""
    entra.create(
        "Ada@acme.example",
        externalId="Ext-1",
        displayName="Ada Lovelace",
        title="Countess",
        name={"givenName": "Ada", "familyName": "Lovelace"},
        emails=[{"value": "ada@work.example", "type": "work", "primary": True}, {"value": "ada@home.example", "type": "home"}],
        phoneNumbers=[{"value": "+44 1", "type": "mobile"}],
        **{ENTERPRISE_URN: {"employeeNumber": "E1", "department": "Engines", "manager": {"value": "boss-1"}}},
    )
    clock.advance(seconds=60)
    entra.create(
        "bob@acme.example",
        externalId="ext-1",
        displayName="100% Bob_by",
        nickName="Bo",
        name={"givenName": "Bob", "familyName": "Builder"},
        emails=[{"value": "bob@home.example", "type": "work"}, {"value": "bob@work.example", "type": "home", "primary": True}],
        active=False,
    )
    clock.advance(seconds=60)
    entra.create("carol@acme.example", nickName="Ca")
    return entra
