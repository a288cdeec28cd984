"""Groups: their rows, their names, the ids that directories gave them, and what a person's document says of them."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import orjson
import peewee as pw

from gateway.domain.groups import Group, GroupId
from gateway.domain.values import AccountId, ConnectionId, Instant, NodeId, comparison_key
from gateway.storage.database import Database, Row, Statement, place, places
from gateway.storage.tables.groups import GroupExternalId, GroupMember, ScimGroup
from gateway.storage.tables.nodes import NodeAncestry

FIELDS = tuple(field.name for field in dataclasses.fields(Group))
COLUMNS = tuple(getattr(ScimGroup, name) for name in FIELDS)

_IN_SIGHT = Statement(
    ScimGroup.select(*COLUMNS, GroupExternalId.value)
    .join_from(ScimGroup, NodeAncestry, on=(NodeAncestry.descendant == ScimGroup.node))
    .join_from(
        ScimGroup,
        GroupExternalId,
        pw.JOIN.LEFT_OUTER,
        on=((GroupExternalId.scim_group == ScimGroup.id) & (GroupExternalId.connection == place("connection"))),
    )
    .where((ScimGroup.id == place("id")) & (NodeAncestry.ancestor == place("node")))
)
_HOLD = Statement(ScimGroup.select(ScimGroup.id).where(ScimGroup.id == place("id")), hold=True)
_BY_NAME = Statement(
    ScimGroup.select(*COLUMNS)
    .where((ScimGroup.node == place("node")) & (ScimGroup.display_key == place("display_key")))
    .order_by(ScimGroup.created_at, ScimGroup.id)
    .limit(2)
)
_OF_NODE = Statement(ScimGroup.select(*COLUMNS).where(ScimGroup.node == place("node")).order_by(ScimGroup.display_key, ScimGroup.id))
_INSERT = Statement(ScimGroup.insert(places(ScimGroup)))
_CHANGE = Statement(
    ScimGroup.update(
        {
            ScimGroup.display_name: place("display_name"),
            ScimGroup.display_key: place("display_key"),
            ScimGroup.claimed_name: place("claimed_name"),
            ScimGroup.managed_by: place("managed_by"),
            ScimGroup.version: place("version"),
            ScimGroup.updated_at: place("updated_at"),
            ScimGroup.document: place("document"),
        }
    ).where((ScimGroup.id == place("id")) & (ScimGroup.version == place("expected")))
)
_BUMP = Statement(
    ScimGroup.update({ScimGroup.version: ScimGroup.version + 1, ScimGroup.updated_at: place("at")})
    .where(ScimGroup.id == place("id"))
    .returning(*COLUMNS)
)
_DELETE = Statement(ScimGroup.delete().where(ScimGroup.id == place("id")))
_DELETE_MEMBERS = Statement(GroupMember.delete().where(GroupMember.scim_group == place("id")))
_DELETE_EXTERNAL_IDS = Statement(GroupExternalId.delete().where(GroupExternalId.scim_group == place("id")))
_DELETE_EXTERNAL_ID = Statement(
    GroupExternalId.delete().where((GroupExternalId.connection == place("connection")) & (GroupExternalId.scim_group == place("id")))
)
_INSERT_EXTERNAL_ID = Statement(GroupExternalId.insert(places(GroupExternalId)))
_RELEASE = Statement(ScimGroup.update({ScimGroup.managed_by: None}).where(ScimGroup.managed_by == place("connection")))
_NAMED = Statement(
    ScimGroup.select(ScimGroup.created_at, ScimGroup.id, ScimGroup.display_name)
    .join_from(ScimGroup, NodeAncestry, on=(NodeAncestry.descendant == ScimGroup.node))
    .where((ScimGroup.id == place("id")) & (NodeAncestry.ancestor == place("node")))
)
_OF_PERSON = Statement(
    ScimGroup.select(*COLUMNS)
    .join(GroupMember, on=(GroupMember.scim_group == ScimGroup.id))
    .where((GroupMember.member == place("account")) & (GroupMember.member_type == "User"))
    .order_by(ScimGroup.created_at, ScimGroup.id)
)


class _Listed(pw.Node):
    """A column of all rows as one text, parted by commas, in the engine's words; psycopg's parameters are `%s`."""

    def __init__(self, column: pw.Field) -> None:
        self._column = column

    def __sql__(self, ctx: pw.Context) -> pw.Context:
        name = "string_agg(" if ctx.state.param == "%s" else "group_concat("
        written: pw.Context = ctx.literal(name).sql(self._column).literal(", ',')")
        return written


def groups_of(account: pw.Field) -> pw.Query:
    """Return the query of the ids of all groups that the account of an outer query is a direct member of, for `groups_json`."""
    return GroupMember.select(_Listed(GroupMember.scim_group)).where(
        (GroupMember.member == account) & (GroupMember.member_type == pw.SQL("'User'"))
    )


@dataclass(frozen=True, slots=True)
class SeenGroup:
    """A group as a connection sees it."""

    group: Group
    external_id: str | None
    """The id by which the connection's directory knows it."""


