"""What mails say: every sentence in every language, and nothing that a name could smuggle in."""

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from importlib import resources

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from gateway.domain.errors import Refusal
from gateway.domain.mails import Letter, MailKind
from gateway.domain.nodes import LANGUAGES, Node
from gateway.domain.people import Account
from gateway.services import mail_text, nodes
from gateway.services.context import Context
from tests.conftest import START
from tests.factors import add_person

TOLD: dict[MailKind, dict[str, str | int]] = {
    MailKind.ACCOUNT_LOCKED: {"path": "password", "until": START},
    MailKind.PASSWORD_CHANGED: {"at": START},
    MailKind.TEMPORARY_PASSWORD: {"at": START, "until": START},
    MailKind.FACTOR_ENROLLED: {"at": START},
    MailKind.FACTOR_RESET: {"at": START, "until": START},
    MailKind.EMAIL_CHANGED: {"at": START, "email": "new@mail.example"},
    MailKind.PROFILE_CREATED: {"link": "http://localhost:8000/t/acme/"},
}
FOREIGN = LANGUAGES[1:]
_PLACE = re.compile(r"%\((\w+)\)s")


@pytest.fixture
def ada(context: Context, acme: Node, quick_hashes: None) -> Account:
    return add_person(context, acme, "ada")


def letter(kind: MailKind, account: Account, language: str = "en", **told: str | int) -> Letter:
    return mail_text.write_letter(kind, language, account, "Acme Ltd", told={**TOLD[kind], **told}, reference="c0ffee")


def sentences() -> set[str]:
    """Every sentence of the templates."""
    return {message for _, message in _extracted()}


def _extracted() -> Iterator[tuple[str, str]]:
    for item in resources.files("gateway.services").joinpath("mail_templates").iterdir():
        found = extract("jinja2.ext:babel_extract", io.BytesIO(item.read_bytes()), options={"trimmed": "true", "silent": "false"})
        for _, message, *_ in found:
            assert isinstance(message, str)
            yield item.name, message


def catalogue(language: str) -> Catalog:
    text = resources.files("gateway.services").joinpath("mail_languages", f"{language}.po").read_bytes()
    return read_po(io.BytesIO(text), locale=language, abort_invalid=True)


@pytest.mark.parametrize("language", FOREIGN)
def test_every_sentence_is_there_in_every_language_and_none_that_nobody_says(language: str) -> None:
    messages = {message.id: message for message in catalogue(language) if message.id}
    assert sentences() == messages.keys()
    assert not [message.id for message in messages.values() if not message.string or message.fuzzy]


@pytest.mark.parametrize("language", FOREIGN)
def test_a_translation_tells_the_same_values(language: str) -> None:
    for message in catalogue(language):
        if message.id:
            assert sorted(_PLACE.findall(str(message.string))) == sorted(_PLACE.findall(str(message.id))), message.id
            assert not re.search(r"%(?!\(\w+\)s)", str(message.string)), message.id


def test_every_kind_has_a_text_and_a_page_with_the_same_sentences() -> None:
    files: dict[str, list[str]] = {}
    for name, message in _extracted():
        files.setdefault(name, []).append(message)
    only_on_pages = {"Sign in"}
    only_in_texts = {"Sign in here:"}
    for kind in MailKind:
        text, page = set(files[f"{kind}.txt"]), set(files[f"{kind}.html"])
        assert len(text - page - only_in_texts) == 1, "the subject, which the layout of the page shows"
        assert page - text <= only_on_pages
    assert set(files["layout.txt"]) == set(files["layout.html"])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", list(MailKind))
def test_every_mail_can_be_written_in_every_language(ada: Account, kind: MailKind, language: str) -> None:
    made = letter(kind, ada, language)
    assert made.subject
    assert "\n" not in made.subject
    assert f'lang="{language}"' in made.html
    for text in (made.text, unescape(made.html)):
        assert "c0ffee" in text
        assert "Acme Ltd" in text
        assert "%(" not in text
        assert "{{" not in text
        assert "ada" in text


