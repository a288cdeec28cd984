"""What is asked of the database, and how the engine goes about it: the same questions for both engines."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from gateway.storage.database import Answer, Database, Statement
from gateway.storage.engine_sqlite import SqliteDatabase
from gateway.storage.tables.table import Configuration, Table

_SMALL = re.compile(r" USING |SUBQUERY|VIRTUAL TABLE|CONSTANT ROW|SCAN (closure|found|ranked)")
"""What SQLite walks through that is no table."""


@contextmanager
def traced(database: Database) -> Iterator[list[str]]:
    """The SQL that is run inside the block, with its values; on SQLite by this thread."""
    ran: list[str] = []
    if isinstance(database, SqliteDatabase):
        with _traced_by_sqlite(database, ran):
            yield ran
        return
    answer: Any = database._answer  # type: ignore[attr-defined]  # the other engine's
    run_many = database._run_many

    def watched(sql: str, values: Sequence[object], **how: object) -> Answer:
        ran.append(filled(sql, values))
        answered: Answer = answer(sql, values, **how)
        return answered

    def watched_many(statement: Statement, rows: Sequence[Mapping[str, object]]) -> None:
        ran.extend(filled(*_parsed(database, statement, row)) for row in rows)
        run_many(statement, rows)

    with mock.patch.object(database, "_answer", watched), mock.patch.object(database, "_run_many", watched_many):
        yield ran


@contextmanager
def _traced_by_sqlite(database: SqliteDatabase, ran: list[str]) -> Iterator[None]:
    with database.writer.alone() as engine:
        connections = (database.engine.connection(), engine.connection())
    for connection in connections:
        connection.set_trace_callback(ran.append)
    try:
        yield
    finally:
        for connection in connections:
            connection.set_trace_callback(None)


def filled(sql: str, values: Sequence[object]) -> str:
    """Return SQL text with its values written into it."""
    written = iter(values)
    return re.sub(r"\$\d+|%s|\?", lambda _: _literal(next(written)), sql)


def text_of(database: Database, statement: Statement, **values: object) -> str:
    """Return the SQL text of a statement with values for all its places."""
    return filled(*_parsed(database, statement, values))


def plan_of(database: Database, sql: str) -> list[str]:
    """Return the steps by which the engine answers, as far as possible by indexes; it does not matter how many rows there are now."""
    if isinstance(database, SqliteDatabase):
        return [str(row[3]) for row in database.script(f"EXPLAIN QUERY PLAN {sql}")]
    with database.transaction():
        # Of a table with few rows the engine would read all, and rightly.
        database.script("SET LOCAL enable_seqscan = off")
        return [str(row[0]) for row in database.script(f"EXPLAIN {sql}")]


def everything(database: Database) -> str:
    """Return all that the database holds, as text; on SQLite the file as it is, with what was deleted in it."""
    if isinstance(database, SqliteDatabase):
        database.script("PRAGMA wal_checkpoint(TRUNCATE)")
        return Path(database.engine.database).read_bytes().decode("latin-1")
    return "\n".join(str(database.script(f'SELECT * FROM "{name}"')) for name in table_names())  # noqa: S608 -- names of our own tables


def table_of(name: str) -> type[Table]:
    """Return the class of a table."""
    return next(kind for kind in _kinds() if kind._meta.table_name == name)


def table_names() -> list[str]:
    """Return the names of all tables."""
    return sorted(str(kind._meta.table_name) for kind in _kinds())


def _kinds() -> list[type[Table]]:
    return [kind for kind in (*Table.__subclasses__(), *Configuration.__subclasses__()) if kind is not Configuration]


def columns_of(database: Database, table: type[Table]) -> set[str]:
    """Return the columns that a table has in the database."""
    name = table._meta.table_name
    if isinstance(database, SqliteDatabase):
        return {str(row[1]) for row in database.script(f"PRAGMA table_info({name})")}
    asked = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{name}'"  # noqa: S608 -- a name of our own table
    return {str(row[0]) for row in database.script(asked)}


def walks(database: Database, sql: str) -> list[str]:
    """Return the steps that walk through a whole table, because no index leads to what is wanted."""
    if isinstance(database, SqliteDatabase):
        return [step for step in plan_of(database, sql) if step.startswith("SCAN ") and not _SMALL.search(step)]
    return [step for step in plan_of(database, sql) if "Seq Scan" in step]


def chosen_walks(database: Database, sql: str, tables: Collection[str]) -> list[str]:
    """Return the steps that walk through one of these tables, as the engine goes about it with the rows there are."""
    if isinstance(database, SqliteDatabase):
        return walks(database, sql)
    steps = [str(row[0]) for row in database.script(f"EXPLAIN {sql}")]
    return [step for step in steps if (found := re.search(r"Seq Scan on (\w+)", step)) and found[1] in tables]


def _parsed(database: Database, statement: Statement, values: Mapping[str, object]) -> tuple[str, list[object]]:
    sql, layout = database.engine.get_sql_context().parse(statement.query)
    return sql, [values.get(part, part) if isinstance(part, str) else part for part in layout]


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool | int):
        return str(int(value))
    text = str(value).replace("'", "''")
    return f"'{text}'"
