"""Which attributes an answer holds (scim.md A30-A36)."""

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.projection import parse_projection, project
from gateway.domain.schema import (
    CORE_USER_URN,
    ENTERPRISE_URN,
    MOONGATE_URN,
    USER,
    Attribute,
    JsonObject,
    ResourceType,
    Returned,
    Schema,
)

ANNA: JsonObject = {
    "schemas": [CORE_USER_URN, ENTERPRISE_URN],
    "id": "1",
    "userName": "anna",
    "password": "secret",
    "name": {"givenName": "Anna", "familyName": "Ash"},
    "emails": [{"value": "a@x.example", "type": "work"}, {"type": "home"}],
    "groups": [{"value": "g", "display": "Sales"}],
    ENTERPRISE_URN: {"department": "Sales", "manager": {"value": "m", "displayName": "Bo"}},
    "meta": {"resourceType": "User", "version": 'W/"1"'},
}
ALWAYS: JsonObject = {"schemas": [CORE_USER_URN, ENTERPRISE_URN], "id": "1"}
WHOLE: JsonObject = {name: value for name, value in ANNA.items() if name != "password"}


def shown(*attributes: str) -> JsonObject:
    return project(ANNA, USER, parse_projection(USER, attributes=attributes))


def without(*excluded: str) -> JsonObject:
    return project(ANNA, USER, parse_projection(USER, excluded=excluded))


def test_everything_but_secrets_is_returned_when_nothing_is_asked() -> None:
    assert shown() == WHOLE
    assert shown("", " ") == WHOLE


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (["userName"], {"userName": "anna"}),
        (["USERNAME"], {"userName": "anna"}),
        ([f"{CORE_USER_URN}:userName"], {"userName": "anna"}),
        ([" userName "], {"userName": "anna"}),
        (["name.givenName"], {"name": {"givenName": "Anna"}}),
        (["name.givenName", "name.familyName"], {"name": ANNA["name"]}),
        (["name", "name.givenName"], {"name": ANNA["name"]}),
        (["name.givenName", "name"], {"name": ANNA["name"]}),
        (["emails.value"], {"emails": [{"value": "a@x.example"}]}),
        (['emails[type eq "work"].value'], {"emails": ANNA["emails"]}),
        (["emails.display"], {}),
        ([ENTERPRISE_URN], {ENTERPRISE_URN: ANNA[ENTERPRISE_URN]}),
        ([ENTERPRISE_URN, f"{ENTERPRISE_URN}:department"], {ENTERPRISE_URN: ANNA[ENTERPRISE_URN]}),
        ([f"{ENTERPRISE_URN.lower()}:DEPARTMENT"], {ENTERPRISE_URN: {"department": "Sales"}}),
        ([f"{ENTERPRISE_URN}:manager.displayName"], {ENTERPRISE_URN: {"manager": {"displayName": "Bo"}}}),
        (["shoeSize"], {}),
        (["a b"], {}),
        (["password"], {}),
        (["id", "schemas"], {}),
        (["meta.version"], {"meta": {"version": 'W/"1"'}}),
        (["userName.first"], {}),
    ],
)
def test_only_what_is_asked_and_what_is_always_returned(attributes: list[str], expected: JsonObject) -> None:
    assert shown(*attributes) == ALWAYS | expected


@pytest.mark.parametrize(
    ("excluded", "gone"),
    [(["userName"], ["userName"]), (["groups", "META"], ["groups", "meta"]), ([ENTERPRISE_URN], [ENTERPRISE_URN]), (["shoeSize"], [])],
)
def test_excluded_attributes_are_left_out(excluded: list[str], gone: list[str]) -> None:
    assert without(*excluded) == {name: value for name, value in WHOLE.items() if name not in gone}


def test_excluded_part_of_an_attribute_leaves_the_others() -> None:
    assert without("name.givenName")["name"] == {"familyName": "Ash"}
    assert without("emails.type")["emails"] == [{"value": "a@x.example"}]
    assert without(f"{ENTERPRISE_URN}:manager")[ENTERPRISE_URN] == {"department": "Sales"}
    assert "name" not in without("name.givenName", "name.familyName")


def test_what_is_always_returned_cannot_be_excluded() -> None:
    assert without("id", "schemas") == WHOLE


def test_asking_and_excluding_at_once_is_refused() -> None:
    with pytest.raises(Refusal) as refusal:
        parse_projection(USER, attributes=["id"], excluded=["name"])
    assert refusal.value.code == "E_Field_Invalid"


@pytest.mark.parametrize(
    ("attributes", "excluded", "wanted"),
    [
        (["groups"], [], True),
        (["groups.value"], [], True),
        (["userName"], [], False),
        ([], ["groups"], False),
        ([], ["groups.value"], True),
        ([], ["userName"], True),
    ],
)
def test_costly_attribute_is_only_wanted_where_it_can_appear(attributes: list[str], excluded: list[str], wanted: bool) -> None:
    projection = parse_projection(USER, attributes=attributes, excluded=excluded)
    assert projection is not None
    assert projection.wants("groups") is wanted


def test_extension_is_wanted_by_its_own_names() -> None:
    whole, part = parse_projection(USER, attributes=[MOONGATE_URN]), parse_projection(USER, attributes=[f"{MOONGATE_URN}:status"])
    assert whole is not None
    assert part is not None
    assert whole.wants("status", MOONGATE_URN)
    assert part.wants("status", MOONGATE_URN)
    assert not part.wants("mfaStatus", MOONGATE_URN)
    assert not part.wants("status")
    none = parse_projection(USER, excluded=[MOONGATE_URN])
    assert none is not None
    assert not none.wants("status", MOONGATE_URN)


def test_attribute_returned_on_request_appears_only_when_asked() -> None:
    attributes = (Attribute("cost", returned=Returned.REQUEST), Attribute("name"))
    resource = ResourceType("Thing", "/Things", Schema("urn:x:Thing", "Thing", attributes))
    document: JsonObject = {"id": "1", "cost": "high", "name": "x"}
    assert project(document, resource, None) == {"id": "1", "name": "x"}
    assert project(document, resource, parse_projection(resource, attributes=["cost"])) == {"id": "1", "cost": "high"}


def test_what_no_table_knows_never_leaves() -> None:
    document: JsonObject = {"id": "1", "shoeSize": 5, "urn:foreign": {"a": 1}, ENTERPRISE_URN: {"level": 1}, MOONGATE_URN: "x"}
    assert project(document, USER, None) == {"id": "1"}


def test_part_of_a_simple_value_is_the_value() -> None:
    projection = parse_projection(USER, attributes=["name.givenName"])
    assert project({"name": "Anna"}, USER, projection) == {"name": "Anna"}
