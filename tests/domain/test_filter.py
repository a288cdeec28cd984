"""What a filter means (scim.md A39-A57): names and values against the tables, documents against the result."""

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.filter import element_matches, fragment_key, has_zone, matches, microseconds, resolve, resolve_selection
from gateway.domain.query import AttributePath, Comparison, Operator, Present, ValuePath, parse_filter
from gateway.domain.schema import (
    CORE_USER_URN,
    ENTERPRISE_URN,
    GROUP,
    MOONGATE_URN,
    USER,
    Attribute,
    Json,
    JsonObject,
    ResourceType,
    Schema,
    Type,
)

ANNA: JsonObject = {
    "schemas": [CORE_USER_URN, ENTERPRISE_URN],
    "id": "2819c223-7f76-453a-919d-413861904646",
    "externalId": "AbC",
    "userName": "Anna@Contoso.example",
    "name": {"givenName": "Anna", "familyName": "Größe"},
    "title": "100% _lead_",
    "active": True,
    "emails": [
        {"value": "anna@contoso.example", "type": "work", "primary": True},
        {"value": "anna@home.example", "type": "home"},
    ],
    "groups": [{"value": "g1", "display": "Sales", "type": "direct"}],
    "meta": {"resourceType": "User", "created": "2026-01-01T00:00:00Z", "lastModified": "2026-01-01T00:00:00.250Z"},
    ENTERPRISE_URN: {"department": "Sales", "manager": {"value": "m1", "displayName": "Bo"}},
}

COUNTED = ResourceType(
    "Counted",
    "/Counted",
    Schema("urn:x:Counted", "Counted", (Attribute("count", Type.INTEGER), Attribute("ratio", Type.DECIMAL), Attribute("key", Type.BINARY))),
)
"""A resource with numbers, which people have none of."""


def holds(text: str, document: JsonObject, resource: ResourceType = USER, *, lenient: bool = False) -> bool:
    return matches(resolve(parse_filter(text, lenient=lenient), resource, lenient=lenient), document, resource)


def refused(text: str, resource: ResourceType = USER, *, lenient: bool = False) -> bool:
    try:
        resolve(parse_filter(text, lenient=lenient), resource, lenient=lenient)
    except Refusal as refusal:
        return refusal.code == "E_Filter_Unsupported"
    return False


# --- names


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("USERNAME", AttributePath("", "userName")),
        (f"{CORE_USER_URN}:userName", AttributePath("", "userName")),
        (f"{CORE_USER_URN.upper()}:NAME.FAMILYNAME", AttributePath("", "name", "familyName")),
        (f"{ENTERPRISE_URN}:Department", AttributePath(ENTERPRISE_URN, "department")),
        (f"{ENTERPRISE_URN.lower()}:manager.DISPLAYNAME", AttributePath(ENTERPRISE_URN, "manager", "displayName")),
        ("meta.LASTMODIFIED", AttributePath("", "meta", "lastModified")),
    ],
)
def test_names_are_brought_to_their_canonical_spelling(text: str, path: AttributePath) -> None:
    assert resolve(parse_filter(f"{text} pr"), USER) == Present(path)


@pytest.mark.parametrize("text", ["emails", "emails.value"])
def test_comparison_with_a_complex_attribute_means_its_value(text: str) -> None:
    expected = Comparison(AttributePath("", "emails", "value"), Operator.EQ, "x")
    assert resolve(parse_filter(f'{text} eq "x"'), USER) == expected


def test_comparison_with_manager_and_members_means_their_value() -> None:
    assert holds(f'{ENTERPRISE_URN}:manager eq "m1"', ANNA)
    assert holds('members eq "a"', {"members": [{"value": "a"}]}, GROUP)


@pytest.mark.parametrize(
    "text",
    [
        'nickname2 eq "x"',
        'name.nickName eq "x"',
        'urn:example:foreign:attribute eq "x"',
        f'{ENTERPRISE_URN}:userName eq "x"',
        'name eq "x"',
        'addresses eq "x"',
        'userName[type eq "x"]',
        'emails.type[value eq "x"]',
        'emails[user eq "x"]',
        'emails[type.x eq "x"]',
        f'emails[{CORE_USER_URN}:value eq "x"]',
        'emails[emails[value eq "x"]]',
        f"{ENTERPRISE_URN} pr",
    ],
)
def test_unknown_attribute_is_an_unsupported_filter(text: str) -> None:
    assert refused(text)


