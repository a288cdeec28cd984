"""Locks: how many guesses, for how long, apart for each path, and never exceeded by parallel ones."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.domain.document import PersonFields
from gateway.domain.locks import GuessPath, told_time
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.values import Instant
from gateway.services import locks, people
from gateway.services.context import Context
from gateway.services.people import NewPerson
from gateway.storage import audit
from gateway.storage import locks as stored_locks
from tests.conftest import Clock

MINUTE = 60


@pytest.fixture
def anna(context: Context, acme: Node) -> Account:
    fields = PersonFields(user_name="anna", given_name="Anna", family_name="Berg", email="anna@acme.example")
    return people.create_person(context, acme, NewPerson(fields))


def guess_wrong(context: Context, account: Account, times: int, path: GuessPath = GuessPath.PASSWORD) -> int:
    """Guess so often; return how many were checked."""
    checked = 0
    for _ in range(times):
        guess = locks.count_guess(context, account, account.login, path)
        locks.punish(context, guess)
        checked += not guess.closed
    return checked


def is_open(context: Context, account: Account, path: GuessPath = GuessPath.PASSWORD) -> bool:
    """Whether a right guess would be checked; it is forgiven, as a right one is."""
    guess = locks.count_guess(context, account, account.login, path)
    if not guess.closed:
        locks.forgive(context, guess)
    return not guess.closed


@pytest.mark.parametrize(("path", "limit"), [(GuessPath.PASSWORD, 10), (GuessPath.CODE, 5)])
def test_the_last_wrong_guess_locks_the_path_for_five_minutes(
    context: Context, anna: Account, clock: Clock, path: GuessPath, limit: int
) -> None:
    assert guess_wrong(context, anna, limit + 5, path) == limit
    assert locks.find_lock(context, anna, path).locked_until == clock.now + 5 * MINUTE * 1000
    clock.advance(seconds=5 * MINUTE - 1)
    assert not is_open(context, anna, path)
    clock.advance(seconds=1)
    assert is_open(context, anna, path)


def test_a_right_guess_before_the_limit_sets_the_counter_to_nought(context: Context, anna: Account) -> None:
    for _ in range(5):
        assert guess_wrong(context, anna, 9) == 9
        assert is_open(context, anna)


def test_guesses_of_a_past_window_do_not_count(context: Context, anna: Account, clock: Clock) -> None:
    assert guess_wrong(context, anna, 9) == 9
    clock.advance(seconds=15 * MINUTE)
    assert guess_wrong(context, anna, 9) == 9
    assert is_open(context, anna)


def test_locks_double_within_a_day_up_to_an_hour(context: Context, anna: Account, clock: Clock) -> None:
    lengths = []
    for _ in range(7):
        guess_wrong(context, anna, 10)
        until = locks.find_lock(context, anna, GuessPath.PASSWORD).locked_until
        assert until is not None
        lengths.append((until - clock.now) // 60_000)
        clock.advance(milliseconds=until - clock.now)
    assert lengths == [5, 10, 20, 40, 60, 60, 60]


def test_a_lock_is_short_again_after_a_quiet_day(context: Context, anna: Account, clock: Clock) -> None:
    guess_wrong(context, anna, 10)
    clock.advance(seconds=24 * 60 * MINUTE)
    guess_wrong(context, anna, 10)
    assert locks.find_lock(context, anna, GuessPath.PASSWORD).locked_until == clock.now + 5 * MINUTE * 1000


def test_a_right_guess_between_does_not_shorten_the_next_lock(context: Context, anna: Account, clock: Clock) -> None:
    guess_wrong(context, anna, 10)
    clock.advance(seconds=5 * MINUTE)
    assert is_open(context, anna)
    guess_wrong(context, anna, 10)
    assert locks.find_lock(context, anna, GuessPath.PASSWORD).locked_until == clock.now + 10 * MINUTE * 1000


def test_wrong_passwords_leave_the_codes_alone_and_the_other_way_round(context: Context, anna: Account) -> None:
    guess_wrong(context, anna, 10, GuessPath.PASSWORD)
    assert is_open(context, anna, GuessPath.CODE)
    guess_wrong(context, anna, 5, GuessPath.CODE)
    locks.reset(context, anna, GuessPath.PASSWORD)
    assert is_open(context, anna, GuessPath.PASSWORD)


def test_guesses_at_a_federated_only_person_are_counted_and_never_lock(context: Context, anna: Account) -> None:
    only = people.set_federated_only(context, anna, federated_only=True)
    assert guess_wrong(context, only, 40) == 40
    lock = locks.find_lock(context, only, GuessPath.PASSWORD)
    assert (lock.attempts, lock.locked_until) == (40, None)


def test_an_unlock_clears_every_lock_and_counter_and_leaves_disabled_alone(context: Context, anna: Account) -> None:
    locked = people.set_admin_lock(context, people.set_enabled(context, anna, enabled=False), locked=True)
    guess_wrong(context, locked, 10, GuessPath.PASSWORD)
    guess_wrong(context, locked, 5, GuessPath.CODE)
    freed = locks.unlock(context, locked)
    assert (freed.admin_locked_at, freed.enabled) == (None, False)
    for path in GuessPath:
        assert locks.find_lock(context, freed, path).attempts == 0
        assert is_open(context, freed, path)


def test_a_lock_leaves_a_row_in_the_trail(context: Context, acme: Node, anna: Account) -> None:
    guess_wrong(context, anna, 12)
    rows = [row for row in audit.list_audit(context.database, acme.id, limit=20) if row.action == "person.locked"]
    assert [(row.target, row.code) for row in rows] == [(anna.id, "E_Locked_Out")]


def test_fifty_parallel_guesses_never_exceed_the_limit(context: Context, anna: Account) -> None:
    together = threading.Barrier(50)

    def guess() -> bool:
        together.wait()
        counted = locks.count_guess(context, anna, anna.login, GuessPath.PASSWORD)
        locks.punish(context, counted)
        context.database.close()
        return not counted.closed

    with ThreadPoolExecutor(50) as pool:
        checked = [future.result() for future in [pool.submit(guess) for _ in range(50)]]
    assert sum(checked) == 10
    assert not is_open(context, anna)


def test_guesses_still_being_checked_count_already(context: Context, anna: Account) -> None:
    under_way = [locks.count_guess(context, anna, anna.login, GuessPath.PASSWORD) for _ in range(10)]
    assert [guess.number for guess in under_way] == list(range(1, 11))
    assert locks.count_guess(context, anna, anna.login, GuessPath.PASSWORD).closed


def test_a_guess_at_nobody_writes_as_much_and_locks_nobody(context: Context, anna: Account) -> None:
    for number in range(40):
        locks.punish(context, locks.count_guess(context, None, f"nobody{number}", GuessPath.PASSWORD))
    rows = context.database.script("SELECT COUNT(*) FROM credential_lock WHERE account LIKE 'nobody-%'")
    assert rows[0][0] > 0
    assert is_open(context, anna)


def test_guesses_at_nobody_do_not_fill_the_table(context: Context) -> None:
    for number in range(600):
        locks.count_guess(context, None, f"name{number}", GuessPath.PASSWORD)
    assert context.database.script("SELECT COUNT(*) FROM credential_lock")[0][0] <= 256


def test_a_standing_lock_is_over_only_when_it_is_cleared(context: Context, anna: Account, clock: Clock) -> None:
    stored_locks.count_guess(context.database, anna.id, GuessPath.PASSWORD, clock.now, limit=10)
    context.database.script("UPDATE credential_lock SET standing = 1")
    clock.advance(seconds=48 * 60 * MINUTE)
    assert not is_open(context, anna)
    locks.unlock(context, anna)
    assert is_open(context, anna)


def test_the_time_told_is_never_before_the_end() -> None:
    assert told_time(Instant(1_790_000_000_000)) == "14:14 UTC"
    assert told_time(Instant(1_790_000_040_000)) == "14:14 UTC"
    assert told_time(Instant(1_790_000_040_001)) == "14:15 UTC"
