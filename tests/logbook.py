"""What the log holds after a test, and everything that it must never hold: what went to and fro as a secret."""

import base64
import io
import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gateway import logs

_PLAIN = frozenset(
    {
        *("client_id", "grant_type", "redirect_uri", "scope", "response_type", "code_challenge_method", "via", "login", "iss", "error"),
        *("error_description", "token_type_hint", "nonce", "tenant", "userName", "active"),
    }
)
"""Names of parameters whose values anybody may see."""
_SECRET_MEMBERS = frozenset({"access_token", "refresh_token", "id_token", "password", "client_secret"})


class Log:
    """Everything that is written from now on."""

    def __init__(self, log_format: str = "json") -> None:
        """Take the way of every line."""
        self._stream = io.StringIO()
        self._lines = logs.configure(log_format, self._stream)

    @property
    def text(self) -> str:
        self._lines.flush()
        return self._stream.getvalue()

    def lines(self, logger: str = "gateway.requests") -> list[dict[str, Any]]:
        """The lines of a logger."""
        found = [json.loads(line) for line in self.text.splitlines()]
        return [line for line in found if line["logger"] == logger]


@contextmanager
def logging_as_before() -> Iterator[None]:
    """Undo what the block does to the log."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        logs.trace("")
        root.handlers[:] = handlers
        root.setLevel(level)


class Secrets:
    """Whatever went over the wire and is nobody else's business."""

    def __init__(self) -> None:
        """Begin with none."""
        self.known: set[str] = set()

    def listen(self, app: Flask) -> FlaskClient:
        """Return a client of the app on whose line we listen."""
        secrets = self

        class Client(FlaskClient):
            def open(self, *args: Any, **options: Any) -> TestResponse:
                answer = super().open(*args, **options)
                secrets._hear_request(answer.request.query_string.decode(), answer.request.headers.get("Authorization", ""))
                secrets._hear_body(options.get("json") or options.get("data") or {})
                secrets._hear_answer(answer)
                return answer

        app.test_client_class = Client
        return app.test_client()

    def add(self, *values: str) -> None:
        self.known |= {value for value in values if len(value) >= 6}

    def found_in(self, text: str) -> list[str]:
        """Those that a text holds; short ones only where they stand alone, because digits are everywhere."""
        return [
            value
            for value in sorted(self.known)
            if (re.search(rf"(?<![0-9A-Za-z]){re.escape(value)}(?![0-9A-Za-z])", text) if len(value) < 10 else value in text)
        ]

    def _hear_request(self, query: str, authorization: str) -> None:
        self._keep(parse_qsl(query))
        scheme, _, given = authorization.partition(" ")
        self.add(given)
        if scheme == "Basic":
            self.add(base64.b64decode(given).decode().partition(":")[2])

    def _hear_body(self, body: object) -> None:
        if isinstance(body, Mapping):
            self._keep([(str(name), value) for name, value in body.items() if isinstance(value, str)])
        elif isinstance(body, str):
            self.add(*re.findall(r'"password": "([^"]+)', body))

    def _hear_answer(self, answer: TestResponse) -> None:
        self._keep(parse_qsl(urlsplit(answer.headers.get("Location", "")).query))
        for cookie in answer.headers.getlist("Set-Cookie"):
            self.add(cookie.split("=", 1)[1].split(";")[0])
        self.add(*re.findall(r"data-totp-secret>([A-Z2-7]+)<", answer.text), *re.findall(r"<code>([^<]+)</code>", answer.text))
        if answer.is_json:
            document = answer.get_json()
            self.add(*(str(value) for name, value in document.items() if name in _SECRET_MEMBERS))

    def _keep(self, pairs: list[tuple[str, str]]) -> None:
        self.add(*(value for name, value in pairs if name not in _PLAIN))
