"""Refusals in the words of OAuth: an error, a description that every library can carry, and a page that explains it.

A code that nobody may learn is told as the one that people see instead, whoever asks here.
"""

import re

from gateway.domain.errors import Refusal
from gateway.http.endpoints import HELP_ERRORS

_FORBIDDEN = re.compile(r"[^\x20-\x21\x23-\x5B\x5D-\x7E]")
MAX_DESCRIPTION = 300


def plain(text: str) -> str:
    """Return `text` with nothing in it that a description may not hold: other than ASCII, quotes, backslashes, controls (RFC 6749 §5.2)."""
    return _FORBIDDEN.sub("?", text)[:MAX_DESCRIPTION]


def error_of(refusal: Refusal) -> str:
    """Return the OAuth error of a refusal: that of the catalogue, else `access_denied`."""
    return refusal.disclosed().entry.app_error or "access_denied"


def describe(refusal: Refusal, correlation_id: str) -> str:
    """Return `E_Code: short English text. Correlation <id>`: the title, never the text with the person's values in it."""
    shown = refusal.disclosed()
    return plain(f"{shown.code}: {shown.entry.title.rstrip('.')}. Correlation {correlation_id}")


def error_uri(public_url: str, refusal: Refusal) -> str:
    """Return the page that explains the refusal's code."""
    return f"{public_url}{HELP_ERRORS}{refusal.disclosed().code}"
