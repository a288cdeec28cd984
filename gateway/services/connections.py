"""SCIM connections: who may push people into a node, by which tokens, and what they did (R-174, scim.md section 1)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.domain.audit import Event
from gateway.domain.connections import Adoption, Connection, ProvisioningEntry, Token, require_switches
from gateway.domain.errors import Refusal
from gateway.domain.nodes import TENANTS, Node, NodeKind
from gateway.domain.people import require_text
from gateway.domain.values import DAY_MS, MINUTE_MS, ConnectionId, Instant, NodeId, ProviderId, hash_token, new_token
from gateway.services.context import Context
from gateway.storage import connections, groups, identity_providers, nodes
from gateway.storage.connections import LogEntry, LogRow

TOKEN_TAG = "mgscim"
DEFAULT_DAYS = 365
_PLACES = TENANTS | {NodeKind.UNIT}
_TOUCH_AFTER = MINUTE_MS
_CHANGEABLE = ("name", "profile", "provider", "patch_reply", "adoption", "unknown", "rate", "disabled_at")


@dataclass(frozen=True, slots=True)
class NewConnection:
    """What an administrator gives to let a directory in."""

    name: str
    profile: str = "entra"
    provider: ProviderId | None = None
    days: int = DEFAULT_DAYS
    """How long the first token lives."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A token with its secret, which is shown this once (decisions.md 34)."""

    connection: Connection
    token: Token
    secret: str


@dataclass(frozen=True, slots=True)
class Request:
    """One request for the provisioning log, with the time at which it was answered."""

    id: str
    connection: Connection
    entry: ProvisioningEntry
    at: Instant
    correlation_id: str


def create_connection(context: Context, node: Node, new: NewConnection) -> Issued:
    """Create a connection with its first token. It belongs to a customer, prospect or unit (decisions.md 35)."""
    if node.kind not in _PLACES:
        raise Refusal("E_Scope_Mismatch", field="tenant", reason="connections belong to customers, prospects and units")
    require_text("name", new.name)
    with context.database.transaction():
        connection = require_switches(
            Connection(
                id=ConnectionId(context.new_id()),
                node=node.id,
                name=new.name,
                profile=new.profile,
                provider=_own_provider(context, node, new.provider),
                patch_reply=0,
                adoption=Adoption.REFUSE,
                unknown="",
                rate=0,
                created_at=context.now(),
                disabled_at=None,
            )
        )
        connections.insert_connection(context.database, connection)
        context.record(Event(node.id, "connection.created", "connection", connection.id, detail={"name": new.name, "profile": new.profile}))
        return _issue(context, connection, new.days)


def add_token(context: Context, connection: Connection, *, days: int = DEFAULT_DAYS) -> Issued:
    """Add a token beside those alive, so that one can be changed without a gap."""
    with context.database.transaction():
        return _issue(context, connection, days)


def revoke_token(context: Context, connection: Connection, token_id: str) -> None:
    """Revoke a token at once, or refuse one that is not this connection's or not alive."""
    with context.database.transaction():
        if not connections.revoke_token(context.database, connection.id, token_id, context.now()):
            raise Refusal("E_Resource_Not_Found", field="token", data={"value": token_id})
        context.record(Event(connection.node, "connection.token_revoked", "connection", connection.id, detail={"token": token_id}))


def get_connection(context: Context, node: Node, connection_id: str) -> Connection:
    """Return a node's connection, or refuse."""
    connection = connections.find_connection(context.database, node.id, connection_id)
    if connection is None:
        raise Refusal("E_Resource_Not_Found", field="connection", data={"value": connection_id})
    return connection


def list_connections(context: Context, node: Node) -> Sequence[Connection]:
    """Return a node's connections."""
    return connections.list_connections(context.database, node.id)


def list_tokens(context: Context, connection: Connection) -> Sequence[Token]:
    """Return a connection's tokens, revoked ones too; never their secrets, which nobody has."""
    return connections.list_tokens(context.database, connection.id)


def change_connection(context: Context, node: Node, before: Connection, after: Connection) -> Connection:
    """Store a connection's name, profile, provider and switches."""
    require_text("name", after.name)
    require_switches(after)
    changes: dict[str, Any] = {name: getattr(after, name) for name in _CHANGEABLE if getattr(before, name) != getattr(after, name)}
    with context.database.transaction():
        _own_provider(context, node, after.provider)
        # Only what differs: whoever switched the connection off since `before` was read meant it.
        stored = replace(get_connection(context, node, after.id), **changes)
        connections.change_connection(context.database, stored)
        detail = {name: [str(getattr(before, name)), str(value)] for name, value in changes.items()}
        context.record(Event(after.node, "connection.changed", "connection", after.id, detail=detail))
    return stored


