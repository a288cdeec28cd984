"""PATCH of groups as real directories send it: both ways of removal, order, no-ops, and what must never empty a group."""

import pytest
from flask.testing import FlaskClient

from gateway.domain.nodes import Node
from gateway.domain.schema import CORE_GROUP_URN
from gateway.services.context import Context
from tests.groups import PATCH_URN, Directory, directory_at, people_at, person_at

NOBODY = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def crowd(context: Context, acme: Node) -> list[str]:
    return [person.id for person in people_at(context, acme, 4)]


@pytest.fixture(params=["strict", "entra", "okta", "lenient"])
def anyone(request: pytest.FixtureRequest, client: FlaskClient, context: Context, acme: Node) -> Directory:
    """A directory of each profile."""
    return directory_at(client, context, acme, request.param)


@pytest.fixture
def entra(client: FlaskClient, context: Context, acme: Node) -> Directory:
    return directory_at(client, context, acme)


@pytest.fixture
def strict(client: FlaskClient, context: Context, acme: Node) -> Directory:
    return directory_at(client, context, acme, "strict")


@pytest.fixture
def okta(client: FlaskClient, context: Context, acme: Node) -> Directory:
    return directory_at(client, context, acme, "okta")


def test_e14_removal_with_a_value_removes_those_and_never_everybody(entra: Directory, crowd: list[str]) -> None:
    group = entra.group("Team", *crowd)
    removed = entra.patch(group, {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": crowd[0]}]})
    assert (removed.status_code, removed.data, removed.headers["ETag"]) == (204, b"", 'W/"2"')
    assert entra.members(group) == set(crowd[1:])


@pytest.mark.parametrize("value", [[], None, [{}], [{"value": None}], [{"value": ""}], [{"display": "x"}], {}, "", [None], 7, [[]]])
def test_n11_removal_that_names_nobody_removes_nobody(entra: Directory, crowd: list[str], value: object) -> None:
    group = entra.group("Team", *crowd)
    answer = entra.patch(group, {"op": "remove", "path": "members", "value": value})
    assert answer.status_code in {204, 400}
    assert (entra.members(group), entra.etag(group)) == (set(crowd), 'W/"1"')


def test_removal_with_a_value_is_refused_where_rfc_7644_counts_to_the_letter(strict: Directory, crowd: list[str]) -> None:
    group = strict.group("Team", *crowd)
    refused = strict.patch(group, {"op": "remove", "path": "members", "value": [{"value": crowd[0]}]})
    assert (refused.status_code, refused.json["scimType"]) == (400, "invalidSyntax")
    assert strict.members(group) == set(crowd)


def test_e15_o06_removal_by_a_selection(anyone: Directory, crowd: list[str]) -> None:
    group = anyone.group("Team", *crowd)
    assert anyone.patch(group, {"op": "remove", "path": f'members[value eq "{crowd[0]}"]'}).status_code == 204
    assert anyone.members(group) == set(crowd[1:])
    several = f'members[value eq "{crowd[1]}" or value eq "{crowd[2]}"]'
    assert anyone.patch(group, {"op": "remove", "path": several}).status_code == 204
    assert anyone.members(group) == {crowd[3]}
    assert anyone.patch(group, {"op": "remove", "path": f'members[value eq "{NOBODY}"]'}).status_code == 204
    assert anyone.etag(group) == 'W/"3"'


def test_selections_may_say_more_than_an_id(entra: Directory, crowd: list[str]) -> None:
    inner = entra.group("Inner")
    group = entra.group("Team", inner, *crowd)
    assert entra.patch(group, {"op": "remove", "path": f'members[type eq "User" and not (value eq "{crowd[0]}")]'}).status_code == 204
    assert entra.members(group) == {inner, crowd[0]}
    refused = entra.patch(group, {"op": "remove", "path": 'members[display eq "x"]'})
    assert (refused.status_code, refused.json["scimType"]) == (400, "invalidFilter")


def test_e16_the_order_of_operations_matters(entra: Directory, crowd: list[str]) -> None:
    group = entra.group("Team", crowd[0])
    add = {"op": "Add", "path": "members", "value": [{"value": crowd[1]}]}
    take = {"op": "Remove", "path": "members", "value": [{"value": crowd[1]}]}
    rename = {"op": "Replace", "path": "displayName", "value": "Crew"}
    assert entra.patch(group, rename, add, take).status_code == 204
    assert (entra.members(group), entra.find('displayName eq "Crew"')) == ({crowd[0]}, ["Crew"])
    assert entra.patch(group, take, rename, add).status_code == 204
    assert entra.members(group) == {crowd[0], crowd[1]}


@pytest.mark.parametrize(
    "failing",
    [
        {"op": "add", "path": "members", "value": [{"value": NOBODY}]},
        {"op": "replace", "path": "nonsense", "value": "x"},
        {"op": "replace", "path": "displayName", "value": ["a", "b"]},
        {"op": "replace", "path": "id", "value": "x"},
        {"op": "remove", "path": "displayName"},
        {"op": "add", "path": "members"},
        {"op": "replace", "path": "members.value", "value": "x"},
        {"op": "remove", "path": 'members[value eq "x"].value'},
    ],
)
def test_a74_a_failing_operation_undoes_all_the_others(anyone: Directory, crowd: list[str], failing: dict[str, object]) -> None:
    if anyone.connection.profile == "lenient" and failing.get("path") in {"members", "nonsense"} and "value" in failing:
        failing = {"op": "nonsense"}
    group = anyone.group("Team", crowd[0])
    others = ({"op": "add", "path": "members", "value": [{"value": crowd[1]}]}, {"op": "replace", "path": "displayName", "value": "Crew"})
    for operations in ((*others, failing), (failing, *others)):
        assert anyone.patch(group, *operations).status_code == 400
        assert (anyone.members(group), anyone.etag(group), anyone.find("displayName pr")) == ({crowd[0]}, 'W/"1"', ["Team"])


@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        ({"op": "remove"}, "noTarget"),
        ({"op": "replace", "path": "id", "value": "x"}, "mutability"),
        ({"op": "remove", "path": "displayName"}, "mutability"),
        ({"op": "replace", "path": "meta.version", "value": "x"}, "mutability"),
        ({"op": "replace", "path": "members..x", "value": "x"}, "invalidPath"),
        ({"op": "replace", "path": "nonsense", "value": "x"}, "invalidPath"),
        ({"op": "replace", "path": 'members[nonsense eq "x"]', "value": {"value": "x"}}, "invalidFilter"),
        ({"op": "replace", "path": "members"}, "invalidValue"),
        ({"op": "add", "value": "x"}, "invalidValue"),
        ({"op": "replace", "path": "displayName", "value": ""}, "invalidValue"),
        ({"op": "add", "path": 'displayName[value eq "x"]', "value": "x"}, "invalidPath"),
        ({"op": "launch", "path": "members"}, "invalidSyntax"),
        ("add", "invalidSyntax"),
    ],
)
def test_a75_a87_each_mistake_has_its_type(strict: Directory, operation: object, scim_type: str) -> None:
    refused = strict.patch(strict.group("Team"), operation)
    assert (refused.status_code, refused.json["scimType"]) == (400, scim_type)


