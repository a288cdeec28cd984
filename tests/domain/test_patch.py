"""PATCH of a document (scim.md A73-A92, E03-E16): which attribute an operation means, and what becomes of it."""

from dataclasses import replace

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.patch import MAX_OPERATIONS, Op, Patched, PatchPolicy, Unknown, apply_patch, parse_operations
from gateway.domain.schema import (
    CORE_USER_URN,
    ENTERPRISE_URN,
    MOONGATE_URN,
    USER,
    Attribute,
    Json,
    JsonObject,
    Mutability,
    ResourceType,
    Schema,
)

STRICT = PatchPolicy()
ENTRA = PatchPolicy(
    create_unmatched=True, empty_operations_ok=True, remove_value_as_filter=True, ignore_read_only=True, unknown=Unknown.DROP, lenient=True
)
ANNA: JsonObject = {
    "schemas": [CORE_USER_URN, ENTERPRISE_URN],
    "id": "1",
    "externalId": "x1",
    "userName": "anna",
    "name": {"givenName": "Anna", "familyName": "Ash"},
    "title": "Lead",
    "active": True,
    "emails": [{"value": "anna@work.example", "type": "work", "primary": True}, {"value": "anna@home.example", "type": "home"}],
    ENTERPRISE_URN: {"department": "Sales", "manager": {"value": "m1"}},
}


def patched(*operations: JsonObject, document: JsonObject = ANNA, resource: ResourceType = USER, policy: PatchPolicy = STRICT) -> Patched:
    before = repr(document)
    try:
        return apply_patch(document, parse_operations({"Operations": [*operations]}, policy), resource, policy)
    finally:
        assert repr(document) == before, "the document given is left as it was"


def document(*operations: JsonObject, policy: PatchPolicy = STRICT) -> JsonObject:
    return patched(*operations, policy=policy).document


def code_of(*operations: JsonObject, policy: PatchPolicy = STRICT, resource: ResourceType = USER, given: JsonObject = ANNA) -> str:
    with pytest.raises(Refusal) as refusal:
        patched(*operations, policy=policy, resource=resource, document=given)
    return refusal.value.code


def add(path: str | None, value: Json) -> JsonObject:
    return {"op": "add", "value": value} | ({"path": path} if path else {})


def put(path: str | None, value: Json) -> JsonObject:
    return {"op": "replace", "value": value} | ({"path": path} if path else {})


def remove(path: str) -> JsonObject:
    return {"op": "remove", "path": path}


# --- messages


@pytest.mark.parametrize("op", ["add", "Add", "ADD", "replace", "Replace", "remove", "Remove"])
def test_op_is_read_in_any_case(op: str) -> None:
    operation = parse_operations({"operations": [{"OP": op, "Path": "title", "VALUE": "x"}]}, STRICT)[0]
    assert operation.op is Op(op.lower())
    assert operation.value == "x"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"Operations": None},
        {"Operations": {}},
        {"Operations": []},
        {"Operations": ["add"]},
        {"Operations": [{}]},
        {"Operations": [{"op": "move", "path": "title"}]},
        {"Operations": [{"op": 1, "path": "title"}]},
        {"Operations": [{"op": "add", "path": 5, "value": "x"}]},
    ],
)
def test_message_that_is_none_is_bad_syntax(body: JsonObject) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_operations(body, STRICT)
    assert refusal.value.code == "E_Syntax"


def test_no_operations_are_no_change_where_the_policy_says_so() -> None:
    assert parse_operations({"Operations": []}, ENTRA) == ()
    assert not patched(policy=ENTRA).changed


def test_most_operations_are_read_and_one_more_is_not() -> None:
    operation: Json = {"op": "replace", "path": "title", "value": "x"}
    assert len(parse_operations({"Operations": [operation] * MAX_OPERATIONS}, STRICT)) == MAX_OPERATIONS
    with pytest.raises(Refusal) as refusal:
        parse_operations({"Operations": [operation] * (MAX_OPERATIONS + 1)}, STRICT)
    assert refusal.value.code == "E_Too_Many"


@pytest.mark.parametrize("operation", [{"op": "remove"}, {"op": "remove", "path": ""}, {"op": "remove", "value": {"title": "x"}}])
def test_remove_needs_a_path(operation: JsonObject) -> None:
    assert code_of(operation) == "E_No_Target"


# --- all or nothing


def test_failing_operation_undoes_those_before_it() -> None:
    assert code_of(put("title", "Boss"), put("name.givenName", "Bea"), put("id", "2")) == "E_Field_Immutable"


