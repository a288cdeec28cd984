"""Switches of a SCIM connection."""

from typing import Any

import pytest

from gateway.domain.connections import DEFAULT_RATE, LEAST_RATE, PROFILE_NAMES, Adoption, Connection, require_switches
from gateway.domain.errors import Refusal
from tests.domain.makers import NOW


def connection(**facts: Any) -> Connection:
    """A connection that says nothing beyond its profile."""
    defaults: dict[str, Any] = {
        "id": "c",
        "node": "node-acme",
        "name": "Directory",
        "profile": "entra",
        "provider": None,
        "patch_reply": 0,
        "unknown": "",
        "rate": 0,
        "adoption": Adoption.REFUSE,
        "created_at": NOW,
        "disabled_at": None,
    }
    return Connection(**(defaults | facts))


@pytest.mark.parametrize(
    "facts",
    [
        *({"profile": name} for name in PROFILE_NAMES),
        {"patch_reply": 200},
        {"patch_reply": 204},
        {"unknown": "drop"},
        {"rate": LEAST_RATE},
    ],
)
def test_known_switches_are_taken(facts: dict[str, Any]) -> None:
    given = connection(**facts)
    assert require_switches(given) is given


@pytest.mark.parametrize(
    ("name", "value"), [("profile", "other"), ("patch_reply", 201), ("unknown", "keep"), ("rate", LEAST_RATE - 1), ("rate", -1)]
)
def test_other_values_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(Refusal) as refusal:
        require_switches(connection(**{name: value}))
    assert (refusal.value.code, refusal.value.field) == ("E_Field_Invalid", name)


def test_rate_is_the_default_unless_set() -> None:
    assert connection().requests_per_second == DEFAULT_RATE
    assert connection(rate=30).requests_per_second == 30