def find_group(database: Database, node_id: NodeId, group_id: str, connection: ConnectionId | None) -> SeenGroup | None:
    """Return the group of a node, or of one below it, with the connection's id of it."""
    hold_group(database, GroupId(group_id))
    row = database.row(_IN_SIGHT, node=node_id, id=group_id, connection=connection)
    return SeenGroup(group_of(row[:-1]), row[-1]) if row else None


def hold_group(database: Database, group_id: GroupId) -> None:
    """Hold a group with its members."""
    # Before it is read: what a statement joins to a row that it waited for is as it was before the wait.
    database.hold(_HOLD, id=group_id)


def list_groups_by_name(database: Database, node_id: NodeId, name: str) -> list[Group]:
    """Return the groups of that name at a node itself: two at most, which is enough to know that the name is not unique."""
    return [group_of(row) for row in database.rows(_BY_NAME, node=node_id, display_key=comparison_key(name))]


def list_groups(database: Database, node_id: NodeId) -> list[Group]:
    """Return a node's own groups, by name."""
    return [group_of(row) for row in database.rows(_OF_NODE, node=node_id)]


def list_groups_of_person(database: Database, account_id: AccountId) -> list[Group]:
    """Return the groups that an account is a direct member of."""
    return [group_of(row) for row in database.rows(_OF_PERSON, account=account_id)]


def insert_group(database: Database, group: Group) -> None:
    """Add a group. Raises Duplicate if its claimed name is taken in its node."""
    database.write(_INSERT, **_values(group))


def change_group(database: Database, group: Group, *, expected_version: int) -> bool:
    """Store a group if its version is still the expected one; return whether it was.

    Raises Duplicate if its claimed name is taken in its node.
    """
    return database.write(_CHANGE, **_values(group), expected=expected_version) == 1


def bump_group(database: Database, group_id: GroupId, at: Instant) -> Group:
    """Raise a group's version because its members changed, and return the group as it is then.

    It asks for no expected version: changes of different members commute, and none of them may be lost.
    """
    return group_of(database.rows(_BUMP, id=group_id, at=at)[0])


def delete_group(database: Database, group_id: GroupId) -> int:
    """Remove a group with its ids and its members, and return how many they were. It must be out of other groups already."""
    members = database.write(_DELETE_MEMBERS, id=group_id)
    database.write(_DELETE_EXTERNAL_IDS, id=group_id)
    database.write(_DELETE, id=group_id)
    return members


def replace_external_id(database: Database, connection: ConnectionId, group_id: GroupId, value: str | None) -> None:
    """Store a connection's id of a group. Raises Duplicate if the connection uses it for another one."""
    database.write(_DELETE_EXTERNAL_ID, connection=connection, id=group_id)
    if value:
        database.write(_INSERT_EXTERNAL_ID, connection=connection, scim_group=group_id, value=value)


def release_groups(database: Database, connection: ConnectionId) -> int:
    """Let nobody manage what a connection managed, because the connection goes; return how many groups these are."""
    return database.write(_RELEASE, connection=connection)


def groups_json(database: Database, node_id: NodeId, found: Iterable[str | None], base: str) -> dict[str | None, str]:
    """Return the lists that people's `groups` show as JSON, by what `groups_of` found of each; empty where nothing is in sight.

    In sight are groups of the node and below it, in the order in which they were made. `base` is the SCIM base URL, without a slash at its
    end. People of one page are mostly in the same groups, so few lists are made.
    """
    texts = {ids for ids in found if ids}
    named: dict[str, Row] = {}
    for group_id in {group_id for ids in texts for group_id in ids.split(",")}:
        if row := database.row(_NAMED, id=group_id, node=node_id):
            named[group_id] = row
    lists: dict[str | None, str] = {None: ""}
    for ids in texts:
        rows = sorted(named[group_id] for group_id in ids.split(",") if group_id in named)
        listed = [{"value": group, "$ref": f"{base}/Groups/{group}", "display": name, "type": "direct"} for _, group, name in rows]
        lists[ids] = orjson.dumps(listed).decode() if listed else ""
    return lists


def group_of(row: Row) -> Group:
    """Return the group of a row of `COLUMNS`."""
    return Group(*row)


def _values(group: Group) -> dict[str, object]:
    return {name: getattr(group, name) for name in FIELDS} | {"display_key": comparison_key(group.display_name)}
