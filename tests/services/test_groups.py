"""Groups as services change them: deltas, one version and one event a change, circles refused, tenants apart."""

import json
import threading
from collections.abc import Sequence

import pytest

from gateway.domain.connections import Adoption, Connection
from gateway.domain.errors import Refusal
from gateway.domain.groups import MAX_NESTING, AddMembers, Group, MemberChange, RemoveMembers, RemoveSelected, ReplaceMembers, RequireMember
from gateway.domain.nodes import Node, NodeKind
from gateway.services import connections as connection_services
from gateway.services import groups, nodes, people
from gateway.services.context import Context
from gateway.services.group_members import Rules
from gateway.services.groups import Outcome, Wanted
from gateway.services.nodes import NewNode
from gateway.storage import audit, connections
from gateway.storage.group_members import list_members
from tests.conftest import Clock
from tests.groups import connection_at, people_at, person_at, statements

LENIENT = Rules(member_check=False, unique_names=False)


@pytest.fixture
def connection(context: Context, acme: Node) -> Connection:
    return connection_at(context, acme)[0]


@pytest.fixture
def team(context: Context, acme: Node, connection: Connection) -> Group:
    return groups.create_group(context, acme, Wanted("Team", "t-1"), connection=connection).seen.group


def change(context: Context, connection: Connection, group: Group, *changes: MemberChange, rules: Rules = groups.STRICT) -> Outcome:
    """Change a group's members and nothing else."""
    return groups.change_group(
        context, connection, group.id, lambda seen: Wanted(seen.group.display_name, seen.external_id, changes), rules=rules
    )


def ids_of(context: Context, group: Group) -> set[str]:
    return {member.id for member in list_members(context.database, group.id)}


def events(context: Context, node: Node) -> Sequence[dict[str, object]]:
    rows = audit.list_audit(context.database, node.id, limit=100)
    return [{"action": row.action, **json.loads(row.detail)} for row in rows if row.action.startswith("group.")]


def refusal(context: Context, connection: Connection, group: Group, *changes: MemberChange) -> Refusal:
    with pytest.raises(Refusal) as refused:
        change(context, connection, group, *changes)
    return refused.value


def test_changes_of_members_are_made_in_their_order(context: Context, acme: Node, connection: Connection, team: Group) -> None:
    anna, ben = person_at(context, acme, "anna"), person_at(context, acme, "ben")
    change(context, connection, team, AddMembers((anna.id, ben.id)), RemoveMembers((anna.id,)))
    assert ids_of(context, team) == {ben.id}
    change(context, connection, team, RemoveMembers((anna.id,)), AddMembers((anna.id,)))
    assert ids_of(context, team) == {anna.id, ben.id}


def test_the_version_rises_with_real_changes_only(context: Context, acme: Node, connection: Connection, team: Group, clock: Clock) -> None:
    anna = person_at(context, acme, "anna")
    clock.advance(seconds=5)
    joined = change(context, connection, team, AddMembers((anna.id, anna.id))).seen.group
    assert (joined.version, joined.updated_at) == (team.version + 1, clock.now)
    clock.advance(seconds=5)
    again = change(context, connection, team, AddMembers((anna.id,)), RemoveMembers(("nobody",)), ReplaceMembers((anna.id,)))
    assert again.seen.group == joined
    there_and_back = change(context, connection, team, RemoveMembers((anna.id,)), AddMembers((anna.id,)))
    assert there_and_back.seen.group.version == joined.version


def test_replacing_keeps_who_stays_and_tells_the_difference(context: Context, acme: Node, connection: Connection, team: Group) -> None:
    anna, ben, cleo = (person_at(context, acme, name) for name in ("anna", "ben", "cleo"))
    change(context, connection, team, AddMembers((anna.id, ben.id)))
    outcome = change(context, connection, team, ReplaceMembers((ben.id, cleo.id)))
    assert (set(outcome.added), set(outcome.removed)) == ({cleo.id}, {anna.id})
    assert ids_of(context, team) == {ben.id, cleo.id}


def test_removing_without_selection_removes_everybody(context: Context, acme: Node, connection: Connection, team: Group) -> None:
    change(context, connection, team, AddMembers(tuple(person.id for person in people_at(context, acme, 3))))
    assert len(change(context, connection, team, RemoveSelected(None)).removed) == 3
    assert ids_of(context, team) == set()


