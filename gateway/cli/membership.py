"""`moongate membership`: people of one tenant who belong to another as well."""

import click

from gateway.cli.command import Result, command, context, moment, node_of, tenant_option
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.services import memberships
from gateway.services.context import Context
from gateway.storage.people import Membership


@click.group("membership")
def group() -> None:
    """Memberships: one person, several tenants."""


_login = click.argument("login")
_home = click.option("--home", default="", metavar="SLUG", help="Whose names to look in, where a login exists more than once.")
_name = click.option("--name", default="", metavar="LOGIN", help="What the person is called at the tenant, where their login is taken.")
_roles = click.option("--role", "roles", multiple=True, metavar="ROLE", help="A role held at the tenant; may be given several times.")


@command(group, "add")
@tenant_option
@_login
@_home
@_name
@_roles
@click.option("--propose", is_flag=True, help="Let the person, or the administrator of their home, accept it first.")
def add(*, slug: str, login: str, home: str, name: str, roles: tuple[str, ...], propose: bool) -> Result:
    """Make somebody a member of a tenant."""
    if propose and (roles or name):
        raise click.UsageError("--role and --name are given when the proposal is accepted.")
    act = context()
    node = node_of(act, slug)
    account = _account(act, login, home)
    if propose:
        return _as_result(node, account, memberships.propose(act, node, account))
    return _as_result(node, account, memberships.add(act, node, account, roles=roles, name=name))


@command(group, "accept")
@tenant_option
@_login
@_home
@_name
@_roles
def accept(*, slug: str, login: str, home: str, name: str, roles: tuple[str, ...]) -> Result:
    """Accept a proposed membership for the person's home."""
    act = context()
    node = node_of(act, slug)
    account = _account(act, login, home)
    return _as_result(node, account, memberships.accept(act, node, account, roles=roles, name=name))


@command(group, "remove")
@tenant_option
@_login
@_home
def remove(*, slug: str, login: str, home: str) -> Result:
    """End a membership: its roles go, and the person is signed out everywhere."""
    act = context()
    memberships.remove(act, node_of(act, slug), _account(act, login, home))
    return None


@command(group, "list")
@tenant_option
def list_(*, slug: str) -> Result:
    """List the members of a tenant, proposed ones too."""
    act = context()
    return [
        {"login": member.login, "state": member.state, "proposed_by": member.proposed_by, "accepted_at": moment(member.accepted_at)}
        for member in memberships.list_members(act, node_of(act, slug))
    ]


def _account(act: Context, login: str, home: str) -> Account:
    return memberships.find_person(act, login, home=node_of(act, home) if home else None)


def _as_result(node: Node, account: Account, membership: Membership) -> dict[str, object]:
    return {
        "tenant": node.slug,
        "login": account.login,
        "state": membership.state,
        "proposed_by": membership.proposed_by,
        "accepted_at": moment(membership.accepted_at),
    }
