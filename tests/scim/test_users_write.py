"""Creating, replacing and deleting people: A13-A28, A69-A72, A93, A96, A97 of scim.md section 5."""

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
