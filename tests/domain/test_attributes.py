"""Bodies of POST and PUT in canonical form (scim.md A14, A15, A19-A26)."""

import pytest

from gateway.domain.attributes import canonical, canonical_extension, canonical_value, require_one_primary
from gateway.domain.errors import Refusal
from gateway.domain.schema import (
    CORE_GROUP_URN,
    CORE_USER_URN,
    ENTERPRISE_URN,
    ENTERPRISE_USER,
    GROUP,
    MOONGATE_URN,
    USER,
    Attribute,
    Json,
    JsonObject,
    Type,
)


def code_of(body: JsonObject) -> tuple[str, str]:
    with pytest.raises(Refusal) as refusal:
        canonical(body, USER)
    return refusal.value.code, refusal.value.field


def test_names_are_brought_to_their_spelling_at_every_level() -> None:
    body: JsonObject = {
        "USERNAME": "anna",
        "Name": {"GIVENNAME": "Anna"},
        "EMAILS": [{"VALUE": "a@x.example", "Primary": True}],
        ENTERPRISE_URN.upper(): {"DEPARTMENT": "Sales"},
    }
    assert canonical(body, USER).document == {
        "schemas": [CORE_USER_URN, ENTERPRISE_URN],
        "userName": "anna",
        "name": {"givenName": "Anna"},
        "emails": [{"value": "a@x.example", "primary": True}],
        ENTERPRISE_URN: {"department": "Sales"},
    }


@pytest.mark.parametrize(
    ("name", "empty"),
    [
        ("title", None),
        ("title", ""),
        ("name", None),
        ("name", {}),
        ("name", {"formatted": ""}),
        ("emails", None),
        ("emails", []),
        ("emails", [None]),
        ("emails", [{}]),
        ("emails", [{"value": None}]),
        ("active", None),
    ],
)
def test_unassigned_values_are_left_out(name: str, empty: Json) -> None:
    assert canonical({"userName": "anna", name: empty}, USER).document == {"schemas": [CORE_USER_URN], "userName": "anna"}


def test_read_only_attributes_are_ignored() -> None:
    body: JsonObject = {
        "userName": "anna",
        "id": "mine",
        "meta": {"resourceType": "Group", "version": 5},
        "groups": [{"value": "admins"}],
        ENTERPRISE_URN: {"manager": {"value": "m", "displayName": "Bo"}},
        MOONGATE_URN: {"status": "active", "emailValidated": True, "scope": {"tenant": "globex"}},
    }
    assert canonical(body, USER).document == {
        "schemas": [CORE_USER_URN, ENTERPRISE_URN],
        "userName": "anna",
        ENTERPRISE_URN: {"manager": {"value": "m"}},
    }


def test_schemas_name_what_is_there_whatever_the_body_says() -> None:
    body: JsonObject = {"schemas": ["urn:foreign", ENTERPRISE_URN], "userName": "anna", MOONGATE_URN: {"mfaRequired": True}}
    assert canonical(body, USER).document["schemas"] == [CORE_USER_URN, MOONGATE_URN]


def test_unknown_names_are_told_and_not_kept() -> None:
    body: JsonObject = {
        "userName": "anna",
        "shoeSize": 5,
        "name": {"nick": "A"},
        "emails": [{"value": "a@x.example", "verified": True}],
        "urn:foreign:ext": {"a": 1},
        ENTERPRISE_URN: {"level": 3, "manager": {"value": "m", "since": "2020"}},
    }
    found = canonical(body, USER)
    assert found.unknown == (
        "shoeSize",
        "name.nick",
        "emails.verified",
        "urn:foreign:ext",
        f"{ENTERPRISE_URN}:level",
        f"{ENTERPRISE_URN}:manager.since",
    )
    assert "shoeSize" not in found.document
    assert found.document["emails"] == [{"value": "a@x.example"}]


@pytest.mark.parametrize("user_name", [None, "", "   ", "\t"])
def test_user_name_is_there_and_not_blank(user_name: Json) -> None:
    assert code_of({"userName": user_name}) == ("E_Field_Required", "userName")
    assert code_of({}) == ("E_Field_Required", "userName")


def test_group_needs_a_display_name() -> None:
    with pytest.raises(Refusal) as refusal:
        canonical({"members": [{"value": "a"}]}, GROUP)
    assert refusal.value.field == "displayName"
    assert canonical({"displayName": "Sales"}, GROUP).document == {"schemas": [CORE_GROUP_URN], "displayName": "Sales"}


