"""Logout tokens of identity providers: verified like everything else that comes from them (openid.md 87)."""

from federation.upstream.party import Party
from gateway.domain.provider_metadata import TENANT_PLACEHOLDER
from gateway.services import upstream_logout
from gateway.tokens.claims import TokenRejected, VerifiedLogout
from gateway.tokens.verification import Expected, KeySet, verify_logout_token


def take(party: Party, unverified_token: str) -> int:
    """End what the provider says is over; return how many sessions that was. Refuses with `E_Token_Invalid` or as metadata does."""
    if TENANT_PLACEHOLDER in party.provider.issuer:
        raise party.refusal("E_Token_Invalid", "a provider of several tenants names no one issuer")

    def check(keys: KeySet) -> VerifiedLogout:
        expected = Expected(
            issuer=party.provider.issuer,
            audience=party.provider.client_id,
            keys=keys,
            algorithms=frozenset(party.provider.algorithms),
        )
        return verify_logout_token(unverified_token, expected, now=party.context.now())

    try:
        logout = party.published.check_with_keys(party.node, party.provider, check)
    except TokenRejected as rejection:
        raise party.refusal("E_Token_Invalid", f"logout token, {rejection}") from rejection
    return upstream_logout.end_sessions(party.context, party.provider, logout)
