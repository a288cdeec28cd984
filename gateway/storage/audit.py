"""What happened: audit rows, events for the outbox, and the traces of admission. Written in the transaction of the act itself."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import orjson

from gateway.domain.admission import TraceStep
from gateway.domain.audit import Actor, AuditRow, Event
from gateway.domain.values import AccountId, Instant, NodeId
from gateway.storage.database import Database, Row, Statement, place, places
from gateway.storage.tables.machinery import AdmissionTrace, Audit, Outbox

_INSERT_AUDIT = Statement(Audit.insert(places(Audit)))
_INSERT_OUTBOX = Statement(Outbox.insert(places(Outbox)))
_INSERT_TRACE = Statement(AdmissionTrace.insert(places(AdmissionTrace)))
_TRACES = Statement(AdmissionTrace.select().where(AdmissionTrace.correlation_id == place("correlation_id")).order_by(AdmissionTrace.id))
_AUDIT = Statement(Audit.select().where(Audit.id == place("id")))
_AUDIT_OF_NODE = Statement(Audit.select().where(Audit.node == place("node")).order_by(Audit.id.desc()).limit(place("limit")))
_OF_CORRELATION = Audit.correlation_id == place("correlation_id")
# The index holds sealed rows only (migration 0023); those that wait come first, so that one sealed in between is found twice, not never.
_AUDIT_OF_CORRELATION = tuple(
    Statement(Audit.select().where(_OF_CORRELATION & part)) for part in (Audit.leaf.is_null(), Audit.leaf.is_null(False))
)


@dataclass(frozen=True, slots=True)
class Trace:
    """The stored chain of one attempt to be let in."""

    id: str
    correlation_id: str
    node: NodeId
    at: Instant
    path: str
    code: str
    """Empty if admitted or if an act is due."""
    due: str
    account: AccountId | None
    provider: str | None
    client_id: str | None
    chain: tuple[TraceStep, ...]


def insert_audit(
    database: Database, row_id: str, event: Event, actor: Actor, *, at: Instant, correlation_id: str, address: str, salt: str
) -> None:
    """Add an audit row."""
    database.write(
        _INSERT_AUDIT,
        id=row_id,
        node=event.node,
        at=at,
        actor_kind=actor.kind,
        actor=actor.id,
        channel=actor.channel,
        action=event.action,
        target_kind=event.target_kind,
        target=event.target,
        outcome=event.outcome,
        code=event.code,
        correlation_id=correlation_id,
        address=address,
        detail=_text(event.detail),
        salt=salt,
        leaf=None,
    )


def insert_outbox(database: Database, row_id: str, event: Event, *, at: Instant) -> None:
    """Add the event for those outside who follow the changes."""
    database.write(
        _INSERT_OUTBOX,
        id=row_id,
        aggregatetype=event.target_kind,
        aggregateid=event.target,
        type=event.action,
        payload=_text(event.detail),
        node=event.node,
        created_at=at,
    )


def insert_traces(database: Database, traces: Sequence[Trace]) -> None:
    """Add the chains of attempts."""
    names = [field.name for field in fields(Trace)]
    database.write_many(
        _INSERT_TRACE, [{name: getattr(trace, name) for name in names} | {"chain": _chain_text(trace.chain)} for trace in traces]
    )


def list_traces(database: Database, correlation_id: str) -> list[Trace]:
    """Return the chains under a correlation id, in the order they were walked."""
    return [_trace(row) for row in database.rows(_TRACES, correlation_id=correlation_id)]


def find_audit(database: Database, row_id: str) -> AuditRow | None:
    """Return an event by its id."""
    row = database.row(_AUDIT, id=row_id)
    return AuditRow(*row) if row else None


def list_audit(database: Database, node_id: NodeId, *, limit: int) -> Sequence[AuditRow]:
    """Return a node's latest events, newest first."""
    return [AuditRow(*row) for row in database.rows(_AUDIT_OF_NODE, node=node_id, limit=limit)]


def list_audit_of_correlation(database: Database, correlation_id: str) -> Sequence[AuditRow]:
    """Return the events under a correlation id, oldest first."""
    found = (row for statement in _AUDIT_OF_CORRELATION for row in database.rows(statement, correlation_id=correlation_id))
    rows = {row[0]: AuditRow(*row) for row in found}
    return [rows[row_id] for row_id in sorted(rows)]


def _chain_text(chain: Sequence[TraceStep]) -> str:
    # Written out: `asdict` copies every step and its detail twice over, which cost a tenth of a sign-in's time.
    steps = [{"step": step.step, "outcome": step.outcome, "detail": dict(step.detail)} for step in chain]
    return orjson.dumps(steps, default=list).decode()


def _trace(row: Row) -> Trace:
    *plain, chain = row
    return Trace(*plain, chain=tuple(TraceStep(**step) for step in json.loads(chain)))


def _text(detail: Mapping[str, object]) -> str:
    """Return what is kept of an event as JSON; collections of any kind are lists there."""
    return orjson.dumps(dict(detail), default=list, option=orjson.OPT_NON_STR_KEYS).decode()
