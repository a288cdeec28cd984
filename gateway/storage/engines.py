"""Which engine a URL names."""

from importlib import import_module
from typing import cast

from gateway.storage.database import Database
from gateway.storage.engine_sqlite import open_sqlite

POSTGRES_SCHEMES = ("postgresql", "postgres")


def open_database(url: str) -> Database:
    """Return the database that `sqlite:///<path>` or `postgresql://…` names; nothing is asked of it yet.

    Raises ValueError for another scheme, and ImportError where the driver of PostgreSQL is not installed.
    """
    scheme, separator, rest = url.partition("://")
    if scheme in POSTGRES_SCHEMES and separator:
        # Loaded only where it is wanted: its driver is an extra, and would cost every other start its time and memory.
        return cast(Database, import_module("gateway.storage.engine_postgres").open_postgres(url))
    path = rest.removeprefix("/")
    if scheme != "sqlite" or path == rest or not path:
        message = "only sqlite:///<path> and postgresql://… are served"
        raise ValueError(message)
    return open_sqlite(path)
