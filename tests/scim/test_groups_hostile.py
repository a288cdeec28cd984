"""Whatever is sent to `/Groups`: an answer of SCIM's own, never a fault of ours, and nobody else's data."""

import json
import random

import pytest
from flask.testing import FlaskClient

from gateway.domain.nodes import Node
from gateway.domain.schema import CORE_GROUP_URN
from gateway.services.context import Context
from scim.profiles import PROFILES
from tests.conftest import Clock
from tests.groups import PATCH_URN, Directory, directory_at, people_at

ROUNDS = 100
WORDS = [
    "members",
    "displayName",
    "externalId",
    "value",
    "display",
    "type",
    "$ref",
    "id",
    "meta",
    "schemas",
    "op",
    "path",
    "",
    "add",
    "Operations",
]


def anything(chance: random.Random, ids: list[str], depth: int = 0) -> object:
    """Some JSON, with words and ids that mean something here."""
    simple: list[object] = [
        None,
        True,
        False,
        0,
        -1,
        1.5,
        10**30,
        "",
        " ",
        "x" * 300,
        "\u0000",
        "\ud7ff",
        "😀",
        "{{",
        "' OR 1=1 --",
        *WORDS,
        *ids,
    ]
    kind = chance.random()
    if depth > 3 or kind < 0.4:
        return chance.choice(simple)
    if kind < 0.7:
        return [anything(chance, ids, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice(WORDS): anything(chance, ids, depth + 1) for _ in range(chance.randrange(4))}


def operation(chance: random.Random, ids: list[str]) -> object:
    """An operation that is nearly one."""
    one = chance.choice(ids)
    paths: list[object] = [
        *("members", "members.value", "members.display", "members[", "members[]", "members[value pr]", "members[value eq null]"),
        *(f'members[value eq "{one}"]', f'members[value eq "{one}"].type', 'members[type eq "User"].display', "members[not (value pr)]"),
        *('members[display co "x"]', "displayName", "displayName.x", "externalId", "id", "meta", "schemas", "x[y eq 1]"),
        *(CORE_GROUP_URN, f"{CORE_GROUP_URN}:members", "", None, 5, []),
    ]
    made = {"op": chance.choice(["add", "replace", "remove", "Add", "", None, 5]), "path": chance.choice(paths)}
    return made | ({"value": anything(chance, ids)} if chance.random() < 0.8 else {})


@pytest.mark.parametrize("profile", PROFILES)
def test_no_body_is_a_fault_of_ours(client: FlaskClient, context: Context, acme: Node, clock: Clock, profile: str) -> None:
    directory = directory_at(client, context, acme, profile)
    ids = [person.id for person in people_at(context, acme, 3)]
    groups = [directory.group("One", ids[0]), directory.group("Two", ids[1])]
    chance = random.Random(profile)
    known = ids + groups
    for number in range(ROUNDS):
        clock.advance(seconds=1)
        target = chance.choice(groups)
        body: dict[str, object] = {"schemas": [PATCH_URN], "Operations": [operation(chance, known) for _ in range(chance.randrange(1, 4))]}
        if number % 3 == 0:
            body = {"schemas": [CORE_GROUP_URN], "displayName": f"Name {number}", "members": anything(chance, known)}
        method = ("PUT" if number % 2 else "POST") if number % 3 == 0 else "PATCH"
        answer = directory.send(method, "/Groups" if method == "POST" else f"/Groups/{target}", body)
        assert answer.status_code in {200, 201, 204, 400, 409}, (body, answer.text)
        if answer.status_code >= 400:
            assert answer.json["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        for group in groups:
            shown = directory.send("GET", f"/Groups/{group}")
            assert shown.status_code == 200
            assert shown.json["displayName"].strip()
            if profile != "lenient":
                assert {element["value"] for element in shown.json.get("members", [])} <= {*known, *created(directory)}


def created(directory: Directory) -> set[str]:
    """The ids of all groups there are."""
    return {resource["id"] for resource in directory.send("GET", "/Groups?attributes=id&count=1000").json["Resources"]}


@pytest.mark.parametrize(
    "written",
    [
        "members[",
        "members[value",
        'members[value eq "x"',
        'members[members eq "x"]',
        'members[value eq "x"].members',
        'members.value.x eq "y"',
        "members eq 5",
        "members gt true",
        "id eq null",
        'externalId co "%"',
        'displayName eq "\\u0000"',
        'displayName eq "\\ud800"',
        "displayName eq 1e999",
        "not" * 1000,
        "(" * 40 + "id pr" + ")" * 40,
        " or ".join(['id eq "x"'] * 101),
        'displayName eq "' + "x" * 9000 + '"',
        'meta.created gt "yesterday"',
        'meta.created gt "99999-01-01T00:00:00Z"',
        'meta.created gt "0001-01-01T00:00:00+23:59"',
        'members[value sw ""]',
        "members[not (not (value pr))]",
    ],
)
def test_no_filter_is_a_fault_of_ours(client: FlaskClient, context: Context, acme: Node, written: str) -> None:
    directory = directory_at(client, context, acme)
    directory.group("Team")
    answer = directory.send("GET", f"/Groups?filter={written}")
    assert answer.status_code in {200, 400}
    assert answer.headers["Content-Type"].startswith("application/scim+json")


@pytest.mark.parametrize(
    "query",
    [
        "?startIndex=999999999999999",
        "?startIndex=-9&count=-9",
        "?count=x",
        "?sortBy=members.value",
        "?sortBy=x",
        "?sortOrder=x",
        "?cursor=x",
    ],
)
def test_no_page_is_a_fault_of_ours(client: FlaskClient, context: Context, acme: Node, query: str) -> None:
    directory = directory_at(client, context, acme)
    directory.group("Team")
    assert directory.send("GET", f"/Groups{query}").status_code in {200, 400}


@pytest.mark.parametrize("target", ["x", "%00", "%F0%9F%98%80", "..", "'--", "a" * 5000, "%ED%A0%80"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_no_id_is_a_fault_of_ours(client: FlaskClient, context: Context, acme: Node, target: str, method: str) -> None:
    directory = directory_at(client, context, acme)
    body = {"schemas": [PATCH_URN], "Operations": [{"op": "remove", "path": "members"}]} if method == "PATCH" else None
    answer = directory.send(method, f"/Groups/{target}", body)
    assert answer.status_code == 404
    assert json.loads(answer.text)["status"] == "404"


def test_ten_thousand_members_are_taken_at_once(client: FlaskClient, context: Context, acme: Node) -> None:
    directory = directory_at(client, context, acme, "lenient")
    group = directory.group("Team")
    many = [{"value": f"member-{number}"} for number in range(10_000)]
    assert directory.patch(group, {"op": "replace", "path": "members", "value": many}).status_code == 204
    assert directory.patch(group, {"op": "remove", "path": "members", "value": many[1:]}).status_code == 204
    assert directory.members(group) == {"member-0"}
