"""One line a record on standard error: text for people, JSON for machines. Nothing secret is ever passed to it."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import TextIO

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_QUIET = ("authlib", "urllib3", "granian.access", "scim2_server", "peewee")
"""Libraries that would print tokens, URLs or statements at level DEBUG or INFO."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line; what a caller passes in `extra={"fields": …}` becomes members."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        members: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            members |= fields
        if record.exc_info:
            members["exception"] = self.formatException(record.exc_info)
        return json.dumps(members, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """One readable line, with the fields behind the message; only a traceback takes lines of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 -- the name that logging calls
        """Return the record as one line: what somebody sent may hold line breaks, to forge lines of ours."""
        fields = getattr(record, "fields", None)
        tail = "".join(f" {name}={value}" for name, value in fields.items()) if isinstance(fields, dict) else ""
        return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), super().formatMessage(record) + tail)


def configure(log_format: str, stream: TextIO | None = None) -> None:
    """Send every log line to `stream` (standard error) as `text` or `json`; empty: text on a terminal, else JSON."""
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    as_text = log_format == "text" or (not log_format and target.isatty())
    handler.setFormatter(TextFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s") if as_text else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
