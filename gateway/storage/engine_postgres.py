"""PostgreSQL: writers go side by side, and hold what they read in order to write (ADR 10)."""

import hashlib
import re
import secrets
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, NamedTuple

import peewee as pw
import psycopg
from psycopg import pq

from gateway import turns
from gateway.storage.database import Answer, Conflict, Database, DatabaseUnavailable, Duplicate, Place, Row, Statement
from gateway.storage.postgres_listener import CHANNEL, SEPARATOR, Listener
from gateway.storage.postgres_pool import Connection, Pool
from gateway.storage.transfer import Transfer
from gateway.storage.transfer_postgres import PostgresTransfer

OLDEST = 14
"""The oldest release that is served."""

_SAFE = ("fsync", "full_page_writes", "synchronous_commit")
"""Settings without which a power cut may lose what was acknowledged."""

_HOLD = "FOR NO KEY UPDATE"
_HOLD_SHARED = "FOR SHARE"
"""Under both, rows that refer to what is held may still be added."""
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
_READ_ONLY = psycopg.errors.ReadOnlySqlTransaction.sqlstate
_IN_THE_WAY = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected, psycopg.errors.ForeignKeyViolation)
"""What another transaction did to this one; the last: what a row refers to went while it was written, or the other way round."""

_ONE_EACH = "a row with this key exists"
_PLACE = "%s"
"""Where peewee puts a value."""


class _Compiled(NamedTuple):
    """A statement in the engine's words."""

    sql: str
    holding: str
    """The same with what it finds held; where it holds nothing, the same."""
    layout: tuple[Any, ...]
    one_each: bool
    """Whether it inserts one row for each binding, and nothing only where that row's key is taken."""


