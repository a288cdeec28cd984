"""The numbers of one process: a row of integers that is mapped from a file, and beside it a file that says what stands where.

A process only writes to its own two files, `<started>-<pid>-<random>.numbers` and `.names`, and holds a lock on the first as long as it
lives. So whoever reads sees every count at once, loses none when a process is killed, and knows the living from the dead without asking
for process numbers, which come again.
"""

import fcntl
import json
import mmap
import os
import secrets
import threading
import time
from collections.abc import Sequence
from pathlib import Path

PLACES = 64 * 1024
"""How many numbers a process has: half a megabyte, of which the file system keeps what was written."""
SPARE = 64
"""The first ones take what has no place of its own, once all are taken; nobody reads them."""
NUMBERS, NAMES = ".numbers", ".names"
WIDTH = 8
"""Bytes of a number."""


class Ledger:
    """The numbers of this process: in memory alone, until a folder is given."""

    def __init__(self) -> None:
        """Begin in memory."""
        self.lock = threading.Lock()
        """Held for each change, because adding is reading and writing."""
        self.numbers = _mapped(-1)
        self.folder: Path | None = None
        self.generation = 0
        """Changes when all places do."""
        self._next = SPARE
        self._names: list[bytes] = []
        self._told: int | None = None
        self._held: int | None = None

    def keep_in(self, folder: Path) -> None:
        """Count from zero in a file of the folder, which is made; to be called before anything is served. Raises OSError."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = folder / f"{time.time_ns() // 1_000_000}-{os.getpid()}-{secrets.token_hex(4)}"
        held = os.open(name.with_suffix(NUMBERS), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(held, fcntl.LOCK_EX)
        os.ftruncate(held, PLACES * WIDTH)
        told = os.open(name.with_suffix(NAMES), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with self.lock:
            self._close()
            self.numbers, self.folder, self._told, self._held = _mapped(held), folder, told, held
            self._begin_anew()

    def forget(self) -> None:
        """Count from zero in memory alone."""
        with self.lock:
            self._close()
            self.numbers, self.folder, self._told, self._held = _mapped(-1), None, None, None
            self._begin_anew()

    def reserve(self, family: str, labels: Sequence[str], places: int) -> int:
        """Return the first of so many places for a series; under the lock. With none left those that nobody reads."""
        if self._next + places > PLACES:
            return 0
        at, self._next = self._next, self._next + places
        line = json.dumps([family, list(labels), at, places], separators=(",", ":")).encode() + b"\n"
        if self._told is not None:
            os.write(self._told, line)
        else:
            self._names.append(line)
        return at

    def names(self) -> list[bytes]:
        """Return what stands where, of a ledger that is in memory alone."""
        return list(self._names)

    def _begin_anew(self) -> None:
        self._next, self._names = SPARE, []
        self.generation += 1

    def _close(self) -> None:
        for descriptor in (self._told, self._held):
            if descriptor is not None:
                os.close(descriptor)


def _mapped(descriptor: int) -> memoryview:
    return memoryview(mmap.mmap(descriptor, PLACES * WIDTH)).cast("q")


LEDGER = Ledger()
"""The one of this process."""
