"""What mails say: a pair of templates for each kind, sentences in every language, and nothing that a name could smuggle in.

A new kind is a name in `domain.mails.MailKind`, two templates of that name in `mail_templates`, and its sentences in the catalogues of
`mail_languages` (a test tells which are missing).
"""

import gettext
import io
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

from babel import Locale, dates
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context

from gateway.domain.mails import Letter, MailKind, plain_line
from gateway.domain.nodes import LANGUAGE, LANGUAGES, Node
from gateway.domain.people import Account

_TOLD_LIMIT = 2048
"""Characters of a value: as long as a link may be."""
_LINK_LIKE = re.compile(r"[/\\@:]|\w\.\w")
"""What mail programs may make a link of, so that a stranger's name could carry an advertisement or a trap."""

_PARAGRAPHS = re.compile(r"\n{3,}")
"""What lies between paragraphs: the templates are generous, because a line's end behind a tag does not count there."""


def language_of(account: Account, chain: Sequence[Node]) -> str:
    """Return the language of a person's mails: their own, else that of the nearest node of `chain` that sets one, else English (R-154)."""
    wished = [account.language, *(str(json.loads(node.policies).get(LANGUAGE, "")) for node in chain)]
    known = (re.split(r"[-_]", wish.strip().lower())[0] for wish in wished)
    return next((language for language in known if language in LANGUAGES), LANGUAGES[0])


def write_letter(kind: MailKind, language: str, account: Account, brand: str, *, told: Mapping[str, str | int], reference: str) -> Letter:
    """Return what a mail says to a person; `told` holds the values of its templates, instants in milliseconds."""
    environment = _environment(language)
    values: dict[str, object] = {name: plain_line(value, _TOLD_LIMIT) if isinstance(value, str) else value for name, value in told.items()}
    values |= {
        "language": language,
        "zone": _zone(account.time_zone),
        "name": called(account),
        "login": plain_line(account.login),
        "brand": plain_line(brand),
        "reference": reference,
    }
    text = environment.get_template(f"{kind}.txt")
    subject = "".join(text.blocks["subject"](text.new_context(values))).strip()
    page = environment.get_template(f"{kind}.html")
    return Letter(language, subject, _PARAGRAPHS.sub("\n\n", text.render(values)).strip() + "\n", page.render(values, subject=subject))


def called(account: Account) -> str:
    """Return the name by which a mail greets a person; empty where there is none, or none that is only a name."""
    name = plain_line(account.given_name or account.display_name)
    return "" if _LINK_LIKE.search(name) else name


def recipient_name(account: Account) -> str:
    """Return the name that stands before the address."""
    name = plain_line(account.display_name or f"{account.given_name} {account.family_name}")
    return "" if _LINK_LIKE.search(name) else name


@cache
def _environment(language: str) -> Environment:
    made = Environment(
        loader=PackageLoader("gateway.services", "mail_templates"),
        autoescape=select_autoescape(["html"]),
        extensions=["jinja2.ext.i18n"],
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.policies["ext.i18n.trimmed"] = True
    made.filters["moment"] = _moment
    # The extension adds this method to the environment, which its type does not know.
    install = getattr(made, "install_gettext_translations")  # noqa: B009 -- see the line above
    install(_sentences(language), newstyle=True)
    return made


def _sentences(language: str) -> gettext.NullTranslations:
    """Return the sentences of a language; English ones stand in the templates."""
    if language == LANGUAGES[0]:
        return gettext.NullTranslations()
    source = resources.files("gateway.services").joinpath("mail_languages", f"{language}.po").read_bytes()
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(source), locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@pass_context
def _moment(context: Context, instant: int) -> str:
    """Return a time as people of the language write it, with its zone."""
    moment = datetime.fromtimestamp(instant / 1000, UTC)
    there, locale = moment.astimezone(context["zone"]), Locale.parse(context["language"])
    # The zone in words: its short name is a number in most languages.
    zone = dates.get_timezone_name(there, "long", locale=locale)
    return f"{dates.format_date(there, 'long', locale)} {dates.format_time(there, 'short', locale=locale)} {zone}"


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (KeyError, ValueError, OSError):
        # Whatever a directory pushed.
        return UTC
