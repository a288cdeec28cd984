"""Storage of groups: searches mean what the domain's evaluator says, and no statement loads a list to change it."""

import json
from dataclasses import replace

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.filter import matches, resolve
from gateway.domain.groups import AddMembers, Group, GroupId, Meta, splice_group
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.query import parse_filter
from gateway.domain.schema import GROUP
from gateway.domain.sorting import Sorting, parse_sorting
from gateway.domain.values import ConnectionId
from gateway.services import groups, nodes
from gateway.services.context import Context
from gateway.services.group_members import Rules
from gateway.services.groups import Wanted
from gateway.services.nodes import NewNode
from gateway.storage import group_members, group_search, person_rows, search
from gateway.storage import groups as stored
from gateway.storage.database import Duplicate, Statement
from gateway.storage.tables.groups import ScimGroup
from gateway.storage.tables.nodes import Installation
from gateway.storage.text_list import TextList, bound
from tests.conftest import Clock
from tests.groups import connection_at, person_at, statements
from tests.sql import plan_of, text_of

ANNA, BEN, NOBODY = "anna", "ben", "11111111-2222-4333-8444-555555555555"

FILTERS = [
    'displayName eq "sales 100%"',
    'displayName eq "SALES 100%"',
    'displayName ne "Sales 100%"',
    'displayName co "100%"',
    'displayName co "_"',
    'displayName sw "sal"',
    'displayName ew "%"',
    'displayName ew "a very long ending that is longer than any name there is here"',
    'displayName gt "m"',
    'displayName ge "sales 100%"',
    'displayName lt "M"',
    'displayName le "sales 100%"',
    "displayName pr",
    "displayName eq null",
    "displayName ne null",
    'displayName co ""',
    'displayName ew ""',
    'externalId eq "X-1"',
    'externalId eq "x-1"',
    'externalId ne "X-1"',
    'externalId sw "X"',
    'externalId co "-2"',
    "externalId pr",
    "externalId eq null",
    'not (externalId eq "X-1")',
    "not (externalId pr)",
    'id eq "nobody"',
    'id eq "{sales}"',
    'members eq "{anna}"',
    'members.value eq "{anna}"',
    'members[value eq "{anna}"]',
    'members[value eq "{anna}" and type eq "user"]',
    'members[value eq "{anna}" and type eq "Group"]',
    'members[value eq "{anna}" or value eq "{ben}"]',
    'members[type eq "Group"]',
    'members[not (type eq "User")]',
    'members[type pr and value sw "{anna}"]',
    'members.type ne "User"',
    'members ne "{anna}"',
    'members co "{ben}"',
    "members pr",
    "not (members pr)",
    "members eq null",
    "members ne null",
    'id eq "{sales}" and members eq "{anna}"',
    'displayName eq "a" or displayName eq "it" and members pr',
    'meta.lastModified gt "2026-09-21T16:13:20+02:00"',
    'meta.lastModified ge "2026-09-21T14:13:20Z"',
    'meta.created eq "2026-09-21T14:13:20.000Z"',
    'meta.created ne "2026-09-21T14:13:20.000001Z"',
    'meta.created lt "2026-09-21T14:13:21Z"',
    'meta.created le "2026-09-21T14:13:19.9999Z"',
    "meta.created pr",
    "meta.created eq null",
    'meta.resourceType eq "Group"',
    'meta.resourceType eq "User"',
    'schemas eq "urn:ietf:params:scim:schemas:core:2.0:Group"',
    "schemas pr",
    "meta pr",
    'displayName eq "\'; DROP TABLE scim_group; --"',
]


@pytest.fixture
def sales(context: Context, acme: Node, clock: Clock) -> dict[str, str]:
    """Four groups: with a person, with a group and a person, with nobody we know, and empty. Ids by short names."""
    connection, _ = connection_at(context, acme)
    anna, ben = person_at(context, acme, ANNA), person_at(context, acme, BEN)
    found = {"connection": connection.id, ANNA: anna.id, BEN: ben.id}

    def make(name: str, external_id: str | None, members: tuple[str, ...]) -> str:
        rules = Rules(member_check=False)
        wanted = Wanted(name, external_id, (AddMembers(members),))
        made = groups.create_group(context, acme, wanted, connection=connection, rules=rules)
        clock.advance(seconds=1)
        return made.seen.group.id

    found["sales"] = make("Sales 100%", "X-1", (anna.id,))
    found["it"] = make("IT", None, (found["sales"], ben.id))
    found["odd"] = make("Ödd_group", "x-2", (NOBODY,))
    found["empty"] = make("empty", None, ())
    return found


