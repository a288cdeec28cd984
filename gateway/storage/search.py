"""Searches of people: a plan becomes one query, which is kept compiled for its next use (scim.md section 6).

Every query is bound to a node's subtree. Equality drives from an index; all else is tested on the people of that subtree.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import peewee as pw

from gateway.domain.query import Filter
from gateway.domain.sorting import Sorting
from gateway.domain.values import ConnectionId, Instant, NodeId
from gateway.storage.database import Database, Statement, place
from gateway.storage.person_rows import IN_SIGHT, PersonRow, Ready, ready_columns, rows_query
from gateway.storage.search_plan import EXACT, INSTANTS, KEYED, Plan, Planned, planned
from gateway.storage.tables.groups import GroupMember
from gateway.storage.tables.people import Account
from gateway.storage.tables.provisioning import ExternalId, ScimValue

_MOST_KEPT = 500
"""Compiled searches at most: a client that invents shapes must not fill the memory."""
_LOOKED_FOR = ("emails", "value")
"""What the index `scim_value_address` holds."""
_SORTED = KEYED | EXACT | INSTANTS | {"emails.value": "email_key"}


@dataclass(frozen=True, slots=True)
class PeopleSearch:
    """What is looked for, and by whom."""

    node: NodeId
    connection: ConnectionId
    planned: Planned
    sorting: Sorting | None
    now: Instant

    @property
    def exact(self) -> bool:
        """Whether the database alone can answer it, in the order wanted."""
        return self.planned.exact and (self.sorting is None or str(self.sorting.path) in _SORTED)


def people_search(node: NodeId, connection: ConnectionId, tree: Filter | None, sorting: Sorting | None, *, now: Instant) -> PeopleSearch:
    """Return a search by a resolved filter."""
    return PeopleSearch(node, connection, planned(tree), sorting, now)


def list_ready(database: Database, search: PeopleSearch, *, limit: int, offset: int) -> list[Ready]:
    """Return a page of what the search finds; where it is not exact, of what it may find."""
    order = _wanted_order(search)
    statement = _statement(("ready", search.planned.plan, order), lambda: _ready_query(search.planned.plan, order))
    return [Ready._make(row) for row in database.rows(statement, **_values(search), page_limit=limit, page_offset=offset)]


def list_person_rows(database: Database, search: PeopleSearch, *, limit: int, offset: int) -> list[PersonRow]:
    """Return the same page with all that a document is made of."""
    order = _wanted_order(search)
    statement = _statement(("rows", search.planned.plan, order), lambda: _page_query(search.planned.plan, order))
    return [PersonRow._make(row) for row in database.rows(statement, **_values(search), page_limit=limit, page_offset=offset)]


def _wanted_order(search: PeopleSearch) -> tuple[str, bool] | None:
    order = (str(search.sorting.path), search.sorting.descending) if search.sorting else None
    return order if order is None or order[0] in _SORTED else None


def count_people(database: Database, search: PeopleSearch) -> int:
    """Return how many an exact search finds."""
    statement = _statement(("count", search.planned.plan), lambda: _count_query(search.planned.plan))
    return int(database.rows(statement, **_values(search))[0][0])


_kept: dict[Plan, Statement] = {}


def _statement(key: Plan, build: Callable[[], pw.Query]) -> Statement:
    """Return the statement of a shape, built once."""
    statement = _kept.get(key)
    if statement is None:
        statement = Statement(build())
        if len(_kept) < _MOST_KEPT:
            _kept[key] = statement
    return statement


def _values(search: PeopleSearch) -> dict[str, object]:
    values: dict[str, object] = {f"v{number}": value for number, value in enumerate(search.planned.values)}
    return values | {"node": search.node, "connection": search.connection, "now": search.now}


def _page_query(plan: Plan, order: tuple[str, bool] | None) -> pw.Query:
    # The ids come first: whole rows, with their documents and what is joined to them, would be read and moved about for nothing.
    return rows_query().where(Account.id.in_(_paged(_found(plan, Account.id), order))).order_by(*_order(order))


def _ready_query(plan: Plan, order: tuple[str, bool] | None) -> pw.Query:
    return _paged(_found(plan, *ready_columns()), order)


def _paged(query: pw.Query, order: tuple[str, bool] | None) -> pw.Query:
    return query.order_by(*_order(order)).limit(place("page_limit")).offset(place("page_offset"))


def _count_query(plan: Plan) -> pw.Query:
    return _found(plan, pw.fn.COUNT(Account.id))


def _found(plan: Plan, *what: pw.Node) -> pw.Query:
    """Return the query of these columns of those whom a plan finds."""
    own_id = (ExternalId.account == Account.id) & (ExternalId.connection == place("connection"))
    return Account.select(*what).join_from(Account, ExternalId, pw.JOIN.LEFT_OUTER, on=own_id).where(IN_SIGHT & _sql(plan))


def _order(order: tuple[str, bool] | None) -> list[pw.Node]:
    """Return a total order, so that pages fit together: the id decides between equals (scim.md A59, A63).

    The order of nobody's wish is that of the index by home and time, so that a page reads no more rows than it has.
    """
    if order is None:
        return [Account.home, Account.created_at, Account.id]
    column = _column(_SORTED[order[0]])
    assigned = [] if order[0] in INSTANTS else [column == ""]
    if order[1]:
        return [*(missing.desc() for missing in assigned), column.desc(), Account.id]
    return [*assigned, column, Account.id]


def _column(name: str) -> pw.ColumnBase:
    return cast(pw.ColumnBase, pw.fn.COALESCE(ExternalId.value, "") if name == "external_id" else getattr(Account, name))


def _sql(plan: Plan) -> pw.Node:
    """Return the condition of a plan: its first word says which function takes the rest."""
    return _TERMS[str(plan[0])](*plan[1:])


def _not(operand: Plan) -> pw.Node:
    return _negated(_sql(operand))


def _text(column: str, operator: str, name: str = "") -> pw.Node:
    return _column(column) != "" if operator == "pr" else _compared(_column(column), operator, name)


def _any(attribute: str, sub: str) -> pw.Node:
    return _exists(_value(attribute, sub))


def _member(name: str) -> pw.Node:
    return Account.id.in_(GroupMember.select(GroupMember.member).where(GroupMember.scim_group == place(name)))


def _negated(condition: pw.Node) -> pw.Node:
    return pw.NodeList((pw.SQL("NOT ("), condition, pw.SQL(")")))


def _all_or_any(word: str, parts: list[pw.Node]) -> pw.Node:
    if not parts:
        return pw.SQL("(1 = 1)" if word == "and" else "(1 = 0)")
    nodes: list[pw.Node] = [pw.SQL("(")]
    for at, part in enumerate(parts):
        nodes += [pw.SQL(f" {word.upper()} "), part] if at else [part]
    return pw.NodeList((*nodes, pw.SQL(")")))


def _ordered(column: pw.ColumnBase, operator: str, name: str) -> pw.Node:
    value = place(name)
    match operator:
        case "eq":
            return column == value
        case "ne":
            return column != value
        case "gt":
            return column > value
        case "ge":
            return column >= value
        case "lt":
            return column < value
        case _:
            return column <= value


def _compared(column: pw.ColumnBase, operator: str, name: str) -> pw.Node:
    """Compare a column of keys, in which the empty text means unassigned."""
    if operator in {"co", "sw", "ew"}:
        return _all_or_any("and", [column != "", _like(column, name)])
    compared = _ordered(column, operator, name)
    return _all_or_any("and", [column != "", compared]) if operator in {"lt", "le"} else compared


def _like(column: pw.ColumnBase, name: str) -> pw.Node:
    """Match a pattern whose own wildcards are escaped (scim.md A52); keys are casefolded, so both engines see the same."""
    return pw.NodeList((column, pw.SQL("LIKE"), place(name), pw.SQL("ESCAPE '\\'")))


def _exact(column: str, operator: str, name: str) -> pw.Node:
    """Compare a column in which case counts, with functions that both engines have: SQLite's LIKE is blind to case."""
    text, value = _column(column), place(name)
    if column == "external_id" and operator == "eq":
        # The unique index knows the one account; the joined column would be tested on everybody.
        return Account.id.in_(
            ExternalId.select(ExternalId.account).where((ExternalId.connection == place("connection")) & (ExternalId.value == value))
        )
    match operator:
        case "co":
            return pw.fn.REPLACE(text, value, "") != text
        case "sw":
            return pw.fn.SUBSTR(text, 1, pw.fn.LENGTH(value)) == value
        case "ew":
            start = pw.fn.LENGTH(text) - pw.fn.LENGTH(value) + 1
            return (start >= 1) & (pw.fn.SUBSTR(text, start) == value)
        case "lt" | "le":
            return _all_or_any("and", [text != "", _ordered(text, operator, name)])
        case _:
            return _ordered(text, operator, name)


