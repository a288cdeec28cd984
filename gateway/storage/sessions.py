"""Sessions of browsers at issuers, and what ends with an account."""

from gateway.domain.people import Account
from gateway.domain.relying_party import Means, Session
from gateway.domain.values import AccountId, Instant, NodeId, SessionId
from gateway.storage.database import Database, Row, Statement, place, places
from gateway.storage.people import COLUMNS as ACCOUNT_COLUMNS
from gateway.storage.people import account_of
from gateway.storage.sign_ins import means_from_json, means_to_json
from gateway.storage.tables.apps import Session as SessionTable
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
_WITH_ACCOUNT = SessionTable.select(*_COLUMNS, *ACCOUNT_COLUMNS).join_from(
    SessionTable, AccountTable, on=(AccountTable.id == SessionTable.account)
)
_BY_SECRET_WITH_ACCOUNT = Statement(
    _WITH_ACCOUNT.where((SessionTable.node == place("node")) & (SessionTable.secret_hash == place("secret_hash")))
)
_BY_SID_WITH_ACCOUNT = Statement(_WITH_ACCOUNT.where(SessionTable.sid == place("sid")))
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


def find_session(database: Database, node_id: NodeId, secret_hash: str) -> Session | None:
    """Return the session of a cookie at this issuer; one of another issuer is not found (openid.md 81)."""
    row = database.row(_BY_SECRET, node=node_id, secret_hash=secret_hash)
    return _session(row) if row else None


def find_session_and_account(database: Database, node_id: NodeId, secret_hash: str) -> tuple[Session, Account] | None:
    """Return the session of a cookie at this issuer with its account as it is now, by one statement; None without either."""
    return _with_account(database.row(_BY_SECRET_WITH_ACCOUNT, node=node_id, secret_hash=secret_hash))


def find_session_and_account_by_sid(database: Database, sid: SessionId) -> tuple[Session, Account] | None:
    """Return a session by its public id with its account as it is now; None without either."""
    return _with_account(database.row(_BY_SID_WITH_ACCOUNT, sid=sid))


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


def _with_account(row: Row | None) -> tuple[Session, Account] | None:
    return (_session(row[: len(_COLUMNS)]), account_of(row[len(_COLUMNS) :])) if row else None


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
