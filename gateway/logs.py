"""Every line goes one way, to standard error: text for people, JSON for machines. Nothing secret is ever passed to it.

A line names the id under which what happens is traced (`trace`), also where a library writes it. Lines of requests are many and cheap:
they are made by hand, wait a twentieth of a second at most, and are written together (`gateway.http.journal`).
"""

import json
import logging
import re
import sys
import threading
import traceback
from collections import deque
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_QUIET = ("authlib", "urllib3", "granian.access", "scim2_server", "peewee")
"""Libraries that would print tokens, URLs or statements at level DEBUG or INFO."""

_OURS = frozenset({"gateway", "scim", "federation"})
_MOST_CAUSES = 8

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

_TRACED: ContextVar[str] = ContextVar("traced", default="")

PAUSE_SECONDS = 0.05
"""How long the line of a request may wait for others."""
MOST_WAITING = 2_000
"""With so many lines waiting, whoever adds one writes them all: who reads us is too slow, and memory is not the place to wait."""


def trace(correlation_id: str) -> None:
    """Let all lines of this thread say that they belong to what is traced under this id, until it says otherwise."""
    _TRACED.set(correlation_id)


def traced() -> str:
    """Return the id under which what this thread does is traced; empty if it does nothing for anybody."""
    return _TRACED.get()


class _Discreet(logging.Formatter):
    """Tells where an exception came from and of which class it is; the text of a class that others wrote may hold what somebody sent."""

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 -- the name that logging calls
        """Return the trace of an exception and of what caused it, innermost cause first."""
        error = ei[1]
        parts: list[str] = []
        while error is not None and len(parts) < _MOST_CAUSES:
            parts.append("".join(traceback.format_tb(error.__traceback__)) + _named(error))
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\nThen:\n".join(reversed(parts))


class JsonFormatter(_Discreet):
    """One JSON object a line; what a caller passes in `extra={"fields": …}` becomes members."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        members: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        members |= _fields(record)
        if record.exc_info:
            members["exception"] = self.formatException(record.exc_info)
        return json.dumps(members, ensure_ascii=False, default=str)


class TextFormatter(_Discreet):
    """One readable line, with the fields behind the message; only a traceback takes lines of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 -- the name that logging calls
        """Return the record as one line: what somebody sent may hold line breaks, to forge lines of ours."""
        return without_controls(super().formatMessage(record) + as_tail(_fields(record)))


class Lines(logging.StreamHandler[TextIO]):
    """The way of every line; those of requests may wait a moment for others, but never longer than any other line."""

    def __init__(self, stream: TextIO, formatter: logging.Formatter) -> None:
        """Write to `stream`."""
        super().__init__(stream)
        self.setFormatter(formatter)
        self.as_json = isinstance(formatter, JsonFormatter)
        self._waiting: deque[str] = deque()
        self._some = threading.Event()
        self._clerk: threading.Thread | None = None

    def put(self, line: str) -> None:
        """Let a whole line, with its end, be written soon."""
        self._waiting.append(line)
        if not self._some.is_set():
            self._wake()
        elif len(self._waiting) >= MOST_WAITING:
            self.flush()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record behind the lines that wait."""
        self._write_waiting()
        super().emit(record)

    def flush(self) -> None:
        """Write what waits."""
        self._write_waiting()
        super().flush()

    def _write_waiting(self) -> None:
        if not self._waiting:
            return
        self.acquire()
        try:
            self.stream.write("".join([self._waiting.popleft() for _ in range(len(self._waiting))]))
        except (OSError, ValueError):
            # Nobody reads any more. No request fails for want of a reader.
            return
        finally:
            self.release()

    def _wake(self) -> None:
        """Wake the clerk, who begins with the first line: a process that serves nothing needs none."""
        if self._clerk is None:
            self._clerk = threading.Thread(target=self._lead, name="log", daemon=True)
            self._clerk.start()
        self._some.set()

    def _lead(self) -> None:
        rest = threading.Event()
        while True:
            self._some.wait()
            self._some.clear()
            rest.wait(PAUSE_SECONDS)
            self.flush()


def configure(log_format: str, stream: TextIO | None = None) -> Lines:
    """Send every log line to `stream` (standard error) as `text` or `json`; empty: text on a terminal, else JSON."""
    target = stream or sys.stderr
    as_text = log_format == "text" or (not log_format and target.isatty())
    handler = Lines(target, TextFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s") if as_text else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    return handler


def find_lines() -> Lines | None:
    """Return the way that `configure` opened, or None where others decide what becomes of lines."""
    handlers = logging.getLogger().handlers
    return handlers[0] if handlers and isinstance(handlers[0], Lines) else None


def as_tail(fields: Mapping[str, object]) -> str:
    """Return fields as they stand behind a message."""
    return "".join(f" {name}={_quoted(str(value))}" for name, value in fields.items())


def without_controls(text: str) -> str:
    """Return a text that is one line, whoever wrote it."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _named(error: BaseException) -> str:
    """Return the class of an exception, and its text where we wrote it."""
    kind = type(error)
    ours = kind.__module__.partition(".")[0] in _OURS
    return f"{kind.__module__}.{kind.__qualname__}" + (f": {error}" if ours else "")


def _quoted(value: str) -> str:
    """Return a value so that one can tell where it ends, and that there is one."""
    return value if value and " " not in value and '"' not in value else json.dumps(value, ensure_ascii=False)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields of a record; it belongs to what its thread does, unless it says otherwise."""
    given = getattr(record, "fields", None)
    fields: dict[str, object] = dict(given) if isinstance(given, Mapping) else {}
    correlation_id = _TRACED.get()
    if correlation_id and "correlation_id" not in fields:
        fields["correlation_id"] = correlation_id
    return fields
