"""The tree: the platform's first day, creating nodes, and switching them off and on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from gateway.domain.audit import Event
from gateway.domain.errors import Refusal
from gateway.domain.nodes import MANAGING, TENANTS, Lifetimes, Node, NodeKind, lifetimes_of, parse_policies, require_place, require_slug
from gateway.domain.people import require_text
from gateway.domain.values import NamespaceId, NodeId
from gateway.services import sessions
from gateway.services.context import Context
from gateway.storage import connections, nodes
from gateway.storage.database import Database, Duplicate

PLATFORM_SLUG = "platform"
DEEPEST_ISSUER = nodes.DEEPEST_ISSUER


@dataclass(frozen=True, slots=True)
class NewNode:
    """What an administrator gives to create a node."""

    slug: str
    name: str
    kind: NodeKind
    own_namespace: bool | None = None
    """None: customers and prospects get their own, managing nodes use the platform's (decisions.md 2)."""
    private_outbound: bool = False
    issuer: str = ""
    """A custom origin; empty: by the installation's pattern."""


@dataclass(frozen=True, slots=True)
class About:
    """What hangs on a node."""

    path: tuple[str, ...]
    """Slugs from the platform down to the node."""
    people: int
    """Homed in it or below."""
    below: int
    """Nodes below it."""
    policies: Mapping[str, int | str]
    """Set at the node itself."""


def create_platform(context: Context, name: str) -> Node:
    """Create the one platform, or refuse a second one (R-001)."""
    with context.database.transaction():
        context.database.hold_name(PLATFORM_SLUG)
        if nodes.find_node_by_slug(context.database, PLATFORM_SLUG) is not None:
            raise Refusal("E_Scope_Mismatch", field="kind", reason="the platform exists")
        return _insert(context, NewNode(PLATFORM_SLUG, name, NodeKind.PLATFORM), None)


def create_node(context: Context, parent_id: NodeId, new: NewNode) -> Node:
    """Create a node under a parent, or refuse its slug, its place or a slug that was ever in use."""
    require_slug(new.slug)
    require_text("name", new.name)
    with context.database.transaction():
        parent = nodes.find_node(context.database, parent_id)
        require_place(new.kind, parent)
        return _insert(context, new, parent)


def change_node(
    context: Context,
    node: Node,
    *,
    name: str | None = None,
    private_outbound: bool | None = None,
    policies: Mapping[str, str] | None = None,
) -> Node:
    """Change a node's display name, outbound right and policies; a policy given as an empty text is taken back."""
    given = policies or {}
    wanted = parse_policies({key: value for key, value in given.items() if value})
    with context.database.transaction():
        before = _fresh(context, node)
        kept = {key: value for key, value in json.loads(before.policies).items() if key not in given}
        after = replace(
            before,
            name=before.name if name is None else require_text("name", name),
            private_outbound=before.private_outbound if private_outbound is None else private_outbound,
            policies=json.dumps(kept | wanted),
        )
        nodes.change_node(context.database, after)
        old, new = ({"name": item.name, "private_outbound": item.private_outbound, "policies": item.policies} for item in (before, after))
        context.publish(Event(node.id, "tenant.changed", "tenant", node.id, detail={"old": old, "new": new}))
    return after


def disable_node(context: Context, node: Node) -> Node:
    """Switch a node off: all that was opened in its subtree ends for good, and every app is told (R-007, decisions.md 16)."""
    with context.database.transaction():
        before = _fresh(context, node)
        if before.disabled_at is not None:
            return before
        after = replace(before, disabled_at=context.now(), epoch=before.epoch + 1)
        nodes.change_node(context.database, after)
        sessions.tell_apps_of_subtree(context, node.id, "tenant disabled")
        context.publish(Event(node.id, "tenant.disabled", "tenant", node.id))
    return after


def enable_node(context: Context, node: Node) -> Node:
    """Switch a node on again: SCIM tokens wake, people sign in anew."""
    with context.database.transaction():
        before = _fresh(context, node)
        if before.deleted_at is not None:
            raise Refusal("E_Scope_Mismatch", field="slug", reason="a deleted node is recovered before it is enabled")
        after = replace(before, disabled_at=None)
        if after != before:
            nodes.change_node(context.database, after)
            context.publish(Event(node.id, "tenant.enabled", "tenant", node.id))
    return after


def delete_node(context: Context, node: Node) -> Node:
    """Delete a disabled node; it stays for 30 days, so that its people learn why they cannot sign in (R-008)."""
    with context.database.transaction():
        before = _fresh(context, node)
        if before.disabled_at is None or before.kind is NodeKind.PLATFORM:
            raise Refusal("E_Delete_Enabled_User", field="slug", reason="a node is disabled before it is deleted, the platform never is")
        if before.deleted_at is not None:
            return before
        after = replace(before, deleted_at=context.now(), epoch=before.epoch + 1)
        nodes.change_node(context.database, after)
        context.publish(Event(node.id, "tenant.deleted", "tenant", node.id))
    return after


