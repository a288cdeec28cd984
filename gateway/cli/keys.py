"""`moongate keys`: the keys by which an issuer signs."""

import click

from gateway.cli.command import Result, command, context, node_of, tenant_option
from gateway.services import keys


@click.group("keys")
def group() -> None:
    """Signing keys of an issuer."""


@command(group, "rotate")
@tenant_option
def rotate(*, slug: str) -> Result:
    """Publish new signing keys; they sign ten minutes from now, and the old ones stay published until what they signed has ended."""
    act = context()
    return {"kids": keys.rotate_keys(act, node_of(act, slug).id), "signing_in_seconds": keys.LEAD_MS // 1000}
