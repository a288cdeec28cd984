"""Answers to an app by way of the browser: code or error, always with `state` and `iss` (RFC 9207), by redirect or form post."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote_plus

from flask import Response, render_template, request

from federation.downstream import ready
from federation.downstream.ready import Answer
from federation.errors import describe, error_of, error_uri, plain
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.relying_party import AuthorizationRequest
from gateway.http import headers, journal, requests

MODES = ("query", "form_post")
_SEE_OTHER = 303
_UNQUOTED = re.compile(r"[A-Za-z0-9_.~-]*")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an app waits for its answer: a redirect URI that was found registered."""

    node: Node
    redirect_uri: str
    mode: str
    state: str


class Unanswerable(Exception):
    """An authorization request is refused; the app is told (RFC 6749 §4.1.2.1)."""

    def __init__(self, error: str, description: str) -> None:
        """Take the OAuth error and a description for the developer of the app."""
        super().__init__(error)
        self.error = error
        self.description = description


def destination_of(node: Node, request: AuthorizationRequest) -> Destination:
    """Return where the app of a stored request waits."""
    return Destination(node, request.redirect_uri, request.response_mode, request.state)


def with_code(destination: Destination, code: str) -> Response:
    """Answer with an authorization code."""
    return _answer(destination, {"code": code})


def with_error(destination: Destination, error: str, description: str) -> Response:
    """Answer with an OAuth error."""
    journal.tell_error(request.environ, error, description)
    return _answer(destination, {"error": error, "error_description": plain(f"{description} Correlation {requests.correlation_id()}")})


def with_refusal(destination: Destination, code: str, correlation_id: str) -> Response:
    """Answer with what the catalogue says an app is told of a code; the person's values stay here, and so do codes for nobody."""
    journal.tell_refusal(request.environ, Refusal(code))
    refusal = Refusal(code).disclosed()
    told = {
        "error": error_of(refusal),
        "error_description": describe(refusal, correlation_id),
        "error_uri": error_uri(requests.house().settings.public_url, refusal),
    }
    return _answer(destination, told)


def _answer(destination: Destination, parameters: dict[str, str]) -> Response:
    fields = _whole(destination, parameters)
    if destination.mode == "form_post":
        headers.allow_form_to(destination.redirect_uri)
        return Response(
            render_template("form_post.html", node=destination.node, action=destination.redirect_uri, fields=fields), mimetype="text/html"
        )
    return leading_with(destination, fields).as_response()


def leading_to_code(destination: Destination, code: str) -> Answer:
    """Answer with an authorization code by redirect."""
    return leading_with(destination, _whole(destination, {"code": code}))


def leading_with(destination: Destination, fields: Mapping[str, str]) -> Answer:
    """Return the redirect that takes fields to the app."""
    separator = "&" if "?" in destination.redirect_uri else "?"
    told = "&".join([f"{name}={_quoted(value)}" for name, value in fields.items()])
    return ready.leading_to(f"{destination.redirect_uri}{separator}{told}", _SEE_OTHER)


def _quoted(value: str) -> str:
    """Return a value as a query holds it; most are of letters and digits, as codes are."""
    return value if _UNQUOTED.fullmatch(value) else quote_plus(value)


def _whole(destination: Destination, parameters: dict[str, str]) -> dict[str, str]:
    return parameters | ({"state": destination.state} if destination.state else {}) | {"iss": destination.node.issuer}


def see_other(location: str) -> Response:
    """Send the browser on by GET: a 307 after the sign-in form would send the password on to the app (RFC 9700 §4.12)."""
    return ready.leading_to(location, _SEE_OTHER).as_response()
