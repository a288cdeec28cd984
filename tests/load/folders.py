"""Where the processes keep what they write."""

import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def folder_for_anybody() -> Iterator[Path]:
    """A folder that the database's own user, and nginx, may enter."""
    with tempfile.TemporaryDirectory(prefix="moongate-load-") as name:
        Path(name).chmod(stat.S_IRWXU | stat.S_IXGRP | stat.S_IXOTH)
        yield Path(name)