def test_a_refused_change_leaves_nothing_of_the_others(context: Context, acme: Node, connection: Connection, team: Group) -> None:
    anna = person_at(context, acme, "anna")
    refused = refusal(context, connection, team, AddMembers((anna.id,)), AddMembers(("11111111-2222-4333-8444-555555555555",)))
    assert refused.code == "E_Field_Invalid"
    assert "11111111-2222-4333-8444-555555555555" in str(refused)
    assert ids_of(context, team) == set()
    assert groups.get_group(context, connection, team.id).group == team


def test_one_change_is_one_event_with_counts(context: Context, acme: Node, connection: Connection, team: Group, clock: Clock) -> None:
    crowd = tuple(person.id for person in people_at(context, acme, 30))
    clock.advance(seconds=1)
    change(context, connection, team, AddMembers(crowd), RemoveMembers(crowd[:1]))
    clock.advance(seconds=1)
    change(context, connection, team, RemoveMembers(crowd[1:2]))
    few, many, created = events(context, acme)
    assert many == {"action": "group.changed", "added": 29, "removed": 0}
    assert few == {"action": "group.changed", "added": 0, "removed": 1, "members_removed": [crowd[1]]}
    assert created["action"] == "group.created"
    outbox = context.database.script("SELECT count(*) FROM outbox WHERE aggregatetype = 'group'")
    assert outbox[0][0] == 3


def test_people_of_another_tenant_are_as_unknown_as_nobody(
    context: Context, acme: Node, globex: Node, connection: Connection, team: Group
) -> None:
    stranger = person_at(context, globex, "stranger")
    assert refusal(context, connection, team, AddMembers((stranger.id,))).code == "E_Field_Invalid"


def test_groups_of_another_tenant_are_as_unknown_as_none(context: Context, globex: Node, connection: Connection, team: Group) -> None:
    theirs = groups.create_group(context, globex, Wanted("Theirs", None)).seen.group
    assert refusal(context, connection, team, AddMembers((theirs.id,))).code == "E_Field_Invalid"
    change(context, connection, team, AddMembers((theirs.id,)), rules=LENIENT)
    assert [(member.type, member.display) for member in list_members(context.database, team.id)] == [("", "")]


def test_ids_that_nobody_has_are_kept_where_the_check_is_off_and_mean_nobody(
    context: Context, acme: Node, globex: Node, connection: Connection, team: Group
) -> None:
    stranger = person_at(context, globex, "stranger")
    change(context, connection, team, AddMembers((stranger.id,)), rules=LENIENT)
    assert [(member.id, member.type, member.display) for member in list_members(context.database, team.id)] == [(stranger.id, "", "")]
    assert groups.list_groups_of(context, stranger.id) == []


def test_deleted_people_and_programs_cannot_join(context: Context, acme: Node, connection: Connection, team: Group) -> None:
    anna = person_at(context, acme, "anna")
    people.delete_person(context, anna)
    assert refusal(context, connection, team, AddMembers((anna.id,))).code == "E_Field_Invalid"


def test_who_is_deleted_leaves_every_group_and_their_versions_rise(
    context: Context, acme: Node, connection: Connection, team: Group
) -> None:
    anna = person_at(context, acme, "anna")
    other = groups.create_group(context, acme, Wanted("Other", None, (AddMembers((anna.id,)),)), connection=connection).seen.group
    change(context, connection, team, AddMembers((anna.id,)))
    assert {group.id for group in groups.list_groups_of(context, anna.id)} == {team.id, other.id}
    people.delete_person(context, anna)
    assert ids_of(context, team) == ids_of(context, other) == set()
    assert groups.get_group(context, connection, team.id).group.version == team.version + 2
    assert groups.get_group(context, connection, other.id).group.version == other.version + 1
    told = [event for event in events(context, acme) if event.get("reason") == "person deleted"]
    assert [event["members_removed"] for event in told] == [[anna.id], [anna.id]]


def group_in(context: Context, node: Node, connection: Connection, name: str, *members: str) -> Group:
    return groups.create_group(context, node, Wanted(name, None, (AddMembers(members),)), connection=connection).seen.group


def test_groups_nest_but_never_in_themselves(context: Context, acme: Node, connection: Connection, team: Group) -> None:
    outer = group_in(context, acme, connection, "Outer", team.id)
    outermost = group_in(context, acme, connection, "Outermost", outer.id)
    for inner in (team, outer, outermost):
        refused = refusal(context, connection, team, AddMembers((inner.id,)))
        assert refused.code == "E_Field_Invalid"
        assert "member of itself" in str(refused)
    assert ids_of(context, outermost) == {outer.id}


