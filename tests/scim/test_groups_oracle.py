"""Deltas of members held against the domain's PATCH engine, which works on the whole list, over random operations in every profile."""

import random

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.groups import AddMembers
from gateway.domain.nodes import Node
from gateway.domain.patch import apply_patch
from gateway.domain.schema import CORE_GROUP_URN, GROUP, Json, JsonObject
from gateway.services import groups
from gateway.services.context import Context
from gateway.services.group_members import Rules
from gateway.services.groups import Wanted
from gateway.storage.groups import SeenGroup
from scim.members import parted_operations
from scim.normaliser import normalise_patch
from scim.profiles import PROFILES, Profile
from tests.groups import connection_at, people_at


@pytest.fixture
def crowd(context: Context, acme: Node) -> list[str]:
    return [person.id for person in people_at(context, acme, 4)]


def _element(member: str, display: str) -> JsonObject:
    return {"value": member, "display": display} if display else {"value": member}


def random_operation(chance: random.Random, ids: list[str]) -> JsonObject:
    """One operation on members, sensible or not."""
    some: list[Json] = [_element(member, chance.choice(["A", "B", ""])) for member in chance.sample(ids, chance.randrange(3))]
    one = chance.choice(ids)
    anything: list[Json] = [None, [], [{"value": one, "type": "User"}]]
    operations: list[JsonObject] = [
        {"op": "add", "path": "members", "value": some},
        {"op": "replace", "path": "members", "value": some},
        {"op": "remove", "path": "members", "value": some},
        {"op": "remove", "path": f'members[value eq "{one}"]'},
        {"op": "remove", "path": f'members[value eq "{one}" or value sw "{chance.choice(ids)[:3]}"]'},
        {"op": "remove", "path": f'members[not (value eq "{one}")]'},
        {"op": "add", "path": f'members[value eq "{one}"]', "value": {"value": one}},
        {"op": "replace", "path": f'members[value eq "{one}"]', "value": {"value": chance.choice(ids)}},
        {"op": "replace", "path": f'members[value eq "{one}"].value', "value": chance.choice(ids)},
        {"op": "replace", "path": f'members[value eq "{one}"].display', "value": chance.choice(["A", "B"])},
        {"op": "remove", "path": f'members[value eq "{one}"].display'},
        {"op": "add", "path": f'members[value eq "{one}"]', "value": {"value": one, "display": "C"}},
        {"op": "replace", "path": "members.display", "value": "D"},
        {"op": "add", "value": {"members": some, "displayName": chance.choice(["Team", "Crew"])}},
        {"op": "replace", "value": {"members": some}},
        {"op": "replace", "path": "displayName", "value": chance.choice(["Team", "Crew"])},
        {"op": "remove", "path": "members"},
        {"op": "add", "path": "members", "value": chance.choice(anything)},
    ]
    return chance.choice(operations)


@pytest.mark.parametrize("chosen", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize("seed", range(20))
def test_deltas_lead_to_what_the_patch_engine_makes_of_the_whole_list(
    context: Context, acme: Node, crowd: list[str], chosen: Profile, seed: int
) -> None:
    policy = chosen.patch_policy
    chance = random.Random(seed)
    connection, _ = connection_at(context, acme)
    first = chance.sample(crowd, 2)
    group = groups.create_group(context, acme, Wanted("Team", None, (AddMembers(tuple(first)),)), connection=connection).seen.group
    document: JsonObject = {
        "schemas": [CORE_GROUP_URN],
        "id": group.id,
        "displayName": "Team",
        "members": [{"value": one} for one in first],
    }
    body: JsonObject = {"Operations": [random_operation(chance, crowd) for _ in range(chance.randrange(1, 5))]}

    def by_engine() -> tuple[object, ...]:
        try:
            after = apply_patch(document, normalise_patch(body, GROUP, chosen).operations, GROUP, policy).document
        except Refusal as refusal:
            return (refusal.code,)
        members = after.get("members")
        assert isinstance(members, list | None)
        return after["displayName"], {
            element["value"]: element.get("display", "") for element in members or [] if isinstance(element, dict)
        }

    def by_deltas() -> tuple[object, ...]:
        try:
            parted = parted_operations(normalise_patch(body, GROUP, chosen).operations, policy)

            def change(seen: SeenGroup) -> Wanted:
                whole: JsonObject = {"schemas": [CORE_GROUP_URN], "id": seen.group.id, "displayName": seen.group.display_name}
                return Wanted(str(apply_patch(whole, parted.attributes, GROUP, policy).document["displayName"]), None, parted.members)

            after = groups.change_group(context, connection, group.id, change, rules=Rules(member_check=False)).seen.group
        except Refusal as refusal:
            return (refusal.code,)
        return after.display_name, dict(context.database.script("SELECT member, display FROM group_member"))

    expected, found = by_engine(), by_deltas()
    if len(expected) == len(found) == 1:
        # Of several mistakes in one body either may be told: the two halves are read one after the other.
        return
    assert found == expected
