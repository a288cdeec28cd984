"""One process of the server: loads the gateway, serves at the shared port, and ends with the process that started it."""

import gc
import importlib
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from granian._granian import SocketHolder
from granian.constants import Interfaces, RuntimeModes
from granian.server.mp import MPServer

from gateway import leaving
from gateway.listening import BACKLOG
from gateway.spreading import Spreading


@dataclass(frozen=True, slots=True)
class Plan:
    """How a server serves."""

    module: str
    factory: str
    """What in `module` makes the application."""
    workers: int
    threads: int
    """Of each process, for requests that wait."""
    at_once: int
    """Requests that each process takes on; more wait in the queue of the port, which is where overload belongs."""


def serve(plan: Plan, listener: socket.socket, *, lifeline: int, told: int) -> None:
    """Serve until told to leave or to end; writes one byte to `told` when the gateway stands."""
    gc.enable()
    _end_with(lifeline)
    server = MPServer(
        plan.module,
        interface=Interfaces.WSGI,
        blocking_threads=plan.threads,
        backpressure=plan.at_once,
        backlog=BACKLOG,
        websockets=False,
        runtime_mode=RuntimeModes.mt,
        # Lines of the server's own go the way of all others; it writes none about requests, whose URLs hold codes and names.
        log_dictconfig={"loggers": {"_granian": {"handlers": [], "propagate": True}}},
    )

    def load() -> leaving.Application:
        app: leaving.Application = getattr(importlib.import_module(plan.module), plan.factory)()
        if plan.workers > 1:
            app.wsgi_app = Spreading(app.wsgi_app)
        leaving.obey(app, listener)
        os.write(told, b"r")
        os.close(told)
        return app

    _give(server, listener)
    _run(server, load)


def _give(server: MPServer, listener: socket.socket) -> None:
    """Let the server library use a port that stands open; by itself it opens one for each of its processes."""
    server._ssp, server._sso = None, None  # noqa: SLF001 -- it takes no open port by any public name
    server._shd = SocketHolder(listener.fileno(), False, BACKLOG)  # type: ignore[call-arg, assignment]  # noqa: SLF001 -- ditto; stubs know less


def _run(server: MPServer, load: Callable[[], leaving.Application]) -> None:
    """Be what the server library calls a worker; what its main process does is done by `gateway.supervision`."""
    worker = server._spawn_worker(0, server._spawn_wsgi_worker, load)  # noqa: SLF001 -- its main process cannot be done without by public names
    worker.inner.run()


def _end_with(lifeline: int) -> None:
    """End this process at once when the one that holds the port was killed: an orphan would hold the port and serve an old release.

    At once is safe: what was acknowledged is on the disk, and jobs run again when their leases are over.
    """

    def watch() -> None:
        os.read(lifeline, 1)
        os._exit(1)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
