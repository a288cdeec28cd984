"""The figures of all processes as one: of those that live, and of those that are gone, so that no counter ever falls.

The dead are added up in `retired.json` when a process starts, and their files removed. It names the files it holds, so that one that a
crash left behind is not counted twice.
"""

import fcntl
import json
import mmap
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.metrics.families import Family, Kind
from gateway.metrics.figures import ALL
from gateway.metrics.ledger import LEDGER, NAMES, NUMBERS, WIDTH

_RETIRED = "retired.json"
_LOCK = "lock"

Key = tuple[str, tuple[str, ...]]
Sums = dict[Key, list[int]]


@dataclass(frozen=True, slots=True)
class Series:
    """One series with its numbers."""

    family: Family
    labels: tuple[str, ...]
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Process:
    """One that lives and counts."""

    pid: int
    started_at: int
    """Milliseconds since the epoch."""

    def resident_bytes(self) -> int | None:
        """Return how much memory it holds; None where the operating system does not say."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            return None


def keep_in(folder: Path) -> None:
    """Let this process count in a file of the folder, and add up what the dead left there. Raises OSError."""
    LEDGER.keep_in(folder)
    _retire(folder)


def collect() -> list[Series]:
    """Return every series of all processes that count in this one's folder, or of this process alone."""
    sums: Sums = {}
    if LEDGER.folder is None:
        _add(sums, _series(LEDGER.names(), LEDGER.numbers))
        return _known(sums)
    with _locked(LEDGER.folder, fcntl.LOCK_SH):
        held = _retired(LEDGER.folder, sums)
        for file in _files(LEDGER.folder):
            if file.name not in held:
                _add(sums, _read(file))
    return _known(sums)


def processes() -> list[Process]:
    """Return the processes that count in this one's folder and live."""
    living = [] if LEDGER.folder is None else [file for file in _files(LEDGER.folder) if not _is_dead(file)]
    parts = [file.stem.split("-") for file in living]
    return sorted((Process(int(pid), int(started)) for started, pid, _ in parts), key=lambda process: process.pid)


def _retire(folder: Path) -> None:
    """Add the figures of the dead to what is kept of them, then remove their files."""
    with _locked(folder, fcntl.LOCK_EX):
        sums: Sums = {}
        held = _retired(folder, sums)
        dead = [file for file in _files(folder) if _is_dead(file)]
        for file in dead:
            if file.name not in held:
                _add(sums, _read(file))
        if not dead:
            return
        kept = {"files": [file.name for file in dead], "series": [[name, labels, numbers] for (name, labels), numbers in sums.items()]}
        fresh = folder / f"{_RETIRED}.new"
        fresh.write_text(json.dumps(kept, separators=(",", ":")))
        fresh.replace(folder / _RETIRED)
        for file in dead:
            file.with_suffix(NAMES).unlink(missing_ok=True)
            file.unlink(missing_ok=True)


def _retired(folder: Path, sums: Sums) -> frozenset[str]:
    """Add what is kept of the dead, and return the files it holds. What cannot be read is as nothing: they are figures, not facts."""
    try:
        kept = json.loads((folder / _RETIRED).read_text())
        _add(sums, ((str(name), tuple(map(str, labels)), list(map(int, numbers))) for name, labels, numbers in kept["series"]))
        return frozenset(map(str, kept["files"]))
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{NUMBERS}"))


def _is_dead(file: Path) -> bool:
    """Return whether nobody holds the file any more."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _read(file: Path) -> Iterator[tuple[str, tuple[str, ...], list[int]]]:
    """Return the series of a process's file; none where it is gone, or was made a moment ago."""
    with suppress(OSError, ValueError):
        lines = file.with_suffix(NAMES).read_bytes().splitlines(keepends=True)
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            whole = len(mapped) // WIDTH * WIDTH
            with memoryview(mapped)[:whole] as plain, plain.cast("q") as numbers:
                yield from _series(lines, numbers)


def _series(lines: Iterable[bytes], numbers: memoryview) -> Iterator[tuple[str, tuple[str, ...], list[int]]]:
    for line in lines:
        # The last line may be half written.
        if line.endswith(b"\n"):
            name, labels, at, places = json.loads(line)
            yield name, tuple(labels), numbers[at : at + places].tolist()


def _add(sums: Sums, series: Iterable[tuple[str, tuple[str, ...], list[int]]]) -> None:
    """Add numbers to what is there. Those of a release that counted otherwise are left out."""
    for name, labels, numbers in series:
        family = ALL.get(name)
        if family is None or len(numbers) != family.places or len(labels) != len(family.labels):
            continue
        there = sums.setdefault((name, labels), [0] * family.places)
        merged = map(max, there, numbers) if family.kind is Kind.LATEST else map(sum, zip(there, numbers, strict=True))
        there[:] = merged


def _known(sums: Mapping[Key, list[int]]) -> list[Series]:
    return [Series(ALL[name], labels, tuple(numbers)) for (name, labels), numbers in sorted(sums.items())]


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """Hold the folder: readers together, whoever retires the dead alone."""
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
