"""A pushed password is hashed before the write lock is taken: an import of passwords must not slow every tenant's writes."""

from typing import Any

import pytest

from gateway.services import credentials
from gateway.services.context import Context
from scim.bodies import find_password
from tests.scim.people import People, person

SECRET = "twelve quiet lanterns drift"


@pytest.fixture
def hashed(context: Context, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each hash that was made, whether a transaction was open."""
    seen: list[bool] = []
    real = credentials._hash

    def watched(password: str) -> str:
        seen.append(context.database.holds_transaction)
        return real(password)

    monkeypatch.setattr(credentials, "_hash", watched)
    return seen


def test_every_way_to_push_a_password_hashes_it_before_the_transaction(entra: People, hashed: list[bool]) -> None:
    user = entra.post(person(password=SECRET)).json["id"]
    entra.put(user, person(password=f"{SECRET} 2"))
    entra.change(user, {"op": "Replace", "path": "password", "value": f"{SECRET} 3"})
    entra.change(user, {"op": "add", "value": {"password": f"{SECRET} 4"}})
    assert hashed == [False] * 4


def test_a_write_without_a_password_hashes_nothing(entra: People, hashed: list[bool]) -> None:
    user = entra.post(person()).json["id"]
    entra.change(user, {"op": "replace", "path": "active", "value": False})
    assert hashed == []


@pytest.mark.parametrize(
    ("body", "password"),
    [
        ({"password": "a"}, "a"),
        ({"Password": "a"}, "a"),
        ({"password": 5}, ""),
        ({"Operations": [{"op": "add", "path": "password", "value": "a"}, {"op": "add", "path": "password", "value": "b"}]}, "b"),
        ({"operations": [{"Op": "add", "Value": {"Password": "a"}}]}, "a"),
        ({"Operations": [{"op": "add", "path": "urn:ietf:params:scim:schemas:core:2.0:User:password", "value": "a"}]}, "a"),
        ({"Operations": [{"op": "remove", "path": "password"}]}, ""),
        ({"Operations": "none"}, ""),
        ({"Operations": [None, "x", {"path": 1, "value": {}}]}, ""),
        ({}, ""),
    ],
)
def test_the_last_password_that_a_body_names_is_found(body: dict[str, Any], password: str) -> None:
    assert find_password(body) == password
