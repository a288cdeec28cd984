"""Creating, replacing, changing and deleting people: A13-A28, A69-A87, A92-A97 of scim.md section 5."""

import json

import pytest
from flask.testing import FlaskClient

from gateway.domain.nodes import Node
from gateway.services.context import Context
from tests.conftest import Clock
from tests.scim.people import CORE_USER_URN, ENTERPRISE_URN, MOONGATE_URN, People, people_of, person, refused


def test_a13_post_answers_201_with_location_etag_and_the_whole_person(entra: People) -> None:
    answer = entra.post(person(displayName="Ada"))
    assert answer.status_code == 201
    assert answer.headers["Location"] == answer.json["meta"]["location"]
    assert answer.headers["ETag"] == answer.json["meta"]["version"]
    assert answer.json == entra.get(answer.json["id"]).json
    assert (answer.json["userName"], answer.json["displayName"]) == ("ada@acme.example", "Ada")


def test_a14_what_only_the_server_writes_is_ignored(entra: People) -> None:
    sent = person(id="mine", meta={"resourceType": "Robot", "created": "1999-01-01T00:00:00Z"}, groups=[{"value": "g"}])
    created = entra.post(sent).json
    assert created["id"] != "mine"
    assert created["meta"]["resourceType"] == "User"
    assert not created["meta"]["created"].startswith("1999")
    assert "groups" not in created


@pytest.mark.parametrize("name", [None, "", " ", "\t"])
def test_a15_a_blank_or_missing_user_name_is_refused(entra: People, strict: People, name: str | None) -> None:
    for directory in (entra, strict):
        refused(directory.post(person() | {"userName": name}), 400, "invalidValue")
    refused(entra.post({"schemas": [CORE_USER_URN]}), 400, "invalidValue", "E_Field_Required")


def test_a16_a_user_name_in_another_case_is_taken_here_and_free_elsewhere(
    entra: People, client: FlaskClient, context: Context, globex: Node
) -> None:
    entra.create("Ada@Acme.example")
    refused(entra.post(person("aDA@aCME.example")), 409, "uniqueness", "E_Login_Taken")
    assert people_of(client, context, globex).post(person("ada@acme.example")).status_code == 201


@pytest.mark.parametrize(
    ("first", "second"), [("\u00e9va", "e\u0301va"), ("\ufb01n", "fin"), ("stra\u00dfe", "STRASSE"), ("\uff41da", "ada")]
)
def test_a17_unicode_variants_of_a_user_name_collide(entra: People, first: str, second: str) -> None:
    assert entra.create(first)["userName"] == first
    refused(entra.post(person(second)), 409, "uniqueness")


@pytest.mark.parametrize("name", ["a\u0000b", "a\nb", "a\u0085b", "a\u007fb", "x" * 256])
def test_a17_control_characters_and_endless_names_are_refused(entra: People, name: str) -> None:
    answer = entra.post(person(name))
    refused(answer, 400, "invalidSyntax" if "\u0000" in name else "invalidValue")


@pytest.mark.parametrize("name", ["x", "x" * 255, "أدا", "名前@acme.example", "o'brien@acme.example", "a b", '"quoted"', "a\\b", "%_"])
def test_a17_any_script_and_any_sign_makes_a_user_name(entra: People, name: str) -> None:
    assert entra.create(name)["userName"] == name
    assert entra.who(f"userName eq {json.dumps(name)}") == [name]


def test_a18_an_external_id_counts_case_and_is_unique_for_its_connection(entra: People, okta: People) -> None:
    entra.create("a@acme.example", externalId="X1")
    entra.create("b@acme.example", externalId="x1")
    refused(entra.post(person("c@acme.example", externalId="X1")), 409, "uniqueness", "E_External_Id_Taken")
    assert okta.post(person("c@acme.example", externalId="X1")).status_code == 201


def test_a19_strict_connections_name_their_schemas_and_others_need_not(entra: People, strict: People) -> None:
    for schemas in ([], None, [ENTERPRISE_URN], [CORE_USER_URN, "urn:nobody"]):
        refused(strict.post(person() | {"schemas": schemas}), 400, "invalidSyntax")
    with_extension = person(**{ENTERPRISE_URN: {"department": "Sales"}})
    refused(strict.post(with_extension), 400, "invalidSyntax")
    created = entra.post(with_extension | {"schemas": []})
    assert created.status_code == 201
    assert created.json["schemas"] == [CORE_USER_URN, MOONGATE_URN, ENTERPRISE_URN]
    assert strict.post(with_extension | {"userName": "b", "schemas": [CORE_USER_URN, ENTERPRISE_URN]}).status_code == 201


