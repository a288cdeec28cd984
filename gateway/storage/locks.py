"""Guesses counted by single statements, so that parallel ones never exceed the limit."""

import peewee as pw

from gateway.domain.locks import WINDOW_MS, GuessPath, Lock
from gateway.domain.values import Instant
from gateway.storage.database import Database, Statement, place, places
from gateway.storage.tables.people import CredentialLock

_KEY = (CredentialLock.account == place("account")) & (CredentialLock.path == place("path"))
_INSERT = Statement(CredentialLock.insert(places(CredentialLock)).on_conflict_ignore())
_WINDOW_OVER = CredentialLock.window_started_at <= place("window_over")
_LOCK_OVER = CredentialLock.locked_until.is_null(False) & (CredentialLock.locked_until <= place("now"))
_FRESH = _WINDOW_OVER | CredentialLock.locked_until.is_null(False)
"""Asked only of a path that is open: a lock that is still written there is over."""
_COUNT = Statement(
    CredentialLock.update(
        {
            CredentialLock.attempts: pw.Case(None, [(_FRESH, 1)], CredentialLock.attempts + 1),
            CredentialLock.window_started_at: pw.Case(None, [(_FRESH, place("now"))], CredentialLock.window_started_at),
            CredentialLock.locked_until: None,
        }
    )
    .where(
        _KEY
        & (CredentialLock.standing == 0)
        & (_LOCK_OVER | (CredentialLock.locked_until.is_null() & ((CredentialLock.attempts < place("limit")) | _WINDOW_OVER)))
    )
    .returning(CredentialLock.attempts)
)
_FIND = Statement(
    CredentialLock.select(CredentialLock.attempts, CredentialLock.locked_until, CredentialLock.times, CredentialLock.last_locked_at).where(
        _KEY
    )
)
_LOCK = Statement(
    CredentialLock.update(
        {
            CredentialLock.locked_until: place("locked_until"),
            CredentialLock.times: place("times"),
            CredentialLock.last_locked_at: place("last_locked_at"),
        }
    ).where(_KEY & CredentialLock.locked_until.is_null() & (CredentialLock.attempts >= place("limit")))
)
_CLEAR = Statement(CredentialLock.update({CredentialLock.attempts: 0, CredentialLock.locked_until: None}).where(_KEY))
_FORGET = Statement(CredentialLock.delete().where(CredentialLock.account == place("account")))


def count_guess(database: Database, key: str, path: GuessPath, now: Instant, *, limit: int) -> int:
    """Count a guess before it is checked; return which one of its window it is, or 0 if the path is closed.

    `key` is an account's id, or a stand-in where nobody has the name.
    """
    blank = {"attempts": 0, "window_started_at": now, "locked_until": None, "standing": 0, "times": 0, "last_locked_at": None}
    database.write(_INSERT, account=key, path=path, **blank)
    values = {"now": now, "window_over": now - WINDOW_MS, "limit": limit}
    row = database.row(_COUNT, account=key, path=path, **values)
    return int(row[0]) if row else 0


def find_lock(database: Database, key: str, path: GuessPath) -> Lock | None:
    """Return what is remembered of the guesses at a path."""
    row = database.row(_FIND, account=key, path=path)
    return Lock(*row) if row else None


def lock_path(database: Database, key: str, path: GuessPath, lock: Lock, *, limit: int) -> bool:
    """Close a path whose guesses are used up; return False if they are not, or it is closed already."""
    values = {"locked_until": lock.locked_until, "times": lock.times, "last_locked_at": lock.last_locked_at}
    return database.write(_LOCK, account=key, path=path, limit=limit, **values) == 1


def clear_guesses(database: Database, key: str, path: GuessPath) -> None:
    """Forget the guesses of a path after a right one; how long the next lock takes stays remembered."""
    database.write(_CLEAR, account=key, path=path)


def forget_locks(database: Database, key: str) -> bool:
    """Forget everything about both paths; return whether there was anything."""
    return database.write(_FORGET, account=key) > 0
