"""In which order a search answers (scim.md A58-A60)."""

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.query import AttributePath
from gateway.domain.schema import ENTERPRISE_URN, USER, Json, JsonObject
from gateway.domain.sorting import Sorting, parse_sorting, sort_key


@pytest.mark.parametrize(
    ("sort_by", "sort_order", "sorting"),
    [
        ("", "", None),
        ("", "descending", None),
        ("USERNAME", "", Sorting(AttributePath("", "userName"))),
        ("userName", "Ascending", Sorting(AttributePath("", "userName"))),
        ("userName", "DESCENDING", Sorting(AttributePath("", "userName"), descending=True)),
        ("name.familyName", "", Sorting(AttributePath("", "name", "familyName"))),
        ("emails", "", Sorting(AttributePath("", "emails", "value"))),
        ("emails.type", "", Sorting(AttributePath("", "emails", "type"))),
        (f"{ENTERPRISE_URN}:department", "", Sorting(AttributePath(ENTERPRISE_URN, "department"))),
    ],
)
def test_order_is_read(sort_by: str, sort_order: str, sorting: Sorting | None) -> None:
    assert parse_sorting(sort_by, sort_order, USER) == sorting


@pytest.mark.parametrize(
    ("sort_by", "sort_order", "field"),
    [
        ("userName", "upwards", "sortOrder"),
        ("", "upwards", "sortOrder"),
        ("shoeSize", "", "sortBy"),
        ("name", "", "sortBy"),
        ("name.nick", "", "sortBy"),
        ("password", "", "sortBy"),
        ("a b", "", "sortBy"),
        (ENTERPRISE_URN, "", "sortBy"),
    ],
)
def test_order_that_is_none_is_refused_by_name(sort_by: str, sort_order: str, field: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_sorting(sort_by, sort_order, USER)
    assert (refusal.value.code, refusal.value.field) == ("E_Field_Invalid", field)


def ordered(sort_by: str, *documents: JsonObject) -> list[Json]:
    sorting = parse_sorting(sort_by, "", USER)
    assert sorting is not None
    return [document["id"] for document in sorted(documents, key=lambda document: sort_key(document, sorting, USER))]


@pytest.mark.parametrize(
    ("sort_by", "values"),
    [
        ("userName", ["anna", "BO", "c", None]),
        ("externalId", ["B", "a", "b", None]),
        ("active", [False, True, None]),
        ("title", ["ä", "Ö"]),
    ],
)
def test_values_ascend_as_their_attribute_compares_and_missing_ones_come_last(sort_by: str, values: list[Json]) -> None:
    documents: list[JsonObject] = [{"id": str(at), sort_by: value} for at, value in enumerate(values)]
    assert ordered(sort_by, *reversed(documents)) == [str(at) for at in range(len(values))]


def test_empty_value_is_as_good_as_none() -> None:
    assert ordered("title", {"id": "empty", "title": ""}, {"id": "none"}, {"id": "some", "title": "z"}) == ["some", "empty", "none"]


def test_dates_are_ordered_as_instants() -> None:
    early: JsonObject = {"id": "early", "meta": {"created": "2026-01-01T01:00:00+02:00"}}
    late: JsonObject = {"id": "late", "meta": {"created": "2026-01-01T00:00:00Z"}}
    odd: JsonObject = {"id": "odd", "meta": {"created": "soon"}}
    none: JsonObject = {"id": "none"}
    assert ordered("meta.created", none, late, odd, early) == ["odd", "early", "late", "none"]


def test_primary_element_decides_or_else_the_first() -> None:
    primary: JsonObject = {"id": "primary", "emails": [{"value": "z"}, {"value": "a", "primary": True}]}
    first: JsonObject = {"id": "first", "emails": [{"value": "b"}, {"value": "a"}]}
    empty: JsonObject = {"id": "empty", "emails": []}
    label: JsonObject = {"id": "label", "emails": [{"type": "work"}]}
    assert ordered("emails", empty, first, primary) == ["primary", "first", "empty"]
    assert ordered("emails", label, first) == ["first", "label"]


def test_extension_and_odd_values_have_a_place_too() -> None:
    known: JsonObject = {"id": "known", ENTERPRISE_URN: {"department": "Sales"}}
    odd: JsonObject = {"id": "odd", ENTERPRISE_URN: "Sales"}
    assert ordered(f"{ENTERPRISE_URN}:department", odd, known) == ["known", "odd"]
    assert ordered("userName", {"id": "x", "userName": ["a"]}, {"id": "y", "userName": "a"}) == ["x", "y"]


def test_sorting_by_what_no_table_knows_orders_nothing() -> None:
    assert sort_key({"shoeSize": "5"}, Sorting(AttributePath("", "shoeSize")), USER) == (False, "")
