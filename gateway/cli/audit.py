"""`moongate audit`: who did what."""

import json

import click

from gateway.cli.command import Result, command, context, moment, node_of, tenant_option
from gateway.services import audit, nodes


@click.group("audit")
def group() -> None:
    """The audit trail."""


@command(group, "list")
@tenant_option
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--correlation", "correlation_id", default="", metavar="ID", help="Only what happened under this correlation id.")
def list_(*, slug: str, limit: int, correlation_id: str) -> Result:
    """List the latest events of a tenant and all below it, newest first."""
    act = context()
    node = node_of(act, slug)
    slugs = {item.id: item.slug for item in nodes.list_nodes(act, below=node)}
    return [
        {
            "at": moment(row.at),
            "tenant": slugs.get(row.node, row.node),
            "action": row.action,
            "outcome": row.outcome,
            "code": row.code or None,
            "actor": f"{row.actor_kind} {row.actor}".strip(),
            "channel": row.channel,
            "target": f"{row.target_kind} {row.target}".strip(),
            "address": row.address or None,
            "correlation_id": row.correlation_id,
            "detail": json.loads(row.detail) or None,
        }
        for row in audit.list_events(act, node, limit=limit, correlation_id=correlation_id)
    ]
