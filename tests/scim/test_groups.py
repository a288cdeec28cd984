"""`/Groups` through its door: create, read, list, replace, delete, versions, tenants apart, members read only where wanted."""

import json

import pytest
from flask.testing import FlaskClient

from gateway.domain.connections import Adoption
from gateway.domain.nodes import Node
from gateway.domain.schema import CORE_GROUP_URN
from gateway.services import groups, people
from gateway.services.context import Context
from gateway.services.groups import Wanted
from gateway.storage import audit
from tests.conftest import Clock
from tests.groups import PATCH_URN, Directory, directory_at, people_at, person_at, statements

MICROSOFT_GROUP_URN = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"


@pytest.fixture
def entra(client: FlaskClient, context: Context, acme: Node) -> Directory:
    return directory_at(client, context, acme)


def test_a_group_is_created_with_its_members_and_answered_whole(entra: Directory, context: Context, acme: Node) -> None:
    anna = person_at(context, acme, "anna")
    body = {"schemas": [CORE_GROUP_URN], "displayName": "Team", "externalId": "8aa1a0c0", "members": [{"$ref": None, "value": anna.id}]}
    created = entra.send("POST", "/Groups", body)
    assert created.status_code == 201
    location = f"http://localhost:8000/t/acme/scim/v2/Groups/{created.json['id']}"
    assert created.headers["Location"] == created.json["meta"]["location"] == location
    assert created.headers["ETag"] == created.json["meta"]["version"] == 'W/"1"'
    assert created.json == {
        "schemas": [CORE_GROUP_URN],
        "id": created.json["id"],
        "displayName": "Team",
        "externalId": "8aa1a0c0",
        "members": [
            {
                "value": anna.id,
                "$ref": f"http://localhost:8000/t/acme/scim/v2/Users/{anna.id}",
                "display": "Anna Ek",
                "type": "User",
            }
        ],
        "meta": created.json["meta"],
    }
    assert created.json["meta"]["resourceType"] == "Group"
    assert entra.send("GET", f"/Groups/{created.json['id']}").json == created.json


def test_e17_a_group_with_microsofts_own_schema_is_taken(entra: Directory) -> None:
    body = {"schemas": [CORE_GROUP_URN, MICROSOFT_GROUP_URN], "displayName": "Team", "meta": {"resourceType": "Group"}}
    created = entra.send("POST", "/Groups", body)
    assert created.status_code == 201
    assert created.json["schemas"] == [CORE_GROUP_URN]


@pytest.mark.parametrize("name", [None, "", "   ", 5, "bell\u0007", "x" * 300])
def test_a_group_needs_a_name_that_can_be_shown(entra: Directory, name: object) -> None:
    refused = entra.send("POST", "/Groups", {"schemas": [CORE_GROUP_URN], "displayName": name})
    assert (refused.status_code, refused.json["scimType"]) == (400, "invalidValue")


def test_r203_members_must_exist_and_names_are_unique(entra: Directory) -> None:
    entra.group("Team")
    taken = entra.send("POST", "/Groups", {"schemas": [CORE_GROUP_URN], "displayName": "team"})
    assert (taken.status_code, taken.json["scimType"]) == (409, "uniqueness")
    nobody = "11111111-2222-4333-8444-555555555555"
    unknown = entra.send("POST", "/Groups", {"schemas": [CORE_GROUP_URN], "displayName": "Other", "members": [{"value": nobody}]})
    assert (unknown.status_code, unknown.json["scimType"]) == (400, "invalidValue")
    assert "E_Field_Invalid" in unknown.json["detail"]
    assert nobody in unknown.json["detail"]
    assert entra.find('displayName eq "Other"') == []


def test_a_lenient_connection_keeps_unknown_members_and_repeated_names(client: FlaskClient, context: Context, acme: Node) -> None:
    lenient = directory_at(client, context, acme, "lenient")
    nobody = "11111111-2222-4333-8444-555555555555"
    first, second = lenient.group("Team", nobody), lenient.group("Team")
    assert first != second
    assert lenient.send("GET", f"/Groups/{first}").json["members"] == [{"value": nobody}]
    lenient.patch(second, {"op": "add", "path": "members", "value": [{"value": nobody, "display": "Nobody", "type": "User"}]})
    assert lenient.send("GET", f"/Groups/{second}").json["members"] == [{"value": nobody, "display": "Nobody"}]


