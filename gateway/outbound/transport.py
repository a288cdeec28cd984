"""Every call to the outside: the only room with an HTTP client.

Each exchange runs on a thread of its own and is cut off at the time limit, so no server outside, however slowly it answers or resolves,
decides how long a sign-in waits. The name is resolved here, each address is checked, and the checked address is the one dialled, with the
original name in TLS and in `Host`. Redirects, proxies, cookies and compressed bodies do not exist.
"""

import base64
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from requests import PreparedRequest, Request
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from gateway import turns
from gateway.domain.outbound import Address, OutboundPolicy, require_dialable
from gateway.domain.ports import Oversized, Reply, Unreachable
from gateway.outbound.record import Call, recorded

TIME_LIMIT_MS = 5_000
BODY_LIMIT = 256 * 1024
MAX_URL_LENGTH = 4096
MAX_ADDRESSES = 4
"""How many addresses of one name are tried."""
CALLS_PER_HOST = 3
"""Half of a process's threads, so that those who wait for one server leave room for all others, and for its own calls back to us."""
CALLS = 64
HANGING_SECONDS = 1.0
"""When a call that is under way counts as hanging: behind such calls nobody queues for the same server."""

Resolver = Callable[[str, int], Sequence[str]]
"""Returns the addresses of a host name, best first; raises OSError where there are none."""


def system_resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of `host` as the operating system tells them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True)
class _Target:
    """The one reading of a URL that everything else goes by, so that no second parser disagrees about the host."""

    encrypted: bool
    host: str
    port: int
    authority: str
    """What `Host` says."""


@dataclass(slots=True)
class _Call:
    """One exchange in progress, which the waiting side can cut off."""

    record: Call
    outcome: "Future[Reply]" = field(default_factory=Future)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _socket: socket.socket | None = None
    _abandoned: bool = False

    @property
    def connected(self) -> bool:
        """Whether bytes may have reached the other side, after which no second address is tried."""
        return self._socket is not None

    def opened(self, connection: socket.socket) -> None:
        """Remember the socket, or close it at once where nobody waits any more."""
        with self._lock:
            self._socket = connection
            if self._abandoned:
                _shut(connection)

    def abandon(self) -> None:
        """Wake the working thread out of whatever read it is in."""
        with self._lock:
            self._abandoned = True
            if self._socket is not None:
                _shut(self._socket)


class _PlainConnection(HTTPConnection):
    def __init__(self, *, call: _Call, **options: Any) -> None:
        super().__init__(**options)
        self._call = call

    def connect(self) -> None:
        super().connect()
        self._call.opened(self.sock)


class _EncryptedConnection(HTTPSConnection):
    def __init__(self, *, call: _Call, **options: Any) -> None:
        super().__init__(**options)
        self._call = call

    def connect(self) -> None:
        super().connect()
        self._call.opened(self.sock)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _EncryptedPool(HTTPSConnectionPool):
    ConnectionCls = _EncryptedConnection


class _PinnedAdapter(HTTPAdapter):
    """Sends to one checked address, whatever the URL's name resolves to by now."""

    def __init__(self, target: _Target, address: Address, tls: ssl.SSLContext, call: _Call) -> None:
        super().__init__(max_retries=0)
        host = str(address)
        self.pool: HTTPConnectionPool
        if target.encrypted:
            self.pool = _EncryptedPool(host, target.port, maxsize=1, ssl_context=tls, server_hostname=target.host, call=call)
        else:
            self.pool = _PlainPool(host, target.port, maxsize=1, call=call)

    def get_connection_with_tls_context(self, *_args: object, **_options: object) -> HTTPConnectionPool:
        """Return the pinned pool."""
        return self.pool

    def cert_verify(self, *_args: object, **_options: object) -> None:
        """Change nothing: the TLS context of the transport always verifies certificate and name."""


