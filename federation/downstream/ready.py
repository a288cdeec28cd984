"""Answers whose length is known, made with as few calls as may be; both the door in front of Flask and Flask can send them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from flask import Response
from werkzeug.urls import iri_to_uri

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_PLAIN_URL = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9.:-]*(?:[/?][A-Za-z0-9._~/?:@!$&'()*+,;=%-]*)?")
"""What needs no quoting in a header."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]

    def send(self, start_response: "StartResponse", further: Iterable[tuple[str, str]] = ()) -> Iterable[bytes]:
        """Send the answer, with further headers behind its own."""
        start_response(_STATUS_LINES[self.status], [*self.headers, ("Content-Length", str(len(self.body))), *further])
        return (self.body,)

    def as_response(self) -> Response:
        """Return the answer as Flask sends it."""
        return Response(self.body, self.status, self.headers)

    def saying(self, *headers: tuple[str, str]) -> "Answer":
        """Return the answer with further headers."""
        return Answer(self.status, self.body, (*self.headers, *headers))


def leading_to(location: str, status: int) -> Answer:
    """Return a redirect to an absolute URL."""
    quoted = location if _PLAIN_URL.fullmatch(location) else iri_to_uri(location)
    return Answer(status, b"", (("Content-Type", "text/html; charset=utf-8"), ("Location", quoted)))


def in_json(content: Mapping[str, object], status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """Return a JSON document that is never to be stored (RFC 6749 §5.1)."""
    kept = [pair for pair in headers if pair[0] not in {"Content-Type", "Cache-Control"}]
    return Answer(status, orjson.dumps(content), (("Content-Type", "application/json"), *kept, ("Cache-Control", "no-store")))
