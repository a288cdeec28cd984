"""Microsoft Entra ID as it really speaks: scim.md section 2.1, each line with its own body."""

import pytest

from gateway.services.context import Context
from tests.conftest import Clock
from tests.scim.people import CORE_USER_URN, ENTERPRISE_URN, PATCH_URN, People, asking, person, refused

WORK = 'emails[type eq "work"].value'


def test_e01_the_connection_test_finds_nobody_with_200(entra: People) -> None:
    found = entra.listed(asking(filter='userName eq "6f1b8a56-2d0b-4a1e-9c1b-0d6f6f2f4a11"'))
    assert found["totalResults"] == 0
    assert found["Resources"] == []


@pytest.mark.parametrize("flag", ["aadOptscim062020", "aadOptscim062020=", "AzureAdScimPatch2017"])
def test_e02_flags_in_the_tenant_url_are_ignored_on_every_request(entra: People, flag: str) -> None:
    created = entra.post(person(), f"?{flag}")
    assert created.status_code == 201
    user = created.json["id"]
    assert entra.get(user, f"?{flag}").status_code == 200
    assert entra.listed(flag + "&" + asking(filter='userName eq "ada@acme.example"'))["totalResults"] == 1
    assert entra.change(user, {"op": "replace", "path": "active", "value": False}, query=f"?{flag}").status_code == 200


def test_e03_disable_without_the_flag(entra: People) -> None:
    user = entra.create()["id"]
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "Replace", "path": "active", "value": "False"}],
    }
    answer = entra.send("PATCH", f"/Users/{user}", body)
    assert answer.status_code == 200
    assert answer.json["active"] is False


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "active", "value": False},
        {"op": "Replace", "path": "active", "value": [{"$ref": None, "value": "False"}]},
        {"op": "replace", "value": {"active": False}},
        {"op": "replace", "value": {"active": "false"}},
    ],
)
def test_e04_disable_with_the_flag_and_by_the_old_connector(entra: People, operation: object) -> None:
    assert entra.changed(entra.create()["id"], operation)["active"] is False


def test_e05_add_of_a_single_value_sets_it_and_replaces_it(entra: People) -> None:
    user = entra.create()["id"]
    assert entra.changed(user, {"op": "Add", "path": "nickName", "value": "Nick"})["nickName"] == "Nick"
    assert entra.changed(user, {"op": "Add", "path": "nickName", "value": "Nicky"})["nickName"] == "Nicky"
    assert entra.changed(user, {"op": "Replace", "path": "nickName", "value": "Nick"})["nickName"] == "Nick"


def test_e06_several_attributes_without_the_flag(entra: People) -> None:
    user = entra.create(emails=[{"type": "work", "value": "old@acme.example", "primary": True}], name={"givenName": "Old"})["id"]
    changed = entra.changed(
        user,
        {"op": "Replace", "path": "displayName", "value": "Bjfe"},
        {"op": "Replace", "path": WORK, "value": "new@acme.example"},
        {"op": "Replace", "path": "name.givenName", "value": "Kkom"},
        {"op": "Replace", "path": "name.familyName", "value": "Unua"},
        {"op": "Replace", "path": "externalId", "value": "Aklq"},
        {"op": "Replace", "path": f"{ENTERPRISE_URN}:employeeNumber", "value": "701984"},
    )
    assert changed["displayName"] == "Bjfe"
    assert changed["emails"] == [{"type": "work", "value": "new@acme.example", "primary": True}]
    assert changed["name"] == {"givenName": "Kkom", "familyName": "Unua"}
    assert changed["externalId"] == "Aklq"
    assert changed[ENTERPRISE_URN] == {"employeeNumber": "701984"}
    assert ENTERPRISE_URN in changed["schemas"]


def test_e07_several_attributes_with_the_flag_come_as_dotted_and_urn_keys(entra: People) -> None:
    user = entra.create()["id"]
    value = {
        "displayName": "Bjfe",
        "name.givenName": "Kkom",
        "name.familyName": "Unua",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber": "Aklq",
    }
    changed = entra.changed(user, {"op": "replace", "value": value})
    assert changed["displayName"] == "Bjfe"
    assert changed["name"] == {"givenName": "Kkom", "familyName": "Unua"}
    assert changed[ENTERPRISE_URN]["employeeNumber"] == "Aklq"


