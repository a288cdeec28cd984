"""The cookies of a browser: one session an issuer, one for each sign-in on its way, and one that knows the device (decisions.md 22).

They hold secrets of 256 random bits; what they stand for is found by the secret's hash. On https their names begin with `__Host-`, so
that no other host can set them.
"""

import re
from collections.abc import Iterable

from flask import Response, request

from gateway.domain.nodes import Node
from gateway.domain.values import SignInId

MAX_SESSIONS = 20
"""Session cookies on one host; with more, the oldest is dropped."""
MAX_SIGN_INS = 10
DEVICE_DAYS = 400
"""The longest life that browsers give a cookie."""
_DAY_SECONDS = 86_400
_SESSION_NAME = re.compile(r"(?:__Host-)?mg-[0-9a-f]{8}-[0-9a-f-]{27}")
_SIGN_IN_NAME = re.compile(r"(?:__Host-)?mg-t-[0-9a-f-]{36}")


def session_secret(node: Node) -> str:
    """Return the secret of this browser's session at an issuer; empty if it has none."""
    return request.cookies.get(_session_name(node), "")


def session_secret_in(header: str, node: Node) -> str:
    """Return the same of a Cookie header as it came, where it stands there plainly; empty otherwise."""
    name = _session_name(node)
    pairs = (pair.strip().partition("=") for pair in header.split(";"))
    return next((value for key, _, value in pairs if key == name), "")


def set_session(response: Response, node: Node, secret: str) -> None:
    """Let the browser hold its session at an issuer until it is closed; the oldest beyond the limit goes."""
    name = _session_name(node)
    _drop_oldest(response, _names(_SESSION_NAME), name, MAX_SESSIONS)
    _set(response, node, name, secret)


def clear_session(response: Response, node: Node) -> None:
    """Let the browser forget its session at an issuer."""
    _clear(response, node, _session_name(node))


def sign_in_secret(node: Node, sign_in_id: str) -> str:
    """Return the secret that binds a sign-in to this browser; empty if it is not here."""
    return request.cookies.get(_sign_in_name(node, sign_in_id), "")


def set_sign_in(response: Response, node: Node, sign_in_id: SignInId, secret: str, *, seconds: int = _DAY_SECONDS) -> None:
    """Bind a sign-in to the browser; two tabs hold two. The cookie outlives the sign-in, so that who comes late can begin anew."""
    name = _sign_in_name(node, sign_in_id)
    _drop_oldest(response, _names(_SIGN_IN_NAME), name, MAX_SIGN_INS)
    _set(response, node, name, secret, seconds=seconds)


def clear_sign_in(response: Response, node: Node, sign_in_id: str) -> None:
    """Let the browser forget a sign-in that is over."""
    _clear(response, node, _sign_in_name(node, sign_in_id))


def device_secret(node: Node) -> str:
    """Return the secret of a device that somebody signed in from before; empty if it is a stranger."""
    return request.cookies.get(_prefix(node) + "mg-device", "")


def set_device(response: Response, node: Node, secret: str) -> None:
    """Remember the device."""
    _set(response, node, _prefix(node) + "mg-device", secret, seconds=DEVICE_DAYS * _DAY_SECONDS)


def _secure(node: Node) -> bool:
    return node.issuer.startswith("https:")


def _prefix(node: Node) -> str:
    return "__Host-" if _secure(node) else ""


def _session_name(node: Node) -> str:
    return f"{_prefix(node)}mg-{node.id}"


def _sign_in_name(node: Node, sign_in_id: str) -> str:
    return f"{_prefix(node)}mg-t-{sign_in_id}"


def _names(kind: re.Pattern[str]) -> list[str]:
    """Return this browser's cookies of a kind, in the order it sends them: the oldest first (RFC 6265 §5.4)."""
    return [name for name in request.cookies if kind.fullmatch(name)]


def _drop_oldest(response: Response, names: Iterable[str], keep: str, limit: int) -> None:
    others = [name for name in names if name != keep]
    for name in others[: max(0, len(others) - limit + 1)]:
        response.set_cookie(name, "", max_age=0, path="/", secure=name.startswith("__Host-"), httponly=True, samesite="Lax")


def _set(response: Response, node: Node, name: str, value: str, *, seconds: int | None = None) -> None:
    response.set_cookie(name, value, max_age=seconds, path="/", secure=_secure(node), httponly=True, samesite="Lax")


def _clear(response: Response, node: Node, name: str) -> None:
    response.set_cookie(name, "", max_age=0, path="/", secure=_secure(node), httponly=True, samesite="Lax")
