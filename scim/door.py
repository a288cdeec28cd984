"""SCIM below an issuer: one WSGI application, because nothing here is a matter of Flask's routes, pages and sessions.

It stands in front of Flask and takes what lies below `/scim/v2` of a known issuer; all else goes through. Flask's contexts, routing and
response cost more than all that a read does here. Every fault is answered in SCIM's own form, never as HTML.
"""

import logging
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from werkzeug.urls import iri_to_uri
from werkzeug.wrappers import Request

from gateway.domain.audit import Channel
from gateway.domain.errors import Refusal
from gateway.http import endpoints, journal, requests, tenancy
from gateway.storage.database import DatabaseUnavailable
from scim import authentication, errors, serving
from scim.exchange import BODY_LIMIT, Answer, Exchange
from scim.normaliser import normalise_parameters
from scim.routing import route_of
from scim.serving import Call, State

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_LOG = logging.getLogger(__name__)
_BASE = f"{endpoints.SCIM}/"
_DOOR = "scim"
_MEDIA_TYPE = ("Content-Type", "application/scim+json")
_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class Door:
    """The middleware; see the module's first lines."""

    def __init__(self, app: "WSGIApplication") -> None:
        """Wrap `app`; inside of `Tenancy`, which finds the issuer."""
        self._app = app
        self._state = State()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer what lies below a base, or let the app do it."""
        path: str = environ.get("PATH_INFO", "")
        if not _is_below(environ, path):
            return self._app(environ, start_response)
        answer = _told(lambda: self._answer(environ, path.removeprefix(_BASE)), environ[tenancy.CORRELATION])
        if answer.refusal is not None:
            journal.tell_refusal(environ, answer.refusal)
        headers = [*answer.headers.items()]
        if answer.body:
            headers += (_MEDIA_TYPE, ("Content-Length", str(len(answer.body))))
        start_response(_STATUS_LINES[answer.status], headers)
        return () if environ["REQUEST_METHOD"] == "HEAD" else (answer.body,)

    def _answer(self, environ: "WSGIEnvironment", path: str) -> Answer:
        started = time.perf_counter_ns()
        # As WSGI has it, the bytes of a path are kept as Latin-1 (PEP 3333).
        route = route_of(path.encode("latin-1").decode(errors="replace"))
        journal.tell_place(environ, _DOOR, _BASE + route.template)
        tenancy.require_no_fault(environ)
        exchange = _exchange(environ)
        call = Call(route, environ["REQUEST_METHOD"], environ.get("CONTENT_TYPE", ""), _reader(environ), started)
        return serving.serve(exchange, call, self._state)


def _is_below(environ: "WSGIEnvironment", path: str) -> bool:
    """Return whether a path lies below a base; where no issuer could be looked for, whether it looks so: a directory gets no HTML then."""
    if tenancy.FAULT in environ:
        return _BASE in f"{path}/"
    return tenancy.NODE_ID in environ and (path.startswith(_BASE) or path == endpoints.SCIM)


def _told(act: Callable[[], Answer], correlation_id: str) -> Answer:
    """Return the answer of an act, or that of its fault."""
    try:
        answer = act()
    except Refusal as refusal:
        return errors.answer_of(refusal, correlation_id)
    except DatabaseUnavailable as error:
        _LOG.error("the database cannot serve", extra={"fields": {"error": str(error), "correlation_id": correlation_id}})
        return errors.answer_of(Refusal("E_Unavailable"), correlation_id)
    except Exception as error:  # noqa: BLE001 -- whatever it is, a directory is told in SCIM's form
        _LOG.error("unhandled fault", exc_info=error, extra={"fields": {"correlation_id": correlation_id}})
        return errors.answer_of(Refusal("E_Internal"), correlation_id)
    location = answer.headers.get("Location", "")
    return answer if location.isascii() else Answer(answer.status, answer.body, {**answer.headers, "Location": iri_to_uri(location)})


def _exchange(environ: "WSGIEnvironment") -> Exchange:
    """Return the request of a connection that proved who it is; nothing of the body is read yet."""
    stranger = requests.context_of(environ, Channel.SCIM)
    connection, node = authentication.authenticate(stranger, environ[tenancy.NODE_ID], environ.get("HTTP_AUTHORIZATION", ""))
    parameters, rewrites = normalise_parameters(Request(environ).args) if environ.get("QUERY_STRING") else ({}, ())
    return Exchange(
        context=stranger.acting_as(authentication.actor_of(connection)),
        node=node,
        connection=connection,
        profile=authentication.profile_of(connection),
        base=node.issuer + endpoints.SCIM,
        parameters=parameters,
        if_match=environ.get("HTTP_IF_MATCH"),
        if_none_match=environ.get("HTTP_IF_NONE_MATCH"),
        prefer=environ.get("HTTP_PREFER", ""),
        rewrites=rewrites,
    )


def _reader(environ: "WSGIEnvironment") -> Callable[[], bytes]:
    return lambda: requests.body_of(environ, BODY_LIMIT)
