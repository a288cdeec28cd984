"""The filter grammar of RFC 7644 figure 1 and the paths of figure 7: what is read, what is refused, and where reading stops."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import Refusal
from gateway.domain.query import (
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_TERMS,
    And,
    AttributePath,
    Comparison,
    Filter,
    Literal,
    Not,
    Operator,
    Or,
    PatchPath,
    Present,
    ValuePath,
    parse_attribute_path,
    parse_filter,
    parse_path,
)

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def path(text: str) -> AttributePath:
    found = parse_attribute_path(text)
    assert found is not None
    return found


def eq(text: str, value: Literal) -> Comparison:
    return Comparison(path(text), Operator.EQ, value)


A, B, C = (eq(name, name) for name in "abc")

# --- what is read


@pytest.mark.parametrize("operator", Operator)
@pytest.mark.parametrize("spelt", [str.lower, str.upper, str.title])
def test_every_operator_is_read_in_any_case(operator: Operator, spelt: type[str]) -> None:
    assert parse_filter(f'userName {spelt(operator)} "x"') == Comparison(AttributePath("", "userName"), operator, "x")


@pytest.mark.parametrize("word", ["pr", "PR", "Pr"])
def test_presence_is_read_in_any_case(word: str) -> None:
    assert parse_filter(f"title {word}") == Present(AttributePath("", "title"))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ('a eq "a" or b eq "b" and c eq "c"', Or((A, And((B, C))))),
        ('a eq "a" and b eq "b" or c eq "c"', Or((And((A, B)), C))),
        ('(a eq "a" or b eq "b") and c eq "c"', And((Or((A, B)), C))),
        ('not (a eq "a") and b eq "b"', And((Not(A), B))),
        ('not (a eq "a" or b eq "b")', Not(Or((A, B)))),
        ('NOT(a eq "a")', Not(A)),
        ('a eq "a" AND b eq "b" And c eq "c"', And((A, B, C))),
        ('((a eq "a"))', A),
        ('  a   eq   "a"  ', A),
        ('a eq "a" or(b eq "b")', Or((A, B))),
    ],
)
def test_not_binds_tighter_than_and_and_and_tighter_than_or(text: str, tree: Filter) -> None:
    assert parse_filter(text) == tree


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ('"x"', "x"),
        ('""', ""),
        (r'"a\"b\\c"', r'a"b\c'),
        (r'"\u00e9\ud83d\ude00"', "é😀"),
        ('"%_\'; DROP TABLE person;--"', "%_'; DROP TABLE person;--"),
        ('"a) and (b"', "a) and (b"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("0", 0),
        ("-17", -17),
        ("1.50", Decimal("1.50")),
        ("2e3", Decimal(2000)),
        ("9" * 40, int("9" * 40)),
    ],
)
def test_literals_are_those_of_json(literal: str, value: Literal) -> None:
    found = parse_filter(f"a eq {literal}")
    assert found == eq("a", value)
    assert isinstance(found, Comparison)
    assert type(found.value) is type(value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("userName", AttributePath("", "userName")),
        ("name.givenName", AttributePath("", "name", "givenName")),
        ("$ref", AttributePath("", "$ref")),
        (f"{ENTERPRISE}:department", AttributePath(ENTERPRISE, "department")),
        (f"{ENTERPRISE}:manager.value", AttributePath(ENTERPRISE, "manager", "value")),
        (ENTERPRISE, AttributePath(ENTERPRISE.removesuffix(":User"), "User")),
        (ENTERPRISE.upper() + ":x", AttributePath(ENTERPRISE.upper(), "x")),
    ],
)
def test_attribute_names_may_carry_their_urn_and_one_sub_attribute(text: str, found: AttributePath) -> None:
    assert parse_attribute_path(text) == found
    assert str(found) == text
    assert parse_filter(f"{text} pr") == Present(found)


@pytest.mark.parametrize("text", ["", "1a", "a.b.c", "a b", "a.", ".a", "a[", "ä", "a\n", "http://x:y"])
def test_what_is_no_attribute_name_is_none(text: str) -> None:
    assert parse_attribute_path(text) is None


def test_value_path_keeps_its_filter_together() -> None:
    tree = parse_filter('emails[type eq "work" and value co "@x"]')
    assert tree == ValuePath(path("emails"), And((eq("type", "work"), Comparison(path("value"), Operator.CO, "@x"))))


@pytest.mark.parametrize("joined", ['type eq "work"', 'type eq "work" and primary eq true'])
def test_comparison_behind_the_brackets_is_one_more_condition_on_the_same_element(joined: str) -> None:
    """Entra's `emails[type eq "work"].value eq "x"`."""
    assert parse_filter(f'emails[{joined}].value eq "x"') == parse_filter(f'emails[{joined} and value eq "x"]')