def test_nesting_has_an_end_whichever_way_it_is_built(context: Context, acme: Node, connection: Connection) -> None:
    inner = group_in(context, acme, connection, "level 1")
    chain = [inner]
    for level in range(2, MAX_NESTING + 1):
        chain.append(group_in(context, acme, connection, f"level {level}", chain[-1].id))
    with pytest.raises(Refusal, match="deep"):
        group_in(context, acme, connection, "one too many", chain[-1].id)
    below = group_in(context, acme, connection, "below")
    assert "deep" in str(refusal(context, connection, inner, AddMembers((below.id,))))


def test_many_ways_between_groups_cost_no_more_than_their_number(context: Context, acme: Node, connection: Connection) -> None:
    layer: tuple[str, ...] = ()
    for depth in range(MAX_NESTING):
        layer = tuple(group_in(context, acme, connection, f"{depth} {number}", *layer).id for number in range(6))
    # Ways through this lattice are 6 to the 9th; walked one by one they would outlive every test's time limit.
    assert len(layer) == 6


def test_a_deleted_group_leaves_other_groups(context: Context, acme: Node, connection: Connection, team: Group) -> None:
    outer = group_in(context, acme, connection, "Outer", team.id)
    assert connections.total(context.database, acme.id, "Group") == 2
    groups.remove_group(context, connection, team.id)
    assert ids_of(context, outer) == set()
    assert groups.get_group(context, connection, outer.id).group.version == outer.version + 1
    assert connections.total(context.database, acme.id, "Group") == 1
    with pytest.raises(Refusal) as refused:
        groups.get_group(context, connection, team.id)
    assert refused.value.code == "E_Resource_Not_Found"


def test_a_member_that_must_be_one_is_looked_for(context: Context, acme: Node, connection: Connection, team: Group) -> None:
    anna = person_at(context, acme, "anna")
    assert refusal(context, connection, team, RequireMember(anna.id)).code == "E_No_Target"
    change(context, connection, team, AddMembers((anna.id,)))
    change(context, connection, team, RequireMember(anna.id))


def test_a_name_stands_once_in_a_node_in_whatever_case(
    context: Context, acme: Node, globex: Node, connection: Connection, team: Group
) -> None:
    with pytest.raises(Refusal) as refused:
        groups.create_group(context, acme, Wanted("TEAM", None), connection=connection)
    assert refused.value.code == "E_Group_Name_Taken"
    groups.create_group(context, globex, Wanted("Team", None))
    repeated = groups.create_group(context, acme, Wanted("team", None), connection=connection, rules=LENIENT)
    with pytest.raises(Refusal, match="name"):
        groups.create_group(context, acme, Wanted("Team", None), connection=connection)
    other = group_in(context, acme, connection, "Other")
    with pytest.raises(Refusal):
        groups.change_group(context, connection, other.id, lambda seen: Wanted("Team", seen.external_id))
    renamed = groups.change_group(context, connection, team.id, lambda seen: Wanted("TEAM", seen.external_id))
    assert (renamed.seen.group.display_name, repeated.seen.group.display_name) == ("TEAM", "team")


def test_a_name_that_may_repeat_for_one_connection_is_taken_for_the_others(context: Context, acme: Node, connection: Connection) -> None:
    groups.create_group(context, acme, Wanted("Team", None), connection=connection, rules=LENIENT)
    with pytest.raises(Refusal) as refused:
        groups.create_group(context, acme, Wanted("team", None), connection=connection)
    assert refused.value.code == "E_Group_Name_Taken"


def test_a_name_that_repeats_is_no_name_for_a_command(context: Context, acme: Node, connection: Connection, team: Group) -> None:
    groups.create_group(context, acme, Wanted("team", None), connection=connection, rules=LENIENT)
    with pytest.raises(Refusal, match="more than one"):
        groups.get_group_by_name(context, acme, "Team")


def test_an_external_id_belongs_to_one_group_of_a_connection(context: Context, acme: Node, connection: Connection, team: Group) -> None:
    with pytest.raises(Refusal) as refused:
        groups.create_group(context, acme, Wanted("Other", "t-1"), connection=connection)
    assert refused.value.code == "E_External_Id_Taken"
    other, _ = connection_at(context, acme, "okta")
    groups.create_group(context, acme, Wanted("Other", "t-1"), connection=other)
    changed = groups.change_group(context, connection, team.id, lambda seen: Wanted(seen.group.display_name, None))
    assert (changed.seen.external_id, changed.seen.group.version) == (None, team.version + 1)


