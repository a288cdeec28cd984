"""`moongate role`: roles, and who holds them where."""

import click

from gateway.cli.command import Result, command, context, moment, node_of, tenant_option
from gateway.services import access, memberships, roles
from gateway.storage.access import Role


@click.group("role")
def group() -> None:
    """Roles: they grant apps to those who hold them."""


_name = click.argument("name")


@command(group, "create")
@tenant_option
@_name
@click.option("--type", "kind", default="tenant", show_default=True, type=click.Choice(access.TYPES))
@click.option("--app", "apps", multiple=True, metavar="CLIENT_ID", help="An app it grants; may be given several times.")
@click.option("--level", default=0, show_default=True, type=click.IntRange(0, 3), help="Validation Override Level.")
def create(*, slug: str, name: str, kind: str, apps: tuple[str, ...], level: int) -> Result:
    """Create a role."""
    act = context()
    return _as_result(access.create_role(act, node_of(act, slug).id, name, kind=kind, apps=apps, level=level)) | {"apps": apps}


@command(group, "list")
@tenant_option
def list_(*, slug: str) -> Result:
    """List the roles defined at a tenant."""
    act = context()
    return [_as_result(role) for role in roles.list_roles(act, node_of(act, slug))]


@command(group, "show")
@tenant_option
@_name
def show(*, slug: str, name: str) -> Result:
    """Show a role, the apps it grants, and who holds it at the tenant and below."""
    act = context()
    view = roles.get_view(act, node_of(act, slug), name)
    holders = [{"login": holder.login, "tenant": holder.slug, "source": holder.source} for holder in view.holders]
    return _as_result(view.role) | {"apps": list(view.apps), "holders": holders}


@command(group, "grant")
@tenant_option
@_name
@click.argument("login")
def grant(*, slug: str, name: str, login: str) -> Result:
    """Give a role to somebody who belongs to the tenant."""
    act = context()
    node = node_of(act, slug)
    account = memberships.get_belonging(act, node, login)
    access.grant_role(act, node.id, account, name)
    return {"login": account.login, "role": name, "tenant": node.slug}


@command(group, "revoke")
@tenant_option
@_name
@click.argument("login")
def revoke(*, slug: str, name: str, login: str) -> Result:
    """Take a role away."""
    act = context()
    node = node_of(act, slug)
    return {"revoked": access.revoke_role(act, node.id, memberships.get_belonging(act, node, login), name)}


@command(group, "inactivate")
@tenant_option
@_name
def inactivate(*, slug: str, name: str) -> Result:
    """Let a role count for nothing until it is activated again."""
    return _set_active(slug, name, active=False)


@command(group, "activate")
@tenant_option
@_name
def activate(*, slug: str, name: str) -> Result:
    """Let an inactivated role count again."""
    return _set_active(slug, name, active=True)


def _set_active(slug: str, name: str, *, active: bool) -> Result:
    act = context()
    node = node_of(act, slug)
    access.set_role_active(act, node.id, name, active=active)
    return _as_result(access.get_role(act, node.id, name))


def _as_result(role: Role) -> dict[str, object]:
    return {
        "id": role.id,
        "name": role.name,
        "type": role.type,
        "level": role.override_level,
        "status": "inactive" if role.inactivated_at is not None else "active",
        "inactivated_at": moment(role.inactivated_at),
        "active_from": moment(role.active_from),
    }
