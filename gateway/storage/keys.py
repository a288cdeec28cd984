"""Signing keys of nodes: private parts wrapped, public parts as published."""

import dataclasses
from dataclasses import dataclass

import peewee as pw

from gateway.domain.values import Instant, NodeId
from gateway.storage.database import Database, Statement, place, places
from gateway.storage.tables.apps import SigningKey as KeyTable
from gateway.storage.tables.nodes import Node


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One key; it is published at once, signs from `active_from` until it is retired, and stays published until `published_until`."""

    kid: str
    node: NodeId
    alg: str
    private_key: str
    """Wrapped PEM."""
    public_jwk: str
    """JSON."""
    created_at: Instant
    active_from: Instant
    retired_at: Instant | None
    published_until: Instant | None


_COLUMNS = tuple(getattr(KeyTable, field.name) for field in dataclasses.fields(StoredKey))
_OF_NODE = Statement(KeyTable.select(*_COLUMNS).where(KeyTable.node == place("node")).order_by(KeyTable.created_at))
_EVERY = Statement(
    KeyTable.select(*_COLUMNS).where((KeyTable.node == place("node")) & (KeyTable.alg == place("alg"))).order_by(KeyTable.created_at)
)
# What a deleted node signs with turns no more; it is a node again once it is recovered.
_AGES = Statement(
    KeyTable.select(KeyTable.node, KeyTable.alg, pw.fn.MAX(KeyTable.active_from))
    .join(Node, on=(KeyTable.node == Node.id))
    .where(Node.deleted_at.is_null() & KeyTable.retired_at.is_null())
    .group_by(KeyTable.node, KeyTable.alg)
    .order_by(pw.fn.MAX(KeyTable.active_from))
)
_INSERT = Statement(KeyTable.insert(places(KeyTable)))
_RETIRE = Statement(
    KeyTable.update({KeyTable.retired_at: place("at"), KeyTable.published_until: place("published_until")}).where(
        (KeyTable.node == place("node")) & (KeyTable.alg == place("alg")) & (KeyTable.kid != place("kid")) & KeyTable.retired_at.is_null()
    )
)


def find_signing_key(database: Database, node_id: NodeId, alg: str, now: Instant) -> StoredKey | None:
    """Return the key that signs now."""
    begun = (key for key in _of_node(database, node_id) if key.alg == alg and key.active_from <= now)
    return max((key for key in begun if key.retired_at is None or key.retired_at > now), key=lambda key: key.active_from, default=None)


def list_published_keys(database: Database, node_id: NodeId, now: Instant) -> list[StoredKey]:
    """Return the keys that verifiers may still need, oldest first."""
    return [key for key in _of_node(database, node_id) if key.published_until is None or key.published_until > now]


def list_every_key(database: Database, node_id: NodeId, alg: str) -> list[StoredKey]:
    """Return the keys of an algorithm that a node ever had, the oldest first: what they signed may have to be verified years later."""
    return [StoredKey(*row) for row in database.rows(_EVERY, node=node_id, alg=alg)]


def list_ages(database: Database) -> list[tuple[NodeId, str, Instant]]:
    """Return node, algorithm and beginning of every newest key in use, the oldest first."""
    return [(row[0], row[1], row[2]) for row in database.rows(_AGES)]


def _of_node(database: Database, node_id: NodeId) -> tuple[StoredKey, ...]:
    """Return all keys that a node ever had, oldest first: what may be kept cannot depend on the time."""
    return database.remembered(_OF_NODE, lambda rows: tuple(StoredKey(*row) for row in rows), node=node_id) or ()


def insert_key(database: Database, key: StoredKey) -> None:
    """Add a key."""
    database.write(_INSERT, **{field.name: getattr(key, field.name) for field in dataclasses.fields(key)})


def retire_other_keys(database: Database, key: StoredKey, *, published_until: Instant) -> int:
    """Retire the node's other keys of this algorithm when `key` begins to sign; they stay published until `published_until`.

    Returns how many there were.
    """
    return database.write(_RETIRE, node=key.node, alg=key.alg, kid=key.kid, at=key.active_from, published_until=published_until)