@pytest.mark.parametrize(
    "text", ['password eq "x"', "password pr", 'not (password eq "x")', 'PASSWORD sw "x"', f'{CORE_USER_URN}:password co ""']
)
def test_secret_is_no_oracle(text: str) -> None:
    assert refused(text)


# --- values


@pytest.mark.parametrize("operator", ["gt", "ge", "lt", "le", "co", "sw", "ew"])
def test_boolean_is_neither_ordered_nor_searched(operator: str) -> None:
    assert refused(f"active {operator} true")


@pytest.mark.parametrize("operator", ["gt", "ge", "lt", "le"])
def test_binary_is_not_ordered(operator: str) -> None:
    assert refused(f'x509Certificates.value {operator} "AA=="')
    assert not refused('x509Certificates.value eq "AA=="')


@pytest.mark.parametrize("text", ['count co "1"', 'count sw "1"', 'count ew "1"', 'count eq "1"', "count eq true", 'ratio gt "1"'])
def test_number_is_compared_with_numbers_only(text: str) -> None:
    assert refused(text, COUNTED)


@pytest.mark.parametrize("operator", ["gt", "ge", "lt", "le", "co", "sw", "ew"])
def test_null_is_only_equal_or_not(operator: str) -> None:
    assert refused(f"title {operator} null")


@pytest.mark.parametrize("text", ['active eq "true"', "active eq 1", "userName eq 5", "userName eq true", 'active ne "yes"'])
def test_value_of_another_type_is_an_unsupported_filter(text: str) -> None:
    assert refused(text)


@pytest.mark.parametrize("text", ['active eq "True"', "active eq true", "active eq True"])
def test_lenient_takes_the_text_true_for_a_boolean(text: str) -> None:
    assert holds(text, ANNA, lenient=True)
    assert refused('active eq "yes"', lenient=True)


@pytest.mark.parametrize(("text", "value"), [("userName eq 5", "5"), ("userName eq true", "true"), ("externalId eq AbC", "AbC")])
def test_lenient_takes_a_bare_value_for_a_text(text: str, value: str) -> None:
    tree = resolve(parse_filter(text, lenient=True), USER, lenient=True)
    assert isinstance(tree, Comparison)
    assert tree.value == value


def test_date_without_zone_is_refused_and_lenient_takes_it_for_utc() -> None:
    text = 'meta.created ge "2026-01-01T00:00:00"'
    assert refused(text)
    assert holds(text, ANNA, lenient=True)
    assert refused('meta.created ge "yesterday"', lenient=True)


def test_part_of_a_date_is_searched_as_text() -> None:
    assert holds('meta.created sw "2026-01"', ANNA)


def test_selection_in_brackets_is_resolved_too() -> None:
    tree = resolve(parse_filter('EMAILS[TYPE eq "work" and not (PRIMARY eq false)]'), USER)
    assert isinstance(tree, ValuePath)
    assert tree.path == AttributePath("", "emails")
    assert refused('emails[primary eq "true"]')
    assert not refused('emails[primary eq "true"]', lenient=True)


# --- meaning


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('userName eq "anna@contoso.EXAMPLE"', True),
        ('userName ne "anna@contoso.EXAMPLE"', False),
        ('userName eq "  anna@contoso.example "', True),
        ('externalId eq "AbC"', True),
        ('externalId eq "abc"', False),
        ('id eq "2819C223-7f76-453a-919d-413861904646"', False),
        ('name.familyName eq "GRÖSSE"', True),
        ('userName sw "ANNA@"', True),
        ('userName ew ".Example"', True),
        ('userName co "@CONTOSO"', True),
        ('userName co "@globex"', False),
        ('externalId sw "Ab"', True),
        ('externalId sw "ab"', False),
        ('title co "%"', True),
        ('title sw "1%"', False),
        ('title co "d_"', True),
        ('title co "l_a"', False),
        ('userName co "\'; DROP TABLE person;--"', False),
        ('title sw "100% "', True),
        ('title sw "100%  "', False),
        ('userName gt "a"', True),
        ('userName ge "anna@contoso.example"', True),
        ('userName lt "anna@contoso.example"', False),
        ('userName le "ANNA@contoso.example"', True),
        ('externalId lt "a"', True),
        ("active eq true", True),
        ("active eq false", False),
        ("active ne true", False),
        ('emails.type eq "work" and emails.value co "@home"', True),
        ('emails[type eq "work" and value co "@home"]', False),
        ('emails[type eq "work"].value eq "anna@contoso.example"', True),
        ('emails[type eq "home"].value eq "anna@contoso.example"', False),
        ('emails[not (type eq "work")]', True),
        ('emails[primary eq true and type eq "home"]', False),
        ('emails ne "anna@home.example"', True),
        ('groups.value eq "g1"', True),
        ('groups[value eq "g1" and type eq "direct"]', True),
        (f'schemas eq "{ENTERPRISE_URN}"', True),
        (f'schemas eq "{MOONGATE_URN}"', False),
        ('meta.resourceType eq "User"', True),
        ('meta.resourceType eq "Group"', False),
        ('meta.lastModified gt "2026-01-01T01:00:00+01:00"', True),
        ('meta.lastModified eq "2026-01-01T01:00:00.25+01:00"', True),
        ('meta.created le "2025-12-31T23:00:00-01:00"', True),
        (f'{ENTERPRISE_URN}:department eq "sales"', True),
        (f'{MOONGATE_URN}:status eq "active"', False),
        ("title pr", True),
        ("nickName pr", False),
        ("emails pr", True),
        ("emails.display pr", False),
        ("name pr", True),
        ("name.middleName pr", False),
        ('nickName eq "x"', False),
        ('nickName ne "x"', True),
        ('not (nickName eq "x")', True),
        ("nickName eq null", True),
        ("nickName ne null", False),
        ("title eq null", False),
        ("title ne null", True),
        ('title pr or userName pr and userName eq "x"', True),
        ('(title pr or userName pr) and userName eq "x"', False),
    ],
)
def test_filter_holds_for_a_person(text: str, expected: bool) -> None:
    assert holds(text, ANNA) is expected


