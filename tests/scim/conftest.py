"""Directories at the customer acme, one for each profile."""

import pytest
from flask.testing import FlaskClient

from gateway.domain.nodes import Node
from gateway.services.context import Context
from tests.scim.people import People, people_of


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
