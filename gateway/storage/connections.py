"""SCIM connections with their tokens, their log, and the totals they ask for."""

import dataclasses
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import orjson
import peewee as pw

from gateway.domain.connections import Adoption, Connection, ProvisioningEntry, Token
from gateway.domain.nodes import Node
from gateway.domain.values import ConnectionId, Instant, NodeId
from gateway.storage import nodes
from gateway.storage.database import Database, Row, Statement, place, places
from gateway.storage.tables.machinery import Counter
from gateway.storage.tables.nodes import Node as NodeTable
from gateway.storage.tables.nodes import NodeAncestry
from gateway.storage.tables.people import Account
from gateway.storage.tables.provisioning import ExternalId, ScimConnection, ScimLog, ScimToken

SHARDS = 16

_FIELDS = tuple(field.name for field in dataclasses.fields(Connection))
_COLUMNS = tuple(getattr(ScimConnection, name) for name in _FIELDS)
_TOKEN_COLUMNS = tuple(getattr(ScimToken, field.name) for field in dataclasses.fields(Token))
_TOKEN_END = len(_TOKEN_COLUMNS)
_CONNECTION_END = _TOKEN_END + len(_COLUMNS)
_ADOPTION = _FIELDS.index("adoption")

_FIND = Statement(
    ScimConnection.select(*_COLUMNS).where((ScimConnection.node == place("node")) & (ScimConnection.id == place("id"))), hold=True
)
_OF_NODE = Statement(ScimConnection.select(*_COLUMNS).where(ScimConnection.node == place("node")).order_by(ScimConnection.created_at))
_INSERT = Statement(ScimConnection.insert(places(ScimConnection)))
_CHANGE = Statement(
    ScimConnection.update(
        {
            ScimConnection.name: place("name"),
            ScimConnection.profile: place("profile"),
            ScimConnection.provider: place("provider"),
            ScimConnection.patch_reply: place("patch_reply"),
            ScimConnection.adoption: place("adoption"),
            ScimConnection.unknown: place("unknown"),
            ScimConnection.rate: place("rate"),
            ScimConnection.disabled_at: place("disabled_at"),
        }
    ).where(ScimConnection.id == place("id"))
)
_ABOVE = NodeTable.alias()
_SWITCHED_OFF = pw.fn.EXISTS(
    _ABOVE.select(pw.SQL("1"))
    .join(NodeAncestry, on=(NodeAncestry.ancestor == _ABOVE.id))
    .where((NodeAncestry.descendant == place("node")) & (_ABOVE.disabled_at.is_null(False) | _ABOVE.deleted_at.is_null(False)))
)
_BY_TOKEN = Statement(
    ScimToken.select(*_TOKEN_COLUMNS, *_COLUMNS, *nodes.COLUMNS, _SWITCHED_OFF)
    .join(ScimConnection, on=(ScimConnection.id == ScimToken.connection))
    .join(NodeTable, on=(NodeTable.id == ScimConnection.node))
    .where((ScimToken.token_hash == place("token_hash")) & (ScimConnection.node == place("node")))
)
_TOKENS = Statement(ScimToken.select(*_TOKEN_COLUMNS).where(ScimToken.connection == place("connection")).order_by(ScimToken.created_at))
_INSERT_TOKEN = Statement(ScimToken.insert(places(ScimToken)))
_REVOKE = Statement(
    ScimToken.update({ScimToken.revoked_at: place("now")}).where(
        (ScimToken.connection == place("connection")) & (ScimToken.id == place("id")) & ScimToken.revoked_at.is_null()
    )
)
_TOUCH = Statement(ScimToken.update({ScimToken.last_used_at: place("now")}).where(ScimToken.id == place("id")), notes_use=True)
_DELETE_TOKENS = Statement(ScimToken.delete().where(ScimToken.connection == place("connection")))
_DELETE_IDS = Statement(ExternalId.delete().where(ExternalId.connection == place("connection")))
_RELEASE = Statement(Account.update({Account.managed_by: None}).where(Account.managed_by == place("connection")))
_DELETE = Statement(ScimConnection.delete().where(ScimConnection.id == place("connection")))
_INSERT_LOG = Statement(ScimLog.insert(places(ScimLog)))
_LOG = Statement(ScimLog.select().where(ScimLog.node == place("node")).order_by(ScimLog.id.desc()).limit(place("limit")))
_LOG_OF_CONNECTION = Statement(
    ScimLog.select().where(ScimLog.connection == place("connection")).order_by(ScimLog.id.desc()).limit(place("limit"))
)
_LOG_OF_CORRELATION = Statement(ScimLog.select().where(ScimLog.correlation_id == place("correlation_id")).order_by(ScimLog.id))
_LOG_ROW = Statement(
    ScimLog.select()
    .where((ScimLog.node == place("node")) & ((ScimLog.id == place("id")) | (ScimLog.correlation_id == place("id"))))
    .order_by(ScimLog.id)
    .limit(1)
)
_COUNT = Statement(
    Counter.insert(
        {Counter.node: place("node"), Counter.type: place("type"), Counter.shard: place("shard"), Counter.value: place("delta")}
    ).on_conflict(conflict_target=[Counter.node, Counter.type, Counter.shard], update={Counter.value: Counter.value + place("delta")})
)
_TOTALS = Statement(
    Counter.select(Counter.value)
    .join(NodeAncestry, on=(NodeAncestry.descendant == Counter.node))
    .where((NodeAncestry.ancestor == place("node")) & (Counter.type == place("type")))
)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a bearer token stands for."""

    token: Token
    connection: Connection
    node: Node
    switched_off: bool
    """Whether the node, or one above it, is disabled or deleted."""


@dataclass(frozen=True, slots=True)
class LogRow:
    """One request of a connection, as read back."""

    id: str
    node: NodeId
    connection: ConnectionId
    at: Instant
    operation: str
    target: str
    status: int
    code: str
    rewrites: str
    body: str
    detail: str
    duration_us: int
    correlation_id: str


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One request of a connection, to be written."""

    id: str
    node: NodeId
    at: Instant
    correlation_id: str
    entry: ProvisioningEntry


