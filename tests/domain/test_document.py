"""The SCIM document of a person: taken apart and joined, spliced as bytes, and kept in step with the columns."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.document import (
    PersonFields,
    etag,
    joined,
    parted,
    person_from_document,
    render,
    splice,
    timestamp,
    updated_document,
    whole,
)
from gateway.domain.schema import CORE_USER_URN, ENTERPRISE_URN, MOONGATE_URN, Json, JsonObject
from gateway.domain.values import Instant

LOCATION = "https://acme.example/scim/v2/Users/1"
PUSHED: JsonObject = {
    "schemas": [CORE_USER_URN, ENTERPRISE_URN],
    "externalId": "x1",
    "userName": "anna",
    "password": "correct horse battery",
    "name": {"givenName": "Anna", "familyName": "Ash", "formatted": "Anna Ash", "middleName": "M"},
    "displayName": "Anna Ash",
    "title": "Lead",
    "locale": "de-DE",
    "timezone": "Europe/Berlin",
    "emails": [{"value": "home@x.example", "type": "home"}, {"value": "work@x.example", "type": "work", "primary": True}],
    "phoneNumbers": [
        {"value": "1", "type": "fax"},
        {"value": "2", "type": "Work"},
        {"value": "3", "type": "home"},
        {"value": "4", "type": "MOBILE"},
    ],
    "groups": [{"value": "g"}],
    "meta": {"version": "x"},
    ENTERPRISE_URN: {"department": "Sales"},
    MOONGATE_URN: {"mfaRequired": True},
}
ANNA = PersonFields(
    user_name="anna",
    given_name="Anna",
    family_name="Ash",
    display_name="Anna Ash",
    email="work@x.example",
    phone="4",
    business_phone="2",
    job_title="Lead",
    language="de-DE",
    time_zone="Europe/Berlin",
)

# --- parts


def test_what_other_rows_know_is_taken_out_of_the_stored_document() -> None:
    parts = parted(PUSHED)
    assert set(PUSHED) - set(parts.stored) == {"externalId", "password", "groups", "meta", MOONGATE_URN}
    assert parts.stored["schemas"] == [CORE_USER_URN, ENTERPRISE_URN]
    assert (parts.external_id, parts.password, parts.extension) == ("x1", "correct horse battery", {"mfaRequired": True})


def test_parts_that_are_not_there_are_none() -> None:
    parts = parted({"userName": "anna", "schemas": [CORE_USER_URN, ENTERPRISE_URN]})
    assert parts.stored == {"schemas": [CORE_USER_URN], "userName": "anna"}
    assert (parts.external_id, parts.password, parts.extension) == (None, None, {})


def test_joined_document_is_the_whole_again_without_the_password() -> None:
    parts = parted(PUSHED)
    document = joined(parts.stored, external_id=parts.external_id, extension=parts.extension)
    assert parted(document) == replace(parts, password=None)
    assert joined(parts.stored, external_id=None, extension={}) == parts.stored


# --- bytes

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
HOSTILE = st.sampled_from(['"', "\\", '"},"id":"2', "</script>", "\u2028", "\x00", "\x7f", "é😀", '\\"', "{}", f'"{MOONGATE_URN}"'])
SPLICED = {"schemas", "id", "meta", "groups", "externalId", MOONGATE_URN}
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.one_of(TEXTS, HOSTILE, st.booleans(), st.integers(-(2**53), 2**53)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


@given(
    attributes=st.dictionaries(st.one_of(TEXTS, HOSTILE).filter(lambda name: name not in SPLICED), VALUES),
    enterprise=st.booleans(),
    external_id=st.one_of(st.none(), TEXTS, HOSTILE),
    groups=st.one_of(st.none(), st.lists(st.dictionaries(TEXTS, VALUES, max_size=2), max_size=3)),
    computed=st.one_of(st.none(), st.dictionaries(TEXTS, VALUES, max_size=3)),
    version=st.text("0123456789abcdef-", min_size=1),
)
def test_spliced_bytes_are_the_joined_document(
    *,
    attributes: JsonObject,
    enterprise: bool,
    external_id: str | None,
    groups: list[JsonObject] | None,
    computed: JsonObject | None,
    version: str,
) -> None:
    extensions = [ENTERPRISE_URN] if enterprise else []
    stored: JsonObject = {"schemas": [CORE_USER_URN, *extensions], **attributes}
    groups_json = "" if groups is None else json.dumps(groups)
    spliced = splice(
        version,
        created_at=Instant(1_790_000_000_005),
        updated_at=Instant(0),
        external_id=external_id,
        extension="" if computed is None else json.dumps(computed),
    )
    kept = json.dumps({"schemas": stored["schemas"], "id": "1", **stored}, ensure_ascii=False, separators=(",", ":"))
    found = json.loads(whole(kept, spliced, location=LOCATION, groups_json=groups_json), object_pairs_hook=_without_twice)
    assert etag(spliced, groups_json).startswith(f'W/"{version}')
    meta = {
        "resourceType": "User",
        "created": "2026-09-21T14:13:20.005Z",
        "lastModified": "1970-01-01T00:00:00.000Z",
        "location": LOCATION,
        "version": etag(spliced, groups_json),
    }
    expected: dict[str, object] = {**stored, "id": "1", "meta": meta}
    expected |= {} if external_id is None else {"externalId": external_id}
    expected |= {} if groups is None else {"groups": groups}
    if computed is not None:
        expected |= {MOONGATE_URN: computed, "schemas": [CORE_USER_URN, MOONGATE_URN, *extensions]}
    assert found == expected


def _without_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    assert len({name for name, _ in pairs}) == len(pairs), "a name is given twice"
    return dict(pairs)


@pytest.mark.parametrize(
    ("instant", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (1_790_000_000_123, "2026-09-21T14:13:20.123Z"), (-1, "1969-12-31T23:59:59.999Z")],
)
def test_instant_is_written_in_utc_with_milliseconds(instant: int, text: str) -> None:
    assert timestamp(Instant(instant)) == text


# --- columns


def test_columns_are_read_from_the_document() -> None:
    assert person_from_document(PUSHED) == ANNA


@pytest.mark.parametrize("value", [None, [], {}, "x", 5, [None], ["x"], [{"value": ""}], [{"type": "work"}]])
def test_missing_or_odd_attributes_are_empty_columns(value: Json) -> None:
    document: JsonObject = {"userName": "anna", "name": value, "emails": value, "phoneNumbers": value}
    assert person_from_document(document) == PersonFields(user_name="anna")


def test_first_email_counts_where_none_is_primary_and_a_primary_without_value_does_not() -> None:
    assert person_from_document({"emails": [{"value": "a"}, {"value": "b"}]}).email == "a"
    assert person_from_document({"emails": [{"value": "a"}, {"type": "work", "primary": True}]}).email == "a"


def test_work_fax_and_pager_are_no_personal_phone() -> None:
    numbers: list[Json] = [{"value": "1", "type": "work"}, {"value": "2", "type": "fax"}, {"value": "3", "type": "pager"}]
    assert person_from_document({"phoneNumbers": numbers}).phone == ""
    assert person_from_document({"phoneNumbers": [*numbers, {"value": "4"}]}).phone == "4"


def test_preferred_language_wins_over_locale() -> None:
    assert person_from_document({"preferredLanguage": "fr", "locale": "de-DE"}).language == "fr"


@pytest.mark.parametrize(("active", "expected"), [(None, True), (True, True), (False, False)])
def test_person_is_active_unless_the_document_says_otherwise(active: Json, expected: bool) -> None:
    assert person_from_document({"active": active}).active is expected


# --- from columns to the document


def test_person_made_by_hand_has_a_document() -> None:
    assert render(ANNA, {"id": "1"}) == {
        "schemas": [CORE_USER_URN],
        "id": "1",
        "userName": "anna",
        "displayName": "Anna Ash",
        "title": "Lead",
        "preferredLanguage": "de-DE",
        "timezone": "Europe/Berlin",
        "name": {"givenName": "Anna", "familyName": "Ash"},
        "emails": [{"value": "work@x.example", "type": "work", "primary": True}],
        "phoneNumbers": [{"value": "4", "type": "mobile"}, {"value": "2", "type": "work"}],
        "active": True,
    }
    assert render(PersonFields("bo", active=False)) == {"schemas": [CORE_USER_URN], "userName": "bo", "active": False}


def test_unchanged_person_leaves_the_document_as_it_was_pushed() -> None:
    assert updated_document(PUSHED, ANNA) == PUSHED


@pytest.mark.parametrize(
    ("changed", "attribute", "expected"),
    [
        (replace(ANNA, user_name="bea"), "userName", "bea"),
        (replace(ANNA, given_name="Bea"), "name", {"givenName": "Bea", "familyName": "Ash", "middleName": "M"}),
        (replace(ANNA, given_name="", family_name=""), "name", {"middleName": "M"}),
        (
            replace(ANNA, email="new@x.example"),
            "emails",
            [{"value": "home@x.example", "type": "home"}, {"value": "new@x.example", "type": "work", "primary": True}],
        ),
        (replace(ANNA, email=""), "emails", [{"value": "home@x.example", "type": "home"}]),
        (replace(ANNA, job_title=""), "title", None),
        (replace(ANNA, language="fr"), "preferredLanguage", "fr"),
        (replace(ANNA, active=False), "active", False),
    ],
)
def test_changed_field_is_written_where_it_came_from(changed: PersonFields, attribute: str, expected: Json) -> None:
    found = updated_document(PUSHED, changed)
    assert found.get(attribute) == expected
    assert {k: v for k, v in found.items() if k != attribute} == {k: v for k, v in PUSHED.items() if k != attribute}


def test_changed_phone_leaves_the_other_numbers() -> None:
    numbers = updated_document(PUSHED, replace(ANNA, phone="44", business_phone=""))["phoneNumbers"]
    assert numbers == [{"value": "1", "type": "fax"}, {"value": "3", "type": "home"}, {"value": "44", "type": "MOBILE"}]


def test_document_that_was_given_is_not_changed() -> None:
    before = repr(PUSHED)
    updated_document(PUSHED, PersonFields("x"))
    assert repr(PUSHED) == before


def test_last_value_cleared_takes_the_attribute_along() -> None:
    found = updated_document(render(ANNA), PersonFields("anna"))
    assert found == {"schemas": [CORE_USER_URN], "userName": "anna", "active": True}


WORDS = st.text("abc é", min_size=1, max_size=5)
ELEMENTS = st.lists(
    st.fixed_dictionaries({}, optional={"value": WORDS, "type": st.sampled_from(["work", "Home", "mobile", "fax"]), "display": WORDS}),
    max_size=3,
)
MANDATORY: dict[str, st.SearchStrategy[Any]] = {"schemas": st.just([CORE_USER_URN]), "userName": WORDS}
OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "name": st.dictionaries(st.sampled_from(["givenName", "familyName", "formatted"]), WORDS),
    "emails": ELEMENTS,
    "phoneNumbers": ELEMENTS,
    "active": st.booleans(),
    **dict.fromkeys(("title", "locale", "preferredLanguage", "timezone", "displayName", "nickName"), WORDS),
}
DOCUMENTS: st.SearchStrategy[JsonObject] = st.fixed_dictionaries(MANDATORY, optional=OPTIONAL)
PEOPLE = st.builds(PersonFields, *([WORDS] * 10), st.booleans())


@given(DOCUMENTS, PEOPLE)
def test_document_says_what_the_columns_say(document: JsonObject, person: PersonFields) -> None:
    assert person_from_document(updated_document(document, person)) == person


@given(PEOPLE)
def test_rendered_person_reads_back(person: PersonFields) -> None:
    assert person_from_document(render(person)) == person