def test_a_time_is_told_in_the_words_and_the_zone_of_the_person(ada: Account) -> None:
    assert "September 21, 2026 2:13\u202fPM Coordinated Universal Time" in letter(MailKind.PASSWORD_CHANGED, ada).text
    berlin = replace(ada, time_zone="Europe/Berlin")
    assert "21. September 2026 16:13 Mitteleuropäische Sommerzeit" in letter(MailKind.PASSWORD_CHANGED, berlin, "de").text
    assert "2026年9月21日" in letter(MailKind.PASSWORD_CHANGED, ada, "ja").text
    for nonsense in ("Mars/Olympus", "../../etc/passwd", "\x00", "a" * 5000):
        assert "Coordinated Universal Time" in letter(MailKind.PASSWORD_CHANGED, replace(ada, time_zone=nonsense)).text


@pytest.mark.parametrize(
    ("own", "acme_says", "platform_says", "expected"),
    [
        ("ja", "de", "fr", "ja"),
        ("fr-CA", "de", "", "fr"),
        ("es_419", "", "", "es"),
        ("", "de", "fr", "de"),
        ("", "", "fr", "fr"),
        ("tlh", "", "fr", "fr"),
        ("", "", "", "en"),
    ],
)
def test_the_language_is_the_persons_else_the_tenants_else_the_platforms_else_english(
    context: Context, platform: Node, acme: Node, ada: Account, own: str, acme_says: str, platform_says: str, expected: str
) -> None:
    chain = [
        nodes.change_node(context, acme, policies={"language": acme_says}),
        nodes.change_node(context, platform, policies={"language": platform_says}),
    ]
    assert mail_text.language_of(replace(ada, language=own), chain) == expected


def test_markup_in_a_name_is_shown_and_not_obeyed(ada: Account) -> None:
    made = letter(MailKind.PASSWORD_CHANGED, replace(ada, given_name="<img src=x onerror=1>", login="<b>ada</b>"))
    assert "<img" not in made.html
    assert "<b>" not in made.html
    assert "&lt;b&gt;ada" in made.html


def test_template_code_in_a_value_is_text(ada: Account) -> None:
    made = letter(MailKind.PASSWORD_CHANGED, replace(ada, given_name="{{ 7*7 }}%(login)s", login="{% raw %}"))
    assert "{{ 7*7 }}" in made.text
    assert "49" not in made.text.replace("c0ffee", "")
    assert "{% raw %}" in made.text


@pytest.mark.parametrize("name", ["Win at www.evil.example", "https://evil.example", "call me@evil.example", "a\\b"])
def test_a_name_that_would_become_a_link_is_not_greeted(ada: Account, name: str) -> None:
    made = letter(MailKind.PASSWORD_CHANGED, replace(ada, given_name=name, display_name=name))
    assert "evil" not in made.text
    assert made.text.startswith("Hello,\n")
    assert mail_text.recipient_name(replace(ada, display_name=name)) == ""


def test_a_name_cannot_add_lines_or_turn_the_words_around(ada: Account) -> None:
    made = letter(MailKind.PASSWORD_CHANGED, replace(ada, given_name="Ada\r\n\r\nYour bank needs\u202e you"))
    assert made.text.startswith("Hello Ada Your bank needs you,\n")


def test_lines_that_everybody_reads_look_right(ada: Account) -> None:
    made = letter(MailKind.ACCOUNT_LOCKED, ada)
    paragraphs = made.text.split("\n\n")
    assert paragraphs[0] == "Hello Given,"
    assert paragraphs[1].startswith("There were too many wrong passwords for your account ada.")
    assert paragraphs[2] == "If it was you, wait until then and try again."
    assert paragraphs[4].startswith("-- \nAcme Ltd sent this mail by itself")
    assert "too many wrong codes" in letter(MailKind.ACCOUNT_LOCKED, ada, path="code").text


def test_a_language_that_nothing_is_written_in_cannot_be_set(context: Context, acme: Node) -> None:
    with pytest.raises(Refusal) as refused:
        nodes.change_node(context, acme, policies={"language": "tlh"})
    assert "en or de or fr or es or ja" in str(refused.value.data["rule"])
