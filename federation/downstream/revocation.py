"""Ending a grant at the wish of its app (RFC 7009): with one of its tokens die all."""

from authlib.oauth2.rfc7009 import RevocationEndpoint

from federation.downstream import bearer
from federation.downstream.bearer import Known
from federation.downstream.client import Client
from federation.downstream.requests import ProviderRequest
from gateway.services import grants

METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]


class Revocation(RevocationEndpoint):
    """authlib checks app and parameters; what is unknown, dead or another app's is answered as if it were revoked."""

    CLIENT_AUTH_METHODS = METHODS

    def authenticate_token(self, request: ProviderRequest, client: Client) -> Known | None:
        """Return the app's own live token, or None."""
        bearer.require_token(request.form)
        known = bearer.find_known(self.server.context, self.server.node, request.form["token"])
        return known if known is not None and known.client_id == client.party.client_id else None

    def revoke_token(self, token: Known, request: ProviderRequest) -> None:
        """End the grant that the token belongs to; a token that an app got for itself belongs to none, and ends within minutes."""
        if token.grant is not None:
            grants.revoke(self.server.context, request.client.party, token.grant)
