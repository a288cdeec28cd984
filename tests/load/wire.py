"""Requests through the proxy, each noted in the ledger: one kept connection for each client, as directories, apps and browsers have."""

import itertools
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode, urlsplit

from tests.journeys.processes import Answer
from tests.journeys.wanderer import Wanderer
from tests.load.ledger import Ledger

_PATIENCE_SECONDS = 30
_ADDRESSES = itertools.count(1)


class Failed(Exception):
    """A request got no proper answer: the connection broke, or the status says that it was not the client's fault."""


class Line:
    """One client's connection. Not safe for threads."""

    def __init__(self, ledger: Ledger, port: int) -> None:
        self.ledger = ledger
        self._port = port
        self._connection: HTTPConnection | None = None
        # Clients of all the world: each has an address of its own behind the proxy that we trust.
        number = next(_ADDRESSES)
        self._address = f"198.18.{number // 256 % 256}.{number % 256}"

    def ask(self, kind: str, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask once and return the answer, or raise Failed; `kind` is what the ledger calls it."""
        began = time.monotonic()
        try:
            answer = self._exchanged(method, url, body, headers or {})
        except (OSError, HTTPException) as error:
            self.close()
            self.ledger.note(kind, began, failed=repr(error))
            raise Failed(kind) from error
        failed = f"status {answer.status} {answer.body[:200]!r}" if answer.status >= 500 or answer.status == 429 else ""
        self.ledger.note(kind, began, failed=failed)
        if failed:
            raise Failed(kind)
        return answer

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchanged(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        parts = urlsplit(url)
        if self._connection is None:
            self._connection = HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE_SECONDS)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        self._connection.request(method, target, body, {"Host": parts.netloc, "X-Forwarded-For": self._address, **headers})
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.will_close:
            self.close()
        cookies = "\n".join(answer.headers.get_all("Set-Cookie") or [])
        return Answer(answer.status, {name.title(): value for name, value in answer.headers.items()} | {"Set-Cookie": cookies}, text)


class Scim:
    """A directory's way in."""

    def __init__(self, line: Line, base: str, token: str) -> None:
        self._line = line
        self._base = base
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}

    @property
    def ledger(self) -> Ledger:
        return self._line.ledger

    def ask(self, kind: str, method: str, path: str, body: object = None) -> Answer:
        """Ask once, or raise Failed."""
        sent = None if body is None else json.dumps(body).encode()
        return self._line.ask(f"scim {kind}", method, self._base + path, sent, self._headers)

    def insist(self, kind: str, method: str, path: str, body: object = None) -> Answer:
        """Ask until there is an answer, as directories do; the first of several may have been heard too."""
        while True:
            with suppress(Failed):
                return self.ask(kind, method, path, body)
            time.sleep(0.2)


class Browser(Wanderer):
    """A person's browser on one line; whatever it asks for is noted by its path."""

    def __init__(self, line: Line) -> None:
        super().__init__([0])
        self._line = line

    def ask(self, method: str, url: str, *, form: dict[str, str] | None = None, port: int = 0, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        kind = f"{_kind(url)} {(form or {}).get('grant_type', '')}".strip()
        answer = self._line.ask(kind, method, url, urlencode(form).encode() if form else None, sent)
        self._keep([line for line in answer.headers["Set-Cookie"].split("\n") if line])
        return answer


def _kind(url: str) -> str:
    """What a request is about, without ids."""
    path = urlsplit(url).path.split("/")[3:]
    return f"provider {path[2]}" if path[0] == "federation" else f"browser {'/'.join(path)}"
