"""A request as authlib reads it."""

from authlib.oauth2.rfc6749 import OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from federation.downstream.client import Client
from federation.downstream.parameters import Parameters


class ProviderRequest(OAuth2Request):
    """The parameters of the one place where they may stand: authlib's own request would read the query string at the token endpoint too."""

    client: Client
    payload: BasicOAuth2Payload

    def __init__(self, method: str, parameters: Parameters) -> None:
        """Take a method, and the parameters that came by it."""
        # Whether http is enough is decided by the stored issuer; authlib would judge by the Host header's scheme behind a proxy.
        super().__init__(method, "https://issuer.invalid/")
        self.parameters = parameters
        self.payload = BasicOAuth2Payload(parameters)

    @property
    def args(self) -> dict[str, str | None]:
        """Nothing: the query string holds no parameter that counts."""
        return {}

    @property
    def form(self) -> dict[str, str]:
        """The parameters."""
        return self.parameters