def test_a20_two_primary_elements_are_refused(entra: People, strict: People) -> None:
    emails = [{"value": "a@acme.example", "primary": True}, {"value": "b@acme.example", "primary": True}]
    for directory in (entra, strict):
        refused(directory.post(person(emails=emails)), 400, "invalidValue")


def test_a21_null_and_empty_are_unassigned(strict: People) -> None:
    user = strict.post(person(title=None, emails=[], name={}, nickName="", phoneNumbers=[{}])).json
    assert not {"title", "emails", "name", "nickName", "phoneNumbers"} & user.keys()


def test_a22_names_of_attributes_are_taken_in_any_case_and_answered_in_their_own(strict: People) -> None:
    body = {"SCHEMAS": [CORE_USER_URN], "USERNAME": "ada", "Name": {"GIVENNAME": "Ada"}, "emails": [{"Value": "a@acme.example"}]}
    answer = strict.raw("POST", "/Users", json.dumps(body).replace("SCHEMAS", "schemas"))
    assert answer.status_code == 201, answer.text
    assert answer.json["userName"] == "ada"
    assert answer.json["name"] == {"givenName": "Ada"}
    assert answer.json["emails"] == [{"value": "a@acme.example"}]
    refused(strict.post({"schemas": [CORE_USER_URN], "userName": "a", "USERNAME": "b"}), 400, "invalidSyntax")


def test_a23_a_password_is_never_returned(entra: People) -> None:
    secret = "correct horse battery staple"
    answers = [entra.post(person(password=secret))]
    user = answers[0].json["id"]
    answers += [
        entra.put(user, person(password=secret)),
        entra.change(user, {"op": "add", "path": "password", "value": secret}),
        entra.get(user),
        entra.get(user, "?attributes=password"),
        entra.send("GET", "/Users?attributes=password,userName"),
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 200, 200]
    assert all("password" not in answer.text.replace('"signInMethod":"password"', "") for answer in answers)


@pytest.mark.parametrize(
    "attributes",
    [
        {"userName": 5},
        {"userName": ["a", "b"]},
        {"userName": {"value": {"a": 1}}},
        {"active": "yes"},
        {"active": 1},
        {"name": "Ada"},
        {"name": [1, 2]},
        {"emails": 5},
        {"emails": [5]},
        {"emails": [{"value": 5}]},
        {"emails": [{"value": "a", "primary": "perhaps"}]},
        {"displayName": {"a": "b"}},
        {ENTERPRISE_URN: "x"},
        {ENTERPRISE_URN: {"manager": {"value": 5}}},
        {MOONGATE_URN: {"federatedOnly": "maybe"}},
        {MOONGATE_URN: {"companyContacts": ["Catering"]}},
        {MOONGATE_URN: {"loginMatching": "by-magic"}},
    ],
)
def test_a24_values_of_the_wrong_type_are_refused(entra: People, attributes: dict[str, object]) -> None:
    refused(entra.post(person() | attributes), 400, "invalidValue")
    assert entra.listed("count=0")["totalResults"] == 0


def test_a25_relative_references_are_kept(strict: People) -> None:
    assert strict.create(profileUrl="people/ada")["profileUrl"] == "people/ada"


def test_a26_unknown_attributes_are_refused_or_dropped_and_never_echoed(entra: People, strict: People) -> None:
    refused(strict.post(person(shoeSize=42)), 400, "invalidSyntax", "E_Syntax")
    refused(strict.post(person(**{"urn:nobody:1": {"a": 1}})), 400, "invalidSyntax")
    created = entra.post(person(shoeSize=42, **{"urn:nobody:1": {"a": 1}}))
    assert created.status_code == 201
    assert "shoeSize" not in created.text
    assert "urn:nobody" not in created.text


def test_a27_a_retried_post_is_409(entra: People) -> None:
    entra.create()
    refused(entra.post(person()), 409, "uniqueness")
    assert entra.listed("count=0")["totalResults"] == 1


def test_a28_an_id_is_never_used_again(entra: People) -> None:
    first = entra.create()["id"]
    entra.delete(first)
    assert "bulkId" not in first
    assert entra.create()["id"] != first


