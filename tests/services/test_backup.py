"""A backup holds everything as it is at one moment, comes back all or nothing on either engine, and brings nobody in who is out."""

import dataclasses
import gzip
import io
import json
import random
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.mails import MailKind
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import RelyingParty
from gateway.services import audit, backup, identity_providers, mail, sealing, sessions
from gateway.services import sign_in as sign_ins
from gateway.services.audit_verification import verify_trail
from gateway.services.context import Context
from gateway.services.house import OPERATOR, House
from gateway.storage import backup as stored
from gateway.storage import mails, schema
from gateway.storage.database import Database
from gateway.tokens.keyring import KeyRing
from gateway.wiring import open_house
from tests import databases
from tests.conftest import Clock, settings_for
from tests.sign_ins import PASSWORD, begin, make_app, make_person, make_provider

NEWER = schema.migrations() | {9999: ""}
"""Migrations of a release to come."""


@pytest.fixture
def anna(context: Context, acme: Node, quick_hashes: None) -> Account:
    return make_person(context, acme, "anna.berg", password=PASSWORD)


@pytest.fixture
def wiki(context: Context, acme: Node) -> RelyingParty:
    return make_app(context, acme)


@pytest.fixture
def filled(house: House, context: Context, acme: Node, anna: Account, wiki: RelyingParty) -> Node:
    """A house with something of most kinds, sealed, and somebody signed in."""
    provider = make_provider(context, acme)
    identity_providers.change_provider(context, provider, identity_providers.Changes(client_secret="swordfish"))
    mail.queue(context, anna, next(iter(MailKind)), event="once")
    sign_ins.prove_password(context, acme, begin(context, acme, wiki).sign_in, "anna.berg", PASSWORD)
    context.database.script(f"INSERT INTO access_code VALUES ('{anna.id}', 'hash', {context.now() + 1000}, NULL)")  # noqa: S608 -- values made here
    sealing.seal_all(house)
    return acme


@pytest.fixture
def other(house: House, tmp_path: Path, clock: Clock) -> Iterator[House]:
    """Another house with the same secret keys and an empty database."""
    (tmp_path / "other").mkdir()
    opened = open_house(settings_for(tmp_path / "other"), clock=clock, entropy=random.Random(2).randbytes)
    yield opened
    opened.database.close()


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


class TestRoundTrip:
    def test_everything_comes_back_as_it_was(self, context: Context, filled: Node, other: House) -> None:
        file = made(context)
        before = contents(context.database)
        after = contents(restored(other, file).database)
        for table in before.keys() - {"audit", "mail", "job"}:
            assert after[table] == before[table], table
        assert len(after["audit"]) == len(before["audit"]) + 1

    def test_everybody_can_sign_in(self, context: Context, filled: Node, other: House, wiki: RelyingParty) -> None:
        again = restored(other, made(context))
        proved = sign_ins.prove_password(again, filled, begin(again, filled, wiki).sign_in, "anna.berg", PASSWORD)
        assert proved.session_secret

    def test_secrets_unwrap(self, context: Context, filled: Node, other: House) -> None:
        again = restored(other, made(context))
        provider = identity_providers.get_provider(again, filled, "corp")
        assert identity_providers.get_client_secret(again, provider) == "swordfish"

    def test_the_audit_trail_verifies_and_goes_on(self, context: Context, filled: Node, other: House) -> None:
        head = sealing.get_head(context)
        again = restored(other, made(context))
        sealing.seal_all(other)
        verdict = verify_trail(again, unverified_kept=head.statement)
        assert (verdict.found, verdict.unsealed) == (0, 0)
        assert verdict.rows > head.size
        assert audit.list_events(again, filled, limit=1)

    def test_it_says_what_it_holds(self, context: Context, filled: Node) -> None:
        file = io.BytesIO()
        summary = backup.write_backup(context, file)
        file.seek(0)
        assert backup.check_backup(context, file) == summary
        assert summary.tables["account"] == 1
        assert summary.audit_root == sealing.get_head(context).root
        assert summary.engine == context.database.name

    def test_a_house_that_nobody_founded_comes_back_too(self, house: House, context: Context, other: House) -> None:
        assert empty(restored(other, made(context)).database)

    def test_texts_and_numbers_of_every_kind_come_back(self, context: Context, acme: Node, other: House) -> None:
        name = "Zürich \u2028\u0085\r\n\t\\N \\. \"quoted\" 'x' \U0001f680 %s $1"
        context.database.script("UPDATE node SET name = '" + name.replace("'", "''") + f"', epoch = {2**62} WHERE slug = 'acme'")  # noqa: S608 -- made here
        again = restored(other, made(context))
        assert again.database.script("SELECT name, epoch, disabled_at FROM node WHERE slug = 'acme'") == [(name, 2**62, None)]


