"""One identity provider as we talk to it in one request."""

from collections.abc import Mapping
from dataclasses import dataclass

from federation.upstream.metadata import Published
from gateway.domain.errors import Refusal
from gateway.domain.identity import IdentityProvider
from gateway.domain.nodes import Node
from gateway.domain.ports import HttpFetcher, Reply
from gateway.domain.provider_metadata import ProviderMetadata
from gateway.domain.vendors import FACTS, VendorFacts
from gateway.http import endpoints
from gateway.services import identity_providers
from gateway.services.context import Context


@dataclass(frozen=True, slots=True)
class Party:
    """A provider with what a talk with it needs."""

    context: Context
    fetcher: HttpFetcher
    published: Published
    node: Node
    """The provider's node: at its issuer the talk takes place."""
    provider: IdentityProvider

    @property
    def facts(self) -> VendorFacts:
        """What is known of its maker."""
        return FACTS[self.provider.vendor]

    @property
    def redirect_uri(self) -> str:
        """The one URI it answers to: of our stored issuer, and of no other provider (openid.md 39)."""
        return endpoints.below(self.node, endpoints.federation_callback(self.provider.key))

    def get_metadata(self) -> ProviderMetadata:
        """Return what it publishes about itself, or refuse."""
        return self.published.get_metadata(self.node, self.provider)

    def ask_for_tokens(self, endpoint: str, form: Mapping[str, str]) -> Reply:
        """Return what its token endpoint answers to `form`, sent with our proof of who we are. Raises Unreachable."""
        return identity_providers.ask_for_tokens(self.context, self.fetcher, self.node, self.provider, endpoint=endpoint, form=form)

    def refusal(self, code: str, reason: str, **data: str) -> Refusal:
        """Return a refusal that names the provider; `reason` goes into the trace, `data` may be shown."""
        named = {"provider": self.provider.name, "idp": self.provider.key, "tenant": self.node.slug}
        return Refusal(code, data=named | data, reason=reason)
