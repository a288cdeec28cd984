"""Roles, their apps, and who holds them where."""

from dataclasses import dataclass

import peewee as pw

from gateway.domain.values import AccountId, ClientId, Instant, NodeId, RoleId, comparison_key
from gateway.storage.database import Database, Row, Statement, place, places
from gateway.storage.tables.apps import RelyingParty
from gateway.storage.tables.nodes import NodeAncestry
from gateway.storage.tables.people import Membership, RoleApp, RoleAssignment
from gateway.storage.tables.people import Role as RoleTable

_COLUMNS = (
    RoleTable.id,
    RoleTable.node,
    RoleTable.name,
    RoleTable.type,
    RoleTable.override_level,
    RoleTable.inactivated_at,
    RoleTable.active_from,
)
_BY_NAME = Statement(RoleTable.select(*_COLUMNS).where((RoleTable.node == place("node")) & (RoleTable.name_key == place("name_key"))))
_OF_NODE = Statement(RoleTable.select(*_COLUMNS).where(RoleTable.node == place("node")).order_by(RoleTable.name_key))
_INSERT = Statement(RoleTable.insert(places(RoleTable)))
_INACTIVATE = Statement(RoleTable.update({RoleTable.inactivated_at: place("at")}).where(RoleTable.id == place("id")))
_INSERT_APP = Statement(RoleApp.insert(places(RoleApp)))
_ADD_APP = Statement(RoleApp.insert(places(RoleApp)).on_conflict_ignore())
_APPS = Statement(RoleApp.select(RoleApp.client_id).where(RoleApp.role == place("role")))
_ASSIGN = Statement(RoleAssignment.insert(places(RoleAssignment)).on_conflict_ignore())
_UNASSIGN = Statement(
    RoleAssignment.delete().where(
        (RoleAssignment.account == place("account")) & (RoleAssignment.role == place("role")) & (RoleAssignment.node == place("node"))
    )
)
_ASSIGNED = Statement(RoleAssignment.select(RoleAssignment.role, RoleAssignment.node).where(RoleAssignment.account == place("account")))
_TIES = Statement(
    RoleAssignment.select(RoleAssignment.role, RoleAssignment.node, pw.SQL("0"))
    .where(RoleAssignment.account == place("account"))
    .union_all(
        Membership.select(pw.SQL("''"), Membership.node, Membership.created_at).where(
            (Membership.account == place("account")) & (Membership.state == "accepted")
        )
    )
)
_BY_ID = Statement(RoleTable.select(*_COLUMNS).where(RoleTable.id == place("id")))
_ROLE_FREE = Statement(
    RelyingParty.select(RelyingParty.client_id)
    .join(NodeAncestry, on=(NodeAncestry.ancestor == RelyingParty.node))
    .where(
        (NodeAncestry.descendant == place("node"))
        & (RelyingParty.roleless == 1)
        & RelyingParty.disabled_at.is_null()
        & RelyingParty.deleted_at.is_null()
    )
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Role:
    """A role: it grants apps to those who hold it at a node."""

    id: RoleId
    node: NodeId
    name: str
    type: str
    override_level: int
    inactivated_at: Instant | None
    active_from: Instant | None


@dataclass(frozen=True, slots=True)
class HeldRole:
    """A role that an account holds at a node, and whether it grants the app asked about."""

    node: NodeId
    name: str
    type: str
    inactivated_at: Instant | None
    active_from: Instant | None
    grants_app: bool

    def active(self, now: Instant) -> bool:
        """Return whether the role counts: not inactivated, and past its activation date (R-085, R-087)."""
        return self.inactivated_at is None and (self.active_from is None or self.active_from <= now)


def find_role(database: Database, node_id: NodeId, name: str) -> Role | None:
    """Return a node's role by name."""
    row = database.row(_BY_NAME, node=node_id, name_key=comparison_key(name))
    return Role(*row) if row else None


def list_roles(database: Database, node_id: NodeId) -> list[Role]:
    """Return a node's roles."""
    return [Role(*row) for row in database.rows(_OF_NODE, node=node_id)]


def insert_role(database: Database, role: Role, apps: tuple[ClientId, ...], now: Instant) -> None:
    """Add a role with its apps. Raises Duplicate if the node has one of that name."""
    database.write(
        _INSERT,
        id=role.id,
        node=role.node,
        name=role.name,
        name_key=comparison_key(role.name),
        type=role.type,
        override_level=role.override_level,
        inactivated_at=role.inactivated_at,
        active_from=role.active_from,
        created_at=now,
    )
    database.write_many(_INSERT_APP, [{"role": role.id, "client_id": client_id} for client_id in apps])


def add_app(database: Database, role_id: RoleId, client_id: ClientId) -> None:
    """Let a role grant one app more; twice changes nothing."""
    database.write(_ADD_APP, role=role_id, client_id=client_id)


def list_apps_of_role(database: Database, role_id: RoleId) -> list[ClientId]:
    """Return the apps a role grants."""
    return [ClientId(row[0]) for row in database.rows(_APPS, role=role_id)]


def set_inactivated(database: Database, role_id: RoleId, at: Instant | None) -> None:
    """Inactivate a role, or activate it with None."""
    database.write(_INACTIVATE, id=role_id, at=at)


def assign_role(database: Database, account_id: AccountId, role_id: RoleId, node_id: NodeId, now: Instant) -> None:
    """Give a role by hand; giving it twice changes nothing."""
    database.write(_ASSIGN, account=account_id, role=role_id, node=node_id, source="manual", created_at=now)


def unassign_role(database: Database, account_id: AccountId, role_id: RoleId, node_id: NodeId) -> bool:
    """Take a role away; return whether it was held."""
    return database.write(_UNASSIGN, account=account_id, role=role_id, node=node_id) > 0


def list_held_roles(database: Database, account_id: AccountId, client_id: str) -> list[HeldRole]:
    """Return the roles an account holds anywhere, each with whether it grants the app."""
    held = [_held(database, role_id, node, client_id) for role_id, node in database.rows(_ASSIGNED, account=account_id)]
    return sorted(held, key=_name_of)


def list_ties(database: Database, account_id: AccountId, client_id: str) -> tuple[list[HeldRole], list[NodeId]]:
    """Return the same roles, and the nodes that an account belongs to by accepted membership, the eldest first; by one statement."""
    rows = database.rows(_TIES, account=account_id)
    held = [_held(database, role_id, node, client_id) for role_id, node, _ in rows if role_id]
    memberships = sorted((row for row in rows if not row[0]), key=_age_of)
    return sorted(held, key=_name_of), [row[1] for row in memberships]


def _name_of(role: HeldRole) -> str:
    return role.name


def _age_of(row: Row) -> int:
    return int(row[2])


def _held(database: Database, role_id: RoleId, node: NodeId, client_id: str) -> HeldRole:
    role = database.remembered(_BY_ID, lambda rows: Role(*rows[0]), id=role_id)
    if role is None:
        message = f"nobody can hold the role {role_id}, which is not there"
        raise AssertionError(message)
    apps = database.remembered(_APPS, lambda rows: frozenset(row[0] for row in rows), role=role_id) or ()
    return HeldRole(node, role.name, role.type, role.inactivated_at, role.active_from, grants_app=client_id in apps)


def has_role_free_app(database: Database, node_id: NodeId) -> bool:
    """Return whether any app that needs no role is offered at a node: registered there or above."""
    return database.remembered(_ROLE_FREE, bool, node=node_id) is not None