def _value(attribute: str, sub: str) -> list[pw.Node]:
    # Written out and not bound, as the index `scim_value_address` has them: only so does the engine see that it holds the value.
    conditions: list[pw.Node] = [ScimValue.attribute == pw.SQL(f"'{attribute}'")]
    return [*conditions, ScimValue.sub_attribute == pw.SQL(f"'{sub}'")] if sub else conditions


def _tested(column: pw.ColumnBase, operator: str, name: str) -> pw.Node:
    return _like(column, name) if operator in {"co", "sw", "ew"} else _ordered(column, operator, name)


def _accounts(conditions: list[pw.Node]) -> pw.Node:
    return Account.id.in_(ScimValue.select(ScimValue.account).where(_all_or_any("and", conditions)))


def _exists(conditions: list[pw.Node]) -> pw.Node:
    own: list[pw.Node] = [ScimValue.account == Account.id, *conditions]
    return pw.fn.EXISTS(ScimValue.select(pw.SQL("1")).where(_all_or_any("and", own)))


def _some(attribute: str, sub: str, operator: str, name: str) -> pw.Node:
    """Find people of whom some element has a value: by the index for a whole address, else among the person's own elements."""
    conditions = [*_value(attribute, sub), _tested(ScimValue.value_key, operator, name)]
    return _accounts(conditions) if operator == "eq" and (attribute, sub) == _LOOKED_FOR else _exists(conditions)


