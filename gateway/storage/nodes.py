"""The tree: namespaces, nodes with their ancestry, domains, and what the installation knows of itself."""

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

import peewee as pw

from gateway.domain.nodes import Node, NodeKind
from gateway.domain.values import Instant, NamespaceId, NodeId, ProviderId
from gateway.storage.database import Database, Row, Statement, place, places
from gateway.storage.tables.nodes import Domain as DomainTable
from gateway.storage.tables.nodes import Installation, Namespace, NodeAncestry
from gateway.storage.tables.nodes import Node as NodeTable

COLUMNS = tuple(getattr(NodeTable, field.name) for field in dataclasses.fields(Node))


@dataclass(frozen=True, slots=True)
class Domain:
    """A DNS domain that a node claims; routing belongs to it once `verified_at` is set."""

    id: str
    node: NodeId
    name: str
    kind: str
    dns_token: str
    verified_at: Instant | None
    provider: ProviderId | None
    created_at: Instant


_DOMAIN_COLUMNS = tuple(getattr(DomainTable, field.name) for field in dataclasses.fields(Domain))

_BY_ID = Statement(NodeTable.select(*COLUMNS).where(NodeTable.id == place("id")))
_HOLD = Statement(NodeTable.select(NodeTable.id).where(NodeTable.id == place("id")), hold=True)
_BY_SLUG = Statement(NodeTable.select(*COLUMNS).where(NodeTable.slug == place("slug")))
DEEPEST_ISSUER = 3
"""Segments that an issuer's path may have: `/t/<slug>` has two."""
_BY_PLACE = Statement(
    NodeTable.select(*COLUMNS)
    .where((NodeTable.issuer_host == place("host")) & NodeTable.issuer_path.in_([place(f"path{at}") for at in range(DEEPEST_ISSUER + 1)]))
    .order_by(pw.fn.LENGTH(NodeTable.issuer_path).desc())
    .limit(1)
)
_HOST = Statement(NodeTable.select(NodeTable.id).where(NodeTable.issuer_host == place("host")).limit(1))
_ALL = Statement(NodeTable.select(*COLUMNS).order_by(NodeTable.slug))
_CHAIN = Statement(
    NodeTable.select(*COLUMNS)
    .join(NodeAncestry, on=(NodeAncestry.ancestor == NodeTable.id))
    .where(NodeAncestry.descendant == place("id"))
    .order_by(NodeAncestry.depth)
)
_SUBTREE = Statement(
    NodeTable.select(*COLUMNS)
    .join(NodeAncestry, on=(NodeAncestry.descendant == NodeTable.id))
    .where(NodeAncestry.ancestor == place("id"))
    .order_by(NodeAncestry.depth, NodeTable.slug)
)
_WITHIN = Statement(
    NodeAncestry.select(NodeAncestry.depth).where((NodeAncestry.ancestor == place("ancestor")) & (NodeAncestry.descendant == place("node")))
)
_INSERT = Statement(NodeTable.insert(places(NodeTable)))
_INSERT_NAMESPACE = Statement(Namespace.insert(places(Namespace)))
_INSERT_SELF = Statement(
    NodeAncestry.insert({NodeAncestry.ancestor: place("id"), NodeAncestry.descendant: place("id"), NodeAncestry.depth: 0})
)
_INSERT_ANCESTORS = Statement(
    NodeAncestry.insert_from(
        NodeAncestry.select(NodeAncestry.ancestor, place("id"), NodeAncestry.depth + 1).where(NodeAncestry.descendant == place("parent")),
        [NodeAncestry.ancestor, NodeAncestry.descendant, NodeAncestry.depth],
    )
)
_CHANGE = Statement(
    NodeTable.update(
        {
            NodeTable.name: place("name"),
            NodeTable.private_outbound: place("private_outbound"),
            NodeTable.policies: place("policies"),
            NodeTable.epoch: place("epoch"),
            NodeTable.disabled_at: place("disabled_at"),
            NodeTable.deleted_at: place("deleted_at"),
        }
    ).where(NodeTable.id == place("id"))
)
_SETTING = Statement(Installation.select(Installation.value).where(Installation.name == place("name")))
_REMEMBER = Statement(Installation.insert({Installation.name: place("name"), Installation.value: place("value")}))
_DOMAIN_OF_NODE = Statement(
    DomainTable.select(*_DOMAIN_COLUMNS).where(
        (DomainTable.node == place("node")) & (DomainTable.name == place("name")) & (DomainTable.kind == place("kind"))
    )
)
_DOMAINS_OF_NODE = Statement(
    DomainTable.select(*_DOMAIN_COLUMNS).where(DomainTable.node == place("node")).order_by(DomainTable.name, DomainTable.kind)
)
_PROVED = Statement(
    DomainTable.select(*_DOMAIN_COLUMNS).where((DomainTable.proved_name == place("name")) & (DomainTable.kind == place("kind")))
)
_MOST_PARENTS = 8
"""Labels up to which names lie below a `*.` domain; deeper ones belong to nobody."""
_OWNING = Statement(
    DomainTable.select(*_DOMAIN_COLUMNS).where(
        DomainTable.proved_name.in_([place(f"name{at}") for at in range(_MOST_PARENTS + 1)]) & (DomainTable.kind == place("kind"))
    )
)
_INSERT_DOMAIN = Statement(DomainTable.insert(places(DomainTable)))
_PROVE_DOMAIN = Statement(
    DomainTable.update({DomainTable.proved_name: DomainTable.name, DomainTable.verified_at: place("at")}).where(
        DomainTable.id == place("id")
    )
)
_DELETE_DOMAIN = Statement(DomainTable.delete().where(DomainTable.id == place("id")))


