"""Reading, projection, order and pages of people: A29-A38, A58-A63, A67, A68 of scim.md section 5."""

import json
from types import SimpleNamespace

import orjson
import pytest
from flask.testing import FlaskClient

from gateway.domain.nodes import Node, NodeKind
from gateway.services import nodes, person_views
from gateway.services.context import Context
from gateway.services.house import House
from gateway.services.nodes import NewNode
from tests.scim.people import CORE_USER_URN, ENTERPRISE_URN, MOONGATE_URN, SEARCH_URN, People, asking, people_of, person, refused, traced

ADA, BOB, CAROL = "Ada@acme.example", "bob@acme.example", "carol@acme.example"


def test_a29_an_unknown_a_foreign_and_a_malformed_id_are_the_same_404(
    entra: People, client: FlaskClient, context: Context, globex: Node
) -> None:
    theirs = people_of(client, context, globex).create()["id"]
    details = {refused(entra.get(user), 404, code="E_Resource_Not_Found")[:60] for user in (theirs, "nobody", "%00", "x" * 2000, "..%2F")}
    assert len(details) == 1


def test_a30_attributes_choose_and_id_and_schemas_are_always_there(crowd: People) -> None:
    user = crowd.listed(asking(filter=f'userName eq "{ADA}"'))["Resources"][0]["id"]
    assert set(crowd.get(user, "?attributes=userName").json) == {"schemas", "id", "userName"}
    assert set(crowd.get(user, "?attributes=nobody").json) == {"schemas", "id"}


def test_a31_sub_attributes_and_urns_in_any_case(crowd: People) -> None:
    user = crowd.listed(asking(filter=f'userName eq "{ADA}"'))["Resources"][0]["id"]
    assert crowd.get(user, "?attributes=NAME.givenname").json["name"] == {"givenName": "Ada"}
    document = crowd.get(user, f"?attributes={CORE_USER_URN}:userName,{ENTERPRISE_URN.upper()}:department").json
    assert document[ENTERPRISE_URN] == {"department": "Engines"}
    assert document["userName"] == ADA
    assert "displayName" not in document


def test_a32_what_is_always_returned_cannot_be_excluded(crowd: People) -> None:
    user = crowd.listed(asking(filter=f'userName eq "{ADA}"'))["Resources"][0]["id"]
    document = crowd.get(user, "?excludedAttributes=id,schemas,emails,name.familyName").json
    assert {"id", "schemas"} <= document.keys()
    assert "emails" not in document
    assert document["name"] == {"givenName": "Ada"}


def test_a33_attributes_and_excluded_attributes_exclude_each_other(entra: People) -> None:
    refused(entra.send("GET", "/Users?attributes=userName&excludedAttributes=emails"), 400, "invalidValue")


def test_a35_nothing_here_is_returned_on_request_only(entra: People) -> None:
    assert '"returned":"request"' not in entra.send("GET", "/Schemas").text


def test_a36_attributes_are_honoured_by_writes_and_searches(entra: People) -> None:
    only = {"schemas", "id", "userName"}
    created = entra.post(person(title="X"), "?attributes=userName")
    user = created.json["id"]
    assert set(created.json) == only
    assert set(entra.put(user, person(), "?attributes=userName").json) == only
    changed = entra.change(user, {"op": "add", "path": "title", "value": "Y"}, query="?attributes=userName")
    assert (changed.status_code, set(changed.json)) == (200, only)
    found = entra.send("POST", "/Users/.search", {"schemas": [SEARCH_URN], "attributes": ["userName"]}).json
    assert set(found["Resources"][0]) == only
    assert set(entra.listed("attributes=userName")["Resources"][0]) == only


def test_a37_locations_are_absolute_and_below_the_tenant(entra: People) -> None:
    user = entra.create()
    assert user["meta"]["location"] == f"http://localhost:8000/t/acme/scim/v2/Users/{user['id']}"


def test_a38_groups_are_computed_and_read_only(entra: People, strict: People) -> None:
    user = entra.create()["id"]
    group = entra.group("Team", user)
    document = entra.get(user).json
    assert document["groups"] == [
        {"value": group, "$ref": f"http://localhost:8000/t/acme/scim/v2/Groups/{group}", "display": "Team", "type": "direct"}
    ]
    assert entra.put(user, document | {"groups": []}).json["groups"] == document["groups"]
    mine = strict.create("strict@acme.example")["id"]
    refused(strict.change(mine, {"op": "replace", "path": "groups", "value": []}), 400, "mutability")


def test_a58_order_ignores_case_and_ascends(crowd: People) -> None:
    assert crowd.who("userName pr", "&sortBy=userName") == [ADA, BOB, CAROL]
    assert crowd.who("userName pr", "&sortBy=userName&sortOrder=descending") == [CAROL, BOB, ADA]
    refused(crowd.send("GET", "/Users?sortBy=userName&sortOrder=sideways"), 400, "invalidValue")


@pytest.mark.parametrize("attribute", ["title", "nickName", "externalId", f"{ENTERPRISE_URN}:department", "addresses.locality"])
def test_a59_missing_values_come_last_ascending_and_first_descending(crowd: People, attribute: str) -> None:
    def missing(order: str) -> list[bool]:
        resources = crowd.listed(asking(sortBy=attribute, sortOrder=order))["Resources"]
        name = attribute.rpartition(":")[2]
        return [name not in json.dumps(resource) for resource in resources]

    assert missing("ascending") == sorted(missing("ascending"))
    assert missing("descending") == sorted(missing("descending"), reverse=True)


