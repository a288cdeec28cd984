"""Whether this process can serve: each fault is one sentence, and gone when the fault is gone, without anybody's hand."""

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.checks import Check, Outcome, worst
from gateway.domain.nodes import Node
from gateway.domain.values import Instant
from gateway.services import readiness
from gateway.services.context import Context
from gateway.services.house import House
from gateway.services.readiness import LEAST_BYTES, LOW_BYTES, Readiness
from gateway.services.settling import settle_in
from gateway.wiring import system_clock
from tests.conftest import Clock

FORGET_NEWEST = "UPDATE schema_version SET version = -version WHERE version = (SELECT MAX(version) FROM schema_version)"
REMEMBER_NEWEST = "UPDATE schema_version SET version = -version WHERE version < 0"


@pytest.fixture(autouse=True)
def now(clock: Clock) -> None:
    """The house's clock goes with the database's, which no test can stop."""
    clock.now = system_clock()


def plenty(_folder: Path) -> int:
    return LOW_BYTES


def look(house: House, free: Callable[[Path], int] = plenty) -> dict[str, Check]:
    """How everything is that is not well."""
    return {check.check: check for check in readiness.examine(house, free) if check.outcome is not Outcome.OK}


def test_a_house_that_is_well_says_so_of_everything(house: House) -> None:
    checks = readiness.examine(house, plenty)
    assert [check.check for check in checks] == ["database", "schema", "writing", "secret keys", "clock", "jobs", "disk"]
    assert worst(checks) is Outcome.OK
    assert not [check for check in checks if not check.detail.endswith(".") or check.remedy]


def test_a_look_leaves_nothing_behind(house: House) -> None:
    before = house.database.script("SELECT COUNT(*) FROM installation")
    readiness.examine(house, plenty)
    assert house.database.script("SELECT COUNT(*) FROM installation") == before


def test_a_database_without_a_migration_of_this_release_fails_until_it_has_it(house: House) -> None:
    house.database.script(FORGET_NEWEST)
    check = look(house)["schema"]
    assert (check.outcome, check.remedy) == (Outcome.FAILED, "moongate migrate")
    house.database.script(REMEMBER_NEWEST)
    assert look(house) == {}


def test_a_database_that_a_newer_release_migrated_meanwhile_is_served_to_the_end(house: House) -> None:
    house.database.script("INSERT INTO schema_version (version) VALUES (9999)")
    assert look(house) == {}


@pytest.mark.sqlite
def test_a_full_database_fails_until_there_is_room(house: House) -> None:
    house.database.script("VACUUM")
    [(pages,)] = house.database.script("PRAGMA page_count")
    house.database.script(f"PRAGMA max_page_count = {pages}")
    check = look(house)["writing"]
    assert (check.outcome, check.reason) == (Outcome.FAILED, "database or disk is full")
    house.database.script(f"PRAGMA max_page_count = {pages + 1000}")
    assert look(house) == {}


@pytest.mark.sqlite
def test_a_database_that_became_read_only_fails_until_it_is_not(house: House) -> None:
    house.database.script("PRAGMA query_only = 1")
    assert look(house)["writing"].reason == "attempt to write a readonly database"
    house.database.script("PRAGMA query_only = 0")
    assert look(house) == {}


