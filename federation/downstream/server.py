"""authlib's authorization server for one request at one issuer, with its holes closed."""

import logging
from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Error

from federation.downstream import client_authentication
from federation.downstream.asked import Asked
from federation.downstream.client import Client
from federation.downstream.grants import AppGrant, CodeGrant, Pkce, RefreshGrant
from federation.downstream.introspection import Introspection
from federation.downstream.ready import Answer, in_json
from federation.downstream.requests import ProviderRequest
from federation.downstream.revocation import Revocation
from federation.errors import plain
from gateway.domain.relying_party import RelyingParty
from gateway.http import journal
from gateway.services import relying_parties

# authlib writes tokens into its debug log.
logging.getLogger("authlib").setLevel(logging.INFO)

_UNAUTHORIZED = 401


class ProviderServer(AuthorizationServer):
    """One request's server: the issuer is the request's node, so none can be taken from configuration by mistake."""

    def __init__(self, asked: Asked, *, party: RelyingParty | None = None) -> None:
        """Serve what was asked, of an app if that was found already."""
        super().__init__()
        self._party = party
        self.asked = asked
        self.context = asked.context
        self.node = asked.node
        self.register_grant(CodeGrant, [Pkce()])
        self.register_grant(RefreshGrant)
        self.register_grant(AppGrant)
        self.register_endpoint(Introspection)
        self.register_endpoint(Revocation)

    def query_client(self, client_id: str) -> Client | None:  # type: ignore[override]  # the stubs forget that there may be none
        """Return the app registered at this issuer; another tenant's app is not there."""
        party = self._party
        if party is None or party.client_id != client_id:
            party = relying_parties.find(self.context, self.node.id, client_id)
        return Client(party) if party is not None else None

    def authenticate_client(  # type: ignore[override]  # our own request
        self,
        request: ProviderRequest,
        methods: object,
        endpoint: str = "token",  # noqa: ARG002 -- the signature is authlib's
    ) -> Client:
        """Return the app that proved itself; where only apps with a secret are served, one without is refused."""
        party = client_authentication.authenticate(self.asked, request.parameters)
        if party.auth_method not in methods:  # type: ignore[operator]  # a collection of names
            client_authentication.raise_invalid_client()
        return Client(party)

    def create_oauth2_request(self, request: ProviderRequest) -> ProviderRequest:
        """Return the request as the view made it."""
        return request

    def handle_response(self, status: int, body: Mapping[str, Any], headers: Any) -> Answer:  # noqa: ANN401 -- authlib gives pairs
        """Return the answer, never to be stored (RFC 6749 §5.1)."""
        return in_json(body, status, headers)

    def handle_error_response(self, request: ProviderRequest, error: OAuth2Error) -> Answer:  # type: ignore[override]  # noqa: ARG002 -- our own request
        """Return the error with its description cleaned: authlib echoes the caller's words into some."""
        journal.tell_error(self.asked.environ, str(error.error), plain(error.get_error_description()))
        status, body, headers = error(None)
        body = {name: plain(value) if isinstance(value, str) else value for name, value in dict(body).items()}
        if status == _UNAUTHORIZED:
            headers = [pair for pair in headers if pair[0] != "WWW-Authenticate"] + [("WWW-Authenticate", 'Basic realm="client"')]
        return self.handle_response(status, body, headers)

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Tell nobody."""
