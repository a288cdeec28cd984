"""What Flask still sees below a SCIM base: requests that belong to no tenant, answered in SCIM's own form; `door` has taken all others."""

from collections.abc import Callable

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException

from gateway.domain.errors import Refusal
from gateway.http import endpoints, journal, requests
from scim import errors

strangers = Blueprint("scim", __name__)

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def _routed(rule: str) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    return strangers.route(rule, methods=_METHODS, provide_automatic_options=False)


@_routed(f"{endpoints.SCIM}/<path:path>")
@_routed(f"{endpoints.SCIM}/")
@_routed(f"/<path:issuer>{endpoints.SCIM}/<path:path>")
@_routed(f"/<path:issuer>{endpoints.SCIM}/")
def serve_nobody(issuer: str = "", path: str = "") -> Response:
    """Answer below a base that no tenant has."""
    raise Refusal("E_Not_Found", reason=f"no tenant at {issuer[:128]} for {path[:128]}")


@strangers.before_app_request
def _refuse_unroutable() -> Response | None:
    """Answer what Flask itself would refuse below a base, such as an invented method."""
    if isinstance(request.routing_exception, HTTPException) and f"{endpoints.SCIM}/" in f"{request.path}/":
        return _refused(Refusal("E_Method_Not_Allowed"))
    return None


@strangers.errorhandler(Refusal)
def _refused(refusal: Refusal) -> Response:
    journal.tell_refusal(request.environ, refusal)
    answer = errors.answer_of(refusal, requests.correlation_id())
    return Response(answer.body, answer.status, answer.headers, content_type="application/scim+json")