def test_a59_a_multi_valued_attribute_is_sorted_by_its_primary_element(crowd: People) -> None:
    crowd.create("dan@acme.example", emails=[{"value": "ZZ@first.example"}, {"value": "aa@second.example", "primary": True}])
    assert crowd.who("emails pr", "&sortBy=emails") == ["dan@acme.example", ADA, BOB]
    assert crowd.who("emails pr", "&sortBy=emails.value&sortOrder=descending") == [BOB, ADA, "dan@acme.example"]
    refused(crowd.send("GET", "/Users?sortBy=name"), 400, "invalidValue")


def test_a60_an_unknown_order_is_refused(crowd: People) -> None:
    refused(crowd.send("GET", "/Users?sortBy=shoeSize"), 400, "invalidValue")


def test_a61_pages_out_of_bounds(crowd: People) -> None:
    for start in (0, -5):
        assert crowd.listed(f"startIndex={start}")["startIndex"] == 1
    beyond = crowd.listed("startIndex=10")
    assert (beyond["totalResults"], beyond["itemsPerPage"], beyond["Resources"]) == (3, 0, [])
    for count in (0, -1):
        none = crowd.listed(f"count={count}")
        assert (none["totalResults"], none["itemsPerPage"]) == (3, 0)
        assert "Resources" not in none
    filtered = crowd.listed(asking(filter="title pr", startIndex=5))
    assert (filtered["totalResults"], filtered["Resources"]) == (1, [])
    assert crowd.listed(asking(filter="title pr", count=0))["totalResults"] == 1
    refused(crowd.send("GET", "/Users?count=abc"), 400, "invalidValue")
    refused(crowd.send("GET", "/Users?startIndex=1.5"), 400, "invalidValue")


def test_a62_a_page_has_a_thousand_people_at_most(entra: People, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        entra.create(f"p{number}@acme.example")
    monkeypatch.setattr("scim.parameters.MAX_RESULTS", 3)
    found = entra.listed("count=100000")
    assert (found["totalResults"], found["itemsPerPage"], len(found["Resources"])) == (4, 3, 3)


@pytest.mark.parametrize("sort", ["", "&sortBy=title", "&sortBy=active&sortOrder=descending", "&sortBy=meta.created", "&sortBy=nickName"])
def test_a63_every_order_is_total(crowd: People, sort: str) -> None:
    for number in range(4):
        crowd.create(f"same{number}@acme.example", title="Same")
    whole = [user["id"] for user in crowd.listed(f"count=100{sort}")["Resources"]]
    assert len(set(whole)) == 7
    assert [user["id"] for start in range(1, 8, 2) for user in crowd.listed(f"startIndex={start}&count=2{sort}")["Resources"]] == whole


def test_a67_a_search_by_post_is_the_same_search(crowd: People) -> None:
    body = {"schemas": [SEARCH_URN], "filter": "emails pr", "sortBy": "userName", "startIndex": 2, "count": 1}
    found = crowd.send("POST", "/Users/.search", body)
    assert found.status_code == 200
    assert found.json == crowd.listed(asking(filter="emails pr", sortBy="userName", startIndex=2, count=1))
    assert (found.json["totalResults"], found.json["Resources"][0]["userName"]) == (2, BOB)


def test_a68_unknown_parameters_are_ignored(crowd: People) -> None:
    assert crowd.listed("aadOptscim062020&foo=bar&Filter=x")["totalResults"] == 3


def test_totals_without_a_filter_are_those_of_the_subtree_and_cost_no_count(
    entra: People, client: FlaskClient, context: Context, acme: Node, globex: Node, house: House
) -> None:
    unit = nodes.create_node(context, acme.id, NewNode("unit", "Unit", NodeKind.UNIT))
    below, beside = people_of(client, context, unit), people_of(client, context, globex)
    entra.create("a@acme.example")
    below.create("b@acme.example")
    beside.create("c@globex.example")
    with traced(house.database) as ran:
        assert entra.listed("count=1")["totalResults"] == 2
    assert not [sql for sql in ran if "COUNT(" in sql]
    assert below.listed("")["totalResults"] == 1
    assert beside.listed("")["totalResults"] == 1
    entra.delete(entra.listed(asking(filter='userName eq "a@acme.example"'))["Resources"][0]["id"])
    assert entra.listed("count=0")["totalResults"] == 1


def test_a_read_is_few_queries_and_parses_no_document(crowd: People, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    user = crowd.listed(asking(filter=f'userName eq "{ADA}"'))["Resources"][0]["id"]
    monkeypatch.setattr(person_views, "orjson", SimpleNamespace(dumps=orjson.dumps))
    with traced(house.database) as ran:
        assert crowd.get(user).status_code == 200
    assert len([sql for sql in ran if 'FROM "account"' in sql]) == 1
    assert len(ran) <= 7, ran
    with traced(house.database) as ran:
        assert crowd.listed("count=100")["itemsPerPage"] == 3
    assert len(ran) <= 8, ran


def test_our_extension_tells_what_we_know(entra: People, context: Context) -> None:
    document = entra.create(**{MOONGATE_URN: {"mfaRequired": True, "companyContacts": ["Billing"]}}, preferredLanguage="de")
    assert document[MOONGATE_URN] == {
        "status": "invited",
        "signInMethod": "password",
        "loginMatching": "email",
        "federatedOnly": False,
        "mfaRequired": True,
        "mfaStatus": "none",
        "lockedOut": False,
        "emailValidated": False,
        "scope": {"tenant": "acme"},
        "companyContacts": ["Billing"],
        "language": "de",
    }
    assert document["schemas"] == [CORE_USER_URN, MOONGATE_URN]
