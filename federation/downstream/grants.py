"""The grants of the token endpoint: authlib walks the phases, our services take code or token by one atomic statement."""

import logging
import re
from typing import Any, cast

from authlib.oauth2.rfc6749 import ClientMixin, InvalidGrantError, InvalidRequestError, InvalidScopeError, OAuth2Error, TokenMixin, grants
from authlib.oauth2.rfc6749.grants import BaseGrant

from federation.downstream import tokens
from federation.downstream.client import PERSONAL_SCOPES, Client
from federation.downstream.requests import ProviderRequest
from federation.downstream.tokens import Signers
from federation.errors import describe
from gateway.domain.errors import Refusal
from gateway.domain.people import Account
from gateway.http import journal
from gateway.services import grants as granted
from gateway.services.grants import GrantRejected, Issued, ScopeWidened, TargetRejected

_LOG = logging.getLogger(__name__)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
"""What BASE64URL(SHA256(…)) looks like (RFC 7636 §4.2)."""
METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]

Answer = tuple[int, dict[str, Any], list[tuple[str, str]]]


class InvalidTargetError(OAuth2Error):
    """The app may not have a token for this resource (RFC 8707 §2)."""

    error = "invalid_target"


class Redeemed(TokenMixin):
    """A code or refresh token that our services took; it answers what authlib asks of either."""

    def __init__(self, issued: Issued, signers: Signers) -> None:
        """Keep what was issued, and who signs for it."""
        self.issued = issued
        self.signers = signers

    def get_redirect_uri(self) -> str:
        """Return the redirect URI of the authorization request; it was compared when the code was taken."""
        return self.issued.grant.redirect_uri

    def get_scope(self) -> str:
        """Return the scope granted."""
        return " ".join(self.issued.grant.scope)

    def check_client(self, client: ClientMixin) -> bool:
        """Return whether it is this app's; that was checked before it was taken."""
        return isinstance(client, Client) and self.issued.grant.client_id == client.party.client_id


class CodeGrant(grants.AuthorizationCodeGrant):
    """Codes, for people."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    request: ProviderRequest

    def query_authorization_code(self, code: str, client: Any) -> Redeemed | None:  # noqa: ANN401 -- the signature is authlib's
        """Take the code: it, its app, its redirect URI and PKCE are judged in one transaction, so that 20 callers get one answer."""
        form, server = self.request.form, self.server
        signers = tokens.signers_of(server.context, server.node, client.party)
        try:
            issued = granted.redeem_code(
                server.context,
                server.node,
                client.party,
                code,
                redirect_uri=form.get("redirect_uri", ""),
                verifier=form.get("code_verifier", ""),
                resource=one_resource(self.request),
            )
        except GrantRejected as error:
            log_rejection(self, error)
            return None
        except TargetRejected as error:
            raise InvalidTargetError("This resource was not granted.") from error
        return Redeemed(issued, signers)

    def authenticate_user(self, authorization_code: Redeemed) -> Account:
        """Return the person; admission let them in when the code was made."""
        return authorization_code.issued.account

    def generate_token(self, *_args: object, **_options: object) -> dict[str, Any]:
        """Return the answer's tokens."""
        redeemed = cast(Redeemed, self.request.authorization_code)
        return issue(self, redeemed, nonce=redeemed.issued.grant.nonce)

    def save_token(self, token: dict[str, Any]) -> None:
        """Do nothing: access tokens are not stored, and the refresh token was when the code was taken."""

    def delete_authorization_code(self, authorization_code: Redeemed) -> None:
        """Do nothing: a used code stays, so that its replay is known."""


