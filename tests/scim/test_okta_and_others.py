"""Okta and the others as they really speak: scim.md sections 2.2 and 2.3."""

import time

import pytest

from gateway.services.context import Context
from tests.scim.people import CORE_USER_URN, ENTERPRISE_URN, LIST_URN, People, asking, person, refused

OKTA_USER = {
    "schemas": [CORE_USER_URN],
    "userName": "test.user@okta.local",
    "name": {"givenName": "Test", "familyName": "User"},
    "emails": [{"primary": True, "value": "test.user@okta.local", "type": "work"}],
    "displayName": "Test User",
    "locale": "en-US",
    "externalId": "00ujl29u0le5T6Aj10h7",
    "groups": [],
    "password": "1mz050nq",
    "active": True,
}


@pytest.mark.parametrize("count", [1, 2])
def test_o01_the_connection_test_reads_a_page(okta: People, count: int) -> None:
    okta.post(OKTA_USER)
    found = okta.listed(f"startIndex=1&count={count}")
    assert found["schemas"] == [LIST_URN]
    user = found["Resources"][0]
    assert user["id"]
    assert user["name"]["givenName"]
    assert user["name"]["familyName"]
    assert user["userName"]
    assert user["active"] is True
    assert user["emails"]


def test_o02_paging_is_told_in_integers(okta: People) -> None:
    found = okta.listed(asking(filter='userName eq "test.user@okta.local"', startIndex=1, count=100))
    for name in ("startIndex", "itemsPerPage", "totalResults"):
        assert type(found[name]) is int
    assert found["totalResults"] == 0


def test_o03_post_ignores_groups_never_echoes_the_password_and_answers_409_for_a_known_name(okta: People) -> None:
    created = okta.post(OKTA_USER)
    assert created.status_code == 201
    assert created.json["externalId"] == "00ujl29u0le5T6Aj10h7"
    assert "groups" not in created.json
    assert "1mz050nq" not in created.text
    refused(okta.post(OKTA_USER), 409, "uniqueness", "E_Login_Taken")


def test_o04_deactivation_by_patch_and_by_get_then_put(okta: People) -> None:
    user = okta.post(OKTA_USER).json["id"]
    answer = okta.change(user, {"op": "replace", "value": {"active": False}})
    assert (answer.status_code, answer.json["active"]) == (200, False)
    whole = okta.get(user).json | {"active": True}
    assert okta.put(user, whole).json["active"] is True
    whole = okta.get(user).json | {"active": False}
    answer = okta.put(user, whole)
    assert (answer.status_code, answer.json["active"]) == (200, False)


def test_o05_an_equal_id_in_a_value_is_no_change_and_another_one_is_refused(okta: People) -> None:
    user = okta.post(OKTA_USER).json["id"]
    assert okta.changed(user, {"op": "replace", "value": {"id": user, "displayName": "New"}})["displayName"] == "New"
    refused(okta.change(user, {"op": "replace", "value": {"id": "abf4", "displayName": "X"}}), 400, "mutability")


@pytest.mark.parametrize("path", ["ServiceProviderConfig", "ResourceTypes", "Schemas"])
def test_o07_discovery_refuses_methods_before_it_reads_a_body(okta: People, path: str) -> None:
    answer = okta.raw("POST", f"/{path}", "test", Content_Type="text/plain")
    refused(answer, 405, code="E_Method_Not_Allowed")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_o07_the_details_of_the_spec_test(okta: People) -> None:
    refused(okta.send("GET", "/Users?" + asking(filter="garbage")), 400, "invalidFilter")
    refused(okta.get("010101001010101011001010101011"), 404, code="E_Resource_Not_Found")
    config = okta.send("GET", "/ServiceProviderConfig").json
    assert {"type", "name", "description"} <= config["authenticationSchemes"][0].keys()
    assert {"supported", "maxOperations", "maxPayloadSize"} <= config["bulk"].keys()