@pytest.mark.parametrize("op", ["Add", "Replace"])
def test_e08_a_value_path_that_matches_nothing_creates_the_element(entra: People, op: str) -> None:
    user = entra.create()["id"]
    changed = entra.changed(
        user,
        {"op": op, "path": 'phoneNumbers[type eq "mobile"].value', "value": "+1 425 555 0100"},
        {"op": op, "path": 'addresses[type eq "work"].postalCode', "value": "98052"},
    )
    assert changed["phoneNumbers"] == [{"type": "mobile", "value": "+1 425 555 0100"}]
    assert changed["addresses"] == [{"type": "work", "postalCode": "98052"}]


def test_e08_strict_connections_hear_no_target(strict: People) -> None:
    user = strict.create()["id"]
    refused(strict.change(user, {"op": "replace", "path": 'phoneNumbers[type eq "mobile"].value', "value": "1"}), 400, "noTarget")


def test_e09_the_validator_says_untyped_and_means_a_type(entra: People) -> None:
    user = entra.create(emails=[{"type": "untyped", "value": "a@acme.example", "primary": "true"}])["id"]
    assert entra.get(user).json["emails"] == [{"type": "untyped", "value": "a@acme.example", "primary": True}]
    changed = entra.changed(
        user,
        {"op": "Replace", "path": 'emails[type eq "untyped"].value', "value": "b@acme.example"},
        {"op": "Replace", "path": 'emails[type eq "untyped"].display', "value": "B"},
        {"op": "Replace", "path": 'emails[type eq "untyped"].primary', "value": True},
        {"op": "Replace", "path": "emails[primary eq true].value", "value": "c@acme.example"},
    )
    assert changed["emails"] == [{"type": "untyped", "value": "c@acme.example", "primary": True, "display": "B"}]
    # A telephone number is no truth value: refused, and never a fault of ours.
    path = 'phoneNumbers[type eq "untyped"].primary'
    refused(entra.change(user, {"op": "Replace", "path": path, "value": "1-648-081-5815 x2534"}), 400, "invalidValue")


def test_e10_post_user(entra: People) -> None:
    created = entra.post(
        {
            "schemas": [CORE_USER_URN, ENTERPRISE_URN],
            "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
            "userName": "Test_User_ab6490ee-1e48-479e-a20b-2d77186b5dd1",
            "active": True,
            "emails": [{"primary": True, "type": "work", "value": "Test_User_fd0ea19b-0777-472c-9f96-4f70d2226f2e@testuser.com"}],
            "meta": {"resourceType": "User"},
            "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"},
            "roles": [],
        }
    )
    assert created.status_code == 201
    document = created.json
    assert document["externalId"] == "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"
    assert document["name"] == {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"}
    assert "roles" not in document
    assert document["meta"]["resourceType"] == "User"


def test_e11_the_validators_user_is_stored_as_it_comes(entra: People) -> None:
    created = entra.post(
        {
            "schemas": [CORE_USER_URN, ENTERPRISE_URN],
            "userName": "validator@acme.example",
            "profileUrl": "HPSEOIPXMGOH",
            "locale": "PJNYJHWJILTI",
            "photos": [{"primary": "true", "display": "WVXUMNVDXYTN", "type": "photo"}],
            "x509Certificates": [{"primary": "true", "value": "FDLJKSFNGQPU", "type": "untyped"}],
            ENTERPRISE_URN: {"manager": "PNGSGXMVBTHS", "department": "MQPHTYQIJZLA"},
        }
    )
    assert created.status_code == 201, created.text
    document = created.json
    assert document["profileUrl"] == "HPSEOIPXMGOH"
    assert document["locale"] == "PJNYJHWJILTI"
    assert document["photos"] == [{"primary": True, "display": "WVXUMNVDXYTN", "type": "photo"}]
    assert document["x509Certificates"][0]["value"] == "FDLJKSFNGQPU"
    assert document[ENTERPRISE_URN]["manager"] == {"value": "PNGSGXMVBTHS"}


def test_e12_nulls_and_misplaced_extension_fields(entra: People) -> None:
    created = entra.post(
        {
            "schemas": [CORE_USER_URN, "urn:ietf:params:scim:schemas:extension:enterprise:2.0User"],
            "userName": "nulls@acme.example",
            "department": None,
            "manager": None,
            "addresses": None,
            "title": None,
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0User": {"costCenter": "4711"},
        }
    )
    assert created.status_code == 201, created.text
    assert created.json[ENTERPRISE_URN] == {"costCenter": "4711"}
    assert not {"department", "manager", "addresses", "title"} & created.json.keys()
    assert "urn:ietf:params:scim:schemas:extension:enterprise:2.0User" not in created.json["schemas"]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "Add", "path": "manager", "value": [{"$ref": "http://localhost:8000/Users/123", "value": "123"}]},
        {"op": "Add", "path": f"{ENTERPRISE_URN}:manager", "value": "123"},
        {"op": "Replace", "path": f"{ENTERPRISE_URN}:manager.value", "value": "123"},
        {"op": "Add", "path": "manager", "value": "123"},
        {"op": "replace", "value": {"manager": "123"}},
    ],
)
@pytest.mark.parametrize(
    "clearing", [{"op": "Remove", "path": f"{ENTERPRISE_URN}:manager"}, {"op": "Replace", "path": f"{ENTERPRISE_URN}:manager", "value": ""}]
)
def test_e13_manager_in_all_dialects_and_cleared_in_both(entra: People, operation: object, clearing: object) -> None:
    user = entra.create()["id"]
    assert entra.changed(user, operation)[ENTERPRISE_URN]["manager"]["value"] == "123"
    assert ENTERPRISE_URN not in entra.changed(user, clearing)