def _element(attribute: str, selection: Plan) -> pw.Node:
    """Find people of whom one and the same element satisfies a whole selection (scim.md A43).

    An equality of an address drives, by the index; the other terms are looked up beside it.
    """
    terms = [cast(Plan, part) for part in selection[1:]] if selection[0] == "and" else [selection]
    driver = next((term for term in terms if term[:3] == ("sub", "value", "eq")), None)
    if driver is None or attribute != _LOOKED_FOR[0]:
        return _exists([*_value(attribute, ""), *(_of_element(term) for term in terms)])
    beside = (_of_element(term) for term in terms if term is not driver)
    return _accounts([*_value(attribute, "value"), ScimValue.value_key == place(str(driver[3])), *beside])


def _of_element(term: Plan) -> pw.Node:
    """Return a term of a selection on the element that the surrounding query stands on."""
    match term:
        case ("and" | "or" as word, *parts):
            return _all_or_any(str(word), [_of_element(cast(Plan, part)) for part in parts])
        case ("not", operand):
            return _negated(_of_element(cast(Plan, operand)))
        case ("sub", str() as sub, "pr"):
            return _beside(sub, None)
        case ("sub", str() as sub, str() as operator, str() as name):
            return _beside(sub, (operator, name))
        case _:
            return _sql(term)


def _beside(sub: str, test: tuple[str, str] | None) -> pw.Node:
    """Look for a sub-attribute of the same element."""
    sibling = ScimValue.alias("sibling")
    conditions: list[pw.Node] = [
        sibling.account == ScimValue.account,
        sibling.attribute == ScimValue.attribute,
        sibling.element == ScimValue.element,
        sibling.sub_attribute == sub,
    ]
    if test is not None:
        conditions.append(_tested(sibling.value_key, *test))
    return pw.fn.EXISTS(sibling.select(pw.SQL("1")).where(_all_or_any("and", conditions)))


_TERMS: dict[str, Callable[..., pw.Node]] = {
    "true": lambda: pw.SQL("(1 = 1)"),
    "false": lambda: pw.SQL("(1 = 0)"),
    "and": lambda *parts: _all_or_any("and", [_sql(part) for part in parts]),
    "or": lambda *parts: _all_or_any("or", [_sql(part) for part in parts]),
    "not": _not,
    "text": _text,
    "exact": _exact,
    "number": lambda column, operator, name: _ordered(_column(column), operator, name),
    "active": lambda: (Account.enabled_by_admin == 1) & (Account.active_by_scim == 1),
    "member": _member,
    "any": _any,
    "some": _some,
    "element": _element,
}
