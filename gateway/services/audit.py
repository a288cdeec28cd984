"""Reading the audit trail: for administrators of a node, about it and all below it (R-214)."""

from collections.abc import Sequence

from gateway.domain.audit import AuditRow
from gateway.domain.nodes import Node
from gateway.services.context import Context
from gateway.storage import audit, nodes


def list_events(context: Context, node: Node, *, limit: int, correlation_id: str = "") -> Sequence[AuditRow]:
    """Return the latest events of a node and all below it, newest first; with a correlation id those under it, in order."""
    if not correlation_id:
        return audit.list_audit_below(context.database, node.id, limit=limit)
    rows = audit.list_audit_of_correlation(context.database, correlation_id.strip().casefold())
    return [row for row in rows if nodes.is_within(context.database, row.node, node.id)][:limit]
