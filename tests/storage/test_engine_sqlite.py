"""SQLite: durable, one writer at a time, and those who queue commit together (ADR 9)."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from gateway.storage.database import DatabaseUnavailable, Duplicate
from gateway.storage.engine_sqlite import SqliteDatabase, open_sqlite
from gateway.storage.engines import open_database
from tests.storage.test_database import INSERT, insert, names

pytestmark = pytest.mark.sqlite


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    opened = open_sqlite(f"{tmp_path}/test.db")
    opened.script("CREATE TABLE installation (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
    yield opened
    opened.close()


def test_what_is_acknowledged_survives_a_power_cut(database: SqliteDatabase) -> None:
    assert database.script("PRAGMA journal_mode") == [("wal",)]
    full = 2
    assert database.script("PRAGMA synchronous") == [(full,)]


def test_references_between_rows_are_kept(database: SqliteDatabase) -> None:
    assert database.script("PRAGMA foreign_keys") == [(1,)]


def test_every_thread_has_those_pragmas(database: SqliteDatabase) -> None:
    found: list[object] = []

    def look() -> None:
        found.extend((database.script("PRAGMA synchronous"), database.script("PRAGMA foreign_keys")))
        database.close()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join(10)
    assert found == [[(2,)], [(1,)]]


def test_a_transaction_takes_the_write_lock_before_it_reads(database: SqliteDatabase, tmp_path: Path) -> None:
    # With a lock taken at the first write, a reader who then writes fails under load.
    other = sqlite3.connect(tmp_path / "test.db", timeout=0)
    with database.transaction(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.close()


def test_a_full_database_is_told_as_unavailable(database: SqliteDatabase) -> None:
    pages = database.script("PRAGMA page_count")[0][0]
    database.script(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DatabaseUnavailable, match="full"):
        database.write(INSERT, name="a", value="x" * 1_000_000)


def test_a_database_that_may_only_be_read_is_told_as_unavailable(database: SqliteDatabase) -> None:
    database.script("PRAGMA query_only = 1")
    with pytest.raises(DatabaseUnavailable, match="readonly"):
        insert(database, "a")
    assert names(database) == []


def test_a_file_that_is_no_database_is_told_as_unavailable(tmp_path: Path) -> None:
    (tmp_path / "letter.db").write_bytes(b"Dear sir or madam, " * 1000)
    database = open_database(f"sqlite:///{tmp_path}/letter.db")
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        database.script("SELECT 1 FROM installation")


def test_those_who_queue_commit_together_and_none_comes_back_before(database: SqliteDatabase) -> None:
    commits: list[str] = []
    inside, queued = threading.Event(), threading.Barrier(5)
    seen: list[tuple[str, int]] = []

    def first() -> None:
        with database.transaction():
            insert(database, "first")
            inside.set()
            queued.wait(10)
            wait_for_queue(database, 4)
        seen.append(("first", len(commits)))

    def other(at: int) -> None:
        inside.wait(10)
        queued.wait(10)
        insert(database, f"other {at}")
        seen.append(("other", len(commits)))

    with database.writer.alone() as engine:
        engine.connection().set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    in_threads([first, *(partial(other, at) for at in range(4))])
    assert commits == ["COMMIT"]
    assert {count for _, count in seen} == {1}
    assert len(names(database)) == len(seen) == 5


def test_who_fails_among_those_who_commit_together_fails_alone(database: SqliteDatabase) -> None:
    inside, queued = threading.Event(), threading.Barrier(3)
    failed: list[str] = []

    def first() -> None:
        with database.transaction():
            insert(database, "first")
            inside.set()
            queued.wait(10)
            wait_for_queue(database, 2)

    def taken() -> None:
        inside.wait(10)
        queued.wait(10)
        try:
            with database.transaction():
                insert(database, "lost with it")
                insert(database, "first")
        except Duplicate:
            failed.append("taken")

    def third() -> None:
        inside.wait(10)
        queued.wait(10)
        insert(database, "third")

    in_threads([first, taken, third])
    assert failed == ["taken"]
    assert names(database) == ["first", "third"]


def test_where_the_engine_gives_up_nobody_is_told_that_it_was_kept(database: SqliteDatabase) -> None:
    pages = database.script("PRAGMA page_count")[0][0]
    inside, queued = threading.Event(), threading.Barrier(2)
    told: list[str] = []

    def small() -> None:
        try:
            with database.transaction():
                insert(database, "small")
                inside.set()
                queued.wait(10)
                wait_for_queue(database, 1)
        except DatabaseUnavailable:
            told.append("small")

    def large() -> None:
        inside.wait(10)
        queued.wait(10)
        try:
            with database.transaction():
                database.script(f"PRAGMA max_page_count = {pages}")
                database.write(INSERT, name="large", value="x" * 1_000_000)
        except DatabaseUnavailable:
            told.append("large")

    in_threads([small, large])
    database.script("PRAGMA max_page_count = 1000000")
    insert(database, "after")
    assert {"large", *names(database)} | set(told) == {"large", "after", "small"}
    assert ("small" in told) != ("small" in names(database))


def test_what_is_written_outside_a_transaction_waits_for_the_one_that_is_open(database: SqliteDatabase) -> None:
    inside = threading.Event()

    def first() -> None:
        with database.transaction():
            insert(database, "first")
            inside.set()
            wait_for_queue(database, 1)

    def second() -> None:
        inside.wait(10)
        insert(database, "second")

    in_threads([first, second])
    assert names(database) == ["first", "second"]


def wait_for_queue(database: SqliteDatabase, length: int) -> None:
    """Return when so many threads wait for the write lock."""
    for _ in range(1_000_000):
        if database.writer.queue_length >= length:
            return
        threading.Event().wait(0.001)
    raise TimeoutError


def in_threads(acts: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=act) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
