"""Which pages of other origins may call us (decisions.md 48): discovery and keys by all, tokens by the apps of this issuer."""

from flask import Response, request

from gateway.domain.audit import Channel
from gateway.http import endpoints, requests, tenancy
from gateway.services import relying_parties

_OPEN = frozenset({endpoints.OPENID_CONFIGURATION, endpoints.AUTHORIZATION_SERVER_METADATA, endpoints.JWKS})
_APPS_ONLY = frozenset({endpoints.TOKEN, endpoints.USERINFO, endpoints.REVOKE})
_PREFLIGHT_SECONDS = "600"


def allow(response: Response) -> Response:
    """Set the headers of cross-origin requests. Credentials are never allowed: cookies of ours are nobody else's business."""
    path = request.path
    if path in _OPEN:
        response.headers["Access-Control-Allow-Origin"] = "*"
    elif path in _APPS_ONLY:
        response.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin", "")
        if not origin or not _is_of_app(origin):
            return response
        response.headers["Access-Control-Allow-Origin"] = origin
    else:
        return response
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = "GET, POST"
        response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
        response.headers["Access-Control-Max-Age"] = _PREFLIGHT_SECONDS
    response.headers["Access-Control-Expose-Headers"] = "WWW-Authenticate"
    return response


def _is_of_app(origin: str) -> bool:
    node = tenancy.find_current_node()
    return node is not None and relying_parties.is_origin_of_app(requests.context(Channel.APP), node.id, origin)
