"""The one writing connection of a process: its threads write one after another, and those that queue commit together.

A commit on SQLite with `synchronous=FULL` waits for the disk, milliseconds for microseconds of work. So whoever ends its transaction while
others wait for the lock leaves it open to them: each adds its own part behind a savepoint, and the last one commits for all. Nobody goes
on before that commit: what is acknowledged is on the disk, and nobody else saw it earlier. A lock of the process, instead of SQLite's own
(which sleeps and tries again), lets the next one in at once; other processes wait by SQLite's.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

import peewee as pw

from gateway import turns

_LOOK_AGAIN_SECONDS = 0.05
"""How long somebody waits for a commit by others before looking whether there is anybody left to do it."""


class _Batch:
    """Transactions that are committed together."""

    __slots__ = ("_gate", "ended", "error", "members")

    def __init__(self) -> None:
        self.members = 0
        """Those that ended their part and wait."""
        self.ended = False
        self.error: sqlite3.Error | None = None
        """Why none of them was kept."""
        # An event would cost more than the rest of a small transaction, and nearly nobody waits for it.
        self._gate = threading.Lock()
        self._gate.acquire()

    def end(self, error: sqlite3.Error | None) -> None:
        """Note that the batch is over, and let go on who waits for that."""
        self.error, self.ended = error, True
        self._gate.release()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, and return whether it came."""
        if self._gate.acquire(timeout=seconds):
            self._gate.release()
        return self.ended


class _Held:
    """Holds the lock of a writer for a block."""

    __slots__ = ("_writer",)

    def __init__(self, writer: "Writer") -> None:
        self._writer = writer

    def __enter__(self) -> None:
        self._writer.take()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.leave()


class Writer:
    """The writing connection; see the module's first lines."""

    def __init__(self, engine: pw.SqliteDatabase) -> None:
        """Take an engine whose one connection all threads may share."""
        self._engine = engine
        self._lock = threading.Lock()
        self._queue = threading.Lock()
        self._waiting = 0
        self._batch: _Batch | None = None
        self._held = _Held(self)

    @property
    def queue_length(self) -> int:
        """Return how many threads wait for the lock."""
        return self._waiting

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock, and come back when what was written is on the disk; all or nothing.

        Raises sqlite3.Error if it could not be kept.
        """
        with self._held:
            batch = self._batch or self._begin()
            connection: sqlite3.Connection = self._engine.connection()
            alone = batch.members == 0
            if not alone:
                connection.execute("SAVEPOINT part")
            try:
                yield connection
                _keep(connection, alone=alone)
                batch.members += 1
            except BaseException as error:
                self._undo(connection, batch, error, alone=alone)
                raise
            finally:
                if not self._waiting:
                    self._commit(batch)
        self._await(batch)

    @contextmanager
    def alone(self) -> Iterator[pw.SqliteDatabase]:
        """Hold the write lock outside of any transaction: for what may not run inside one."""
        with self._held:
            if self._batch is not None:
                self._commit(self._batch)
            yield self._engine

    def close(self) -> None:
        """Close the connection; the next transaction opens it again."""
        with self.alone() as engine:
            if not engine.is_closed():
                engine.close()

    def take(self) -> None:
        """Wait for the lock, and take it."""
        with self._queue:
            self._waiting += 1
        try:
            if not self._lock.acquire(blocking=False):
                with turns.aside():
                    self._lock.acquire()
        finally:
            with self._queue:
                self._waiting -= 1

    def leave(self) -> None:
        """Give the lock to who waits for it."""
        self._lock.release()

    def _begin(self) -> _Batch:
        connection = self._engine.connection()
        with turns.aside():
            # Another process may have the lock.
            connection.execute("BEGIN IMMEDIATE")
        self._batch = _Batch()
        return self._batch

    def _undo(self, connection: sqlite3.Connection, batch: _Batch, error: BaseException, *, alone: bool) -> None:
        """Take back one part; where the engine gave up the whole transaction, all parts are lost, and each is told."""
        if alone:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            self._end(batch)
            return
        try:
            connection.execute("ROLLBACK TO part")
            connection.execute("RELEASE part")
        except sqlite3.Error as lost:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            self._end(batch, error if isinstance(error, sqlite3.Error) else lost)

    def _commit(self, batch: _Batch) -> None:
        if batch.ended:
            return
        connection = self._engine.connection()
        try:
            with turns.aside():
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            self._end(batch, error)
        else:
            self._end(batch)

    def _end(self, batch: _Batch, error: sqlite3.Error | None = None) -> None:
        self._batch = None
        batch.end(error)

    def _await(self, batch: _Batch) -> None:
        """Wait for the commit. Whoever was to do it may have been stopped while waiting for the lock: then it is done here."""
        if not batch.ended:
            with turns.aside():
                while not batch.wait(_LOOK_AGAIN_SECONDS):
                    with self._held:
                        if not self._waiting:
                            self._commit(batch)
        if batch.error is not None:
            raise sqlite3.OperationalError(f"not kept: {batch.error}") from batch.error


def _keep(connection: sqlite3.Connection, *, alone: bool) -> None:
    """End a part that went well, unless the engine gave up the whole transaction meanwhile (a full disk) and somebody hid that."""
    if not connection.in_transaction:
        raise sqlite3.OperationalError("the transaction was given up")
    if not alone:
        connection.execute("RELEASE part")
