"""Mails to people: what there is to tell, what becomes of a mail, and by whom it is carried."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from gateway.domain.people import has_controls
from gateway.domain.values import Instant


class MailKind(StrEnum):
    """What a mail is about: the name of its templates."""

    ACCOUNT_LOCKED = "account_locked"
    PASSWORD_CHANGED = "password_changed"
    TEMPORARY_PASSWORD = "temporary_password"
    FACTOR_ENROLLED = "factor_enrolled"
    FACTOR_RESET = "factor_reset"
    EMAIL_CHANGED = "email_changed"
    PROFILE_CREATED = "profile_created"


class MailState(StrEnum):
    """What became of a mail."""

    WAITING = "waiting"
    """Put aside until a notification job takes it."""
    QUEUED = "queued"
    """To be sent, for the first time or again."""
    HANDED_OVER = "handed_over"
    """The server has all of it but the last dot: from now on it may count as sent, whatever happens to us."""
    SENT = "sent"
    UNCONFIRMED = "unconfirmed"
    """We died, or the line broke, between the last dot and the answer: it is sent or lost, and nobody sends it again by himself."""
    BOUNCED = "bounced"
    """The server refused this address, or this mail, for good."""
    FAILED = "failed"
    """The server could not be reached, or put us off, until patience was over."""
    SKIPPED = "skipped"
    """Nobody to send it to: no address, deleted, disabled."""


SETTLED = frozenset({MailState.UNCONFIRMED, MailState.BOUNCED, MailState.FAILED})
"""States in which nobody knows the mail to have come: an administrator may send it again, so what it tells is kept."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says."""

    language: str
    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """A mail as it is given to a carrier."""

    id: str
    """Its Message-ID and the name of its file, the same at every attempt."""
    sender_name: str
    recipient_name: str
    recipient: str
    """An e-mail address as somebody wrote it."""
    letter: Letter
    written_at: Instant


class MailDeferred(Exception):
    """A mail did not go this time; nothing of it was delivered. `str()` is for the log and never holds a secret."""


class MailRefused(Exception):
    """A mail will never go to this address. `str()` is the server's answer."""


class MailUnconfirmed(Exception):
    """A mail went to the last dot, and no answer came."""


class MailCarrier(Protocol):
    """Delivers mails. Never call it inside a database transaction."""

    def carry(self, mail: OutgoingMail, *, hand_over: Callable[[], None]) -> str:
        """Deliver a mail and return the server's answer.

        `hand_over` is called right before the act that cannot be taken back; if it raises, nothing is delivered. A carrier that may
        deliver a mail twice without harm does not call it.

        Raises MailDeferred, MailRefused or MailUnconfirmed.
        """
        ...


_ADDRESS = re.compile(r"[^\s@\"(),:;<>\[\]\\]{1,64}@[^\s@\"(),:;<>\[\]\\]{1,253}")


def is_address(text: str) -> bool:
    """Return whether a mail can be sent to this address; directories push all kinds of text (decisions.md 13)."""
    return bool(_ADDRESS.fullmatch(text)) and not has_controls(text)


_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Controls, line ends, marks that turn the direction around or cannot be seen, and what no encoder takes."""

_JOINERS = frozenset({"\u200c", "\u200d"})
"""Unseen, and needed to write names in Persian, Hindi and others."""


def plain_line(text: str, limit: int = 256) -> str:
    """Return a value on one line, without what cannot be seen or turns the words around it."""
    kept = (" " if letter not in _JOINERS and unicodedata.category(letter) in _UNSEEN else letter for letter in text)
    return " ".join("".join(kept).split())[:limit].rstrip()


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails are given to, as MOONGATE_SMTP_URL tells it."""

    host: str
    port: int
    encrypted: bool
    """TLS from the first byte (smtps)."""
    starttls: bool
    """TLS is demanded after the greeting."""
    user: str
    password: str
    sender: str
    """The address that mails come from; empty: `no-reply@` the host of the public URL."""

    def __repr__(self) -> str:
        """Return a text without the password."""
        return f"MailServer({self.host}:{self.port})"


_PORTS = {"smtp": 25, "smtps": 465}
_SUBMISSION = 587
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PARAMETERS = frozenset({"starttls", "from"})


def parse_mail_server(url: str) -> MailServer | None:
    """Return the server of `smtp://user:pass@host:587?starttls=1&from=address` or `smtps://…`; None for an empty text.

    Raises ValueError with one line that does not show the URL: it may hold a password.
    """
    if not url:
        return None
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        # Its text may show a password where a port is expected.
        raise ValueError("is no URL") from None
    if parts.scheme not in _PORTS or not host or parts.path.strip("/") or parts.fragment:
        raise ValueError("must be smtp://host or smtps://host, with user:password@ before and :port behind the host where needed")
    starttls, sender = _parameters(parts)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    encrypted = parts.scheme == "smtps"
    if user and not encrypted and not starttls and host not in _LOOPBACK:
        raise ValueError("would send a password in clear: write smtps://, or starttls=1")
    standard = _SUBMISSION if starttls else _PORTS[parts.scheme]
    return MailServer(host, port or standard, encrypted, starttls and not encrypted, user, password, sender)


def _parameters(parts: SplitResult) -> tuple[bool, str]:
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    starttls, sender = given.get("starttls", "0"), given.get("from", "")
    if given.keys() - _PARAMETERS or starttls not in {"0", "1"}:
        raise ValueError("takes the parameters starttls=1 and from=address")
    if sender and not (is_address(sender) and sender.isascii()):
        raise ValueError("has a from= that is no e-mail address")
    return starttls == "1", sender
