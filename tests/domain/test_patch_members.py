"""PATCH of the members of a group (scim.md A77, A88, A89, E14-E16)."""

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.patch import Patched, PatchPolicy, apply_patch, parse_operations
from gateway.domain.schema import GROUP, Json, JsonObject

STRICT = PatchPolicy()
BY_VALUE = PatchPolicy(remove_value_as_filter=True)


def add(path: str, value: Json) -> JsonObject:
    return {"op": "add", "path": path, "value": value}


def put(path: str, value: Json) -> JsonObject:
    return {"op": "replace", "path": path, "value": value}


def remove(path: str) -> JsonObject:
    return {"op": "remove", "path": path}


def patched(*operations: JsonObject, policy: PatchPolicy = STRICT, given: JsonObject | None = None) -> Patched:
    return apply_patch(given or STAFF, parse_operations({"Operations": [*operations]}, policy), GROUP, policy)


def code_of(*operations: JsonObject) -> str:
    with pytest.raises(Refusal) as refusal:
        patched(*operations)
    return refusal.value.code


STAFF: JsonObject = {"schemas": [GROUP.core.urn], "displayName": "Staff", "members": [{"value": "a"}, {"value": "b", "display": "Bo"}]}


def members(*operations: JsonObject, policy: PatchPolicy = STRICT) -> Json:
    return patched(*operations, policy=policy).document.get("members")


def test_replace_add_and_remove_in_one_message_are_applied_in_order() -> None:
    found = patched(put("displayName", "All"), add("members", [{"value": "c"}]), remove('members[value eq "c"]'))
    assert found.document == STAFF | {"displayName": "All"}


def test_member_that_is_there_is_not_added_twice() -> None:
    assert not patched(add("members", [{"value": "a", "display": "Anna"}])).changed
    assert members(add("members", [{"value": "c"}, {"value": "c"}])) == [{"value": "a"}, {"value": "b", "display": "Bo"}, {"value": "c"}]


def test_member_that_is_not_there_is_removed_without_effect() -> None:
    assert not patched(remove('members[value eq "z"]')).changed


def test_removing_members_without_a_value_removes_all() -> None:
    assert members(remove("members")) is None


@pytest.mark.parametrize("value", [[{"$ref": None, "value": "a"}], {"value": "a"}, "a", ["a"]])
def test_removing_members_with_a_value_removes_only_those(value: Json) -> None:
    assert members(remove("members") | {"value": value}, policy=BY_VALUE) == [{"value": "b", "display": "Bo"}]


@pytest.mark.parametrize("value", [[], None, [{"display": "Bo"}], [{"value": ""}], [{"value": "A"}]])
def test_removing_members_by_an_empty_or_unknown_value_removes_nobody(value: Json) -> None:
    assert members(remove("members") | {"value": value}, policy=BY_VALUE) == STAFF["members"]


def test_removing_with_a_value_is_refused_by_the_letter_of_the_rfc() -> None:
    assert code_of(remove("members") | {"value": [{"value": "a"}]}) == "E_Syntax"


@pytest.mark.parametrize(
    "operation",
    [
        put('members[value eq "a"].value', "z"),
        put('members[value eq "a"]', {"value": "z"}),
        remove('members[value eq "a"].value'),
        add('members[value eq "b"]', {"value": "z"}),
    ],
)
def test_what_makes_a_member_is_immutable(operation: JsonObject) -> None:
    assert code_of(operation) == "E_Field_Immutable"


def test_thousands_of_members_are_added_and_removed_in_linear_time() -> None:
    many: list[Json] = [{"value": str(number)} for number in range(20_000)]
    grown = patched(add("members", many)).document
    assert isinstance(grown["members"], list)
    assert len(grown["members"]) == 20_002
    shrunk = patched(remove("members") | {"value": many}, given=grown, policy=BY_VALUE).document
    assert shrunk["members"] == STAFF["members"]
