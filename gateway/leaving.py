"""A process of the server leaves: it takes nobody new, ends what runs, and asks everybody to come back by another connection.

HTTP lets a server close an idle connection at any moment, and a request that is just then on its way is lost. So nobody is cut off at
once: each answer says that it is the last one of its connection, which reaches all who are busy; and who was idle so long that nothing
came is let go then. Proxies that close idle connections earlier than `PATIENCE_SECONDS` never lose a request.
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from gateway.listening import go_deaf, open_connections, waiting_connections

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SUCCEEDED = signal.SIGUSR1
"""Tells a process to leave: others take its place at the same port."""
CLOSED = signal.SIGUSR2
"""Tells a process to leave: the port is given up."""

PATIENCE_SECONDS = 5.0
"""How long an idle connection is waited for."""
_HANDSHAKE_SECONDS = 0.2
"""How long a handshake may be under way, when no further one begins."""
_LOOK_SECONDS = 0.02

_leaving = threading.Event()


class Application(Protocol):
    """What a process serves: Flask's application, which lets what it does be wrapped at any time."""

    wsgi_app: "WSGIApplication"

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer by `wsgi_app`."""


def is_leaving() -> bool:
    """Return whether this process takes no further work: whoever balances the load should go elsewhere."""
    return _leaving.is_set()


def wait(seconds: float) -> bool:
    """Wait so long at most, and return whether this process leaves."""
    return _leaving.wait(seconds)


def obey(app: Application, listener: socket.socket) -> None:
    """Leave when told to; called in the main thread of a process that serves `app`."""
    port: int = listener.getsockname()[1]

    def leave(number: int, _frame: object) -> None:
        if not _leaving.is_set():
            _leaving.set()
            app.wsgi_app = _LastAnswers(app.wsgi_app)
            threading.Thread(target=_leave, args=(listener, port, number == CLOSED), name="leaving", daemon=True).start()

    for number in (SUCCEEDED, CLOSED):
        signal.signal(number, leave)


def _leave(listener: socket.socket, port: int, closes: bool) -> None:  # noqa: FBT001 -- passed on by the thread
    until = time.monotonic() + PATIENCE_SECONDS
    if closes:
        # Nobody follows: whoever waits to be taken is taken first.
        time.sleep(_HANDSHAKE_SECONDS)
        _wait(lambda: waiting_connections(listener) == 0, until)
    go_deaf(listener)
    _wait(lambda: open_connections(port) == 0, until)
    # What still runs is ended by the server library, and the main thread then waits for the jobs.
    os.kill(os.getpid(), signal.SIGTERM)


def _wait(condition: Callable[[], bool], until: float) -> None:
    while not condition() and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)


class _LastAnswers:
    """A middleware: each answer is the last one of its connection."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:  # noqa: ANN401 -- as WSGI has it
            return start_response(status, [*headers, ("Connection", "close")], exc_info)

        return self._app(environ, start)
