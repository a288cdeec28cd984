"""Answers of a known length: what every app asks for in every round, made with as few calls as may be."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from flask import Response
from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class Ready(Response):
    """A response whose headers stand as they were given: its body is bytes, and a Location needs no quoting.

    Werkzeug works out length and Location again with each answer, which takes as long as a small query.
    """

    def get_wsgi_headers(self, environ: "WSGIEnvironment") -> Headers:  # noqa: ARG002 -- the signature is werkzeug's
        """Return the headers."""
        return self.headers


_PLAIN_URL = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9.:-]*(?:[/?][A-Za-z0-9._~/?:@!$&'()*+,;=%-]*)?")
"""What werkzeug would leave as it is."""


def leading_to(location: str, status: int) -> Response:
    """Return a redirect to an absolute URL."""
    kind = Ready if _PLAIN_URL.fullmatch(location) else Response
    return kind(b"", status, [("Location", location)])


def in_json(content: Mapping[str, object], status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """Return a JSON document that is never to be stored (RFC 6749 §5.1)."""
    kept = [("Content-Type", "application/json"), *(pair for pair in headers if pair[0] not in {"Content-Type", "Cache-Control"})]
    return Ready(json.dumps(content).encode(), status, [*kept, ("Cache-Control", "no-store")])