def find_connection(database: Database, node_id: NodeId, connection_id: str) -> Connection | None:
    """Return a node's connection."""
    row = database.row(_FIND, node=node_id, id=connection_id)
    return _connection(row) if row else None


def list_connections(database: Database, node_id: NodeId) -> list[Connection]:
    """Return a node's connections."""
    return [_connection(row) for row in database.rows(_OF_NODE, node=node_id)]


def insert_connection(database: Database, connection: Connection) -> None:
    """Add a connection."""
    database.write(_INSERT, **{name: getattr(connection, name) for name in _FIELDS})


def change_connection(database: Database, connection: Connection) -> None:
    """Store a connection's switches."""
    database.write(_CHANGE, **{name: getattr(connection, name) for name in _FIELDS})


def delete_connection(database: Database, connection: Connection) -> int:
    """Remove a connection, its tokens and its ids of people; return how many people nobody manages now."""
    for statement in (_DELETE_TOKENS, _DELETE_IDS):
        database.write(statement, connection=connection.id)
    released = database.write(_RELEASE, connection=connection.id)
    database.write(_DELETE, connection=connection.id)
    return released


def find_by_token(database: Database, node_id: NodeId, token_hash: str) -> Bearer | None:
    """Return whom the token of this hash stands for, at this node only: another node's token is as unknown as none."""
    return database.remembered(_BY_TOKEN, _bearer, node=node_id, token_hash=token_hash)


def list_tokens(database: Database, connection_id: ConnectionId) -> list[Token]:
    """Return a connection's tokens, revoked ones too."""
    return [Token(*row) for row in database.rows(_TOKENS, connection=connection_id)]


def insert_token(database: Database, token: Token, *, token_hash: str) -> None:
    """Add a token."""
    database.write(_INSERT_TOKEN, **{field.name: getattr(token, field.name) for field in dataclasses.fields(token)}, token_hash=token_hash)


def revoke_token(database: Database, connection_id: ConnectionId, token_id: str, now: Instant) -> bool:
    """Revoke a token; return whether it was alive."""
    return database.write(_REVOKE, connection=connection_id, id=token_id, now=now) == 1


def touch_token(database: Database, token_id: str, now: Instant) -> None:
    """Note that a token was used."""
    database.write(_TOUCH, id=token_id, now=now)


def insert_log(database: Database, entries: Iterable[LogEntry]) -> None:
    """Add requests to the provisioning log."""
    database.write_many(
        _INSERT_LOG,
        [
            {
                "id": new.id,
                "node": new.node,
                "connection": new.entry.connection,
                "at": new.at,
                "operation": new.entry.operation,
                "target": new.entry.target,
                "status": new.entry.status,
                "code": new.entry.code,
                "rewrites": orjson.dumps(new.entry.rewrites).decode() if new.entry.rewrites else "[]",
                "body": new.entry.body,
                "detail": orjson.dumps(dict(new.entry.detail), default=list, option=orjson.OPT_NON_STR_KEYS).decode()
                if new.entry.detail
                else "{}",
                "duration_us": new.entry.duration_us,
                "correlation_id": new.correlation_id,
            }
            for new in entries
        ],
    )


def list_log(database: Database, node_id: NodeId, *, connection: str | None, limit: int) -> list[LogRow]:
    """Return the latest requests at a node, newest first."""
    if connection is None:
        return [LogRow(*row) for row in database.rows(_LOG, node=node_id, limit=limit)]
    return [
        entry for row in database.rows(_LOG_OF_CONNECTION, connection=connection, limit=limit) if (entry := LogRow(*row)).node == node_id
    ]


def find_log(database: Database, node_id: NodeId, request_id: str) -> LogRow | None:
    """Return a node's request by its id or its correlation id."""
    row = database.row(_LOG_ROW, node=node_id, id=request_id)
    return LogRow(*row) if row else None


def list_log_of_correlation(database: Database, correlation_id: str) -> list[LogRow]:
    """Return the requests under a correlation id."""
    return [LogRow(*row) for row in database.rows(_LOG_OF_CORRELATION, correlation_id=correlation_id)]


def count(database: Database, node_id: NodeId, kind: str, resource_id: str, delta: int) -> None:
    """Add to a node's total of a type, spread over shards so that writers do not queue at one row (decisions.md 45)."""
    shard = zlib.crc32(resource_id.encode()) % SHARDS
    database.write(_COUNT, node=node_id, type=kind, shard=shard, delta=delta)


def total(database: Database, node_id: NodeId, kind: str) -> int:
    """Return the total of a type in a node and all below it."""
    return sum(row[0] for row in database.rows(_TOTALS, node=node_id, type=kind))


def _bearer(rows: list[Row]) -> Bearer:
    row = rows[0]
    return Bearer(
        Token(*row[:_TOKEN_END]), _connection(row[_TOKEN_END:_CONNECTION_END]), nodes.node_of(row[_CONNECTION_END:-1]), bool(row[-1])
    )


def _connection(row: Row) -> Connection:
    values = list(row)
    values[_ADOPTION] = Adoption(values[_ADOPTION])
    return Connection(*values)
