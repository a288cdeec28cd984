"""Which pages of other origins may call us (decisions.md 48): discovery and keys by all, tokens by the apps of this issuer."""

from typing import TYPE_CHECKING

from flask import Response, request

from gateway.domain.audit import Channel
from gateway.http import endpoints, requests, tenancy
from gateway.services import relying_parties

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Headers = tuple[tuple[str, str], ...]

_OPEN = frozenset({endpoints.OPENID_CONFIGURATION, endpoints.AUTHORIZATION_SERVER_METADATA, endpoints.JWKS})
_APPS_ONLY = frozenset({endpoints.TOKEN, endpoints.USERINFO, endpoints.REVOKE})
_PREFLIGHT: Headers = (
    ("Access-Control-Allow-Methods", "GET, POST"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
    ("Access-Control-Max-Age", "600"),
)
_EXPOSED: Headers = (("Access-Control-Expose-Headers", "WWW-Authenticate"),)
_VARIES: Headers = (("Vary", "Origin"),)


def headers_of(environ: "WSGIEnvironment") -> Headers:
    """Return the headers of cross-origin requests. Credentials are never allowed: cookies of ours are nobody else's business."""
    path = environ["PATH_INFO"]
    if path in _OPEN:
        allowed: Headers = (("Access-Control-Allow-Origin", "*"),)
    elif path in _APPS_ONLY:
        origin = environ.get("HTTP_ORIGIN", "")
        if not origin or not _is_of_app(environ, origin):
            return _VARIES
        allowed = (*_VARIES, ("Access-Control-Allow-Origin", origin))
    else:
        return ()
    return (*allowed, *(_PREFLIGHT if environ["REQUEST_METHOD"] == "OPTIONS" else ()), *_EXPOSED)


def allow(response: Response) -> Response:
    """Set the headers on what Flask answers."""
    response.headers.extend(headers_of(request.environ))
    return response


def _is_of_app(environ: "WSGIEnvironment", origin: str) -> bool:
    node_id = environ.get(tenancy.NODE_ID)
    return node_id is not None and relying_parties.is_origin_of_app(requests.context_of(environ, Channel.APP), node_id, origin)
