"""The one way to the database: statements compiled once, and transactions that hold what they read in order to write.

peewee builds SQL text anew for each query, about 115 microseconds of it; a `Statement` is built once from peewee's query builder with
named places for its values, compiled once for each engine, and then only bound. What engines do differently stands in
`engine_sqlite` and `engine_postgres`; `engines.open_database` chooses. Nobody else asks which one it is (ADR 10).
"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ClassVar, Protocol, TypeVar

import peewee as pw

from gateway.metrics import figures
from gateway.storage.bell import Bell
from gateway.storage.tables.machinery import Generation
from gateway.storage.tables.table import Configuration, Table
from gateway.storage.transfer import Transfer

Row = tuple[Any, ...]
Made = TypeVar("Made")
_Result = TypeVar("_Result")

_REMEMBERED = 10_000
"""Answers about the configuration that are kept."""

_ATTEMPTS = 4
"""How often an act is tried that others stand in the way of."""

_JOINED = nullcontext()
"""The part of a transaction that another one holds: whoever holds that begins and ends it."""

JOBS = "jobs"
"""The topic of jobs that were queued."""


class Place(str):
    """The name of a value that is bound when the statement runs."""

    __slots__ = ()


def place(name: str) -> pw.Value:
    """Return a named place for a value in a query."""
    return pw.Value(Place(name), converter=False)


def places(model: type[pw.Model]) -> dict[pw.Field, pw.Value]:
    """Return an insert of every column of a table, each from the place of its name."""
    return {field: place(field.name) for field in model._meta.sorted_fields}


class Duplicate(Exception):
    """A row with the same unique key exists already."""


class DatabaseUnavailable(Exception):
    """The database cannot serve now: locked, full, read-only, gone or damaged. `str()` is one line for the log."""


class Conflict(DatabaseUnavailable):
    """Another transaction stood in the way of this one, which is undone; begun again it may well succeed (`Database.transact`)."""


class Answer(Protocol):
    """What a statement gave: a cursor of whatever engine."""

    @property
    def rowcount(self) -> int:
        """How many rows there are, or were touched."""

    def fetchone(self) -> Any:  # noqa: ANN401 -- rows are as drivers type them
        """Return the next row, or None."""

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""


class Thread(threading.local):
    """What each thread has open."""

    def __init__(self) -> None:
        self.reading: Any = None
        """The thread's own connection, where the engine gives each thread one."""
        self.writing: Any = None
        """The connection of the open transaction."""
        self.acts: list[Callable[[], None]] = []
        """What is done once the open transaction is committed."""
        self.topics: dict[tuple[str, str], None] = {}
        """What every process is told then, each thing once."""
        self.held: set[tuple[object, ...]] = set()
        """What the open transaction holds already."""
        self.looking = False
        """Whether a request is being answered, so that what was remembered may serve (`Database.look`)."""
        self.generation: int | None = None
        """The number of the configuration as this request found it, once it asked."""
        self.configures = False
        """Whether the open transaction changed the configuration."""


class Statement:
    """One query, built once; see the module's first lines."""

    __slots__ = ("configures", "hold", "notes_use", "query", "shared", "writes")

    def __init__(self, query: pw.Query, *, hold: bool = False, shared: bool = False, notes_use: bool = False) -> None:
        """Keep `query`, whose values are places or constants; with `notes_use` it notes a use, by which nobody decides.

        With `hold`, a transaction that reads by it holds the rows of the query's own table until its end: nobody else changes or holds
        them meanwhile. For whoever reads in order to write. `shared`, others may hold them so too: for whoever refers to them. Rows of
        joined tables stay free, and are as they were before the wait. Outside of a transaction it only reads.
        """
        self.query = query
        self.writes = isinstance(query, pw.Insert | pw.Update | pw.Delete)
        self.hold = hold or shared
        self.shared = shared
        self.notes_use = notes_use
        self.configures = self.writes and not notes_use and issubclass(getattr(query, "model", Table), Configuration)
        """Whether it changes what `Database.remembered` keeps."""


