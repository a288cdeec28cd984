"""The one way to the database: statements compiled once, transactions that begin by taking the write lock.

peewee builds SQL text anew for each query, about 115 microseconds of it; a `Statement` is built once from peewee's query builder with
named places for its values, compiled once for each engine, and then only bound.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import peewee as pw

from gateway.storage.tables.machinery import Generation
from gateway.storage.tables.table import Configuration, Table
from gateway.storage.writer import Writer

Row = tuple[Any, ...]
Made = TypeVar("Made")

_UNAVAILABLE = (pw.OperationalError, pw.DatabaseError, pw.InternalError, sqlite3.DatabaseError)
"""Locked, full, read-only and gone; a file that is no database; a damaged one."""

_STATEMENTS_KEPT = 512
"""Prepared statements of a connection: all that the house has."""


_REMEMBERED = 10_000
"""Answers about the configuration that are kept."""

_MAPPED_BYTES = 256 * 1024 * 1024
_CHECKPOINT_PAGES = 4000
"""Pages of the log after which a commit carries them over: a hot page is then written once for many changes."""


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


class _Thread(threading.local):
    """What each thread has open."""

    def __init__(self) -> None:
        self.reading: sqlite3.Connection | None = None
        """The thread's own connection, once it has one."""
        self.writing: sqlite3.Connection | None = None
        """The writing connection, while this thread holds a transaction."""
        self.acts: list[Callable[[], None]] = []
        """What is done once the open transaction is committed."""
        self.looking = False
        """Whether a request is being answered, so that what was remembered may serve (`Database.look`)."""
        self.generation: int | None = None
        """The number of the configuration as this request found it, once it asked."""
        self.configures = False
        """Whether the open transaction changed the configuration."""


def _writes(query: pw.Query) -> bool:
    return isinstance(query, pw.Insert | pw.Update | pw.Delete)


class Statement:
    """One query, built once; see the module's first lines."""

    __slots__ = ("configures", "notes_use", "query", "writes")

    def __init__(self, query: pw.Query, *, notes_use: bool = False) -> None:
        """Keep `query`, whose values are places or constants; with `notes_use` it notes a use, by which nobody decides."""
        self.query = query
        self.writes = _writes(query)
        self.notes_use = notes_use
        self.configures = self.writes and not notes_use and issubclass(getattr(query, "model", Table), Configuration)
        """Whether it changes what `Database.remembered` keeps."""


_GENERATION = Statement(Generation.select(Generation.value))
_NEXT_GENERATION = Statement(Generation.update({Generation.value: Generation.value + 1}))