def test_operations_are_applied_in_their_order() -> None:
    assert document(put("title", "A"), put("title", "B"))["title"] == "B"
    assert "title" not in document(put("title", "A"), remove("title"))


@pytest.mark.parametrize(
    "operation",
    [
        put("title", "Lead"),
        put("name.givenName", "Anna"),
        add("emails", [{"value": "anna@home.example", "type": "home"}]),
        put("id", "1"),
        add(None, {"id": "1", "userName": "anna"}),
        remove("nickName"),
        remove('emails[type eq "other"]'),
        remove("name.middleName"),
        put("nickName", None),
        put("nickName", ""),
        add("emails", []),
        put("schemas", [CORE_USER_URN]),
        add(f"{MOONGATE_URN}:customLogin", None),
    ],
)
def test_operation_without_effect_changes_nothing(operation: JsonObject) -> None:
    found = patched(operation)
    assert not found.changed
    assert found.document == ANNA


def test_extension_that_was_joined_is_no_change_of_schemas() -> None:
    joined = ANNA | {MOONGATE_URN: {"mfaRequired": True}}
    found = patched(put("title", "Lead"), document=joined)
    assert not found.changed
    assert found.document["schemas"] == [CORE_USER_URN, ENTERPRISE_URN, MOONGATE_URN]


# --- simple and complex attributes


@pytest.mark.parametrize("op", ["add", "replace"])
def test_single_value_is_set_by_add_and_replace_alike(op: str) -> None:
    assert document({"op": op, "path": "title", "value": "Boss"})["title"] == "Boss"
    assert document({"op": op, "path": "nickName", "value": "Nick"})["nickName"] == "Nick"
    assert document({"op": op, "path": "active", "value": False})["active"] is False


@pytest.mark.parametrize("path", ["NAME.familyname", f"{CORE_USER_URN}:name.familyName", f"{CORE_USER_URN.upper()}:NAME.FAMILYNAME"])
def test_path_may_carry_the_core_urn_in_any_case(path: str) -> None:
    assert document(put(path, "Oak"))["name"] == {"givenName": "Anna", "familyName": "Oak"}


@pytest.mark.parametrize("op", ["add", "replace"])
def test_complex_value_is_merged_and_null_unassigns_a_part(op: str) -> None:
    assert document({"op": op, "path": "name", "value": {"FAMILYNAME": "Oak"}})["name"] == {"givenName": "Anna", "familyName": "Oak"}
    assert document({"op": op, "path": "name", "value": {"familyName": None, "middleName": ""}})["name"] == {"givenName": "Anna"}
    assert "name" not in document({"op": op, "path": "name", "value": {"familyName": None, "givenName": None}})


def test_complex_value_that_is_absent_is_made() -> None:
    bare: JsonObject = {"schemas": [CORE_USER_URN], "userName": "bo"}
    assert patched(add("name", {"givenName": "Bo"}), document=bare).document["name"] == {"givenName": "Bo"}
    assert patched(add("name.givenName", "Bo"), document=bare).document["name"] == {"givenName": "Bo"}


@pytest.mark.parametrize("path", ["title", "name", "emails", ENTERPRISE_URN, f"{ENTERPRISE_URN}:manager"])
def test_null_unassigns(path: str) -> None:
    assert document(put(path, None)) == document(remove(path))


