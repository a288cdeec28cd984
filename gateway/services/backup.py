"""Backups of the whole database, made while everybody works, and restored all or nothing, on either engine (ADR 0018)."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import IO, Any

import orjson

from gateway.domain.audit import Event
from gateway.domain.errors import Refusal
from gateway.domain.values import Instant
from gateway.services import archive, key_check
from gateway.services.archive import ArchiveReader, ArchiveWriter, refuse
from gateway.services.context import Context
from gateway.services.key_check import KeysMisfit
from gateway.services.nodes import PLATFORM_SLUG
from gateway.storage import backup, nodes, schema
from gateway.storage.database import DatabaseUnavailable
from gateway.tokens.keyring import UnwrapFailed

_PURPOSE = "backup"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a backup holds."""

    made_at: Instant
    release: str
    engine: str
    tables: Mapping[str, int]
    """Rows of each."""
    audit_events: int
    """That are sealed under the newest head."""
    audit_root: str
    """Of that head, in hex; empty where nothing was sealed."""


def write_backup(context: Context, file: IO[bytes]) -> Summary:
    """Write everything but what ends at a restore, as it is at one moment. The secret keys are not in it."""
    try:
        _record(context, "backup.made", {})
    except DatabaseUnavailable as error:
        # A database that cannot be written, because its disk is full, is one that somebody wants a backup of.
        _log.warning("a backup is made and no event tells of it", extra={"fields": {"error": str(error)}})
    tables = backup.kept_tables()
    head = {
        "form": archive.FORM,
        "release": version("moongate"),
        "migrations": sorted(schema.migrations()),
        "engine": context.database.name,
        "made_at": context.now(),
        "key": context.keyring.newest,
        "tables": tables,
    }
    writer = ArchiveWriter(file, head, now=context.now())
    newest: dict[str, Any] = {}
    with backup.reading(context.database) as read:
        for table, columns in tables.items():
            for rows in read(table, columns):
                writer.add_rows(table, rows)
                if table == "audit_head":
                    newest = max((dict(zip(columns, row, strict=True)) for row in rows), key=lambda row: row["size"])
    manifest = writer.finish({"audit_head": newest}, lambda digest: context.keyring.seal(digest, purpose=_PURPOSE))
    return _summary(head, manifest)


def check_backup(context: Context, file: IO[bytes]) -> Summary:
    """Read a whole backup and return what it holds; refuse one that cannot be restored by this release with these keys."""
    reader = _opened(context, file)
    for _ in reader.portions(partial(_unsealed, context)):
        pass
    return _summary(reader.head, reader.manifest)


def restore_backup(context: Context, file: IO[bytes], *, replace: bool) -> Summary:
    """Fill the database with what a backup holds, all or nothing, after a look at the whole of it; `file` can be read twice.

    Refuses a database that is not empty, unless it may be replaced. Sessions, grants and codes end; mails whose fate is uncertain are
    not sent by themselves.
    """
    _require_room(context, replace=replace)
    checked = check_backup(context, file)
    file.seek(0)
    reader = _opened(context, file)
    tables: Mapping[str, Any] = reader.head["tables"]
    with backup.refilling(context.database) as filling:
        for table, part in reader.portions(partial(_unsealed, context)):
            filling.put(table, tables[table], [orjson.loads(row) for row in part.split(b"\n") if row])
        if _summary(reader.head, reader.manifest) != checked:
            refuse("it changed while it was read")
        _require_keys(context)
        _record(context, "backup.restored", {"made_at": checked.made_at, "release": checked.release, "engine": checked.engine})
    return checked


def _opened(context: Context, file: IO[bytes]) -> ArchiveReader:
    """Return a backup whose head says that this release can read it."""
    reader = ArchiveReader(file)
    head = reader.head
    key = str(head.get("key"))[:8]
    if key not in context.keyring.names():
        raise Refusal("E_Secret_Key_Missing", data={"value": key}, reason="nothing was changed")
    made, known = set(head.get("migrations") or ()), schema.migrations().keys()
    release = str(head.get("release"))[:20]
    if made - known:
        refuse(f"release {release} made it, which is newer than this one")
    if known - made:
        refuse(f"release {release} made it, which is older: restore it with that one, and start this one afterwards")
    if {table: list(columns) for table, columns in backup.kept_tables().items()} != head["tables"]:
        refuse(f"release {release} made it, which keeps other tables")
    return reader


def _unsealed(context: Context, sealed: bytes) -> bytes:
    try:
        return context.keyring.unseal(sealed, purpose=_PURPOSE)
    except (UnwrapFailed, ValueError):
        refuse("its seal was not made with our secret keys: somebody changed it")


def _require_room(context: Context, *, replace: bool) -> None:
    if not replace and not backup.is_empty(context.database):
        raise Refusal("E_Backup_Not_Empty")


def _require_keys(context: Context) -> None:
    """Refuse a backup whose key check needs a key that the ring lacks: nobody could start with it."""
    try:
        key_check.recheck_keys(context.database, context.keyring)
    except KeysMisfit as error:
        raise Refusal("E_Secret_Key_Missing", data={"value": "that of the key check"}, reason=str(error)) from error


def _record(context: Context, action: str, detail: dict[str, object]) -> None:
    platform = nodes.find_node_by_slug(context.database, PLATFORM_SLUG)
    if platform is not None:
        with context.database.transaction():
            context.record(Event(platform.id, action, "platform", platform.id, detail=detail))


def _summary(head: Mapping[str, Any], manifest: Mapping[str, Any]) -> Summary:
    newest = manifest["audit_head"]
    return Summary(
        made_at=Instant(head["made_at"]),
        release=head["release"],
        engine=head["engine"],
        tables={table: total["rows"] for table, total in manifest["tables"].items()},
        audit_events=newest.get("size", 0),
        audit_root=newest.get("root", ""),
    )
