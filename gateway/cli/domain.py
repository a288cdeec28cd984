"""`moongate domain`: the DNS domains of a tenant."""

import click

from gateway.cli.command import Result, command, context, house, moment, node_of, tenant_option
from gateway.outbound.dns import TextRecords
from gateway.services import domains
from gateway.services.domains import Claim

_kind = click.option("--kind", default="routing", show_default=True, type=click.Choice(domains.KINDS))


@click.group("domain")
def group() -> None:
    """Domains: where sign-in names lead, what a tenant hosts, who may register."""


@command(group, "add")
@tenant_option
@click.argument("domain")
@_kind
@click.option("--idp", default="", metavar="KEY", help="Names of a routing domain lead straight to this identity provider.")
@click.option("--assume-verified", is_flag=True, help="Proved without DNS: you answer for it.")
def add(*, slug: str, domain: str, kind: str, idp: str, assume_verified: bool) -> Result:
    """Claim a domain."""
    act = context()
    return _as_result(domains.add(act, node_of(act, slug), domain, kind=kind, idp=idp, assume_verified=assume_verified))


@command(group, "verify")
@tenant_option
@click.argument("domain")
@_kind
def verify(*, slug: str, domain: str, kind: str) -> Result:
    """Prove a domain by its TXT record, which `domain add` named."""
    act = context()
    lookup = TextRecords(house().settings.dns_servers)
    return _as_result(domains.verify(act, lookup, node_of(act, slug), domain, kind=kind))


@command(group, "list")
@tenant_option
def list_(*, slug: str) -> Result:
    """List a tenant's domains."""
    act = context()
    return [_as_result(claim) for claim in domains.list_domains(act, node_of(act, slug))]


@command(group, "remove")
@tenant_option
@click.argument("domain")
@_kind
def remove(*, slug: str, domain: str, kind: str) -> Result:
    """Give a domain up."""
    act = context()
    domains.remove(act, node_of(act, slug), domain, kind=kind)
    return None


def _as_result(claim: Claim) -> dict[str, object]:
    return {
        "domain": claim.domain.name,
        "kind": claim.domain.kind,
        "status": "pending" if claim.domain.verified_at is None else "verified",
        "verified_at": moment(claim.domain.verified_at),
        "idp": claim.provider or None,
        "txt_name": claim.txt_name,
        "txt_value": claim.txt_value,
    }
