"""The form of a backup: a compressed tar whose parts are written one after another, so that it can go through a pipe.

    moongate-backup.json          form, release, migrations, engine, time, columns
    tables/<table>/<number>.ndjson   rows, each a JSON array
    manifest.json                 rows and SHA-256 of each table, the newest head of the audit trail
    seal                          the SHA-256 of first part and manifest, sealed by the key ring

Without its last part it is half a backup; with any other byte in it the seal does not fit.
"""

import base64
import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, NoReturn

import orjson

from gateway.domain.errors import Refusal
from gateway.domain.values import Instant
from gateway.storage.transfer import Rows

FORM = 1
"""Number of this form; another one is another."""

HEAD, MANIFEST, SEAL = "moongate-backup.json", "manifest.json", "seal"
_LEVEL = 3
"""Of compression: most of what level 9 saves, in a fifth of its time."""
_GZIP = zlib.MAX_WBITS | 16
"""The library's way to say: with the frame of gzip."""
_LARGEST_PART = 256 * 1024 * 1024
"""Bytes of a part that are read at once at most, before anybody knows whose they are."""
_FAULTS = (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error)


class ArchiveWriter:
    """Writes a backup part by part."""

    def __init__(self, file: IO[bytes], head: Mapping[str, Any], *, now: Instant) -> None:
        """Begin a backup."""
        self._now = now
        self._file = file
        # Not the library's own files: those write once more when they are collected, after whatever went wrong.
        self._packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self._sums: dict[str, _Sum] = {table: _Sum() for table in head["tables"]}
        self._head = orjson.dumps(dict(head))
        self._add(HEAD, self._head)

    def add_rows(self, table: str, rows: Rows) -> None:
        """Add a portion of a table."""
        total = self._sums[table]
        part = b"".join(orjson.dumps(tuple(row)) + b"\n" for row in rows)
        total.add(part, len(rows))
        self._add(f"tables/{table}/{total.parts:06}.ndjson", part)

    def finish(self, more: Mapping[str, Any], seal: Callable[[bytes], bytes]) -> Mapping[str, Any]:
        """Write the manifest, with `more` in it, and the seal; return the manifest."""
        manifest = {"tables": {table: total.told() for table, total in self._sums.items()}, **more}
        text = orjson.dumps(manifest)
        self._add(MANIFEST, text)
        self._add(SEAL, base64.b64encode(seal(_digest(self._head, text))))
        self._file.write(self._packer.compress(b"\0" * 2 * tarfile.BLOCKSIZE) + self._packer.flush())
        return manifest

    def _add(self, name: str, data: bytes) -> None:
        part = tarfile.TarInfo(name)
        part.size, part.mode, part.mtime = len(data), 0o600, self._now // 1000
        padding = -len(data) % tarfile.BLOCKSIZE
        self._file.write(self._packer.compress(part.tobuf(tarfile.USTAR_FORMAT) + data + b"\0" * padding))


class ArchiveReader:
    """Reads a backup part by part; whatever is not as it was written ends in a refusal that says what."""

    def __init__(self, file: IO[bytes]) -> None:
        """Begin to read; `head` is what the backup says of itself, not proved yet."""
        with _told():
            self._tar = tarfile.open(fileobj=gzip.GzipFile(fileobj=file, mode="rb"), mode="r|")  # noqa: SIM115 -- only read
            self._head = self._require(HEAD)
        self.head: Mapping[str, Any] = _object(self._head)
        self.manifest: Mapping[str, Any] = {}
        """Once all rows were read."""
        if self.head.get("form") != FORM:
            refuse(f"its form is {str(self.head.get('form'))[:20]}, and this release reads form {FORM}")

    def portions(self, unseal: Callable[[bytes], bytes]) -> Iterator[tuple[str, bytes]]:
        """Give out each portion of a table as it was written; whoever reads to the end knows that every one was right.

        `unseal` opens what the writer's `seal` closed, or refuses.
        """
        sums: dict[str, _Sum] = {table: _Sum() for table in self.head["tables"]}
        with _told():
            name, data = self._next()
            while name.startswith("tables/"):
                table = name.split("/")[1]
                if table not in sums or name != f"tables/{table}/{sums[table].parts + 1:06}.ndjson":
                    refuse(f"part {name[:80]} is not where it belongs")
                sums[table].add(data, data.count(b"\n"))
                yield table, data
                name, data = self._next()
            if name != MANIFEST:
                refuse(f"part {name[:80]} is not where it belongs")
            seal = self._require(SEAL)
            if self._tar.next() is not None:
                refuse("something follows its seal")
        self.manifest = _object(data)
        self._require_seal(data, seal, unseal)
        for table, total in sums.items():
            if self.manifest["tables"].get(table) != total.told():
                refuse(f"the rows of {table} are not those that were written")

    def _require_seal(self, manifest: bytes, seal: bytes, unseal: Callable[[bytes], bytes]) -> None:
        try:
            sealed = base64.b64decode(seal, validate=True)
        except ValueError:
            refuse("its seal is damaged")
        if unseal(sealed) != _digest(self._head, manifest):
            refuse("its seal belongs to another backup")

    def _require(self, wanted: str) -> bytes:
        name, data = self._next()
        if name != wanted:
            refuse(f"part {wanted} is missing")
        return data

    def _next(self) -> tuple[str, bytes]:
        part = self._tar.next()
        if part is None:
            refuse("it ends in the middle: half a backup")
        if not part.isreg() or part.size > _LARGEST_PART:
            refuse("it holds what no backup holds")
        file = self._tar.extractfile(part)
        data = file.read() if file else b""
        if len(data) != part.size:
            refuse("it ends in the middle: half a backup")
        return part.name, data


class _Sum:
    """Counts the rows of a table and hashes their bytes."""

    def __init__(self) -> None:
        self.parts = 0
        self._rows = 0
        self._hash = hashlib.sha256()

    def add(self, part: bytes, rows: int) -> None:
        self.parts += 1
        self._rows += rows
        self._hash.update(part)

    def told(self) -> dict[str, object]:
        return {"rows": self._rows, "sha256": self._hash.hexdigest()}


@contextmanager
def _told() -> Iterator[None]:
    """Refuse where the file is no whole archive."""
    try:
        yield
    except _FAULTS as error:
        raise Refusal("E_Backup_Invalid", reason="it is cut off, damaged, or no backup at all") from error


def refuse(why: str) -> NoReturn:
    """Refuse a backup."""
    raise Refusal("E_Backup_Invalid", reason=why)


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        read = orjson.loads(data)
    except ValueError:
        refuse("a part of it is no JSON")
    if not isinstance(read, dict) or not isinstance(read.get("tables"), dict):
        refuse("a part of it says nothing of tables")
    return read


def _digest(head: bytes, manifest: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(head).digest() + hashlib.sha256(manifest).digest()).digest()
