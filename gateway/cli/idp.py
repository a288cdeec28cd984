"""`moongate idp`: the identity providers of a tenant."""

import sys
from collections.abc import Callable
from typing import Any

import click

from gateway.cli.command import Result, command, house, node_of, tenant_option
from gateway.domain.identity import Criterion, EmailTrust, IdentityProvider, Vendor
from gateway.domain.nodes import Node
from gateway.http import endpoints
from gateway.services import identity_providers
from gateway.services.house import OPERATOR
from gateway.services.identity_providers import Changes, NewProvider


@click.group("idp")
def group() -> None:
    """Identity providers: who vouches for a tenant's people."""


def as_result(node: Node, provider: IdentityProvider) -> dict[str, object]:
    """Return a provider as every command shows it."""
    return {
        "key": provider.key,
        "name": provider.name,
        "issuer": provider.issuer,
        "client_id": provider.client_id,
        "redirect_uri": endpoints.below(node, endpoints.federation_callback(provider.key)),
        "backchannel_logout_uri": endpoints.below(node, endpoints.federation_backchannel_logout(provider.key)),
        "status": "active" if provider.active else "inactive",
        "vendor": provider.vendor,
        "matching": provider.matching,
        "claim": provider.claim,
        "exact_case": provider.exact_case,
        "email_trust": provider.email_trust,
        "external_id_claim": provider.external_id_claim,
        "link_only": provider.link_only,
        "jit": provider.jit,
        "mfa_amr": provider.mfa_amr,
        "mfa_acr": provider.mfa_acr,
        "auth_method": provider.auth_method,
        "algorithms": provider.algorithms,
        "issuer_tenants": provider.issuer_tenants,
        "tested": provider.tested_at is not None,
    }


def _key(function: Callable[..., Result]) -> Callable[..., Result]:
    return click.argument("key")(function)


