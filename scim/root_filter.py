"""Filters of searches over several types of resources (RFC 7644 §3.4.2.1)."""

from typing import assert_never

from gateway.domain.errors import Refusal
from gateway.domain.filter import resolve
from gateway.domain.query import And, AttributePath, Comparison, Filter, Not, Operator, Or, Present, ValuePath, parse_filter
from gateway.domain.schema import ResourceType
from scim.profiles import Profile, Rewrite

NEVER = Comparison(AttributePath("", "id"), Operator.EQ, "")
"""A term that holds for nobody."""


def normalise_root_filter(text: str, resource: ResourceType, profile: Profile) -> tuple[Filter, tuple[str, ...]]:
    """Return a filter parsed and resolved for one of the types searched; terms on attributes it does not have hold for nobody."""
    try:
        return _resolved(parse_filter(text), resource, lenient=False), ()
    except Refusal:
        if not profile.lenient_filters:
            raise
    return _resolved(parse_filter(text, lenient=True), resource, lenient=True), (Rewrite.UNQUOTED_LITERAL.value,)


def _resolved(tree: Filter, resource: ResourceType, *, lenient: bool) -> Filter:
    match tree:
        case Not(operand):
            return Not(_resolved(operand, resource, lenient=lenient))
        case And(operands):
            return And(tuple(_resolved(operand, resource, lenient=lenient) for operand in operands))
        case Or(operands):
            return Or(tuple(_resolved(operand, resource, lenient=lenient) for operand in operands))
        case Comparison(path) | Present(path) | ValuePath(path):
            known = resource.bind(path.urn, path.name, path.sub) is not None
            return resolve(tree, resource, lenient=lenient) if known else NEVER
        case _:
            assert_never(tree)
