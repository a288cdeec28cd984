"""The port: one listening socket that all processes of a server share, and how to leave it without dropping anybody.

A socket of its own for each process (SO_REUSEPORT) would lose, when one ends, the connections that wait in that one's queue. With a shared
one whoever is left takes them.
"""

import array
import errno
import os
import socket
import struct
import sys
from pathlib import Path

BACKLOG = 1024
"""Connections that wait to be taken."""

_SO_ATTACH_FILTER = 26
_NO_NEWCOMERS = (
    (0x30, 0, 0, 13),  # the flags of the segment
    (0x54, 0, 0, 0x12),  # SYN and ACK of them
    (0x15, 0, 1, 0x02),  # SYN alone begins a handshake
    (0x06, 0, 0, 0),  # and is not heard
    (0x06, 0, 0, 0xFFFFFFFF),
)
"""A filter in the kernel's language (classic BPF), which sees each segment that comes to the listening socket."""
_QUEUE_AT = 24
"""Where `struct tcp_info` of a listening socket holds how many connections wait."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises OSError where nobody could."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. Without, the body of an answer waits up to 40 ms for the other side to confirm the head.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def turn_newcomers_away(listener: socket.socket) -> None:
    """Let no further handshake begin, here and in every process that shares the socket; those under way still complete.

    Whoever knocks now tries again a second later and is refused then, or has been taken by another server. Closing a socket while
    handshakes complete would reset connections that the other side believes to have. Does nothing where there is no such filter.
    """
    if sys.platform != "linux":
        return
    program = array.array("B", b"".join(struct.pack("HBBI", *step) for step in _NO_NEWCOMERS))
    address, _ = program.buffer_info()
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(_NO_NEWCOMERS), address))


def waiting_connections(listener: socket.socket) -> int:
    """Return how many connections wait to be taken; 0 where nobody can tell."""
    if sys.platform != "linux":
        return 0
    known = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _QUEUE_AT + 4)
    return int(struct.unpack_from("I", known, _QUEUE_AT)[0])


def number_of(listener: socket.socket) -> int:
    """Return what tells this socket from whatever may get its descriptor when it is closed."""
    return os.fstat(listener.fileno()).st_ino


def go_deaf(listener: socket.socket, number: int) -> None:
    """Take no further connection in this process, and hold the port no longer; other processes go on.

    The server library knows no way to stop listening without ending what it serves. It asks for connections by number of descriptor, so
    that number gets a socket at which nobody knocks. Raises OSError where the library has closed it meanwhile (`number_of`).
    """
    if number_of(listener) != number:
        raise OSError(errno.EBADF, "the port is closed")
    with socket.socket(listener.family, listener.type) as nobody:
        nobody.bind(("::1" if listener.family == socket.AF_INET6 else "127.0.0.1", 0))
        nobody.listen(1)
        nobody.setblocking(False)
        os.dup2(nobody.fileno(), listener.fileno(), inheritable=False)


def open_connections(port: int) -> int | None:
    """Return how many connections of this process came in at a port; None where nobody can tell."""
    try:
        descriptors = [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    except OSError:
        return None
    return sum(_came_in_at(descriptor, port) for descriptor in descriptors)


def _came_in_at(descriptor: int, port: int) -> bool:
    try:
        with socket.socket(fileno=os.dup(descriptor)) as found:
            own, _ = found.getsockname(), found.getpeername()
            return isinstance(own, tuple) and own[1] == port
    except OSError:
        # Closed meanwhile, no socket, or one without another side.
        return False
