"""`moongate scim-connection`: how directories push people into a tenant."""

from dataclasses import replace

import click

from gateway.cli.command import Result, command, context, moment, node_of, tenant_option
from gateway.domain.connections import PROFILE_NAMES, Adoption, Connection, Token
from gateway.domain.nodes import Node
from gateway.domain.values import ProviderId
from gateway.services import connections, identity_providers
from gateway.services.connections import Issued, NewConnection
from gateway.services.context import Context


@click.group("scim-connection")
def group() -> None:
    """SCIM connections: a directory, its tokens, and its switches."""


_connection = click.argument("connection", metavar="ID")
_days = click.option(
    "--days", default=connections.DEFAULT_DAYS, show_default=True, type=click.IntRange(1), help="How long the token lives."
)
_idp = click.option("--idp", default=None, metavar="KEY", help="The identity provider by which its people sign in.")
_profile = click.Choice(PROFILE_NAMES)
_yes_no = click.Choice(["yes", "no"])


@command(group, "create")
@tenant_option
@click.option("--name", required=True)
@click.option("--profile", default="entra", show_default=True, type=_profile, help="How the directory speaks.")
@_idp
@_days
def create(*, slug: str, name: str, profile: str, idp: str | None, days: int) -> Result:
    """Create a connection with its first token, shown once."""
    act = context()
    node = node_of(act, slug)
    provider = _provider(act, node, idp) if idp else None
    issued = connections.create_connection(act, node, NewConnection(name, profile=profile, provider=provider, days=days))
    return {"id": issued.connection.id, "base_url": node.scim_base} | _once(issued)


@command(group, "list")
@tenant_option
def list_(*, slug: str) -> Result:
    """List a tenant's connections."""
    act = context()
    node = node_of(act, slug)
    return [_as_result(act, node, connection) for connection in connections.list_connections(act, node)]


@command(group, "show")
@tenant_option
@_connection
def show(*, slug: str, connection: str) -> Result:
    """Show a connection, its switches and its tokens (never their secrets, which nobody has)."""
    act = context()
    node = node_of(act, slug)
    found = connections.get_connection(act, node, connection)
    tokens = [_token(token) for token in connections.list_tokens(act, found)]
    return _as_result(act, node, found) | {"base_url": node.scim_base, "tokens": tokens}


@command(group, "set")
@tenant_option
@_connection
@click.option("--name", default=None)
@click.option("--profile", default=None, type=_profile)
@click.option("--idp", default=None, metavar="KEY", help="The identity provider by which its people sign in; empty: none.")
@click.option("--patch-reply", default=None, type=click.Choice(["200", "204"]), help="What a successful PATCH of a user answers.")
@click.option("--adopt", default=None, type=_yes_no, help="Whether accounts that nobody manages may be taken over.")
@click.option("--unknown", default=None, type=click.Choice(["refuse", "drop", "ignore"]), help="What becomes of unknown attributes.")
@click.option("--rate", default=None, type=click.IntRange(1), help="Requests a second.")
@click.option("--disabled", default=None, type=_yes_no)
def set_(
    *,
    slug: str,
    connection: str,
    idp: str | None,
    patch_reply: str | None,
    adopt: str | None,
    disabled: str | None,
    **plain: str | int | None,
) -> Result:
    """Change a connection's name, profile, identity provider and switches."""
    act = context()
    node = node_of(act, slug)
    before = connections.get_connection(act, node, connection)
    after = replace(before, **{name: value for name, value in plain.items() if value is not None})  # type: ignore[arg-type]  # click typed them
    if idp is not None:
        after = replace(after, provider=_provider(act, node, idp) if idp else None)
    if patch_reply is not None:
        after = replace(after, patch_reply=int(patch_reply))
    if adopt is not None:
        after = replace(after, adoption=Adoption.ADOPT if adopt == "yes" else Adoption.REFUSE)
    if disabled is not None:
        after = replace(after, disabled_at=(before.disabled_at or act.now()) if disabled == "yes" else None)
    return _as_result(act, node, connections.change_connection(act, node, before, after))


@command(group, "add-token")
@tenant_option
@_connection
@_days
def add_token(*, slug: str, connection: str, days: int) -> Result:
    """Add a token beside those alive; it is shown once."""
    act = context()
    issued = connections.add_token(act, connections.get_connection(act, node_of(act, slug), connection), days=days)
    return {"id": issued.connection.id, "token_id": issued.token.id} | _once(issued)


@command(group, "revoke-token")
@tenant_option
@_connection
@click.argument("token", metavar="TOKEN_ID")
def revoke_token(*, slug: str, connection: str, token: str) -> Result:
    """Revoke a token at once."""
    act = context()
    connections.revoke_token(act, connections.get_connection(act, node_of(act, slug), connection), token)
    return None


@command(group, "delete")
@tenant_option
@_connection
def delete(*, slug: str, connection: str) -> Result:
    """Delete a connection; the people it managed stay, managed by nobody."""
    act = context()
    connections.delete_connection(act, connections.get_connection(act, node_of(act, slug), connection))
    return None


def _once(issued: Issued) -> dict[str, object]:
    return {"token": issued.secret, "expires_at": moment(issued.token.expires_at)}


def _provider(act: Context, node: Node, key: str) -> ProviderId:
    return identity_providers.get_provider(act, node, key).id


def _as_result(act: Context, node: Node, connection: Connection) -> dict[str, object]:
    keys = {provider.id: provider.key for provider in identity_providers.list_providers(act, node)}
    return {
        "id": connection.id,
        "name": connection.name,
        "profile": connection.profile,
        "idp": keys.get(connection.provider, connection.provider) if connection.provider else None,
        "patch_reply": connection.patch_reply or None,
        "adopt": connection.adoption is Adoption.ADOPT,
        "unknown": connection.unknown or None,
        "rate": connection.requests_per_second,
        "status": "enabled" if connection.disabled_at is None else "disabled",
    }


def _token(token: Token) -> dict[str, object]:
    return {
        "id": token.id,
        "created_at": moment(token.created_at),
        "expires_at": moment(token.expires_at),
        "revoked_at": moment(token.revoked_at),
        "last_used_at": moment(token.last_used_at),
    }