class _Slots:
    """How many calls run at once, so that one dead server cannot take every thread."""

    def __init__(self, calls: int, per_host: int) -> None:
        self._calls = calls
        self._per_host = per_host
        self._running: dict[str, list[float]] = {}
        """When each call under way began, oldest first."""
        self._changed = threading.Condition()

    def enter(self, host: str, timeout: float) -> float:
        """Take a slot and return when; raises Unreachable where none comes free in `timeout` seconds, or the host hangs."""
        until = time.monotonic() + timeout
        with self._changed:
            while not self._is_free(host):
                left = until - time.monotonic()
                if left <= 0 or self._hangs(host):
                    raise Unreachable(f"too many calls to {host} are under way")
                self._changed.wait(min(left, HANGING_SECONDS))
            began = time.monotonic()
            self._running.setdefault(host, []).append(began)
            return began

    def leave(self, host: str, began: float) -> None:
        """Give the slot taken at `began` back."""
        with self._changed:
            self._running[host].remove(began)
            if not self._running[host]:
                del self._running[host]
            self._changed.notify_all()

    def _is_free(self, host: str) -> bool:
        return len(self._running.get(host, ())) < self._per_host and sum(map(len, self._running.values())) < self._calls

    def _hangs(self, host: str) -> bool:
        running = self._running.get(host, [])
        return len(running) >= self._per_host and running[0] + HANGING_SECONDS <= time.monotonic()


