"""What memberships need beside their rows: names in the namespaces they lead to, and the roles held there."""

from dataclasses import dataclass

from gateway.domain.values import AccountId, Instant, NamespaceId, NodeId, RoleId
from gateway.storage.database import Database, Statement, place
from gateway.storage.tables.nodes import Node, NodeAncestry
from gateway.storage.tables.people import Account, Membership, RoleAssignment, SignInName

_OF_NODE = Statement(
    Membership.select(
        Account.id, Account.login, Account.home, Membership.state, Membership.proposed_by, Membership.created_at, Membership.accepted_at
    )
    .join(Account, on=(Account.id == Membership.account))
    .where((Membership.node == place("node")) & Account.deleted_at.is_null())
    .order_by(Account.login_key)
)
_NAME_HERE = Statement(
    SignInName.select(SignInName.name_key).where((SignInName.account == place("account")) & (SignInName.namespace == place("namespace")))
)
_DELETE_MEMBER_NAME = Statement(
    SignInName.delete().where(
        (SignInName.account == place("account")) & (SignInName.namespace == place("namespace")) & (SignInName.kind == "member")
    )
)
_OTHER_MEMBERSHIP = Statement(
    Membership.select(Membership.node)
    .join(Node, on=(Node.id == Membership.node))
    .where(
        (Membership.account == place("account"))
        & (Node.namespace == place("namespace"))
        & (Membership.node != place("node"))
        & (Membership.state == "accepted")
    )
    .limit(1)
)
_DELETE_ROLES = Statement(
    RoleAssignment.delete().where(
        (RoleAssignment.account == place("account"))
        & RoleAssignment.node.in_(NodeAncestry.select(NodeAncestry.descendant).where(NodeAncestry.ancestor == place("node")))
    )
)
_HOLDERS = Statement(
    RoleAssignment.select(Account.id, Account.login, Node.slug, RoleAssignment.source)
    .join(Account, on=(Account.id == RoleAssignment.account))
    .join(Node, on=(Node.id == RoleAssignment.node))
    .join(NodeAncestry, on=(NodeAncestry.descendant == RoleAssignment.node))
    .where((RoleAssignment.role == place("role")) & (NodeAncestry.ancestor == place("node")) & Account.deleted_at.is_null())
    .order_by(Account.login_key, Node.slug)
)


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who belongs to a node without living there."""

    account: AccountId
    login: str
    home: NodeId
    state: str
    """`proposed` or `accepted`."""
    proposed_by: str
    created_at: Instant
    accepted_at: Instant | None


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who holds a role somewhere."""

    account: AccountId
    login: str
    slug: str
    """Where it is held."""
    source: str


def list_members(database: Database, node_id: NodeId) -> list[Member]:
    """Return a node's members, proposed ones too, by login."""
    return [Member(*row) for row in database.rows(_OF_NODE, node=node_id)]


def has_name(database: Database, account_id: AccountId, namespace: NamespaceId) -> bool:
    """Return whether the account can sign in by some name of a namespace."""
    return database.row(_NAME_HERE, account=account_id, namespace=namespace) is not None


def delete_member_name(database: Database, account_id: AccountId, namespace: NamespaceId) -> None:
    """Free the name that a membership wrote into a namespace."""
    database.write(_DELETE_MEMBER_NAME, account=account_id, namespace=namespace)


def has_other_membership(database: Database, account_id: AccountId, namespace: NamespaceId, *, beside: NodeId) -> bool:
    """Return whether an account is a member of another node that uses the namespace."""
    return database.row(_OTHER_MEMBERSHIP, account=account_id, namespace=namespace, node=beside) is not None


def delete_roles_below(database: Database, account_id: AccountId, node_id: NodeId) -> int:
    """Take away every role an account holds at a node or below it; return how many there were."""
    return database.write(_DELETE_ROLES, account=account_id, node=node_id)


def list_holders(database: Database, role_id: RoleId, node_id: NodeId) -> list[Holder]:
    """Return who holds a role at a node or below it."""
    return [Holder(*row) for row in database.rows(_HOLDERS, role=role_id, node=node_id)]
