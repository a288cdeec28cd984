"""One identity provider as we talk to it in one request."""

from dataclasses import dataclass

from federation.upstream.metadata import Published
from gateway.domain.errors import Refusal
from gateway.domain.identity import IdentityProvider
from gateway.domain.nodes import Node
from gateway.domain.ports import HttpFetcher
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

    def get_secret(self) -> str:
        """Return our secret at it."""
        return identity_providers.get_client_secret(self.context, self.provider)

    def refusal(self, code: str, reason: str, **data: str) -> Refusal:
        """Return a refusal that names the provider; `reason` goes into the trace, `data` may be shown."""
        named = {"provider": self.provider.name, "idp": self.provider.key, "tenant": self.node.slug}
        return Refusal(code, data=named | data, reason=reason)