def test_a77_a88_what_is_so_already_changes_no_version(anyone: Directory, crowd: list[str]) -> None:
    group = anyone.group("Team", *crowd[:2])
    changed = anyone.patch(
        group,
        {"op": "add", "path": "members", "value": [{"value": crowd[0]}, {"value": crowd[0]}]},
        {"op": "remove", "path": f'members[value eq "{crowd[3]}"]'},
        {"op": "replace", "path": "members", "value": [{"value": crowd[1]}, {"value": crowd[0]}]},
        {"op": "replace", "path": "displayName", "value": "Team"},
    )
    assert (changed.status_code, changed.headers["ETag"]) == (204, 'W/"1"')


def test_a88_removal_without_value_removes_everybody(anyone: Directory, crowd: list[str]) -> None:
    group = anyone.group("Team", *crowd)
    assert anyone.patch(group, {"op": "remove", "path": "members"}).status_code == 204
    assert anyone.members(group) == set()


@pytest.mark.parametrize("sub", ["value", "type", "$ref"])
@pytest.mark.parametrize("op", ["replace", "add"])
def test_a89_what_a_member_is_never_changes(anyone: Directory, crowd: list[str], sub: str, op: str) -> None:
    group = anyone.group("Team", crowd[0])
    refused = anyone.patch(group, {"op": op, "path": f'members[value eq "{crowd[0]}"].{sub}', "value": crowd[1]})
    assert (refused.status_code, refused.json["scimType"]) == (400, "mutability")
    assert anyone.members(group) == {crowd[0]}


def test_a89_another_value_in_a_selected_member_is_refused(anyone: Directory, crowd: list[str]) -> None:
    group = anyone.group("Team", crowd[0])
    path = f'members[value eq "{crowd[0]}"]'
    refused = anyone.patch(group, {"op": "replace", "path": path, "value": {"value": crowd[1]}})
    assert (refused.status_code, refused.json["scimType"]) == (400, "mutability")
    assert anyone.patch(group, {"op": "replace", "path": path, "value": {"value": crowd[0]}}).status_code == 204
    assert (anyone.members(group), anyone.etag(group)) == ({crowd[0]}, 'W/"1"')


