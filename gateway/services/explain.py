"""Why somebody was not let in: the stored chain in order, who was nearly meant, and the commands that mend it (R-215, decisions.md 27).

Candidates are computed when an explanation is viewed, within what the viewer may see; the stored trace holds none.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.audit import AuditRow
from gateway.domain.errors import Refusal, entry_of, filled
from gateway.domain.values import NodeId
from gateway.services import likeness, remedies
from gateway.services.attempts import Walk, walk_of
from gateway.services.context import Context
from gateway.services.likeness import Lookalike
from gateway.storage import audit, connections, nodes
from gateway.storage.audit import Trace
from gateway.storage.connections import LogRow


@dataclass(frozen=True, slots=True)
class Explanation:
    """All there is under one correlation id."""

    correlation_id: str
    code: str
    """The code of the last refusal; empty if there was none."""
    title: str
    text: str
    """What happened and what to do, for an administrator."""
    walks: Sequence[Walk]
    """Every walk along the chain, in order."""
    decisive: Walk | None
    """The walk the explanation is about: the last that was refused, else the last."""
    candidates: Sequence[Lookalike]
    remedies: Sequence[str]
    events: Sequence[AuditRow]
    requests: Sequence[LogRow]


def explain(context: Context, correlation_id: str, *, scope: NodeId | None) -> Explanation:
    """Return all that is known under a correlation id, or refuse an unknown one.

    `scope` bounds what is shown to a node and all below it; None is for the operator, who sees everything. What lies outside of it is as
    unknown as an id that was never given.
    """
    key = correlation_id.strip().casefold()

    def seen(node_id: NodeId) -> bool:
        return scope is None or nodes.is_within(context.database, node_id, scope)

    traces = [trace for trace in audit.list_traces(context.database, key) if seen(trace.node)]
    events = [row for row in audit.list_audit_of_correlation(context.database, key) if seen(row.node)]
    requests = [row for row in connections.list_log_of_correlation(context.database, key) if seen(row.node)]
    if not (traces or events or requests):
        raise Refusal("E_Resource_Not_Found", field="correlation_id", data={"value": correlation_id[:64]})
    return explained(context, key, traces, events, requests, scope=scope)


def explained(
    context: Context,
    correlation_id: str,
    traces: Sequence[Trace],
    events: Sequence[AuditRow] = (),
    requests: Sequence[LogRow] = (),
    *,
    scope: NodeId | None,
) -> Explanation:
    """Return the explanation of traces and rows that belong together."""
    walks = [walk_of(context, trace) for trace in traces]
    decisive = next((walk for walk in reversed(walks) if walk.code), walks[-1] if walks else None)
    code = decisive.code if decisive else _code_of_rows(events, requests)
    values = remedies.values_of(decisive) if decisive else _values_of_rows(context, events, requests)
    candidates = likeness.look(context, decisive, scope=scope) if decisive and code else []
    return Explanation(
        correlation_id=correlation_id,
        code=code,
        title=entry_of(code).title if code else "",
        text=filled(entry_of(code).admin, values) if code else "",
        walks=walks,
        decisive=decisive,
        candidates=candidates,
        remedies=remedies.commands(code, decisive, values, candidates) if code else [],
        events=events,
        requests=requests,
    )


def _code_of_rows(events: Sequence[AuditRow], requests: Sequence[LogRow]) -> str:
    """Return the code of an act that was no sign-in: the last refused request's, else the last event's."""
    codes = [row.code for row in reversed(requests)] + [row.code for row in reversed(events)]
    return next((code for code in codes if code), "")


def _values_of_rows(context: Context, events: Sequence[AuditRow], requests: Sequence[LogRow]) -> dict[str, str]:
    """Return what the texts may name of an act that was no sign-in."""
    rows: Sequence[AuditRow | LogRow] = [*events, *requests]
    if not rows:
        return {}
    node = nodes.find_node(context.database, rows[-1].node)
    values: dict[str, str] = {"tenant": node.slug} if node else {}
    for row in rows:
        detail = json.loads(row.detail or "{}")
        if isinstance(detail, dict):
            values |= {name: value for name, value in detail.items() if isinstance(value, str) and value}
    return values
