"""What a SCIM filter means: names resolved against the attribute tables, and documents tested against the result.

Storage compiles the resolved tree to SQL where it has an index; this evaluator is the definition both must agree with, and selects the
elements that a PATCH path names.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NoReturn, TypeVar, assert_never

from gateway.domain.errors import Refusal
from gateway.domain.query import And, AttributePath, Comparison, Filter, Literal, Not, Operator, Or, Present, ValuePath
from gateway.domain.schema import Attribute, Json, ResourceType, Returned, Type
from gateway.domain.values import comparison_key

_ORDER = frozenset({Operator.GT, Operator.GE, Operator.LT, Operator.LE})
_PARTS = frozenset({Operator.CO, Operator.SW, Operator.EW})
_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(Z|[+-]\d\d:\d\d)?")
_TRUTH = {"true": True, "false": False}


def resolve(tree: Filter, resource: ResourceType, *, lenient: bool = False) -> Filter:
    """Return the tree with every path in its canonical spelling and every value of its attribute's type.

    Paths of the core lose their URN, extensions keep theirs, `emails eq` becomes `emails.value eq` (RFC 7644 §3.4.2.2); inside
    brackets paths are names of sub-attributes. With `lenient`, "true" is a boolean (Entra's `roles[primary eq "True"]`), a bare number
    a text and a date without zone is in UTC.

    Raises Refusal `E_Filter_Unsupported`: an unknown attribute, one that is never returned (`password eq` would be an oracle), or an
    operator or value that does not fit the attribute's type.
    """
    return _resolve(tree, _in_resource(resource), lenient=lenient)


def resolve_selection(tree: Filter, attribute: Attribute, *, lenient: bool = False) -> Filter:
    """Return a value path's filter resolved against the sub-attributes of `attribute`; refuses like `resolve`."""
    return _resolve(tree, _in_element(attribute), lenient=lenient)


def matches(tree: Filter, document: Mapping[str, Json], resource: ResourceType) -> bool:
    """Return whether a resolved filter holds for a canonical document.

    An unassigned attribute satisfies `ne` and no other comparison; `ne` on several values holds if any of them differs; an empty list
    and an empty object are unassigned (RFC 7643 §2.5).
    """
    return _matches(tree, document, lambda path: _bind(path, resource))


def element_matches(tree: Filter, element: Json, attribute: Attribute) -> bool:
    """Return whether a resolved selection holds for one element of `attribute`."""
    if not isinstance(element, dict):
        return False
    return _matches(tree, element, lambda path: ("", _known(path.name, attribute.find_sub(path.name)), None))


def microseconds(text: str) -> int | None:
    """Return a dateTime as microseconds since the epoch, so that zones do not matter (RFC 7643 §2.3.5); None if it is none.

    Fractions beyond microseconds are cut; a text without zone counts as UTC.
    """
    if not _DATETIME.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    # Not by total_seconds(): a float of that size no longer holds every microsecond.
    return (moment - _EPOCH) // timedelta(microseconds=1)


def has_zone(text: str) -> bool:
    """Return whether the text is a dateTime with a zone, as RFC 7643 §2.3.5 asks of values."""
    match = _DATETIME.fullmatch(text)
    return match is not None and match.group(1) is not None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_Place = tuple[str, Attribute, Attribute | None]
"""URN of the extension or nothing, attribute, sub-attribute."""
_Ordered = TypeVar("_Ordered", int, str, Decimal)
_Resolver = Callable[[AttributePath], _Place]


def _in_resource(resource: ResourceType) -> _Resolver:
    return lambda path: _bind(path, resource)


def _in_element(attribute: Attribute) -> _Resolver:
    def place(path: AttributePath) -> _Place:
        if path.urn or path.sub:
            _refuse(f"{path} inside brackets, where names of sub-attributes of {attribute.name} are expected")
        return "", _known(str(path), attribute.find_sub(path.name)), None

    return place


def _bind(path: AttributePath, resource: ResourceType) -> _Place:
    binding = resource.bind(path.urn, path.name, path.sub)
    attribute = _known(str(path), binding.attribute if binding else None)
    urn = binding.extension.urn if binding and binding.extension else ""
    return urn, attribute, binding.sub if binding else None


def _known(name: str, attribute: Attribute | None) -> Attribute:
    if attribute is None:
        _refuse(f"unknown attribute {name}")
    if attribute.returned is Returned.NEVER:
        _refuse(f"{attribute.name} is secret")
    return attribute


def _resolve(tree: Filter, place: _Resolver, *, lenient: bool) -> Filter:
    match tree:
        case Comparison(path, operator, value):
            urn, attribute, sub = place(path)
            leaf = sub or attribute
            if leaf.complex:
                sub = leaf = _default_sub(leaf, path)
            return Comparison(_canonical(urn, attribute, sub), operator, _literal(leaf, operator, value, lenient=lenient))
        case Present(path):
            return Present(_canonical(*place(path)))
        case Not(operand):
            return Not(_resolve(operand, place, lenient=lenient))
        case And(operands):
            return And(tuple(_resolve(operand, place, lenient=lenient) for operand in operands))
        case Or(operands):
            return Or(tuple(_resolve(operand, place, lenient=lenient) for operand in operands))
        case ValuePath(path, selection):
            urn, attribute, sub = place(path)
            if sub or not attribute.complex:
                _refuse(f"{path} has no elements with sub-attributes")
            return ValuePath(_canonical(urn, attribute, None), resolve_selection(selection, attribute, lenient=lenient))
        case _:
            assert_never(tree)


def _default_sub(attribute: Attribute, path: AttributePath) -> Attribute:
    """Return the sub-attribute `value`, which a comparison with the whole attribute means (RFC 7644 §3.4.2.2)."""
    sub = attribute.find_sub("value")
    if sub is None:
        _refuse(f"{path} is complex: name a sub-attribute")
    return sub


def _canonical(urn: str, attribute: Attribute, sub: Attribute | None) -> AttributePath:
    return AttributePath(urn, attribute.name, sub.name if sub else "")


def _literal(attribute: Attribute, operator: Operator, value: Literal, *, lenient: bool) -> Literal:
    """Return the value in the attribute's type, or refuse the combination (RFC 7644 §3.4.2.2)."""
    if value is None:
        if operator not in {Operator.EQ, Operator.NE}:
            _refuse(f"{operator} null")
        return None
    if operator in _ORDER and attribute.type in {Type.BOOLEAN, Type.BINARY}:
        _refuse(f"{operator} on the {attribute.type} attribute {attribute.name}")
    if operator in _PARTS and attribute.type in {Type.BOOLEAN, Type.INTEGER, Type.DECIMAL}:
        _refuse(f"{operator} on the {attribute.type} attribute {attribute.name}")
    if attribute.type is Type.BOOLEAN:
        fitting: Literal = _TRUTH.get(value.lower()) if lenient and isinstance(value, str) else value
        fits = isinstance(fitting, bool)
    elif attribute.type in {Type.INTEGER, Type.DECIMAL}:
        fitting, fits = value, isinstance(value, int | Decimal) and not isinstance(value, bool)
    else:
        fitting = _text(value) if lenient else value
        fits = isinstance(fitting, str) and (
            attribute.type is not Type.DATETIME or operator in _PARTS or _is_moment(fitting, lenient=lenient)
        )
    if not fits:
        _refuse(f"the value does not fit the {attribute.type} attribute {attribute.name}")
    return fitting


def _text(value: Literal) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_moment(text: str, *, lenient: bool) -> bool:
    return microseconds(text) is not None and (lenient or has_zone(text))


def _matches(tree: Filter, container: Mapping[str, Json], place: _Resolver) -> bool:
    match tree:
        case Comparison(path, operator, value):
            urn, attribute, sub = place(path)
            return _compare(sub or attribute, operator, value, _values(container, urn, attribute, sub))
        case Present(path):
            return any(_assigned(value) for value in _values(container, *place(path)))
        case Not(operand):
            return not _matches(operand, container, place)
        case And(operands):
            return all(_matches(operand, container, place) for operand in operands)
        case Or(operands):
            return any(_matches(operand, container, place) for operand in operands)
        case ValuePath(path, selection):
            urn, attribute, _ = place(path)
            return any(element_matches(selection, element, attribute) for element in _values(container, urn, attribute, None))
        case _:
            assert_never(tree)


def _values(container: Mapping[str, Json], urn: str, attribute: Attribute, sub: Attribute | None) -> list[Json]:
    """Return every assigned value to which a path leads."""
    if urn:
        extension = container.get(urn)
        container = extension if isinstance(extension, dict) else {}
    value = container.get(attribute.name)
    if value is None:
        return []
    values: list[Json] = value if isinstance(value, list) else [value]
    if sub is None:
        return values
    return [element[sub.name] for element in values if isinstance(element, dict) and element.get(sub.name) is not None]


def _assigned(value: Json) -> bool:
    """Whether a value counts for `pr`: neither null nor empty, all the way down (RFC 7644 table 3: "non-empty or non-null")."""
    if isinstance(value, dict):
        return any(_assigned(part) for part in value.values())
    if isinstance(value, list):
        return any(_assigned(part) for part in value)
    return value is not None and value != ""


def _compare(attribute: Attribute, operator: Operator, expected: Literal, values: Iterable[Json]) -> bool:
    values = list(values)
    if expected is None:
        return bool(values) is (operator is Operator.NE)
    if operator is Operator.NE:
        return not values or any(not _holds(attribute, Operator.EQ, value, expected) for value in values)
    return any(_holds(attribute, operator, value, expected) for value in values)


def _holds(attribute: Attribute, operator: Operator, actual: Json, expected: Literal) -> bool:
    if attribute.type is Type.BOOLEAN:
        return actual is expected
    if isinstance(actual, int | float) and isinstance(expected, int | Decimal):
        return _ordered(operator, Decimal(str(actual)), Decimal(expected))
    if not isinstance(actual, str) or not isinstance(expected, str):
        return False
    if operator in _PARTS:
        return _contains(operator, *((actual, expected) if attribute.case_exact else (comparison_key(actual), fragment_key(expected))))
    if attribute.type is Type.DATETIME:
        left, right = microseconds(actual), microseconds(expected)
        return left is not None and right is not None and _ordered(operator, left, right)
    if attribute.case_exact:
        return _ordered(operator, actual, expected)
    return _ordered(operator, comparison_key(actual), comparison_key(expected))


def fragment_key(text: str) -> str:
    """Return the key under which part of a text is searched: as `comparison_key`, but blanks at the ends count."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _contains(operator: Operator, whole: str, part: str) -> bool:
    if operator is Operator.CO:
        return part in whole
    return whole.startswith(part) if operator is Operator.SW else whole.endswith(part)


def _ordered(operator: Operator, left: _Ordered, right: _Ordered) -> bool:
    match operator:
        case Operator.GT:
            return left > right
        case Operator.GE:
            return left >= right
        case Operator.LT:
            return left < right
        case Operator.LE:
            return left <= right
        case _:
            return left == right


def _refuse(why: str) -> NoReturn:
    raise Refusal("E_Filter_Unsupported", reason=f"filter: {why}", data={"value": why})