def test_last_part_removed_takes_the_attribute_along() -> None:
    assert "name" not in document(remove("name.givenName"), remove("name.familyName"))


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (remove("userName"), "E_Field_Immutable"),
        (remove("schemas"), "E_Field_Immutable"),
        (put("userName", None), "E_Field_Required"),
        (put("userName", "  "), "E_Field_Required"),
        (add(None, {"userName": ""}), "E_Field_Required"),
        (put("id", "2"), "E_Field_Immutable"),
        (remove("id"), "E_Field_Immutable"),
        (add(None, {"id": "2"}), "E_Field_Immutable"),
        (put("meta", {"version": "x"}), "E_Field_Immutable"),
        (put("meta.created", "2026-01-01T00:00:00Z"), "E_Field_Immutable"),
        (remove("meta.created"), "E_Field_Immutable"),
        (put("groups", [{"value": "g"}]), "E_Field_Immutable"),
        (add('groups[value eq "g"].display', "x"), "E_Field_Immutable"),
        (remove('groups[value eq "g"]'), "E_Field_Immutable"),
        (remove("groups.display"), "E_Field_Immutable"),
        (add(None, {"groups": [{"value": "g"}]}), "E_Field_Immutable"),
        (put(f"{ENTERPRISE_URN}:manager.displayName", "Bo"), "E_Field_Immutable"),
        (put(f"{MOONGATE_URN}:status", "active"), "E_Field_Immutable"),
        (put(f"{MOONGATE_URN}:emailValidated", True), "E_Field_Immutable"),
        ({"op": "add", "path": "title"}, "E_Field_Invalid"),
        ({"op": "replace", "path": "title"}, "E_Field_Invalid"),
        (put("title", 5), "E_Field_Invalid"),
        (put("title", ["x"]), "E_Field_Invalid"),
        (put("active", "False"), "E_Field_Invalid"),
        (put("name", "Anna"), "E_Field_Invalid"),
        (put("name.givenName", {"value": "Anna"}), "E_Field_Invalid"),
        (put(None, "x"), "E_Field_Invalid"),
        ({"op": "add"}, "E_Field_Invalid"),
        (put(ENTERPRISE_URN, "Sales"), "E_Field_Invalid"),
        (put("shoeSize", 5), "E_Path_Invalid"),
        (put("name.nick", "x"), "E_Path_Invalid"),
        (put("urn:foreign:a", "x"), "E_Path_Invalid"),
        (remove("a b"), "E_Path_Invalid"),
        (remove('name[givenName eq "x"]'), "E_Path_Invalid"),
        (put('title[value eq "x"]', "x"), "E_Path_Invalid"),
        (put(f'{ENTERPRISE_URN}[a eq "b"]', {}), "E_Path_Invalid"),
        (put('emails[type xx "work"]', {}), "E_Filter_Unsupported"),
        (put('emails[user eq "work"].value', "x"), "E_Filter_Unsupported"),
        (add(None, {"shoeSize": 5}), "E_Syntax"),
        (add(None, {"name": {"nick": "x"}}), "E_Syntax"),
        (add(None, {ENTERPRISE_URN: {"level": 5}}), "E_Syntax"),
        (add("emails", {"value": "x", "verified": True}), "E_Syntax"),
    ],
)
def test_what_cannot_be_applied_is_refused(operation: JsonObject, code: str) -> None:
    assert code_of(operation) == code


# --- operations without a path


def test_object_of_attributes_is_applied_attribute_by_attribute() -> None:
    found = document(
        put(
            None,
            {
                "TITLE": "Boss",
                "name": {"givenName": "Bea"},
                "emails": [{"value": "b@x.example"}],
                "schemas": ["urn:foreign"],
                ENTERPRISE_URN.lower(): {"DEPARTMENT": "Legal"},
            },
        )
    )
    assert found == ANNA | {
        "title": "Boss",
        "name": {"givenName": "Bea", "familyName": "Ash"},
        "emails": [{"value": "b@x.example"}],
        ENTERPRISE_URN: {"department": "Legal", "manager": {"value": "m1"}},
    }


def test_add_without_a_path_appends_to_lists() -> None:
    assert str(document(add(None, {"emails": [{"value": "b@x.example"}]}))["emails"]).count("value") == 3


def test_null_in_an_object_unassigns_and_leaves_the_rest() -> None:
    found = document(put(None, {"title": None, ENTERPRISE_URN: {"department": None}}))
    assert "title" not in found
    assert found[ENTERPRISE_URN] == {"manager": {"value": "m1"}}
    assert ENTERPRISE_URN not in document(put(None, {ENTERPRISE_URN: None}))


def test_read_only_value_is_dropped_where_the_policy_says_so_but_never_another_id() -> None:
    found = patched(put(None, {"groups": [{"value": "g"}], "title": "Boss"}), policy=ENTRA)
    assert found.document == ANNA | {"title": "Boss"}
    assert found.notes == ("N13 read-only value dropped: groups",)
    assert code_of(put(None, {"id": "2"}), policy=ENTRA) == "E_Field_Immutable"


# --- extensions


def test_extension_attribute_is_reached_by_its_urn() -> None:
    assert document(put(f"{ENTERPRISE_URN}:department", "Legal"))[ENTERPRISE_URN] == {"department": "Legal", "manager": {"value": "m1"}}
    assert document(put(f"{ENTERPRISE_URN.lower()}:MANAGER.value", "m2"))[ENTERPRISE_URN] == {
        "department": "Sales",
        "manager": {"value": "m2"},
    }


