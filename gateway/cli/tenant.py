"""`moongate tenant`: the places of the tree."""

from collections.abc import Callable

import click

from gateway.cli.command import Result, command, context, moment, node_of
from gateway.domain.nodes import Node, NodeKind
from gateway.services import nodes
from gateway.services.context import Context
from gateway.services.nodes import NewNode


@click.group("tenant")
def group() -> None:
    """Distributors, partners, folders, customers, prospects and units."""


@command(group, "create")
@click.argument("slug")
@click.option("--name", required=True)
@click.option("--kind", required=True, type=click.Choice([kind.value for kind in NodeKind if kind is not NodeKind.PLATFORM]))
@click.option("--parent", default=nodes.PLATFORM_SLUG, show_default=True, metavar="SLUG")
@click.option("--own-namespace/--shared-namespace", "own_namespace", default=None, help="Sign-in names of its own, or the platform's.")
@click.option("--private-outbound", is_flag=True, help="Its providers may be called at the addresses of MOONGATE_OUTBOUND_ALLOW.")
@click.option("--issuer", default="", metavar="URL", help="An origin of its own.")
def create(*, slug: str, name: str, kind: str, parent: str, own_namespace: bool | None, private_outbound: bool, issuer: str) -> Result:
    """Create a tenant."""
    act = context()
    new = NewNode(slug, name, NodeKind(kind), own_namespace=own_namespace, private_outbound=private_outbound, issuer=issuer)
    return as_result(nodes.create_node(act, node_of(act, parent).id, new))


@command(group, "list")
@click.option("--below", default="", metavar="SLUG", help="Only this tenant and what hangs below it.")
def list_(*, below: str) -> Result:
    """List the tenants."""
    act = context()
    listed = nodes.list_nodes(act, below=node_of(act, below) if below else None)
    slugs = {node.id: node.slug for node in listed}
    return [
        {"slug": node.slug, "name": node.name, "kind": node.kind, "parent": slugs.get(node.parent) if node.parent else None}
        | {"status": _status(node), "issuer": node.issuer}
        for node in listed
    ]


@command(group, "show")
@click.argument("slug")
def show(*, slug: str) -> Result:
    """Show a tenant with its policies, and how many people live there."""
    act = context()
    node = node_of(act, slug)
    about = nodes.describe_node(act, node)
    return as_result(node) | {
        "path": about.path,
        "people": about.people,
        "tenants_below": about.below,
        "policies": about.policies,
        "created_at": moment(node.created_at),
        "disabled_at": moment(node.disabled_at),
        "deleted_at": moment(node.deleted_at),
    }


@command(group, "set")
@click.argument("slug")
@click.option("--name", default=None)
@click.option("--private-outbound", default=None, type=click.Choice(["yes", "no"]))
@click.option("--policy", "policies", multiple=True, metavar="KEY=VALUE", help="May be given several times; an empty value takes it back.")
def set_(*, slug: str, name: str | None, private_outbound: str | None, policies: tuple[str, ...]) -> Result:
    """Change a tenant's name, outbound right or policies."""
    act = context()
    changed = nodes.change_node(
        act,
        node_of(act, slug),
        name=name,
        private_outbound=None if private_outbound is None else private_outbound == "yes",
        policies=dict(_pair(text) for text in policies),
    )
    return as_result(changed) | {"policies": nodes.describe_node(act, changed).policies}


@command(group, "disable")
@click.argument("slug")
def disable(*, slug: str) -> Result:
    """Switch a tenant off: everybody in it and below is out at once."""
    return _changed(slug, nodes.disable_node)


@command(group, "enable")
@click.argument("slug")
def enable(*, slug: str) -> Result:
    """Switch a tenant on again."""
    return _changed(slug, nodes.enable_node)


@command(group, "delete")
@click.argument("slug")
def delete(*, slug: str) -> Result:
    """Delete a disabled tenant; it can be recovered for 30 days."""
    return _changed(slug, nodes.delete_node)


@command(group, "recover")
@click.argument("slug")
def recover(*, slug: str) -> Result:
    """Take a deletion back; the tenant stays disabled."""
    return _changed(slug, nodes.recover_node)


def as_result(node: Node) -> dict[str, object]:
    """Return a node as every command shows it."""
    return {
        "id": node.id,
        "slug": node.slug,
        "name": node.name,
        "kind": node.kind,
        "issuer": node.issuer,
        "scim_base": node.scim_base,
        "private_outbound": node.private_outbound,
        "status": _status(node),
    }


def _changed(slug: str, change: Callable[[Context, Node], Node]) -> Result:
    act = context()
    return as_result(change(act, node_of(act, slug)))


def _status(node: Node) -> str:
    return "deleted" if node.deleted_at is not None else "disabled" if node.disabled_at is not None else "enabled"


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise click.UsageError(f"--policy {text}: write KEY=VALUE.")
    return name, value