def hold_node(database: Database, node_id: NodeId) -> None:
    """Hold a node: for whoever changes it. Whoever only acts in it does not, or all would wait for one another."""
    database.hold(_HOLD, id=node_id)


def find_node(database: Database, node_id: NodeId) -> Node | None:
    """Return the node, deleted ones too, until they are purged."""
    return database.remembered(_BY_ID, _one, id=node_id)


def find_node_by_slug(database: Database, slug: str) -> Node | None:
    """Return the node of a slug."""
    return database.remembered(_BY_SLUG, _one, slug=slug)


def find_node_by_issuer_place(database: Database, host: str, path: str) -> Node | None:
    """Return the node whose stored issuer has this host (with port) and a path that `path` lies at or below; the longest one wins."""
    segments = path.split("/")[1 : DEEPEST_ISSUER + 1]
    prefixes = ["".join(f"/{segment}" for segment in segments[:length]) for length in range(len(segments) + 1)]
    prefixes += [""] * (DEEPEST_ISSUER + 1 - len(prefixes))
    return database.remembered(_BY_PLACE, _one, host=host, **{f"path{at}": prefix for at, prefix in enumerate(prefixes)})


def is_issuer_host(database: Database, host: str) -> bool:
    """Return whether any stored issuer lives at this host."""
    return database.row(_HOST, host=host) is not None


def list_nodes(database: Database) -> list[Node]:
    """Return every node by slug; for the command line, which stands above tenants."""
    return [node_of(row) for row in database.rows(_ALL)]


def list_chain(database: Database, node_id: NodeId) -> tuple[Node, ...]:
    """Return the node and its ancestors, nearest first; empty if it is gone."""
    return database.remembered(_CHAIN, _all, id=node_id) or ()


def list_subtree(database: Database, node_id: NodeId) -> tuple[Node, ...]:
    """Return the node and all below it, nearest first."""
    return tuple(node_of(row) for row in database.rows(_SUBTREE, id=node_id))


def is_within(database: Database, node_id: NodeId, ancestor: NodeId) -> bool:
    """Return whether `node_id` is `ancestor` or hangs below it."""
    return database.remembered(_WITHIN, bool, ancestor=ancestor, node=node_id) is not None


def subtree_ids(node_id: NodeId) -> pw.Query:
    """Return the query of the ids of a node and all below it, for use inside another query."""
    return NodeAncestry.select(NodeAncestry.descendant).where(NodeAncestry.ancestor == node_id)


