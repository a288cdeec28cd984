"""`moongate client`: the apps that rely on an issuer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gateway.cli.command import Result, command, context, node_of, tenant_option
from gateway.domain.errors import Refusal
from gateway.domain.relying_party import SCOPES, AuthMethod, RelyingParty
from gateway.services import keys, relying_parties
from gateway.services.context import Context
from gateway.services.relying_parties import DEFAULT_GRANTS, GRANTS, NewRelyingParty

_LISTS = {
    "redirect_uri": "redirect_uris",
    "post_logout_redirect_uri": "post_logout_redirect_uris",
    "grant": "grants",
    "scope": "scopes",
    "resource": "resources",
}
"""Options that may come several times, and the fields they replace as a whole."""


@click.group("client")
def group() -> None:
    """Apps (relying parties) of a tenant."""


def _editable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that both register and set an app."""
    options = (
        click.option("--redirect-uri", multiple=True, metavar="URI", help="Where answers may go; exact, several times."),
        click.option("--post-logout-redirect-uri", multiple=True, metavar="URI"),
        click.option("--backchannel-logout-uri", metavar="URI", help="Called when somebody is signed out."),
        click.option("--grant", multiple=True, type=click.Choice(GRANTS)),
        click.option("--scope", multiple=True, metavar="SCOPE"),
        click.option("--resource", multiple=True, metavar="URI", help="An API that access tokens may be for (RFC 8707)."),
        click.option("--first-party/--third-party", "first_party", default=None),
        click.option(
            "--roleless/--by-role", "roleless", default=None, help="Everybody of the tenant may use it, or who has a role for it."
        ),
        click.option("--pkce", type=click.Choice(["required", "optional"]), help="Optional only for old apps that keep a secret."),
        click.option("--id-token-alg", type=click.Choice(keys.ALGORITHMS)),
        click.option("--access-token-alg", type=click.Choice(keys.ALGORITHMS)),
        click.option(
            "--jwks", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File of public keys, for private_key_jwt."
        ),
        click.option("--jwks-uri", metavar="URI", help="Where the app publishes them instead."),
        click.option("--second-factor-unsupported/--second-factor-supported", "second_factor_unsupported", default=None),
    )
    for option in reversed(options):
        function = option(function)
    return function


@command(group, "register")
@tenant_option
@click.option("--name", required=True)
@click.option("--public", is_flag=True, help="It can keep no secret: a page or a native app.")
@click.option("--auth-method", type=click.Choice([method.value for method in AuthMethod]), help="How it proves itself.")
@click.option("--role", "roles", multiple=True, metavar="NAME", help="A role that grants the app; made where it does not exist.")
@_editable
def register(*, slug: str, name: str, public: bool, auth_method: str | None, roles: tuple[str, ...], **options: Any) -> Result:
    """Register an app; its secret is shown once."""
    act = context()
    node = node_of(act, slug)
    fields = {"grants": DEFAULT_GRANTS, "scopes": SCOPES} | _fields(options)
    is_public = public or auth_method == AuthMethod.NONE
    new = NewRelyingParty(name=name, public=is_public, auth_method=auth_method or "", roles=roles, **fields)
    party, secret = relying_parties.register(act, node.id, new)
    return {"client_id": party.client_id, "client_secret": secret or None}


@command(group, "list")
@tenant_option
def list_(*, slug: str) -> Result:
    """List the apps of a tenant."""
    act = context()
    return [as_result(party) for party in relying_parties.list_of_node(act, node_of(act, slug).id)]


@command(group, "show")
@tenant_option
@click.argument("client_id")
def show(*, slug: str, client_id: str) -> Result:
    """Show an app; its secret is never shown again."""
    return as_result(_party(context(), slug, client_id))


@command(group, "set")
@tenant_option
@click.argument("client_id")
@click.option("--name")
@_editable
def set_(*, slug: str, client_id: str, name: str | None, **options: Any) -> Result:
    """Change an app; an option that may come several times replaces the whole list."""
    act = context()
    changes = _fields(options) | ({"name": name} if name is not None else {})
    if not changes:
        raise Refusal("E_Field_Required", field="option", data={"field": "option that says what to change"})
    return as_result(relying_parties.change(act, _party(act, slug, client_id), changes))


@command(group, "rotate-secret")
@tenant_option
@click.argument("client_id")
def rotate_secret(*, slug: str, client_id: str) -> Result:
    """Make a new secret, shown once; the old one works for another day."""
    act = context()
    party = _party(act, slug, client_id)
    return {"client_id": party.client_id, "client_secret": relying_parties.rotate_secret(act, party)}


@command(group, "disable")
@tenant_option
@click.argument("client_id")
def disable(*, slug: str, client_id: str) -> Result:
    """Switch an app off: all it was granted ends at once."""
    act = context()
    relying_parties.set_disabled(act, _party(act, slug, client_id), disabled=True)
    return as_result(_party(act, slug, client_id))


@command(group, "enable")
@tenant_option
@click.argument("client_id")
def enable(*, slug: str, client_id: str) -> Result:
    """Switch an app on again; people sign in to it anew."""
    act = context()
    relying_parties.set_disabled(act, _party(act, slug, client_id), disabled=False)
    return as_result(_party(act, slug, client_id))


@command(group, "delete")
@tenant_option
@click.argument("client_id")
def delete(*, slug: str, client_id: str) -> Result:
    """Delete an app: all it was granted ends at once, and its id is never used again."""
    act = context()
    relying_parties.delete(act, _party(act, slug, client_id))
    return {"client_id": client_id, "status": "deleted"}


def as_result(party: RelyingParty) -> dict[str, object]:
    """Return an app as every command shows it."""
    return {
        "client_id": party.client_id,
        "name": party.name,
        "status": "enabled" if party.disabled_at is None else "disabled",
        "auth_method": party.auth_method,
        "redirect_uris": list(party.redirect_uris),
        "post_logout_redirect_uris": list(party.post_logout_redirect_uris),
        "backchannel_logout_uri": party.backchannel_logout_uri,
        "grants": list(party.grants),
        "scopes": list(party.scopes),
        "resources": list(party.resources),
        "roleless": party.roleless,
        "first_party": party.first_party,
        "pkce": "required" if party.pkce_required else "optional",
        "id_token_alg": party.id_token_alg,
        "access_token_alg": party.access_token_alg,
        "second_factor_unsupported": party.second_factor_unsupported,
        "jwks_uri": party.jwks_uri,
    }


def _party(act: Context, slug: str, client_id: str) -> RelyingParty:
    return relying_parties.get_relying_party(act, node_of(act, slug).id, client_id)


def _fields(options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that the options given set; those not given are not there."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if "pkce" in given:
        given["pkce_required"] = given.pop("pkce") == "required"
    if "jwks" in given:
        given["jwks"] = given["jwks"].read_text("utf-8")
    return {_LISTS.get(name, name): value for name, value in given.items()}