def test_the_same_external_id_is_taken_once_by_a_connection(entra: Directory) -> None:
    entra.group("Team", externalId="x")
    refused = entra.send("POST", "/Groups", {"schemas": [CORE_GROUP_URN], "displayName": "Other", "externalId": "x"})
    assert (refused.status_code, refused.json["scimType"]) == (409, "uniqueness")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_another_tenants_group_is_answered_as_one_that_never_was(
    client: FlaskClient, context: Context, entra: Directory, globex: Node, method: str
) -> None:
    group = entra.group("Team")
    foreign = directory_at(client, context, globex)
    bodies = {
        "PUT": {"schemas": [CORE_GROUP_URN], "displayName": "Mine"},
        "PATCH": {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "remove", "path": "members"}]},
    }
    answers = []
    for target in (group, "11111111-2222-4333-8444-555555555555"):
        answer = foreign.send(method, f"/Groups/{target}", bodies.get(method))
        assert answer.status_code == 404
        answers.append({name: value for name, value in answer.json.items() if name != "detail"})
    assert answers[0] == answers[1]
    assert foreign.send("GET", "/Groups").json["totalResults"] == 0
    assert entra.send("GET", f"/Groups/{group}").json["displayName"] == "Team"


def test_a_group_of_another_connection_is_seen_and_not_written(client: FlaskClient, context: Context, acme: Node, entra: Directory) -> None:
    group = entra.group("Team")
    okta = directory_at(client, context, acme, "okta", adoption=Adoption.ADOPT)
    assert okta.send("GET", f"/Groups/{group}").status_code == 200
    assert okta.patch(group, {"op": "remove", "path": "members"}).status_code == 403
    assert okta.send("DELETE", f"/Groups/{group}").status_code == 403
    assert entra.etag(group) == 'W/"1"'


def test_put_replaces_everything_and_changes_nothing_where_nothing_differs(entra: Directory, context: Context, acme: Node) -> None:
    anna, ben = person_at(context, acme, "anna"), person_at(context, acme, "ben")
    group = entra.group("Team", anna.id, externalId="x")
    body = {"schemas": [CORE_GROUP_URN], "id": group, "displayName": "Team", "externalId": "x", "members": [{"value": anna.id}]}
    same = entra.send("PUT", f"/Groups/{group}", body)
    assert (same.status_code, same.headers["ETag"]) == (200, 'W/"1"')
    renamed = entra.send("PUT", f"/Groups/{group}", {"schemas": [CORE_GROUP_URN], "displayName": "Crew", "members": [{"value": ben.id}]})
    assert (renamed.status_code, renamed.headers["ETag"]) == (200, 'W/"2"')
    assert (renamed.json["displayName"], entra.members(group)) == ("Crew", {ben.id})
    assert "externalId" not in renamed.json
    cleared = entra.send("PUT", f"/Groups/{group}", {"schemas": [CORE_GROUP_URN], "displayName": "Crew"})
    assert (cleared.status_code, entra.members(group)) == (200, set())


def test_put_to_an_unknown_id_never_creates(entra: Directory) -> None:
    body = {"schemas": [CORE_GROUP_URN], "displayName": "Team"}
    assert entra.send("PUT", "/Groups/11111111-2222-4333-8444-555555555555", body).status_code == 404
    assert entra.send("GET", "/Groups").json["totalResults"] == 0


def test_a_deleted_group_is_gone_from_lists_from_people_and_from_groups(entra: Directory, context: Context, acme: Node) -> None:
    anna = person_at(context, acme, "anna")
    group = entra.group("Team", anna.id)
    outer = entra.group("Outer", group)
    deleted = entra.send("DELETE", f"/Groups/{group}")
    assert (deleted.status_code, deleted.data) == (204, b"")
    for method in ("GET", "DELETE"):
        assert entra.send(method, f"/Groups/{group}").status_code == 404
    assert entra.find("displayName pr") == ["Outer"]
    assert (entra.members(outer), entra.etag(outer)) == (set(), 'W/"2"')
    assert groups.list_groups_of(context, anna.id) == []
    assert entra.group("Team") != group