def test_or_inside_the_brackets_is_not_torn_apart_by_the_comparison_behind_them() -> None:
    tree = parse_filter('emails[type eq "a" or type eq "b"].value eq "x"')
    assert tree == ValuePath(path("emails"), And((Or((eq("type", "a"), eq("type", "b"))), eq("value", "x"))))


# --- what is refused


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "userName",
        "userName eq",
        "userName eq ",
        'userName eq"x"',
        'userName = "x"',
        'userName xx "x"',
        'userName eqq "x"',
        "userName eq x",
        "userName eq 'x'",
        'userName eq "x',
        'userName eq "x" and',
        'userName eq "x" and and title pr',
        'userName eq "x" title pr',
        'userName eq "x" xor title pr',
        'and userName eq "x"',
        '(userName eq "x"',
        'userName eq "x")',
        "()",
        'not userName eq "x"',
        "not not (title pr)",
        'emails[type eq "work"',
        "emails[]",
        'emails[type eq "work"].',
        'emails[type eq "work"].value',
        'emails[type eq "work"]]',
        "a eq 01",
        "a eq 1.",
        "a eq +1",
        "a eq NaN",
        "a eq True",
        "a eq " + "9" * 41,
        r'a eq "\x"',
        r'a eq "\ud83d"',
        'a eq "line\nbreak"',
        'a.b.c eq "x"',
        '"a" eq "x"',
    ],
)
def test_bad_syntax_is_an_unsupported_filter(text: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_filter(text)
    assert refusal.value.code == "E_Filter_Unsupported"
    assert refusal.value.data["value"]


@pytest.mark.parametrize(
    ("text", "value"), [("a eq jyoung", "jyoung"), ("a eq 2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"), ("a eq True", "True")]
)
def test_lenient_takes_texts_without_quotes(text: str, value: str) -> None:
    assert parse_filter(text, lenient=True) == eq("a", value)
    assert parse_filter("a eq 5", lenient=True) == eq("a", 5)


def test_refusal_tells_where_but_not_what() -> None:
    with pytest.raises(Refusal) as refusal:
        parse_filter('userName eq "anna@contoso.example" and')
    assert "anna" not in str(refusal.value)
    assert "character 36" in str(refusal.value)


# --- where reading stops


def test_longest_filter_is_read_and_one_character_more_is_not() -> None:
    frame = 'a eq ""'
    text = 'a eq "' + "x" * (MAX_LENGTH - len(frame)) + '"'
    assert parse_filter(text) == eq("a", "x" * (MAX_LENGTH - len(frame)))
    with pytest.raises(Refusal, match="longer than 8192"):
        parse_filter(text + " ")


@pytest.mark.parametrize("opening", ["(", "not ("])
def test_deepest_filter_is_read_and_one_level_more_is_not(opening: str) -> None:
    parse_filter(opening * MAX_DEPTH + "a pr" + ")" * MAX_DEPTH)
    with pytest.raises(Refusal, match="nested deeper than 32"):
        parse_filter(opening * (MAX_DEPTH + 1) + "a pr" + ")" * (MAX_DEPTH + 1))


def test_brackets_count_as_depth() -> None:
    with pytest.raises(Refusal, match="nested deeper"):
        parse_filter("a[" * (MAX_DEPTH + 1) + "b pr" + "]" * (MAX_DEPTH + 1))


def test_depth_is_what_is_open_and_not_what_was() -> None:
    assert parse_filter(" and ".join(["(a pr)"] * (MAX_DEPTH + 1))) == And((Present(path("a")),) * (MAX_DEPTH + 1))


def test_most_terms_are_read_and_one_more_is_not() -> None:
    parse_filter(" or ".join(["a pr"] * MAX_TERMS))
    with pytest.raises(Refusal, match="more than 100 terms"):
        parse_filter(" or ".join(["a pr"] * (MAX_TERMS + 1)))


def test_terms_of_value_paths_count_too() -> None:
    with pytest.raises(Refusal, match="more than 100 terms"):
        parse_filter(" or ".join(['e[a pr].v eq "x"'] * (MAX_TERMS // 2 + 1)))


# --- paths of PATCH


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("title", PatchPath("", "title")),
        ("name.familyName", PatchPath("", "name", None, "familyName")),
        ('emails[type eq "work"]', PatchPath("", "emails", eq("type", "work"))),
        ('emails[type eq "work"].value', PatchPath("", "emails", eq("type", "work"), "value")),
        (f"{ENTERPRISE}:manager.value", PatchPath(ENTERPRISE, "manager", None, "value")),
        (f'{ENTERPRISE}:x[a eq "]"].b', PatchPath(ENTERPRISE, "x", eq("a", "]"), "b")),
    ],
)
def test_paths_name_an_attribute_its_elements_or_one_of_their_parts(text: str, found: PatchPath) -> None:
    assert parse_path(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        " title",
        "title ",
        "a.b.c",
        'a.b[c eq "x"]',
        'emails[type eq "work"].value.x',
        'emails[type eq "work"]x',
        "a/b",
        "x" * (MAX_LENGTH + 1),
    ],
)
def test_bad_path_is_an_invalid_path(text: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_path(text)
    assert refusal.value.code == "E_Path_Invalid"
    assert len(refusal.value.data["value"]) <= 128


@pytest.mark.parametrize("text", ["emails[", "emails[]", 'emails[type xx "work"]', 'emails[type eq "work"', "emails[type eq work]"])
def test_bad_filter_in_a_path_is_an_unsupported_filter(text: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_path(text)
    assert refusal.value.code == "E_Filter_Unsupported"


def test_lenient_path_takes_texts_without_quotes() -> None:
    assert parse_path("emails[type eq work].value", lenient=True) == PatchPath("", "emails", eq("type", "work"), "value")


def test_text_of_a_path_holds_no_value() -> None:
    assert str(parse_path(f'{ENTERPRISE}:x[value eq "anna@contoso.example"].y')) == f"{ENTERPRISE}:x[…].y"
    assert str(parse_path("title")) == "title"


# --- properties

NAMES = st.from_regex(r"\A[A-Za-z$][A-Za-z0-9_$-]{0,8}\Z")
PATHS = st.builds(AttributePath, st.sampled_from(["", ENTERPRISE]), NAMES, st.one_of(st.just(""), NAMES))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
LITERALS = st.one_of(TEXTS, st.booleans(), st.none(), st.integers(-(10**39), 10**39), st.decimals(-1000, 1000, places=3))
TERMS = st.one_of(st.builds(Comparison, PATHS, st.sampled_from(Operator), LITERALS), st.builds(Present, PATHS))


def _inner(children: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    several = st.lists(children, min_size=2, max_size=4).map(tuple)
    bare = st.builds(AttributePath, st.just(""), NAMES)
    return st.one_of(st.builds(And, several), st.builds(Or, several), st.builds(Not, children), st.builds(ValuePath, bare, children))


TREES: st.SearchStrategy[Filter] = st.recursive(TERMS, _inner, max_leaves=12)


def written(tree: Filter) -> str:
    """The text of a tree, with brackets round every junction."""
    match tree:
        case Comparison(where, operator, value):
            return f"{where} {operator} {json.dumps(value) if not isinstance(value, Decimal) else value}"
        case Present(where):
            return f"{where} pr"
        case Not(operand):
            return f"not ({written(operand)})"
        case And(operands):
            return " and ".join(_bracketed(operand) for operand in operands)
        case Or(operands):
            return " or ".join(_bracketed(operand) for operand in operands)
        case ValuePath(where, selection):
            return f"{where}[{written(selection)}]"


def _bracketed(tree: Filter) -> str:
    return f"({written(tree)})" if isinstance(tree, And | Or) else written(tree)


@given(TREES)
def test_what_is_written_is_read_back(tree: Filter) -> None:
    assert parse_filter(written(tree)) == tree


@given(TREES, NAMES)
def test_path_that_is_written_is_read_back(tree: Filter, sub: str) -> None:
    assert parse_path(f"emails[{written(tree)}].{sub}") == PatchPath("", "emails", tree, sub)


@given(
    st.one_of(
        st.text(max_size=80),
        st.lists(st.sampled_from(["a", '"x"', "eq", "pr", "and", "or", "not", "(", ")", "[", "]", " ", ".", "\\"])).map("".join),
    )
)
def test_no_text_breaks_the_reader(text: str) -> None:
    for lenient in (False, True):
        for parse in (parse_filter, parse_path):
            try:
                parse(text, lenient=lenient)
            except Refusal as refusal:
                assert refusal.code in {"E_Filter_Unsupported", "E_Path_Invalid"}  # noqa: PT017 -- either outcome is right