def set_disabled(context: Context, node: Node, connection: Connection, *, disabled: bool) -> Connection:
    """Switch a connection off or on; while off, its tokens are refused."""
    return change_connection(context, node, connection, replace(connection, disabled_at=context.now() if disabled else None))


def delete_connection(context: Context, connection: Connection) -> None:
    """Delete a connection with its tokens and ids. The people and groups it managed stay, managed by nobody."""
    with context.database.transaction():
        released_groups = groups.release_groups(context.database, connection.id)
        released = connections.delete_connection(context.database, connection)
        detail = {"name": connection.name, "released": released, "released_groups": released_groups}
        context.record(Event(connection.node, "connection.deleted", "connection", connection.id, detail=detail))


def authenticate(context: Context, node_id: NodeId, secret: str) -> tuple[Connection, Node]:
    """Return the connection that a bearer token names at this node, and the node as it is now, or refuse.

    Another node's token is as unknown as none. A node that is off, or below one that is, refuses with `E_Tenant_Not_Allowed`;
    its tokens sleep and wake (decisions.md 16).
    """
    found = connections.find_by_token(context.database, node_id, hash_token(secret))
    if found is None:
        raise Refusal("E_Token_Revoked", reason="no token of this tenant")
    token, connection = found.token, found.connection
    now = context.now()
    if token.revoked_at is not None or token.expires_at <= now or connection.disabled_at is not None:
        raise Refusal("E_Token_Revoked", reason=f"token {token.id} of connection {connection.id} is revoked, expired or switched off")
    if found.switched_off:
        raise Refusal("E_Tenant_Not_Allowed", data={"tenant": found.node.slug})
    if token.last_used_at is None or now - token.last_used_at >= _TOUCH_AFTER:
        connections.touch_token(context.database, token.id, now)
    return connection, found.node


def record_requests(context: Context, requests: Sequence[Request]) -> None:
    """Write requests into the provisioning log, in the transaction that is open or one of their own."""
    connections.insert_log(
        context.database,
        [LogEntry(request.id, request.connection.node, request.at, request.correlation_id, request.entry) for request in requests],
    )


def record_refused_write(context: Context, request: Request) -> None:
    """Write a write that was refused into log and audit trail (scim.md A109)."""
    with context.database.transaction():
        record_requests(context, [request])
        entry = request.entry
        context.record(
            Event(request.connection.node, entry.operation, "scim", entry.target, code=entry.code, outcome="refused", detail=entry.detail)
        )


def list_log(context: Context, node: Node, *, connection: str | None = None, limit: int = 100) -> Sequence[LogRow]:
    """Return the latest requests at a node, newest first."""
    return connections.list_log(context.database, node.id, connection=connection, limit=limit)


def explain_request(context: Context, node: Node, request_id: str) -> LogRow:
    """Return one request of the log by its id or by the correlation id that its answer carried, or refuse."""
    row = connections.find_log(context.database, node.id, request_id)
    if row is None:
        raise Refusal("E_Resource_Not_Found", field="request", data={"value": request_id})
    return row


def _issue(context: Context, connection: Connection, days: int) -> Issued:
    if not 0 < days <= 3 * DEFAULT_DAYS:
        raise Refusal("E_Field_Invalid", field="days", data={"field": "days", "rule": f"1 to {3 * DEFAULT_DAYS}"})
    secret = new_token(context.entropy, TOKEN_TAG)
    token = Token(context.new_id(), connection.id, context.now(), Instant(context.now() + days * DAY_MS), None, None)
    connections.insert_token(context.database, token, token_hash=hash_token(secret))
    context.record(Event(connection.node, "connection.token_added", "connection", connection.id, detail={"token": token.id}))
    return Issued(connection, token, secret)


def _own_provider(context: Context, node: Node, provider: ProviderId | None) -> ProviderId | None:
    """Return the provider if it is this node's or of a node above it."""
    if provider is None:
        return None
    found = identity_providers.find_provider(context.database, provider)
    if found is None or not nodes.is_within(context.database, node.id, found.node):
        raise Refusal("E_Resource_Not_Found", field="idp", data={"value": provider})
    return provider
