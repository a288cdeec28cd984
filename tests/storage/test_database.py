"""The way to the database: whole transactions, durable, and plain words for whatever stands in the way (decisions.md 41)."""

import threading
from collections.abc import Iterator

import peewee as pw
import pytest

from gateway.storage.database import Database, Duplicate, Statement, place
from gateway.storage.engines import open_database
from gateway.storage.tables.nodes import Installation

INSERT = Statement(Installation.insert({Installation.name: place("name"), Installation.value: place("value")}))
ALL = Statement(Installation.select(Installation.name).order_by(Installation.name))


@pytest.fixture
def database(empty_url: str) -> Iterator[Database]:
    opened = open_database(empty_url)
    opened.script("CREATE TABLE installation (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
    yield opened
    opened.close()


def insert(database: Database, name: str) -> None:
    database.write(INSERT, name=name, value="")


def names(database: Database) -> list[str]:
    return [row[0] for row in database.rows(ALL)]


def test_a_transaction_holds_whole_or_not_at_all(database: Database) -> None:
    def fail() -> None:
        with database.transaction():
            insert(database, "a")
            with database.transaction():
                insert(database, "b")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names(database) == []


def test_readers_go_on_while_somebody_writes(database: Database, empty_url: str) -> None:
    insert(database, "before")
    other = open_database(empty_url)
    seen: list[list[str]] = []

    def read() -> None:
        seen.append(names(other))
        other.close()

    with database.transaction():
        insert(database, "during")
        thread = threading.Thread(target=read)
        thread.start()
        thread.join(10)
    assert seen == [["before"]]


def test_writers_of_many_threads_wait_for_one_another(database: Database) -> None:
    def write(at: int) -> None:
        for number in range(10):
            with database.transaction():
                insert(database, f"{at}-{number}")
        database.close()

    threads = [threading.Thread(target=write, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(names(database)) == 80


def test_a_taken_key_is_a_duplicate(database: Database) -> None:
    insert(database, "a")
    with pytest.raises(Duplicate):
        insert(database, "a")


def test_another_broken_rule_of_a_table_is_a_bug_and_no_duplicate(database: Database) -> None:
    with pytest.raises(pw.IntegrityError):
        database.write(INSERT, name="a", value=None)


def test_values_are_bound_and_never_part_of_the_statement(database: Database) -> None:
    hostile = "'); DROP TABLE installation; --"
    insert(database, hostile)
    assert names(database) == [hostile]


def test_another_engine_is_refused() -> None:
    with pytest.raises(ValueError, match="sqlite"):
        open_database("mysql://localhost/moongate")


def test_what_is_due_after_a_commit_waits_for_the_outermost_one(database: Database) -> None:
    done: list[str] = []
    with database.transaction():
        with database.transaction():
            database.after_commit(lambda: done.append("after"))
        assert done == []
    assert done == ["after"]
    database.after_commit(lambda: done.append("at once"))
    assert done == ["after", "at once"]


def test_what_was_due_after_a_failed_transaction_is_never_done(database: Database) -> None:
    done: list[str] = []

    def fail() -> None:
        with database.transaction():
            database.after_commit(lambda: done.append("never"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.transaction():
        insert(database, "a")
    assert done == []


def test_what_is_done_after_a_commit_may_write_itself(database: Database) -> None:
    with database.transaction():
        insert(database, "a")
        database.after_commit(lambda: write_later(database))
    assert names(database) == ["a", "later"]


def write_later(database: Database) -> None:
    with database.transaction():
        insert(database, "later")


def test_a_ring_before_the_wait_is_not_lost_and_wakes_once(database: Database) -> None:
    bell = database.jobs_bell
    bell.ring()
    bell.ring()
    assert bell.wait(0)
    assert not bell.wait(0)
