"""Refusals: one exception with a code of the catalogue, which says what happened and what to do (requirements.md section 2).

The catalogue is data, `catalogue.toml` beside this module (decisions.md 45): for each code the texts for the person and for the
administrator, and one small table for each door that can answer with it. Nothing here knows HTTP; doors read their own table.
"""

import re
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

from gateway.domain.values import without_bidi


class Disclosure(StrEnum):
    """Who may learn a code (requirements.md section 2, Conventions)."""

    ANYONE = "A"
    PROVED = "B"
    """Only after the person has proved who they are."""
    NOBODY = "C"
    """The person gets the neutral answer; the trail keeps the real code."""


@dataclass(frozen=True, slots=True)
class ScimAnswer:
    """What a SCIM client is told: status and scimType (RFC 7644 §3.12)."""

    status: int
    scim_type: str
    """Empty where the RFC's list has none that fits."""


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One code of the catalogue."""

    code: str
    title: str
    user: str
    """For the person; `{name}` stands for a value of the refusal's `data`."""
    admin: str
    """For the administrator: what happened and what to do."""
    disclosure: Disclosure
    page_status: int
    """Status of the page or problem document."""
    app_error: str
    """OAuth error for the app (RFC 6749 §4.1.2.1); empty where no app is told."""
    scim: ScimAnswer | None
    remedies: tuple[str, ...] = ()
    """Commands that mend it, for `moongate explain`; `{name}` as in `user`."""
    example: Mapping[str, str] = field(default_factory=dict)
    """Values for `/help/errors/<code>`, where there is no refusal to take them from."""
    shown_as: str = ""
    """For a code that nobody may learn: the code that people see instead; empty for all others."""


class Refusal(Exception):
    """Somebody is refused something; the code says why.

    `str()` is the catalogue's text for the person and safe to show wherever the code is. `reason` is for the log and the audit trail,
    never for an answer. `data` are the values that the texts name; `field` is the field of a form or the attribute concerned.
    """

    def __init__(self, code: str, *, field: str = "", data: Mapping[str, Any] | None = None, reason: str = "") -> None:
        """Raise KeyError for a code that the catalogue does not have: that is a bug."""
        self.code = code
        self.field = field
        self.data: Mapping[str, Any] = data or {}
        self.reason = reason
        super().__init__(filled(entry_of(code).user, self.data))

    @property
    def entry(self) -> CatalogueEntry:
        """Return the code's entry in the catalogue."""
        return entry_of(self.code)

    def disclosed(self) -> "Refusal":
        """Return the refusal that people may see: this one, or the neutral one where nobody may learn the code (class C)."""
        return Refusal(self.entry.shown_as, reason=self.code) if self.entry.shown_as else self


class _Placeholders(dict[str, Any]):
    """Values by name; one that is missing is shown as its name, as in a command to be completed: no text fails for want of a value."""

    def __missing__(self, key: str) -> str:
        return key.upper()


def filled(text: str, data: Mapping[str, Any]) -> str:
    """Return a text of the catalogue with the values it names, without the sentences whose values are missing or empty.

    Many values are strangers', and stand amid our words: none may turn the direction of the others.
    """
    known = _Placeholders((name, value) for name, value in data.items() if value is not None and value != "")
    sentences = _sentences(text)
    whole = [sentence for sentence, names in sentences if names <= known.keys()]
    return without_bidi(" ".join(whole or [sentences[0][0]]).format_map(known))


def names_in(text: str) -> frozenset[str]:
    """Return the names of the values that a text of the catalogue shows."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name)


def entry_of(code: str) -> CatalogueEntry:
    """Return the entry of a code. Raises KeyError if there is none."""
    return catalogue()[code]


def find_entry(unverified_code: str) -> CatalogueEntry | None:
    """Return the entry of a code in whatever case, or None (codes are compared without regard to case)."""
    return _by_key().get(unverified_code.casefold())


@cache
def catalogue() -> Mapping[str, CatalogueEntry]:
    """Return every entry by its code."""
    text = resources.files("gateway.domain").joinpath("catalogue.toml").read_text("utf-8")
    return {code: _entry(code, table) for code, table in tomllib.loads(text).items()}


_SENTENCE_END = re.compile(r"(?<=[.?!]) (?=[A-Z{])")


@cache
def _sentences(text: str) -> tuple[tuple[str, frozenset[str]], ...]:
    return tuple((sentence, names_in(sentence)) for sentence in _SENTENCE_END.split(text))


@cache
def _by_key() -> Mapping[str, CatalogueEntry]:
    return {code.casefold(): entry for code, entry in catalogue().items()}


def _entry(code: str, table: Mapping[str, Any]) -> CatalogueEntry:
    scim = table.get("scim")
    disclosure = Disclosure(table["disclosure"])
    return CatalogueEntry(
        code=code,
        title=table["title"],
        user=table["user"],
        admin=table["admin"],
        disclosure=disclosure,
        page_status=table["page"]["status"],
        app_error=table.get("app", {}).get("error", ""),
        scim=ScimAnswer(scim["status"], scim.get("type", "")) if scim else None,
        remedies=tuple(table.get("remedies", ())),
        example=table.get("example", {}),
        shown_as=table.get("shown_as", "E_Invalid_Credentials") if disclosure is Disclosure.NOBODY else "",
    )
