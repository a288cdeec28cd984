"""SQLite: each thread keeps a connection to read by, and all write by one (ADR 9)."""

import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import peewee as pw

from gateway.storage.database import Database, DatabaseUnavailable, Duplicate, Place, Row, Statement
from gateway.storage.transfer import Transfer
from gateway.storage.transfer_sqlite import SqliteTransfer
from gateway.storage.writer import Writer

_UNAVAILABLE = (pw.OperationalError, pw.DatabaseError, pw.InternalError, sqlite3.DatabaseError)
"""Locked, full, read-only and gone; a file that is no database; a damaged one."""

_STATEMENTS_KEPT = 512
"""Prepared statements of a connection: all that the house has."""
_CHECKPOINT_PAGES = 4000
"""Pages of the log after which a commit carries them over: a hot page is then written once for many changes."""
_FAULTS_SHOWN = 5
_FULL = 2
"""Of `synchronous`: a commit is on the disk when it returns."""


class SqliteDatabase(Database):
    """A file; a transaction takes the write lock first, and so holds everything."""

    name: ClassVar[str] = "SQLite"

    engine: pw.SqliteDatabase

    def __init__(self, engine: pw.SqliteDatabase, writer: Writer) -> None:
        """Take the engine that threads read by, and the writer."""
        super().__init__(engine)
        self.writer = writer
        self._compiled: dict[Statement, tuple[str, tuple[Any, ...]]] = {}

    def select(self, query: pw.Query) -> list[Row]:
        """Run a query that was built for this one call."""
        if self._thread.writing is None and isinstance(query, pw.Insert | pw.Update | pw.Delete):
            with self.transaction():
                return self.select(query)
        sql, values = self.engine.get_sql_context().parse(query)
        with _TRANSLATED:
            found: list[Row] = self._connection().execute(sql, values).fetchall()
        return found

    def script(self, sql: str) -> list[Row]:
        """Run one statement of a migration and return its rows."""
        with _TRANSLATED:
            if self._thread.writing is not None:
                inside: list[Row] = self._thread.writing.execute(sql).fetchall()
                return inside
            with self.writer.alone() as engine:
                found: list[Row] = engine.connection().execute(sql).fetchall()
                return found

    def require_usable(self) -> None:
        """Refuse a file that may only be read."""
        path = Path(self.engine.database)
        if path.exists() and not os.access(path, os.W_OK):
            message = "it is read-only"
            raise DatabaseUnavailable(message)

    def has_table(self, name: str) -> bool:
        """Return whether the database has a table."""
        with _TRANSLATED:
            return bool(self.engine.table_exists(name))

    def in_own_words(self, sql: str) -> str:
        """Return a statement of a migration as it is: migrations are written for SQLite, in words that both have."""
        return sql

    def list_faults(self) -> list[str]:
        """Return what a quick check of the file finds."""
        return [str(row[0]) for row in self.script(f"PRAGMA quick_check({_FAULTS_SHOWN})") if row[0] != "ok"]

    def describe(self) -> str:
        """Return name and version."""
        return f"{self.name} {sqlite3.sqlite_version}"

    def list_risks(self) -> list[str]:
        """Return how a commit waits for the disk, if it does not."""
        [(level,)] = self.script("PRAGMA synchronous")
        return [] if level >= _FULL else [f"synchronous is {level}"]

    def take_time(self) -> None:
        """Do nothing: no statement is cut off."""

    def transfer(self) -> Transfer:
        """Return how whole tables leave and enter this database."""
        return SqliteTransfer(self.engine.database, self.transaction, lambda: self._thread.writing)

    def close(self) -> None:
        """Close this thread's connection, and the writing one until it is wanted again."""
        self._thread.reading = None
        if not self.engine.is_closed():
            self.engine.close()
        with _TRANSLATED:
            self.writer.close()

    def _connection(self) -> sqlite3.Connection:
        """Return the connection on which this thread reads: inside a transaction that one, so that it sees what it wrote."""
        thread = self._thread
        if thread.writing is None and thread.reading is None:
            thread.reading = self.engine.connection()
        chosen: sqlite3.Connection = thread.writing or thread.reading
        return chosen

    def _run(self, statement: Statement, values: Mapping[str, Any]) -> sqlite3.Cursor:
        sql, layout = self._compiled.get(statement) or self._parsed(statement)
        if statement.writes:
            self._note(statement)
        try:
            # peewee's own execute costs more than SQLite's answer to a small question.
            return self._connection().execute(sql, [values[part] if part.__class__ is Place else part for part in layout])
        except sqlite3.Error as error:
            raise _told(error) from error

    def _run_many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        sql, layout = self._parsed(statement)
        bound = [[values[part] if part.__class__ is Place else part for part in layout] for values in rows]
        try:
            self._connection().executemany(sql, bound)
        except sqlite3.Error as error:
            raise _told(error) from error

    def _writing(self) -> AbstractContextManager[sqlite3.Connection]:
        return self.writer.transaction()

    def _translated(self) -> AbstractContextManager[None]:
        return _TRANSLATED

    def _hold(self, statement: Statement, values: Mapping[str, Any]) -> None:
        """Do nothing: a transaction holds everything."""

    def _hold_name(self, name: tuple[str, ...]) -> None:
        """Do nothing: a transaction holds everything."""

    def _listen(self) -> None:
        """Do nothing: a file tells nobody."""

    def _parsed(self, statement: Statement) -> tuple[str, tuple[Any, ...]]:
        compiled = self._compiled.get(statement)
        if compiled is None:
            sql, layout = self.engine.get_sql_context().parse(statement.query)
            compiled = self._compiled[statement] = (sql, tuple(layout))
        return compiled


def open_sqlite(path: str) -> SqliteDatabase:
    """Return the database in a file.

    It runs in WAL with `synchronous=FULL`: what was acknowledged survives a power cut (decisions.md 41).
    """
    # The patience comes first: going over to WAL takes a lock too, and several processes may open a fresh database at once.
    pragmas = {
        "busy_timeout": 15_000,
        "journal_mode": "wal",
        "synchronous": "full",
        "foreign_keys": 1,
        # Nothing is mapped instead: every commit by another connection tears the whole mapping down, and its pages are found anew.
        # For each thread's connection: more of it is no faster, because every commit empties the caches of the others, and a process
        # has to get along with 150 MB.
        "cache_size": -6_000,
        "wal_autocheckpoint": _CHECKPOINT_PAGES,
    }
    settings: dict[str, Any] = {"pragmas": pragmas, "timeout": 15, "cached_statements": _STATEMENTS_KEPT}
    # Threads use the one writing connection in turn, under the writer's lock.
    writing = pw.SqliteDatabase(path, **settings, thread_safe=False, check_same_thread=False)
    return SqliteDatabase(pw.SqliteDatabase(path, **settings), Writer(writing))


def _told(error: sqlite3.Error) -> Exception:
    """Return what the engine's error means."""
    if isinstance(error, sqlite3.IntegrityError):
        return Duplicate(str(error)) if "unique" in str(error).casefold() else pw.IntegrityError(str(error))
    return DatabaseUnavailable(str(error)) if isinstance(error, _UNAVAILABLE) else error


class _Translated:
    """The context that raises the engine's operational errors as DatabaseUnavailable. It keeps nothing, so one serves all."""

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Translate; a broken rule of a table stays what it is: a bug, not a database that is away."""
        if isinstance(error, _UNAVAILABLE) and not isinstance(error, pw.IntegrityError):
            raise DatabaseUnavailable(str(error)) from error


_TRANSLATED = _Translated()