class Database:
    """One database. Each thread keeps a connection to read by, and all write by one; text is the only type besides integers and null."""

    def __init__(self, engine: pw.SqliteDatabase, writer: Writer) -> None:
        """Take the engine and the writer that `open_database` made."""
        self.engine = engine
        self.writer = writer
        self.jobs_bell = Bell()
        """Rung after a commit that queued a job."""
        self._thread = _Thread()
        self._compiled: dict[Statement, tuple[str, tuple[Any, ...]]] = {}
        self._remembered: dict[tuple[Any, ...], tuple[int, Any]] = {}

    def look(self) -> None:
        """Begin to answer a request: `remembered` may serve it from memory, for which it looks once whether the configuration changed."""
        self._thread.looking, self._thread.generation = True, None

    def end_look(self) -> None:
        """End what `look` began: whoever is no request asks the database itself."""
        self._thread.looking = False

    def remembered(self, statement: Statement, make: Callable[[list[Row]], Made], /, **values: Any) -> Made | None:
        """Run a query of nothing but `Configuration` and return what `make` makes of its rows, which is never changed; None: no rows.

        Within a request it comes from memory as long as nobody, in any process, changed the configuration since: every transaction that
        does raises a number, and a request reads that number first. So nothing that was revoked is believed at the next request.
        """
        thread = self._thread
        if not thread.looking or thread.writing is not None:
            return make(rows) if (rows := self.rows(statement, **values)) else None
        if thread.generation is None:
            thread.generation = self.rows(_GENERATION)[0][0]
        key = (statement, *values.values())
        kept = self._remembered.get(key)
        if kept is not None and kept[0] == thread.generation:
            made: Made = kept[1]
            return made
        # What is not there is not kept: strangers could fill the memory with their guesses.
        if not (rows := self.rows(statement, **values)):
            return None
        made = make(rows)
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = (thread.generation, made)
        return made

    def rows(self, statement: Statement, /, **values: Any) -> list[Row]:
        """Run `statement` and return all its rows."""
        if statement.writes and self._thread.writing is None:
            with self.transaction():
                return self.rows(statement, **values)
        found: list[Row] = self._run(statement, values).fetchall()
        return found

    def row(self, statement: Statement, /, **values: Any) -> Row | None:
        """Run `statement` and return its first row, or None."""
        if statement.writes and self._thread.writing is None:
            with self.transaction():
                return self.row(statement, **values)
        found: Row | None = self._run(statement, values).fetchone()
        return found

    def write(self, statement: Statement, /, **values: Any) -> int:
        """Run `statement` and return how many rows it touched.

        Raises Duplicate if a row with the same unique key exists.
        """
        if self._thread.writing is None:
            with self.transaction():
                return self.write(statement, **values)
        touched: int = self._run(statement, values).rowcount
        return touched

    def write_many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run `statement` once for each mapping of values, all or none."""
        sql, layout = self._parsed(statement)
        bound = [[values[part] if part.__class__ is _Place else part for part in layout] for values in rows]
        with self.transaction():
            self._thread.configures |= statement.configures
            try:
                self._connection().executemany(sql, bound)
            except sqlite3.Error as error:
                raise _told(error) from error

    def select(self, query: pw.Query) -> list[Row]:
        """Run a query that was built for this one call, such as a search."""
        if self._thread.writing is None and _writes(query):
            with self.transaction():
                return self.select(query)
        sql, values = self.engine.get_sql_context().parse(query)
        with _translated():
            found: list[Row] = self._connection().execute(sql, values).fetchall()
        return found

    def script(self, sql: str) -> list[Row]:
        """Run one statement of a migration and return its rows, if it has any."""
        with _translated():
            if self._thread.writing is not None:
                return self._thread.writing.execute(sql).fetchall()
            with self.writer.alone() as engine:
                found: list[Row] = engine.connection().execute(sql).fetchall()
                return found

    def has_table(self, name: str) -> bool:
        """Return whether the database has a table."""
        with _translated():
            return bool(self.engine.table_exists(name))

    @property
    def holds_transaction(self) -> bool:
        """Return whether this thread holds a transaction."""
        return self._thread.writing is not None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold one writing transaction: all or nothing. Inside another it joins that one.

        It takes the write lock first: a transaction that reads and then writes would otherwise fail under load. When it ends, what was
        written is on the disk.
        """
        thread = self._thread
        if thread.writing is not None:
            yield
            return
        thread.acts.clear()
        with _translated(), self.writer.transaction() as connection:
            thread.writing, thread.generation, thread.configures = connection, None, False
            try:
                yield
                if thread.configures:
                    # Last, so that on PostgreSQL its row is held for a moment only.
                    self._run(_NEXT_GENERATION, {})
            finally:
                thread.writing = None
        # Copied first: what is done afterwards may open a transaction of its own.
        due, thread.acts = tuple(thread.acts), []
        for act in due:
            act()

    def after_commit(self, act: Callable[[], None]) -> None:
        """Do `act` once the transaction that is open is committed, never if it is rolled back; at once where none is open."""
        if self._thread.writing is not None:
            self._thread.acts.append(act)
        else:
            act()

    def close(self) -> None:
        """Close this thread's connection, and the writing one until it is wanted again."""
        self._thread.reading = None
        if not self.engine.is_closed():
            self.engine.close()
        with _translated():
            self.writer.close()

    def _connection(self) -> sqlite3.Connection:
        """Return the connection on which this thread reads: inside a transaction that one, so that it sees what it wrote."""
        thread = self._thread
        if thread.writing is not None:
            return thread.writing
        if thread.reading is None:
            thread.reading = self.engine.connection()
        return thread.reading

    def _run(self, statement: Statement, values: Mapping[str, Any]) -> sqlite3.Cursor:
        sql, layout = self._compiled.get(statement) or self._parsed(statement)
        if statement.writes:
            if statement.configures:
                self._thread.configures = True
            elif statement.notes_use:
                self.after_commit(self._remembered.clear)
        try:
            # peewee's own execute costs more than SQLite's answer to a small question.
            return self._connection().execute(sql, [values[part] if part.__class__ is _Place else part for part in layout])
        except sqlite3.Error as error:
            raise _told(error) from error

    def _parsed(self, statement: Statement) -> tuple[str, tuple[Any, ...]]:
        compiled = self._compiled.get(statement)
        if compiled is None:
            sql, layout = self.engine.get_sql_context().parse(statement.query)
            compiled = self._compiled[statement] = (sql, tuple(layout))
        return compiled


def _told(error: sqlite3.Error) -> Exception:
    """Return what the engine's error means."""
    if isinstance(error, sqlite3.IntegrityError):
        return Duplicate(str(error)) if "unique" in str(error).casefold() else pw.IntegrityError(str(error))
    return DatabaseUnavailable(str(error)) if isinstance(error, _UNAVAILABLE) else error


@contextmanager
def _translated() -> Iterator[None]:
    """Raise the engine's operational errors as DatabaseUnavailable."""
    try:
        yield
    except pw.IntegrityError:
        # A broken rule of a table is a bug, not a database that is away.
        raise
    except _UNAVAILABLE as error:
        raise DatabaseUnavailable(str(error)) from error


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
    pragmas = {
        "busy_timeout": 15_000,
        "journal_mode": "wal",
        "synchronous": "full",
        "foreign_keys": 1,
        "cache_size": -32_000,
        # Every commit empties the caches of all other connections; what is mapped is read again without a call for each page.
        "mmap_size": _MAPPED_BYTES,
        "wal_autocheckpoint": _CHECKPOINT_PAGES,
    }
    settings: dict[str, Any] = {"pragmas": pragmas, "timeout": 15, "cached_statements": _STATEMENTS_KEPT}
    # Threads use the one writing connection in turn, under the writer's lock.
    writing = pw.SqliteDatabase(path, **settings, thread_safe=False, check_same_thread=False)
    return Database(pw.SqliteDatabase(path, **settings), Writer(writing))