@pytest.mark.parametrize("value", [None, [], {}, "", [{}], [None], {"formatted": ""}])
def test_empty_value_is_not_present(value: Json) -> None:
    for name in ("name", "emails", "title"):
        assert not holds(f"{name} pr", {name: value})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("count eq 5", True),
        ("count eq 5.0", True),
        ("count ne 5", False),
        ("count gt 4", True),
        ("count ge 5", True),
        ("count lt 5", False),
        ("count le 5", True),
        ("ratio eq 0.1", True),
        ("ratio gt 0.09", True),
        ("ratio lt 1", True),
    ],
)
def test_numbers_are_compared_by_value(text: str, expected: bool) -> None:
    assert holds(text, {"count": 5, "ratio": 0.1}, COUNTED) is expected


@pytest.mark.parametrize("document", [{"count": "5"}, {"count": None}, {"count": {"value": 5}}])
def test_value_of_the_wrong_type_in_a_document_equals_nothing(document: JsonObject) -> None:
    assert not holds("count eq 5", document, COUNTED)


def test_extension_that_is_no_object_holds_nothing() -> None:
    assert not holds(f"{ENTERPRISE_URN}:department pr", {ENTERPRISE_URN: "Sales"})
    assert not holds('emails[type eq "work"]', {"emails": ["work"]})


def test_bad_date_in_a_document_is_neither_before_nor_after() -> None:
    document: JsonObject = {"meta": {"created": "yesterday"}}
    assert not holds('meta.created lt "2026-01-01T00:00:00Z"', document)
    assert not holds('meta.created ge "2026-01-01T00:00:00Z"', document)


def test_element_of_a_patch_path_is_selected_by_its_own_parts() -> None:
    emails = USER.find("emails")
    assert emails is not None
    selection = resolve_selection(parse_filter('TYPE eq "WORK" and value pr'), emails)
    assert element_matches(selection, {"type": "work", "value": "x"}, emails)
    assert not element_matches(selection, {"type": "work"}, emails)
    assert not element_matches(selection, "work", emails)


# --- dates


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59Z", -1_000_000),
        ("1970-01-01T00:00:00", 0),
        ("2026-09-21T14:13:20.123456Z", 1_790_000_000_123_456),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
    ],
)
def test_dates_are_read_as_instants(text: str, expected: int) -> None:
    assert microseconds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-01",
        "2026-01-01 00:00:00Z",
        "2026-13-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "2026-01-01T25:00:00Z",
        "x2026-01-01T00:00:00Z",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert microseconds(text) is None


def test_zone_is_told_apart_from_none() -> None:
    assert has_zone("2026-01-01T00:00:00+01:00")
    assert not has_zone("2026-01-01T00:00:00")
    assert not has_zone("today")


def test_fraction_beyond_microseconds_is_cut() -> None:
    assert microseconds("1970-01-01T00:00:00.1234567Z") == 123_456


def test_searched_part_keeps_its_blanks() -> None:
    assert fragment_key(" Ａnna ") == " anna "
