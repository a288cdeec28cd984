"""Our own tokens come back: which are they, and do they live?"""

from collections.abc import Mapping
from dataclasses import dataclass

from authlib.oauth2.rfc6749 import InvalidRequestError

from federation import claims
from federation.claims import Claims
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import Grant
from gateway.domain.values import SECOND_MS
from gateway.services import grants, keys, relying_parties
from gateway.services.context import Context
from gateway.tokens.claims import TokenRejected, VerifiedClaims
from gateway.tokens.verification import Expected, verify_access_token, verify_own_access_token

ALGORITHMS = frozenset(keys.ALGORITHMS)
_TOLD = ("iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope", "tenant", "tenant_id", "roles", "acr", "amr", "auth_time", "sid")

_DOTS_OF_A_JWS = 2


@dataclass(frozen=True, slots=True)
class Known:
    """A live token of this issuer."""

    client_id: str
    audience: tuple[str, ...]
    grant: Grant | None
    """None for a token that an app got for itself."""
    told: Mapping[str, object]
    """What introspection tells of it."""


def require_token(form: Mapping[str, str]) -> None:
    """Refuse a request that names no token."""
    if "token" not in form:
        raise InvalidRequestError("The token is missing.")


def verify(context: Context, node: Node, unverified_token: str, audience: str) -> tuple[VerifiedClaims, Grant, Account]:
    """Return the claims of a person's access token for `audience`, its grant and account, or refuse it; a dead grant refuses it at once.

    Raises TokenRejected.
    """
    expected = Expected(node.issuer, audience, keys.verification_keys(context, node.id), ALGORITHMS)
    verified = verify_access_token(unverified_token, expected, now=context.now())
    live = grants.find_live(context, node.id, str(verified.claims.get("gid", "")))
    if live is None:
        raise TokenRejected("gid", "the grant has ended")
    return verified, *live


def find_known(context: Context, node: Node, unverified_token: str) -> Known | None:
    """Return what a token of this issuer is, access or refresh, as long as it lives."""
    if unverified_token.count(".") == _DOTS_OF_A_JWS:
        return _access_token(context, node, unverified_token)
    found = grants.find_refreshable(context, node.id, unverified_token)
    if found is None:
        return None
    grant, account, ends = found
    told: Claims = {
        "iss": node.issuer,
        "sub": account.id,
        "client_id": grant.client_id,
        "scope": " ".join(grant.scope),
        "iat": grant.created_at // SECOND_MS,
        "exp": ends // SECOND_MS,
        "acr": claims.acr(context.urls.public_url, grant.means.level),
        "auth_time": grant.means.auth_time // SECOND_MS,
        "token_type": "refresh_token",
    }
    return Known(grant.client_id, (), grant, told)


def _access_token(context: Context, node: Node, unverified_token: str) -> Known | None:
    try:
        verified = verify_own_access_token(
            unverified_token, issuer=node.issuer, keys=keys.verification_keys(context, node.id), algorithms=ALGORITHMS, now=context.now()
        )
    except TokenRejected:
        return None
    client_id = str(verified.claims["client_id"])
    told = {name: verified.claims[name] for name in _TOLD if name in verified.claims} | {"token_type": "Bearer"}
    if "gid" not in verified.claims:
        alive = relying_parties.find(context, node.id, client_id) is not None and grants.is_open(context, node)
        return Known(client_id, verified.audience, None, told) if alive else None
    live = grants.find_live(context, node.id, str(verified.claims["gid"]))
    return Known(client_id, verified.audience, live[0], told) if live is not None else None