def test_a94_a_deleted_person_leaves_groups_and_their_versions_change(entra: Directory, context: Context, acme: Node) -> None:
    anna = person_at(context, acme, "anna")
    group = entra.group("Team", anna.id)
    people.delete_person(context, anna)
    assert (entra.members(group), entra.etag(group)) == (set(), 'W/"2"')


def test_versions_guard_writes_and_spare_reads(entra: Directory, context: Context, acme: Node) -> None:
    anna = person_at(context, acme, "anna")
    group = entra.group("Team")
    add = {"op": "add", "path": "members", "value": [{"value": anna.id}]}
    assert entra.patch(group, add, If_Match='W/"7"').status_code == 412
    assert entra.members(group) == set()
    assert entra.patch(group, add, If_Match='W/"7", W/"1"').status_code == 204
    assert entra.send("GET", f"/Groups/{group}", If_None_Match='W/"2"').status_code == 304
    assert entra.send("GET", f"/Groups/{group}", If_None_Match='W/"1"').status_code == 200
    body = {"schemas": [CORE_GROUP_URN], "displayName": "Crew"}
    assert entra.send("PUT", f"/Groups/{group}", body, If_None_Match='W/"2"').status_code == 412
    assert entra.send("PUT", f"/Groups/{group}", body, If_Match='W/"1"').status_code == 412
    assert entra.send("DELETE", f"/Groups/{group}", If_Match='W/"1"').status_code == 412
    assert entra.send("DELETE", f"/Groups/{group}", If_Match="*").status_code == 204


@pytest.mark.parametrize(
    "query", ["?excludedAttributes=members", "?attributes=displayName", "?attributes=id", "?excludedAttributes=MEMBERS"]
)
def test_a34_e18_members_that_are_not_wanted_are_not_read(entra: Directory, context: Context, acme: Node, query: str) -> None:
    group = entra.group("Team", *(person.id for person in people_at(context, acme, 3)))
    for path in (f"/Groups/{group}{query}", f"/Groups{query}", f'/Groups{query}&filter=displayName eq "Team"'):
        with statements(context.database) as ran:
            answer = entra.send("GET", path)
        assert answer.status_code == 200
        assert "members" not in answer.text
        assert not [sql for sql in ran if "group_member" in sql]


def test_members_are_read_by_one_statement_for_a_whole_page(entra: Directory, context: Context, acme: Node) -> None:
    crowd = people_at(context, acme, 4)
    for number, person in enumerate(crowd):
        entra.group(f"Team {number}", person.id)
    with statements(context.database) as ran:
        listed = entra.send("GET", "/Groups")
    assert {resource["members"][0]["value"] for resource in listed.json["Resources"]} == {person.id for person in crowd}
    assert len([sql for sql in ran if 'FROM "group_member"' in sql and 'JOIN "account"' in sql]) == 1


def test_projections_reach_into_members(entra: Directory, context: Context, acme: Node) -> None:
    anna = person_at(context, acme, "anna")
    group = entra.group("Team", anna.id)
    wanted = entra.send("GET", f"/Groups/{group}?attributes=members.value").json
    assert wanted == {"schemas": [CORE_GROUP_URN], "id": group, "members": [{"value": anna.id}]}
    both = entra.send("GET", f"/Groups/{group}?attributes=id&excludedAttributes=members")
    assert (both.status_code, both.json["scimType"]) == (400, "invalidValue")


