"""Hearing of what other processes change: one connection of a process listens, and is made again when it broke."""

import logging
import select
import socket
import threading
from collections.abc import Callable

import psycopg

from gateway.storage.postgres_pool import Connection

CHANNEL = "moongate"
SEPARATOR = "\n"

_AGAIN_SECONDS = 1.0
"""Pause between attempts to connect."""
_STILL_THERE_SECONDS = 30.0
"""After so long in silence the server is asked whether it is there."""

_log = logging.getLogger(__name__)


class Listener:
    """The thread that listens; see the module's first lines."""

    def __init__(self, connect: Callable[[], Connection], name: str, hear: Callable[[str, str], None], lost: Callable[[], None]) -> None:
        """Take how to connect, what this process calls itself, who hears of others' changes, and who hears that some may have been lost."""
        self._connect = connect
        self._name = name
        self._hear = hear
        self._lost = lost
        self._guard = threading.Lock()
        self._waker: socket.socket | None = None

    def start(self) -> None:
        """Begin to listen, unless it does."""
        with self._guard:
            if self._waker is None:
                self._waker, woken = socket.socketpair()
                threading.Thread(target=self._work, args=(woken,), name="listener", daemon=True).start()

    def stop(self) -> None:
        """Listen no more, until it is started again; the thread ends soon."""
        with self._guard:
            if self._waker is not None:
                self._waker.close()
                self._waker = None

    def _work(self, woken: socket.socket) -> None:
        with woken:
            while not _readable(woken, seconds=0):
                try:
                    with self._connect() as connection:
                        self._listen(connection, woken)
                except psycopg.Error as error:
                    _log.warning("cannot listen to other processes", extra={"fields": {"error": type(error).__name__}})
                    _readable(woken, seconds=_AGAIN_SECONDS)

    def _listen(self, connection: Connection, woken: socket.socket) -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        # Whatever happened before this moment was not heard.
        self._lost()
        while True:
            ready, _, _ = select.select((connection.fileno(), woken.fileno()), (), (), _STILL_THERE_SECONDS)
            if woken.fileno() in ready:
                return
            if not ready:
                connection.execute("SELECT 1")
            for notice in connection.notifies(timeout=0):
                name, _, told = notice.payload.partition(SEPARATOR)
                # Our own were told when they were committed.
                if name != self._name:
                    topic, _, detail = told.partition(SEPARATOR)
                    self._hear(topic, detail)


def _readable(waiting: socket.socket, *, seconds: float) -> bool:
    return bool(select.select((waiting,), (), (), seconds)[0])
