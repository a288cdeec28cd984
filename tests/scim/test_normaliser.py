"""The rewrites N1-N19 of scim.md section 3: applied where the profile allows them, named in the log, and refused under `strict`."""

import json
from typing import Any

import pytest

from gateway.services.context import Context
from tests.scim.people import CORE_USER_URN, ENTERPRISE_URN, MOONGATE_URN, People, asking, person, refused


def rewrites(directory: People, context: Context) -> list[str]:
    """The names of the rewrites of the latest request."""
    return [name.split()[0].rstrip(":") for name in json.loads(directory.log(context)[0].rewrites)]


def patched(directory: People, context: Context, *operations: object, **attributes: Any) -> dict[str, Any]:
    """Create a person, change it, and return it with the rewrites of the change."""
    user = directory.create(**attributes)["id"]
    after = directory.changed(user, *operations)
    return after | {"rewrites": rewrites(directory, context)}


def test_n1_unknown_parameters_are_dropped_for_everybody(entra: People, strict: People, context: Context) -> None:
    for number, directory in enumerate((entra, strict)):
        assert directory.post(person(f"p{number}"), "?aadOptscim062020").status_code == 201
        assert rewrites(directory, context) == ["N1"]


@pytest.mark.parametrize("key", ["operations", "OPERATIONS"])
def test_n2_keys_of_a_patch_in_any_case(entra: People, context: Context, key: str) -> None:
    user = entra.create()["id"]
    answer = entra.send("PATCH", f"/Users/{user}", {key: [{"OP": "add", "Path": "title", "VALUE": "X"}]})
    assert answer.json["title"] == "X"
    assert rewrites(entra, context) == ["N2"]


def test_n3_op_in_any_case(entra: People, context: Context) -> None:
    assert patched(entra, context, {"op": "Add", "path": "title", "value": "X"})["rewrites"] == ["N3"]


@pytest.mark.parametrize(("written", "truth"), [("True", True), ("FALSE", False), ("true", True), (" false ", False)])
def test_n4_texts_that_mean_a_truth_value(entra: People, context: Context, written: str, *, truth: bool) -> None:
    after = patched(entra, context, {"op": "replace", "path": "active", "value": written}, active=not truth)
    assert after["active"] is truth
    assert after["rewrites"] == ["N4"]


def test_n4_is_for_boolean_attributes_only_and_yes_is_no_truth(entra: People, strict: People, context: Context) -> None:
    assert entra.create(title="True")["title"] == "True"
    refused(entra.post(person("b", active="yes")), 400, "invalidValue")
    refused(strict.post(person("c", active="True")), 400, "invalidValue")


@pytest.mark.parametrize("value", [[{"value": "X"}], ["X"], {"value": "X"}])
def test_n5_a_list_of_one_for_a_single_value(entra: People, strict: People, context: Context, value: object) -> None:
    assert patched(entra, context, {"op": "add", "path": "title", "value": value})["title"] == "X"
    assert rewrites(entra, context) == ["N5"]
    refused(strict.post(person("b", title=value)), 400, "invalidValue")


@pytest.mark.parametrize("value", ["a@acme.example", {"value": "a@acme.example"}])
def test_n6_a_single_value_for_a_list(entra: People, strict: People, context: Context, value: object) -> None:
    after = patched(entra, context, {"op": "add", "path": "emails", "value": value})
    assert after["emails"] == [{"value": "a@acme.example"}]
    assert after["rewrites"] == ["N6"]
    refused(strict.post(person("b", emails=value)), 400, "invalidValue")


@pytest.mark.parametrize("value", ["m1", ["m1"], [{"value": "m1"}]])
def test_n7_a_manager_in_every_shape(entra: People, strict: People, context: Context, value: object) -> None:
    after = patched(entra, context, {"op": "add", "path": f"{ENTERPRISE_URN}:manager", "value": value})
    assert after[ENTERPRISE_URN] == {"manager": {"value": "m1"}}
    assert after["rewrites"] == ["N7"]
    body = person("b", **{ENTERPRISE_URN: {"manager": value}}) | {"schemas": [CORE_USER_URN, ENTERPRISE_URN]}
    refused(strict.post(body), 400, "invalidValue")


def test_n7_an_empty_manager_is_nobody(entra: People, context: Context) -> None:
    after = patched(
        entra,
        context,
        {"op": "replace", "path": f"{ENTERPRISE_URN}:manager", "value": ""},
        **{ENTERPRISE_URN: {"manager": {"value": "m1"}}},
    )
    assert ENTERPRISE_URN not in after


def test_n8_an_attribute_of_the_enterprise_extension_without_its_urn(entra: People, strict: People, context: Context) -> None:
    after = patched(entra, context, {"op": "add", "path": "department", "value": "Sales"})
    assert after[ENTERPRISE_URN] == {"department": "Sales"}
    assert after["rewrites"] == ["N8"]
    assert entra.who('department eq "sales"') == ["ada@acme.example"]
    user = strict.create("b")["id"]
    refused(strict.change(user, {"op": "add", "path": "department", "value": "Sales"}), 400, "invalidPath")
    refused(strict.send("GET", "/Users?" + asking(filter='department eq "Sales"')), 400, "invalidFilter")


@pytest.mark.parametrize(
    "value",
    [
        {"name.givenName": "Ada"},
        {"urn:ietf:params:scim:schemas:core:2.0:User:name.givenName": "Ada"},
    ],
)
def test_n9_dotted_keys(entra: People, strict: People, context: Context, value: dict[str, str]) -> None:
    after = patched(entra, context, {"op": "replace", "value": value})
    assert after["name"] == {"givenName": "Ada"}
    assert after["rewrites"] == ["N9"]
    assert entra.post(person("c") | value).json["name"] == {"givenName": "Ada"}
    refused(strict.change(strict.create("b")["id"], {"op": "replace", "value": value}), 400, "invalidSyntax")


