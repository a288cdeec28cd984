"""Members of groups: deltas in, JSON out. No statement here loads a list to change it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import orjson
import peewee as pw

from gateway.domain.groups import MAX_NESTING, GroupId
from gateway.domain.query import Filter
from gateway.domain.values import Instant, NodeId
from gateway.storage.database import Database, Statement, place, places
from gateway.storage.group_search import member_condition
from gateway.storage.tables.groups import GroupMember, ScimGroup
from gateway.storage.tables.nodes import NodeAncestry
from gateway.storage.tables.people import Account
from gateway.storage.text_list import TextList, bound

_TARGET = [GroupMember.scim_group, GroupMember.member, GroupMember.member_type, GroupMember.display, GroupMember.added_at]
_SUBTREE = NodeAncestry.select(NodeAncestry.descendant).where(NodeAncestry.ancestor == place("node"))
_OF_GROUP = GroupMember.scim_group == place("id")
_GIVEN = GroupMember.member.in_(TextList("members"))

# Whoever is deleted at this moment is held alone: he is waited for, and gone then; whoever is added is held until he is a member.
_PERSON_HERE = (
    Account.id.in_(TextList("members"))
    & Account.deleted_at.is_null()
    # Written out: an index says it too, and for a bound value SQLite would make its plan anew each time.
    & (Account.type == pw.SQL("'human'"))
    & Account.home.in_(_SUBTREE)
)
_PEOPLE_HERE = Statement(Account.select(Account.id).where(_PERSON_HERE), shared=True)
_ADD_PEOPLE = Statement(
    GroupMember.insert_from(
        Account.select(place("id"), Account.id, pw.Value("User"), pw.Value(""), place("at")).where(_PERSON_HERE),
        _TARGET,
    )
    .on_conflict_ignore()
    .returning(GroupMember.member)
)
_GROUP_HERE = ScimGroup.id.in_(TextList("members")) & ScimGroup.node.in_(_SUBTREE)
_GROUPS_HERE = Statement(ScimGroup.select(ScimGroup.id).where(_GROUP_HERE), shared=True)
_ADD_GROUPS = Statement(
    GroupMember.insert_from(
        ScimGroup.select(place("id"), ScimGroup.id, pw.Value("Group"), pw.Value(""), place("at")).where(_GROUP_HERE),
        _TARGET,
    )
    .on_conflict_ignore()
    .returning(GroupMember.member)
)
_ADD_UNKNOWN = Statement(GroupMember.insert(places(GroupMember)).on_conflict_ignore())
_PRESENT = Statement(GroupMember.select(GroupMember.member).where(_OF_GROUP & _GIVEN))
_REMOVE = Statement(GroupMember.delete().where(_OF_GROUP & _GIVEN).returning(GroupMember.member))
_REMOVE_ALL = Statement(GroupMember.delete().where(_OF_GROUP).returning(GroupMember.member))
_REMOVE_OTHERS = Statement(
    GroupMember.delete().where(_OF_GROUP & GroupMember.member.not_in(TextList("members"))).returning(GroupMember.member)
)
_CALL = Statement(
    GroupMember.update({GroupMember.display: place("display")}).where(
        _OF_GROUP & (GroupMember.member == place("member")) & (GroupMember.display != place("display"))
    )
)
_CALL_BY_THEIR_NAMES = Statement(
    GroupMember.update({GroupMember.display: ""}).where(
        _OF_GROUP & (GroupMember.display != "") & GroupMember.member.not_in(TextList("members"))
    )
)
_COUNT = Statement(GroupMember.select(pw.fn.COUNT(GroupMember.member)).where(GroupMember.scim_group.in_(TextList("groups"))))
_TOUCH_GROUPS_WITH = Statement(
    ScimGroup.update({ScimGroup.version: ScimGroup.version + 1, ScimGroup.updated_at: place("at")})
    .where(ScimGroup.id.in_(GroupMember.select(GroupMember.scim_group).where(GroupMember.member == place("member"))))
    .returning(ScimGroup.id, ScimGroup.node)
)
_REMOVE_EVERYWHERE = Statement(GroupMember.delete().where(GroupMember.member == place("member")))
_INNER = ScimGroup.alias()
_MEMBERS = Statement(
    GroupMember.select(
        GroupMember.scim_group,
        GroupMember.member,
        GroupMember.member_type,
        pw.Case(
            None,
            [(GroupMember.display != "", GroupMember.display), (Account.display_name != "", Account.display_name)],
            pw.fn.COALESCE(Account.login, _INNER.display_name, ""),
        ),
        pw.fn.COALESCE(Account.login, ""),
    )
    .join_from(GroupMember, Account, pw.JOIN.LEFT_OUTER, on=((GroupMember.member_type == "User") & (Account.id == GroupMember.member)))
    .join_from(GroupMember, _INNER, pw.JOIN.LEFT_OUTER, on=((GroupMember.member_type == "Group") & (_INNER.id == GroupMember.member)))
    .where(GroupMember.scim_group.in_(TextList("groups")))
    .order_by(GroupMember.scim_group, GroupMember.member)
)


def _closure(near: pw.Field, far: pw.Field) -> Statement:
    """Return the query of all groups above a group, or below it, with their greatest distance, as far as nesting may go.

    UNION drops what was found before, so that groups with many ways between them cost no more than their number.
    """
    first = (
        GroupMember.select(far.alias("found"), pw.Value(1).alias("distance"))
        .where((near == place("id")) & (GroupMember.member_type == "Group"))
        .cte("closure", recursive=True, columns=("found", "distance"))
    )
    further = (
        GroupMember.select(far, first.c.distance + 1)
        .join(first, on=(near == first.c.found))
        .where((GroupMember.member_type == "Group") & (first.c.distance < MAX_NESTING))
    )
    closure = first.union(further)
    return Statement(closure.select_from(closure.c.found, pw.fn.MAX(closure.c.distance)).group_by(closure.c.found))


_ABOVE = _closure(GroupMember.member, GroupMember.scim_group)
_BELOW = _closure(GroupMember.scim_group, GroupMember.member)


@dataclass(frozen=True, slots=True)
class Member:
    """A member as it is shown."""

    id: str
    type: str
    """`User`, `Group`, or empty for an id that nobody here has."""
    display: str
    """What the directory calls the member, else a person's display name or login, or a group's name; empty for nobody."""
    login: str
    """A person's login."""


