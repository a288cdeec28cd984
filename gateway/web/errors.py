"""Refusals as pages: status and text of the catalogue, the code, the correlation id, and a way on."""

import logging

from flask import Flask, Response, render_template
from werkzeug.exceptions import HTTPException

from gateway.domain.errors import Refusal, filled
from gateway.http.requests import correlation_id
from gateway.storage.database import DatabaseUnavailable

_LOG = logging.getLogger(__name__)
_BY_STATUS = {404: "E_Not_Found", 405: "E_Method_Not_Allowed", 413: "E_Body_Too_Large", 415: "E_Media_Type"}


def register(app: Flask) -> None:
    """Translate whatever no door translated itself."""
    app.register_error_handler(Refusal, page)
    app.register_error_handler(DatabaseUnavailable, _unavailable)
    app.register_error_handler(HTTPException, _of_framework)
    app.register_error_handler(Exception, _bug)


def page(refusal: Refusal) -> Response:
    """Return the page of a refusal."""
    entry = refusal.entry
    text = render_template("error.html", entry=entry, text=filled(entry.user, refusal.data), correlation_id=correlation_id())
    return Response(text, entry.page_status, mimetype="text/html")


def _unavailable(error: DatabaseUnavailable) -> Response:
    _LOG.error("the database cannot serve", extra={"fields": {"error": str(error), "correlation_id": correlation_id()}})
    return page(Refusal("E_Unavailable"))


def _of_framework(error: HTTPException) -> Response:
    return page(Refusal(_BY_STATUS.get(error.code or 500, "E_Request_Invalid" if (error.code or 500) < 500 else "E_Internal")))  # noqa: PLR2004 -- class of status


def _bug(error: Exception) -> Response:
    _LOG.error("unhandled fault", exc_info=error, extra={"fields": {"correlation_id": correlation_id()}})
    return page(Refusal("E_Internal"))