def test_e19_a_manager_probe_asks_for_two_attributes_at_once(entra: People) -> None:
    boss = entra.create("boss@acme.example")["id"]
    user = entra.create("ada@acme.example", **{ENTERPRISE_URN: {"manager": {"value": boss}}})["id"]
    probe = f'id eq "{user}" and manager eq "{boss}"'
    assert entra.who(f'id eq "{user}" and {ENTERPRISE_URN}:manager eq "{boss}"') == ["ada@acme.example"]
    assert entra.who(probe) == ["ada@acme.example"]
    assert entra.who(f'id eq "{boss}" and manager eq "{boss}"') == []


@pytest.mark.parametrize(
    "written",
    [
        'userName eq "jyoung@acme.example"',
        'externalId eq "jyoung"',
        "externalId eq jyoung",
        'emails[type eq "work"].value eq "jyoung@acme.example"',
        'displayName eq "Jo Young"',
        "userName sw J",
        "meta.Created gt 2015-10-10T14:38:21.8617979-07:00",
        "name.FamilyName eq Young and (emails.Value co acme.example or phoneNumbers.Value co 555)",
    ],
)
def test_e20_filters_as_microsoft_prints_them(entra: People, written: str) -> None:
    entra.create(
        "jyoung@acme.example",
        externalId="jyoung",
        displayName="Jo Young",
        name={"familyName": "Young"},
        emails=[{"type": "work", "value": "jyoung@acme.example"}],
    )
    assert entra.who(written) == ["jyoung@acme.example"]


@pytest.mark.parametrize("written", ["externalId eq jyoung", "meta.created gt 2015-10-10T14:38:21.8617979-07:00", "userName sw J"])
def test_e20_strict_connections_must_quote(strict: People, written: str) -> None:
    refused(strict.send("GET", f"/Users?{asking(filter=written)}"), 400, "invalidFilter", "E_Filter_Unsupported")


def test_e21_roles_as_json_text(entra: People) -> None:
    value = '{"id":"18d1","value":"WindowsAzureActiveDirectory"}'
    user = entra.create(roles=[{"value": value, "primary": "True"}])["id"]
    changed = entra.changed(user, {"op": "Add", "path": "roles", "value": [{"value": '{"id":"18d2"}'}]})
    assert [role["value"] for role in changed["roles"]] == [value, '{"id":"18d2"}']
    changed = entra.changed(user, {"op": "Replace", "path": 'roles[primary eq "True"].value', "value": "one"})
    assert [role["value"] for role in changed["roles"]] == ["one", '{"id":"18d2"}']