def test_o07_answers_come_quickly(okta: People) -> None:
    okta.post(OKTA_USER)
    started = time.perf_counter()
    for path in ("/Users", "/ServiceProviderConfig", "/Schemas"):
        assert okta.send("GET", path).status_code == 200
    assert time.perf_counter() - started < 1.2


def test_o08_patch_answers_200_with_the_new_state(okta: People) -> None:
    user = okta.post(OKTA_USER).json["id"]
    answer = okta.change(user, {"op": "replace", "path": "active", "value": False})
    assert answer.status_code == 200
    assert answer.json["active"] is False


def test_o09_pages_fit_together_in_a_constant_order(okta: People) -> None:
    for number in range(7):
        okta.create(f"person{number}@acme.example")
    pages = [okta.listed(f"startIndex={start}&count=3") for start in (1, 4, 7)]
    ids = [user["id"] for page in pages for user in page["Resources"]]
    assert len(ids) == len(set(ids)) == 7
    assert ids == [user["id"] for user in okta.listed("count=100")["Resources"]]


def test_onelogin_sends_urns_from_before_the_rfc(lenient: People) -> None:
    created = lenient.post(
        {
            "schemas": ["urn:scim:schemas:core:1.0", "urn:scim:schemas:extension:enterprise:2.0"],
            "userName": "ada@acme.example",
            "urn:scim:schemas:extension:enterprise:2.0": {"department": "Sales"},
        }
    )
    assert created.status_code == 201, created.text
    assert created.json["schemas"][:2] == [CORE_USER_URN, "urn:ietf:params:scim:schemas:extension:moongate:2.0:User"]
    assert created.json[ENTERPRISE_URN] == {"department": "Sales"}


def test_onelogin_ends_its_base_with_a_question_mark_or_an_ampersand(lenient: People) -> None:
    lenient.create()
    assert lenient.send("GET", "/Users?&count=1").status_code == 200
    assert lenient.send("GET", "/Users?").status_code == 200


def test_jumpcloud_creates_and_deletes_a_test_user(lenient: People) -> None:
    user = lenient.create("jumpcloud-test@acme.example")
    assert isinstance(user["id"], str)
    assert lenient.send("DELETE", f"/Users/{user['id']}/").status_code == 204
    assert lenient.create("jumpcloud-test@acme.example")["id"] != user["id"]


def test_ping_puts_whole_users(lenient: People) -> None:
    user = lenient.create(title="Engineer")["id"]
    answer = lenient.put(user, person(displayName="Ada"))
    assert answer.status_code == 200
    assert "title" not in answer.json


def test_google_suspends_and_deletes_long_after(lenient: People) -> None:
    user = lenient.create()["id"]
    assert lenient.changed(user, {"op": "replace", "path": "active", "value": False})["active"] is False
    assert lenient.delete(user).status_code == 204


def test_keycloak_disables_with_a_text_in_a_value(lenient: People) -> None:
    assert lenient.changed(lenient.create()["id"], {"op": "replace", "value": {"active": "false"}})["active"] is False


def test_ibm_verify_reads_the_list_and_deprovisions_by_delete(lenient: People) -> None:
    assert lenient.send("GET", "/Users").status_code == 200
    assert lenient.delete(lenient.create()["id"]).status_code == 204


def test_a_plus_in_a_filter_means_a_blank_and_arrives_as_percent_2b_otherwise(okta: People) -> None:
    okta.create("ada+news@acme.example")
    assert okta.listed("filter=userName+eq+%22ada%2Bnews@acme.example%22")["totalResults"] == 1


def test_quotes_and_backslashes_in_a_filter_are_literal(okta: People) -> None:
    okta.create("ada@acme.example", displayName='Ada "The\\Countess"')
    assert okta.who('displayName eq "Ada \\"The\\\\Countess\\""') == ["ada@acme.example"]


def test_every_dialect_is_named_in_the_log(entra: People, context: Context) -> None:
    user = entra.create()["id"]
    entra.change(user, {"op": "Replace", "path": "active", "value": "False"})
    row = entra.log(context)[0]
    assert "N3 op lower-cased" in row.rewrites
    assert "N4 string to boolean" in row.rewrites
