"""Bringing a database up to date: numbered migrations, by one process at a time."""

import re
from functools import cache
from importlib import resources

from gateway.storage.database import Database, DatabaseUnavailable

_NAME = re.compile(r"(\d{4})_\w+\.sql")


@cache
def migrations() -> dict[int, str]:
    """Return the text of every migration by its number."""
    folder = resources.files("gateway.storage.migrations")
    return {int(match[1]): item.read_text("utf-8") for item in folder.iterdir() if (match := _NAME.fullmatch(item.name))}


def migrate(database: Database) -> int:
    """Run the migrations that are missing, each with its number in one transaction, and return the version reached.

    Safe to call from several processes at once: one is let in, and the others find nothing left to do. A database that is up to date is
    only read, so that a standing house needs no lock to open.

    Raises DatabaseUnavailable if it cannot serve (`Database.require_usable`), or if a newer release migrated the database: this one could
    not keep what that one promises.
    """
    database.require_usable()
    known = migrations()
    if database.has_table("schema_version") and _done(database) == known.keys():
        return max(known)
    with database.transaction():
        database.take_time()
        database.hold_name("schema")
        database.script("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)")
        done = _done(database)
        if unknown := done - known.keys():
            message = f"it has migration {max(unknown)}, which this release does not know: run the release that migrated it, or a newer one"
            raise DatabaseUnavailable(message)
        for number in sorted(known.keys() - done):
            for statement in _statements(known[number]):
                database.script(database.in_own_words(statement))
            database.script(f"INSERT INTO schema_version (version) VALUES ({number:d})")
    return max(known)


def version(database: Database) -> int:
    """Return the number of the last migration that ran; 0 for an empty database that has the version table."""
    return int(database.script("SELECT COALESCE(MAX(version), 0) FROM schema_version")[0][0])


def is_current(database: Database) -> bool:
    """Return whether the database has every migration this release knows."""
    return _done(database) >= migrations().keys()


def _done(database: Database) -> set[int]:
    return {row[0] for row in database.script("SELECT version FROM schema_version")}


def _statements(text: str) -> list[str]:
    """Return the statements of a migration; its comments hold no semicolon at a line's end."""
    code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return [part.strip() for part in code.split(";\n") if part.strip()]
