"""The doctor: every fault by its name, what to do about it, and status 1 where something fails; he changes nothing."""

import json
import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.mails import MailKind
from gateway.domain.nodes import Node
from gateway.services import connections, domains, mail, nodes
from gateway.services.connections import NewConnection
from gateway.services.context import Context
from gateway.services.house import OPERATOR, House
from gateway.settings import Settings
from gateway.storage import routines
from gateway.wiring import open_house, system_clock
from tests.cli.conftest import Commands
from tests.conftest import Clock, NoOutside, settings_for
from tests.factors import add_person
from tests.sign_ins import make_provider


class Provider(NoOutside):
    """A provider that publishes what it must."""

    def get_json(self, url: str, *, private_outbound: bool, bearer: str | None = None) -> Mapping[str, object]:
        if not url.startswith("https://corp.example/"):
            return super().get_json(url, private_outbound=private_outbound, bearer=bearer)
        if url.endswith("/keys"):
            return {"keys": []}
        return {
            "issuer": "https://corp.example",
            "authorization_endpoint": "https://corp.example/authorize",
            "token_endpoint": "https://corp.example/token",
            "jwks_uri": "https://corp.example/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }


@pytest.fixture(autouse=True)
def now(clock: Clock) -> None:
    clock.now = system_clock()


def checks(moongate: Commands) -> dict[str, dict[str, Any]]:
    """Every check by its name, whatever came of all."""
    return {row["check"]: row for row in json.loads(moongate.run("doctor", "--json").stdout)}


def outcomes(moongate: Commands) -> dict[str, str]:
    return {name: row["outcome"] for name, row in checks(moongate).items() if row["outcome"] != "ok"}


def test_a_new_house_is_well_but_for_what_nobody_has_done_yet(moongate: Commands) -> None:
    ended = moongate.run("doctor", "--json")
    assert (ended.exit_code, ended.stderr) == (0, "")
    # The server of tests saves the disk's time.
    assert outcomes(moongate).keys() - {"durability"} == {"platform", "worker", "mail server"}
    assert [row for row in checks(moongate).values() if row["outcome"] != "ok" and not row["remedy"]] == []


def test_people_read_a_word_the_name_the_sentence_and_what_to_do(moongate: Commands) -> None:
    lines = moongate.words("doctor").splitlines()
    assert "ok    database        " in "\n".join(lines)
    at = next(number for number, line in enumerate(lines) if line.startswith("warn  platform"))
    assert lines[at].endswith("It is not founded yet.")
    assert lines[at + 1].strip() == "→ moongate platform init"
    assert lines[-1].endswith("to look at, 0 failed.")
    assert max(map(len, lines)) <= 80


def test_what_fails_ends_with_status_1_and_its_name(moongate: Commands, platform: Node) -> None:
    moongate.json("tenant", "disable", "platform")
    ended = moongate.run("doctor", "--json")
    assert ended.exit_code == 1
    assert json.loads(ended.stderr)["error"] == {"code": "E_Unavailable", "message": "not well: platform"}
    assert checks(moongate)["platform"]["remedy"] == "moongate tenant enable platform"


def test_issuers_that_lead_elsewhere_are_told(moongate: Commands, acme: Node) -> None:
    moongate.house.database.script("UPDATE node SET issuer = 'https://elsewhere.example' WHERE slug = 'acme'")
    assert outcomes(moongate)["platform"] == "warning"


def test_dead_jobs_are_told_by_kind(moongate: Commands, context: Context, acme: Node) -> None:
    with context.database.transaction():
        context.enqueue("unheard of", acme.id, {})
    moongate.house.database.script("UPDATE job SET state = 'dead'")
    assert checks(moongate)["dead jobs"]["detail"] == "Jobs were given up: 1 unheard of."


def test_a_worker_that_is_gone_is_told(moongate: Commands, house: House, clock: Clock) -> None:
    with house.database.transaction():
        routines.add_routine(house.database, "sweeping", next_run=clock.now)
    assert "worker" not in outcomes(moongate)
    house.database.script("UPDATE routine SET next_run = next_run - 301000")
    assert checks(moongate)["worker"]["detail"] == "Nobody does what is due: sweeping."


def test_tokens_that_end_within_30_days_are_told(moongate: Commands, context: Context, acme: Node, clock: Clock) -> None:
    issued = connections.create_connection(context, acme, NewConnection("Directory", days=29))
    assert checks(moongate)["SCIM tokens"]["reason"].startswith("acme/Directory ends 20")
    connections.add_token(context, issued.connection, days=90)
    assert "SCIM tokens" not in outcomes(moongate)


def test_domains_that_nobody_proved_are_told(moongate: Commands, context: Context, acme: Node) -> None:
    domains.add(context, acme, "acme.example")
    assert checks(moongate)["domains"]["reason"] == "acme.example of acme"


def test_a_provider_that_does_not_answer_is_told_and_one_that_publishes_nothing_usable(house: House, context: Context, acme: Node) -> None:
    make_provider(context, acme, "corp")
    make_provider(context, acme, "gone")
    make_provider(context, acme, "asleep", active=False)
    check = checks(Commands(replace(house, fetcher=Provider())))["providers"]
    assert (check["outcome"], check["detail"]) == ("warning", "1 of 2 identity providers do not answer as they should.")
    assert check["reason"].startswith("acme/gone: ")


def test_mails_that_did_not_go_are_told_and_those_that_went_are_not(moongate: Commands, context: Context, acme: Node) -> None:
    mia = add_person(context, acme, "mia")
    for number in range(3):
        with context.database.transaction():
            mail.queue(context, mia, MailKind.FACTOR_ENROLLED, event=f"event {number}")
    assert checks(moongate)["mails"]["detail"] == f"{queued(context)} mails are on their way."
    context.database.script("UPDATE mail SET state = 'bounced' WHERE event = 'event 0'")
    context.database.script("UPDATE mail SET state = 'sent' WHERE event = 'event 1'")
    assert checks(moongate)["mails"]["detail"] == "Mails did not come, or nobody knows: 1 bounced."


def queued(context: Context) -> int:
    [(count,)] = context.database.script("SELECT COUNT(*) FROM mail WHERE state = 'queued'")
    return int(count)


def test_a_mail_server_that_does_not_answer_fails(house: House) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings = replace(house.settings, smtp_url=f"smtp://user:topsecret@127.0.0.1:{closed.getsockname()[1]}")
        moongate = Commands(replace(house, settings=settings))
        assert outcomes(moongate)["mail server"] == "failed"
        ended = moongate.run("doctor")
    assert ended.exit_code == 1
    assert "topsecret" not in ended.output


@pytest.mark.parametrize(
    ("variables", "outcome"),
    [
        ({"MOONGATE_PUBLIC_URL": "http://id.example.com"}, "warning"),
        ({"MOONGATE_PUBLIC_URL": "https://id.example.com"}, "warning"),
        ({"MOONGATE_PUBLIC_URL": "https://id.example.com", "MOONGATE_TRUSTED_PROXIES": "10.0.0.0/8"}, "ok"),
    ],
)
def test_an_address_for_the_world_is_https_behind_a_trusted_proxy(house: House, variables: dict[str, str], outcome: str) -> None:
    settings = settings_for(house.settings.home, **variables)
    assert checks(Commands(replace(house, settings=settings)))["public URL"]["outcome"] == outcome


@pytest.mark.sqlite
def test_a_database_that_does_not_wait_for_the_disk_is_told(moongate: Commands) -> None:
    assert checks(moongate)["durability"]["outcome"] == "ok"
    moongate.house.database.script("PRAGMA synchronous = NORMAL")
    assert checks(moongate)["durability"]["reason"] == "synchronous is 1"


@pytest.mark.postgresql
def test_a_server_that_does_not_wait_for_the_disk_is_told(moongate: Commands) -> None:
    assert "fsync is off" in checks(moongate)["durability"]["reason"]
    assert checks(moongate)["integrity"]["detail"].startswith("PostgreSQL 1")


def test_a_shared_counter_that_does_not_answer_is_told_and_harms_nobody(house: House) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings = replace(house.settings, limits_url=f"valkey://:topsecret@127.0.0.1:{closed.getsockname()[1]}")
        moongate = Commands(replace(house, settings=settings))
        assert outcomes(moongate)["limits"] == "warning"
        assert "topsecret" not in moongate.run("doctor").output


class TestBeforeItOpens:
    """A house that does not open is looked at all the same, by the command as people start it."""

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        """A home with keys and a database of its own."""
        home = tmp_path / "home"
        open_house(self.settings(home)).database.close()
        return home

    @staticmethod
    def settings(home: Path) -> Settings:
        return Settings.from_env({"MOONGATE_HOME": str(home)})

    @staticmethod
    def run(home: Path, **variables: str) -> dict[str, dict[str, Any]]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MOONGATE_")}
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "doctor", "--json"],
            env=kept | {"MOONGATE_HOME": str(home)} | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
        return {row["check"]: row for row in json.loads(done.stdout)}

    def test_a_wrong_setting_is_told_by_its_name_and_not_by_its_value(self, home: Path) -> None:
        rows = self.run(home, MOONGATE_SMTP_URL="topsecret")
        assert rows["settings"]["outcome"] == "failed"
        assert rows["settings"]["reason"].startswith("MOONGATE_SMTP_URL")
        assert "topsecret" not in str(rows)

    def test_an_empty_place_is_told_and_stays_empty(self, tmp_path: Path) -> None:
        rows = self.run(tmp_path / "nowhere")
        assert (rows["home"]["outcome"], rows["database"]["remedy"]) == ("failed", "moongate migrate")
        assert not (tmp_path / "nowhere").exists()

    def test_keys_that_others_may_read_fail(self, home: Path) -> None:
        (home / "secret-keys").chmod(0o644)
        rows = self.run(home)
        assert rows["key file"]["outcome"] == "failed"
        assert rows["key file"]["remedy"] == f"chmod 600 {home / 'secret-keys'}"

    def test_other_keys_than_those_of_the_database_fail_and_the_rest_is_looked_at(self, home: Path) -> None:
        rows = self.run(home, MOONGATE_SECRET_KEYS="z" * 64)
        assert rows["secret keys"]["outcome"] == "failed"
        assert rows["integrity"]["outcome"] == "ok"

    def test_an_older_database_is_told_and_not_migrated(self, home: Path) -> None:
        database = sqlite3.connect(home / "moongate.db")
        database.execute("DELETE FROM schema_version WHERE version = (SELECT MAX(version) FROM schema_version)")
        database.commit()
        [(version,)] = database.execute("SELECT MAX(version) FROM schema_version")
        assert self.run(home)["schema"]["remedy"] == "moongate migrate"
        assert database.execute("SELECT MAX(version) FROM schema_version").fetchall() == [(version,)]
        database.close()

    def test_a_file_that_is_no_database_is_told(self, home: Path) -> None:
        (home / "moongate.db").write_bytes(b"this is no database at all" * 1000)
        for beside in ("moongate.db-wal", "moongate.db-shm"):
            (home / beside).unlink(missing_ok=True)
        assert self.run(home)["database"]["reason"] == "file is not a database"

    def test_a_damaged_database_fails(self, home: Path) -> None:
        database = sqlite3.connect(home / "moongate.db")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [(root,)] = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'audit'")
        [(size,)] = database.execute("PRAGMA page_size")
        database.close()
        with (home / "moongate.db").open("r+b") as file:
            file.seek((root - 1) * size)
            file.write(b"\xff" * size)
        assert self.run(home)["integrity"]["outcome"] == "failed"

    def test_calls_to_the_outside_leave_no_line_beside_the_answer(self, home: Path) -> None:
        house = open_house(self.settings(home))
        context = house.context(OPERATOR)
        make_provider(context, nodes.create_platform(context, "Platform"), issuer="https://127.0.0.1:1")
        house.database.close()
        (home / "secret-keys").chmod(0o644)
        assert self.run(home)["providers"]["outcome"] == "warning"

    def test_a_home_where_others_may_write_is_told(self, home: Path, tmp_path: Path) -> None:
        (home / "secret-keys").chmod(0o644)
        home.chmod(stat.S_IMODE(home.stat().st_mode) | stat.S_IWOTH)
        assert self.run(home)["home"]["outcome"] == "warning"
        shutil.rmtree(home)