def test_a_selected_member_that_is_none_is_made_or_refused_by_the_profile(strict: Directory, entra: Directory, crowd: list[str]) -> None:
    path = f'members[value eq "{crowd[0]}"]'
    operation = {"op": "add", "path": path, "value": {"value": crowd[0]}}
    refused = strict.patch(strict.group("Team"), operation)
    assert (refused.status_code, refused.json["scimType"]) == (400, "noTarget")
    group = entra.group("Crew")
    assert entra.patch(group, operation).status_code == 204
    assert entra.members(group) == {crowd[0]}


def test_a91_circles_are_refused(anyone: Directory) -> None:
    inner = anyone.group("Inner")
    outer = anyone.group("Outer", inner)
    for member in (inner, outer):
        refused = anyone.patch(inner, {"op": "add", "path": "members", "value": [{"value": member}]})
        assert (refused.status_code, refused.json["scimType"]) == (400, "invalidValue")
    assert anyone.send("GET", f"/Groups/{outer}").json["members"][0] == {
        "value": inner,
        "$ref": f"{anyone.node.scim_base}/Groups/{inner}",
        "display": "Inner",
        "type": "Group",
    }


def test_e24_microsofts_own_collection(entra: Directory, crowd: list[str]) -> None:
    group = entra.group("Team")
    body = {
        "id": group,
        "schemas": [PATCH_URN],
        "Operations": [
            {"name": "addMember", "op": "add", "path": "members", "value": [{"displayName": "new", "$ref": None, "value": crowd[0]}]},
            {"name": "addMember", "op": "Add", "path": "members", "value": crowd[1]},
        ],
    }
    assert entra.send("PATCH", f"/Groups/{group}", body).status_code == 204
    assert entra.members(group) == set(crowd[:2])
    assert entra.send("GET", '/Groups/?filter=displayName eq "Team"').status_code == 200
    misspelled = {"schemas": [CORE_GROUP_URN], "displayName": "Team", "displayNme": "x", "members": [{"value": crowd[0]}]}
    assert entra.send("PUT", f"/Groups/{group}", misspelled).status_code == 200


def test_e25_no_operations_are_no_change_or_a_mistake_by_the_profile(entra: Directory, strict: Directory) -> None:
    assert entra.patch(entra.group("Team")).status_code == 204
    assert strict.patch(strict.group("Crew")).status_code == 400


def test_e26_a36_the_group_is_answered_when_somebody_asks_for_it(entra: Directory, crowd: list[str]) -> None:
    group = entra.group("Team")
    add = {"op": "add", "path": "members", "value": [{"value": crowd[0]}]}
    asked = entra.patch(group, add, query="?attributes=displayName")
    assert (asked.status_code, asked.json) == (200, {"schemas": [CORE_GROUP_URN], "id": group, "displayName": "Team"})
    preferred = entra.patch(group, add, Prefer="return=representation")
    assert (preferred.status_code, preferred.json["members"][0]["value"]) == (200, crowd[0])
    assert preferred.headers["ETag"] == 'W/"2"'


def test_o05_okta_renames_with_the_id_along(okta: Directory, crowd: list[str]) -> None:
    group = okta.group("Team", crowd[0])
    rename = {"op": "replace", "value": {"id": group, "displayName": "Test SCIMv20"}}
    assert okta.patch(group, rename).status_code == 204
    assert okta.find('displayName eq "Test SCIMv20"') == ["Test SCIMv20"]
    again = okta.patch(group, rename, {"op": "add", "path": "members", "value": [{"value": crowd[1], "display": "b@example.com"}]})
    assert (again.status_code, okta.members(group)) == (204, set(crowd[:2]))
    other = okta.patch(group, {"op": "replace", "value": {"id": NOBODY, "displayName": "x"}})
    assert (other.status_code, other.json["scimType"]) == (400, "mutability")


def test_o06_a_full_push_replaces_the_list(okta: Directory, crowd: list[str]) -> None:
    group = okta.group("Team", *crowd[:2])
    push = {"op": "replace", "path": "members", "value": [{"value": member, "display": "x"} for member in crowd[1:]]}
    assert okta.patch(group, push).status_code == 204
    assert okta.members(group) == set(crowd[1:])
    assert okta.patch(group, {"op": "replace", "path": "members", "value": []}).status_code == 204
    assert okta.members(group) == set()
    assert okta.send("DELETE", f"/Groups/{group}").status_code == 204


