"""How long a path stays closed after wrong guesses (decisions.md 23)."""

import pytest

from gateway.domain.locks import FIRST_LOCK_MS, LIMITS, LONGEST_LOCK_MS, MEMORY_MS, UNTRIED, GuessPath, Lock, next_lock, told_time
from gateway.domain.values import MINUTE_MS, Instant
from tests.domain.makers import NOW


def locked(times: int, *, ago: int) -> Lock:
    return Lock(attempts=10, locked_until=None, times=times, last_locked_at=Instant(NOW - ago))


def test_first_lock_lasts_five_minutes_and_holds_until_its_end() -> None:
    lock = next_lock(UNTRIED, NOW)
    assert lock.locked_until == NOW + FIRST_LOCK_MS == NOW + 5 * MINUTE_MS
    assert lock.holds(Instant(NOW + FIRST_LOCK_MS - 1))
    assert not lock.holds(Instant(NOW + FIRST_LOCK_MS))
    assert not UNTRIED.holds(NOW)


@pytest.mark.parametrize(("times", "minutes"), [(0, 5), (1, 10), (2, 20), (3, 40), (4, 60), (5, 60), (1000, 60)])
def test_locks_that_follow_one_another_double_up_to_an_hour(times: int, minutes: int) -> None:
    lock = next_lock(locked(times, ago=1), NOW)
    assert (lock.locked_until, lock.times) == (NOW + minutes * MINUTE_MS, times + 1)


def test_lock_of_the_day_before_is_forgotten() -> None:
    assert next_lock(locked(4, ago=MEMORY_MS - 1), NOW).locked_until == NOW + LONGEST_LOCK_MS
    assert next_lock(locked(4, ago=MEMORY_MS), NOW).locked_until == NOW + FIRST_LOCK_MS


def test_codes_are_guessed_less_often_than_passwords() -> None:
    assert LIMITS == {GuessPath.PASSWORD: 10, GuessPath.CODE: 5}


@pytest.mark.parametrize(
    ("until", "told"), [(0, "00:00 UTC"), (1, "00:01 UTC"), (MINUTE_MS, "00:01 UTC"), (1_790_000_000_000, "14:14 UTC")]
)
def test_people_are_told_the_minute_after_which_a_lock_is_over(until: int, told: str) -> None:
    assert told_time(Instant(until)) == told
