"""`moongate backup` and `moongate restore`."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import click

from gateway.cli.command import Failed, Result, command, context, house, moment
from gateway.services import backup
from gateway.services.backup import Summary

_file = click.argument("file")


def register(group: click.Group) -> None:
    """Add the commands to the group of all."""
    command(group, "backup")(_file(write))
    restoring = click.option("--replace", is_flag=True, help="Lose what is in the database now.")(_file(restore))
    command(group, "restore")(click.option("--check", is_flag=True, help="Read it to the end, and change nothing.")(restoring))


def write(*, file: str) -> Result:
    """Write everything into FILE while everybody works, or to standard output for -; the secret keys are not in it."""
    act = context()
    if file == "-":
        if click.get_current_context().params["as_json"]:
            raise click.UsageError("--json prints one document: name a file for the backup.")
        backup.write_backup(act, sys.stdout.buffer)
        return None
    with _new_file(Path(file)) as opened:
        summary = backup.write_backup(act, opened)
    return {"file": file, "bytes": Path(file).stat().st_size, **_document(summary)}


def restore(*, file: str, replace: bool, check: bool) -> Result:
    """Fill an empty database from FILE, or from standard input for -, all or nothing; everybody must sign in anew.

    Stop servers and workers before, and start them afterwards.
    """
    act = context()
    with _readable(file) as opened:
        if check:
            return {"outcome": "whole", **_document(backup.check_backup(act, opened))}
        return {"outcome": "restored", **_document(backup.restore_backup(act, opened, replace=replace))}


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """Give a file that nobody else may read, and that stands under its name only when it is whole and on the disk."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise Failed("E_Unavailable", f"{path} cannot be written ({error.strerror})") from error
    try:
        with os.fdopen(descriptor, "wb") as opened:
            yield opened
            opened.flush()
            os.fsync(opened.fileno())
        Path(name).replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise Failed("E_Unavailable", f"{path} cannot be written ({error.strerror})") from error
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _readable(file: str) -> Iterator[IO[bytes]]:
    """Give a backup that can be read twice: what comes through a pipe is kept aside until then."""
    try:
        with tempfile.TemporaryFile(dir=house().settings.home) if file == "-" else Path(file).open("rb") as opened:
            if file == "-":
                shutil.copyfileobj(sys.stdin.buffer, opened)
                opened.seek(0)
            yield opened
    except OSError as error:
        raise Failed("E_Unavailable", f"{file} cannot be read ({error.strerror})") from error


def _document(summary: Summary) -> dict[str, object]:
    """Return what a backup holds; the rows of each table only for programs."""
    tables = {"tables": dict(summary.tables)} if click.get_current_context().params["as_json"] else {}
    return {
        "made_at": moment(summary.made_at),
        "release": summary.release,
        "engine": summary.engine,
        "rows": sum(summary.tables.values()),
        **tables,
        "audit_events": summary.audit_events,
        "audit_root": summary.audit_root,
    }
