"""The gateway as the server's processes load it: `moongate serve` names one of these two factories.

Both read the environment anew, open a house of their own, and close nothing: a process ends with its server.
"""

import gc
import multiprocessing
import os
import threading
from multiprocessing.connection import wait

from flask import Flask

from gateway import logs, worker
from gateway.app import build_app
from gateway.services.house import House
from gateway.settings import settings_of_process
from gateway.wiring import open_house

_GARBAGE_AFTER = 20_000
"""Objects more than went after which the youngest are looked through; a request leaves few that hold one another."""


def application() -> Flask:
    """Return the gateway of this process, which does no jobs."""
    return _settled(build_app(_house()))


def working_application() -> Flask:
    """Return the gateway of this process, which does jobs in threads beside its requests."""
    house = _house()
    worker.start_beside(house)
    return _settled(build_app(house))


def _settled(app: Flask) -> Flask:
    """Let the garbage collector pass over what was loaded, which stays as long as the process: it would look through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_AFTER, 20, 50)
    return app


def _house() -> House:
    _end_with_the_server()
    settings = settings_of_process()
    logs.configure(settings.log_format)
    return open_house(settings)


def _end_with_the_server() -> None:
    """End this process at once when the one that started it was killed: an orphan would hold the port and serve an old release.

    At once is safe: what was acknowledged is on the disk, and jobs run again when their leases are over.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="server-watch", daemon=True).start()
