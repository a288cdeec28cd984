"""Every call to the outside leaves one line in the log and one count: the host, what kind of path, the status, how long it took.

A stranger's path may hold an id or a secret, as that of a webhook does, so only its plain words are written; a query, a header or a body
never is.
"""

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.domain.ports import Unreachable
from gateway.metrics import figures

_LOG = logging.getLogger(__name__)
_PLAIN = re.compile(r"\.?[a-z]+(?:[-_.][a-z]+)*|v\d(?:\.\d)?|oauth2")
_LONGEST_WORD = 24


@dataclass(slots=True)
class Call:
    """A call, and what is known of it at its end."""

    method: str
    url: str
    status: int = 0
    """0: there was no whole answer."""
    addresses: int = 1
    """How many of the host's addresses were dialled."""


@contextmanager
def recorded(method: str, url: str) -> Iterator[Call]:
    """Record what is done inside, which sets the status."""
    call = Call(method, url)
    began = time.perf_counter_ns()
    reason = ""
    try:
        yield call
    except Unreachable as failure:
        reason = failure.reason
        raise
    finally:
        _note(call, (time.perf_counter_ns() - began) // 1000, reason)


def template(path: str) -> str:
    """Return a path with `<…>` for every segment that is no plain word."""
    return "/".join(_shown(segment) for segment in path.split("/"))


def _note(call: Call, microseconds: int, reason: str) -> None:
    figures.OUTBOUND_SECONDS.observe(microseconds, f"{call.status // 100}xx" if call.status else "unreachable")
    parts = urlsplit(call.url)
    fields: dict[str, object] = {
        "method": call.method,
        "host": parts.netloc.rpartition("@")[2],
        "path": template(parts.path),
        "status": call.status,
        "ms": microseconds / 1000,
        "addresses": call.addresses,
    }
    if reason:
        fields["reason"] = reason
    _LOG.log(logging.INFO if call.status else logging.WARNING, "called %s", fields["host"], extra={"fields": fields})


def _shown(segment: str) -> str:
    return segment if not segment or (len(segment) <= _LONGEST_WORD and _PLAIN.fullmatch(segment)) else "<…>"
