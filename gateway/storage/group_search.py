"""Searches for groups: resolved SCIM filters compiled to SQL. What they mean is defined by gateway/domain/filter.py.

Every condition is true or false and never unknown, so that `not` turns it round. A search reads the rows of one node's subtree alone.
"""

from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias, assert_never

import peewee as pw

from gateway.domain.errors import Refusal
from gateway.domain.filter import fragment_key, matches, microseconds
from gateway.domain.query import And, AttributePath, Comparison, Filter, Not, Operator, Or, Present, ValuePath
from gateway.domain.schema import CORE_GROUP_URN, GROUP, JsonObject
from gateway.domain.sorting import Sorting
from gateway.domain.values import ConnectionId, NodeId, comparison_key
from gateway.storage import nodes
from gateway.storage.database import Database
from gateway.storage.groups import COLUMNS, SeenGroup, group_of
from gateway.storage.tables.groups import GroupExternalId, GroupMember, ScimGroup

Condition: TypeAlias = Any
"""A peewee expression, whose types the stubs do not tell apart."""

_ALIKE: JsonObject = {"schemas": [CORE_GROUP_URN], "meta": {"resourceType": "Group"}}
"""What all groups have in common, for tests that need no column."""
_CONSTANT = frozenset({"schemas", "meta.resourceType"})
_INSTANTS = {"meta.created": ScimGroup.created_at, "meta.lastModified": ScimGroup.updated_at}
_ALWAYS = frozenset({"id", "displayName", "meta", "meta.location", "meta.version", *_INSTANTS})
"""What no group lacks."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A text that a group or a member has."""

    column: Condition
    exact: bool
    """Whether case counts; else the column holds comparison keys."""


_TEXTS = {
    "id": _Text(ScimGroup.id, exact=True),
    "displayName": _Text(ScimGroup.display_key, exact=False),
    "externalId": _Text(GroupExternalId.value, exact=True),
}
_MEMBER_TEXTS = {
    "value": _Text(GroupMember.member, exact=True),
    "type": _Text(pw.fn.NULLIF(pw.fn.LOWER(GroupMember.member_type), ""), exact=False),
}
_SORTED: dict[str, Condition] = {"id": ScimGroup.id, "displayName": ScimGroup.display_key, "externalId": GroupExternalId.value, **_INSTANTS}


def search_groups(
    database: Database,
    node_id: NodeId,
    connection: ConnectionId,
    tree: Filter | None,
    *,
    sorting: Sorting | None,
    start: int,
    count: int,
) -> list[SeenGroup]:
    """Return the groups in a node's sight for which a resolved filter holds: at most `count`, from the 1-based index `start` on.

    Raises Refusal `E_Filter_Unsupported` or `E_Field_Invalid` for attributes that have no column to search or sort by.
    """
    found = (
        _query(node_id, connection, tree, [*COLUMNS, GroupExternalId.value]).order_by(*_ordering(sorting)).limit(count).offset(start - 1)
    )
    return [SeenGroup(group_of(row[:-1]), row[-1]) for row in database.select(found)]


def count_groups(database: Database, node_id: NodeId, connection: ConnectionId, tree: Filter | None) -> int:
    """Return for how many groups in a node's sight a resolved filter holds."""
    found: int = database.select(_query(node_id, connection, tree, [pw.fn.COUNT(ScimGroup.id)]))[0][0]
    return found


def member_condition(tree: Filter) -> Condition:
    """Return the condition on one member that a filter resolved against `members` stands for.

    Raises Refusal `E_Filter_Unsupported` for sub-attributes other than `value` and `type`: they are computed when members are read.
    """
    if isinstance(tree, ValuePath):
        _refuse("brackets inside brackets")
    match tree:
        case Comparison(path, operator, value):
            return _compare(_member_text(path), operator, value)
        case Present(path):
            return _present(_member_text(path))
        case Not(operand):
            return ~member_condition(operand)
        case And(operands):
            return _joined([member_condition(operand) for operand in operands], either=False)
        case Or(operands):
            return _joined([member_condition(operand) for operand in operands], either=True)
        case _:
            assert_never(tree)


def _query(node_id: NodeId, connection: ConnectionId, tree: Filter | None, columns: list[Condition]) -> pw.Query:
    known_to_it = (GroupExternalId.scim_group == ScimGroup.id) & (GroupExternalId.connection == connection)
    query = (
        ScimGroup.select(*columns)
        .join(GroupExternalId, pw.JOIN.LEFT_OUTER, on=known_to_it)
        .where(ScimGroup.node.in_(nodes.subtree_ids(node_id)))
    )
    return query if tree is None else query.where(_condition(tree))


def _ordering(sorting: Sorting | None) -> list[Condition]:
    """Return the order; ties go by id, so that pages do not overlap (scim.md A63)."""
    if sorting is None:
        # Groups made while a client turns pages appear on the last one, and push nothing from one page to the next.
        return [ScimGroup.created_at, ScimGroup.id]
    column = _SORTED.get(str(sorting.path))
    if column is None:
        raise Refusal("E_Field_Invalid", field="sortBy", data={"field": "sortBy", "rule": "one of " + ", ".join(_SORTED)})
    missing = pw.Case(None, [(column.is_null(), 1)], 0)
    # Missing values are last ascending and first descending (RFC 7644 §3.4.2.3).
    return [missing.desc(), column.desc(), ScimGroup.id] if sorting.descending else [missing, column, ScimGroup.id]


