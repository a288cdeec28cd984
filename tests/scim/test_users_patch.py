"""Changing people by PATCH: A73-A87, A92 of scim.md section 5."""

import pytest
from flask.testing import FlaskClient

from gateway.domain.nodes import Node
from gateway.services.context import Context
from tests.conftest import Clock
from tests.scim.people import CORE_USER_URN, ENTERPRISE_URN, People, people_of, refused


@pytest.mark.parametrize("op", ["add", "Add", "ADD", "replace", "REPLACE"])
def test_a73_op_is_read_in_any_case(strict: People, op: str) -> None:
    assert strict.changed(strict.create()["id"], {"op": op, "path": "title", "value": "X"})["title"] == "X"


@pytest.mark.parametrize(
    "body", [{}, {"Operations": None}, {"Operations": {}}, {"Operations": [5]}, {"Operations": [{"op": "move", "path": "title"}]}]
)
def test_a73_what_is_no_patch_is_invalid_syntax(entra: People, body: dict[str, object]) -> None:
    refused(entra.send("PATCH", f"/Users/{entra.create()['id']}", body), 400, "invalidSyntax")


def test_a73_more_than_a_thousand_operations_are_too_many(entra: People) -> None:
    user = entra.create()["id"]
    operation = {"op": "replace", "path": "title", "value": "X"}
    assert entra.change(user, *[operation] * 1000).status_code == 200
    refused(entra.change(user, *[operation] * 1001), 400, "tooMany", "E_Too_Many")


def test_a74_one_failing_operation_undoes_all(entra: People) -> None:
    before = entra.create()
    refused(
        entra.change(before["id"], {"op": "add", "path": "title", "value": "X"}, {"op": "add", "path": "active", "value": "perhaps"}),
        400,
        "invalidValue",
    )
    assert entra.get(before["id"]).json == before


def test_a75_remove_without_path_has_no_target(entra: People) -> None:
    refused(entra.change(entra.create()["id"], {"op": "remove"}), 400, "noTarget")


def test_a76_required_and_read_only_attributes_stay(strict: People) -> None:
    user = strict.create()["id"]
    refused(strict.change(user, {"op": "remove", "path": "userName"}), 400, "mutability")
    refused(strict.change(user, {"op": "replace", "path": "id", "value": "x"}), 400, "mutability")
    refused(strict.change(user, {"op": "replace", "path": "meta", "value": {"version": "x"}}), 400, "mutability")
    refused(strict.change(user, {"op": "add", "path": "groups", "value": [{"value": "x"}]}), 400, "mutability")
    assert strict.change(user, {"op": "replace", "value": {"id": user}}).status_code == 200


def test_a77_adding_what_is_there_changes_nothing(entra: People, clock: Clock) -> None:
    before = entra.create(emails=[{"value": "a@acme.example", "type": "work"}])
    clock.advance(seconds=60)
    answer = entra.change(before["id"], {"op": "add", "path": "emails", "value": [{"value": "a@acme.example", "type": "work"}]})
    assert answer.json["meta"] == before["meta"]
    after = entra.changed(before["id"], {"op": "add", "path": "emails", "value": [{"value": "b@acme.example", "type": "home"}]})
    assert [email["value"] for email in after["emails"]] == ["a@acme.example", "b@acme.example"]
    assert after["meta"]["version"] != before["meta"]["version"]
    assert after["meta"]["lastModified"] > before["meta"]["lastModified"]


def test_a78_a_new_primary_element_demotes_the_old_one(entra: People) -> None:
    user = entra.create(emails=[{"value": "a@acme.example", "type": "work", "primary": True}])["id"]
    after = entra.changed(user, {"op": "add", "path": "emails", "value": [{"value": "b@acme.example", "type": "home", "primary": True}]})
    assert [email["value"] for email in after["emails"] if email.get("primary")] == ["b@acme.example"]


def test_a79_complex_attributes_merge(strict: People) -> None:
    user = strict.create(name={"givenName": "Ada", "familyName": "L"})["id"]
    assert strict.changed(user, {"op": "add", "path": "name", "value": {"middleName": "K"}})["name"] == {
        "givenName": "Ada",
        "familyName": "L",
        "middleName": "K",
    }
    assert strict.changed(user, {"op": "replace", "path": "name", "value": {"givenName": "Augusta"}})["name"]["familyName"] == "L"


def test_a80_replace_takes_the_whole_list_and_sets_what_was_absent(strict: People) -> None:
    user = strict.create(emails=[{"value": "a@acme.example"}, {"value": "b@acme.example"}])["id"]
    after = strict.changed(user, {"op": "replace", "path": "emails", "value": [{"value": "c@acme.example"}]})
    assert after["emails"] == [{"value": "c@acme.example"}]
    assert strict.changed(user, {"op": "replace", "path": "title", "value": "X"})["title"] == "X"


def test_a81_replace_without_a_match_has_no_target_and_remove_without_one_succeeds(strict: People, entra: People) -> None:
    user = strict.create(emails=[{"value": "a@acme.example", "type": "home"}])
    operation = {"op": "replace", "path": 'emails[type eq "work"].value', "value": "b@acme.example"}
    refused(strict.change(user["id"], operation), 400, "noTarget")
    answer = strict.change(user["id"], {"op": "remove", "path": 'emails[type eq "work"]'})
    assert answer.json == user
    other = entra.create("b@acme.example")["id"]
    assert entra.changed(other, operation)["emails"] == [{"type": "work", "value": "b@acme.example"}]


