"""The one way to the database: statements compiled once, transactions that begin by taking the write lock.

peewee builds SQL text anew for each query, about 115 microseconds of it; a `Statement` is built once from peewee's query builder with
named places for its values, compiled once for each engine, and then only bound.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import peewee as pw

Row = tuple[Any, ...]

_UNAVAILABLE = (pw.OperationalError, pw.DatabaseError, pw.InternalError, sqlite3.DatabaseError)
"""Locked, full, read-only and gone; a file that is no database; a damaged one."""

_STATEMENTS_KEPT = 512
"""Prepared statements of a connection: all that the house has."""


class _Place(str):
    """The name of a value that is bound when the statement runs."""

    __slots__ = ()


def place(name: str) -> pw.Value:
    """Return a named place for a value in a query."""
    return pw.Value(_Place(name), converter=False)


def places(model: type[pw.Model]) -> dict[pw.Field, pw.Value]:
    """Return an insert of every column of a table, each from the place of its name."""
    return {field: place(field.name) for field in model._meta.sorted_fields}


class Duplicate(Exception):
    """A row with the same unique key exists already."""


class DatabaseUnavailable(Exception):
    """The database cannot serve now: locked, full, read-only, gone or damaged. `str()` is one line for the log."""


class Bell:
    """Wakes whoever waits in this process, once for all rings since it last looked: a ring before the wait is not lost."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rung = False

    def ring(self) -> None:
        """Wake the waiter now, or let its next wait end at once."""
        with self._changed:
            self._rung = True
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait for a ring, at most so long; return whether there was one."""
        with self._changed:
            rung = self._changed.wait_for(lambda: self._rung, seconds)
            self._rung = False
            return rung


class _Afterwards(threading.local):
    """What each thread does once its open transaction is committed."""

    def __init__(self) -> None:
        self.acts: list[Callable[[], None]] = []


class Statement:
    """One query, built once; see the module's first lines."""

    __slots__ = ("query",)

    def __init__(self, query: pw.Query) -> None:
        """Keep `query`, whose values are places or constants."""
        self.query = query


class Database:
    """One database. Connections are kept, one for each thread; text is the only type besides integers and null."""

    def __init__(self, engine: pw.Database) -> None:
        """Take the engine that `open_database` made."""
        self.engine = engine
        self.jobs_bell = Bell()
        """Rung after a commit that queued a job."""
        self._afterwards = _Afterwards()
        self._compiled: dict[Statement, tuple[str, tuple[Any, ...]]] = {}
        # peewee's own execute costs more than SQLite's answer to a small question; its connection is kept for each thread anyway.
        self._direct = isinstance(engine, pw.SqliteDatabase)

    def rows(self, statement: Statement, /, **values: Any) -> list[Row]:
        """Run `statement` and return all its rows."""
        found: list[Row] = self._run(statement, values).fetchall()
        return found

    def row(self, statement: Statement, /, **values: Any) -> Row | None:
        """Run `statement` and return its first row, or None."""
        found: Row | None = self._run(statement, values).fetchone()
        return found

    def write(self, statement: Statement, /, **values: Any) -> int:
        """Run `statement` and return how many rows it touched.

        Raises Duplicate if a row with the same unique key exists.
        """
        touched: int = self._run(statement, values).rowcount
        return touched

    def write_many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run `statement` once for each mapping of values."""
        for values in rows:
            self._run(statement, values)

    def select(self, query: pw.Query) -> list[Row]:
        """Run a query that was built for this one call, such as a search."""
        sql, values = self.engine.get_sql_context().parse(query)
        with _translated():
            found: list[Row] = self.engine.execute_sql(sql, values).fetchall()
        return found

    def script(self, sql: str) -> list[Row]:
        """Run one statement of a migration and return its rows, if it has any."""
        with _translated():
            cursor = self.engine.execute_sql(sql)
            return cursor.fetchall() if cursor.description else []

    def has_table(self, name: str) -> bool:
        """Return whether the database has a table."""
        with _translated():
            return bool(self.engine.table_exists(name))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold one writing transaction: all or nothing. Inside another it joins that one.

        It takes the write lock first: a transaction that reads and then writes would otherwise fail under load.
        """
        if self.engine.in_transaction():
            yield
            return
        acts = self._afterwards.acts
        acts.clear()
        with _translated(), self.engine.atomic("IMMEDIATE"):
            yield
        # Copied first: what is done afterwards may open a transaction of its own.
        due, acts[:] = tuple(acts), []
        for act in due:
            act()

    def after_commit(self, act: Callable[[], None]) -> None:
        """Do `act` once the transaction that is open is committed, never if it is rolled back; at once where none is open."""
        if self.engine.in_transaction():
            self._afterwards.acts.append(act)
        else:
            act()

    def close(self) -> None:
        """Close this thread's connection."""
        if not self.engine.is_closed():
            self.engine.close()

    def _run(self, statement: Statement, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 -- a driver's cursor
        compiled = self._compiled.get(statement)
        if compiled is None:
            sql, layout = self.engine.get_sql_context().parse(statement.query)
            compiled = self._compiled[statement] = (sql, tuple(layout))
        sql, layout = compiled
        try:
            if self._direct:
                return self.engine.connection().execute(sql, [values[part] if part.__class__ is _Place else part for part in layout])
            return self.engine.execute_sql(sql, [_plain(values[part]) if part.__class__ is _Place else part for part in layout])
        except (pw.IntegrityError, sqlite3.IntegrityError) as error:
            if "unique" in str(error).casefold():
                raise Duplicate(str(error)) from error
            raise
        except _UNAVAILABLE as error:
            raise DatabaseUnavailable(str(error)) from error


@contextmanager
def _translated() -> Iterator[None]:
    """Raise the engine's operational errors as DatabaseUnavailable."""
    try:
        yield
    except _UNAVAILABLE as error:
        raise DatabaseUnavailable(str(error)) from error


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Return a truth value as the integer its column holds, anything else as it is."""
    return int(value) if value.__class__ is bool else value


def open_database(url: str) -> Database:
    """Return the database that `sqlite:///<path>` names.

    SQLite runs in WAL with `synchronous=FULL`: what was acknowledged survives a power cut (decisions.md 41).

    Raises ValueError for another scheme.
    """
    scheme, separator, path = url.partition(":///")
    if scheme != "sqlite" or not separator or not path:
        message = "only sqlite:///<path> is served"
        raise ValueError(message)
    # The patience comes first: going over to WAL takes a lock too, and several processes may open a fresh database at once.
    pragmas = {"busy_timeout": 15_000, "journal_mode": "wal", "synchronous": "full", "foreign_keys": 1, "cache_size": -32_000}
    return Database(pw.SqliteDatabase(path, pragmas=pragmas, timeout=15, cached_statements=_STATEMENTS_KEPT))
