"""A load of requests that never stops while servers come and go, and never forgives."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException

PATH = "/t/acme/.well-known/openid-configuration"
_PATIENCE_SECONDS = 30


@dataclass
class Load:
    """Clients of one port or several: one that refuses a connection is left for the next, as a proxy does; nothing else is tried again."""

    ports: Sequence[int]
    answered: int = 0
    refused: int = 0
    errors: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def run(self, *, keeps: bool) -> None:
        """Ask again and again, over one connection or by a new one each time."""
        at, connection = 0, None
        while not self.ended.is_set():
            try:
                if connection is None or connection.sock is None:
                    at, connection = self._connected(at)
                connection.request("GET", PATH, headers={"Host": f"localhost:{self.ports[0]}"})
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self._fail(f"status {answer.status}")
                self._count()
            except (OSError, HTTPException) as error:
                self._fail(repr(error))
                connection = None
            if not keeps and connection is not None:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _connected(self, first: int) -> tuple[int, HTTPConnection]:
        for step in range(len(self.ports)):
            at = (first + step) % len(self.ports)
            connection = HTTPConnection("127.0.0.1", self.ports[at], timeout=_PATIENCE_SECONDS)
            try:
                connection.connect()
            except ConnectionRefusedError:
                with self._guard:
                    self.refused += 1
                continue
            return at, connection
        raise ConnectionRefusedError("by all")

    def _count(self) -> None:
        with self._guard:
            self.answered += 1

    def _fail(self, error: str) -> None:
        with self._guard:
            self.errors.append(error)


@contextmanager
def loading(*ports: int, clients: int = 4) -> Iterator[Load]:
    """Keep up a load, half of it over kept connections, until the end."""
    load = Load(ports)
    threads = [threading.Thread(target=load.run, kwargs={"keeps": number % 2 == 0}) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        wait_for_more(load, 20)
        yield load
        if not load.errors:
            wait_for_more(load, 20)
    finally:
        load.ended.set()
        for thread in threads:
            thread.join(_PATIENCE_SECONDS)


def wait_for_more(load: Load, count: int) -> None:
    """Wait until so many further requests were answered."""
    until, enough = time.monotonic() + _PATIENCE_SECONDS, load.answered + count
    while load.answered < enough:
        assert time.monotonic() < until, load.errors
        time.sleep(0.01)
