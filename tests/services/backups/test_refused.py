"""A backup that is half, changed, of another release or sealed by a stranger changes nothing, and is told in one line."""

import dataclasses
import gzip
import io
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from gateway.domain.nodes import Node
from gateway.services import archive, backup
from gateway.services.context import Context
from gateway.services.house import House
from gateway.storage import backup as stored
from gateway.storage import schema
from gateway.tokens.keyring import KeyRing
from gateway.wiring import open_house
from tests.conftest import Clock, settings_for
from tests.services.backups.files import contents, empty, made, packed, refused, restored, sealed, unpacked
from tests.sign_ins import make_person

NEWER = schema.migrations() | {9999: ""}
"""Migrations of a release to come."""


class TestAllOrNothing:
    def test_a_database_that_is_not_empty_is_left_alone(self, context: Context, filled: Node) -> None:
        file = made(context)
        before = contents(context.database)
        assert refused(lambda: backup.restore_backup(context, file, replace=False)).code == "E_Backup_Not_Empty"
        assert contents(context.database) == before

    def test_replacing_loses_what_was_there(self, context: Context, filled: Node, other: House) -> None:
        file = made(context)
        make_person(context, filled, "late.comer")
        backup.restore_backup(context, file, replace=True)
        assert [row[0] for row in context.database.script("SELECT login FROM account")] == ["anna.berg"]

    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
    def test_half_a_backup_changes_nothing(self, context: Context, filled: Node, other: House, share: float) -> None:
        whole = made(context).getvalue()
        half = io.BytesIO(whole[: int(len(whole) * share)])
        assert refused(lambda: restored(other, half)).code == "E_Backup_Invalid"
        assert empty(other.database)

    def test_a_backup_that_ends_between_its_parts_is_half(self, context: Context, filled: Node, other: House) -> None:
        for count in (0, 1, 5, -2, -1):
            parts = unpacked(made(context))
            half = packed(dict(list(parts.items())[:count]))
            told = refused(partial(restored, other, half))
            assert told.code == "E_Backup_Invalid"
        assert empty(other.database)

    @pytest.mark.parametrize("data", [b"", b"nonsense", gzip.compress(b"nonsense", mtime=0), gzip.compress(b"", mtime=0)])
    def test_a_file_that_is_no_backup_changes_nothing(self, context: Context, filled: Node, other: House, data: bytes) -> None:
        assert refused(lambda: restored(other, io.BytesIO(data))).code == "E_Backup_Invalid"
        assert empty(other.database)

    def test_one_that_fails_in_the_middle_changes_nothing(self, context: Context, filled: Node, monkeypatch: pytest.MonkeyPatch) -> None:
        file = made(context)
        before = contents(context.database)
        monkeypatch.setattr(stored, "_NEXT_GENERATION", None)
        with pytest.raises(AttributeError):
            backup.restore_backup(context, file, replace=True)
        assert contents(context.database) == before

    def test_references_that_lead_nowhere_are_refused(self, context: Context, filled: Node, other: House) -> None:
        parts = unpacked(made(context))
        parts = {name: data for name, data in parts.items() if not name.startswith("tables/account/")}
        with pytest.raises(Exception, match=r"(?i)foreign key"):
            restored(other, sealed(context, parts))
        assert empty(other.database)


