"""PostgreSQL: a fault is one line and over at the next request, conflicts are tried again, and processes hear of one another."""

import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from gateway.domain.nodes import Node
from gateway.services.house import OPERATOR, House
from gateway.settings import SettingsError
from gateway.storage import engine_postgres, postgres_pool
from gateway.storage.database import Conflict, Database, DatabaseUnavailable, Duplicate, Statement, place
from gateway.storage.engine_postgres import PostgresDatabase
from gateway.storage.postgres_pool import Pool
from gateway.storage.tables.nodes import Installation
from gateway.wiring import open_house
from tests import databases
from tests.conftest import settings_for
from tests.sql import plan_of
from tests.storage.test_database import INSERT, insert, names

pytestmark = pytest.mark.postgresql

PATIENCE = 20
HOLD = Statement(Installation.select(Installation.value).where(Installation.name == place("name")), hold=True)
CHANGE = Statement(Installation.update({Installation.value: place("value")}).where(Installation.name == place("name")))
RENAME = Statement(Installation.update({Installation.name: place("new")}).where(Installation.name == place("name")))


def opened(url: str) -> PostgresDatabase:
    return PostgresDatabase(Pool(url))


@pytest.fixture
def database(house: House) -> Iterator[PostgresDatabase]:
    found = opened(house.settings.database_url)
    yield found
    found.close()


@pytest.fixture
def elsewhere(house: House) -> Iterator[PostgresDatabase]:
    """The same database, as another process has it."""
    found = opened(house.settings.database_url)
    yield found
    found.close()


def put_out(database: Database) -> None:
    """End every other connection, as an administrator or a restart does."""
    database.script(databases._PUT_OUT)


class TestStart:
    def line(self, tmp_path: Path, **variables: str) -> str:
        with pytest.raises(SettingsError) as stopped:
            open_house(settings_for(tmp_path, **variables))
        text = str(stopped.value)
        assert text.startswith("MOONGATE_DATABASE_URL: ")
        assert "\n" not in text
        return text

    def test_a_server_that_cannot_be_reached(self, tmp_path: Path) -> None:
        url = "postgresql://moongate:hush@127.0.0.1:1/moongate"
        assert "hush" not in self.line(tmp_path, MOONGATE_DATABASE_URL=url)

    def test_a_url_that_is_none(self, tmp_path: Path) -> None:
        url = "postgresql://moongate:hush@localhost/moongate?no_such_word=1"
        assert "hush" not in self.line(tmp_path, MOONGATE_DATABASE_URL=url)

    def test_a_database_that_is_not_there(self, tmp_path: Path) -> None:
        assert "does not exist" in self.line(tmp_path, MOONGATE_DATABASE_URL=databases.server().url("nowhere"))

    def test_a_server_that_is_too_old(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engine_postgres, "OLDEST", 99)
        assert "99 or newer" in self.line(tmp_path)

    def test_a_database_that_may_only_be_read(self, tmp_path: Path, house: House) -> None:
        url = databases.server().url("postgres", options="-c default_transaction_read_only=on")
        assert "read-only" in self.line(tmp_path, MOONGATE_DATABASE_URL=url)

    def test_a_database_that_cannot_hold_every_text(self, tmp_path: Path) -> None:
        server = databases.server()
        with server.admin() as connection:
            connection.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
        assert "UTF8" in self.line(tmp_path, MOONGATE_DATABASE_URL=server.url("latin"))
        with server.admin() as connection:
            connection.execute("DROP DATABASE latin WITH (FORCE)")


