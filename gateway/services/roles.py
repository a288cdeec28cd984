"""Looking at roles: which there are, what each grants, and who holds it."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.nodes import Node
from gateway.domain.values import ClientId
from gateway.services import access
from gateway.services.context import Context
from gateway.storage import access as stored_access
from gateway.storage import memberships
from gateway.storage.access import Role
from gateway.storage.memberships import Holder


@dataclass(frozen=True, slots=True)
class RoleView:
    """A role with what hangs on it."""

    role: Role
    apps: Sequence[ClientId]
    holders: Sequence[Holder]


def list_roles(context: Context, node: Node) -> list[Role]:
    """Return the roles defined at a node."""
    return stored_access.list_roles(context.database, node.id)


def get_view(context: Context, node: Node, name: str) -> RoleView:
    """Return the role that a name means at a node, its apps, and who holds it at the node or below, or refuse."""
    role = access.get_role(context, node.id, name)
    return RoleView(
        role,
        stored_access.list_apps_of_role(context.database, role.id),
        memberships.list_holders(context.database, role.id, node.id),
    )
