"""The database and the evaluator of the domain find the same people, whatever the filter: one is the definition of the other."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.filter import matches, resolve
from gateway.domain.query import And, AttributePath, Comparison, Filter, Not, Operator, Or, Present, ValuePath
from gateway.domain.schema import ENTERPRISE_URN, USER
from gateway.services import person_views
from gateway.services.context import Context
from gateway.services.person_views import Reader, Wanted
from gateway.storage import search
from tests.scim.people import ENTERPRISE_URN as ENTERPRISE
from tests.scim.people import People

WORDS = ["a", "A", "b", "ab", "%", "_", "\\", "\u00df", "SS", "x y", "work", "home", "\u00e9"]


def _person(number: int) -> dict[str, Any]:
    """One of many people who differ in everything that filters ask for."""
    word = WORDS[number % len(WORDS)]
    other = WORDS[(number * 5 + 2) % len(WORDS)]
    document: dict[str, Any] = {"externalId": f"{word}{number}"}
    if number % 2:
        document |= {"displayName": f"{word}{other}", "title": other}
    if number % 3:
        document |= {"name": {"givenName": word, "familyName": other}, "nickName": word}
    if number % 4:
        document["emails"] = [{"value": word, "type": "work"}, {"value": other, "type": "home", "primary": True}]
    if number % 5 == 0:
        document["phoneNumbers"] = [{"value": other}]
    if number % 3 == 1:
        document[ENTERPRISE] = {"employeeNumber": word, "department": other, "manager": {"value": word}}
    return document | {"active": number % 7 != 0}


TEXTS = ["userName", "displayName", "title", "nickName", "externalId", "name.givenName", "name.familyName", "emails.value", "emails.type"]
TEXTS += ["phoneNumbers.value", f"{ENTERPRISE_URN}:employeeNumber", f"{ENTERPRISE_URN}:department", f"{ENTERPRISE_URN}:manager.value"]
OPERATORS = st.sampled_from(list(Operator))
LITERALS = st.one_of(st.sampled_from(WORDS), st.none(), st.just(""))


def _path(text: str) -> AttributePath:
    urn, _, name = text.rpartition(":")
    first, _, sub = name.partition(".")
    return AttributePath(urn, first, sub)


def _fitting(operator: Operator, value: str | None) -> bool:
    return value is not None or operator in {Operator.EQ, Operator.NE}


_TERMS: st.SearchStrategy[Filter] = st.one_of(
    st.builds(Comparison, st.sampled_from(TEXTS).map(_path), OPERATORS, LITERALS).filter(lambda term: _fitting(term.operator, term.value)),  # type: ignore[arg-type]  # of LITERALS
    st.builds(Comparison, st.just(_path("active")), st.sampled_from([Operator.EQ, Operator.NE]), st.booleans()),
    st.builds(Present, st.sampled_from([*TEXTS, "emails", "name", "active", "meta.created"]).map(_path)),
)
_SUBS: st.SearchStrategy[Filter] = st.one_of(
    st.builds(Comparison, st.sampled_from(["value", "type"]).map(_path), OPERATORS, LITERALS).filter(
        lambda term: _fitting(term.operator, term.value)  # type: ignore[arg-type]  # of LITERALS
    ),
    st.builds(Comparison, st.just(_path("primary")), st.just(Operator.EQ), st.booleans()),
    st.builds(Present, st.sampled_from(["value", "type"]).map(_path)),
)


def _combined(terms: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    return st.recursive(
        terms,
        lambda inner: st.one_of(
            st.builds(Not, inner),
            st.lists(inner, min_size=2, max_size=3).map(lambda operands: And(tuple(operands))),
            st.lists(inner, min_size=2, max_size=3).map(lambda operands: Or(tuple(operands))),
        ),
        max_leaves=4,
    )


FILTERS = _combined(_TERMS | st.builds(ValuePath, st.sampled_from(["emails", "phoneNumbers"]).map(_path), _combined(_SUBS)))


@pytest.fixture
def many(entra: People, context: Context) -> list[dict[str, Any]]:
    """Forty people, as their documents."""
    return [entra.create(f"{WORDS[number % len(WORDS)]}.{number}", **_person(number)) for number in range(40)]


def _agrees(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    health = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=health)


def _require_agreement(entra: People, context: Context, many: list[dict[str, Any]], tree: Filter) -> None:
    resolved = resolve(tree, USER)
    total, views = person_views.list_views(Reader(context, entra.connection, entra.node.scim_base), Wanted(resolved, count=1000))
    expected = {document["id"] for document in many if matches(resolved, document, USER)}
    assert {view.id for view in views} == expected
    assert total == len(expected)


@_agrees(60)
@given(tree=FILTERS)
def test_the_database_finds_what_the_evaluator_finds(entra: People, context: Context, many: list[dict[str, Any]], tree: Filter) -> None:
    _require_agreement(entra, context, many, tree)


@pytest.mark.verify
@_agrees(3000)
@given(tree=FILTERS)
def test_the_database_finds_what_the_evaluator_finds_at_length(
    entra: People, context: Context, many: list[dict[str, Any]], tree: Filter
) -> None:
    _require_agreement(entra, context, many, tree)


def test_parts_of_texts_are_literal_in_every_column(entra: People, context: Context, many: list[dict[str, Any]]) -> None:
    for attribute, operator, word in product(
        ["displayName", "externalId", "emails.value"], ["co", "sw", "ew"], [*WORDS, "%%", "\\%", "a\\_"]
    ):
        resolved = resolve(Comparison(_path(attribute), Operator(operator), word), USER)
        found = search.people_search(entra.node.id, entra.connection.id, resolved, None, now=context.now())
        assert found.exact
        rows = search.list_person_rows(context.database, found, limit=100, offset=0)
        assert {row.id for row in rows} == {document["id"] for document in many if matches(resolved, document, USER)}
