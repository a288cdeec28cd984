"""From a resolved filter to a plan: which of its terms the database answers, with their values apart from their shape.

A plan is a nested tuple of words, so that it is a key under which the compiled query is kept. A term that no column or index row answers
is left out; what remains finds at least what the filter finds, and the caller tests each hit with `gateway.domain.filter.matches`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TypeAlias

from gateway.domain.filter import fragment_key, microseconds
from gateway.domain.query import And, AttributePath, Comparison, Filter, Literal, Not, Operator, Or, Present, ValuePath
from gateway.domain.schema import CORE_USER_URN, ENTERPRISE_URN, MOONGATE_URN
from gateway.domain.values import comparison_key

Plan: TypeAlias = tuple[object, ...]
"""`("true",)`, `("and", plan, …)`, `("not", plan)`, `("text", column, operator, place)` …"""

TRUE: Plan = ("true",)
FALSE: Plan = ("false",)

KEYED = {
    "userName": "login_key",
    "displayName": "display_name_key",
    "name.givenName": "given_name_key",
    "name.familyName": "family_name_key",
    "title": "job_title_key",
    f"{ENTERPRISE_URN}:employeeNumber": "employee_number_key",
    f"{ENTERPRISE_URN}:department": "department_key",
}
"""Attributes compared without regard to case, with the column of their comparison key."""
EXACT = {"id": "id", f"{ENTERPRISE_URN}:manager.value": "manager", "externalId": "external_id"}
INSTANTS = {"meta.created": "created_at", "meta.lastModified": "updated_at"}
INDEXED = {"emails": ("value", "type"), "phoneNumbers": ("value", "type")}
"""Multi-valued attributes with a row for each of these sub-attributes; `services.people` writes them."""

_PARTS = frozenset({Operator.CO, Operator.SW, Operator.EW})


@dataclass(slots=True)
class Planned:
    """What the database answers of a filter."""

    plan: Plan = TRUE
    exact: bool = True
    """Whether the plan finds exactly what the filter finds; otherwise more."""
    values: list[object] = field(default_factory=list)
    """What is bound at the places, by number."""


def planned(tree: Filter | None) -> Planned:
    """Return the plan of a resolved filter."""
    result = Planned()
    if tree is not None:
        result.plan, result.exact = _superset(tree, lambda leaf: _leaf(leaf, result.values))
    return result


def _superset(tree: Filter, leaf: Callable[[Filter], Plan | None]) -> tuple[Plan, bool]:
    """Return a plan that finds at least what the tree finds, and whether it finds exactly that."""
    match tree:
        case And(operands):
            parts = [_superset(operand, leaf) for operand in operands]
            kept = tuple(plan for plan, _ in parts if plan != TRUE)
            return (("and", *kept) if kept else TRUE), all(exact for _, exact in parts)
        case Or(operands):
            parts = [_superset(operand, leaf) for operand in operands]
            exact = all(exact for _, exact in parts)
            return (TRUE if any(plan == TRUE for plan, _ in parts) else ("or", *(plan for plan, _ in parts))), exact
        case Not(operand):
            plan, exact = _superset(operand, leaf)
            # The opposite of too much could be too little.
            return (("not", plan), True) if exact else (TRUE, False)
        case _:
            found = leaf(tree)
            return (found, True) if found is not None else (TRUE, False)


def _leaf(term: Filter, values: list[object]) -> Plan | None:
    match term:
        case Comparison(path, operator, value):
            return _comparison(path, operator, value, values)
        case Present(path):
            return _presence(path)
        case ValuePath(path, selection) if path.name in INDEXED and not path.urn:
            plan, exact = _superset(selection, lambda leaf: _element_leaf(path.name, leaf, values))
            # An element that is known inexactly is a person who is known inexactly.
            return ("element", path.name, plan) if exact else None
        case ValuePath(path, Comparison(AttributePath("", "value", ""), Operator.EQ, str() as value)) if str(path) == "groups":
            return ("member", _place(value, values))
        case _:
            return None


def _comparison(path: AttributePath, operator: Operator, value: Literal, values: list[object]) -> Plan | None:
    name = str(path)
    if name in KEYED and (value is None or isinstance(value, str)):
        return _text(KEYED[name], operator, value, values, key=True)
    if name in EXACT and (value is None or isinstance(value, str)):
        return _text(EXACT[name], operator, value, values, key=False)
    if name in INSTANTS:
        return _instant(INSTANTS[name], operator, value, values)
    if path.name in INDEXED and not path.urn and path.sub in INDEXED[path.name]:
        return _of_elements(path.name, path.sub, operator, value, values)
    if name == "active":
        return _truth(operator, value)
    if name == "groups.value" and operator is Operator.EQ and isinstance(value, str):
        return ("member", _place(value, values))
    if name == "meta.resourceType" and operator is Operator.EQ:
        return TRUE_TERM if value == "User" else FALSE
    if name == "schemas" and operator is Operator.EQ and value in {CORE_USER_URN, MOONGATE_URN}:
        return TRUE_TERM
    return None


TRUE_TERM: Plan = ("and",)
"""A term that is always true, as distinct from one that is not known."""


def _presence(path: AttributePath) -> Plan | None:
    name = str(path)
    if name in KEYED or name in EXACT:
        return ("text", KEYED.get(name) or EXACT[name], "pr")
    if name in INSTANTS or name == "active":
        return TRUE_TERM
    if path.name in INDEXED and not path.urn:
        return ("any", path.name, path.sub) if not path.sub or path.sub in INDEXED[path.name] else None
    return None


def _text(column: str, operator: Operator, value: str | None, values: list[object], *, key: bool) -> Plan:
    """Return a term on a text column, in which the empty text means unassigned."""
    if value is None:
        return ("text", column, "pr") if operator is Operator.NE else ("not", ("text", column, "pr"))
    if (comparison_key(value) if key and operator not in _PARTS else value) == "":
        # Nothing assigned equals the empty text, and every assigned text contains it and is greater.
        return _of_nothing(column, operator)
    return ("text" if key else "exact", column, operator.value, _place(_key(operator, value) if key else value, values))


def _of_nothing(column: str, operator: Operator) -> Plan:
    if operator is Operator.NE:
        return TRUE_TERM
    return FALSE if operator in {Operator.EQ, Operator.LT, Operator.LE} else ("text", column, "pr")


def _instant(column: str, operator: Operator, value: Literal, values: list[object]) -> Plan | None:
    """Return a term on a column of milliseconds; filters give microseconds."""
    if operator in _PARTS:
        return None
    if value is None:
        return TRUE_TERM if operator is Operator.NE else FALSE
    instant = microseconds(value) if isinstance(value, str) else None
    if instant is None:
        return None
    exact = instant % 1000 == 0
    if operator in {Operator.EQ, Operator.NE} and not exact:
        return FALSE if operator is Operator.EQ else TRUE_TERM
    rounding = ROUND_CEILING if operator in {Operator.GE, Operator.LT} else ROUND_FLOOR
    bound = int((Decimal(instant) / 1000).to_integral_value(rounding))
    return ("number", column, operator.value, _place(bound, values))


def _truth(operator: Operator, value: Literal) -> Plan | None:
    if value is None:
        return TRUE_TERM if operator is Operator.NE else FALSE
    if operator not in {Operator.EQ, Operator.NE}:
        return None
    return ("active",) if (value is True) is (operator is Operator.EQ) else ("not", ("active",))


def _of_elements(attribute: str, sub: str, operator: Operator, value: Literal, values: list[object]) -> Plan | None:
    if value is None:
        return ("any", attribute, sub) if operator is Operator.NE else ("not", ("any", attribute, sub))
    if not isinstance(value, str):
        return None
    if operator is Operator.NE:
        # True if any value differs, and where there is none (scim.md A46).
        differs: Plan = ("some", attribute, sub, operator.value, _place(comparison_key(value), values))
        return ("or", ("not", ("any", attribute, sub)), differs)
    return ("some", attribute, sub, operator.value, _place(_key(operator, value), values))


def _element_leaf(attribute: str, term: Filter, values: list[object]) -> Plan | None:
    """Return a term on one element: `type eq "work"` inside brackets."""
    match term:
        case Present(AttributePath("", name, "")) if name in INDEXED[attribute]:
            return ("sub", name, "pr")
        case Comparison(AttributePath("", name, ""), operator, value) if name in INDEXED[attribute]:
            if value is None:
                return ("sub", name, "pr") if operator is Operator.NE else ("not", ("sub", name, "pr"))
            if not isinstance(value, str):
                return None
            if operator is Operator.NE:
                return ("not", ("sub", name, "eq", _place(comparison_key(value), values)))
            return ("sub", name, operator.value, _place(_key(operator, value), values))
        case _:
            return None


def _key(operator: Operator, value: str) -> str:
    """Return what a column of keys is compared with; for parts of a text the pattern of a LIKE, in which the value stands literally."""
    if operator not in _PARTS:
        return comparison_key(value)
    literal = re.sub(r"([\\%_])", r"\\\1", fragment_key(value))
    return ("" if operator is Operator.SW else "%") + literal + ("" if operator is Operator.EW else "%")


def _place(value: object, values: list[object]) -> str:
    """Keep a value and return the name of its place."""
    values.append(value)
    return f"v{len(values) - 1}"
