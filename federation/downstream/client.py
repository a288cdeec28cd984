"""A relying party as authlib asks for it."""

from collections.abc import Collection

from authlib.oauth2.rfc6749 import ClientMixin

from gateway.domain.relying_party import RelyingParty
from gateway.services import relying_parties

PERSONAL_SCOPES = frozenset({"openid", "profile", "email", "phone", "roles", "offline_access"})
"""Scopes that speak of a person: an app that acts for itself gets none of them."""


class Client(ClientMixin):
    """Answers authlib's questions about an app."""

    def __init__(self, party: RelyingParty) -> None:
        """Wrap `party`."""
        self.party = party

    @property
    def client_id(self) -> str:
        """The app's id."""
        return self.party.client_id

    def get_client_id(self) -> str:
        """Return the app's id."""
        return self.party.client_id

    def get_default_redirect_uri(self) -> str:
        """Return nothing: OpenID Connect demands a redirect URI in each request, even where one alone is registered."""
        return ""

    def get_allowed_scope(self, scope: Collection[str] | str | None) -> str:
        """Return what the app may have of `scope`; unknown values are left out (OIDC Core §3.1.2.1)."""
        wanted = dict.fromkeys(scope.split() if isinstance(scope, str) else scope or ())
        return " ".join(item for item in wanted if item in self.party.scopes and self._may_have(item))

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Return whether a redirect URI is registered."""
        return relying_parties.matches_redirect_uri(self.party, redirect_uri)

    def check_response_type(self, response_type: str) -> bool:
        """Return whether the app may ask for a code."""
        return response_type == "code" and self.check_grant_type("authorization_code")

    def check_grant_type(self, grant_type: str) -> bool:
        """Return whether the app may use a grant."""
        return grant_type in self.party.grants

    def _may_have(self, scope: str) -> bool:
        return scope != "offline_access" or self.check_grant_type("refresh_token")
