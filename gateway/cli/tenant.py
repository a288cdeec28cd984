"""`moongate tenant`: the places of the tree."""

import click

from gateway.cli.command import Result, command, context, node_of
from gateway.domain.nodes import Node, NodeKind
from gateway.services import nodes
from gateway.services.nodes import NewNode


@click.group("tenant")
def group() -> None:
    """Distributors, partners, folders, customers, prospects and units."""


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
        "status": "deleted" if node.deleted_at is not None else "disabled" if node.disabled_at is not None else "enabled",
    }


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
