"""`moongate keys` and `moongate secrets`: what an issuer signs with, and what secrets at rest are wrapped by."""

import click

from gateway.cli.command import Failed, Result, command, context, json_option, node_of, show, tenant_option
from gateway.services import keys, rewrapping


@click.group("keys")
def group() -> None:
    """Signing keys of an issuer."""


@click.group("secrets")
def secrets() -> None:
    """Secrets at rest."""


@command(group, "rotate")
@tenant_option
def rotate(*, slug: str) -> Result:
    """Publish new signing keys; they sign ten minutes from now, and the old ones stay published until what they signed has ended.

    Without this command they turn by themselves, every 90 days unless a policy says sooner.
    """
    act = context()
    return {"kids": keys.rotate_keys(act, node_of(act, slug).id), "signing_in_seconds": keys.LEAD_MS // 1000}


@secrets.command("rewrap")
@json_option
def rewrap(*, as_json: bool) -> None:
    """Wrap every secret by the newest key of MOONGATE_SECRET_KEYS, while everybody works; then the older keys can be taken away."""
    done = rewrapping.rewrap(context())
    counts = {purpose: count for purpose, count in done.counts.items() if count}
    damaged = [{"secret": purpose, "row": row} for purpose, row in done.damaged]
    show({"rewrapped": counts, "total": sum(counts.values()), "damaged": damaged, "left": dict(done.left)}, as_json=as_json)
    if damaged:
        raise Failed("E_Secret_Damaged", f"{len(damaged)} secrets do not unwrap, though their key is there; they stay as they are")
    if not done.is_whole:
        raise Failed("E_Unavailable", "servers that do not know the newest key wrap by an older one: start them anew and run this again")
