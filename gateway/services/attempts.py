"""Stored walks along the chain, with what their ids mean."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.domain.admission import TraceStep
from gateway.domain.identity import IdentityProvider
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.values import AccountId, ClientId, Instant, ProviderId
from gateway.services.context import Context
from gateway.storage import identity_providers, nodes, people, relying_parties
from gateway.storage.audit import Trace


@dataclass(frozen=True, slots=True)
class Walk:
    """One walk along the chain of admission."""

    at: Instant
    path: str
    code: str
    """Empty if nothing refused."""
    due: str
    """What had to be done first, where nothing refused."""
    node: Node | None
    """The issuer's."""
    provider: IdentityProvider | None
    provider_node: Node | None
    client_id: str
    app: str
    app_node: Node | None
    account: Account | None
    home: Node | None
    chain: tuple[TraceStep, ...]

    def refused(self) -> Mapping[str, object]:
        """Return what the step found that refused."""
        return next((step.detail for step in self.chain if step.outcome == "refused"), {})

    def sought(self) -> Mapping[str, object]:
        """Return what was looked for: `criterion`, `claim` and `value` of an assertion, or the `login` that somebody typed."""
        return next((step.detail for step in self.chain if step.step == "match"), {})

    def value(self) -> str:
        """Return the name that was looked for; empty if none was."""
        found = self.sought().get("value") or self.sought().get("login") or self.refused().get("login") or ""
        return found if isinstance(found, str) else ""


def walk_of(context: Context, trace: Trace) -> Walk:
    """Return a stored trace as a walk."""
    database = context.database
    provider = identity_providers.find_provider(database, ProviderId(trace.provider)) if trace.provider else None
    party = relying_parties.find_relying_party_anywhere(database, ClientId(trace.client_id)) if trace.client_id else None
    account = people.find_account(database, AccountId(trace.account)) if trace.account else None
    return Walk(
        at=trace.at,
        path=trace.path,
        code=trace.code,
        due=trace.due,
        node=nodes.find_node(database, trace.node),
        provider=provider,
        provider_node=nodes.find_node(database, provider.node) if provider else None,
        client_id=trace.client_id or "",
        app=party.name if party else "",
        app_node=nodes.find_node(database, party.node) if party else None,
        account=account,
        home=nodes.find_node(database, account.home) if account else None,
        chain=trace.chain,
    )