_GENERATION = Statement(Generation.select(Generation.value))
_NEXT_GENERATION = Statement(Generation.update({Generation.value: Generation.value + 1}))


class Database(ABC):
    """One database; text is the only type besides integers and null. Safe for all threads of a process."""

    name: ClassVar[str]
    """The engine's name, for people."""

    def __init__(self, engine: pw.Database) -> None:
        """Take the engine by which peewee compiles queries."""
        self.engine = engine
        self._jobs_bell = Bell()
        self._thread = Thread()
        self._followers: dict[str, list[Callable[[str], None]]] = {JOBS: [lambda _: self._jobs_bell.ring()]}
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

        Raises Duplicate if a row with the same unique key exists. An insert leaves its transaction whole then; a change does not, and
        whoever catches the error of one has to let the transaction fail.
        """
        if self._thread.writing is None:
            with self.transaction():
                return self.write(statement, **values)
        touched: int = self._run(statement, values).rowcount
        return touched

    def write_many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run `statement` once for each mapping of values, all or none."""
        if rows:
            with self.transaction():
                self._note(statement)
                self._run_many(statement, rows)

    @abstractmethod
    def select(self, query: pw.Query) -> list[Row]:
        """Run a query that was built for this one call, such as a search; one that writes does so in a transaction."""

    @abstractmethod
    def script(self, sql: str) -> list[Row]:
        """Run one statement of a migration and return its rows, if it has any; outside of a transaction where none is open."""

    @abstractmethod
    def require_usable(self) -> None:
        """Refuse, with DatabaseUnavailable, a database that can never serve as it is: too old, read-only, or not for every text."""

    @abstractmethod
    def has_table(self, name: str) -> bool:
        """Return whether the database has a table."""

    @abstractmethod
    def in_own_words(self, sql: str) -> str:
        """Return a statement of a migration in the engine's words."""

    @abstractmethod
    def list_faults(self) -> list[str]:
        """Return what the engine finds wrong with the database's own state, a line each; empty if it is sound."""

    @abstractmethod
    def transfer(self) -> Transfer:
        """Return how whole tables leave and enter this database: for backups."""

    @abstractmethod
    def describe(self) -> str:
        """Return the engine's name with its version."""

    @abstractmethod
    def list_risks(self) -> list[str]:
        """Return the settings of the engine by which a power cut may lose what was acknowledged; empty if there are none."""

    @property
    def holds_transaction(self) -> bool:
        """Return whether this thread holds a transaction."""
        return self._thread.writing is not None

    def transaction(self) -> AbstractContextManager[None]:
        """Return the context that holds one writing transaction: all or nothing. Inside another it joins that one.

        Others may write meanwhile, but nothing that this one holds: what is read in order to write is read by a `Statement` that holds,
        or held before (`hold`, `hold_name`). On SQLite a transaction holds everything. When it ends, what was written is on the disk.
        Raises Conflict where others stood in the way; `transact` tries again then.
        """
        return _JOINED if self._thread.writing is not None else self._own_transaction()

    @contextmanager
    def _own_transaction(self) -> Iterator[None]:
        thread = self._thread
        thread.acts.clear()
        thread.topics.clear()
        thread.held.clear()
        began = time.perf_counter_ns()
        with self._translated(), self._writing() as connection:
            thread.writing, thread.generation, thread.configures = connection, None, False
            try:
                yield
                if thread.configures:
                    # Last, so that on PostgreSQL its row is held for a moment only.
                    self._run(_NEXT_GENERATION, {})
            finally:
                thread.writing = None
        figures.TRANSACTION_SECONDS.observe((time.perf_counter_ns() - began) // 1000)
        # Copied first: what is done afterwards may open a transaction of its own.
        due, thread.acts = tuple(thread.acts), []
        for act in due:
            act()

    def transact(self, act: Callable[[], _Result]) -> _Result:
        """Do `act` in a transaction and return its result; where others stood in the way it is done again from the start, a few times.

        `act` must bear that: what it changes outside of the database does not come back. Inside a transaction it joins that one.
        """
        for left in reversed(range(_ATTEMPTS)):
            try:
                with self.transaction():
                    return act()
            except Conflict:
                if self.holds_transaction or not left:
                    raise
        message = "unreachable: the last attempt raises or returns"
        raise AssertionError(message)

    def hold(self, statement: Statement, /, **values: Any) -> None:
        """Hold the rows of a holding statement for the transaction that is open, unless it holds them already.

        In which order things are held decides whether two transactions can wait for one another: names first, then groups, then an
        account, then what hangs on it.
        """
        if self._thread.writing is not None:
            self._hold(statement, values)

    def hold_name(self, *name: str) -> None:
        """Hold a name for the transaction that is open: of all who hold the same one, each waits for the one before.

        For rules that no row and no unique index stand for: an address that must be free, a key that is made once.
        """
        if self._thread.writing is not None:
            self._hold_name(name)

    def after_commit(self, act: Callable[[], None]) -> None:
        """Do `act` once the transaction that is open is committed, never if it is rolled back; at once where none is open."""
        if self._thread.writing is not None:
            self._thread.acts.append(act)
        else:
            act()

    def changed(self, topic: str, detail: str = "") -> None:
        """Tell whoever follows `topic` that what `detail` names has changed, once the transaction that is open is committed.

        Followers in this process are told before the transaction's caller goes on. On PostgreSQL those of other processes are told too,
        within milliseconds, in the order of commits; a process that lost its connection is told of everything when it has it again. On
        SQLite no other process hears of it: whoever needs that looks from time to time as well.
        """
        topics = self._thread.topics
        if self._thread.writing is None:
            with self.transaction():
                self.changed(topic, detail)
        elif (topic, detail) not in topics:
            topics[topic, detail] = None
            self._thread.acts.append(lambda: self._tell(topic, detail))

    def when_changed(self, topic: str, act: Callable[[str], None]) -> None:
        """Call `act` with the detail at every change of `topic` from now on; with an empty detail anything of it may have changed.

        It may be called without cause, twice, and by any thread; it must be quick and must not raise. This process listens to others
        from the first call on.
        """
        self._followers.setdefault(topic, []).append(act)
        self._listen()

    @property
    def jobs_bell(self) -> Bell:
        """Return what is rung after a commit that queued a job, in whatever process as far as the engine tells."""
        self._listen()
        return self._jobs_bell

    @abstractmethod
    def take_time(self) -> None:
        """Let the statements of the open transaction take and wait as long as they need: for what nobody's request waits for."""

    @abstractmethod
    def close(self) -> None:
        """Close what this thread has open, and what all threads share until it is wanted again."""

    @abstractmethod
    def _run(self, statement: Statement, values: Mapping[str, Any]) -> Answer:
        """Run a statement and return a cursor with all its rows at hand."""

    @abstractmethod
    def _run_many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement for each of the rows, in the transaction that is open."""

    @abstractmethod
    def _writing(self) -> AbstractContextManager[Any]:
        """Return the context of a transaction, which gives its connection."""

    @abstractmethod
    def _translated(self) -> AbstractContextManager[None]:
        """Return the context in which the engine's errors become ours."""

    @abstractmethod
    def _hold(self, statement: Statement, values: Mapping[str, Any]) -> None:
        """Hold rows; see `hold`."""

    @abstractmethod
    def _hold_name(self, name: tuple[str, ...]) -> None:
        """Hold a name; see `hold_name`."""

    @abstractmethod
    def _listen(self) -> None:
        """Begin to hear of what other processes change, unless it has begun."""

    def _note(self, statement: Statement) -> None:
        """Note that a writing statement runs: it may change what `remembered` keeps."""
        if statement.configures:
            self._thread.configures = True
        elif statement.notes_use:
            self.after_commit(self._remembered.clear)

    def _tell(self, topic: str, detail: str) -> None:
        """Tell the followers in this process."""
        for follower in tuple(self._followers.get(topic, ())):
            follower(detail)
