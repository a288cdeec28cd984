"""What a token of ours is worth now (RFC 7662): told to its app and to the resource it is for, to nobody else."""

from typing import Any

from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from federation.downstream import bearer
from federation.downstream.bearer import Known
from federation.downstream.client import Client
from federation.downstream.requests import ProviderRequest

METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt"]


class Introspection(IntrospectionEndpoint):
    """authlib checks app and parameters; what the token is worth is asked of our services."""

    CLIENT_AUTH_METHODS = METHODS
    SUPPORTED_TOKEN_TYPES = ("access_token", "refresh_token")

    def check_params(self, request: ProviderRequest, client: Client) -> None:  # noqa: ARG002 -- the signature is authlib's
        """Demand a token; an unknown hint is ignored (RFC 7009 §2.1)."""
        bearer.require_token(request.form)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Known | None:  # noqa: ARG002 -- either kind is told apart by its form
        """Return the live token, or None."""
        return bearer.find_known(self.server.context, self.server.node, token_string)

    def check_permission(self, token: Known, client: Client, request: ProviderRequest) -> bool:  # noqa: ARG002 -- the signature is authlib's
        """Return whether this app may know: its own tokens, and those meant for a resource registered for it (openid.md 35)."""
        return token.client_id == client.party.client_id or bool(set(token.audience) & set(client.party.resources))

    def create_introspection_payload(self, token: Known | None) -> dict[str, Any]:
        """Return what is told of a live token; of every other one, only that it is not active (RFC 7662 §2.2)."""
        return {"active": True, **token.told} if token is not None else {"active": False}