def test_schemas_follow_the_extensions_that_are_there() -> None:
    bare: JsonObject = {"schemas": [CORE_USER_URN], "userName": "bo"}
    made = patched(add(f"{ENTERPRISE_URN}:department", "Legal"), document=bare).document
    assert made["schemas"] == [CORE_USER_URN, ENTERPRISE_URN]
    gone = document(remove(f"{ENTERPRISE_URN}:department"), remove(f"{ENTERPRISE_URN}:manager"))
    assert gone["schemas"] == [CORE_USER_URN]
    assert ENTERPRISE_URN not in gone


@pytest.mark.parametrize("value", [["urn:foreign"], [ENTERPRISE_URN, ENTERPRISE_URN], [ENTERPRISE_URN, CORE_USER_URN]])
def test_core_schema_stays_first_whatever_schemas_are_written(value: Json) -> None:
    assert document(put("schemas", value))["schemas"] == [CORE_USER_URN, ENTERPRISE_URN]


def test_whole_extension_is_written_and_removed() -> None:
    assert document(put(ENTERPRISE_URN, {"division": "EU"}))[ENTERPRISE_URN] == {
        "department": "Sales",
        "manager": {"value": "m1"},
        "division": "EU",
    }
    assert document(remove(ENTERPRISE_URN)) == {k: v for k, v in ANNA.items() if k != ENTERPRISE_URN} | {"schemas": [CORE_USER_URN]}


# --- what no table knows


def test_unknown_names_beside_known_ones_are_dropped_and_noted_by_drop() -> None:
    policy = replace(STRICT, unknown=Unknown.DROP)
    found = patched(
        put(
            None,
            {"shoeSize": 5, "title": "Boss", "name": {"nick": "x", "givenName": "Bea"}, ENTERPRISE_URN: {"level": 1, "division": "EU"}},
        ),
        policy=policy,
    )
    assert found.document["title"] == "Boss"
    assert set(found.notes) == {
        "N18 unknown attribute dropped: shoeSize",
        "N18 unknown attribute dropped: name.nick",
        f"N18 unknown attribute dropped: {ENTERPRISE_URN}:level",
    }


@pytest.mark.parametrize(
    "operation",
    [
        put(None, {"shoeSize": 5}),
        put("shoeSize", 5),
        put("name", {"nick": "x"}),
        put(ENTERPRISE_URN, {"level": 5}),
        add("emails", {"verified": True}),
        put("emails", [{"verified": True}]),
        put('emails[type eq "work"]', {"verified": True}),
    ],
)
def test_operation_of_nothing_but_unknown_names_is_refused_by_drop_and_passed_over_by_ignore(operation: JsonObject) -> None:
    assert code_of(operation, policy=replace(STRICT, unknown=Unknown.DROP)) == "E_Path_Invalid"
    found = patched(operation, policy=replace(STRICT, unknown=Unknown.IGNORE))
    assert not found.changed
    assert [note.startswith("N18") for note in found.notes] == [True]


def test_notes_hold_names_but_no_values() -> None:
    found = patched(put('shoes[size eq "secret"].value', "secret"), policy=replace(STRICT, unknown=Unknown.IGNORE))
    assert found.notes == ("N18 unknown attribute dropped: shoes[…].value",)


# --- what may be written once

ONCE = ResourceType(
    "Badge", "/Badges", Schema("urn:x:Badge", "Badge", (Attribute("serial", mutability=Mutability.IMMUTABLE), Attribute("name")))
)


def test_immutable_attribute_is_set_once_and_then_neither_changed_nor_removed() -> None:
    blank: JsonObject = {"name": "x"}
    made = patched(add("serial", "1"), document=blank, resource=ONCE).document
    assert made == {"name": "x", "serial": "1"}
    assert not patched(put("serial", "1"), document=made, resource=ONCE).changed
    assert code_of(put("serial", "2"), resource=ONCE, given=made) == "E_Field_Immutable"
    assert code_of(remove("serial"), resource=ONCE, given=made) == "E_Field_Immutable"
    assert not patched(remove("serial"), document=blank, resource=ONCE).changed


def test_read_only_part_of_a_complex_value_is_passed_over() -> None:
    found = document(put(f"{ENTERPRISE_URN}:manager", {"value": "m2", "displayName": "Bo"}))
    assert found[ENTERPRISE_URN] == {"department": "Sales", "manager": {"value": "m2"}}
