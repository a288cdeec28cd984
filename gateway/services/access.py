"""Roles, and where they entitle somebody to what (decisions.md 9)."""

from collections.abc import Sequence

from gateway.domain.access import Place
from gateway.domain.audit import Event
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.people import Account, require_text
from gateway.domain.relying_party import RelyingParty
from gateway.domain.values import ClientId, NodeId, RoleId
from gateway.services.context import Context
from gateway.storage import access, nodes, relying_parties
from gateway.storage.access import HeldRole, Role
from gateway.storage.database import Duplicate

TYPES = ("hierarchy", "portal", "tenant", "service")


def create_role(context: Context, node_id: NodeId, name: str, *, kind: str, apps: Sequence[str], level: int) -> Role:
    """Create a role that grants apps registered at the node or above it."""
    require_text("name", name)
    if kind not in TYPES:
        raise Refusal("E_Field_Invalid", field="type", data={"field": "type", "rule": "one of " + ", ".join(TYPES)})
    role = Role(RoleId(context.new_id()), node_id, name, kind, level, None, None)
    with context.database.transaction():
        for client_id in apps:
            _require_offered(context, node_id, client_id)
        try:
            access.insert_role(context.database, role, tuple(ClientId(item) for item in apps), context.now())
        except Duplicate as error:
            raise Refusal("E_Field_Invalid", field="name", data={"field": "role name", "rule": "not used in this tenant yet"}) from error
        context.publish(Event(node_id, "role.created", "role", role.id, detail={"name": name, "apps": list(apps)}))
    return role


def get_role(context: Context, node_id: NodeId, name: str) -> Role:
    """Return the role of that name, defined at the node or the nearest ancestor, or refuse."""
    for node in nodes.list_chain(context.database, node_id):
        role = access.find_role(context.database, node.id, name)
        if role is not None:
            return role
    raise Refusal("E_Role_Unknown", field="role", data={"value": name})


def grant_role(context: Context, node_id: NodeId, account: Account, name: str) -> None:
    """Give an account a role at a node it belongs to."""
    with context.database.transaction():
        role = get_role(context, node_id, name)
        if role.inactivated_at is not None:
            raise Refusal("E_Role_Inactive_Assign", field="role", data={"value": name})
        access.assign_role(context.database, account.id, role.id, node_id, context.now())
        context.publish(Event(node_id, "role.granted", "person", account.id, detail={"role": role.name}))


def revoke_role(context: Context, node_id: NodeId, account: Account, name: str) -> bool:
    """Take a role away; return whether it was held."""
    with context.database.transaction():
        role = get_role(context, node_id, name)
        held = access.unassign_role(context.database, account.id, role.id, node_id)
        if held:
            context.publish(Event(node_id, "role.revoked", "person", account.id, detail={"role": role.name}))
    return held


def set_role_active(context: Context, node_id: NodeId, name: str, *, active: bool) -> None:
    """Inactivate a role, so that it counts for nothing, or activate it again (R-085, R-086)."""
    with context.database.transaction():
        role = get_role(context, node_id, name)
        access.set_inactivated(context.database, role.id, None if active else context.now())
        context.publish(Event(node_id, "role.activated" if active else "role.inactivated", "role", role.id, detail={"name": role.name}))


def list_places(context: Context, account: Account, client: RelyingParty, *, home_chain: tuple[Node, ...] = ()) -> list[Place]:
    """Return every node the account belongs to, with what it is worth there for this app.

    `home_chain` spares the look at the account's home and those above it, where the caller has them as they are now.
    """
    held, memberships = access.list_ties(context.database, account.id, client.client_id)
    places = []
    for node_id in dict.fromkeys((account.home, *memberships)):
        chain = (node_id == account.home and home_chain) or nodes.list_chain(context.database, node_id)
        live = [at for at, node in enumerate(chain[:1]) if node.deleted_at is None]
        # What is switched off is offered to nobody; it stays a place, so that whoever belongs nowhere else learns why.
        open_ = not any(node.disabled_at is not None or node.deleted_at is not None for node in chain)
        if live and chain[0].kind is NodeKind.UNIT:
            live += [at for at, node in enumerate(chain) if at and node.kind is not NodeKind.PLATFORM][:1]
        places += [_place(context, chain[at:], account, client, held, offered=open_ and not at) for at in live]
    return places


def held_role_names(context: Context, account: Account, client_id: ClientId, node_id: NodeId) -> list[str]:
    """Return the names of the active roles an account holds at a node: the claim `roles`."""
    now = context.now()
    held = access.list_held_roles(context.database, account.id, client_id)
    return sorted(role.name for role in held if role.node == node_id and role.active(now))


def is_administrator(context: Context, account: Account) -> bool:
    """Return whether the account holds an active administrator's role anywhere."""
    now = context.now()
    return any(role.type == "hierarchy" and role.active(now) for role in access.list_held_roles(context.database, account.id, ""))


def is_administrator_at(context: Context, account: Account, node_id: NodeId) -> bool:
    """Return whether the account holds an active administrator's role at a node."""
    now = context.now()
    held = access.list_held_roles(context.database, account.id, "")
    return any(role.type == "hierarchy" and role.node == node_id and role.active(now) for role in held)


def _place(
    context: Context, chain: Sequence[Node], account: Account, client: RelyingParty, held: Sequence[HeldRole], *, offered: bool
) -> Place:
    """Return what the first node of `chain`, behind which stand those above it, is worth."""
    now, node = context.now(), chain[0]
    here = [role for role in held if role.node == node.id]
    within_issuer = any(above.id == client.node for above in chain)
    # The app asked about is the first that may need no role; the others are looked for only where it does.
    free = within_issuer and client.roleless and client.disabled_at is None
    return Place(
        node=node.id,
        slug=node.slug,
        name=node.name,
        home=node.id == account.home,
        within_issuer=within_issuer,
        granting_role=any(role.grants_app and role.active(now) for role in here),
        active_role=any(role.active(now) for role in here),
        inactive_roles=tuple(role.name for role in here if not role.active(now)),
        role_free_app=free or access.has_role_free_app(context.database, node.id),
        offered=offered,
    )


def _require_offered(context: Context, node_id: NodeId, client_id: str) -> None:
    """Refuse an app that is not registered at the node or above it."""
    chain = nodes.list_chain(context.database, node_id)
    if not any(relying_parties.find_relying_party(context.database, node.id, client_id) for node in chain):
        raise Refusal("E_Resource_Not_Found", field="app", data={"value": client_id})
