"""The only writer of groups, whoever asks: a directory by SCIM, or an administrator by hand.

A change is one transaction: the group's row where its attributes differ, deltas of members, one raised version, one event with counts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.domain.audit import Event
from gateway.domain.connections import Adoption, Connection
from gateway.domain.errors import Refusal
from gateway.domain.groups import Group, GroupId, MemberChange, stored_group
from gateway.domain.nodes import Node
from gateway.domain.people import require_text
from gateway.domain.query import Filter
from gateway.domain.sorting import Sorting
from gateway.domain.values import AccountId, ConnectionId, comparison_key
from gateway.services.context import Context
from gateway.services.group_members import Rules, change_members
from gateway.storage import connections, group_members, group_search, groups
from gateway.storage.database import Duplicate
from gateway.storage.groups import SeenGroup

MAX_MEMBERS_SHOWN = 100_000
"""Members of all groups on one page together."""
_NAMED_IN_EVENT = 20
"""Members that an event names; of larger changes it tells the numbers alone."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request wants a group to be, and which changes of membership it asks for, in order."""

    display_name: str
    external_id: str | None
    members: tuple[MemberChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a group."""

    seen: SeenGroup
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


Change = Callable[[SeenGroup], Wanted]
"""Takes what is stored of a group, without members, and returns what is wanted instead; raises Refusal."""

STRICT = Rules()


def get_group(context: Context, connection: Connection, group_id: str) -> SeenGroup:
    """Return a group in the connection's sight: those of its node and below; any other is as unknown as none."""
    seen = groups.find_group(context.database, connection.node, group_id, connection.id)
    if seen is None:
        raise Refusal("E_Resource_Not_Found", data={"value": group_id[:128]})
    return seen


def create_group(context: Context, node: Node, wanted: Wanted, *, connection: Connection | None = None, rules: Rules = STRICT) -> Outcome:
    """Create a group at a node: the connection's, or one made by hand. Refuses a taken name or externalId (409)."""
    now, group_id = context.now(), GroupId(context.new_id())
    name = require_text("displayName", wanted.display_name)
    group = Group(
        id=group_id,
        node=node.id,
        display_name=name,
        claimed_name=comparison_key(name) if rules.unique_names else None,
        managed_by=connection.id if connection else None,
        version=1,
        created_at=now,
        updated_at=now,
        document=stored_group(group_id, name),
    )
    with context.database.transaction():
        _require_name_free(context, group, rules)
        try:
            groups.insert_group(context.database, group)
        except Duplicate as error:
            raise _name_taken(name) from error
        if connection is not None:
            _store_external_id(context, connection.id, group.id, wanted.external_id)
        added = change_members(context, group, wanted.members, rules).added()
        connections.count(context.database, node.id, "Group", group.id, 1)
        detail = {"name": name, "by": group.managed_by or "", "added": len(added)} | _named("members_added", added)
        context.publish(Event(node.id, "group.created", "group", group.id, detail=detail))
    return Outcome(SeenGroup(group, wanted.external_id if connection else None), tuple(added))


def change_group(
    context: Context,
    connection: Connection,
    group_id: str,
    change: Change,
    *,
    rules: Rules = STRICT,
    require: Callable[[SeenGroup], None] | None = None,
) -> Outcome:
    """Apply `change` to a group in one transaction that nobody else can slip into; where nothing differs, its version stays (A72, A77).

    `require` may refuse by what is there, e.g. a precondition on the version (RFC 7644 §3.14).
    """
    with context.database.transaction():
        seen = get_group(context, connection, group_id)
        if require is not None:
            require(seen)
        _require_writable(connection, seen.group)
        return _apply(context, seen, change(seen), connection=connection, rules=rules)


def remove_group(context: Context, connection: Connection, group_id: str, *, require: Callable[[SeenGroup], None] | None = None) -> None:
    """Delete a group that the connection manages, and take it out of other groups."""
    with context.database.transaction():
        seen = get_group(context, connection, group_id)
        if require is not None:
            require(seen)
        if seen.group.managed_by != connection.id:
            raise Refusal("E_Forbidden", reason="only the connection that manages a group may delete it")
        delete_group(context, seen.group)


def delete_group(context: Context, group: Group) -> None:
    """Delete a group for good, whoever manages it."""
    with context.database.transaction():
        groups.hold_group(context.database, group.id)
        _leave_groups(context, group.id, "group deleted")
        members = groups.delete_group(context.database, group.id)
        connections.count(context.database, group.node, "Group", group.id, -1)
        detail = {"name": group.display_name, "removed": members}
        context.publish(Event(group.node, "group.deleted", "group", group.id, detail=detail))


def change_members_by_hand(context: Context, group: Group, changes: Sequence[MemberChange]) -> Outcome:
    """Change the members of a group made by hand; refused where a directory manages it, which would undo it (R-190)."""
    if group.managed_by is not None:
        raise Refusal("E_Idp_Managed_Attribute", reason=f"managed by connection {group.managed_by}")
    with context.database.transaction():
        groups.hold_group(context.database, group.id)
        seen = SeenGroup(group, None)
        return _apply(context, seen, Wanted(group.display_name, None, tuple(changes)), connection=None, rules=STRICT)


def get_group_by_name(context: Context, node: Node, name: str) -> Group:
    """Return the group of that name at a node, or refuse where there is none, or more than one."""
    found = groups.list_groups_by_name(context.database, node.id, name)
    if not found:
        raise Refusal("E_Resource_Not_Found", field="name", data={"value": name[:128]})
    if len(found) > 1:
        raise Refusal("E_Field_Invalid", field="name", data={"field": "name", "rule": "names more than one group here"})
    return found[0]


def list_groups(context: Context, node: Node) -> list[Group]:
    """Return a node's own groups, by name."""
    return groups.list_groups(context.database, node.id)


def list_groups_of(context: Context, account_id: AccountId) -> list[Group]:
    """Return the groups that an account is a direct member of, oldest first."""
    return groups.list_groups_of_person(context.database, account_id)


def search_groups(
    context: Context, connection: Connection, tree: Filter | None, sorting: Sorting | None, *, start: int, count: int
) -> tuple[int, list[SeenGroup]]:
    """Return how many groups in the connection's sight satisfy a resolved filter, and at most `count` of them from index `start` on.

    Raises Refusal `E_Filter_Unsupported` or `E_Field_Invalid` for attributes that have no column to search or sort by.
    """
    found: list[SeenGroup] = []
    if count:
        found = group_search.search_groups(
            context.database, connection.node, connection.id, tree, sorting=sorting, start=start, count=count
        )
    if start == 1 and len(found) < count:
        return len(found), found
    if tree is None:
        return connections.total(context.database, connection.node, "Group"), found
    return group_search.count_groups(context.database, connection.node, connection.id, tree), found


def members_json(context: Context, shown: Sequence[SeenGroup], *, base: str) -> Mapping[GroupId, bytes]:
    """Return the JSON list of members of each of these groups that has any; `base` is the SCIM base URL.

    Refuses several groups with too many members together (`E_Too_Many`): one page would fill the memory of the process.
    """
    ids = [seen.group.id for seen in shown]
    if len(ids) > 1 and group_members.count_members(context.database, ids) > MAX_MEMBERS_SHOWN:
        raise Refusal("E_Too_Many", data={"value": f"more than {MAX_MEMBERS_SHOWN} members on one page"})
    return group_members.members_json(context.database, ids, base=base)


def list_members(context: Context, group: Group) -> list[group_members.Member]:
    """Return a group's members with the names they are shown by."""
    return group_members.list_members(context.database, group.id)


def leave_all_groups(context: Context, account_id: AccountId) -> None:
    """Take a deleted person out of every group, in the transaction that is open (scim.md A94)."""
    _leave_groups(context, account_id, "person deleted")


def _apply(context: Context, seen: SeenGroup, wanted: Wanted, *, connection: Connection | None, rules: Rules) -> Outcome:
    before = seen.group
    balance = change_members(context, before, wanted.members, rules)
    added, removed = balance.added(), balance.removed()
    after = _renamed(before, wanted.display_name, rules)
    if connection is not None:
        after = replace(after, managed_by=connection.id)
    new_id = connection is not None and wanted.external_id != seen.external_id
    if connection is not None and new_id:
        _store_external_id(context, connection.id, before.id, wanted.external_id)
    if after != before:
        _require_name_free(context, after, rules, former=before)
        after = _stored(context, before, after)
    elif added or removed or balance.called or new_id:
        after = groups.bump_group(context.database, before.id, context.now())
    else:
        return Outcome(seen)
    detail: dict[str, object] = {"added": len(added), "removed": len(removed)}
    detail |= _named("members_added", added) | _named("members_removed", removed)
    if balance.called:
        detail["called"] = balance.called
    if after.display_name != before.display_name:
        detail["name"] = [before.display_name, after.display_name]
    context.publish(Event(before.node, "group.changed", "group", before.id, detail=detail))
    return Outcome(SeenGroup(after, wanted.external_id if connection else None), tuple(added), tuple(removed))


def _renamed(group: Group, name: str, rules: Rules) -> Group:
    if name == group.display_name:
        return group
    require_text("displayName", name)
    claimed = comparison_key(name) if rules.unique_names else None
    return replace(group, display_name=name, claimed_name=claimed, document=stored_group(group.id, name))


def _stored(context: Context, before: Group, after: Group) -> Group:
    changed = replace(after, version=before.version + 1, updated_at=context.now())
    try:
        if not groups.change_group(context.database, changed, expected_version=before.version):
            raise Refusal("E_Version_Conflict", reason="the group changed meanwhile")
    except Duplicate as error:
        raise _name_taken(after.display_name) from error
    return changed


def _leave_groups(context: Context, member: str, reason: str) -> None:
    for touched in group_members.remove_everywhere(context.database, member, context.now()):
        detail = {"added": 0, "removed": 1, "members_removed": [member], "reason": reason}
        context.publish(Event(touched.node, "group.changed", "group", touched.id, detail=detail))


def _require_writable(connection: Connection, group: Group) -> None:
    """Refuse a group managed by another connection, or by nobody unless the connection adopts (decisions.md 35)."""
    if group.managed_by == connection.id:
        return
    if group.managed_by is not None:
        raise Refusal("E_Forbidden", reason="another connection manages this group")
    if connection.adoption is not Adoption.ADOPT:
        raise Refusal("E_Forbidden", reason="nobody manages this group and the connection may not adopt it")


def _require_name_free(context: Context, group: Group, rules: Rules, *, former: Group | None = None) -> None:
    """Refuse a name that another group of the node has, also one that its connection let repeat."""
    key = comparison_key(group.display_name)
    if not rules.unique_names or (former is not None and key == comparison_key(former.display_name)):
        return
    if any(other.id != group.id for other in groups.list_groups_by_name(context.database, group.node, group.display_name)):
        raise _name_taken(group.display_name)


def _name_taken(name: str) -> Refusal:
    return Refusal("E_Group_Name_Taken", field="displayName", data={"value": name[:128]})


def _store_external_id(context: Context, connection: ConnectionId, group_id: GroupId, external_id: str | None) -> None:
    try:
        groups.replace_external_id(context.database, connection, group_id, external_id)
    except Duplicate as error:
        raise Refusal("E_External_Id_Taken", field="externalId", data={"value": (external_id or "")[:128]}) from error


def _named(field: str, members: Sequence[str]) -> dict[str, object]:
    return {field: list(members)} if 0 < len(members) <= _NAMED_IN_EVENT else {}
