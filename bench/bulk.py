"""Writes the tables directly, for populations that would take hours by the front door: copies of one person who came in by it.

A copy has the pattern's number replaced by its own and the pattern's id by a new one, in every column of every row of that person.
"""

import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random
from typing import Any

import psycopg

from gateway.domain.nodes import Node
from gateway.storage import connections
from gateway.storage.database import Database

PATTERN = 7_777_777
"""The number of the person who is copied: no other text of the rows holds it."""

_TABLES = {"account": "id", "sign_in_name": "account", "external_id": "account", "scim_value": "account"}
"""What a person is made of, and the column that holds their id."""
_BATCH = 5_000

Rows = Iterator[Sequence[Any]]


def copy_person(database: Database, url: str, node: Node, pattern: str, count: int) -> list[str]:
    """Put `count` copies in the place of the pattern, with the numbers from 0, and return their ids."""
    # In order, so that the tables are filled from one end to the other.
    pick = Random(1)
    ids = sorted(str(uuid.UUID(int=pick.getrandbits(128), version=4)) for _ in range(count))
    for table, column in _TABLES.items():
        rows = database.script(f"SELECT * FROM {table} WHERE {column} = '{pattern}'")  # noqa: S608 -- names and ids of our own
        copies = (_copied(row, pattern, number, each) for number, each in enumerate(ids) for row in rows)
        _write(url, table, column, pattern, copies)
    connections.count(database, node.id, "User", pattern, count - 1)
    return ids


def copy_member(database: Database, url: str, members: Sequence[str]) -> None:
    """Put everybody into the group that the first of them is the only member of."""
    [row] = database.script("SELECT * FROM group_member")
    _write(url, "group_member", "member", members[0], (tuple(each if value == members[0] else value for value in row) for each in members))


def _copied(row: Sequence[Any], pattern: str, number: int, new_id: str) -> Sequence[Any]:
    own = f"{number:07}"
    return tuple(value.replace(str(PATTERN), own).replace(pattern, new_id) if isinstance(value, str) else value for value in row)


def _write(url: str, table: str, column: str, pattern: str, rows: Rows) -> None:
    """Write rows instead of those of the pattern."""
    remove = f"DELETE FROM {table} WHERE {column} = '{pattern}'"  # noqa: S608 -- names and ids of our own
    if url.startswith("sqlite:///"):
        _write_to_file(url.removeprefix("sqlite:///"), table, remove, rows)
    else:
        _write_to_server(url, table, remove, rows)


def _write_to_file(path: str, table: str, remove: str, rows: Rows) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -400000")
    with connection:
        connection.execute(remove)
        while part := list(islice(rows, _BATCH)):
            places = ", ".join("?" * len(part[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({places})", part)  # noqa: S608 -- names of our own tables
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _write_to_server(url: str, table: str, remove: str, rows: Rows) -> None:
    with psycopg.Connection.connect(url) as connection:
        # The rows of one table come before those that they belong to.
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(remove)
        with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    with psycopg.Connection.connect(url, autocommit=True) as connection:
        connection.execute(f"VACUUM ANALYZE {table}")
