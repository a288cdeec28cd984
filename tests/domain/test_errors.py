"""The catalogue of refusals: every code has its texts, every door its answer, and no text fails or tells too much."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.domain.errors import CatalogueEntry, Disclosure, Refusal, catalogue, entry_of, filled, find_entry, names_in

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"E_[A-Z][A-Za-z0-9]*(?:_[A-Z][A-Za-z0-9]*)*")
SCIM_TYPES = {
    "",
    "invalidFilter",
    "tooMany",
    "uniqueness",
    "mutability",
    "invalidSyntax",
    "invalidPath",
    "noTarget",
    "invalidValue",
    "invalidVers",
    "sensitive",
}
"""RFC 7644 table 9."""
APP_ERRORS = {
    "",
    "invalid_request",
    "access_denied",
    "server_error",
    "temporarily_unavailable",
    "invalid_scope",
    "insufficient_scope",
    "invalid_token",
    "login_required",
    "interaction_required",
    "account_selection_required",
    "unmet_authentication_requirements",
}
"""RFC 6749 §4.1.2.1, RFC 6750 §3.1, OIDC Core §3.1.2.6, OpenID unmet authentication requirements."""
COMMANDS = {
    *("audit", "client", "customer", "doctor", "domain", "explain", "group", "idp", "import", "job", "keys", "membership", "migrate"),
    *("backup", "registration", "restore", "role", "scim-connection", "scim-log", "secrets", "session", "tenant", "user", "what-if"),
}

each_entry = pytest.mark.parametrize("entry", catalogue().values(), ids=lambda entry: entry.code)


def codes_in_code() -> Iterator[tuple[str, str]]:
    """Every text in the house that is nothing but a code, with its file."""
    for room in ("gateway", "scim", "federation"):
        for file in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
                    yield node.value, str(file.relative_to(ROOT))


def row_of(entry: CatalogueEntry) -> str:
    """The row that docs/errors.md holds for a code."""
    names = {name: f"{{{name}}}" for text in (entry.user, entry.admin, *entry.remedies) for name in names_in(text)}
    remedies = "".join(f"<br>`{text}`" for text in entry.remedies)
    cells = (
        f"`{entry.code}`",
        entry.title,
        entry.disclosure + (f" ({entry.shown_as})" if entry.shown_as else ""),
        str(entry.page_status),
        entry.app_error,
        f"{entry.scim.status} {entry.scim.scim_type}".strip() if entry.scim else "",
        entry.user.format_map(names),
        entry.admin.format_map(names) + remedies.format_map(names),
    )
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def test_every_code_that_the_house_uses_is_in_the_catalogue() -> None:
    assert {(code, file) for code, file in codes_in_code() if code not in catalogue()} == set()


def test_page_of_the_manual_lists_every_code_as_it_is() -> None:
    rows = {row_of(entry) for entry in catalogue().values()}
    listed = {line for line in (ROOT / "docs" / "errors.md").read_text("utf-8").splitlines() if line.startswith("| `E_")}
    assert rows - listed == set()
    assert listed - rows == set()


def test_unknown_code_is_a_bug_and_no_refusal() -> None:
    with pytest.raises(KeyError):
        Refusal("E_Never_Heard_Of")


def test_code_is_found_in_whatever_case() -> None:
    assert find_entry("e_no_USER") is entry_of("E_No_User")
    assert find_entry("E_Never_Heard_Of") is None


@each_entry
def test_code_is_spelt_as_codes_are(entry: CatalogueEntry) -> None:
    assert CODE.fullmatch(entry.code)


@each_entry
def test_texts_are_sentences_that_an_app_can_be_told(entry: CatalogueEntry) -> None:
    for text in (entry.title, entry.user, entry.admin):
        assert re.fullmatch(r"[\x20\x21\x23-\x5b\x5d-\x7e]+", text), text
    assert entry.user.endswith((".", "}"))
    assert entry.admin.endswith((".", "}"))


@each_entry
def test_doors_answer_only_what_their_standards_know(entry: CatalogueEntry) -> None:
    assert entry.app_error in APP_ERRORS
    assert 200 <= entry.page_status < 600
    if entry.scim is not None:
        assert 400 <= entry.scim.status < 600
        assert entry.scim.scim_type in SCIM_TYPES
        assert not entry.scim.scim_type or entry.scim.status in {400, 409}


@each_entry
def test_example_fills_every_text(entry: CatalogueEntry) -> None:
    named = frozenset[str]().union(*(names_in(text) for text in (entry.user, entry.admin, *entry.remedies)))
    assert named <= set(entry.example)


@each_entry
def test_some_sentence_stands_without_any_value(entry: CatalogueEntry) -> None:
    for text in (entry.user, entry.admin):
        assert not any(name.upper() in filled(text, {}) for name in names_in(text)), text


@each_entry
def test_remedies_are_commands_of_moongate(entry: CatalogueEntry) -> None:
    for remedy in entry.remedies:
        program, command, *_ = remedy.split()
        assert program == "moongate"
        assert command in COMMANDS


@each_entry
def test_code_for_nobody_is_shown_as_one_that_people_may_see(entry: CatalogueEntry) -> None:
    assert (entry.disclosure is Disclosure.NOBODY) is bool(entry.shown_as)
    if entry.shown_as:
        assert entry_of(entry.shown_as).disclosure is not Disclosure.NOBODY


def test_refusal_of_class_c_is_disclosed_as_the_neutral_one() -> None:
    disclosed = Refusal("E_Federated_Only", data={"expected": "Contoso"}).disclosed()
    assert disclosed.code == "E_Invalid_Credentials"
    assert str(disclosed) == str(Refusal("E_Invalid_Credentials"))
    assert disclosed.reason == "E_Federated_Only"
    assert Refusal("E_Mfa_Replayed").disclosed().code == "E_Mfa_Invalid"


def test_refusal_that_people_may_see_is_disclosed_as_it_is() -> None:
    refusal = Refusal("E_No_User", data={"value": "flast@contoso.example"})
    assert refusal.disclosed() is refusal


def test_text_of_a_refusal_names_its_values_and_never_its_reason() -> None:
    data = {"criterion": "custom login", "value": "flast@contoso.example"}
    refusal = Refusal("E_No_User", data=data, reason="12 candidates in tenant globex")
    assert "the custom login flast@contoso.example." in str(refusal)
    assert "globex" not in str(refusal)


@pytest.mark.parametrize("data", [{}, {"criterion": "email", "value": ""}, {"criterion": None, "value": "x"}])
def test_sentence_is_left_out_when_a_value_is_missing(data: dict[str, object]) -> None:
    assert str(Refusal("E_No_User", data=data)) == (
        "Your organisation signed you in, but you have no account here. Ask your administrator to create the account or to correct its "
        "sign-in name."
    )


def test_values_are_shown_as_they_are_even_when_they_look_like_names() -> None:
    assert filled("It is {value}. Go on.", {"value": "{limit} {0} %s. {"}) == "It is {limit} {0} %s. {. Go on."


def test_command_with_a_missing_value_shows_what_is_to_be_filled_in() -> None:
    assert filled("moongate tenant enable {node}", {}) == "moongate tenant enable NODE"
    assert filled("moongate user unlock --tenant {tenant} {login}", {"login": "ann"}) == "moongate user unlock --tenant TENANT ann"


def test_value_of_any_kind_can_be_shown() -> None:
    assert filled("At most {limit}. {names}.", {"limit": 3, "names": ["a"]}) == "At most 3. ['a']."
