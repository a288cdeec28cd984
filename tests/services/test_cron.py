"""When something on a calendar is due, on ordinary days and on those on which clocks change."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import Refusal
from gateway.domain.values import Instant
from gateway.services import cron

BERLIN = "Europe/Berlin"


def at(text: str) -> Instant:
    return Instant(int(datetime.fromisoformat(text).timestamp() * 1000))


def runs(expression: str, after: str, times: int, zone: str = BERLIN) -> list[str]:
    """The next runs, in UTC."""
    found: list[str] = []
    moment = at(after)
    for _ in range(times):
        following = cron.next_run(expression, zone, moment)
        assert following is not None
        assert following > moment
        moment = following
        found.append(datetime.fromtimestamp(moment / 1000, UTC).strftime("%d %H:%M"))
    return found


def test_a_time_is_one_of_the_place() -> None:
    assert runs("0 9 * * 1-5", "2026-07-03T10:00+02:00", 2) == ["06 07:00", "07 07:00"]
    assert runs("0 9 * * *", "2026-07-03T10:00+02:00", 1, "Asia/Kolkata") == ["04 03:30"]


def test_what_falls_into_the_hour_that_is_missing_runs_at_its_end_once() -> None:
    assert runs("30 2 * * *", "2026-03-28T12:00+01:00", 2) == ["29 01:00", "30 00:30"]


def test_what_falls_into_the_hour_that_comes_twice_runs_once() -> None:
    assert runs("30 2 * * *", "2026-10-24T12:00+02:00", 2) == ["25 00:30", "26 01:30"]


def test_it_runs_once_too_where_the_last_run_was_late_and_in_the_second_of_the_two_hours() -> None:
    assert runs("30 2 * * *", "2026-10-25T02:15+01:00", 1) == ["26 01:30"]


def test_what_runs_several_times_an_hour_runs_in_both() -> None:
    assert runs("*/30 * * * *", "2026-10-25T01:45+02:00", 5) == ["25 00:00", "25 00:30", "25 01:00", "25 01:30", "25 02:00"]
    assert runs("*/30 * * * *", "2026-03-29T01:45+01:00", 2) == ["29 01:00", "29 01:30"]


@pytest.mark.parametrize(
    "expression",
    ["", "* * * *", "* * * * * *", "61 * * * *", "0 0 30 2 *", "@daily", "x", "0 0 * * 1#6", "1," * 60 + "1 * * * *"],
)
def test_an_expression_that_nobody_understands_is_refused(expression: str) -> None:
    with pytest.raises(Refusal) as refused:
        cron.next_run(expression, "UTC", at("2026-01-01T00:00Z"))
    assert refused.value.code == "E_Job_Schedule"


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "a" * 1000, "Europe", "\x00"])
def test_a_zone_that_nobody_knows_is_refused(zone: str) -> None:
    with pytest.raises(Refusal) as refused:
        cron.next_run("* * * * *", zone, at("2026-01-01T00:00Z"))
    assert refused.value.code == "E_Job_Schedule"


@given(
    minute=st.integers(0, 59),
    hour=st.sampled_from(["*", "1", "2", "3", "*/2", "1-3"]),
    zone=st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]),
    after=st.integers(at("2026-01-01T00:00Z"), at("2026-12-31T00:00Z")),
)
def test_the_next_run_is_always_later(minute: int, hour: str, zone: str, after: int) -> None:
    found = cron.next_run(f"{minute} {hour} * * *", zone, Instant(after))
    assert found is not None
    assert after < found <= after + 49 * 3_600_000
