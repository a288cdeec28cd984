"""`moongate scim-log`: what directories asked for, and what became of it."""

import json

import click

from gateway.cli.command import Result, command, context, moment, node_of, tenant_option
from gateway.domain.errors import filled, find_entry
from gateway.services import connections
from gateway.storage.connections import LogRow


def register(group: click.Group) -> None:
    """Add the command to the group of all."""

    @command(group, "scim-log")
    @tenant_option
    @click.option("--connection", default=None, metavar="ID", help="Only this connection's requests.")
    @click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
    @click.option("--explain", "request_id", default=None, metavar="REQUEST_ID", help="One request, by its id or its correlation id.")
    def scim_log(*, slug: str, connection: str | None, limit: int, request_id: str | None) -> Result:
        """Show the latest requests of a tenant's directories, newest first; with --explain all about one."""
        act = context()
        node = node_of(act, slug)
        if request_id is not None:
            return _explained(connections.explain_request(act, node, request_id), node.slug)
        return [_line(row) for row in connections.list_log(act, node, connection=connection, limit=limit)]


def _line(row: LogRow) -> dict[str, object]:
    return {
        "id": row.id,
        "at": moment(row.at),
        "operation": row.operation,
        "target": row.target,
        "status": row.status,
        "code": row.code or None,
        "rewrites": json.loads(row.rewrites or "[]"),
        "milliseconds": round(row.duration_us / 1000, 1),
        "correlation_id": row.correlation_id,
    }


def _explained(row: LogRow, slug: str) -> dict[str, object]:
    """Return a request with what was sent, how it was read, and what its code means."""
    detail = json.loads(row.detail or "{}")
    entry = find_entry(row.code) if row.code else None
    named = {name: value for name, value in detail.items() if isinstance(value, str)} | {"tenant": slug}
    return _line(row) | {
        "connection": row.connection,
        "meaning": filled(entry.admin, named) if entry else None,
        "body": row.body or None,
        "detail": detail or None,
    }
