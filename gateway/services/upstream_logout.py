"""A provider tells that somebody signed out there: what rested on its word ends here (OpenID Connect Back-Channel Logout §2)."""

from gateway.domain.audit import Event
from gateway.domain.errors import Refusal
from gateway.domain.identity import IdentityProvider
from gateway.domain.values import Instant, hash_token
from gateway.services import sessions
from gateway.services.context import Context
from gateway.storage import identity_providers, people
from gateway.storage import sessions as stored_sessions
from gateway.tokens.claims import LEEWAY_MS, LOGOUT_MAX_AGE_MS, VerifiedLogout


def end_sessions(context: Context, provider: IdentityProvider, logout: VerifiedLogout) -> int:
    """End the sessions that the named subject opened by this provider, at every issuer, with every app told; return how many.

    Refuses a token that was used before, and one that names only a session of theirs: we know people by subject.
    """
    if logout.subject is None:
        raise Refusal("E_Token_Invalid", reason="logout token, sub: absent; a session id of theirs tells us nothing")
    now = context.now()
    believed_until = Instant(logout.issued_at + LOGOUT_MAX_AGE_MS + 2 * LEEWAY_MS)
    with context.database.transaction():
        token_hash = hash_token(logout.token_id)
        if not identity_providers.use_logout_token(context.database, provider.id, token_hash, now=now, expires_at=believed_until):
            raise Refusal("E_Token_Invalid", reason="logout token, jti: used before")
        account = identity_providers.find_linked_account(context.database, provider, logout.issuer, logout.subject)
        if account is not None:
            people.hold_account(context.database, account)
        alive = stored_sessions.list_sessions(context.database, account) if account is not None else []
        ended = [session for session in alive if session.means.provider == provider.id]
        for session in ended:
            sessions.end_session(context, session, "signed out at the identity provider")
        event = Event(
            provider.node, "provider.signed_out", "person", account or "", detail={"provider": provider.key, "sessions": len(ended)}
        )
        context.record(event)
    return len(ended)
