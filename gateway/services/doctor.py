"""What stands in the way of a good life: everything that readiness looks at, and what takes longer or only people can mend.

It changes nothing. Calls to the outside are made here, and outside of any transaction.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from gateway.domain.checks import Check, Outcome
from gateway.domain.errors import Refusal
from gateway.domain.identity import IdentityProvider
from gateway.domain.mails import MailDeferred
from gateway.domain.nodes import Node
from gateway.domain.values import DAY_MS, MINUTE_MS, Instant
from gateway.services import readiness
from gateway.services.house import House
from gateway.services.identity_providers import fetch_keys, fetch_metadata
from gateway.services.nodes import PLATFORM_SLUG
from gateway.storage import condition, identity_providers, routines
from gateway.storage import nodes as stored_nodes

SOON_MS = 30 * DAY_MS
"""How long before its end a token is told of."""
LATE_MS = 5 * MINUTE_MS
"""A routine that is due for longer says that nobody works."""
_MOST = 50
"""Providers, tokens and domains that are looked at."""
_SHOWN = 5
"""Of several that are not well, so many are named."""
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Outside:
    """What stands beside the house, as ways to try it."""

    knock: Callable[[], None] | None = None
    """Sees whether the mail server takes us, and raises MailDeferred if not; None where mails become files."""
    shared: Callable[[], bool] | None = None
    """Returns whether the counter that machines share answers; None where the database counts."""


def examine(house: House, outside: Outside) -> list[Check]:
    """Return every check of an open house."""
    checks = readiness.examine(house)
    if {"database", "schema"} & set(failures(checks)):
        # What stands in tables cannot be looked at.
        return [*checks, check_public_url(house), *_beside(outside)]
    return [*checks, check_public_url(house), *readiness.looked(house, _LOOKS), *_beside(outside)]


def check_public_url(house: House) -> Check:
    """Look whether the address that links are made of is one for the world, and who stands in front of us."""
    settings = house.settings
    parts = urlsplit(settings.public_url)
    if parts.hostname in {"localhost", "127.0.0.1", "::1"}:
        return Check("public URL", Outcome.OK, f"{settings.public_url} is for this machine alone.")
    if parts.scheme != "https":
        detail = f"{settings.public_url} is not https: browsers keep no passkeys there, and directories do not call it."
        return Check("public URL", Outcome.WARNING, detail, remedy="Put a proxy with TLS in front and set MOONGATE_PUBLIC_URL.")
    if not settings.trusted_proxies:
        detail = "TLS ends at a proxy, and no proxy is trusted: every caller seems to have the proxy's address."
        return Check("public URL", Outcome.WARNING, detail, remedy="Set MOONGATE_TRUSTED_PROXIES to the proxy's network.")
    return Check("public URL", Outcome.OK, f"{settings.public_url} is https, behind a trusted proxy.")


def check_integrity(house: House) -> Check:
    """Look whether the engine finds its own pages sound."""
    faults = house.database.list_faults()
    if faults:
        remedy = "Stop the servers and restore the last good backup."
        return Check("integrity", Outcome.FAILED, "The database is damaged.", reason="; ".join(faults), remedy=remedy)
    return Check("integrity", Outcome.OK, f"{house.database.describe()} finds it sound.")


def check_durability(house: House) -> Check:
    """Look whether what was acknowledged survives a power cut."""
    risks = house.database.list_risks()
    if risks:
        remedy = "Switch it on again, in the engine's own configuration."
        return Check("durability", Outcome.WARNING, "A power cut may lose what was acknowledged.", reason=_some(risks), remedy=remedy)
    return Check("durability", Outcome.OK, "What is acknowledged is on the disk.")


def check_platform(house: House) -> Check:
    """Look whether the tree has its top, and whether issuers lead here."""
    platform = stored_nodes.find_node_by_slug(house.database, PLATFORM_SLUG)
    if platform is None:
        return Check("platform", Outcome.WARNING, "It is not founded yet.", remedy="moongate platform init")
    if platform.disabled_at is not None:
        return Check(
            "platform", Outcome.FAILED, "It is disabled: nobody can sign in anywhere.", remedy=f"moongate tenant enable {PLATFORM_SLUG}"
        )
    strangers = sum(not node.issuer.startswith(house.settings.public_url) for node in stored_nodes.list_nodes(house.database))
    if strangers:
        detail = f"Issuers that do not begin with MOONGATE_PUBLIC_URL: {strangers}."
        return Check("platform", Outcome.WARNING, detail, remedy="An issuer never changes: see that their hosts still lead here.")
    return Check("platform", Outcome.OK, f"Its issuer is {platform.issuer}")


def check_worker(house: House) -> Check:
    """Look whether somebody does what comes again by itself."""
    known, now = routines.list_routines(house.database), house.clock()
    if not known:
        return Check("worker", Outcome.WARNING, "No worker has begun yet.", remedy="moongate serve, or moongate worker")
    late = [routine.name for routine in known if max(routine.next_run, routine.lease_until or 0) + LATE_MS < now]
    if late:
        detail = f"Nobody does what is due: {_some(late)}."
        return Check("worker", Outcome.WARNING, detail, remedy="Start one: moongate worker")
    broken = [f"{routine.name}: {routine.last_error}" for routine in known if routine.last_error]
    if broken:
        return Check("worker", Outcome.WARNING, "A routine failed when it was last done.", reason=_some(broken), remedy="Look at its log.")
    return Check("worker", Outcome.OK, f"{len(known)} routines are done in time.")


def check_dead_jobs(house: House) -> Check:
    """Look for jobs that were given up."""
    dead = [f"{waiting.count} {waiting.kind}" for waiting in condition.list_waiting(house.database) if waiting.state == "dead"]
    if dead:
        remedy = "Look why, and run them again: moongate job dead"
        return Check("dead jobs", Outcome.WARNING, f"Jobs were given up: {_some(dead)}.", remedy=remedy)
    return Check("dead jobs", Outcome.OK, "No job was given up.")


def check_mails(house: House) -> Check:
    """Look for mails that did not go."""
    counts = condition.count_unsent_mails(house.database)
    lost = {state: counts[state] for state in ("failed", "bounced", "unconfirmed") if counts.get(state)}
    if lost:
        told = ", ".join(f"{count} {state}" for state, count in lost.items())
        remedy = "Look at a person's mails: moongate user mails"
        return Check("mails", Outcome.WARNING, f"Mails did not come, or nobody knows: {told}.", remedy=remedy)
    return Check("mails", Outcome.OK, f"{counts.get('queued', 0)} mails are on their way.")


def check_limits(shared: Callable[[], bool] | None) -> Check:
    """Look who counts for all machines."""
    if shared is None:
        return Check("limits", Outcome.OK, "The database counts them.")
    if not shared():
        remedy = "Start it, or mend MOONGATE_LIMITS_URL."
        return Check("limits", Outcome.WARNING, "The shared counter does not answer: the database counts meanwhile.", remedy=remedy)
    return Check("limits", Outcome.OK, "The shared counter answers.")


def check_mail_server(knock: Callable[[], None] | None) -> Check:
    """Look whether the mail server takes us."""
    if knock is None:
        remedy = "Set MOONGATE_SMTP_URL."
        return Check("mail server", Outcome.WARNING, "None is set: mails become files in the home.", remedy=remedy)
    try:
        knock()
    except MailDeferred as error:
        remedy = "Mend it, or MOONGATE_SMTP_URL; what waits is sent then."
        return Check("mail server", Outcome.FAILED, "It does not take us.", reason=str(error), remedy=remedy)
    return Check("mail server", Outcome.OK, "It takes us.")


def check_tokens(house: House) -> Check:
    """Look for directories whose last token ends soon."""
    now = house.clock()
    ending = condition.list_ending_tokens(house.database, before=Instant(now + SOON_MS), limit=_MOST)
    if not ending:
        return Check("SCIM tokens", Outcome.OK, "None ends within 30 days.")
    named = [f"{token.slug}/{token.name} {_when(token.expires_at, now)}" for token in ending]
    remedy = "moongate scim-connection add-token, then give it to the directory"
    return Check("SCIM tokens", Outcome.WARNING, f"The last token of {len(ending)} ends.", reason=_some(named), remedy=remedy)


def check_domains(house: House) -> Check:
    """Look for domains that nobody proved."""
    unproved = condition.list_unproved_domains(house.database, limit=_MOST)
    if not unproved:
        return Check("domains", Outcome.OK, "All are proved.")
    named = [f"{name} of {slug}" for name, slug in unproved]
    remedy = "Set the TXT record, then: moongate domain verify"
    return Check("domains", Outcome.WARNING, f"{len(unproved)} are not proved: nobody is led by them.", reason=_some(named), remedy=remedy)


def check_providers(house: House) -> Check:
    """Look whether the identity providers answer, and publish keys."""
    known = [
        (node, provider)
        for provider_id in condition.list_active_providers(house.database, limit=_MOST)
        if (provider := identity_providers.find_provider(house.database, provider_id)) is not None
        and (node := stored_nodes.find_node(house.database, provider.node)) is not None
    ]
    if not known:
        return Check("providers", Outcome.OK, "No identity provider is active.")
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        faults = [fault for fault in threads.map(lambda pair: _fault_of(house, *pair), known) if fault]
    if faults:
        detail = f"{len(faults)} of {len(known)} identity providers do not answer as they should."
        return Check("providers", Outcome.WARNING, detail, reason=_some(faults), remedy="moongate idp test")
    return Check("providers", Outcome.OK, f"{len(known)} identity providers answer.")


def _beside(outside: Outside) -> list[Check]:
    return [check_limits(outside.shared), check_mail_server(outside.knock)]


def _fault_of(house: House, node: Node, provider: IdentityProvider) -> str:
    """Return what is wrong with a provider; empty if nothing is."""
    try:
        fetch_keys(house.fetcher, node, fetch_metadata(house.fetcher, node, provider.issuer))
    except Refusal as refusal:
        return f"{node.slug}/{provider.key}: {refusal.reason}"
    return ""


def _some(items: Sequence[str]) -> str:
    more = len(items) - _SHOWN
    return ", ".join(items[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _when(instant: Instant, now: Instant) -> str:
    day = datetime.fromtimestamp(instant / 1000, UTC).date().isoformat()
    return f"ended {day}" if instant <= now else f"ends {day}"


_LOOKS: Mapping[str, readiness.Look] = {
    "integrity": check_integrity,
    "durability": check_durability,
    "platform": check_platform,
    "worker": check_worker,
    "dead jobs": check_dead_jobs,
    "mails": check_mails,
    "SCIM tokens": check_tokens,
    "domains": check_domains,
    "providers": check_providers,
}


def failures(checks: Iterable[Check]) -> list[str]:
    """Return the names of what failed."""
    return [check.check for check in checks if check.outcome is Outcome.FAILED]
