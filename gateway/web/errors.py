"""Refusals as pages: status and text of the catalogue, the code, the correlation id, and a way on; or as problem documents (RFC 9457)."""

import logging

from flask import Flask, Response, current_app, render_template, request
from werkzeug.exceptions import HTTPException

from gateway.domain.errors import Refusal
from gateway.domain.values import without_bidi
from gateway.http import journal, requests
from gateway.http.endpoints import HELP_ERRORS, INTROSPECT, JWKS, OPENID_CONFIGURATION, REVOKE, TOKEN, USERINFO
from gateway.http.tenancy import find_current_node
from gateway.storage.database import DatabaseUnavailable
from gateway.web.assets import asset

_LOG = logging.getLogger(__name__)
_BY_STATUS = {404: "E_Not_Found", 405: "E_Method_Not_Allowed", 413: "E_Body_Too_Large", 415: "E_Media_Type"}
_SERVER_FAULT = 500
_TOO_OFTEN = "E_Rate_Limited"
_PROBLEM = "application/problem+json"
_FOR_PROGRAMS = (TOKEN, INTROSPECT, REVOKE, USERINFO, JWKS, OPENID_CONFIGURATION)
"""Where no person ever stands, below whichever issuer: compared by their end, because a fault may come before the issuer is found."""


def register(app: Flask) -> None:
    """Translate whatever no door translated itself."""
    app.register_error_handler(Refusal, page)
    app.register_error_handler(DatabaseUnavailable, _unavailable)
    app.register_error_handler(HTTPException, _of_framework)
    app.register_error_handler(Exception, _bug)
    app.add_template_global(asset)
    app.add_template_filter(without_bidi)


def page(refusal: Refusal) -> Response:
    """Return a refusal in the form that the caller asked for: a page, or a problem document for programs."""
    journal.tell_refusal(request.environ, refusal)
    shown = refusal.disclosed()
    answer = _problem(shown) if _wants_json() else _page(shown)
    if shown.code == _TOO_OFTEN:
        answer.headers["Retry-After"] = str(shown.data.get("seconds", 1))
    return answer


def _page(shown: Refusal) -> Response:
    text = render_template("error.html", node=find_current_node(), **values(shown))
    return Response(text, shown.entry.page_status, mimetype="text/html")


def values(refusal: Refusal, *, correlation_id: str = "") -> dict[str, object]:
    """Return what the page of a refusal shows; `correlation_id` is that of the sign-in where there is one, else the request's."""
    journal.tell_refusal(request.environ, refusal)
    return {
        "entry": refusal.entry,
        "text": str(refusal),
        "correlation_id": correlation_id or requests.correlation_id(),
        "help_url": help_url(refusal.code),
    }


def help_url(code: str) -> str:
    """Return the address of the public page about a code."""
    return f"{requests.house().settings.public_url}{HELP_ERRORS}{code}"


def _problem(refusal: Refusal) -> Response:
    entry = refusal.entry
    document = {
        "type": help_url(entry.code),
        "title": entry.title,
        "status": entry.page_status,
        "detail": str(refusal),
        "code": entry.code,
        "correlation_id": requests.correlation_id(),
    }
    if refusal.field:
        document["field"] = refusal.field
    return Response(current_app.json.dumps(document), entry.page_status, mimetype=_PROBLEM)


def _wants_json() -> bool:
    """Return whether the caller prefers JSON to a page; who takes anything gets the page, but for the endpoints of programs."""
    if request.path.endswith(_FOR_PROGRAMS):
        return True
    accepted = request.accept_mimetypes
    best = accepted.best_match(["text/html", _PROBLEM, "application/json"], default="text/html")
    return best != "text/html"


def _unavailable(error: DatabaseUnavailable) -> Response:
    _LOG.error("the database cannot serve", extra={"fields": {"error": str(error), "correlation_id": requests.correlation_id()}})
    answer = page(Refusal("E_Unavailable"))
    answer.headers["Retry-After"] = "5"
    return answer


def _of_framework(error: HTTPException) -> Response:
    status = error.code or _SERVER_FAULT
    answer = page(Refusal(_BY_STATUS.get(status, "E_Request_Invalid" if status < _SERVER_FAULT else "E_Internal")))
    # What the framework knows of the answer's headers belongs to it: `Allow` of a 405 (RFC 9110 §15.5.6).
    for name, value in error.get_headers():
        if name == "Allow":
            answer.headers[name] = value
    return answer


def _bug(error: Exception) -> Response:
    _LOG.error("unhandled fault", exc_info=error, extra={"fields": {"correlation_id": requests.correlation_id()}})
    return page(Refusal("E_Internal"))
