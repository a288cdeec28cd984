"""A backup holds everything as it is at one moment, comes back all or nothing on either engine, and brings nobody in who is out."""

import gzip
import io
import random
import threading
from pathlib import Path

import pytest

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import AuthorizationRequest, RelyingParty
from gateway.services import audit, backup, grants, identity_providers, sealing, sessions
from gateway.services import sign_in as sign_ins
from gateway.services.audit_verification import verify_trail
from gateway.services.context import Context
from gateway.services.grants import GrantRejected
from gateway.services.house import House
from gateway.storage import audit as audit_rows
from gateway.storage import backup as stored
from gateway.storage import mails
from gateway.storage.database import DatabaseUnavailable
from gateway.wiring import open_house
from tests import databases
from tests.conftest import Clock, settings_for
from tests.services.backups.files import contents, empty, made, restored
from tests.sign_ins import PASSWORD, REDIRECT_URI, begin, make_app, make_person


def coded(context: Context, node: Node, app: RelyingParty) -> str:
    """Sign in at an app and return the code it gets."""
    secret = sign_ins.prove_password(context, node, begin(context, node, app).sign_in, "anna.berg", PASSWORD).session_secret
    session = sessions.find_live_session(context, node, secret)
    assert session is not None
    asked = AuthorizationRequest(app.client_id, REDIRECT_URI, ("openid", "offline_access"))
    code = grants.authorize(context, node, app, asked, session, tenant="")
    assert isinstance(code, str)
    return code


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

    def test_a_database_that_cannot_be_written_is_backed_up(
        self, context: Context, filled: Node, other: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object, **__: object) -> None:
            raise DatabaseUnavailable("database or disk is full")

        with monkeypatch.context() as fault:
            fault.setattr(audit_rows, "insert_audit", full)
            file = made(context)
        assert not empty(restored(other, file).database)

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

    def test_a_code_and_a_refresh_token_of_before_are_worth_nothing(self, context: Context, filled: Node, wiki: RelyingParty) -> None:
        app = make_app(context, filled, name="Mail", grants=("authorization_code", "refresh_token"), scopes=("openid", "offline_access"))
        issued = grants.redeem_code(context, filled, app, coded(context, filled, app), redirect_uri=REDIRECT_URI, verifier="")
        code = coded(context, filled, app)
        backup.restore_backup(context, made(context), replace=True)
        with pytest.raises(GrantRejected):
            grants.redeem_code(context, filled, app, code, redirect_uri=REDIRECT_URI, verifier="")
        assert issued.refresh_token
        with pytest.raises(GrantRejected):
            grants.refresh(context, filled, app, issued.refresh_token)
        assert context.database.script("SELECT * FROM app_grant") == []

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
