"""Connections to PostgreSQL: as many as act at the same moment, at most a limit, and none that is dead."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, TypeAlias

import psycopg
from psycopg import pq
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types import numeric

from gateway.storage.database import DatabaseUnavailable

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"

LIMIT = 24
"""Connections of a process: its requests, its jobs and whoever looks beside them."""

_WAIT_SECONDS = 10
"""How long somebody waits for one of them: longer is of no use to whoever asked."""
_STATEMENTS_KEPT = 512
"""Prepared statements of a connection: all that the house has."""
_PREPARE_AFTER = 1
"""Uses of a statement before a connection prepares it."""

_DEFAULTS = {
    "application_name": "moongate",
    "connect_timeout": "5",
    # A server that is gone without a word is noticed within a minute, not within the hours that TCP would take.
    "keepalives_idle": "20",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""What a URL may say otherwise."""

_SETTINGS = {
    "timezone": "UTC",
    # Nobody waits longer for somebody else than a caller would wait for us; what is left behind by a dead process is let go.
    "lock_timeout": "15s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    # Our statements take less than to compile them would.
    "jit": "off",
    "client_encoding": "UTF8",
}
_PREPARE = (
    "SELECT "
    + ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _SETTINGS.items())
    # What is acknowledged is on the disk, whatever the server does for others (decisions.md 41).
    + ", CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', false) END"
)


class Pool:
    """The connections of one process to one database; the one used last is used next, so that few are warm rather than many cold."""

    def __init__(self, url: str, limit: int = LIMIT) -> None:
        """Take the URL; nothing is connected yet. Raises ValueError for a URL that the driver does not understand."""
        try:
            said = conninfo_to_dict(url)
            self._conninfo = make_conninfo(url, **{name: value for name, value in _DEFAULTS.items() if name not in said})
        except psycopg.Error as error:
            # Its text repeats the URL, which holds a password.
            message = "no URL of PostgreSQL"
            raise ValueError(message) from error
        self._idle: deque[Connection] = deque()
        self._room = threading.Semaphore(limit)
        self._limit = limit

    @contextmanager
    def lent(self, *, fresh: bool = False) -> Iterator[Connection]:
        """Lend a connection, one made anew if it is to be `fresh`. What comes back broken, or in the middle of something, is closed.

        Raises DatabaseUnavailable if all are in use for too long, psycopg.Error if none can be made.
        """
        connection = self.take(fresh=fresh)
        try:
            yield connection
        finally:
            self.give(connection)

    def take(self, *, fresh: bool = False) -> Connection:
        """Return a connection, which `give` takes back."""
        if not self._room.acquire(timeout=_WAIT_SECONDS):
            message = f"all {self._limit} connections of this process are in use"
            raise DatabaseUnavailable(message)
        try:
            if not fresh:
                with suppress(IndexError):
                    return self._idle.pop()
            return self.connect()
        except BaseException:
            self._room.release()
            raise

    def give(self, connection: Connection) -> None:
        """Take a connection back. One that is broken says that the server went: the others are no better than it."""
        if connection.closed:
            self.close()
        elif connection.info.transaction_status == pq.TransactionStatus.IDLE:
            self._idle.append(connection)
        else:
            connection.close()
        self._room.release()

    def close(self) -> None:
        """Close every connection that nobody uses."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return
            connection.close()

    def connect(self) -> Connection:
        """Return a connection of its own, for whoever keeps it and closes it. Raises psycopg.Error."""
        connection = psycopg.Connection.connect(
            self._conninfo, autocommit=True, prepare_threshold=_PREPARE_AFTER, cursor_factory=psycopg.RawCursor[tuple[Any, ...]]
        )
        connection.prepared_max = _STATEMENTS_KEPT
        for kind, dumper in ((bool, _Truth), (int, _Integer)):
            connection.adapters.register_dumper(kind, dumper)
        for oid, loader in ((16, _TruthLoader), (1700, _NumericLoader)):
            connection.adapters.register_loader(oid, loader)
        try:
            connection.execute(_PREPARE, prepare=False)
        except BaseException:
            connection.close()
            raise
        return connection


class _Integer(Dumper):
    """Integers of four bytes or eight, so that a statement is prepared for two kinds of values and not for four."""

    def get_key(self, obj: int, _: object, /) -> type[Dumper]:
        """Return what tells apart how values are sent."""
        return numeric.Int4Dumper if -(2**31) <= obj < 2**31 else numeric.Int8Dumper

    def upgrade(self, obj: int, _: object, /) -> Dumper:
        """Return the dumper for a value."""
        chosen = numeric.Int4Dumper if -(2**31) <= obj < 2**31 else numeric.Int8Dumper
        return chosen(type(obj))

    def dump(self, obj: int) -> bytes:
        """Return a value as text."""
        return str(obj).encode()


class _Truth(Dumper):
    """Truth values are 0 and 1: columns of them are integers, as on SQLite."""

    oid: ClassVar[int] = 23

    def dump(self, obj: bool) -> bytes:  # noqa: FBT001 -- as psycopg calls it
        """Return 0 or 1."""
        return b"1" if obj else b"0"


class _TruthLoader(Loader):
    """Truth values of conditions are 0 and 1, as on SQLite."""

    def load(self, data: Buffer) -> int:
        """Return 0 or 1."""
        return int(bytes(data) == b"t")


class _NumericLoader(Loader):
    """Sums are integers, as on SQLite: we store nothing else."""

    def load(self, data: Buffer) -> int:
        """Return the integer."""
        return int(bytes(data))
