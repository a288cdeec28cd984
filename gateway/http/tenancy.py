"""Which tenant is this? The node is found by host and path among the stored issuers (decisions.md 3).

A middleware in front of Flask moves the issuer's path from PATH_INFO to SCRIPT_NAME, so that doors see paths below an issuer only. A
request that belongs to no issuer is one of the whole platform. A host that no issuer and no setting knows is answered 421.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import request

from gateway import logs
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.values import NodeId, new_correlation_id
from gateway.http.endpoints import AUTHORIZATION_SERVER_METADATA, HEALTH, METRICS, READY
from gateway.services import nodes
from gateway.services.house import House
from gateway.storage.database import DatabaseUnavailable

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

NODE = "moongate.node"
NODE_ID = "moongate.node_id"
SLUG = "moongate.slug"
CORRELATION = "moongate.correlation"
HOST_KNOWN = "moongate.host_known"
FAULT = "moongate.fault"
HOUSE = "moongate.house"
_PLACES_KEPT = 10_000
_ANY_HOST = frozenset({HEALTH, READY, METRICS})
"""Load balancers and Prometheus ask by address; these paths tell nothing about anybody."""


class Tenancy:
    """The middleware; see the module's first lines."""

    def __init__(self, app: "WSGIApplication", house: House) -> None:
        """Wrap `app`."""
        self._app = app
        self._house = house
        self._own_host = urlsplit(house.settings.public_url).netloc.lower()
        self._known: dict[tuple[str, str], tuple[NodeId, str, str]] = {}

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Find the node, then let the app answer."""
        environ[HOUSE], environ[CORRELATION] = self._house, new_correlation_id(self._house.entropy)
        logs.trace(environ[CORRELATION])
        try:
            self._place(environ, _host(environ), environ.get("PATH_INFO", ""))
        except DatabaseUnavailable as error:
            # The app answers it like any other fault, in the form of the door that was asked.
            environ[FAULT] = error
        self._house.database.look()
        try:
            return self._app(environ, start_response)
        finally:
            self._house.database.end_look()

    def _place(self, environ: "WSGIEnvironment", host: str, path: str) -> None:
        if path in _ANY_HOST:
            # Of no tenant, and answered while the database is away.
            environ[HOST_KNOWN] = True
            return
        metadata = path.startswith(AUTHORIZATION_SERVER_METADATA)
        found = self._find(host, path.removeprefix(AUTHORIZATION_SERVER_METADATA) if metadata else path)
        if found is not None:
            environ[NODE_ID], issuer_path, environ[SLUG] = found
            environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + issuer_path
            environ["PATH_INFO"] = AUTHORIZATION_SERVER_METADATA if metadata else path[len(issuer_path) :]
        environ[HOST_KNOWN] = found is not None or host == self._own_host or nodes.is_issuer_host(self._house.database, host)

    def _find(self, host: str, path: str) -> tuple[NodeId, str, str] | None:
        """Return the node below whose issuer the path lies, that issuer's path, and the node's slug.

        Which node an issuer names never changes, nor does its slug (decisions.md 3), so it is asked for once; what may change of a node is
        read with each request. An issuer without a path is asked for each time: others may come to lie below it.
        """
        place = (host, "/".join(path.split("/", nodes.DEEPEST_ISSUER + 1)[: nodes.DEEPEST_ISSUER + 1]))
        known = self._known.get(place)
        if known is None:
            node = nodes.find_issuer(self._house.database, host, path)
            if node is None:
                return None
            known = (node.id, urlsplit(node.issuer).path, node.slug)
            if known[1]:
                if len(self._known) >= _PLACES_KEPT:
                    self._known.clear()
                self._known[place] = known
        return known


def _host(environ: "WSGIEnvironment") -> str:
    """Return the host asked for, without the port that its scheme implies."""
    host = str(environ.get("HTTP_HOST", "")).lower()
    return host.removesuffix(":443" if environ.get("wsgi.url_scheme") == "https" else ":80")


def require_known_host() -> None:
    """Refuse a host that no issuer has; for the app's `before_request` (openid.md 84)."""
    require_no_fault(request.environ)
    if not request.environ.get(HOST_KNOWN):
        raise Refusal("E_Host_Unknown")


def require_no_fault(environ: "WSGIEnvironment") -> None:
    """Raise what kept the middleware from looking for the node (`DatabaseUnavailable`)."""
    if isinstance(fault := environ.get(FAULT), DatabaseUnavailable):
        raise fault


def current_node() -> Node:
    """Return the node of the request's issuer, or refuse a path that only exists below an issuer."""
    node = find_current_node()
    if node is None:
        raise Refusal("E_Not_Found")
    return node


def find_current_node() -> Node | None:
    """Return the node of the request's issuer as it is now, or None."""
    return node_of(request.environ)


def node_of(environ: "WSGIEnvironment") -> Node | None:
    """Return the node of a request's issuer as it is now, read once a request, or None."""
    if NODE not in environ:
        node_id = environ.get(NODE_ID)
        environ[NODE] = nodes.find_by_id(environ[HOUSE].database, node_id) if node_id else None
    node = environ[NODE]
    return node if isinstance(node, Node) else None
