"""A database that is not as it must be: one clear line at the start, a safe answer while it lasts, and back without anybody's hand."""

import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from gateway.domain.nodes import Node
from gateway.services import connections
from gateway.services.connections import NewConnection
from gateway.services.context import Context
from gateway.services.house import House
from gateway.settings import Settings, SettingsError
from gateway.wiring import open_house, system_clock
from tests import databases
from tests.conftest import Clock
from tests.logbook import Log, logging_as_before

HERE = "http://localhost:8000"
NOBODY = 65534


def start(home: Path, *, before: Callable[[], None] | None = None, **variables: str) -> tuple[int, list[str]]:
    """Start a command that opens the house; return its status and the lines of its error."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MOONGATE_")}
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "migrate"],
        env=kept | {"MOONGATE_HOME": str(home), "MOONGATE_SECRET_KEYS": "k" * 64} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=before,
    )
    return done.returncode, done.stderr.splitlines()


class TestStart:
    """Whatever opens the house ends with one line that names the setting; nothing is half done."""

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        """A home whose database has every migration."""
        assert open_and_tell(tmp_path / "home") == "opened"
        return tmp_path / "home"

    def test_a_place_that_is_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        status, [line] = start(tmp_path / "home", MOONGATE_DATABASE_URL=f"sqlite:///{tmp_path / 'file' / 'moongate.db'}")
        assert (status, line.startswith("E_Setting_Invalid: MOONGATE_DATABASE_URL: ")) == (1, True)

    def test_a_folder_in_its_place(self, tmp_path: Path) -> None:
        status, [line] = start(tmp_path, MOONGATE_DATABASE_URL=f"sqlite:///{tmp_path}")
        assert (status, line) == (1, "E_Setting_Invalid: MOONGATE_DATABASE_URL: unable to open database file")

    def test_a_server_that_is_not_there_is_told_without_the_password(self, tmp_path: Path) -> None:
        status, [line] = start(tmp_path, MOONGATE_DATABASE_URL="postgresql://moongate:topsecret@127.0.0.1:1/moongate")
        assert (status, line.startswith("E_Setting_Invalid: MOONGATE_DATABASE_URL: ")) == (1, True)
        assert "refused" in line
        assert "topsecret" not in line

    def test_a_file_that_is_no_database(self, home: Path) -> None:
        for beside in home.glob("moongate.db-*"):
            beside.unlink()
        (home / "moongate.db").write_bytes(b"no database" * 1000)
        assert start(home) == (1, ["E_Setting_Invalid: MOONGATE_DATABASE_URL: file is not a database"])

    def test_a_newer_database_is_left_as_it_is(self, home: Path) -> None:
        database = sqlite3.connect(home / "moongate.db")
        database.execute("INSERT INTO schema_version (version) VALUES (9999)")
        database.commit()
        status, [line] = start(home)
        assert (status, "9999" in line, "newer" in line) == (1, True, True)
        database.execute("DELETE FROM schema_version WHERE version = 9999")
        database.commit()
        database.close()
        assert open_and_tell(home) == "opened"

    def test_other_keys_than_those_it_was_filled_with(self, home: Path) -> None:
        status, [line] = start(home, MOONGATE_SECRET_KEYS="z" * 64)
        assert status == 1
        assert line.startswith("E_Setting_Invalid: MOONGATE_SECRET_KEYS: the database was filled with another key")
        assert open_and_tell(home, f"{'z' * 64},{'k' * 64}") == "opened"

    def test_no_room_for_a_new_database_which_is_made_once_there_is_room(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        # Writing beyond the limit fails like a full disk: the signal is ignored by the interpreter.
        status, [line] = start(home, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)))
        assert (status, line.startswith("E_Setting_Invalid: MOONGATE_DATABASE_URL: ")) == (1, True)
        assert open_and_tell(home) == "opened"

    def test_a_database_that_may_only_be_read(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            assert open_and_tell(home) == "opened"
            home.chmod(0o555)
            (home / "moongate.db").chmod(0o444)
            told = as_nobody(lambda: open_and_tell(home))
            home.chmod(0o755)
        assert told == "MOONGATE_DATABASE_URL: it is read-only"


def open_and_tell(home: Path, keys: str = "k" * 64) -> str:
    """Open the house of a home; return what stands in the way, or `opened`."""
    try:
        open_house(Settings.from_env({"MOONGATE_HOME": str(home), "MOONGATE_SECRET_KEYS": keys})).database.close()
    except SettingsError as error:
        return str(error)
    return "opened"


def as_nobody(act: Callable[[], str]) -> str:
    """Return what an act tells in a process without the rights of root, which no mode of a file stops."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.getuid() == 0:
                os.setuid(NOBODY)
            os.write(writing, act().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return told


class TestWhileItServes:
    """Writes are refused with 503 and `Retry-After`, each in the form of its door; reads go on; then all is as before."""

    @pytest.fixture(autouse=True)
    def as_before(self, clock: Clock) -> Iterator[None]:
        clock.now = system_clock()
        with logging_as_before():
            yield

    @pytest.fixture
    def token(self, context: Context, acme: Node) -> str:
        return connections.create_connection(context, acme, NewConnection("Directory")).secret

    def create(self, client: FlaskClient, token: str, name: str) -> tuple[int, str]:
        """Create a person by SCIM; return status and detail."""
        # More than fits into what pages that are there have left.
        mails = [{"type": "work", "value": f"{number}.{name}"} for number in range(80)]
        person = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "emails": mails}
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}
        answer = client.post("/t/acme/scim/v2/Users", data=json.dumps(person), headers=headers, base_url=HERE)
        assert answer.mimetype == "application/scim+json"
        assert (answer.status_code != 503) or answer.headers["Retry-After"]
        return answer.status_code, str(answer.get_json().get("detail", ""))

    def read(self, client: FlaskClient, token: str) -> int:
        return client.get("/t/acme/scim/v2/Users", headers={"Authorization": f"Bearer {token}"}, base_url=HERE).status_code

    def refused_and_then_served(
        self, client: FlaskClient, token: str, clock: Clock, *, break_it: Callable[[], object], mend_it: Callable[[], object]
    ) -> str:
        """Break the database and mend it; return what the log told of the write that was refused."""
        assert self.create(client, token, "before@acme.example")[0] == 201
        log = Log()
        break_it()
        clock.advance(seconds=2)
        status, detail = self.create(client, token, "lost@acme.example")
        assert (status, detail.startswith("E_Unavailable")) == (503, True)
        assert self.read(client, token) == 200
        assert client.get("/readyz").status_code == 503
        refused = [line for line in log.lines() if line.get("code") == "E_Unavailable"]
        assert [line["status"] for line in refused] == [503]
        assert "Traceback" not in log.text
        mend_it()
        clock.advance(seconds=2)
        assert self.create(client, token, "lost@acme.example")[0] == 201
        assert client.get("/readyz").status_code == 200
        [told] = log.lines("scim.door")
        assert told["correlation_id"] == refused[0]["correlation_id"]
        return str(told["error"])

    @pytest.mark.sqlite
    def test_a_full_database(self, client: FlaskClient, house: House, token: str, clock: Clock) -> None:
        def fill() -> None:
            house.database.script("VACUUM")
            [(pages,)] = house.database.script("PRAGMA page_count")
            house.database.script(f"PRAGMA max_page_count = {pages}")

        told = self.refused_and_then_served(
            client, token, clock, break_it=fill, mend_it=lambda: house.database.script("PRAGMA max_page_count = 1000000")
        )
        assert "full" in told

    @pytest.mark.sqlite
    def test_a_database_that_turned_read_only(self, client: FlaskClient, house: House, token: str, clock: Clock) -> None:
        told = self.refused_and_then_served(
            client,
            token,
            clock,
            break_it=lambda: house.database.script("PRAGMA query_only = 1"),
            mend_it=lambda: house.database.script("PRAGMA query_only = 0"),
        )
        assert "readonly" in told

    @pytest.mark.sqlite
    def test_a_database_that_another_program_holds(self, client: FlaskClient, house: House, token: str, clock: Clock) -> None:
        house.database.script("PRAGMA busy_timeout = 1")
        holder = sqlite3.connect(house.settings.home / "moongate.db", isolation_level=None)
        told = self.refused_and_then_served(
            client, token, clock, break_it=lambda: holder.execute("BEGIN IMMEDIATE"), mend_it=lambda: holder.execute("ROLLBACK")
        )
        holder.close()
        assert "locked" in told

    @pytest.mark.postgresql
    def test_a_server_that_turned_read_only(self, client: FlaskClient, house: House, token: str, clock: Clock) -> None:
        [(name,)] = house.database.script("SELECT CAST(current_database() AS TEXT)")

        def alter(words: str) -> None:
            # As it is on a standby: connections that come later may only read.
            with databases.server().admin() as connection:
                connection.execute(f"ALTER DATABASE {name} {words}")
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))

        told = self.refused_and_then_served(
            client,
            token,
            clock,
            break_it=lambda: alter("SET default_transaction_read_only = on"),
            mend_it=lambda: alter("RESET default_transaction_read_only"),
        )
        assert "read-only" in told

    @pytest.mark.postgresql
    def test_a_server_that_is_gone_and_comes_back(self, client: FlaskClient, token: str, clock: Clock) -> None:
        assert self.create(client, token, "before@acme.example")[0] == 201

        def gone() -> None:
            clock.advance(seconds=2)
            assert self.create(client, token, "lost@acme.example")[0] == 503
            answer = client.get("/readyz")
            assert answer.status_code == 503
            told = {check["check"]: check["outcome"] for check in answer.get_json()["checks"]}
            assert (told["database"], "writing" in told) == ("failed", False)
            assert client.get("/healthz").status_code == 200
            assert client.get("/metrics", base_url=HERE).status_code == 200

        databases.server().restart(gone)
        clock.advance(seconds=2)
        assert self.create(client, token, "lost@acme.example")[0] == 201
        assert client.get("/readyz").status_code == 200