def test_a_connection_writes_its_own_groups_only(context: Context, acme: Node, connection: Connection, team: Group) -> None:
    other, _ = connection_at(context, acme, "okta", adoption=Adoption.ADOPT)
    assert refusal(context, other, team, RemoveSelected(None)).code == "E_Forbidden"
    with pytest.raises(Refusal) as refused:
        groups.remove_group(context, other, team.id)
    assert refused.value.code == "E_Forbidden"


def test_a_group_made_by_hand_is_adopted_where_the_switch_says_so(context: Context, acme: Node, connection: Connection) -> None:
    by_hand = groups.create_group(context, acme, Wanted("By hand", None)).seen.group
    assert refusal(context, connection, by_hand, RemoveSelected(None)).code == "E_Forbidden"
    with pytest.raises(Refusal):
        groups.remove_group(context, connection, by_hand.id)
    adopting, _ = connection_at(context, acme, "okta", adoption=Adoption.ADOPT)
    assert change(context, adopting, by_hand).seen.group.managed_by == adopting.id


def test_what_a_directory_manages_is_not_changed_by_hand(context: Context, acme: Node, connection: Connection, team: Group) -> None:
    anna = person_at(context, acme, "anna")
    with pytest.raises(Refusal) as refused:
        groups.change_members_by_hand(context, team, [AddMembers((anna.id,))])
    assert refused.value.code == "E_Idp_Managed_Attribute"


def test_groups_of_a_deleted_connection_stay_and_are_nobodys(context: Context, acme: Node, connection: Connection, team: Group) -> None:
    connection_services.delete_connection(context, connection)
    kept = groups.get_group_by_name(context, acme, "team")
    assert (kept.id, kept.managed_by) == (team.id, None)


def test_a_group_of_another_tenant_is_as_unknown_as_none(
    context: Context, acme: Node, globex: Node, connection: Connection, team: Group
) -> None:
    foreign, _ = connection_at(context, globex)
    with pytest.raises(Refusal) as refused:
        groups.get_group(context, foreign, team.id)
    assert refused.value.code == "E_Resource_Not_Found"


def test_members_of_a_units_group_are_the_units_own(context: Context, acme: Node, connection: Connection) -> None:
    # Else the unit's own connection would read the names of people out of its sight.
    unit = nodes.create_node(context, acme.id, NewNode("acme-north", "North", NodeKind.UNIT))
    north = groups.create_group(context, unit, Wanted("North", None)).seen.group
    adopting, _ = connection_at(context, acme, "okta", adoption=Adoption.ADOPT)
    assert refusal(context, adopting, north, AddMembers((person_at(context, acme, "anna").id,))).code == "E_Field_Invalid"
    change(context, adopting, north, AddMembers((person_at(context, unit, "ben").id,)))


def test_parallel_changes_of_one_group_lose_nobody(context: Context, acme: Node, connection: Connection, team: Group) -> None:
    crowd = people_at(context, acme, 50)
    failures: list[BaseException] = []
    start = threading.Barrier(len(crowd))

    def join(member: str) -> None:
        try:
            start.wait(timeout=30)
            change(context, connection, team, AddMembers((member,)))
        except BaseException as error:  # noqa: BLE001 -- told by the test's own thread below
            failures.append(error)
        finally:
            context.database.close()

    threads = [threading.Thread(target=join, args=(person.id,)) for person in crowd]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not failures
    assert ids_of(context, team) == {person.id for person in crowd}
    assert groups.get_group(context, connection, team.id).group.version == team.version + 50


def test_a_change_reads_no_members_however_many_there_are(context: Context, acme: Node, connection: Connection, team: Group) -> None:
    crowd = people_at(context, acme, 40)
    change(context, connection, team, AddMembers(tuple(person.id for person in crowd[:1])))
    with statements(context.database) as few:
        change(context, connection, team, AddMembers((crowd[1].id,)))
    change(context, connection, team, AddMembers(tuple(person.id for person in crowd[:39])))
    with statements(context.database) as many:
        change(context, connection, team, AddMembers((crowd[39].id,)))
    assert many == few
    assert not [sql for sql in many if sql.startswith("SELECT") and "group_member" in sql]
