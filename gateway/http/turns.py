"""Each request computes in its turn; reading its body is waiting (`gateway.turns`)."""

from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING

from gateway import turns

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Turns:
    """The middleware in front of all others."""

    def __init__(self, app: "WSGIApplication") -> None:
        """Wrap `app`."""
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Let the app answer in this thread's turn."""
        environ["wsgi.input"] = _Body(environ["wsgi.input"])
        with turns.taken():
            return self._app(environ, start_response)


class _Body:
    """A body, which comes as slowly as its sender likes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes, or all."""
        with turns.aside():
            return self._stream.read(size)

    def readline(self, size: int = -1) -> bytes:
        """Return a line."""
        with turns.aside():
            return self._stream.readline(size)

    def readlines(self, hint: int = -1) -> list[bytes]:
        """Return the lines."""
        with turns.aside():
            return self._stream.readlines(hint)

    def __iter__(self) -> Iterator[bytes]:
        """Return the lines, one after another."""
        while line := self.readline():
            yield line