@dataclass(frozen=True, slots=True)
class Touched:
    """A group that lost a member because the member is gone."""

    id: GroupId
    node: NodeId


@dataclass(frozen=True, slots=True)
class Nesting:
    """How a group lies among others."""

    in_itself: bool
    levels: int
    """Groups one inside the other on the longest way through this one; cut at a little over the limit."""


def add_people(database: Database, node_id: NodeId, group_id: GroupId, members: Sequence[str], at: Instant) -> list[str]:
    """Add live people of a node and below to a group; return who was none of its members before. Others are passed over."""
    chosen = bound(members)
    database.hold(_PEOPLE_HERE, node=node_id, members=chosen)
    return [row[0] for row in database.rows(_ADD_PEOPLE, node=node_id, id=group_id, members=chosen, at=at)]


def add_groups(database: Database, node_id: NodeId, group_id: GroupId, members: Sequence[str], at: Instant) -> list[str]:
    """Add groups of a node and below to a group; return which were none of its members before. Others are passed over."""
    chosen = bound(members)
    database.hold(_GROUPS_HERE, node=node_id, members=chosen)
    return [row[0] for row in database.rows(_ADD_GROUPS, node=node_id, id=group_id, members=chosen, at=at)]


def add_unknown(database: Database, group_id: GroupId, members: Iterable[str], at: Instant) -> None:
    """Keep ids that nobody here has: they are shown again and mean nobody."""
    rows = [{"scim_group": group_id, "member": member, "member_type": "", "display": "", "added_at": at} for member in members]
    database.write_many(_ADD_UNKNOWN, rows)


def list_present(database: Database, group_id: GroupId, members: Sequence[str]) -> set[str]:
    """Return which of these are members."""
    return {row[0] for row in database.rows(_PRESENT, id=group_id, members=bound(members))}