class TestWhatMustNotComeBack:
    def test_nobody_is_signed_in(self, context: Context, filled: Node, other: House, anna: Account) -> None:
        assert sessions.list_of_account(context, anna.id)
        again = restored(other, made(context))
        assert not sessions.list_of_account(again, anna.id)
        for table in ("session", "app_grant", "refresh_token", "kept_code", "sign_in", "access_code"):
            assert again.database.script(f"SELECT * FROM {table}") == []  # noqa: S608 -- names of our own tables

    def test_sessions_of_the_database_that_is_replaced_end(self, context: Context, filled: Node, anna: Account) -> None:
        file = made(context)
        backup.restore_backup(context, file, replace=True)
        assert not sessions.list_of_account(context, anna.id)

    def test_secret_keys_are_not_in_it(self, house: House, context: Context, filled: Node) -> None:
        plain = gzip.decompress(made(context).getvalue())
        assert b"k" * 64 not in plain
        assert b"swordfish" not in plain
        assert PASSWORD.encode() not in plain

    def test_a_mail_that_may_have_gone_since_is_not_sent_by_itself(
        self, context: Context, filled: Node, other: House, anna: Account
    ) -> None:
        again = restored(other, made(context))
        assert {row[0] for row in again.database.script("SELECT state FROM mail")} == {"unconfirmed"}
        assert again.database.script("SELECT * FROM job WHERE kind = 'mail'") == []
        assert mails.list_mails(again.database, anna.id, limit=5)

    def test_every_process_forgets_what_it_remembered(self, context: Context, filled: Node) -> None:
        before = context.database.script("SELECT value FROM generation")
        backup.restore_backup(context, made(context), replace=True)
        assert context.database.script("SELECT value FROM generation") > before


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
            told = refused(lambda parts=parts, count=count: restored(other, packed(dict(list(parts.items())[:count]))))  # type: ignore[misc] -- bound at once
            assert told.code == "E_Backup_Invalid"
        assert empty(other.database)

    @pytest.mark.parametrize("data", [b"", b"nonsense", gzip.compress(b"nonsense"), gzip.compress(b"")])
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
    writer = backup.ArchiveWriter(file, json.loads(parts["moongate-backup.json"]), now=context.now())
    for name, data in parts.items():
        if name.startswith("tables/"):
            writer.add_rows(name.split("/")[1], [json.loads(line) for line in data.splitlines()])
    more = {"audit_head": json.loads(parts["manifest.json"])["audit_head"]}
    writer.finish(more, lambda digest: context.keyring.seal(digest, purpose="backup"))
    file.seek(0)
    return file


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
            newer.setattr(backup.archive, "FORM", 2)
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


def test_a_backup_of_one_engine_comes_back_on_the_other_and_returns(
    house: House, context: Context, filled: Node, wiki: RelyingParty, tmp_path: Path, clock: Clock
) -> None:
    home = tmp_path / "across"
    home.mkdir()
    url = f"sqlite:///{home}/moongate.db" if databases.POSTGRES else databases.server().new(home)
    across = open_house(settings_for(home, MOONGATE_DATABASE_URL=url), clock=clock, entropy=random.Random(2).randbytes)
    assert across.database.name != house.database.name
    again = restored(across, made(context))
    proved = sign_ins.prove_password(again, filled, begin(again, filled, wiki).sign_in, "anna.berg", PASSWORD)
    assert proved.session_secret
    sealing.seal_all(across)
    assert verify_trail(again, unverified_kept=sealing.get_head(again).statement).found == 0
    backup.restore_backup(context, made(again), replace=True)
    assert {row[0] for row in context.database.script("SELECT login FROM account")} == {"anna.berg"}
    across.database.close()


def test_a_backup_is_of_one_moment_while_others_write(house: House, context: Context, filled: Node, other: House) -> None:
    """Two tables that change together agree in the backup, whenever it read them."""
    done = threading.Event()

    def write() -> None:
        at = 0
        while not done.is_set():
            make_person(context, filled, f"person{at}")
            at += 1
        house.database.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        files = [made(context) for _ in range(5)]
    finally:
        done.set()
        writer.join()
    for file in files:
        again = restored(other, file, replace=True).database
        people = again.script("SELECT COUNT(*) FROM account")
        assert people == again.script("SELECT COUNT(*) FROM audit WHERE action = 'person.created'")
        assert people == again.script("SELECT COUNT(*) FROM sign_in_name")
        assert people == again.script("SELECT COUNT(*) FROM outbox WHERE type = 'person.created'")


def test_every_table_is_kept_or_left_out_for_a_reason() -> None:
    """One that is new is kept by itself; one that must not come back is named in storage/backup.py."""
    every = set(stored._every_table())
    assert stored._NOT_KEPT.keys() | stored._OF_THE_MACHINES <= every
    assert set(stored.kept_tables()) == every - stored._NOT_KEPT.keys() - stored._OF_THE_MACHINES
    assert {"account", "node", "audit", "audit_leaf", "installation", "signing_key"} <= set(stored.kept_tables())
