"""From Flask's request to what the kitchen takes: the context of an act, the caller's address, a bounded body."""

from ipaddress import ip_address
from typing import cast

from flask import current_app, request

from gateway.domain.audit import Actor, ActorKind, Channel
from gateway.domain.errors import Refusal
from gateway.http.tenancy import CORRELATION
from gateway.services.context import Context
from gateway.services.house import House

EXTENSION = "moongate"
FORM_LIMIT = 64 * 1024


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


def client_address() -> str:
    """Return the caller's address: the rightmost one of X-Forwarded-For that is no trusted proxy, and only where the peer is one."""
    trusted = house().settings.trusted_proxies
    hops = [request.remote_addr or ""]
    if trusted:
        hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()] + hops
    for hop in reversed(hops):
        try:
            address = ip_address(hop)
        except ValueError:
            break
        if not any(address in network for network in trusted):
            return str(address)
    return request.remote_addr or ""


def require_form() -> None:
    """Refuse a form that is too large, before it is read."""
    if (request.content_length or 0) > FORM_LIMIT:
        raise Refusal("E_Body_Too_Large", data={"limit": FORM_LIMIT})
    request.max_content_length = FORM_LIMIT


def read_body(limit: int) -> bytes:
    """Return the body, or refuse one of more than `limit` bytes without reading further; chunked bodies are bounded too."""
    if (request.content_length or 0) > limit:
        raise Refusal("E_Body_Too_Large", data={"limit": limit})
    body = request.stream.read(limit + 1)
    if len(body) > limit:
        raise Refusal("E_Body_Too_Large", data={"limit": limit})
    return body