def document_of(context: Context, group: Group, external_id: str | None) -> dict[str, object]:
    members = group_members.members_json(context.database, [group.id], base="https://base").get(group.id, b"")
    meta = Meta("https://base/Groups/x", group.etag, group.created_at, group.updated_at)
    return dict(json.loads(splice_group(group.document.encode(), meta=meta, external_id=external_id, members_json=members)))


def sorted_by(order: str) -> Sorting | None:
    """The order by an attribute, descending with a minus in front."""
    return parse_sorting(order.removeprefix("-"), "descending" if order.startswith("-") else "", GROUP)


@pytest.mark.parametrize("written", FILTERS)
def test_a_search_finds_what_the_evaluator_of_the_domain_finds(context: Context, acme: Node, sales: dict[str, str], written: str) -> None:
    text = written
    for name, value in sales.items():
        text = text.replace("{" + name + "}", value)
    tree = resolve(parse_filter(text), GROUP)
    connection = ConnectionId(sales["connection"])
    everything = group_search.search_groups(context.database, acme.id, connection, None, sorting=None, start=1, count=100)
    expected = [seen for seen in everything if matches(tree, document_of(context, seen.group, seen.external_id), GROUP)]  # type: ignore[arg-type]  # parsed JSON is Json
    found = group_search.search_groups(context.database, acme.id, connection, tree, sorting=None, start=1, count=100)
    assert [seen.group.display_name for seen in found] == [seen.group.display_name for seen in expected]
    assert group_search.count_groups(context.database, acme.id, connection, tree) == len(expected)


@pytest.mark.parametrize(
    "text",
    ['members.display eq "x"', 'members.$ref eq "x"', 'meta.version eq "x"', 'meta.location eq "x"', 'meta.created co "2026"'],
)
def test_what_has_no_column_is_refused_and_not_scanned_for(context: Context, acme: Node, sales: dict[str, str], text: str) -> None:
    tree = resolve(parse_filter(text), GROUP)
    with pytest.raises(Refusal) as refused:
        group_search.search_groups(context.database, acme.id, ConnectionId(sales["connection"]), tree, sorting=None, start=1, count=100)
    assert refused.value.code == "E_Filter_Unsupported"


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("", ["Sales 100%", "IT", "Ödd_group", "empty"]),
        ("displayName", ["empty", "IT", "Sales 100%", "Ödd_group"]),
        ("-displayName", ["Ödd_group", "Sales 100%", "IT", "empty"]),
        ("-meta.lastModified", ["empty", "Ödd_group", "IT", "Sales 100%"]),
    ],
)
def test_searches_are_sorted_without_regard_to_case(
    context: Context, acme: Node, sales: dict[str, str], order: str, names: list[str]
) -> None:
    sorting = sorted_by(order)
    found = group_search.search_groups(
        context.database, acme.id, ConnectionId(sales["connection"]), None, sorting=sorting, start=1, count=10
    )
    assert [seen.group.display_name for seen in found] == names


@pytest.mark.parametrize("attribute", ["members", "meta.version", "schemas"])
def test_an_order_that_would_read_everything_is_refused(context: Context, acme: Node, sales: dict[str, str], attribute: str) -> None:
    sorting = sorted_by(attribute)
    with pytest.raises(Refusal) as refused:
        group_search.search_groups(context.database, acme.id, ConnectionId(sales["connection"]), None, sorting=sorting, start=1, count=1)
    assert refused.value.code == "E_Field_Invalid"


def test_missing_values_are_last_ascending_and_first_descending(context: Context, acme: Node, sales: dict[str, str]) -> None:
    ids = {}
    for descending in (False, True):
        sorting = sorted_by("-externalId" if descending else "externalId")
        found = group_search.search_groups(
            context.database, acme.id, ConnectionId(sales["connection"]), None, sorting=sorting, start=1, count=10
        )
        ids[descending] = [seen.external_id for seen in found]
    assert ids == {False: ["X-1", "x-2", None, None], True: [None, None, "x-2", "X-1"]}


def test_pages_follow_one_another_without_gap_or_repetition(context: Context, acme: Node, sales: dict[str, str]) -> None:
    connection = ConnectionId(sales["connection"])
    pages = [
        group_search.search_groups(context.database, acme.id, connection, None, sorting=None, start=start, count=3) for start in (1, 4, 7)
    ]
    assert [len(page) for page in pages] == [3, 1, 0]
    assert len({seen.group.id for page in pages for seen in page}) == 4