def insert_namespace(database: Database, namespace: NamespaceId, owner: NodeId, now: Instant) -> None:
    """Add a namespace."""
    database.write(_INSERT_NAMESPACE, id=namespace, owner=owner, created_at=now)


def insert_node(database: Database, node: Node) -> None:
    """Add a node with its place in the tree.

    Raises Duplicate if its slug or issuer is taken, now or formerly.
    """
    place_of = urlsplit(node.issuer)
    values = {field.name: getattr(node, field.name) for field in dataclasses.fields(node)}
    database.write(_INSERT, **values, issuer_host=place_of.netloc, issuer_path=place_of.path, self_managed_profile=0, disabled_by=None)
    if node.parent is not None:
        database.write(_INSERT_ANCESTORS, id=node.id, parent=node.parent)
    database.write(_INSERT_SELF, id=node.id)


def change_node(database: Database, node: Node) -> None:
    """Store what may change of a node; its slug, kind, parent and issuer never do."""
    database.write(
        _CHANGE,
        id=node.id,
        name=node.name,
        private_outbound=node.private_outbound,
        policies=node.policies,
        epoch=node.epoch,
        disabled_at=node.disabled_at,
        deleted_at=node.deleted_at,
    )


def find_setting(database: Database, name: str) -> str | None:
    """Return what the installation remembers under a name."""
    row = database.row(_SETTING, name=name)
    return row[0] if row else None


def remember_setting(database: Database, name: str, value: str) -> None:
    """Remember a value for good."""
    database.write(_REMEMBER, name=name, value=value)


def find_domain(database: Database, node_id: NodeId, name: str, kind: str) -> Domain | None:
    """Return a node's claim to a domain."""
    row = database.row(_DOMAIN_OF_NODE, node=node_id, name=name, kind=kind)
    return Domain(*row) if row else None


def find_proved_domain(database: Database, name: str, kind: str) -> Domain | None:
    """Return the one claim to a domain that was proved."""
    return database.remembered(_PROVED, lambda rows: _domain(rows[0]), name=name, kind=kind)


def find_owning_domain(database: Database, name: str, kind: str) -> Domain | None:
    """Return the proved claim that a domain name falls under: to itself, else the nearest to everything below one of its parents."""
    labels = name.split(".")
    parents = [f"*.{'.'.join(labels[at:])}" for at in range(1, len(labels))][-_MOST_PARENTS:]
    names = [name, *parents, *[""] * (_MOST_PARENTS - len(parents))]
    asked = {f"name{at}": value for at, value in enumerate(names)}
    return database.remembered(_OWNING, lambda rows: min(map(_domain, rows), key=lambda found: names.index(found.name)), **asked, kind=kind)


def list_domains(database: Database, node_id: NodeId) -> list[Domain]:
    """Return a node's domains."""
    return [Domain(*row) for row in database.rows(_DOMAINS_OF_NODE, node=node_id)]


def insert_domain(database: Database, domain: Domain) -> None:
    """Add a claim to a domain. Raises Duplicate if the node has it already, or it is proved elsewhere."""
    values = {field.name: getattr(domain, field.name) for field in dataclasses.fields(domain)}
    database.write(_INSERT_DOMAIN, **values, proved_name=domain.name if domain.verified_at is not None else None)


def prove_domain(database: Database, domain_id: str, now: Instant) -> None:
    """Mark a claim as proved. Raises Duplicate if another node proved it before."""
    database.write(_PROVE_DOMAIN, id=domain_id, at=now)


def delete_domain(database: Database, domain_id: str) -> None:
    """Remove a claim."""
    database.write(_DELETE_DOMAIN, id=domain_id)


def _domain(row: Row) -> Domain:
    return Domain(*row)


def _one(rows: list[Row]) -> Node:
    return node_of(rows[0])


def _all(rows: list[Row]) -> tuple[Node, ...]:
    return tuple(map(node_of, rows))


@lru_cache(maxsize=4096)
def node_of(row: Row) -> Node:
    """Return the node of a row of `COLUMNS`; the same row makes the same node, and every request reads some."""
    values = list(row)
    values[3] = NodeKind(values[3])
    values[7] = bool(values[7])
    return Node(*values)