def test_a69_put_answers_200_and_never_creates(entra: People) -> None:
    user = entra.create()["id"]
    answer = entra.put(user, person(displayName="Ada"))
    assert (answer.status_code, answer.json["displayName"]) == (200, "Ada")
    refused(entra.put("8f7e1f4e-0000-4000-8000-000000000000", person("new@acme.example")), 404)
    refused(entra.put(user, {"schemas": [CORE_USER_URN], "displayName": "Ada"}), 400, "invalidValue")
    assert entra.listed("count=0")["totalResults"] == 1


def test_a70_put_clears_what_it_leaves_out_but_lets_nobody_in_and_takes_no_switch_away(entra: People) -> None:
    user = entra.create(title="Countess", externalId="e1", active=False, **{MOONGATE_URN: {"mfaRequired": True}})["id"]
    answer = entra.put(user, {"schemas": [CORE_USER_URN], "userName": "ada@acme.example"})
    assert "title" not in answer.json
    assert "externalId" not in answer.json
    assert answer.json["active"] is False
    assert answer.json[MOONGATE_URN]["mfaRequired"] is True


def test_a71_a_body_with_another_id_changes_the_person_of_the_path(entra: People) -> None:
    user, other = entra.create("a@acme.example")["id"], entra.create("b@acme.example")
    assert entra.put(user, person("a@acme.example", id=other["id"], title="X")).json["id"] == user
    assert entra.get(other["id"]).json == other
    refused(entra.put(user, person("B@acme.example")), 409, "uniqueness", "E_Login_Taken")


def test_a72_an_unchanged_put_keeps_version_and_time(entra: People, clock: Clock) -> None:
    before = entra.create(title="Countess", name={"givenName": "Ada", "familyName": "L"})
    clock.advance(seconds=60)
    after = entra.put(before["id"], person(name={"familyName": "L", "givenName": "Ada"}, title="Countess")).json
    assert after["meta"] == before["meta"]


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


def test_a93_delete_is_204_and_the_person_is_gone_and_the_name_is_free(entra: People) -> None:
    user = entra.create(externalId="e1")["id"]
    answer = entra.delete(user)
    assert (answer.status_code, answer.data) == (204, b"")
    for again in (
        entra.get(user),
        entra.put(user, person()),
        entra.change(user, {"op": "add", "path": "title", "value": "X"}),
        entra.delete(user),
    ):
        refused(again, 404, code="E_Resource_Not_Found")
    assert entra.who('userName eq "ada@acme.example"') == []
    assert entra.create(externalId="e1")["id"] != user


def test_a96_versions_are_weak_and_tell_what_is_known_already(entra: People) -> None:
    user = entra.create()
    answer = entra.get(user["id"])
    version = answer.headers["ETag"]
    assert version == answer.json["meta"]["version"]
    assert version.startswith('W/"')
    for tags in (version, version.removeprefix("W/"), f'"x", {version}', "*"):
        known = entra.get(user["id"], If_None_Match=tags)
        assert (known.status_code, known.data, known.headers["ETag"]) == (304, b"", version)
    assert entra.get(user["id"], If_None_Match='W/"0"').status_code == 200
    assert entra.post(person("b@acme.example"), If_None_Match="*").status_code == 201


def test_a97_a_stale_version_is_412_for_every_write(entra: People) -> None:
    user = entra.create()
    stale = user["meta"]["version"]
    current = entra.changed(user["id"], {"op": "add", "path": "title", "value": "X"})
    operation = {"op": "add", "path": "title", "value": "Y"}
    refused(entra.put(user["id"], person(), If_Match=stale), 412, code="E_Version_Conflict")
    refused(entra.change(user["id"], operation, If_Match=stale), 412)
    refused(entra.delete(user["id"], If_Match=stale), 412)
    refused(entra.delete(user["id"], If_None_Match="*"), 412)
    assert entra.get(user["id"]).json == current
    assert entra.change(user["id"], operation, If_Match=f'W/"x", {current["meta"]["version"]}').status_code == 200
    assert entra.change(user["id"], operation, If_Match="*").status_code == 200
    refused(entra.change("nobody", operation, If_Match="*"), 404)


def test_a97_a_version_changes_with_what_is_spliced_in(entra: People, context: Context) -> None:
    user = entra.create()
    group = entra.group("Team", user["id"])
    member = entra.get(user["id"])
    assert member.headers["ETag"] != user["meta"]["version"]
    assert member.json["groups"][0]["value"] == group
    entra.send("DELETE", f"/Groups/{group}")
    assert entra.get(user["id"]).headers["ETag"] == user["meta"]["version"]