@pytest.mark.sqlite
def test_a_search_by_member_starts_from_the_member(context: Context, acme: Node, sales: dict[str, str]) -> None:
    tree = resolve(parse_filter(f'members[value eq "{sales[ANNA]}"]'), GROUP)
    query = group_search._query(acme.id, ConnectionId(sales["connection"]), tree, [ScimGroup.id])
    plan = plan_of(context.database, text_of(context.database, Statement(query)))
    assert any("group_member_reverse" in step for step in plan)


def test_an_external_id_is_the_connections_own(context: Context, acme: Node, sales: dict[str, str]) -> None:
    other, _ = connection_at(context, acme, "okta")
    seen = stored.find_group(context.database, acme.id, sales["sales"], other.id)
    assert seen is not None
    assert seen.external_id is None


def test_a_search_sees_the_node_and_what_hangs_below_and_nothing_else(
    context: Context, acme: Node, globex: Node, sales: dict[str, str]
) -> None:
    unit = nodes.create_node(context, acme.id, NewNode("acme-north", "North", NodeKind.UNIT))
    groups.create_group(context, unit, Wanted("North", None))
    connection = ConnectionId(sales["connection"])

    def names(node: Node) -> list[str]:
        found = group_search.search_groups(context.database, node.id, connection, None, sorting=None, start=1, count=10)
        return [seen.group.display_name for seen in found]

    assert len(names(acme)) == 5
    assert names(unit) == ["North"]
    assert names(globex) == []


def test_a_persons_groups_are_those_in_sight(context: Context, acme: Node, platform: Node) -> None:
    unit = nodes.create_node(context, acme.id, NewNode("acme-north", "North", NodeKind.UNIT))
    anna = person_at(context, unit, ANNA)
    above = groups.create_group(context, acme, Wanted("All", None, (AddMembers((anna.id,)),))).seen.group
    here = groups.create_group(context, unit, Wanted("North", None, (AddMembers((anna.id,)),))).seen.group

    def seen_from(node: Node) -> list[dict[str, str]]:
        row = person_rows.find_person_row(context.database, node.id, ConnectionId(""), anna.id, context.now())
        found = row.groups if row else None
        return list(json.loads(stored.groups_json(context.database, node.id, [found], "https://b/scim/v2")[found] or "[]"))

    assert seen_from(unit) == [{"value": here.id, "$ref": f"https://b/scim/v2/Groups/{here.id}", "display": "North", "type": "direct"}]
    assert {element["value"] for element in seen_from(acme)} == {above.id, here.id}


def test_the_groups_of_a_page_of_people_are_read_by_one_statement(context: Context, acme: Node) -> None:
    everybody = [person_at(context, acme, f"person{number}") for number in range(5)]
    groups.create_group(context, acme, Wanted("Team", None, (AddMembers(tuple(person.id for person in everybody[:4])),)))
    everyone = search.people_search(acme.id, ConnectionId(""), None, None, now=context.now())
    with statements(context.database) as ran:
        found = search.list_person_rows(context.database, everyone, limit=10, offset=0)
    named = stored.groups_json(context.database, acme.id, {row.groups for row in found}, "https://b")
    assert {row.id for row in found if named[row.groups]} == {person.id for person in everybody[:4]}
    assert len(ran) == 1


def test_a_changed_group_is_stored_only_over_the_version_that_was_read(context: Context, acme: Node) -> None:
    group = groups.create_group(context, acme, Wanted("Team", None)).seen.group
    renamed = replace(group, display_name="Other", version=2)
    assert stored.change_group(context.database, renamed, expected_version=1)
    assert not stored.change_group(context.database, renamed, expected_version=1)


def test_of_two_who_claim_a_name_at_once_the_database_lets_one_in(context: Context, acme: Node) -> None:
    group = groups.create_group(context, acme, Wanted("Team", None)).seen.group
    with pytest.raises(Duplicate):
        stored.insert_group(context.database, replace(group, id=GroupId("another")))
    stored.insert_group(context.database, replace(group, id=GroupId("a third"), claimed_name=None))


def test_a_list_of_texts_is_one_value_on_both_engines(context: Context) -> None:
    names = ["a'b", 'c"d', "e,f", "", "\N{SNOWMAN}", "g\0h"]
    listed = Statement(Installation.select(Installation.name).where(Installation.name.in_(TextList("names"))))
    for name in names[:-1]:
        context.database.write(Statement(Installation.insert({Installation.name: name, Installation.value: ""})))
    assert {row[0] for row in context.database.rows(listed, names=bound(names))} == set(names[:-1])
    assert context.database.rows(listed, names=bound([])) == []