class TestFaults:
    def test_a_read_does_not_notice_that_the_server_was_restarted(self, database: PostgresDatabase) -> None:
        insert(database, "before")
        databases.server().restart()
        assert "before" in names(database)

    def test_a_write_does_not_notice_that_the_server_was_restarted(self, database: PostgresDatabase) -> None:
        insert(database, "before")
        databases.server().restart()
        insert(database, "after")
        assert {"before", "after"} <= set(names(database))

    def test_while_the_server_is_gone_a_request_is_503_and_the_next_one_after_it_is_served(
        self, house: House, client: FlaskClient, acme: Node
    ) -> None:
        url = "/t/acme/.well-known/openid-configuration"
        there = "http://localhost:8000"
        assert client.get(url, base_url=there).status_code == 200
        answers = []
        databases.server().restart(lambda: answers.append(client.get(url, base_url=there)))
        [gone] = answers
        assert gone.status_code == 503
        assert int(gone.headers["Retry-After"]) > 0
        assert client.get(url, base_url=there).status_code == 200

    def test_a_transaction_whose_connection_breaks_is_lost_whole(self, database: PostgresDatabase, elsewhere: PostgresDatabase) -> None:
        def break_in_the_middle() -> None:
            with database.transaction():
                insert(database, "lost")
                put_out(elsewhere)
                insert(database, "lost too")

        with pytest.raises(DatabaseUnavailable):
            break_in_the_middle()
        assert not {"lost", "lost too"} & set(names(database))
        insert(database, "next")
        assert "next" in names(database)

    def test_a_commit_that_does_not_come_through_is_not_acknowledged(self, database: PostgresDatabase, elsewhere: PostgresDatabase) -> None:
        def break_at_the_end() -> None:
            with database.transaction():
                insert(database, "lost")
                put_out(elsewhere)

        with pytest.raises(DatabaseUnavailable):
            break_at_the_end()
        assert "lost" not in names(database)

    def test_a_full_disk_is_told_as_unavailable_and_over_when_there_is_room(self, database: PostgresDatabase) -> None:
        full = "BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END"
        database.script(f"CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ {full} $$")
        database.script("CREATE TRIGGER no_room BEFORE INSERT ON installation EXECUTE FUNCTION no_room()")
        with pytest.raises(DatabaseUnavailable, match="No space left"):
            insert(database, "a")
        database.script("DROP FUNCTION no_room CASCADE")
        insert(database, "a")

    def test_a_database_that_becomes_read_only_is_told_and_used_again_when_it_is_not(
        self, database: PostgresDatabase, elsewhere: PostgresDatabase
    ) -> None:
        insert(database, "before")
        [(name,)] = elsewhere.script("SELECT current_database()")
        elsewhere.script(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        put_out(elsewhere)
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            insert(database, "during")
        assert "before" in names(database)
        elsewhere.script(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            # By a connection from before; it is thrown away.
            insert(database, "during")
        insert(database, "after")

    def test_whoever_finds_all_connections_in_use_is_told_soon(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(postgres_pool, "_WAIT_SECONDS", 0.05)
        pool = Pool(house.settings.database_url, limit=1)
        with pool.lent(), pytest.raises(DatabaseUnavailable, match="in use"):
            pool.take()
        with pool.lent():
            pass
        pool.close()

    def test_errors_hold_no_values_of_rows(self, database: PostgresDatabase) -> None:
        insert(database, "secret-name")
        insert(database, "other")
        with pytest.raises(Duplicate) as told:
            database.write(RENAME, name="other", new="secret-name")
        assert "secret-name" not in str(told.value)

    def test_what_is_acknowledged_is_on_the_disk_even_where_the_server_is_careless(self, house: House) -> None:
        careless = opened(f"{house.settings.database_url}&options=-c%20synchronous_commit%3Doff")
        assert careless.script("SHOW synchronous_commit") == [("on",)]
        careless.close()


class TestTransactions:
    def test_a_taken_key_leaves_the_transaction_whole(self, database: PostgresDatabase) -> None:
        insert(database, "taken")
        with database.transaction():
            with pytest.raises(Duplicate):
                insert(database, "taken")
            with pytest.raises(Duplicate):
                database.write_many(INSERT, [{"name": "b", "value": ""}, {"name": "taken", "value": ""}])
            insert(database, "c")
        assert "c" in names(database)

    def test_an_error_that_somebody_hides_does_not_make_a_commit_of_nothing(self, database: PostgresDatabase) -> None:
        insert(database, "taken")
        insert(database, "other")

        def hide() -> None:
            with database.transaction():
                insert(database, "lost")
                with pytest.raises(Duplicate):
                    database.write(RENAME, name="other", new="taken")

        with pytest.raises(DatabaseUnavailable, match="given up"):
            hide()
        assert "lost" not in names(database)

    def test_what_is_held_waits_for_nobody_who_only_reads(self, database: PostgresDatabase, elsewhere: PostgresDatabase) -> None:
        insert(database, "a")
        with database.transaction():
            assert database.row(HOLD, name="a") == ("",)
            assert elsewhere.row(HOLD, name="a") == ("",)

    def test_of_two_that_wait_for_each_other_one_begins_again_and_both_are_done(
        self, database: PostgresDatabase, elsewhere: PostgresDatabase
    ) -> None:
        insert(database, "a")
        insert(database, "b")
        crossed = threading.Barrier(2)
        tries: list[str] = []

        def cross(mine: Database, first: str, second: str) -> None:
            def act() -> None:
                tries.append(first)
                mine.write(CHANGE, name=first, value=f"by {first}")
                if tries.count(first) == 1:
                    crossed.wait(PATIENCE)
                mine.write(CHANGE, name=second, value=f"by {first}")

            mine.transact(act)

        other = threading.Thread(target=cross, args=(elsewhere, "b", "a"))
        other.start()
        cross(database, "a", "b")
        other.join(PATIENCE)
        assert len(tries) == 3
        assert database.row(HOLD, name="a") == database.row(HOLD, name="b")

    def test_an_act_that_others_always_stand_in_the_way_of_ends(self, database: PostgresDatabase) -> None:
        tries: list[int] = []

        def act() -> None:
            tries.append(1)
            message = "deadlock detected"
            raise Conflict(message)

        with pytest.raises(Conflict):
            database.transact(act)
        assert len(tries) == 4

    def test_inside_a_transaction_an_act_is_not_begun_again_by_itself(self, database: PostgresDatabase) -> None:
        tries: list[int] = []

        def act() -> None:
            tries.append(1)
            message = "deadlock detected"
            raise Conflict(message)

        with pytest.raises(Conflict), database.transaction():
            database.transact(act)
        assert len(tries) == 1

    def test_a_name_is_held_by_one_after_the_other(self, database: PostgresDatabase, elsewhere: PostgresDatabase) -> None:
        order: list[str] = []
        held = threading.Event()

        def second() -> None:
            held.wait(PATIENCE)
            with elsewhere.transaction():
                elsewhere.hold_name("a", "b")
                order.append("second")

        other = threading.Thread(target=second)
        other.start()
        with database.transaction():
            database.hold_name("a", "b")
            database.hold_name("a", "b")
            held.set()
            other.join(0.2)
            order.append("first")
        other.join(PATIENCE)
        assert order == ["first", "second"]

    def test_texts_are_compared_by_code_points_whatever_the_database_prefers(self, database: PostgresDatabase) -> None:
        for name in ("B", "a", "\N{LATIN SMALL LETTER A WITH DIAERESIS}", "_", "A"):
            insert(database, name)
        found = [name for name in names(database) if len(name) == 1]
        assert found == ["A", "B", "_", "a", "\N{LATIN SMALL LETTER A WITH DIAERESIS}"]
        assert any("Index" in step for step in plan_of(database, "SELECT name FROM installation WHERE name > 'B' AND name < 'C'"))

    def test_words_of_sqlite_alone_are_left_out_of_migrations(self, database: PostgresDatabase) -> None:
        written = "CREATE TABLE a (\n    b TEXT NOT NULL,\n    PRIMARY KEY (b)\n) WITHOUT ROWID"
        assert database.in_own_words(written) == 'CREATE TABLE a (\n    b TEXT COLLATE "C" NOT NULL,\n    PRIMARY KEY (b)\n)'
        assert database.in_own_words("UPDATE a SET b = 'TEXT'") == "UPDATE a SET b = 'TEXT'"


class TestTelling:
    @pytest.fixture
    def heard(self, elsewhere: PostgresDatabase) -> "queue.Queue[str]":
        """What another process hears of a topic, once it listens."""
        heard: queue.Queue[str] = queue.Queue()
        elsewhere.when_changed("colours", heard.put)
        # What happened before it listened it could not hear, so it is told once that anything may have.
        assert heard.get(timeout=PATIENCE) == ""
        return heard

    def test_other_processes_hear_of_what_was_committed_once_each(self, database: PostgresDatabase, heard: "queue.Queue[str]") -> None:
        with database.transaction():
            database.changed("colours", "red")
            database.changed("colours", "red")
            database.changed("sounds", "loud")
            database.changed("colours", "blue")
        assert [heard.get(timeout=PATIENCE) for _ in range(2)] == ["red", "blue"]
        assert heard.empty()

    def test_nobody_hears_of_what_was_rolled_back(self, database: PostgresDatabase, heard: "queue.Queue[str]") -> None:
        def fail() -> None:
            with database.transaction():
                database.changed("colours", "never")
                raise InterruptedError

        with pytest.raises(InterruptedError):
            fail()
        database.changed("colours", "then")
        assert heard.get(timeout=PATIENCE) == "then"

    def test_in_the_own_process_it_is_heard_at_once_and_once(self, elsewhere: PostgresDatabase, heard: "queue.Queue[str]") -> None:
        elsewhere.changed("colours", "red")
        assert heard.get_nowait() == "red"
        elsewhere.changed("colours", "blue")
        assert [heard.get(timeout=PATIENCE), heard.qsize()] == ["blue", 0]

    def test_whoever_lost_the_connection_is_told_that_anything_may_have_changed(
        self, database: PostgresDatabase, heard: "queue.Queue[str]"
    ) -> None:
        databases.server().restart()
        assert heard.get(timeout=PATIENCE) == ""
        database.changed("colours", "green")
        assert heard.get(timeout=PATIENCE) == "green"

    def test_a_job_queued_by_one_process_wakes_those_who_wait_in_another(
        self, house: House, elsewhere: PostgresDatabase, acme: Node
    ) -> None:
        bell = elsewhere.jobs_bell
        # The first ring says that it listens.
        assert bell.wait(PATIENCE)
        context = house.context(OPERATOR)
        with house.database.transaction():
            context.enqueue("kind", acme.id, {})
        assert bell.wait(PATIENCE)
