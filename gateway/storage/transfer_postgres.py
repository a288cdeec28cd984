"""Whole tables of PostgreSQL: one REPEATABLE READ transaction reads them, COPY fills them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial

import psycopg

from gateway.storage.database import DatabaseUnavailable
from gateway.storage.postgres_pool import Connection
from gateway.storage.transfer import PORTION, Read, Rows, Transfer, listed, select

_REFERENCES = """
SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'f' AND connamespace = current_schema()::regnamespace ORDER BY conname
"""


class PostgresTransfer(Transfer):
    """See the module's first line."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        transaction: Callable[[], AbstractContextManager[None]],
        writing: Callable[[], Connection],
    ) -> None:
        """Take a way to a connection of its own, and how a transaction is held and which connection holds it."""
        self._connect = connect
        self._transaction = transaction
        self._writing = writing

    @contextmanager
    def snapshot(self) -> Iterator[Read]:
        """Read in one transaction that sees the moment it began, however long it takes."""
        try:
            with closing(self._connect()) as connection:
                connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", prepare=False)
                _take_time(connection)
                yield partial(_read, connection)
        except psycopg.Error as error:
            # Its first line says what; the rest may hold values of a row.
            raise DatabaseUnavailable(error.diag.message_primary or type(error).__name__) from error

    @contextmanager
    def filling(self) -> Iterator[None]:
        """Hold a transaction without references; they come back at its end, each checked once over the whole table."""
        with self._transaction():
            writing = self._writing()
            _take_time(writing)
            references = writing.execute(_REFERENCES, prepare=False).fetchall()
            for table, name, _ in references:
                writing.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}", prepare=False)
            yield
            for table, name, definition in references:
                writing.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}", prepare=False)
            # The planner knows nothing yet of what came in.
            writing.execute("ANALYZE", prepare=False)

    def empty(self, tables: Sequence[str]) -> None:
        """Remove all rows of tables."""
        self._writing().execute(f"TRUNCATE {listed(tables)}", prepare=False)

    def put(self, table: str, columns: Sequence[str], rows: Rows) -> None:
        """Add rows; a zero byte, which texts cannot hold here, comes as U+FFFD, as it would by any other way."""
        with self._writing().cursor() as cursor, cursor.copy(f'COPY "{table}" ({listed(columns)}) FROM STDIN') as copy:
            for row in rows:
                copy.write_row([value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value for value in row])


def _take_time(connection: Connection) -> None:
    for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        connection.execute(f"SET LOCAL {limit} = 0", prepare=False)


def _read(connection: Connection, table: str, columns: Sequence[str]) -> Iterator[Rows]:
    connection.execute(f"DECLARE portions NO SCROLL CURSOR FOR {select(table, columns)}", prepare=False)
    while rows := connection.execute(f"FETCH {PORTION} FROM portions", prepare=False).fetchall():
        yield rows
    connection.execute("CLOSE portions", prepare=False)
