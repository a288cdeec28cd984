"""From Flask's request to what the kitchen takes: the context of an act, the caller's address, a bounded body."""

from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, cast

from flask import current_app, request
from werkzeug.wrappers import Request

from gateway.domain.audit import Actor, ActorKind, Channel
from gateway.domain.errors import Refusal
from gateway.http.tenancy import CORRELATION, HOUSE
from gateway.services.context import Context
from gateway.services.house import House

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

EXTENSION = "moongate"
FORM_LIMIT = 64 * 1024
_MOST_DIGITS = 9
"""Of an announced length; whoever says more means more than any limit."""


def house() -> House:
    """Return the house this app stands in."""
    return cast(House, current_app.extensions[EXTENSION])


def correlation_id() -> str:
    """Return the id under which this request is traced."""
    return str(request.environ.get(CORRELATION, ""))


def context(channel: Channel, actor: Actor | None = None) -> Context:
    """Return the surroundings of what this request asks for; without an actor nobody is known yet."""
    who = actor or Actor(ActorKind.ANONYMOUS, "", channel)
    return house().context(who, correlation_id=correlation_id(), address=client_address())


def context_of(environ: "WSGIEnvironment", channel: Channel) -> Context:
    """Return the surroundings of what a request asks for that Flask does not see; nobody is known yet."""
    opened: House = environ[HOUSE]
    nobody = Actor(ActorKind.ANONYMOUS, "", channel)
    return opened.context(nobody, correlation_id=environ[CORRELATION], address=_address_of(environ, opened))


def client_address() -> str:
    """Return the caller's address: the rightmost one of X-Forwarded-For that is no trusted proxy, and only where the peer is one."""
    return _address_of(request.environ, house())


def _address_of(environ: "WSGIEnvironment", opened: House) -> str:
    peer: str = environ.get("REMOTE_ADDR", "")
    trusted = opened.settings.trusted_proxies
    if not trusted:
        return _written(peer) or peer
    hops = [hop.strip() for hop in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
    for hop in (peer, *reversed(hops)):
        address = _written(hop)
        if not address:
            break
        if not any(ip_address(address) in network for network in trusted):
            return address
    return peer


@lru_cache(maxsize=1024)
def _written(unverified_address: str) -> str:
    """Return an address as it is written; empty if it is none."""
    try:
        return str(ip_address(unverified_address))
    except ValueError:
        return ""


def require_form() -> None:
    """Refuse a form that is too large, before it is read."""
    if (request.content_length or 0) > FORM_LIMIT:
        raise Refusal("E_Body_Too_Large", data={"limit": FORM_LIMIT})
    request.max_content_length = FORM_LIMIT


def body_of(environ: "WSGIEnvironment", limit: int) -> bytes:
    """Return the body of a request that Flask does not see, or refuse one of more than `limit` bytes without reading further."""
    announced = environ.get("CONTENT_LENGTH", "")
    if announced.isascii() and announced.isdigit() and len(announced) <= _MOST_DIGITS and int(announced) <= limit:
        return bytes(environ["wsgi.input"].read(int(announced)))
    return read_body(Request(environ, populate_request=False), limit)


def read_body(asked: Request, limit: int) -> bytes:
    """Return the body, or refuse one of more than `limit` bytes without reading further; chunked bodies are bounded too."""
    if (asked.content_length or 0) > limit:
        raise Refusal("E_Body_Too_Large", data={"limit": limit})
    body = asked.stream.read(limit + 1)
    if len(body) > limit:
        raise Refusal("E_Body_Too_Large", data={"limit": limit})
    return body
