"""People, apps and browsers."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from gateway.domain.document import PersonFields
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.services import keys, people, relying_parties
from gateway.services.context import Context
from gateway.services.people import NewPerson
from gateway.services.relying_parties import NewRelyingParty
from gateway.storage import people as stored_people
from gateway.tokens.signing import SigningAlgorithm, generate_key
from tests.federation.downstream.rp import CALLBACK, Rp


def add_person(context: Context, node: Node, login: str, **fields: str) -> Account:
    """A person who may sign in: activated, as after a first sign-in."""
    given: dict[str, Any] = {
        "given_name": "Ann",
        "family_name": "Ex",
        "display_name": "Ann Ex",
        "email": f"{login}@{node.slug}.example",
    } | fields
    account = people.create_person(context, node, NewPerson(PersonFields(user_name=login, **given)))
    activated = replace(account, activated_at=context.now())
    with context.database.transaction():
        stored_people.change_account(context.database, activated, expected_version=account.version)
    return activated


@pytest.fixture
def ann(context: Context, acme: Node) -> Account:
    return add_person(context, acme, "ann", phone="+49 30 1", language="de-DE", time_zone="Europe/Berlin")


@pytest.fixture
def bob(context: Context, acme: Node) -> Account:
    return add_person(context, acme, "bob")


_POOL: list[tuple[bytes, dict[str, str]]] = []
"""RSA keys, made once a session: making one takes a tenth of a second."""


@pytest.fixture(autouse=True)
def ready_made_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys come out of the pool, each at most once in a test, so that no two issuers ever share one."""
    taken = iter(range(1000))

    def take(alg: SigningAlgorithm, kid: str) -> tuple[bytes, dict[str, str]]:
        if alg != "RS256":
            return generate_key(alg, kid)
        at = next(taken)
        if at == len(_POOL):
            _POOL.append(generate_key(alg, kid))
        pem, jwk = _POOL[at]
        return pem, jwk | {"kid": kid}

    monkeypatch.setattr(keys, "generate_key", take)


Register = Callable[..., Rp]


@pytest.fixture
def register(app: Flask, context: Context, acme: Node) -> Register:
    """Registers an app, at Acme unless a node is given; each comes with a browser of its own."""

    def add(node: Node = acme, **changes: object) -> Rp:
        fields: dict[str, object] = {"name": "Shop", "redirect_uris": (CALLBACK,), "roleless": True} | changes
        party, secret = relying_parties.register(context, node.id, NewRelyingParty(**fields))  # type: ignore[arg-type]  # a test's own fields
        return Rp(app.test_client(), context, node, party, secret)

    return add


@pytest.fixture
def shop(register: Register) -> Rp:
    """An app of Acme that keeps a secret."""
    return register()
