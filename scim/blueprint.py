"""The routes of SCIM below an issuer, and every fault of the door in SCIM's own form, never as HTML."""

import logging
import time
from collections.abc import Callable

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import HTTPException

from gateway.domain.audit import Channel
from gateway.domain.errors import Refusal
from gateway.http import endpoints, requests, tenancy
from gateway.storage.database import DatabaseUnavailable
from scim import authentication, errors, serving
from scim.exchange import BODY_LIMIT, Answer, Exchange
from scim.normaliser import normalise_parameters
from scim.routing import route_of
from scim.serving import Call, State

door = Blueprint("scim", __name__)

_EXTENSION = "moongate-scim"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
_LOG = logging.getLogger(__name__)


def _routed(rule: str) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    return door.route(rule, methods=_METHODS, provide_automatic_options=False)


@_routed(f"{endpoints.SCIM}/<path:path>")
@_routed(f"{endpoints.SCIM}/")
def serve(path: str = "") -> Response:
    """Answer whatever comes below the base."""
    started = time.perf_counter_ns()
    exchange = _exchange()
    call = Call(route_of(path), request.method, request.environ.get("CONTENT_TYPE", ""), lambda: requests.read_body(BODY_LIMIT), started)
    return _response(serving.serve(exchange, call, _state()))


@_routed(f"/<path:issuer>{endpoints.SCIM}/<path:path>")
@_routed(f"/<path:issuer>{endpoints.SCIM}/")
def serve_nobody(issuer: str, path: str = "") -> Response:
    """Answer below a base that no tenant has in SCIM's own form."""
    raise Refusal("E_Not_Found", reason=f"no tenant at {issuer[:128]} for {path[:128]}")


@door.record_once
def _keep_state(setup: object) -> None:
    """Give each app a state of its own."""
    app = getattr(setup, "app")  # noqa: B009 -- Flask's BlueprintSetupState is not exported for annotations
    app.extensions[_EXTENSION] = State()


@door.before_app_request
def _refuse_unroutable() -> Response | None:
    """Answer what Flask itself would refuse below a base, such as an invented method, in SCIM's own form."""
    if isinstance(request.routing_exception, HTTPException) and f"{endpoints.SCIM}/" in f"{request.path}/":
        return _refused(Refusal("E_Method_Not_Allowed"))
    return None


@door.errorhandler(Refusal)
def _refused(refusal: Refusal) -> Response:
    return _response(errors.answer_of(refusal, requests.correlation_id()))


@door.errorhandler(DatabaseUnavailable)
def _unavailable(error: DatabaseUnavailable) -> Response:
    _LOG.error("the database cannot serve", extra={"fields": {"error": str(error), "correlation_id": requests.correlation_id()}})
    return _refused(Refusal("E_Unavailable"))


@door.errorhandler(Exception)
def _bug(error: Exception) -> Response:
    _LOG.error("unhandled fault", exc_info=error, extra={"fields": {"correlation_id": requests.correlation_id()}})
    return _refused(Refusal("E_Internal"))


def _exchange() -> Exchange:
    """Return the request of a connection that proved who it is; nothing of the body is read yet."""
    # Headers are taken from the environment: Flask's objects cost more than all that is done with them here.
    environ, node, stranger = request.environ, tenancy.current_node(), requests.context(Channel.SCIM)
    connection = authentication.authenticate(stranger, node, environ.get("HTTP_AUTHORIZATION", ""))
    parameters, rewrites = normalise_parameters(request.args) if environ.get("QUERY_STRING") else ({}, ())
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


def _state() -> State:
    state = current_app.extensions[_EXTENSION]
    assert isinstance(state, State)  # noqa: S101 -- `_keep_state` put it there
    return state


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, answer.headers, content_type="application/scim+json")
    if not answer.body:
        del response.headers["Content-Type"]
    return response