def test_members_and_attributes_may_come_in_one_value_without_path(anyone: Directory, crowd: list[str]) -> None:
    group = anyone.group("Team", crowd[0])
    value = {"displayName": "Crew", "externalId": "x", "members": [{"value": crowd[1]}]}
    assert anyone.patch(group, {"op": "add", "value": value}).status_code == 204
    assert anyone.members(group) == set(crowd[:2])
    assert anyone.patch(group, {"op": "replace", "value": {"members": [{"value": crowd[2]}]}}).status_code == 204
    found = anyone.send("GET", f"/Groups/{group}").json
    assert (found["displayName"], found["externalId"], [element["value"] for element in found["members"]]) == ("Crew", "x", [crowd[2]])


def test_n18_an_unknown_attribute_beside_members_is_dropped_and_logged(
    entra: Directory, strict: Directory, context: Context, crowd: list[str]
) -> None:
    value = {"nonsense": 1, "members": [{"value": crowd[0]}]}
    group = entra.group("Team")
    assert entra.patch(group, {"op": "add", "value": value}).status_code == 204
    assert entra.members(group) == {crowd[0]}
    logged = context.database.script("SELECT rewrites FROM scim_log WHERE operation = 'group.patch'")
    assert "N18 unknown attribute dropped: nonsense" in logged[0][0]
    assert strict.patch(strict.group("Crew"), {"op": "add", "value": value}).status_code == 400
    alone = entra.patch(group, {"op": "add", "value": {"nonsense": 1}})
    assert (alone.status_code, alone.json["scimType"]) == (400, "invalidPath")


def test_onelogin_writes_old_urns(entra: Directory, crowd: list[str]) -> None:
    body = {"schemas": ["urn:scim:schemas:core:1.0"], "displayName": "Team", "members": [{"value": crowd[0]}]}
    created = entra.send("POST", "/Groups", body)
    assert created.status_code == 201
    full = f"{CORE_GROUP_URN}:members"
    assert entra.patch(created.json["id"], {"op": "add", "path": full, "value": [{"value": crowd[1]}]}).status_code == 204
    assert entra.members(created.json["id"]) == set(crowd[:2])


def test_jumpcloud_tries_a_group_out(entra: Directory, context: Context, acme: Node) -> None:
    group = entra.group("test group")
    put = {"schemas": [CORE_GROUP_URN], "displayName": "renamed", "members": [{"value": person_at(context, acme, "try").id}]}
    assert entra.send("PUT", f"/Groups/{group}", put).status_code == 200
    assert entra.send("DELETE", f"/Groups/{group}").status_code == 204


def displays(directory: Directory, group: str) -> dict[str, str]:
    return {element["value"]: element["display"] for element in directory.send("GET", f"/Groups/{group}").json["members"]}


def test_e26_what_a_directory_calls_a_member_is_never_changed(anyone: Directory, crowd: list[str]) -> None:
    group = anyone.group("Team", crowd[0])
    add = {
        "op": "add",
        "path": "members",
        "value": [{"value": crowd[1], "display": "b@example.com"}, {"value": crowd[0], "display": "late"}],
    }
    assert anyone.patch(group, add).status_code == 204
    # Who is called nothing bears their own name; who is a member already keeps what they were called (scim.md A88).
    assert displays(anyone, group) == {crowd[0]: "Person0 Ek", crowd[1]: "b@example.com"}
    assert anyone.patch(group, {"op": "replace", "path": f'members[value eq "{crowd[0]}"].display', "value": "Boss"}).status_code == 204
    assert (displays(anyone, group)[crowd[0]], anyone.etag(group)) == ("Boss", 'W/"3"')
    assert anyone.patch(group, {"op": "replace", "path": f'members[value eq "{crowd[0]}"].display', "value": "Boss"}).status_code == 204
    assert anyone.patch(group, {"op": "remove", "path": f'members[value eq "{crowd[1]}"].display'}).status_code == 204
    assert (displays(anyone, group)[crowd[1]], anyone.etag(group)) == ("Person1 Ek", 'W/"4"')
    push = [{"value": crowd[0]}, {"value": crowd[1], "display": "B"}]
    assert anyone.patch(group, {"op": "replace", "path": "members", "value": push}).status_code == 204
    assert (displays(anyone, group), anyone.etag(group)) == ({crowd[0]: "Person0 Ek", crowd[1]: "B"}, 'W/"5"')
    missing = anyone.patch(group, {"op": "replace", "path": f'members[value eq "{crowd[3]}"].display', "value": "x"})
    assert missing.status_code == (400 if anyone.connection.profile == "strict" else 204)
