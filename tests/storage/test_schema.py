"""Migrations: numbered, whole or not at all, safe side by side, and never backwards."""

import importlib
import pkgutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from gateway.settings import SettingsError
from gateway.storage import schema, tables
from gateway.storage.database import Database, DatabaseUnavailable
from gateway.storage.engines import open_database
from gateway.storage.tables.table import Configuration, Table
from gateway.wiring import open_house
from tests.conftest import settings_for
from tests.sql import columns_of

PROCESSES = 6

MIGRATE = """
import sys
from gateway.storage import schema
from gateway.storage.engines import open_database

database = open_database(sys.argv[1])
sys.stdin.readline()
print(schema.migrate(database))
"""


@pytest.fixture
def database(empty_url: str) -> Iterator[Database]:
    opened = open_database(empty_url)
    yield opened
    opened.close()


def test_no_two_migrations_have_the_same_number() -> None:
    files = [item.name for item in resources.files("gateway.storage.migrations").iterdir() if item.name.endswith(".sql")]
    assert len(schema.migrations()) == len(files)


def test_a_new_database_gets_every_migration_once(database: Database) -> None:
    newest = max(schema.migrations())
    assert schema.migrate(database) == newest
    assert schema.migrate(database) == newest
    assert schema.is_current(database)
    versions = database.script("SELECT version FROM schema_version ORDER BY version")
    assert versions == [(at,) for at in sorted(schema.migrations())]


def test_a_failed_migration_leaves_nothing_behind(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {1: "CREATE TABLE a (b TEXT);\nCREATE TABLE a (b TEXT);\n"}
    monkeypatch.setattr(schema, "migrations", lambda: broken)
    with pytest.raises(DatabaseUnavailable):
        schema.migrate(database)
    assert not database.has_table("a")
    assert not database.has_table("schema_version")


def test_migrations_that_are_missing_are_added_to_those_that_ran(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {1: "CREATE TABLE a (b TEXT);\n", 3: "CREATE TABLE d (e TEXT);\n"}
    monkeypatch.setattr(schema, "migrations", lambda: known)
    schema.migrate(database)
    # One that landed later under a lower number is not passed over.
    known |= {2: "ALTER TABLE a ADD COLUMN c TEXT;\n"}
    assert not schema.is_current(database)
    assert schema.migrate(database) == 3
    assert schema.is_current(database)
    assert database.script("SELECT b, c FROM a") == []


def test_several_processes_may_migrate_at_once(empty_url: str) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", MIGRATE, empty_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    reached = [process.communicate(timeout=60)[0].strip() for process in started]
    assert reached == [str(max(schema.migrations()))] * PROCESSES
    assert [process.returncode for process in started] == [0] * PROCESSES


def test_a_database_of_a_newer_release_is_not_opened(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    house = open_house(settings)
    newer = max(schema.migrations()) + 1
    house.database.script(f"INSERT INTO schema_version (version) VALUES ({newer})")  # noqa: S608 -- a number made here
    house.database.close()
    with pytest.raises(SettingsError) as stopped:
        open_house(settings)
    text = str(stopped.value)
    assert text.startswith("MOONGATE_DATABASE_URL")
    assert str(newer) in text
    assert "\n" not in text


@pytest.mark.sqlite
def test_a_standing_database_opens_without_the_write_lock(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    open_house(settings).database.close()
    writer = sqlite3.connect(tmp_path / "moongate.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    open_house(settings).database.close()
    writer.execute("ROLLBACK")
    writer.close()


def test_tables_have_the_columns_their_classes_name(database: Database) -> None:
    schema.migrate(database)
    for table in schema_tables():
        assert {field.column_name for field in table._meta.sorted_fields} == columns_of(database, table), table.__name__


def schema_tables() -> list[type[Table]]:
    """Every class of gateway.storage.tables."""
    for module in pkgutil.iter_modules(tables.__path__):
        importlib.import_module(f"{tables.__name__}.{module.name}")
    kinds = {*Table.__subclasses__(), *Configuration.__subclasses__()} - {Configuration}
    return sorted(kinds, key=lambda table: table.__name__)