class RefreshGrant(grants.RefreshTokenGrant):
    """Refresh tokens, rotated."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    request: ProviderRequest

    def authenticate_refresh_token(self, refresh_token: str) -> Redeemed | None:  # type: ignore[override]  # the stubs forget that there may be none
        """Rotate the token, or refuse it."""
        server = self.server
        signers = tokens.signers_of(server.context, server.node, self.request.client.party)
        try:
            issued = granted.refresh(
                server.context,
                server.node,
                self.request.client.party,
                refresh_token,
                scope=self.request.form.get("scope", "").split(),
                resource=one_resource(self.request),
            )
        except GrantRejected as error:
            log_rejection(self, error)
            return None
        except ScopeWidened as error:
            raise InvalidScopeError("A refresh may not widen the scope.") from error
        except TargetRejected as error:
            raise InvalidTargetError("This resource was not granted.") from error
        except Refusal as refusal:
            journal.tell_refusal(self.server.asked.environ, refusal)
            raise InvalidGrantError(describe(refusal, self.server.context.correlation_id)) from refusal
        return Redeemed(issued, signers)

    def authenticate_user(self, refresh_token: Redeemed) -> Account:
        """Return the person; admission let them in again when the token was rotated."""
        return refresh_token.issued.account

    def issue_token(self, user: Account, refresh_token: Any) -> dict[str, Any]:  # noqa: ARG002, ANN401 -- the signature is authlib's
        """Return the answer's tokens; a refreshed ID token holds no nonce (OIDC Core §12.2)."""
        return issue(self, refresh_token, nonce="")

    def save_token(self, token: dict[str, Any]) -> None:
        """Do nothing: access tokens are not stored."""

    def revoke_old_credential(self, refresh_token: TokenMixin) -> None:
        """Do nothing: the old token was rotated before the new one was made."""


class AppGrant(grants.ClientCredentialsGrant):
    """Tokens that an app gets for itself (RFC 6749 §4.4)."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS[:-1]
    request: ProviderRequest

    def validate_requested_scope(self) -> None:
        """Refuse a scope that the app may not have for itself: those that speak of a person among them."""
        if not set(self._wanted()) <= self._allowed():
            raise InvalidScopeError("The app may not have this scope for itself.")

    def generate_token(self, *_args: object, **_options: object) -> dict[str, Any]:
        """Return the answer's token."""
        party = self.request.client.party
        resource = one_resource(self.request)
        if resource and resource not in party.resources:
            raise InvalidTargetError("This resource is not registered for the app.")
        scope = tuple(self._wanted()) or tuple(item for item in party.scopes if item in self._allowed())
        try:
            return tokens.issue_for_app(self.server.context, self.server.node, party, scope=scope, resource=resource)
        except Refusal as refusal:
            journal.tell_refusal(self.server.asked.environ, refusal)
            raise InvalidGrantError(describe(refusal, self.server.context.correlation_id)) from refusal

    def save_token(self, token: dict[str, Any]) -> None:
        """Do nothing: access tokens are not stored."""

    def _wanted(self) -> list[str]:
        return list(dict.fromkeys(self.request.form.get("scope", "").split()))

    def _allowed(self) -> set[str]:
        return set(self.request.client.party.scopes) - PERSONAL_SCOPES


class Pkce:
    """Demands an S256 challenge at the authorization endpoint, also of apps that keep a secret (RFC 7636, RFC 9700 §2.1.1).

    authlib's own extension asks only at the token endpoint, only of public apps, and takes `plain`.
    """

    def __call__(self, grant: BaseGrant) -> None:
        """Hang the check into the grant."""
        grant.register_hook("after_validate_authorization_request_payload", self.require_challenge)

    def require_challenge(self, grant: CodeGrant, _redirect_uri: str | None) -> None:
        """Refuse a request without a challenge unless the app's row excuses it, and every one that is no S256."""
        challenge, method = (grant.request.form.get(name, "") for name in ("code_challenge", "code_challenge_method"))
        if not challenge and not method and not grant.request.client.party.pkce_required:
            return
        if method != "S256" or not _CHALLENGE.fullmatch(challenge):
            raise InvalidRequestError("PKCE with code_challenge_method S256 is needed.")


def issue(grant: BaseGrant, redeemed: Redeemed, *, nonce: str) -> dict[str, Any]:
    """Return the answer's tokens for what a grant took."""
    server, client = grant.server, cast(Client, grant.request.client)
    return tokens.issue(server.context, server.node, client.party, redeemed.issued, redeemed.signers, nonce=nonce)


def one_resource(request: ProviderRequest) -> str:
    """Return the resource that a token request names; several would make one token good at both (decisions.md 30)."""
    resources = request.parameters.all("resource")
    if len(resources) > 1:
        raise InvalidTargetError("One resource at a time.")
    return resources[0] if resources else ""


def log_rejection(grant: BaseGrant, error: GrantRejected) -> None:
    """Keep the reason in the log; the app learns `invalid_grant` only."""
    context = grant.server.context
    _LOG.warning("a grant was refused: %s", error.reason, extra={"fields": {"correlation_id": context.correlation_id}})