class TestTampering:
    def change(self, context: Context, change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> io.BytesIO:
        return packed(change(unpacked(made(context))))

    def test_taking_it_apart_and_putting_it_together_changes_nothing(self, context: Context, filled: Node, other: House) -> None:
        restored(other, self.change(context, dict))
        assert not empty(other.database)

    def test_a_changed_row_is_refused(self, context: Context, filled: Node, other: House) -> None:
        file = self.change(context, lambda parts: {name: data.replace(b"anna.berg", b"evil.berg") for name, data in parts.items()})
        assert "not those that were written" in refused(lambda: restored(other, file)).reason
        assert empty(other.database)

    def test_a_changed_row_with_a_manifest_that_fits_is_refused_by_the_seal(self, context: Context, filled: Node, other: House) -> None:
        def evil(parts: dict[str, bytes]) -> dict[str, bytes]:
            stranger = dataclasses.replace(context, keyring=KeyRing(("x" * 64,), random.Random(3).randbytes))
            changed = {name: data.replace(b"anna.berg", b"evil.berg") for name, data in parts.items()}
            made_again = unpacked(sealed(stranger, changed))
            return made_again | {"seal": parts["seal"]}

        assert "seal" in refused(lambda: restored(other, self.change(context, evil))).reason
        assert empty(other.database)

    def test_a_seal_of_a_stranger_is_refused(self, context: Context, filled: Node, other: House) -> None:
        stranger = dataclasses.replace(context, keyring=KeyRing(("x" * 64,), random.Random(3).randbytes))
        file = sealed(stranger, unpacked(made(context)))
        assert refused(lambda: restored(other, file)).code == "E_Backup_Invalid"
        assert empty(other.database)

    @pytest.mark.parametrize(
        "change",
        [
            lambda parts: dict(reversed(parts.items())),
            lambda parts: parts | {"more": b""},
            lambda parts: parts | {"seal": b"!"},
            lambda parts: parts | {"seal": b""},
            lambda parts: parts | {"manifest.json": b"{"},
            lambda parts: parts | {"manifest.json": b"[]"},
            lambda parts: parts | {"moongate-backup.json": b"{}"},
            lambda parts: {name.replace("tables/account/", "tables/../account/"): data for name, data in parts.items()},
            lambda parts: {name: data for name, data in parts.items() if not name.startswith("tables/account/")},
            lambda parts: {name: data + data if name.startswith("tables/") else data for name, data in parts.items()},
        ],
    )
    def test_any_other_change_is_refused(
        self, context: Context, filled: Node, other: House, change: Callable[[dict[str, bytes]], dict[str, bytes]]
    ) -> None:
        assert refused(lambda: restored(other, self.change(context, change))).code == "E_Backup_Invalid"
        assert empty(other.database)


class TestOtherReleasesAndKeys:
    def test_a_backup_of_a_newer_release_is_refused(
        self, context: Context, filled: Node, other: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as newer:
            newer.setattr(schema, "migrations", lambda: NEWER)
            file = made(context)
        assert "newer" in refused(lambda: restored(other, file)).reason
        assert empty(other.database)

    def test_a_backup_of_an_older_release_is_refused(
        self, context: Context, filled: Node, other: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = made(context)
        monkeypatch.setattr(schema, "migrations", lambda: NEWER)
        assert "older" in refused(lambda: restored(other, file)).reason
        assert empty(other.database)

    def test_another_form_is_refused(self, context: Context, filled: Node, other: House, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as newer:
            newer.setattr(archive, "FORM", 2)
            file = made(context)
        assert "form is 2" in refused(lambda: restored(other, file)).reason

    def test_a_backup_that_needs_a_key_we_lack_names_it(self, context: Context, filled: Node, tmp_path: Path, clock: Clock) -> None:
        file = made(context)
        (tmp_path / "elsewhere").mkdir()
        strange = open_house(settings_for(tmp_path / "elsewhere", MOONGATE_SECRET_KEYS="x" * 64), clock=clock)
        told = refused(lambda: restored(strange, file))
        assert (told.code, told.data["value"]) == ("E_Secret_Key_Missing", context.keyring.newest)
        assert empty(strange.database)
        strange.database.close()

    def test_a_backup_with_which_nobody_could_start_is_refused(self, house: House, context: Context, filled: Node, other: House) -> None:
        # Made by a process that knew a newer key, before anything was wrapped by it; restored by one that has only the newer.
        both = dataclasses.replace(context, keyring=KeyRing(("n" * 64, "k" * 64), random.Random(4).randbytes))
        newest = dataclasses.replace(other, keyring=KeyRing(("n" * 64,), random.Random(4).randbytes))
        assert refused(lambda: restored(newest, made(both))).code == "E_Secret_Key_Missing"
        assert empty(other.database)

    def test_a_backup_made_under_an_older_key_comes_back_where_that_key_is_still_there(
        self, context: Context, filled: Node, other: House
    ) -> None:
        both = dataclasses.replace(other, keyring=KeyRing(("n" * 64, "k" * 64), random.Random(4).randbytes))
        restored(both, made(context))
        assert not empty(other.database)