@pytest.mark.parametrize(
    ("name", "value", "where"),
    [
        ("userName", 5, "userName"),
        ("userName", True, "userName"),
        ("userName", {"value": "x"}, "userName"),
        ("active", "true", "active"),
        ("active", 1, "active"),
        ("name", "Anna", "name"),
        ("name", [{"givenName": "Anna"}], "name"),
        ("name", {"givenName": 5}, "name.givenName"),
        ("emails", {"value": "x"}, "emails"),
        ("emails", "x", "emails"),
        ("emails", ["x"], "emails"),
        ("emails", [{"value": 5}], "emails.value"),
        ("emails", [{"value": "x", "primary": "true"}], "emails.primary"),
        (ENTERPRISE_URN, "Sales", ENTERPRISE_URN),
        (ENTERPRISE_URN, {"department": 5}, f"{ENTERPRISE_URN}:department"),
        (ENTERPRISE_URN, {"manager": "m"}, f"{ENTERPRISE_URN}:manager"),
        (MOONGATE_URN, {"companyContacts": "Billing"}, f"{MOONGATE_URN}:companyContacts"),
        (MOONGATE_URN, {"companyContacts": [5]}, f"{MOONGATE_URN}:companyContacts"),
    ],
)
def test_value_of_the_wrong_type_is_refused_by_name(name: str, value: Json, where: str) -> None:
    assert code_of({"userName": "anna", name: value}) == ("E_Field_Invalid", where)


def test_two_primary_elements_are_refused() -> None:
    two: list[Json] = [{"value": "a", "primary": True}, {"value": "b", "primary": True}]
    assert code_of({"userName": "anna", "emails": two}) == ("E_Field_Invalid", "emails")
    require_one_primary([{"primary": True}, {"primary": False}, "primary", {}], "emails")


@pytest.mark.parametrize(
    "body",
    [
        {"userName": "a", "USERNAME": "b"},
        {"userName": "a", "name": {"givenName": "x", "GIVENNAME": "y"}},
        {"userName": "a", ENTERPRISE_URN: {"department": "x"}, ENTERPRISE_URN.lower(): {"department": "y"}},
        {"userName": "a", ENTERPRISE_URN: {"department": "x", "Department": "y"}},
    ],
)
def test_two_spellings_of_one_name_are_refused(body: JsonObject) -> None:
    with pytest.raises(Refusal) as refusal:
        canonical(body, USER)
    assert refusal.value.code == "E_Syntax"


def test_empty_extension_counts_for_nothing() -> None:
    empties: list[Json] = [None, {}, {"department": None}]
    for empty in empties:
        assert canonical({"userName": "anna", ENTERPRISE_URN: empty}, USER).document == {"schemas": [CORE_USER_URN], "userName": "anna"}
    assert canonical_extension(ENTERPRISE_USER, None, []) == {}


WHEN, COUNT, RATIO = Attribute("when", Type.DATETIME), Attribute("count", Type.INTEGER), Attribute("ratio", Type.DECIMAL)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [(WHEN, "2026-01-01T00:00:00Z"), (WHEN, "2026-01-01T00:00:00.5+01:00"), (COUNT, 5), (RATIO, 5), (RATIO, 0.5), (WHEN, None)],
)
def test_value_of_the_right_type_is_kept_as_it_is(attribute: Attribute, value: Json) -> None:
    assert canonical_value(attribute, value, "x", []) == value


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        (WHEN, "2026-01-01T00:00:00"),
        (WHEN, "2026-13-01T00:00:00Z"),
        (WHEN, "soon"),
        (WHEN, 5),
        (COUNT, 0.5),
        (COUNT, True),
        (COUNT, "5"),
        (RATIO, True),
        (RATIO, "0.5"),
    ],
)
def test_dates_need_a_zone_and_numbers_are_no_booleans(attribute: Attribute, value: Json) -> None:
    with pytest.raises(Refusal) as refusal:
        canonical_value(attribute, value, "x", [])
    assert refusal.value.code == "E_Field_Invalid"
    assert refusal.value.field == "x"


def test_canonical_body_stays_as_it_is() -> None:
    body: JsonObject = {"USERNAME": "anna", "title": "", "emails": [{"value": "a"}, {}], ENTERPRISE_URN: {"division": "x"}}
    once = canonical(body, USER).document
    assert canonical(once, USER).document == once