class Transport:
    """The HttpFetcher of production (gateway/domain/ports.py). Safe for threads; one per process."""

    def __init__(
        self,
        policy: OutboundPolicy,
        *,
        resolve: Resolver = system_resolve,
        time_limit_ms: int = TIME_LIMIT_MS,
        body_limit: int = BODY_LIMIT,
        ca_file: str | None = None,
    ) -> None:
        """Take the rules; `time_limit_ms` covers an exchange from name to the last byte; `ca_file` replaces the usual authorities."""
        self._policy = policy
        self._resolve = resolve
        self._time_limit = time_limit_ms / 1000
        self._body_limit = body_limit
        self._tls = ssl.create_default_context(cafile=ca_file or DEFAULT_CA_BUNDLE_PATH)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._slots = _Slots(CALLS, CALLS_PER_HOST)

    def get_json(self, url: str, *, private_outbound: bool, bearer: str | None = None) -> Mapping[str, object]:
        """Return the JSON object at `url` (HttpFetcher)."""
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        with turns.aside():
            reply = self._exchange("GET", url, headers, None, private_outbound=private_outbound)
        if reply.status != 200:  # noqa: PLR2004  the only answer that carries a document
            raise Unreachable(f"status {reply.status}")
        return reply.json_object()

    def post_form(self, url: str, form: Mapping[str, str], *, private_outbound: bool, auth: tuple[str, str] | None = None) -> Reply:
        """Post `form` to `url` and return the answer (HttpFetcher)."""
        headers = {} if auth is None else {"Authorization": _basic(*auth)}
        with turns.aside():
            return self._exchange("POST", url, headers, form, private_outbound=private_outbound)

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None, *, private_outbound: bool
    ) -> Reply:
        target = _parse_target(url)
        try:
            request = Request(method, url, headers={**_HEADERS, **headers, "Host": target.authority}, data=form).prepare()
        except (RequestException, ValueError) as error:
            raise Unreachable(f"no request could be made: {type(error).__name__}") from error
        with recorded(method, url) as record:
            reply = self._answer(_Call(record), target, request, private_outbound=private_outbound)
            record.status = reply.status
            return reply

    def _answer(self, call: _Call, target: _Target, request: PreparedRequest, *, private_outbound: bool) -> Reply:
        deadline = time.monotonic() + self._time_limit
        began = self._slots.enter(target.host, self._time_limit)
        worker = threading.Thread(
            target=self._work,
            args=(call, target, request, deadline),
            kwargs={"private_outbound": private_outbound, "began": began},
            daemon=True,
        )
        try:
            worker.start()
        except RuntimeError as error:
            self._slots.leave(target.host, began)
            raise Unreachable("this process can start no thread") from error
        try:
            return call.outcome.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError as error:
            call.abandon()
            raise Unreachable(f"{target.host} gave no complete answer in {self._time_limit:g} s") from error

    def _work(
        self, call: _Call, target: _Target, request: PreparedRequest, deadline: float, *, private_outbound: bool, began: float
    ) -> None:
        try:
            call.outcome.set_result(self._send(call, target, request, deadline, private_outbound=private_outbound))
        except BaseException as error:  # noqa: BLE001  handed to the waiting thread, which raises it
            call.outcome.set_exception(error)
        finally:
            self._slots.leave(target.host, began)

    def _send(self, call: _Call, target: _Target, request: PreparedRequest, deadline: float, *, private_outbound: bool) -> Reply:
        addresses = self._dialable(target, private_outbound=private_outbound)
        failure = Unreachable("no address")
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            remaining = max(0.001, deadline - time.monotonic())
            call.record.addresses = len(addresses) - left + 1
            adapter = _PinnedAdapter(target, address, self._tls, call)
            try:
                with closing(adapter.send(request, stream=True, timeout=(remaining / left, remaining))) as response:
                    return self._read(response)
            except (RequestException, HTTPError, OSError, ValueError) as error:
                failure = Unreachable(f"{target.host} at {address} port {target.port}: {_cause(error)}")
                if call.connected:
                    break
            finally:
                adapter.pool.close()
        raise failure

    def _dialable(self, target: _Target, *, private_outbound: bool) -> Sequence[Address]:
        """Return the addresses of the name that may be dialled, or raise Unreachable telling why each may not."""
        try:
            found = self._resolve(target.host, target.port)
        except (OSError, ValueError) as error:
            raise Unreachable(f"{target.host} does not resolve") from error
        allowed: list[Address] = []
        refusals: list[str] = []
        for text in found:
            try:
                address = require_dialable(
                    text, target.port, encrypted=target.encrypted, policy=self._policy, private_outbound=private_outbound
                )
            except Unreachable as refusal:
                refusals.append(refusal.reason)
            else:
                allowed.append(address)
        if not allowed:
            raise Unreachable(f"{target.host}: {'; '.join(refusals) or 'no address'}")
        return allowed[:MAX_ADDRESSES]

    def _read(self, response: Any) -> Reply:  # noqa: ANN401  requests types the raw body as Any too
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in {"", "identity"}:
            # We asked for identity; a bomb is small on the wire and large in memory.
            raise Unreachable(f"status {response.status_code} with a compressed body")
        body = response.raw.read(self._body_limit + 1, decode_content=False)
        if len(body) > self._body_limit:
            raise Oversized(f"status {response.status_code} with more than {self._body_limit} bytes")
        return Reply(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)


_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "Connection": "close", "User-Agent": "Moongate"}


def _parse_target(url: str) -> _Target:
    """Return where `url` leads, or raise Unreachable for one that two parsers could read differently."""
    if len(url) > MAX_URL_LENGTH or not url.isascii() or not url.isprintable() or any(mark in url for mark in " \\#"):
        raise Unreachable("no plain URL")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Unreachable("no URL") from error
    if parts.scheme not in {"https", "http"} or not parts.hostname or "@" in parts.netloc or "%" in parts.netloc:
        raise Unreachable("neither https nor http with a plain host")
    encrypted = parts.scheme == "https"
    shown = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    standard = 443 if encrypted else 80
    return _Target(encrypted, parts.hostname, port or standard, shown if port in {None, standard} else f"{shown}:{port}")


def _basic(user: str, password: str) -> str:
    """Return the Authorization header of a client; both parts are form-encoded first (RFC 6749 §2.3.1)."""
    pair = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _cause(error: Exception) -> str:
    """Return the innermost cause, which tells the administrator more than the wrappers around it."""
    inner: object = getattr(error.args[0], "reason", error) if error.args else error
    return f"{type(inner).__name__}: {inner}"[:300]


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The other side was faster.
        connection.close()
