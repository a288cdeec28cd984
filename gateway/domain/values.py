"""The small values every room shares: ids, instants, keys for comparison, and the making and hashing of tokens."""

import base64
import hashlib
import unicodedata
from collections.abc import Callable
from typing import NewType

Instant = NewType("Instant", int)
"""A point in time: milliseconds since the epoch, UTC."""

Clock = Callable[[], Instant]
"""Tells what time it is; passed in, so that tests steer it (never a setting)."""

Entropy = Callable[[int], bytes]
"""Returns that many unpredictable bytes; `secrets.token_bytes` in production."""

NodeId = NewType("NodeId", str)
NamespaceId = NewType("NamespaceId", str)
AccountId = NewType("AccountId", str)
ProviderId = NewType("ProviderId", str)
ClientId = NewType("ClientId", str)
ConnectionId = NewType("ConnectionId", str)
SessionId = NewType("SessionId", str)
SignInId = NewType("SignInId", str)
GrantId = NewType("GrantId", str)
RoleId = NewType("RoleId", str)

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


def comparison_key(text: str) -> str:
    """Return the key under which names and addresses are compared: NFKC, trimmed, casefolded (decisions.md 2).

    Normalised twice, because casefolding can undo NFKC (U+0345), and trimmed in between, because NFKC makes blanks of other characters
    (U+00AF). Computed here and never in SQL, so that both engines agree.
    """
    if text.isascii():
        # NFKC leaves ASCII as it is.
        return text.strip().casefold()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).strip().casefold())


_BIDI = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd")


def without_bidi(text: str) -> str:
    """Return a text with U+FFFD for each control that turns the direction of what follows it (UAX #9, 2.1-2.4).

    A stranger's value would otherwise rearrange the words around it: what is read is not what is meant.
    """
    return text.translate(_BIDI)


def hash_token(token: str) -> str:
    """Return the hex SHA-256 of a token; safe without salt because tokens hold 256 random bits (decisions.md 33)."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_token(entropy: Entropy, tag: str) -> str:
    """Return a new secret of 256 random bits, tagged so that scanners and people recognise a leaked one."""
    return f"{tag}_{base64.urlsafe_b64encode(entropy(32)).rstrip(b'=').decode()}"


def new_id(entropy: Entropy) -> str:
    """Return a random UUID (version 4), the form of every id the outside sees (decisions.md 4)."""
    value = int.from_bytes(entropy(16), "big")
    return _written(value & ~(0xF << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62)


def new_log_id(now: Instant, entropy: Entropy, sequence: int | None = None) -> str:
    """Return a UUIDv7 for log-like rows: it sorts by time (RFC 9562 §5.7).

    `sequence` is a counter of the process, which keeps the order of what is written in the same millisecond (§6.2, method 1). It takes
    42 bits, so that it never begins anew; 32 random ones keep processes apart.
    """
    value = (now & 0xFFFFFFFFFFFF) << 80 | int.from_bytes(entropy(10), "big")
    if sequence is not None:
        value = value & ~(0xFFF << 64 | 0x3FFFFFFF << 32) | (sequence >> 30 & 0xFFF) << 64 | (sequence & 0x3FFFFFFF) << 32
    return _written(value & ~(0xF << 76 | 0x3 << 62) | 0x7 << 76 | 0x2 << 62)


def first_log_id(at: Instant) -> str:
    """Return the beginning of all ids that `new_log_id` makes at a time: smaller than each of them, larger than every earlier one."""
    digits = f"{at:012x}"
    return f"{digits[:8]}-{digits[8:]}"


def new_correlation_id(entropy: Entropy) -> str:
    """Return 128 random bits in hex: the id a person quotes and support searches."""
    return entropy(16).hex()


def _written(value: int) -> str:
    """Return a UUID as text (RFC 9562 §4); every write makes some, and the library's class takes three times as long."""
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