def test_groups_are_found_by_what_directories_ask_for(entra: Directory, context: Context, acme: Node) -> None:
    anna, ben = person_at(context, acme, "anna"), person_at(context, acme, "ben")
    sales, _ = entra.group("Sales", anna.id, externalId="S-1"), entra.group("IT", ben.id, externalId="I-1")
    assert entra.find('displayName eq "sales"') == ["Sales"]
    assert entra.find('externalId eq "I-1"') == ["IT"]
    assert entra.find('externalId eq "i-1"') == []
    assert entra.find(f'members[value eq "{anna.id}"]') == ["Sales"]
    assert entra.find(f'id eq "{sales}" and members eq "{ben.id}"', "&attributes=id,displayName") == []
    probe = entra.send("GET", f'/Groups?filter=id eq "{sales}" and members eq "{anna.id}"&attributes=id')
    assert probe.json["Resources"] == [{"schemas": [CORE_GROUP_URN], "id": sales}]
    assert entra.find('displayName co "a" and not (displayName sw "i")') == ["Sales"]
    assert entra.find("externalId eq S-1") == ["Sales"]


@pytest.mark.parametrize("written", ["nonsense", 'userName eq "x"', 'members.display eq "x"', "displayName eq", 'displayName xx "a"'])
def test_filters_that_mean_nothing_here_are_refused(entra: Directory, written: str) -> None:
    refused = entra.send("GET", f"/Groups?filter={written}")
    assert (refused.status_code, refused.json["scimType"]) == (400, "invalidFilter")


def test_pages_and_totals(entra: Directory, clock: Clock) -> None:
    for name in ("C", "a", "B"):
        entra.group(name)
        clock.advance(seconds=1)
    page = entra.send("GET", "/Groups?sortBy=displayName&startIndex=2&count=1").json
    assert (page["totalResults"], page["itemsPerPage"], page["startIndex"]) == (3, 1, 2)
    assert [resource["displayName"] for resource in page["Resources"]] == ["B"]
    beyond = entra.send("GET", "/Groups?startIndex=9").json
    assert (beyond["totalResults"], beyond["Resources"]) == (3, [])
    assert entra.send("GET", "/Groups?count=0").json["totalResults"] == 3
    assert entra.send("GET", '/Groups?count=0&filter=displayName ne "a"').json["totalResults"] == 2
    refused = entra.send("GET", "/Groups?sortBy=members")
    assert (refused.status_code, refused.json["scimType"]) == (400, "invalidValue")


def test_a_search_at_the_base_finds_groups_beside_people(entra: Directory, context: Context, acme: Node) -> None:
    person_at(context, acme, "anna")
    entra.group("Team")
    everything = entra.send("GET", "/?excludedAttributes=members").json
    assert [resource["meta"]["resourceType"] for resource in everything["Resources"]] == ["User", "Group"]
    either = entra.send("GET", '/?filter=userName eq "anna" or members pr or displayName eq "team"').json
    assert either["totalResults"] == 2
    groups_alone = entra.send("GET", '/?filter=meta.resourceType eq "Group"&sortBy=userName').json
    assert [resource["displayName"] for resource in groups_alone["Resources"]] == ["Team"]


def test_pingfederate_finds_a_group_by_turning_all_pages(entra: Directory, clock: Clock) -> None:
    for number in range(7):
        entra.group(f"Team {number}")
        clock.advance(seconds=1)
    found: list[str] = []
    while page := entra.send("GET", f"/Groups?startIndex={len(found) + 1}&count=3").json["Resources"]:
        found += [resource["displayName"] for resource in page]
    assert found == [f"Team {number}" for number in range(7)]


def test_searches_by_post_answer_like_those_by_get(entra: Directory) -> None:
    entra.group("Team")
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": 'displayName eq "team"'}
    assert entra.send("POST", "/Groups/.search", body).json == entra.send("GET", '/Groups?filter=displayName eq "team"').json


