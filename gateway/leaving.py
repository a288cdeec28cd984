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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from gateway.listening import go_deaf, number_of, open_connections, waiting_connections

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
_ending = threading.Event()
"""Told to end at once, whatever else goes on."""


class Application(Protocol):
    """What a process serves: Flask's application, which lets what it does be wrapped at any time."""

    wsgi_app: "WSGIApplication"

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer by `wsgi_app`."""


@dataclass(frozen=True, slots=True)
class _Port:
    """The port, as it was before anybody could close it."""

    listener: socket.socket
    number: int
    inode: int


def is_leaving() -> bool:
    """Return whether this process takes no further work: whoever balances the load should go elsewhere."""
    return _leaving.is_set()


def wait(seconds: float) -> bool:
    """Wait so long at most, and return whether this process leaves."""
    return _leaving.wait(seconds)


def obey(app: Application, listener: socket.socket) -> None:
    """Leave when told to; called in the main thread of a process that serves `app`."""
    orders, order = os.pipe()
    os.set_blocking(order, False)
    signal.set_wakeup_fd(order, warn_on_full_buffer=False)
    for number in (SUCCEEDED, CLOSED):
        signal.signal(number, lambda _number, _frame: None)
    port = _Port(listener, listener.getsockname()[1], number_of(listener))
    threading.Thread(target=_follow, args=(app, port, orders), name="orders", daemon=True).start()


def _follow(app: Application, port: _Port, orders: int) -> None:
    """Do what signals say, in a thread of its own.

    The interpreter lets the main thread alone act on a signal. One that comes just when that goes to sleep is noticed with the next
    signal only, and until then the process would not end.
    """
    while number := os.read(orders, 1)[0]:
        if number in {SUCCEEDED, CLOSED}:
            if not _leaving.is_set():
                _leaving.set()
                app.wsgi_app = LastAnswers(app.wsgi_app)
                threading.Thread(target=_leave, args=(port, number == CLOSED), name="leaving", daemon=True).start()
        elif callable(act := signal.getsignal(number)):
            _ending.set()
            act(number, None)


def _leave(port: _Port, closes: bool) -> None:  # noqa: FBT001 -- passed on by the thread
    until = time.monotonic() + PATIENCE_SECONDS
    try:
        if closes:
            # Nobody follows: whoever waits to be taken is taken first.
            _ending.wait(_HANDSHAKE_SECONDS)
            _wait(lambda: waiting_connections(port.listener) == 0, until)
        if _ending.is_set():
            return
        go_deaf(port.listener, port.inode)
    except OSError:
        # Told to end meanwhile: the library closed the port itself.
        return
    _wait(lambda: open_connections(port.number) == 0, until)
    # What still runs is ended by the server library, and the main thread then waits for the jobs.
    os.kill(os.getpid(), signal.SIGTERM)


def _wait(condition: Callable[[], bool], until: float) -> None:
    while not condition() and time.monotonic() < until and not _ending.wait(_LOOK_SECONDS):
        pass


class LastAnswers:
    """A middleware: each answer is the last one of its connection."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Let the app answer, and say so."""

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:  # noqa: ANN401 -- as WSGI has it
            return start_response(status, [*headers, ("Connection", "close")], exc_info)

        return self._app(environ, start)