@pytest.mark.sqlite
def test_a_database_that_somebody_holds_fails_until_it_is_given_back(house: House) -> None:
    house.database.script("PRAGMA busy_timeout = 1")
    holder = sqlite3.connect(house.settings.home / "moongate.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert look(house)["writing"].reason == "database is locked"
    holder.execute("ROLLBACK")
    holder.close()
    assert look(house) == {}


def test_keys_that_no_longer_fit_the_database_fail_and_name_the_setting(house: House) -> None:
    house.database.script("UPDATE installation SET value = 'another' || value WHERE name = 'key check'")
    check = look(house)["secret keys"]
    assert check.outcome is Outcome.FAILED
    assert "MOONGATE_SECRET_KEYS" in check.remedy
    house.database.script("UPDATE installation SET value = SUBSTR(value, 8) WHERE name = 'key check'")
    assert look(house) == {}


@pytest.mark.parametrize(("seconds", "words"), [(121, "121 seconds ahead of"), (-121, "121 seconds behind")])
def test_a_clock_two_minutes_off_is_told_and_fails_nothing(house: House, clock: Clock, seconds: int, words: str) -> None:
    clock.advance(seconds=seconds)
    check = look(house)["clock"]
    assert check.outcome is Outcome.WARNING
    told = [int(word) for word in check.detail.split() if word.isdigit()]
    # The database tells whole seconds on SQLite, and time goes on.
    assert abs(told[0] - 121) <= 2
    assert words.split(" ", 2)[2] in check.detail


def test_a_clock_that_went_back_behind_the_newest_event_is_told(house: House, context: Context, acme: Node) -> None:
    house.database.script("UPDATE audit SET at = at + 65000")
    check = look(house)["clock"]
    assert check.outcome is Outcome.WARNING
    assert "65 seconds from now" in check.detail


def test_a_clock_within_a_minute_is_well(house: House, clock: Clock) -> None:
    clock.advance(seconds=55)
    assert "clock" not in look(house)


def test_jobs_that_nobody_does_for_a_minute_are_told(house: House, context: Context, acme: Node, clock: Clock) -> None:
    with house.database.transaction():
        context.enqueue("unheard of", acme.id, {})
    assert "jobs" not in look(house)
    clock.advance(milliseconds=60_001)
    check = look(house)["jobs"]
    assert (check.outcome, check.remedy) == (Outcome.WARNING, "Start a worker: moongate worker")


@pytest.mark.sqlite
def test_a_disk_that_is_nearly_full_is_told_before_it_fails(house: House) -> None:
    assert look(house, lambda _: LOW_BYTES - 1)["disk"].outcome is Outcome.WARNING
    assert look(house, lambda _: LEAST_BYTES - 1)["disk"].outcome is Outcome.FAILED
    assert look(house) == {}


@pytest.mark.postgresql
def test_a_full_disk_here_does_not_end_what_a_server_elsewhere_keeps(house: House) -> None:
    assert look(house, lambda _: LEAST_BYTES - 1)["disk"].outcome is Outcome.WARNING


def test_a_home_that_is_gone_is_told(house: House) -> None:
    def gone(_folder: Path) -> int:
        raise FileNotFoundError(2, "No such file or directory")

    assert look(house, gone)["disk"].outcome is Outcome.FAILED


class TestReadiness:
    """What a process remembers of how it was."""

    @pytest.fixture
    def ready(self, house: House) -> Readiness:
        return Readiness(house, lambda: False, plenty)

    def test_it_is_looked_at_once_a_second_at_most(self, house: House, ready: Readiness, clock: Clock) -> None:
        assert readiness.is_ready(ready.look())
        house.database.script("DELETE FROM schema_version")
        clock.advance(milliseconds=999)
        assert readiness.is_ready(ready.look())
        clock.advance(milliseconds=1)
        assert not readiness.is_ready(ready.look())

    def test_a_clock_that_goes_back_does_not_keep_an_old_look(self, house: House, ready: Readiness, clock: Clock) -> None:
        ready.look()
        house.database.script("DELETE FROM schema_version")
        clock.advance(seconds=-30)
        assert not readiness.is_ready(ready.look())

    def test_leaving_is_told_at_once(self, house: House) -> None:
        leaving = False
        ready = Readiness(house, lambda: leaving, plenty)
        assert readiness.is_ready(ready.look())
        leaving = True
        assert not readiness.is_ready(ready.look())

    def test_a_fault_is_told_in_the_log_when_it_comes_and_when_it_goes(
        self, house: House, ready: Readiness, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        house.database.script(FORGET_NEWEST)
        for _ in range(3):
            ready.look()
            clock.advance(seconds=1)
        house.database.script(REMEMBER_NEWEST)
        for _ in range(3):
            ready.look()
            clock.advance(seconds=1)
        lines = [(record.levelname, record.getMessage()) for record in caplog.records]
        assert lines == [("ERROR", "schema: The database lacks a migration of this release."), ("INFO", "schema: well again")]


def test_a_process_that_begins_tells_what_is_not_well_one_line_each(
    house: House, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.metrics.sums.keep_in", lambda _folder: None)
    clock.now = Instant(clock.now + 125_000)
    settle_in(house)
    [line] = [record.getMessage() for record in caplog.records if "clock" in record.getMessage()]
    assert line.startswith("clock: The clock here is 12")


def test_a_process_that_cannot_count_in_the_home_serves_all_the_same(house: House, caplog: pytest.LogCaptureFixture) -> None:
    (house.settings.home / "metrics").write_text("a file in the way")
    settle_in(house)
    assert "this process counts for itself alone" in [record.getMessage() for record in caplog.records]
