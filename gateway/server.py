"""The gateway as the server's processes load it: `moongate serve` names one of these two factories.

Both read the environment anew, open a house of their own, and close nothing: a process ends with its server.
"""

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


def application() -> Flask:
    """Return the gateway of this process, which does no jobs."""
    return build_app(_house())


def working_application() -> Flask:
    """Return the gateway of this process, which does jobs in threads beside its requests."""
    house = _house()
    worker.start_beside(house)
    return build_app(house)


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
