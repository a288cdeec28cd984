"""`moongate group`: groups of people, and who is in them."""

import click

from gateway.cli.command import Result, command, context, node_of, tenant_option
from gateway.domain.groups import AddMembers, Group, RemoveMembers
from gateway.domain.nodes import Node
from gateway.services import groups, people
from gateway.services.context import Context
from gateway.services.groups import Wanted
from gateway.storage.group_members import Member


@click.group("group")
def group() -> None:
    """Groups of people; those that a directory pushes are changed there."""


def as_result(found: Group) -> dict[str, object]:
    """Return a group as every command shows it."""
    return {"id": found.id, "name": found.display_name, "managed_by": found.managed_by, "version": found.version}


@command(group, "create")
@tenant_option
@click.argument("name")
@click.argument("logins", nargs=-1, metavar="[LOGIN]...")
def create(*, slug: str, name: str, logins: tuple[str, ...]) -> Result:
    """Create a group, with members at once if wanted."""
    act = context()
    node = node_of(act, slug)
    made = groups.create_group(act, node, Wanted(name, None, (AddMembers(_ids(act, node, logins)),)))
    return as_result(made.seen.group) | {"added": len(made.added)}


@command(group, "list")
@tenant_option
def list_all(*, slug: str) -> Result:
    """List the groups of a tenant."""
    act = context()
    return [as_result(found) for found in groups.list_groups(act, node_of(act, slug))]


@command(group, "show")
@tenant_option
@click.argument("name")
def show(*, slug: str, name: str) -> Result:
    """Show a group with its members."""
    act = context()
    found = groups.get_group_by_name(act, node_of(act, slug), name)
    return as_result(found) | {"members": [_member(member) for member in groups.list_members(act, found)]}


@command(group, "add")
@tenant_option
@click.argument("name")
@click.argument("logins", nargs=-1, required=True, metavar="LOGIN...")
def add(*, slug: str, name: str, logins: tuple[str, ...]) -> Result:
    """Add people to a group."""
    act = context()
    node = node_of(act, slug)
    found = groups.get_group_by_name(act, node, name)
    outcome = groups.change_members_by_hand(act, found, [AddMembers(_ids(act, node, logins))])
    return as_result(outcome.seen.group) | {"added": len(outcome.added)}


@command(group, "remove")
@tenant_option
@click.argument("name")
@click.argument("logins", nargs=-1, required=True, metavar="LOGIN...")
def remove(*, slug: str, name: str, logins: tuple[str, ...]) -> Result:
    """Take people out of a group."""
    act = context()
    node = node_of(act, slug)
    found = groups.get_group_by_name(act, node, name)
    outcome = groups.change_members_by_hand(act, found, [RemoveMembers(_ids(act, node, logins))])
    return as_result(outcome.seen.group) | {"removed": len(outcome.removed)}


@command(group, "delete")
@tenant_option
@click.argument("name")
def delete(*, slug: str, name: str) -> Result:
    """Delete a group; its members stay."""
    act = context()
    found = groups.get_group_by_name(act, node_of(act, slug), name)
    groups.delete_group(act, found)
    return {"id": found.id, "name": found.display_name, "deleted": True}


def _member(member: Member) -> dict[str, object]:
    return {"id": member.id, "type": member.type or "unknown", "login": member.login or None, "name": member.display or None}


def _ids(act: Context, node: Node, logins: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(people.get_person(act, node, login).id for login in logins)