@pytest.mark.parametrize("path", ["urn:ietf:params:scim:schemas:extension:enterprise:2.0User:department", f"{ENTERPRISE_URN}.department"])
def test_n9_damaged_urns(entra: People, strict: People, context: Context, path: str) -> None:
    assert patched(entra, context, {"op": "add", "path": path, "value": "Sales"})[ENTERPRISE_URN] == {"department": "Sales"}
    assert "N9" in rewrites(entra, context)
    assert strict.change(strict.create("b")["id"], {"op": "add", "path": path, "value": "Sales"}).status_code == 400


def test_n10_urns_from_before_the_rfc(entra: People, strict: People, context: Context) -> None:
    old = "urn:scim:schemas:extension:enterprise:1.0"
    after = patched(entra, context, {"op": "add", "path": f"{old}:department", "value": "Sales"})
    assert after[ENTERPRISE_URN] == {"department": "Sales"}
    assert after["rewrites"] == ["N10"]
    refused(strict.post(person() | {"schemas": ["urn:scim:schemas:core:1.0"]}), 400, "invalidSyntax")


def test_n11_remove_with_values_removes_those_alone(entra: People, strict: People, context: Context) -> None:
    emails = [{"value": "a@acme.example"}, {"value": "b@acme.example"}]
    operation = {"op": "Remove", "path": "emails", "value": [{"$ref": None, "value": "a@acme.example"}]}
    after = patched(entra, context, operation, emails=emails)
    assert after["emails"] == [{"value": "b@acme.example"}]
    assert "N11" in after["rewrites"]
    user = entra.create("b", emails=emails)["id"]
    assert entra.changed(user, {"op": "remove", "path": "emails", "value": []})["emails"] == emails
    other = strict.create("c", emails=emails)["id"]
    assert strict.change(other, {"op": "remove", "path": "emails", "value": [{"value": "a@acme.example"}]}).status_code == 400
    assert strict.get(other).json["emails"] == emails


def test_n12_an_element_that_matches_nothing_is_created(entra: People, context: Context) -> None:
    after = patched(entra, context, {"op": "replace", "path": 'emails[type eq "work"].value', "value": "a@acme.example"})
    assert after["emails"] == [{"type": "work", "value": "a@acme.example"}]
    assert "N12" in after["rewrites"]


def test_n13_read_only_values_are_dropped(entra: People, strict: People, context: Context) -> None:
    value = {"meta": {"version": "x"}, "groups": [], "title": "X"}
    after = patched(entra, context, {"op": "replace", "value": value})
    assert after["title"] == "X"
    assert "N13" in after["rewrites"]
    refused(strict.change(strict.create("b")["id"], {"op": "replace", "value": value}), 400, "mutability")


def test_n14_null_is_unassigned(entra: People, strict: People, context: Context) -> None:
    for number, directory in enumerate((entra, strict)):
        user = directory.create(f"p{number}", title="X", name={"givenName": "A", "familyName": "B"})["id"]
        after = directory.changed(user, {"op": "replace", "value": {"title": None, "name": {"givenName": None}}})
        assert "title" not in after
        assert after["name"] == {"familyName": "B"}
        assert rewrites(directory, context) == ["N14"]


def test_n15_display_name_of_a_member(entra: People, context: Context) -> None:
    user = entra.create()["id"]
    entra.group("Team")
    group = entra.send("POST", "/Groups", {"displayName": "Two", "members": [{"value": user, "displayName": "Ada"}]})
    assert group.status_code == 201
    assert "N15" in rewrites(entra, context)


@pytest.mark.parametrize("written", ["externalId eq jyoung", "userName sw a"])
def test_n16_unquoted_literals(entra: People, okta: People, context: Context, written: str) -> None:
    entra.create(externalId="jyoung")
    assert entra.who(written) == ["ada@acme.example"]
    entra.create("next")
    assert any("N16" in row.rewrites for row in entra.log(context))
    refused(okta.send("GET", "/Users?" + asking(filter=written)), 400, "invalidFilter")


def test_n17_formats_are_stored_unchecked(entra: People, strict: People) -> None:
    for number, directory in enumerate((entra, strict)):
        user = directory.create(f"p{number}", profileUrl="HPSEOIPXMGOH", locale="nowhere", x509Certificates=[{"value": "no base64!"}])
        assert (user["profileUrl"], user["locale"]) == ("HPSEOIPXMGOH", "nowhere")
        assert user["x509Certificates"] == [{"value": "no base64!"}]


def test_n18_unknown_attributes_are_dropped_and_named_or_refused(entra: People, strict: People, context: Context) -> None:
    assert entra.post(person(shoeSize=42)).status_code == 201
    assert "N18 unknown attribute dropped: shoeSize" in entra.log(context)[0].rewrites
    refused(strict.post(person("b", shoeSize=42)), 400, "invalidSyntax")
    refused(entra.change(entra.create("c")["id"], {"op": "add", "value": {"shoeSize": 42}}), 400, "invalidPath")


def test_n19_unknown_urns_are_stripped_from_schemas(entra: People, strict: People, context: Context) -> None:
    created = entra.post(person() | {"schemas": [CORE_USER_URN, "urn:nobody:1"]})
    assert created.json["schemas"] == [CORE_USER_URN, MOONGATE_URN]
    assert rewrites(entra, context) == ["N19"]
    refused(strict.post(person("b") | {"schemas": [CORE_USER_URN, "urn:nobody:1"]}), 400, "invalidSyntax")
