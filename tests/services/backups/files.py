"""Backups as bytes: made, taken apart, and put together as somebody else would."""

import io
import json
import tarfile
from collections.abc import Callable

import pytest

from gateway.domain.errors import Refusal
from gateway.services import backup
from gateway.services.archive import ArchiveWriter
from gateway.services.context import Context
from gateway.services.house import OPERATOR, House
from gateway.storage import backup as stored
from gateway.storage.database import Database


def made(context: Context) -> io.BytesIO:
    file = io.BytesIO()
    backup.write_backup(context, file)
    file.seek(0)
    return file


def contents(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """All rows of the tables that a backup holds."""
    return {
        table: sorted(database.script(f"SELECT {', '.join(columns)} FROM {table}"), key=str)  # noqa: S608 -- names of our own tables
        for table, columns in stored.kept_tables().items()
    }


def empty(database: Database) -> bool:
    return stored.is_empty(database) and not database.script("SELECT * FROM account")


def refused(act: Callable[[], object]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        act()
    return caught.value


def restored(other: House, file: io.BytesIO, *, replace: bool = False) -> Context:
    context = other.context(OPERATOR)
    backup.restore_backup(context, file, replace=replace)
    return context


def unpacked(file: io.BytesIO) -> dict[str, bytes]:
    """The parts of a backup, in their order."""
    with tarfile.open(fileobj=file, mode="r:gz") as archive:
        return {part.name: (archive.extractfile(part) or io.BytesIO()).read() for part in archive.getmembers()}


def packed(parts: dict[str, bytes]) -> io.BytesIO:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in parts.items():
            part = tarfile.TarInfo(name)
            part.size = len(data)
            archive.addfile(part, io.BytesIO(data))
    file.seek(0)
    return file


def sealed(context: Context, parts: dict[str, bytes]) -> io.BytesIO:
    """What an archive of these tables would be if this house had written it."""
    file = io.BytesIO()
    writer = ArchiveWriter(file, json.loads(parts["moongate-backup.json"]), now=context.now())
    for name, data in parts.items():
        if name.startswith("tables/"):
            writer.add_rows(name.split("/")[1], [json.loads(line) for line in data.splitlines()])
    more = {"audit_head": json.loads(parts["manifest.json"])["audit_head"]}
    writer.finish(more, lambda digest: context.keyring.seal(digest, purpose="backup"))
    file.seek(0)
    return file
