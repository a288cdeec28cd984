"""The gateway as the server's processes load it: `moongate serve` names one of these two factories.

Both read the environment anew, open a house of their own, and close nothing: a process ends with its server.
"""

import multiprocessing
import signal
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
    """End this process when the one that started it is gone, killed perhaps: an orphan would hold the port and serve an old release."""
    parent, main = multiprocessing.parent_process(), threading.main_thread().ident
    if parent is None or main is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        # At the main thread: that is where the server waits, and a signal to any other would not wake it.
        signal.pthread_kill(main, signal.SIGTERM)

    threading.Thread(target=watch, name="server-watch", daemon=True).start()
