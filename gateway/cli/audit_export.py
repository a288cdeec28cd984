"""The audit trail as a file: JSON lines for programs, CSV for spreadsheets."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from typing import IO

from gateway.cli.command import moment
from gateway.domain.audit import AuditRow
from gateway.domain.values import NodeId

_COLUMNS = (
    *("number", "id", "at", "tenant", "action", "outcome", "code", "actor_kind", "actor", "channel", "target_kind", "target"),
    *("address", "correlation_id", "detail"),
)

# A spreadsheet takes a cell that begins so for a formula, which may call out and hand on its neighbours (OWASP: CSV injection);
# the last four are the wide forms of the first.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_lines(rows: Iterable[AuditRow], slugs: Mapping[NodeId, str], file: IO[bytes]) -> int:
    """Write one JSON document a line, and return how many."""
    count = 0
    for row in rows:
        document = _values(row, slugs) | {"detail": json.loads(row.detail)}
        file.write(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        count += 1
    return count


def write_csv(rows: Iterable[AuditRow], slugs: Mapping[NodeId, str], file: IO[bytes]) -> int:
    """Write a table with a row of names (RFC 4180), and return how many rows follow."""
    count = 0
    line = io.StringIO(newline="")
    writer = csv.DictWriter(line, _COLUMNS)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in _values(row, slugs).items()})
        count += 1
        file.write(_taken(line))
    file.write(_taken(line))
    return count


def _taken(line: io.StringIO) -> bytes:
    text = line.getvalue()
    line.seek(0)
    line.truncate()
    return text.encode()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA_STARTS) else value


def _values(row: AuditRow, slugs: Mapping[NodeId, str]) -> dict[str, object]:
    values = {name: getattr(row, name) for name in _COLUMNS if name not in {"number", "at", "tenant"}}
    return {"number": row.leaf, "at": moment(row.at), "tenant": slugs.get(row.node, row.node)} | values


Writer = Callable[[Iterable[AuditRow], Mapping[NodeId, str], IO[bytes]], int]
WRITERS: Mapping[str, Writer] = {"ndjson": write_lines, "csv": write_csv}
