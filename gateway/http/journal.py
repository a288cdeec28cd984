"""Every request leaves one line in the log and one count in the figures, at whichever door: by the template of its route, never by its URL.

A URL holds codes, names and tokens, so neither it nor any header is written. A door tells its route by `tell_place`; Flask's routes are
found by themselves. Whoever answers with a refusal tells it by `tell_refusal`, and the line names its code.
"""

import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from gateway import logs
from gateway.domain.errors import Refusal
from gateway.http.tenancy import CORRELATION, SLUG
from gateway.logs import Lines
from gateway.metrics import figures
from gateway.services.house import House

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_PLACE = "moongate.place"
_REFUSAL = "moongate.refusal"
_NOWHERE = ("web", "unknown")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
_LOGGER = "gateway.requests"
_LOG = logging.getLogger(_LOGGER)
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_IN_MESSAGE = frozenset({"method", "route", "status"})
_SLOW_US = 1_000_000
_SERVER_FAULT = "5"
_LONGEST_REASON = 300
_NOTHING: Mapping[str, object] = {}
_FROM_PROXIES = frozenset({"HTTP_X_REQUEST_ID", "HTTP_TRACEPARENT"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")
_TRACE_PARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def tell_place(environ: "WSGIEnvironment", door: str, route: str) -> None:
    """Tell at which door and route a request is; both are constants of ours."""
    environ[_PLACE] = (door, route)


def tell_refusal(environ: "WSGIEnvironment", refusal: Refusal) -> None:
    """Tell what a request is refused for, whatever of it the caller may learn. What was told first stays: it is nearest to the cause."""
    environ.setdefault(_REFUSAL, refusal)


def tell_error(environ: "WSGIEnvironment", code: str, reason: str = "") -> None:
    """Tell an error of a protocol that has its own codes, such as OAuth's; both are words of ours."""
    environ.setdefault(_REFUSAL, _ProtocolError(code, reason))


@dataclass(frozen=True, slots=True)
class _ProtocolError:
    """An error with what the line tells of a refusal."""

    code: str
    reason: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class _Kind:
    """Requests that differ in nothing but time, id and tenant; what their lines have in common is put together once."""

    door: str
    route: str
    method: str
    status: str
    message: str
    members: str
    """As JSON. Nothing in it needs escaping: places and methods are ours, and a status is a number."""


@lru_cache(maxsize=4096)
def _kind(place: tuple[str, str], method: str, status: str) -> _Kind:
    door, route = place
    message = f"{method} {route} {status}"
    members = f'"message": "{message}", "method": "{method}", "route": "{route}", "status": {status}, "door": "{door}"'
    return _Kind(door, route, method, status, message, members)


class Journal:
    """The middleware in front of all others, so that the wait for a turn counts too."""

    def __init__(self, app: "WSGIApplication", house: House) -> None:
        """Wrap `app`."""
        self._app = app
        self._trusted = house.settings.trusted_proxies
        self._is_proxy = lru_cache(maxsize=256)(self._is_trusted)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Let the app answer, and note it."""
        started = time.perf_counter_ns()
        given = "500 "

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:  # noqa: ANN401 -- as WSGI has it
            nonlocal given
            given = status
            if _PLACE not in environ:
                environ[_PLACE] = _place_of(environ)
            return start_response(status, headers, exc_info)

        try:
            return self._app(environ, start)
        finally:
            self._note(environ, given[:3], (time.perf_counter_ns() - started) // 1000)

    def _note(self, environ: "WSGIEnvironment", status: str, microseconds: int) -> None:
        method = environ["REQUEST_METHOD"]
        kind = _kind(environ.get(_PLACE, _NOWHERE), method if method in _METHODS else "OTHER", status)
        figures.REQUESTS.add(kind.door, kind.method, kind.route, status)
        figures.REQUEST_SECONDS.observe(microseconds, kind.door, kind.method, kind.route)
        refusal: Refusal | _ProtocolError | None = environ.get(_REFUSAL)
        if refusal is not None:
            figures.REFUSALS.add(kind.door, refusal.code)
        self._tell(environ, kind, microseconds, refusal)

    def _tell(self, environ: "WSGIEnvironment", kind: _Kind, microseconds: int, refusal: "Refusal | _ProtocolError | None") -> None:
        """Write the line: by hand where it tells what all do, which is nearly always."""
        lines, level = logs.find_lines(), _level(kind.status, microseconds)
        correlation_id, traced = environ.get(CORRELATION, ""), logs.traced()
        taken = self._taken(environ) if self._trusted else _NOTHING
        if refusal is None and traced == correlation_id and not taken and lines is not None and lines.as_json:
            # Ids and slugs are letters and digits.
            lines.put(
                f'{{"time": "{_now()}", "level": "{level}", "logger": "{_LOGGER}", {kind.members}, '
                f'"correlation_id": "{correlation_id}", "ms": {microseconds / 1000}, "tenant": "{environ.get(SLUG, "")}"}}\n'
            )
            return
        fields: dict[str, object] = {
            "correlation_id": correlation_id,
            "method": kind.method,
            "route": kind.route,
            "status": int(kind.status),
            "ms": microseconds / 1000,
            "tenant": environ.get(SLUG, ""),
            "door": kind.door,
        }
        if traced != correlation_id:
            fields["sign_in"] = traced
        if refusal is not None:
            fields |= _refused(refusal)
        _write(lines, level, kind.message, {**fields, **taken})

    def _taken(self, environ: "WSGIEnvironment") -> Mapping[str, object]:
        """Return the ids under which a trusted proxy knows the request. Ours stays ours: people quote it, and traces are found by it."""
        if not (environ.keys() & _FROM_PROXIES and self._is_proxy(environ.get("REMOTE_ADDR", ""))):
            return _NOTHING
        taken: dict[str, object] = {}
        request_id = _REQUEST_ID.fullmatch(environ.get("HTTP_X_REQUEST_ID", ""))
        trace_parent = _TRACE_PARENT.fullmatch(environ.get("HTTP_TRACEPARENT", ""))
        if request_id:
            taken["request_id"] = request_id[0]
        if trace_parent:
            taken["trace_id"] = trace_parent[1]
        return taken

    def _is_trusted(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def _place_of(environ: "WSGIEnvironment") -> tuple[str, str]:
    """Return the place of a request that Flask routed; what matched no route is nowhere, whatever path was asked for."""
    # werkzeug leaves its request there for whoever is in front, as long as it is answered.
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    return _NOWHERE if rule is None else _place_of_rule(rule.endpoint, rule.rule)


@lru_cache(maxsize=1024)
def _place_of_rule(endpoint: str, rule: str) -> tuple[str, str]:
    blueprint, separator, _ = endpoint.rpartition(".")
    return (blueprint if separator else "web"), rule


def _level(status: str, microseconds: int) -> str:
    """Return how loud the line is."""
    if status.startswith(_SERVER_FAULT):
        return "error"
    return "warning" if microseconds > _SLOW_US else "info"


def _write(lines: Lines | None, level: str, message: str, fields: dict[str, object]) -> None:
    if lines is None:
        # The process is somebody else's, who decides what becomes of lines.
        _LOG.log(_LEVELS[level], message, extra={"fields": fields})
    elif lines.as_json:
        members = {"time": _now(), "level": level, "logger": _LOGGER, "message": message} | fields
        lines.put(json.dumps(members, ensure_ascii=False, default=str) + "\n")
    else:
        stamp = _now()[:23].replace("T", " ").replace(".", ",")
        told = {name: value for name, value in fields.items() if name not in _IN_MESSAGE and value}
        lines.put(logs.without_controls(f"{stamp} {level.upper()} {_LOGGER}: {message}{logs.as_tail(told)}") + "\n")


def _refused(refusal: Refusal | _ProtocolError) -> dict[str, object]:
    """Return what the line tells of a refusal: its code, and the reason, which is for the log."""
    told = {"code": refusal.code, "reason": refusal.reason[:_LONGEST_REASON], "field": refusal.field}
    return {name: value for name, value in told.items() if value}


class _Second:
    """The second that is written, so that it is made once."""

    __slots__ = ("number", "text")

    def __init__(self, number: int) -> None:
        self.number = number
        self.text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(number))


_second = _Second(0)


def _now() -> str:
    """Return the time as all lines have it."""
    global _second  # noqa: PLW0603 -- replaced as a whole, so that no thread sees half of it
    at = time.time()
    number = int(at)
    second = _second
    if second.number != number:
        second = _second = _Second(number)
    return f"{second.text}.{int((at - number) * 1000):03d}+00:00"
