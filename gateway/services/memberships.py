"""Memberships: somebody belongs to a further node, each with roles of its own, while their home never changes (decisions.md 7, 8).

Two ends must agree: the node that wants a person, and the person or the administrator of their home. Where the one who acts stands
above both, that is agreement enough; else a proposal waits for the other end.
"""

from collections.abc import Sequence

from gateway.domain.audit import Event
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.people import Account, AccountType
from gateway.domain.values import comparison_key
from gateway.services import access, sessions
from gateway.services.context import Context
from gateway.storage import candidates, memberships, nodes, people
from gateway.storage.database import Duplicate
from gateway.storage.memberships import Member
from gateway.storage.people import Membership

PROPOSED = "proposed"
ACCEPTED = "accepted"


def add(context: Context, node: Node, account: Account, *, roles: Sequence[str] = (), name: str = "") -> Membership:
    """Make somebody a member at once: for an actor whose scope holds both ends.

    `name` is what they are called in the node's namespace; empty: their login. Refuses a name that is taken there with `E_Login_Taken`:
    the actor gives another.
    """
    with context.database.transaction():
        people.hold_account(context.database, account.id)
        existing = _find(context, node, account)
        if existing is not None and existing.state == PROPOSED:
            return _accept(context, node, existing, account, name=name, roles=roles)
        _insert(context, node, account, ACCEPTED)
        _add_name(context, node, account, name)
        for role in roles:
            access.grant_role(context, node.id, account, role)
        detail = {"login": account.login, "roles": list(roles)}
        context.publish(Event(node.id, "membership.added", "person", account.id, detail=detail))
        return _get(context, node, account)


def propose(context: Context, node: Node, account: Account) -> Membership:
    """Ask for somebody whose home is out of the actor's scope; it is worth nothing until it is accepted."""
    with context.database.transaction():
        people.hold_account(context.database, account.id)
        membership = _insert(context, node, account, PROPOSED)
        context.publish(Event(node.id, "membership.proposed", "person", account.id, detail={"login": account.login}))
        return membership


def accept(context: Context, node: Node, account: Account, *, roles: Sequence[str] = (), name: str = "") -> Membership:
    """Accept a proposal: for the person, signed in by home means, or an administrator of their home."""
    with context.database.transaction():
        people.hold_account(context.database, account.id)
        membership = _get(context, node, account)
        if membership.state == ACCEPTED:
            return membership
        return _accept(context, node, membership, account, name=name, roles=roles)


def remove(context: Context, node: Node, account: Account) -> None:
    """End a membership or turn down a proposal: the roles held there go, the name there is free, and the person is signed out everywhere.

    Everywhere, because a session is not bound to the tenant somebody acts in: nothing obtained there may outlive the membership.
    """
    with context.database.transaction():
        people.hold_account(context.database, account.id)
        if not people.delete_membership(context.database, account.id, node.id):
            raise Refusal("E_Resource_Not_Found", field="login", data={"value": account.login}, reason=f"no member of {node.slug}")
        roles = 0 if nodes.is_within(context.database, account.home, node.id) else _take_roles(context, node, account)
        if not memberships.has_other_membership(context.database, account.id, node.namespace, beside=node.id):
            memberships.delete_member_name(context.database, account.id, node.namespace)
        sessions.end_all_of_account(context, account, "membership removed")
        context.publish(Event(node.id, "membership.removed", "person", account.id, detail={"login": account.login, "roles": roles}))


def list_members(context: Context, node: Node) -> Sequence[Member]:
    """Return a node's members, proposed ones too."""
    return memberships.list_members(context.database, node.id)


def list_of_account(context: Context, account: Account) -> Sequence[Membership]:
    """Return the memberships of one person, proposed ones too."""
    return people.list_memberships(context.database, account.id)


def find_person(context: Context, login: str, *, home: Node | None) -> Account:
    """Return the live account of a login, wherever it lives, or refuse; for an actor above all tenants.

    `home` says in whose names to look; without it the login must be unique in the whole installation.
    """
    if home is not None:
        account = people.find_account_by_name(context.database, home.namespace, login)
        found = [account] if account is not None else []
    else:
        key = comparison_key(login)
        found = [account for account in candidates.list_by_login(context.database, key) if account.deleted_at is None]
    if not found:
        raise Refusal("E_Resource_Not_Found", field="login", data={"value": login})
    if len(found) > 1:
        raise Refusal("E_Ambiguous_User", field="login", data={"value": login, "criterion": "login"}, reason="say whose with --home SLUG")
    return found[0]


def get_belonging(context: Context, node: Node, login: str) -> Account:
    """Return the live account that signs in by a login at a node and belongs there, by home or by accepted membership, or refuse."""
    account = people.find_account_by_name(context.database, node.namespace, login)
    if account is not None and account.deleted_at is None and _belongs(context, node, account):
        return account
    raise Refusal("E_Resource_Not_Found", field="login", data={"value": login})


def _belongs(context: Context, node: Node, account: Account) -> bool:
    if nodes.is_within(context.database, account.home, node.id):
        return True
    membership = _find(context, node, account)
    return membership is not None and membership.state == ACCEPTED


def _insert(context: Context, node: Node, account: Account, state: str) -> Membership:
    if account.deleted_at is not None or account.type is not AccountType.HUMAN:
        raise Refusal("E_Resource_Not_Found", field="login", data={"value": account.login}, reason="only live people become members")
    if account.home == node.id:
        raise Refusal("E_Field_Invalid", field="login", data={"field": "login", "rule": "the account of another tenant: this is its home"})
    now = context.now()
    membership = Membership(account.id, node.id, state, context.actor.id or context.actor.kind, now, now if state == ACCEPTED else None)
    try:
        people.insert_membership(context.database, membership)
    except Duplicate as error:
        rule = "no member of this tenant yet"
        raise Refusal("E_Field_Invalid", field="login", data={"field": "login", "rule": rule}) from error
    return membership


def _accept(context: Context, node: Node, membership: Membership, account: Account, *, name: str, roles: Sequence[str]) -> Membership:
    people.accept_membership(context.database, account.id, node.id, context.now())
    _add_name(context, node, account, name)
    for role in roles:
        access.grant_role(context, node.id, account, role)
    detail = {"login": account.login, "proposed_by": membership.proposed_by, "roles": list(roles)}
    context.publish(Event(node.id, "membership.accepted", "person", account.id, detail=detail))
    return _get(context, node, account)


def _add_name(context: Context, node: Node, account: Account, name: str) -> None:
    """Let a member sign in at the node by a name of its namespace; a namespace that has one already needs none (decisions.md 2)."""
    if memberships.has_name(context.database, account.id, node.namespace):
        return
    try:
        people.insert_name(context.database, node.namespace, name or account.login, account.id, "member")
    except Duplicate as error:
        reason = f"{node.slug} has somebody of that name: give this member another with --name"
        raise Refusal("E_Login_Taken", field="name", data={"value": name or account.login}, reason=reason) from error


def _take_roles(context: Context, node: Node, account: Account) -> int:
    return memberships.delete_roles_below(context.database, account.id, node.id)


def _find(context: Context, node: Node, account: Account) -> Membership | None:
    return next((item for item in people.list_memberships(context.database, account.id) if item.node == node.id), None)


def _get(context: Context, node: Node, account: Account) -> Membership:
    membership = _find(context, node, account)
    if membership is None:
        raise Refusal("E_Resource_Not_Found", field="login", data={"value": account.login}, reason=f"no member of {node.slug}")
    return membership
