"""Refresh tokens: the first of a family is sealed, and stored when it is brought; the later ones when they are made (ADR 0015)."""

from gateway.domain.nodes import Lifetimes
from gateway.domain.relying_party import Grant
from gateway.domain.values import GrantId, Instant, hash_token, new_token
from gateway.services.context import Context
from gateway.storage import grants
from gateway.storage.grants import StoredRefreshToken
from gateway.tokens.refresh import FirstToken, find_first, seal_first


def make_first(context: Context, grant: Grant, lives: Lifetimes) -> str:
    """Return the first token of a grant's family; most apps never use it, so nothing is stored."""
    now = context.now()
    return seal_first(context.keyring, FirstToken(grant.id, now, Instant(now + lives.refresh_idle)))


def add(context: Context, grant: Grant, lives: Lifetimes, *, parent: str) -> str:
    """Return a new token in the family of `parent`."""
    token = new_token(context.entropy, "mgr")
    _insert(context, token, grant.id, parent_hash=hash_token(parent), expires_at=Instant(context.now() + lives.refresh_idle))
    return token


def find(context: Context, unverified_token: str) -> StoredRefreshToken | None:
    """Return a token of ours as it stands, rotated ones too; None for anything else."""
    stored = grants.find_refresh_token(context.database, hash_token(unverified_token))
    if stored is not None:
        return stored
    first = find_first(context.keyring, unverified_token)
    return StoredRefreshToken(first.grant, first.expires_at, None, extra_child=False) if first is not None else None


def take(context: Context, unverified_token: str) -> StoredRefreshToken | None:
    """Return the same, stored and held in the transaction that is open, so that it can be rotated once."""
    token_hash = hash_token(unverified_token)
    stored = grants.find_refresh_token(context.database, token_hash)
    first = find_first(context.keyring, unverified_token) if stored is None else None
    if first is None or grants.find_standing(context.database, first.grant) is None:
        return stored
    _insert(context, unverified_token, first.grant, parent_hash=None, expires_at=first.expires_at)
    # Of several who bring it at once, all but one find what that one made of it.
    return grants.find_refresh_token(context.database, token_hash)


def _insert(context: Context, token: str, grant_id: GrantId, *, parent_hash: str | None, expires_at: Instant) -> None:
    grants.insert_refresh_token(
        context.database, hash_token(token), grant_id, parent_hash=parent_hash, now=context.now(), expires_at=expires_at
    )
