"""Whole tables of SQLite: a reader's snapshot of the write-ahead log, and references that are checked at the commit."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial

from gateway.storage.database import DatabaseUnavailable
from gateway.storage.transfer import PORTION, Read, Rows, Transfer, listed, select


class SqliteTransfer(Transfer):
    """See the module's first line."""

    def __init__(
        self,
        path: str,
        transaction: Callable[[], AbstractContextManager[None]],
        writing: Callable[[], sqlite3.Connection],
    ) -> None:
        """Take the file, and how a transaction is held and which connection holds it."""
        self._path = path
        self._transaction = transaction
        self._writing = writing

    @contextmanager
    def snapshot(self) -> Iterator[Read]:
        """Read by a connection of its own: whoever reads blocks no writer, and sees the moment of its first question."""
        try:
            with closing(sqlite3.connect(self._path, isolation_level=None, timeout=15)) as connection:
                connection.execute("PRAGMA query_only = 1")
                connection.execute("BEGIN")
                yield partial(_read, connection)
        except sqlite3.Error as error:
            raise DatabaseUnavailable(str(error)) from error

    @contextmanager
    def filling(self) -> Iterator[None]:
        """Hold a transaction; its references are checked when it is committed."""
        with self._transaction():
            self._writing().execute("PRAGMA defer_foreign_keys = 1")
            yield

    def empty(self, tables: Sequence[str]) -> None:
        """Remove all rows of tables."""
        for table in tables:
            self._writing().execute(f'DELETE FROM "{table}"')

    def put(self, table: str, columns: Sequence[str], rows: Rows) -> None:
        """Add rows."""
        places = ", ".join("?" * len(columns))
        self._writing().executemany(f'INSERT INTO "{table}" ({listed(columns)}) VALUES ({places})', rows)


def _read(connection: sqlite3.Connection, table: str, columns: Sequence[str]) -> Iterator[Rows]:
    cursor = connection.execute(select(table, columns))
    while rows := cursor.fetchmany(PORTION):
        yield rows
