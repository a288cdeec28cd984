"""Filters as directories write them, parsed and resolved (RFC 7644 §3.4.2.1, §3.4.2.2; scim.md N8, N16)."""

from collections.abc import Callable
from typing import assert_never

from gateway.domain.errors import Refusal
from gateway.domain.filter import resolve
from gateway.domain.query import And, AttributePath, Comparison, Filter, Not, Operator, Or, Present, ValuePath, parse_filter
from gateway.domain.schema import ENTERPRISE_URN, ResourceType
from scim.profiles import Profile, Rewrite

NEVER = Comparison(AttributePath("", "id"), Operator.EQ, "")
"""A term that holds for nobody."""

_Term = Comparison | Present | ValuePath


def normalise_filter(text: str, resource: ResourceType, profile: Profile) -> tuple[Filter, tuple[str, ...]]:
    """Return a filter parsed and resolved, and the rewrites applied. Raises Refusal `E_Filter_Unsupported`."""
    try:
        return _normalised(text, resource, profile, lenient=False)
    except Refusal:
        if not profile.lenient_filters:
            raise
    tree, rewrites = _normalised(text, resource, profile, lenient=True)
    return tree, (*rewrites, Rewrite.UNQUOTED_LITERAL.value)


def normalise_root_filter(text: str, resource: ResourceType, profile: Profile) -> tuple[Filter, tuple[str, ...]]:
    """Return the filter of a search over several types for one of them: attributes that it does not have hold for nobody."""

    def of_this_type(term: _Term) -> Filter:
        known = resource.bind(term.path.urn, term.path.name, term.path.sub) is not None
        return resolve(term, resource, lenient=profile.lenient_filters) if known else NEVER

    return _mapped(parse_filter(text, lenient=profile.lenient_filters), of_this_type), ()


def _normalised(text: str, resource: ResourceType, profile: Profile, *, lenient: bool) -> tuple[Filter, tuple[str, ...]]:
    written = parse_filter(text, lenient=lenient)
    named = _mapped(written, lambda term: _of_enterprise(term, resource)) if Rewrite.BARE_ENTERPRISE in profile.rewrites else written
    rewrites = () if named == written else (Rewrite.BARE_ENTERPRISE.value,)
    return resolve(named, resource, lenient=lenient), rewrites


def _of_enterprise(term: _Term, resource: ResourceType) -> Filter:
    """N8: an attribute of the enterprise extension without its URN, where the core has none of that name (`manager eq`, E19)."""
    path = term.path
    extension = resource.find_extension(ENTERPRISE_URN)
    if path.urn or extension is None or resource.find(path.name) is not None or extension.find(path.name) is None:
        return term
    path = AttributePath(ENTERPRISE_URN, path.name, path.sub)
    match term:
        case Comparison(_, operator, value):
            return Comparison(path, operator, value)
        case Present(_):
            return Present(path)
        case ValuePath(_, selection):
            return ValuePath(path, selection)
        case _:
            assert_never(term)


def _mapped(tree: Filter, change: Callable[[_Term], Filter]) -> Filter:
    """Return the tree with each of its terms changed."""
    match tree:
        case Not(operand):
            return Not(_mapped(operand, change))
        case And(operands):
            return And(tuple(_mapped(operand, change) for operand in operands))
        case Or(operands):
            return Or(tuple(_mapped(operand, change) for operand in operands))
        case _:
            return change(tree)