def test_e22_objects_added_to_a_list_of_texts_become_texts(entra: People) -> None:
    urn = "urn:ietf:params:scim:schemas:extension:moongate:2.0:User"
    user = entra.create()["id"]
    changed = entra.changed(user, {"op": "Add", "path": f"{urn}:companyContacts", "value": [{"value": "Billing"}]})
    assert changed[urn]["companyContacts"] == ["Billing"]


def test_e23_a_dot_before_an_extension_attribute(entra: People) -> None:
    user = entra.create()["id"]
    changed = entra.changed(user, {"op": "Add", "path": f"{ENTERPRISE_URN}.department", "value": "Sales"})
    assert changed[ENTERPRISE_URN] == {"department": "Sales"}


def test_e24_postmans_requests(entra: People) -> None:
    user = entra.create()["id"]
    body = {
        "schemas": [PATCH_URN],
        "id": user,
        "Operations": [{"name": "x", "op": "replace", "path": "displayName", "value": "Ada"}],
    }
    assert entra.send("PATCH", f"/Users/{user}", body).json["displayName"] == "Ada"
    assert entra.send("GET", "/serviceConfiguration").status_code == 200
    assert entra.send("GET", "/Users/?filter=").json["totalResults"] == 1
    found = entra.listed(asking(attributes='emails[type eq "work"]'))
    assert set(found["Resources"][0]) == {"schemas", "id"}
    misspelled = entra.put(user, person(displayNme="x"))
    assert misspelled.status_code == 200
    assert "displayNme" not in misspelled.json


def test_e25_no_operations_are_no_change(entra: People, strict: People) -> None:
    user = entra.create()
    answer = entra.change(user["id"])
    assert answer.status_code == 200
    assert answer.headers["ETag"] == user["meta"]["version"]
    other = strict.create("other@acme.example")["id"]
    refused(strict.change(other), 400, "invalidSyntax")


def test_e26_what_entra_insists_on(entra: People) -> None:
    user = entra.create("Ada.Lovelace@ACME.example", emails=[{"type": "work", "value": "Ada@ACME.example"}])
    assert isinstance(user["id"], str)
    assert user["userName"] == "Ada.Lovelace@ACME.example"
    assert user["emails"][0]["value"] == "Ada@ACME.example"
    entra.change(user["id"], {"op": "Replace", "path": "active", "value": "False"})
    answer = entra.get(user["id"])
    assert answer.headers["Content-Type"] == "application/scim+json"
    assert answer.json["active"] is False
    assert entra.who('userName eq "ada.lovelace@acme.example"') == ["Ada.Lovelace@ACME.example"]
    text = entra.send("GET", "/Schemas").text
    assert ":null" not in text.replace(" ", "")
    assert "multi_valued" not in text


def test_e27_the_schema_for_entras_test_button_leaves_out_display(entra: People, okta: People) -> None:
    def subs(directory: People) -> set[str]:
        schema = directory.send("GET", f"/Schemas/{CORE_USER_URN}").json
        emails = next(attribute for attribute in schema["attributes"] if attribute["name"] == "emails")
        return {sub["name"] for sub in emails["subAttributes"]}

    assert "display" not in subs(entra)
    assert "display" in subs(okta)


def test_e28_soft_delete_then_hard_delete_and_many_retries(entra: People, context: Context, clock: Clock) -> None:
    user = entra.create()["id"]
    for _ in range(3):
        assert entra.changed(user, {"op": "Replace", "path": "active", "value": "False"})["active"] is False
    clock.advance(seconds=30 * 86_400)
    assert entra.delete(user).status_code == 204
    refused(entra.delete(user), 404)


def test_e29_a_long_lived_bearer_token_is_enough(entra: People) -> None:
    assert entra.send("GET", "/Users").status_code == 200
    refused(entra.raw("GET", "/Users", b"", Authorization="Basic YTpi"), 401, code="E_Token_Missing")


@pytest.mark.parametrize("value", [True, "True", "true", "TRUE", [{"value": "True"}]])
def test_e30_both_dialects_reach_the_same_connection(entra: People, value: object) -> None:
    user = entra.create(active=False)["id"]
    assert entra.changed(user, {"op": "replace", "path": "active", "value": value})["active"] is True
