"""Sessions of browsers at issuers, and what ends with an account."""

from dataclasses import dataclass

import peewee as pw

from gateway.domain.credential import FactorState
from gateway.domain.people import Account
from gateway.domain.relying_party import Means, Session
from gateway.domain.values import AccountId, Instant, NodeId, SessionId
from gateway.storage.database import Database, Row, Statement, place, places
from gateway.storage.people import COLUMNS as ACCOUNT_COLUMNS
from gateway.storage.people import account_of
from gateway.storage.sign_ins import means_from_json, means_to_json
from gateway.storage.tables.apps import Session as SessionTable
from gateway.storage.tables.factors import AccessCode, TotpFactor
from gateway.storage.tables.people import Account as AccountTable

_COLUMNS = (
    SessionTable.sid,
    SessionTable.node,
    SessionTable.account,
    SessionTable.means,
    SessionTable.epoch,
    SessionTable.created_at,
    SessionTable.seen_at,
    SessionTable.expires_at,
    SessionTable.ended_at,
)
_BY_SECRET = Statement(
    SessionTable.select(*_COLUMNS).where((SessionTable.node == place("node")) & (SessionTable.secret_hash == place("secret_hash")))
)
_BY_SID = Statement(SessionTable.select(*_COLUMNS).where(SessionTable.sid == place("sid")))
_SIGNED_IN = (
    SessionTable.select(*_COLUMNS, TotpFactor.replace_due, AccessCode.account.is_null(False), *ACCOUNT_COLUMNS)
    .join_from(SessionTable, AccountTable, on=(AccountTable.id == SessionTable.account))
    .join_from(SessionTable, TotpFactor, pw.JOIN.LEFT_OUTER, on=(TotpFactor.account == SessionTable.account))
    .join_from(SessionTable, AccessCode, pw.JOIN.LEFT_OUTER, on=(AccessCode.account == SessionTable.account))
)
_SIGNED_IN_BY_SECRET = Statement(
    _SIGNED_IN.where((SessionTable.node == place("node")) & (SessionTable.secret_hash == place("secret_hash")))
)
_SIGNED_IN_BY_SID = Statement(_SIGNED_IN.where(SessionTable.sid == place("sid")))
_OF_ACCOUNT = Statement(
    SessionTable.select(*_COLUMNS)
    .where((SessionTable.account == place("account")) & SessionTable.ended_at.is_null())
    .order_by(SessionTable.created_at)
)
_INSERT = Statement(SessionTable.insert(places(SessionTable)))
_RENEW = Statement(
    SessionTable.update(
        {SessionTable.secret_hash: place("secret_hash"), SessionTable.means: place("means"), SessionTable.seen_at: place("now")}
    ).where((SessionTable.sid == place("sid")) & SessionTable.ended_at.is_null())
)
_TOUCH = Statement(SessionTable.update({SessionTable.seen_at: place("now")}).where(SessionTable.sid == place("sid")))
_END = Statement(
    SessionTable.update({SessionTable.ended_at: place("now"), SessionTable.end_reason: place("reason")}).where(
        (SessionTable.sid == place("sid")) & SessionTable.ended_at.is_null()
    )
)
_END_OF_ACCOUNT = Statement(
    SessionTable.update({SessionTable.ended_at: place("now"), SessionTable.end_reason: place("reason")}).where(
        (SessionTable.account == place("account")) & SessionTable.ended_at.is_null()
    )
)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who is signed in, as they are now."""

    session: Session
    account: Account
    factor: FactorState


def find_session(database: Database, node_id: NodeId, secret_hash: str) -> Session | None:
    """Return the session of a cookie at this issuer; one of another issuer is not found (openid.md 81)."""
    row = database.row(_BY_SECRET, node=node_id, secret_hash=secret_hash)
    return _session(row) if row else None


def find_signed_in(database: Database, node_id: NodeId, secret_hash: str) -> SignedIn | None:
    """Return the session of a cookie at this issuer with its person as they are now, by one statement; None without either."""
    return _signed_in(database.row(_SIGNED_IN_BY_SECRET, node=node_id, secret_hash=secret_hash))


def find_signed_in_by_sid(database: Database, sid: SessionId) -> SignedIn | None:
    """Return a session by its public id with its person as they are now; None without either."""
    return _signed_in(database.row(_SIGNED_IN_BY_SID, sid=sid))


def find_session_by_sid(database: Database, sid: SessionId) -> Session | None:
    """Return a session by its public id."""
    row = database.row(_BY_SID, sid=sid)
    return _session(row) if row else None


def list_sessions(database: Database, account_id: AccountId) -> list[Session]:
    """Return an account's sessions that have not ended, at every issuer."""
    return [_session(row) for row in database.rows(_OF_ACCOUNT, account=account_id)]


def insert_session(database: Database, session: Session, *, secret_hash: str) -> None:
    """Add a session. Only admission calls this; a test proves it."""
    database.write(
        _INSERT,
        sid=session.sid,
        secret_hash=secret_hash,
        node=session.node,
        account=session.account,
        means=means_to_json(session.means),
        epoch=session.epoch,
        created_at=session.created_at,
        seen_at=session.seen_at,
        expires_at=session.expires_at,
        ended_at=None,
        end_reason="",
    )


def renew_session(database: Database, sid: SessionId, means: Means, now: Instant, *, secret_hash: str) -> bool:
    """Give a session another secret and other means; return whether it was alive. Only admission calls this; a test proves it."""
    return database.write(_RENEW, sid=sid, means=means_to_json(means), now=now, secret_hash=secret_hash) == 1


def touch_session(database: Database, sid: SessionId, now: Instant) -> None:
    """Note that a session was used, which keeps it from idling out."""
    database.write(_TOUCH, sid=sid, now=now)


def end_session(database: Database, sid: SessionId, reason: str, now: Instant) -> bool:
    """End a session; return whether it was alive."""
    return database.write(_END, sid=sid, reason=reason, now=now) == 1


def end_sessions(database: Database, account_id: AccountId, reason: str, now: Instant) -> int:
    """End all sessions of an account at every issuer; return how many."""
    return database.write(_END_OF_ACCOUNT, account=account_id, reason=reason, now=now)


def _signed_in(row: Row | None) -> SignedIn | None:
    if row is None:
        return None
    own = len(_COLUMNS)
    replace_due, has_code = row[own : own + 2]
    state = FactorState.of(replace_due=None if replace_due is None else bool(replace_due), has_code=bool(has_code))
    return SignedIn(_session(row[:own]), account_of(row[own + 2 :]), state)


def _session(row: Row) -> Session:
    sid, node, account, means, epoch, created_at, seen_at, expires_at, ended_at = row
    return Session(
        sid=sid,
        node=node,
        account=account,
        means=means_from_json(means),
        epoch=epoch,
        created_at=created_at,
        seen_at=seen_at,
        expires_at=expires_at,
        ended_at=ended_at,
    )
