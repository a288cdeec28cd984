"""Finding what is open, and ending it: sessions, grants and refresh tokens, with every app told (decisions.md 32)."""

from collections.abc import Iterable

from gateway.domain.audit import Event
from gateway.domain.nodes import Node, chain_epoch, lifetimes_of
from gateway.domain.people import Account, may_stay
from gateway.domain.relying_party import Session
from gateway.domain.values import MINUTE_MS, AccountId, NodeId, SessionId, hash_token
from gateway.services.context import Context
from gateway.storage import grants, nodes, people, sessions
from gateway.storage.grants import Listener
from gateway.storage.sessions import SignedIn

TOUCH_MS = MINUTE_MS
"""How far `seen_at` may lag behind: a write for each request would cost more than the request."""

BACKCHANNEL_LOGOUT = "backchannel_logout"
"""The kind of job that tells one app."""


def find_live_session(context: Context, node: Node, unverified_secret: str) -> Session | None:
    """Return the session of a browser's cookie at this issuer, and note that it is used; None when anything ended it.

    It ends by itself when it is too old or idle, when home, issuer or one above them was switched off, and when its person may
    not stay (decisions.md 16, 31).
    """
    found = find_signed_in(context, node, unverified_secret)
    return found.session if found is not None else None


def find_signed_in(context: Context, node: Node, unverified_secret: str) -> SignedIn | None:
    """Return the same as `find_live_session`, with the person as they were read with it."""
    found = sessions.find_signed_in(context.database, node.id, hash_token(unverified_secret)) if unverified_secret else None
    if found is None or not _alive(context, found.session, found.account):
        return None
    if found.session.seen_at + TOUCH_MS <= context.now():
        sessions.touch_session(context.database, found.session.sid, context.now())
    return found


def find_live_by_sid(context: Context, sid: SessionId) -> Session | None:
    """Return a session by its public id as it is now; None when anything ended it."""
    found = sessions.find_signed_in_by_sid(context.database, sid)
    return found.session if found is not None and _alive(context, found.session, found.account) else None


def _alive(context: Context, session: Session, account: Account) -> bool:
    now = context.now()
    issuer_chain = nodes.list_chain(context.database, session.node)
    if session.ended_at is not None or session.expires_at <= now or session.seen_at + lifetimes_of(issuer_chain).session_idle <= now:
        return False
    if not may_stay(account, now):
        return False
    home_chain = issuer_chain if account.home == session.node else nodes.list_chain(context.database, account.home)
    return session.epoch == chain_epoch(issuer_chain) + chain_epoch(home_chain)


def list_of_account(context: Context, account_id: AccountId) -> list[Session]:
    """Return the sessions of an account that have neither ended nor run out, at every issuer."""
    return [session for session in sessions.list_sessions(context.database, account_id) if session.expires_at > context.now()]


def end_all_of_account(context: Context, account: Account, reason: str) -> None:
    """End every session, grant, code and refresh token of an account in the transaction that is open, and queue that each app is told.

    What was proved in a sign-in that is still on its way counts no more either.
    """
    now = context.now()
    people.set_sessions_ended_at(context.database, account.id, now)
    # Before the apps are listed: a redemption that holds the session is waited for here, and its app is then told too.
    ended = sessions.end_sessions(context.database, account.id, reason, now)
    listeners = grants.list_listeners_of_account(context.database, account.id)
    revoked = grants.end_grants_of_account(context.database, account.id, reason, now)
    _tell(context, listeners, reason)
    if ended or revoked:
        detail = {"sessions": ended, "grants": revoked, "reason": reason}
        context.record(Event(account.home, "sessions.ended", "person", account.id, detail=detail))


def end_session(context: Context, session: Session, reason: str) -> None:
    """End one session with its grants (those with offline access outlive it), and queue that its apps are told."""
    now = context.now()
    with context.database.transaction():
        if not sessions.end_session(context.database, session.sid, reason, now):
            return
        listeners = grants.list_listeners_of_session(context.database, session.sid)
        grants.end_grants_of_session(context.database, session.sid, reason, now)
        _tell(context, listeners, reason)
        context.record(Event(session.node, "session.ended", "session", session.sid, detail={"reason": reason, "account": session.account}))


def end_of_somebody_else(context: Context, node: Node, unverified_secret: str, account_id: AccountId) -> None:
    """End the session of a browser's cookie if it is not this account's: whoever signs in now takes their place there."""
    session = sessions.find_session(context.database, node.id, hash_token(unverified_secret)) if unverified_secret else None
    if session is not None and session.account != account_id:
        end_session(context, session, "somebody else signed in")


def end_session_of_account(context: Context, account_id: AccountId, sid: SessionId, reason: str) -> bool:
    """End one session if it is this account's; return whether it was alive."""
    session = sessions.find_session_by_sid(context.database, sid)
    if session is None or session.account != account_id or session.ended_at is not None:
        return False
    end_session(context, session, reason)
    return True


def tell_apps_of_subtree(context: Context, node_id: NodeId, reason: str) -> None:
    """Queue that the apps of everybody in a subtree are told; what they hold died with the node's epoch (decisions.md 16)."""
    _tell(context, grants.list_listeners_of_node(context.database, node_id), reason)


def _tell(context: Context, listeners: Iterable[Listener], reason: str) -> None:
    for listener in listeners:
        payload: dict[str, object] = {
            "client_id": listener.client_id,
            "account": listener.account,
            "sid": listener.session,
            "reason": reason,
        }
        context.enqueue(BACKCHANNEL_LOGOUT, listener.node, payload, lane=listener.client_id)