def _rules(function: Callable[..., Result]) -> Callable[..., Result]:
    """Add the options that `add` and `set` share."""
    options = (
        click.option("--name", help="What its button says."),
        click.option("--matching", type=click.Choice([item.value for item in Criterion]), help="What makes the first link."),
        click.option("--claim", help="The one claim that custom login compares."),
        click.option("--exact-case/--any-case", "exact_case", default=None, help="Whether the case of a custom login counts."),
        click.option("--email-trust", type=click.Choice([item.value for item in EmailTrust]), help="What stands in for email_verified."),
        click.option("--external-id-claim", help="The one claim that external id compares."),
        click.option("--link-only/--sign-in", "link_only", default=None, help="Whether it only links accounts."),
        click.option(
            "--jit/--no-jit", "jit", default=None, help="Whether people nobody provisioned get an account, in proved domains alone."
        ),
        click.option("--jit-role", metavar="NAME", help="The role that such an account gets."),
        click.option("--mfa-amr", multiple=True, metavar="V", help="A value of amr that proves a second factor."),
        click.option("--mfa-acr", multiple=True, metavar="V", help="A value of acr that proves a second factor."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _chosen(options: dict[str, Any]) -> dict[str, Any]:
    """Return the shared options that were given, as the services take them."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if "matching" in given:
        given["matching"] = Criterion(given["matching"])
    if "email_trust" in given:
        given["email_trust"] = EmailTrust(given["email_trust"])
    return given


def _read_secret() -> str:
    return sys.stdin.read().strip("\r\n")


@command(group, "add")
@_key
@tenant_option
@click.option("--issuer", required=True, metavar="URL", help="Exactly as its discovery document says.")
@click.option("--client-id", required=True, metavar="ID")
@click.option("--client-secret-stdin", is_flag=True, required=True, help="Read the client secret from standard input.")
@click.option("--vendor", type=click.Choice([item.value for item in Vendor]), help="Whose product it is, where the issuer does not tell.")
@click.option(
    "--issuer-tenant", "issuer_tenants", multiple=True, metavar="ID", help="A tenant of Entra, where the issuer holds {tenantid}."
)
@click.option("--activate", is_flag=True, help="Let people sign in by it at once, without a test.")
@_rules
def add(
    *,
    key: str,
    slug: str,
    issuer: str,
    client_id: str,
    client_secret_stdin: bool,  # noqa: ARG001 -- says where the secret comes from; there is no other way
    vendor: str | None,
    issuer_tenants: tuple[str, ...],
    activate: bool,
    **rules: Any,
) -> Result:
    """Add a provider by its discovery document; it stays inactive until it is activated."""
    opened = house()
    act = opened.context(OPERATOR)
    node = node_of(act, slug)
    new = NewProvider(
        key=key,
        issuer=issuer,
        client_id=client_id,
        client_secret=_read_secret(),
        vendor=Vendor(vendor) if vendor else None,
        issuer_tenants=issuer_tenants,
        activate=activate,
        **_chosen(rules),
    )
    return as_result(node, identity_providers.add_provider(act, opened.fetcher, node, new))


@command(group, "set")
@_key
@tenant_option
@click.option("--client-id", metavar="ID")
@click.option("--client-secret-stdin", is_flag=True, help="Read a new client secret from standard input.")
@_rules
def change(*, key: str, slug: str, client_id: str | None, client_secret_stdin: bool, **rules: Any) -> Result:
    """Change a provider; its key, issuer and vendor are for life."""
    act = house().context(OPERATOR)
    node = node_of(act, slug)
    changes = Changes(client_id=client_id, client_secret=_read_secret() if client_secret_stdin else None, **_chosen(rules))
    return as_result(node, identity_providers.change_provider(act, identity_providers.get_provider(act, node, key), changes))


@command(group, "test")
@_key
@tenant_option
def test(*, key: str, slug: str) -> Result:
    """Fetch a provider's discovery document and keys, and show what they say."""
    opened = house()
    act = opened.context(OPERATOR)
    node = node_of(act, slug)
    tested = identity_providers.test_provider(act, opened.fetcher, node, identity_providers.get_provider(act, node, key))
    return as_result(node, tested.provider) | {
        "keys": tested.keys,
        "authorization_endpoint": tested.metadata.authorization_endpoint,
        "token_endpoint": tested.metadata.token_endpoint,
        "userinfo_endpoint": tested.metadata.userinfo_endpoint,
        "pkce": tested.metadata.takes_pkce,
        "names_issuer": tested.metadata.names_issuer,
    }


@command(group, "activate")
@_key
@tenant_option
def activate(*, key: str, slug: str) -> Result:
    """Let people sign in by a provider that was tested."""
    act = house().context(OPERATOR)
    node = node_of(act, slug)
    return as_result(node, identity_providers.activate_provider(act, identity_providers.get_provider(act, node, key)))


@command(group, "deactivate")
@_key
@tenant_option
@click.option("--dry-run", is_flag=True, help="Only tell who could not sign in any more.")
def deactivate(*, key: str, slug: str, dry_run: bool) -> Result:
    """Let nobody sign in by a provider any more; names the people who then cannot sign in at all."""
    act = house().context(OPERATOR)
    node = node_of(act, slug)
    provider = identity_providers.get_provider(act, node, key)
    if dry_run:
        return as_result(node, provider) | {"cannot_sign_in": identity_providers.list_stranded(act, provider)}
    changed, stranded = identity_providers.deactivate_provider(act, provider)
    return as_result(node, changed) | {"cannot_sign_in": stranded}


@command(group, "show")
@_key
@tenant_option
def show(*, key: str, slug: str) -> Result:
    """Show a provider."""
    act = house().context(OPERATOR)
    node = node_of(act, slug)
    return as_result(node, identity_providers.get_provider(act, node, key))


@command(group, "list")
@tenant_option
def list_all(*, slug: str) -> Result:
    """List a tenant's providers."""
    act = house().context(OPERATOR)
    node = node_of(act, slug)
    return [as_result(node, provider) for provider in identity_providers.list_providers(act, node)]


@command(group, "delete")
@_key
@tenant_option
def delete(*, key: str, slug: str) -> Result:
    """Remove an inactive provider with its links."""
    act = house().context(OPERATOR)
    node = node_of(act, slug)
    identity_providers.delete_provider(act, identity_providers.get_provider(act, node, key))
    return None
