"""Codes: made of what admission allowed, and opened again at the token endpoint; nothing of them is stored (ADR 0015)."""

from collections.abc import Sequence

from gateway.domain.relying_party import AuthorizationRequest, RelyingParty, Session
from gateway.domain.values import GrantId, Instant, hash_token, new_token
from gateway.services.admission import Admitted
from gateway.services.context import Context
from gateway.storage import grants
from gateway.tokens.codes import LONGEST, Code, digest_of, find_code, seal_code

HANDLE = "mgl"
"""Tag of what stands for a code that is too long for a URL."""


def make_code(context: Context, client: RelyingParty, request: AuthorizationRequest, session: Session, admitted: Admitted) -> str:
    """Return a code for somebody who was admitted with nothing left to do; it is all there is of the grant until the app redeems it."""
    if admitted.due is not None or admitted.acting is None:
        message = "a code needs a tenant to act in, and nothing left to do"
        raise AssertionError(message)
    now, lives = context.now(), admitted.lifetimes
    code = Code(
        # It sorts by time, so that what is granted lies beside one another; nobody has to guess it, for it is sealed.
        grant=GrantId(context.new_log_id()),
        client_id=client.client_id,
        session=session.sid,
        acting=admitted.acting.node,
        redirect_digest=digest_of(request.redirect_uri),
        challenge=request.code_challenge,
        scope=request.scope,
        resource=request.resource,
        nonce=request.nonce,
        means=session.means,
        epoch=admitted.epoch,
        app_epoch=client.epoch,
        created_at=now,
        expires_at=Instant(now + lives.code),
        grant_expires_at=_end_of(Instant(now + lives.refresh_max), session, request.scope),
        correlation_id=context.correlation_id,
        address=context.address,
    )
    sealed = seal_code(context.keyring, code)
    return sealed if len(sealed) <= LONGEST else _kept(context, sealed, code.expires_at)


def open_code(context: Context, unverified_code: str) -> Code | None:
    """Return what a code of ours says, whatever became of it since; None for anything else."""
    sealed: str | None = unverified_code
    if unverified_code.startswith(f"{HANDLE}_"):
        sealed = grants.find_kept_code(context.database, hash_token(unverified_code))
    return find_code(context.keyring, sealed) if sealed else None


def _kept(context: Context, sealed: str, expires_at: Instant) -> str:
    """Return a handle in place of a code that is too long for a URL."""
    handle = new_token(context.entropy, HANDLE)
    grants.keep_code(context.database, hash_token(handle), sealed, expires_at)
    return handle


def _end_of(longest: Instant, session: Session, scope: Sequence[str]) -> Instant:
    """Return when a grant's refresh tokens end at the latest: without offline access they do not outlive the session (decisions.md 31)."""
    return longest if "offline_access" in scope else min(longest, session.expires_at)
