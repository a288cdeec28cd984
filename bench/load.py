"""The load generator: some connections, each with a client that sends its next request when it has its answer.

One thread and non-blocking sockets, so that it costs little of the two processors and nothing of the server's lock. Keep-alive; answers
are read by their Content-Length.
"""

import selectors
import socket
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

Client = Generator[bytes, "Reply", None]
"""Yields a request and is sent the answer; counts a round by being asked for its first request of it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        """Return a header's value; empty if it is missing."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name.lower().encode():
                return value.strip().decode()
        return ""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one stretch of load took."""

    requests: int
    seconds: float
    latencies: list[float]
    """Seconds for each request."""


@dataclass(slots=True)
class _Connection:
    client: Client
    socket: socket.socket
    received: bytearray = field(default_factory=bytearray)
    sent_at: float = 0.0
    length: int = -1
    """Bytes of the whole answer, once its head is there."""
    head_end: int = 0


def run(address: tuple[str, int], make_client: Callable[[int], Client], *, connections: int, requests: int | None = None) -> Measured:
    """Let the clients send `requests` requests altogether, or all that they have, and return what that took.

    Raises AssertionError from a client that got a wrong answer.
    """
    selector = selectors.DefaultSelector()
    opened = [_open(address, make_client(number)) for number in range(connections)]
    latencies: list[float] = []
    begun = time.perf_counter()
    sent = waiting = 0
    for connection in opened:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        first = next(connection.client, None)
        if first is not None:
            _send(connection, first)
            sent, waiting = sent + 1, waiting + 1
    while waiting:
        for key, _ in selector.select(timeout=30):
            connection = key.data
            reply = _receive(connection)
            if reply is None:
                continue
            latencies.append(time.perf_counter() - connection.sent_at)
            waiting -= 1
            following = _following(connection.client, reply)
            if following is not None and (requests is None or sent < requests):
                if reply.header("Connection") == "close":
                    _renew(connection, address, selector)
                _send(connection, following)
                sent, waiting = sent + 1, waiting + 1
    seconds = time.perf_counter() - begun
    for connection in opened:
        connection.client.close()
        connection.socket.close()
    selector.close()
    return Measured(len(latencies), seconds, latencies)


def _following(client: Client, reply: Reply) -> bytes | None:
    """Return a client's next request; None when it has no more."""
    try:
        return client.send(reply)
    except StopIteration:
        return None


def request(method: str, path: str, host: str, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """Return a request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    if body or method in {"POST", "PUT", "PATCH"}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _open(address: tuple[str, int], client: Client) -> _Connection:
    return _Connection(client, _connected(address))


def _connected(address: tuple[str, int]) -> socket.socket:
    opened = socket.create_connection(address)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


def _renew(connection: _Connection, address: tuple[str, int], selector: selectors.BaseSelector) -> None:
    """Go on by another connection, as the server asked."""
    selector.unregister(connection.socket)
    connection.socket.close()
    connection.socket = _connected(address)
    selector.register(connection.socket, selectors.EVENT_READ, connection)


def _send(connection: _Connection, request: bytes) -> None:
    connection.received.clear()
    connection.length = -1
    connection.sent_at = time.perf_counter()
    connection.socket.sendall(request)


def _receive(connection: _Connection) -> Reply | None:
    """Return the answer once it is whole."""
    part = connection.socket.recv(262_144)
    if not part:
        raise ConnectionError("the server closed the connection")
    connection.received += part
    if connection.length < 0:
        end = connection.received.find(b"\r\n\r\n")
        if end < 0:
            return None
        connection.head_end = end
        connection.length = end + 4 + _content_length(bytes(connection.received[:end]))
    if len(connection.received) < connection.length:
        return None
    head = bytes(connection.received[: connection.head_end])
    return Reply(int(head[9:12]), head, bytes(connection.received[connection.head_end + 4 :]))


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n")[1:]:
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0