def test_a_page_with_too_many_members_is_refused_before_they_are_read(
    entra: Directory, context: Context, acme: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = [person.id for person in people_at(context, acme, 3)]
    entra.group("One", *crowd)
    two = entra.group("Two", *crowd)
    monkeypatch.setattr(groups, "MAX_MEMBERS_SHOWN", 5)
    refused = entra.send("GET", "/Groups")
    assert (refused.status_code, refused.json["scimType"]) == (400, "tooMany")
    assert entra.send("GET", "/Groups?excludedAttributes=members").status_code == 200
    assert len(entra.members(two)) == 3


def test_every_write_leaves_an_event_and_a_line_in_the_log(entra: Directory, context: Context, acme: Node) -> None:
    anna = person_at(context, acme, "anna")
    group = entra.group("Team")
    entra.patch(group, {"op": "Add", "path": "members", "value": [{"value": anna.id}]})
    rows = [row for row in audit.list_audit(context.database, acme.id, limit=50) if row.target == group]
    assert {(row.action, row.actor, row.channel) for row in rows} == {
        ("group.created", entra.connection.id, "scim"),
        ("group.changed", entra.connection.id, "scim"),
    }
    logged = context.database.script("SELECT operation, target, status, rewrites, detail FROM scim_log WHERE operation = 'group.patch'")
    operation, target, status, rewrites, detail = logged[0]
    assert (operation, target, status, json.loads(rewrites)) == ("group.patch", group, 204, ["N3 op lower-cased"])
    assert json.loads(detail) == {"added": 1, "removed": 0, "version": 2}


def test_a_group_made_by_hand_is_seen_and_written_by_adopting_directories_only(
    client: FlaskClient, context: Context, acme: Node, entra: Directory
) -> None:
    by_hand = groups.create_group(context, acme, Wanted("By hand", None)).seen.group
    rename = {"op": "replace", "path": "displayName", "value": "Pushed"}
    assert entra.patch(by_hand.id, rename).status_code == 403
    okta = directory_at(client, context, acme, "okta", adoption=Adoption.ADOPT)
    assert okta.patch(by_hand.id, rename).status_code == 204
    assert groups.get_group_by_name(context, acme, "Pushed").managed_by == okta.connection.id


@pytest.mark.parametrize(
    "body",
    [
        {"displayName": "T", "members": "nobody"},
        {"displayName": "T", "members": {"value": 5}},
        {"displayName": "T", "members": [[]]},
        {"displayName": "T", "members": [{"display": "x"}]},
        {"displayName": "T", "members": [{"value": ["a"]}]},
        {"displayName": ["T", "U"]},
        {"displayName": "T", "externalId": {}},
    ],
)
def test_wrong_types_are_refused_and_store_nothing(entra: Directory, body: dict[str, object]) -> None:
    refused = entra.send("POST", "/Groups", {"schemas": [CORE_GROUP_URN], **body})
    assert (refused.status_code, refused.json["scimType"]) == (400, "invalidValue")
    assert entra.send("GET", "/Groups").json["totalResults"] == 0


def test_a38_a_persons_groups_are_shown_and_change_their_version(entra: Directory, context: Context, acme: Node) -> None:
    anna = person_at(context, acme, "anna")
    alone = entra.send("GET", f"/Users/{anna.id}")
    assert "groups" not in alone.json
    group = entra.group("Team", anna.id)
    member = entra.send("GET", f"/Users/{anna.id}")
    assert member.json["groups"] == [{"value": group, "$ref": f"{acme.scim_base}/Groups/{group}", "display": "Team", "type": "direct"}]
    assert member.headers["ETag"] != alone.headers["ETag"]
    entra.patch(group, {"op": "replace", "path": "displayName", "value": "Crew"})
    renamed = entra.send("GET", f"/Users/{anna.id}")
    assert renamed.json["groups"][0]["display"] == "Crew"
    entra.send("DELETE", f"/Groups/{group}")
    left = entra.send("GET", f"/Users/{anna.id}")
    assert (left.headers["ETag"], "groups" in left.json) == (alone.headers["ETag"], False)


def test_google_deletes_a_person_long_after_suspending_them_and_memberships_go_too(entra: Directory) -> None:
    schema = "urn:ietf:params:scim:schemas:core:2.0:User"
    anna = entra.send("POST", "/Users", {"schemas": [schema], "userName": "anna@acme.example", "active": True}).json["id"]
    group = entra.group("Team", anna)
    suspend = {"schemas": [PATCH_URN], "Operations": [{"op": "replace", "path": "active", "value": False}]}
    assert entra.send("PATCH", f"/Users/{anna}", suspend).status_code == 200
    assert entra.members(group) == {anna}
    assert entra.send("DELETE", f"/Users/{anna}").status_code == 204
    assert (entra.members(group), entra.etag(group)) == (set(), 'W/"2"')