class PostgresDatabase(Database):
    """A database on a server. Reads need no transaction; each transaction has a connection for itself."""

    name: ClassVar[str] = "PostgreSQL"

    def __init__(self, pool: Pool) -> None:
        """Take the connections."""
        super().__init__(pw.PostgresqlDatabase(None))
        self.pool = pool
        self._compiled: dict[Statement, _Compiled] = {}
        self._process = secrets.token_hex(8)
        self._listener = Listener(pool.connect, self._process, self._tell, self._tell_all)
        # Who forgets to close leaves no connection open longer than the database itself.
        weakref.finalize(self, pool.close)

    def require_usable(self) -> None:
        """Refuse, with DatabaseUnavailable, a server that is too old or read-only, or a database that cannot hold every text."""
        with self._translated(), self.pool.lent() as connection:
            version = connection.info.server_version // 10_000
            asked = "SELECT current_setting('server_encoding'), current_setting('transaction_read_only')"
            [(encoding, read_only)] = _rows(connection, asked)
        if version < OLDEST:
            message = f"PostgreSQL {version} is too old: {OLDEST} or newer is needed"
            raise DatabaseUnavailable(message)
        if encoding != "UTF8":
            message = f"its encoding is {encoding}: it must be UTF8"
            raise DatabaseUnavailable(message)
        if read_only == "on":
            message = "it is read-only: a standby, or so configured"
            raise DatabaseUnavailable(message)

    def select(self, query: pw.Query) -> list[Row]:
        """Run a query that was built for this one call."""
        if self._thread.writing is None and isinstance(query, pw.Insert | pw.Update | pw.Delete):
            with self.transaction():
                return self.select(query)
        sql, values = self.engine.get_sql_context().parse(query)
        return self._answer(_numbered(sql, len(values)), values, prepare=False).fetchall()

    def script(self, sql: str) -> list[Row]:
        """Run one statement of a migration and return its rows."""
        with self._translated():
            if self._thread.writing is not None:
                return _rows(self._thread.writing, sql)
            with self.pool.lent() as connection:
                return _rows(connection, sql)

    def has_table(self, name: str) -> bool:
        """Return whether the database has a table."""
        return bool(self._answer("SELECT to_regclass($1) IS NOT NULL", [name], prepare=False).fetchall()[0][0])

    def in_own_words(self, sql: str) -> str:
        """Return a statement of a migration with texts compared by code points, as SQLite does, and without words of SQLite's."""
        if not re.match(r"\s*(CREATE|ALTER)\s+TABLE\b", sql, re.IGNORECASE):
            return sql
        sql = re.sub(r"\bTEXT\b(?!\s+COLLATE)", 'TEXT COLLATE "C"', sql)
        return re.sub(r"\)\s*WITHOUT\s+ROWID\s*$", ")", sql, flags=re.IGNORECASE)

    def list_faults(self) -> list[str]:
        """Return nothing: the server checks its own pages, and answers or does not."""
        self.require_usable()
        return []

    def describe(self) -> str:
        """Return name and version."""
        [(version,)] = self.script("SHOW server_version")
        return f"{self.name} {version}"

    def list_risks(self) -> list[str]:
        """Return what of the server's settings is off that must be on."""
        names = ", ".join(f"'{name}'" for name in _SAFE)
        off = self.script(f"SELECT CAST(name AS TEXT) FROM pg_settings WHERE name IN ({names}) AND setting = 'off' ORDER BY name")
        return [f"{name} is off" for (name,) in off]

    def take_time(self) -> None:
        """Take back the limits of the open transaction's statements."""
        for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            self.script(f"SET LOCAL {limit} = 0")

    def transfer(self) -> Transfer:
        """Return how whole tables leave and enter this database."""
        return PostgresTransfer(self.pool.connect, self.transaction, lambda: self._thread.writing)

    def close(self) -> None:
        """Close every connection that nobody uses, and listen no more."""
        self._listener.stop()
        self.pool.close()

    def _run(self, statement: Statement, values: Mapping[str, Any]) -> Answer:
        compiled = self._compiled.get(statement) or self._parsed(statement)
        if statement.writes:
            self._note(statement)
        bound = [values[part] if part.__class__ is Place else part for part in compiled.layout]
        holds = statement.hold and self._thread.writing is not None
        answer = self._answer(compiled.holding if holds else compiled.sql, bound)
        if holds:
            self._thread.held.add((statement, *values.values()))
        if compiled.one_each and not answer.rowcount:
            raise Duplicate(_ONE_EACH)
        return answer

    def _run_many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        compiled = self._compiled.get(statement) or self._parsed(statement)
        bound = [_cleaned([values[part] if part.__class__ is Place else part for part in compiled.layout]) for values in rows]
        with self._translated(), self._thread.writing.cursor() as cursor, turns.aside():
            cursor.executemany(compiled.sql, bound)
            touched = cursor.rowcount
        if compiled.one_each and touched < len(rows):
            raise Duplicate(_ONE_EACH)

    def _answer(self, sql: str, values: Sequence[Any], *, prepare: bool | None = None) -> Answer:
        """Return the answer to a statement: of the open transaction, else of any connection."""
        writing: Connection | None = self._thread.writing
        with turns.aside():
            if writing is not None:
                try:
                    return _executed(writing, sql, values, prepare=prepare)
                except psycopg.Error as error:
                    raise _told(error) from error
            try:
                with self.pool.lent() as connection:
                    try:
                        return _executed(connection, sql, values, prepare=prepare)
                    except psycopg.OperationalError:
                        if not connection.closed:
                            raise
                # It broke while nobody used it: the server was restarted. Nothing was done, so it is asked again, once.
                with self.pool.lent(fresh=True) as connection:
                    return _executed(connection, sql, values, prepare=prepare)
            except psycopg.Error as error:
                raise _told(error) from error

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with turns.aside():
            connection = self._begin()
        try:
            yield connection
            with turns.aside():
                self._commit(connection)
        except BaseException as error:
            with suppress(psycopg.Error):
                if not connection.closed:
                    connection.execute("ROLLBACK", prepare=False)
            if getattr(error.__cause__, "sqlstate", None) == _READ_ONLY:
                # Its server may be the one that was the first before; another connection finds the one that is.
                connection.close()
            raise
        finally:
            self.pool.give(connection)

    def _begin(self) -> Connection:
        """Return a connection in a new transaction; where it was dead, one made anew: nothing was done by it yet."""
        connection = self.pool.take()
        try:
            connection.execute(_BEGIN, prepare=False)
        except psycopg.OperationalError:
            self.pool.give(connection)
            connection = self.pool.take(fresh=True)
            try:
                connection.execute(_BEGIN, prepare=False)
            except BaseException:
                self.pool.give(connection)
                raise
        except BaseException:
            self.pool.give(connection)
            raise
        return connection

    def _commit(self, connection: Connection) -> None:
        if connection.info.transaction_status != pq.TransactionStatus.INTRANS:
            # A statement failed and somebody hid that: the server would undo everything and say nothing.
            message = "the transaction was given up"
            raise DatabaseUnavailable(message)
        if self._thread.topics:
            told = [SEPARATOR.join((self._process, *topic)) for topic in self._thread.topics]
            connection.execute(f"SELECT pg_notify('{CHANNEL}', told) FROM unnest($1::text[]) AS told", [told])
        connection.execute("COMMIT", prepare=False)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise _told(error) from error

    def _hold(self, statement: Statement, values: Mapping[str, Any]) -> None:
        if (statement, *values.values()) not in self._thread.held:
            self._run(statement, values)

    def _hold_name(self, name: tuple[str, ...]) -> None:
        if name not in self._thread.held:
            key = hashlib.blake2b(SEPARATOR.join(name).encode(), digest_size=8).digest()
            self._answer("SELECT pg_advisory_xact_lock($1::bigint)", [int.from_bytes(key, signed=True)])
            self._thread.held.add(name)

    def _listen(self) -> None:
        self._listener.start()

    def _tell_all(self) -> None:
        """Tell every follower that anything may have changed."""
        for topic in tuple(self._followers):
            self._tell(topic, "")

    def _parsed(self, statement: Statement) -> _Compiled:
        query: Any = statement.query
        sql, layout = self.engine.get_sql_context().parse(query)
        one_each = sql.startswith("INSERT") and " VALUES (" in sql and " ON CONFLICT " not in sql
        if one_each:
            # A taken key would fail the whole transaction; passed over, it is told by what was touched.
            sql += " ON CONFLICT DO NOTHING"
        sql = holding = _numbered(sql, len(layout))
        if statement.hold:
            held, _ = self.engine.get_sql_context().parse(query.for_update(_HOLD_SHARED if statement.shared else _HOLD, of=query.model))
            holding = _numbered(held, len(layout))
        compiled = self._compiled[statement] = _Compiled(sql, holding, tuple(layout), one_each)
        return compiled