def remove_members(database: Database, group_id: GroupId, members: Sequence[str]) -> list[str]:
    """Remove members; return who was one."""
    return [row[0] for row in database.rows(_REMOVE, id=group_id, members=bound(members))]


def remove_others(database: Database, group_id: GroupId, members: Sequence[str]) -> list[str]:
    """Remove all members but these; return who was one."""
    return [row[0] for row in database.rows(_REMOVE_OTHERS, id=group_id, members=bound(members))]


def remove_selected(database: Database, group_id: GroupId, selection: Filter | None) -> list[str]:
    """Remove the members for whom a filter holds, all of them where there is none; return who was one."""
    if selection is None:
        return [row[0] for row in database.rows(_REMOVE_ALL, id=group_id)]
    chosen = GroupMember.delete().where((GroupMember.scim_group == group_id) & member_condition(selection))
    return [row[0] for row in database.select(chosen.returning(GroupMember.member))]


def call_members(database: Database, group_id: GroupId, displays: Mapping[str, str]) -> int:
    """Call members by these names; return for how many that is new."""
    return sum(database.write(_CALL, id=group_id, member=member, display=display) for member, display in displays.items())


def call_others_by_their_names(database: Database, group_id: GroupId, members: Iterable[str]) -> int:
    """Call all members but these by their own names again; return for how many that is new."""
    return database.write(_CALL_BY_THEIR_NAMES, id=group_id, members=bound(members))


def call_selected(database: Database, group_id: GroupId, selection: Filter | None, display: str) -> int | None:
    """Call the members for whom a filter holds by this name; return for how many that is new, None where it holds for nobody."""
    chosen = GroupMember.scim_group == group_id
    if selection is not None:
        chosen &= member_condition(selection)
    if not database.select(GroupMember.select(pw.fn.COUNT(GroupMember.member)).where(chosen))[0][0]:
        return None
    renamed = GroupMember.update({GroupMember.display: display}).where(chosen & (GroupMember.display != display))
    return len(database.select(renamed.returning(GroupMember.member)))


def remove_everywhere(database: Database, member: str, at: Instant) -> list[Touched]:
    """Take somebody, or a group, out of every group, and raise those groups' versions (scim.md A94)."""
    touched = [Touched(*row) for row in database.rows(_TOUCH_GROUPS_WITH, member=member, at=at)]
    database.write(_REMOVE_EVERYWHERE, member=member)
    return touched


def find_nesting(database: Database, group_id: GroupId) -> Nesting:
    """Return how a group lies among others: whether in itself, and how deep it all goes. Nobody else nests groups meanwhile."""
    database.hold_name("nesting of groups")
    above, below = database.rows(_ABOVE, id=group_id), database.rows(_BELOW, id=group_id)
    levels = 1 + max((row[1] for row in above), default=0) + max((row[1] for row in below), default=0)
    return Nesting(any(row[0] == group_id for row in above), levels)


def count_members(database: Database, groups: Iterable[GroupId]) -> int:
    """Return how many members these groups have together."""
    row = database.row(_COUNT, groups=bound(groups))
    return row[0] if row else 0


def list_members(database: Database, group_id: GroupId) -> list[Member]:
    """Return the members of a group."""
    return [Member(*row[1:]) for row in database.rows(_MEMBERS, groups=bound([group_id]))]


def members_json(database: Database, groups: Iterable[GroupId], *, base: str) -> dict[GroupId, bytes]:
    """Return the JSON list of members of each of these groups that has any; `base` is the SCIM base URL, without a slash at its end."""
    found: dict[GroupId, list[dict[str, str]]] = {}
    endpoints = {"User": f"{base}/Users/", "Group": f"{base}/Groups/"}
    for group_id, member, kind, display, _ in database.rows(_MEMBERS, groups=bound(groups)):
        element = {"value": member}
        if kind:
            element = {"value": member, "$ref": endpoints[kind] + member, "display": display, "type": kind}
        elif display:
            element["display"] = display
        if group_id not in found:
            found[group_id] = []
        found[group_id].append(element)
    return {group_id: orjson.dumps(members) for group_id, members in found.items()}