def test_a82_a_filter_that_matches_several_changes_all(strict: People) -> None:
    user = strict.create(emails=[{"value": "a@acme.example", "type": "work"}, {"value": "b@acme.example", "type": "work"}])["id"]
    after = strict.changed(user, {"op": "replace", "path": 'emails[type eq "work"].display', "value": "Work"})
    assert [email["display"] for email in after["emails"]] == ["Work", "Work"]
    after = strict.changed(user, {"op": "replace", "path": 'emails[value eq "a@acme.example"]', "value": {"value": "c@acme.example"}})
    assert [email["value"] for email in after["emails"]] == ["c@acme.example", "b@acme.example"]


def test_a83_removing_a_sub_attribute_and_the_last_element(strict: People) -> None:
    user = strict.create(emails=[{"value": "a@acme.example", "type": "work", "display": "A"}])["id"]
    assert strict.changed(user, {"op": "remove", "path": 'emails[type eq "work"].display'})["emails"] == [
        {"value": "a@acme.example", "type": "work"}
    ]
    assert "emails" not in strict.changed(user, {"op": "remove", "path": 'emails[type eq "work"]'})


@pytest.mark.parametrize(
    ("path", "scim_type"),
    [("emails[", "invalidFilter"), ("shoeSize", "invalidPath"), ("a b", "invalidPath"), ('emails[type zz "x"]', "invalidFilter")],
)
def test_a84_a_bad_path_says_what_is_bad(entra: People, path: str, scim_type: str) -> None:
    refused(entra.change(entra.create()["id"], {"op": "replace", "path": path, "value": "x"}), 400, scim_type)


def test_a85_paths_with_urns(strict: People) -> None:
    user = strict.create()["id"]
    after = strict.changed(
        user,
        {"op": "add", "path": f"{CORE_USER_URN}:name.familyName", "value": "L"},
        {"op": "add", "path": f"{ENTERPRISE_URN}:manager.value", "value": "m1"},
    )
    assert after["name"] == {"familyName": "L"}
    assert after[ENTERPRISE_URN] == {"manager": {"value": "m1"}}
    after = strict.changed(user, {"op": "replace", "path": ENTERPRISE_URN, "value": {"department": "Sales"}})
    assert after[ENTERPRISE_URN]["department"] == "Sales"
    assert ENTERPRISE_URN not in strict.changed(user, {"op": "remove", "path": ENTERPRISE_URN})


def test_a86_an_operation_without_path_takes_an_object_of_attributes(strict: People, entra: People) -> None:
    value = {"title": "X", "name": {"givenName": "Ada"}, ENTERPRISE_URN: {"department": "Sales"}}
    after = strict.changed(strict.create()["id"], {"op": "add", "value": value})
    assert (after["title"], after["name"], after[ENTERPRISE_URN]) == ("X", {"givenName": "Ada"}, {"department": "Sales"})
    other = entra.create("b@acme.example")["id"]
    assert (
        entra.changed(other, {"op": "replace", "value": {'emails[type eq "work"].value': "b@acme.example"}})["emails"][0]["type"] == "work"
    )
    refused(strict.change(other, {"op": "add", "value": "x"}), 403)


def test_a87_a_missing_value_is_refused_and_null_unassigns(strict: People) -> None:
    user = strict.create(title="X", name={"givenName": "Ada", "familyName": "L"})["id"]
    refused(strict.change(user, {"op": "add", "path": "title"}), 400, "invalidValue")
    refused(strict.change(user, {"op": "replace"}), 400, "invalidValue")
    assert "title" not in strict.changed(user, {"op": "replace", "path": "title", "value": None})
    assert strict.changed(user, {"op": "replace", "value": {"name": {"givenName": None}}})["name"] == {"familyName": "L"}


@pytest.mark.parametrize("path", ["shoeSize", "urn:nobody:1:thing", "emails.shoe"])
def test_nothing_applied_is_never_a_success_unless_the_profile_ignores(entra: People, lenient: People, context: Context, path: str) -> None:
    refused(entra.change(entra.create()["id"], {"op": "add", "path": path, "value": "x"}), 400, "invalidPath")
    other = lenient.create("b@acme.example")["id"]
    assert lenient.change(other, {"op": "add", "path": path, "value": "x"}).status_code == 200
    assert "N18" in lenient.log(context)[0].rewrites


def test_a92_the_reply_to_patch_is_the_connections_choice_and_always_carries_the_etag(
    entra: People, client: FlaskClient, context: Context, acme: Node
) -> None:
    user = entra.create()["id"]
    operation = {"op": "add", "path": "title", "value": "X"}
    answer = entra.change(user, operation)
    assert (answer.status_code, answer.headers["ETag"]) == (200, answer.json["meta"]["version"])
    silent = people_of(client, context, acme, "entra")
    silent = silent.switched(context, patch_reply=204)
    other = silent.create("b@acme.example")["id"]
    answer = silent.change(other, operation)
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["ETag"] == silent.get(other).headers["ETag"]
    answer = silent.change(other, operation, query="?attributes=title")
    assert (answer.status_code, answer.json["title"]) == (200, "X")
    assert silent.change(other, operation, Prefer="return=representation").status_code == 200