def _condition(tree: Filter) -> Condition:
    match tree:
        case Comparison(path, operator, value):
            return _comparison(tree, path, operator, value)
        case Present(path):
            return _presence(tree, path)
        case Not(operand):
            return ~_condition(operand)
        case And(operands):
            return _joined([_condition(operand) for operand in operands], either=False)
        case Or(operands):
            return _joined([_condition(operand) for operand in operands], either=True)
        case ValuePath(_, selection):
            return _has_member(member_condition(selection), named=_names_member(selection))
        case _:
            assert_never(tree)


def _comparison(tree: Filter, path: AttributePath, operator: Operator, value: object) -> Condition:
    name = str(path)
    if path.name == "members":
        return _compare_members(path.sub, operator, value)
    if name in _CONSTANT:
        return _constant(holds=matches(tree, _ALIKE, GROUP))
    if name in _INSTANTS:
        return _compare_instant(_INSTANTS[name], operator, value)
    if name not in _TEXTS:
        _refuse(f"groups are not searched by {name}")
    return _compare(_TEXTS[name], operator, value)


def _presence(tree: Filter, path: AttributePath) -> Condition:
    name = str(path)
    if path.name == "members":
        return _has_member(_present(_member_text(AttributePath("", path.sub or "value"))))
    if name in _ALWAYS:
        return _constant(holds=True)
    return _present(_TEXTS[name]) if name in _TEXTS else _constant(holds=matches(tree, _ALIKE, GROUP))


def _compare_members(sub: str, operator: Operator, value: object) -> Condition:
    """`ne` holds where some value differs or there is none; null stands for none (scim.md A46)."""
    text = _member_text(AttributePath("", sub))
    if value is None:
        any_at_all = _has_member(_present(text))
        return any_at_all if operator is Operator.NE else ~any_at_all
    if operator is Operator.NE:
        differs = _present(text) & ~_compare(text, Operator.EQ, value)
        return _has_member(differs) | ~_has_member(_present(text))
    return _has_member(_compare(text, operator, value), named=sub == "value" and operator is Operator.EQ)


def _names_member(selection: Filter) -> bool:
    """Return whether only one member can satisfy the selection, so that the reverse index finds its groups."""
    terms = selection.operands if isinstance(selection, And) else (selection,)
    return any(isinstance(term, Comparison) and term.path.name == "value" and term.operator is Operator.EQ and term.value for term in terms)


def _has_member(condition: Condition, *, named: bool = False) -> Condition:
    """Return the condition that some member satisfies another one; it never reads members of another tenant's groups."""
    if named:
        return ScimGroup.id.in_(GroupMember.select(GroupMember.scim_group).where(condition))
    return pw.fn.EXISTS(GroupMember.select(pw.SQL("1")).where((GroupMember.scim_group == ScimGroup.id) & condition))


def _member_text(path: AttributePath) -> _Text:
    text = _MEMBER_TEXTS.get(path.name)
    if text is None:
        _refuse(f"members are not searched by {path.name}")
    return text


def _present(text: _Text) -> Condition:
    return text.column.is_null(False)


def _compare(text: _Text, operator: Operator, value: object) -> Condition:
    if value is None:
        return text.column.is_null(operator is Operator.EQ)
    written = str(value)
    key = written if text.exact else comparison_key(written)
    part = written if text.exact else fragment_key(written)
    column = text.column
    match operator:
        case Operator.NE:
            return column.is_null() | (column != key)
        case Operator.EQ:
            test = column == key
        # LIKE would ask for escapes, and SQLite's knows no case; these are literal and exact on both engines.
        case Operator.CO:
            test = pw.fn.REPLACE(column, part, "") != column if part else _constant(holds=True)
        case Operator.SW:
            test = pw.fn.SUBSTR(column, 1, len(part)) == part
        case Operator.EW:
            test = pw.fn.SUBSTR(column, pw.fn.LENGTH(column) - (len(part) - 1)) == part if part else _constant(holds=True)
        case Operator.GT | Operator.GE | Operator.LT | Operator.LE:
            test = _ordered(column, operator, key)
        case _:
            assert_never(operator)
    return _present(text) & test


def _compare_instant(column: Condition, operator: Operator, value: object) -> Condition:
    """Compare by instants: columns hold milliseconds, and what a client names may be finer."""
    if value is None:
        return _constant(holds=operator is Operator.NE)
    moment = microseconds(str(value))
    if moment is None or operator in {Operator.CO, Operator.SW, Operator.EW}:
        _refuse(f"{operator} on a date")
    exact = column * 1000
    if operator is Operator.EQ:
        return exact == moment
    return exact != moment if operator is Operator.NE else _ordered(exact, operator, moment)


def _ordered(column: Condition, operator: Operator, value: object) -> Condition:
    if operator is Operator.GT:
        return column > value
    if operator is Operator.GE:
        return column >= value
    return column < value if operator is Operator.LT else column <= value


def _joined(conditions: list[Condition], *, either: bool) -> Condition:
    joined = conditions[0]
    for condition in conditions[1:]:
        joined = joined | condition if either else joined & condition
    return joined


def _constant(*, holds: bool) -> Condition:
    return pw.SQL("(1 = 1)" if holds else "(1 = 0)")


def _refuse(why: str) -> NoReturn:
    raise Refusal("E_Filter_Unsupported", reason=f"filter: {why}", data={"value": why})