def recover_node(context: Context, node: Node) -> Node:
    """Take back a deletion; the node stays disabled."""
    with context.database.transaction():
        before = _fresh(context, node)
        after = replace(before, deleted_at=None)
        if after != before:
            nodes.change_node(context.database, after)
            context.publish(Event(node.id, "tenant.recovered", "tenant", node.id))
    return after


def list_nodes(context: Context, *, below: Node | None = None) -> Sequence[Node]:
    """Return a node and all below it, nearest first; without one every node by slug: for whoever stands above all tenants."""
    return nodes.list_nodes(context.database) if below is None else nodes.list_subtree(context.database, below.id)


def describe_node(context: Context, node: Node) -> About:
    """Return what hangs on a node."""
    chain = nodes.list_chain(context.database, node.id)
    return About(
        path=tuple(item.slug for item in reversed(chain)),
        people=connections.total(context.database, node.id, "User"),
        below=len(nodes.list_subtree(context.database, node.id)) - 1,
        policies=json.loads(node.policies),
    )


def get_node(context: Context, slug: str) -> Node:
    """Return the node of a slug, deleted ones too, or refuse."""
    node = nodes.find_node_by_slug(context.database, slug)
    if node is None:
        raise Refusal("E_Resource_Not_Found", field="tenant", data={"value": slug})
    return node


def lifetimes(context: Context, node_id: NodeId) -> Lifetimes:
    """Return the lifetimes in force at a node."""
    return lifetimes_of(nodes.list_chain(context.database, node_id))


def _fresh(context: Context, node: Node) -> Node:
    """Return the node as it is now: what the caller read before this transaction may be old."""
    nodes.hold_node(context.database, node.id)
    return nodes.find_node(context.database, node.id) or node


def _insert(context: Context, new: NewNode, parent: Node | None) -> Node:
    node_id = NodeId(context.new_id())
    issuer = new.issuer or context.urls.issuer_for(new.slug)
    if not _is_issuer(issuer):
        raise Refusal(
            "E_Field_Invalid", field="issuer", data={"field": "issuer", "rule": "an http(s) URL without query, fragment or final slash"}
        )
    _require_apart(context, issuer)
    node = Node(
        id=node_id,
        slug=new.slug,
        name=new.name,
        kind=new.kind,
        parent=parent.id if parent else None,
        namespace=_namespace(context, new, parent, node_id),
        issuer=issuer,
        private_outbound=new.private_outbound,
        epoch=0,
        policies="{}",
        disabled_at=None,
        deleted_at=None,
        created_at=context.now(),
    )
    try:
        nodes.insert_node(context.database, node)
    except Duplicate as error:
        raise Refusal("E_Field_Invalid", field="slug", data={"field": "slug", "rule": "never used before"}) from error
    context.publish(Event(node.id, "tenant.created", "tenant", node.id, detail={"slug": node.slug, "kind": node.kind}))
    return node


def _require_apart(context: Context, issuer: str) -> None:
    """Refuse an issuer below another one's path: the same URL would then name two nodes, one before and one after."""
    parts = urlsplit(issuer)
    context.database.hold_name("issuers", parts.netloc)
    above = nodes.find_node_by_issuer_place(context.database, parts.netloc, parts.path)
    if above is not None and urlsplit(above.issuer).path not in {"", parts.path}:
        raise Refusal("E_Field_Invalid", field="issuer", data={"field": "issuer", "rule": "not below the issuer of another tenant"})


def _namespace(context: Context, new: NewNode, parent: Node | None, node_id: NodeId) -> NamespaceId:
    """Return the namespace a new node uses, made where it gets its own (decisions.md 2)."""
    own = new.own_namespace if new.own_namespace is not None else new.kind in TENANTS
    if parent is None or (own and new.kind is not NodeKind.UNIT):
        namespace = NamespaceId(context.new_id())
        nodes.insert_namespace(context.database, namespace, node_id, context.now())
        return namespace
    if new.kind in MANAGING or new.kind in TENANTS:
        return nodes.list_chain(context.database, parent.id)[-1].namespace
    return parent.namespace


def _is_issuer(issuer: str) -> bool:
    parts = urlsplit(issuer)
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and not parts.query and not parts.fragment and not issuer.endswith("/")


def find_issuer(database: Database, host: str, path: str) -> Node | None:
    """Return the node below whose stored issuer a path of this host (with port) lies."""
    return nodes.find_node_by_issuer_place(database, host, path)


def find_by_id(database: Database, node_id: NodeId) -> Node | None:
    """Return a node as it is now."""
    return nodes.find_node(database, node_id)


def is_issuer_host(database: Database, host: str) -> bool:
    """Return whether any stored issuer lives at this host."""
    return nodes.is_issuer_host(database, host)