def open_postgres(url: str) -> PostgresDatabase:
    """Return the database of a URL; nothing is connected yet. Raises ValueError for a URL that the driver does not understand."""
    return PostgresDatabase(Pool(url))


def _numbered(sql: str, places: int) -> str:
    """Return SQL text with the server's own places, `$1` and so on, so that the driver has nothing to look for in it."""
    parts = sql.split(_PLACE)
    if len(parts) != places + 1:
        message = f"text of the statement holds {_PLACE}"
        raise ValueError(message)
    return "".join(f"{part}${at}" for at, part in enumerate(parts[:-1], 1)) + parts[-1]


def _executed(connection: Connection, sql: str, values: Sequence[Any], *, prepare: bool | None) -> Answer:
    try:
        return connection.execute(sql, values, prepare=prepare)
    except psycopg.DataError as error:
        if error.sqlstate is not None:
            raise
        return connection.execute(sql, _cleaned(values), prepare=prepare)


def _cleaned(values: Sequence[Any]) -> list[Any]:
    """Return values without zero bytes: texts here hold none, so what is asked for with one is not there."""
    return [value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value for value in values]


def _rows(connection: Connection, sql: str) -> list[Row]:
    cursor = connection.execute(sql, prepare=False)
    return cursor.fetchall() if cursor.description else []


def _told(error: psycopg.Error) -> Exception:
    """Return what the engine's error means, in one line without any value of a row."""
    text = error.diag.message_primary or " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, psycopg.errors.UniqueViolation):
        return Duplicate(text)
    if isinstance(error, _IN_THE_WAY):
        return Conflict(text)
    return pw.IntegrityError(text) if isinstance(error, psycopg.IntegrityError) else DatabaseUnavailable(text)
