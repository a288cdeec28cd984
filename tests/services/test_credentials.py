"""Passwords: one hash an attempt whoever is meant, the neutral outcome, and what a new password must keep."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from argon2 import PasswordHasher

from gateway.domain.credential import Password
from gateway.domain.document import PersonFields
from gateway.domain.errors import Refusal
from gateway.domain.locks import GuessPath
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.values import Instant, hash_token
from gateway.services import credentials, locks, people
from gateway.services.context import Context
from gateway.services.people import NewPerson
from gateway.storage import credentials as stored_credentials
from gateway.storage import factors
from tests.conftest import Clock
from tests.hashers import CountingHasher, installed

PASSWORD = "four quiet herons wade"


@pytest.fixture
def hasher(monkeypatch: pytest.MonkeyPatch) -> CountingHasher:
    return installed(monkeypatch)


@pytest.fixture
def anna(context: Context, acme: Node, hasher: CountingHasher) -> Account:
    fields = PersonFields(user_name="anna.berg", given_name="Anna", family_name="Berg", email="anna.berg@acme.example")
    person = people.create_person(context, acme, NewPerson(fields))
    return credentials.set_password(context, person, PASSWORD)


def stored_hash(context: Context, account: Account) -> str:
    stored = stored_credentials.find_password(context.database, account.id)
    return stored.hash if stored else ""


def disable(context: Context, account: Account) -> None:
    people.set_enabled(context, account, enabled=False)


def lock_by_hand(context: Context, account: Account) -> None:
    people.set_admin_lock(context, account, locked=True)


def make_federated_only(context: Context, account: Account) -> None:
    # The switch erases the hash; one that a race left behind must be as useless.
    kept = Password(stored_hash(context, account), temporary=False, expires_at=None)
    people.set_federated_only(context, account, federated_only=True)
    with context.database.transaction():
        stored_credentials.replace_password(context.database, account.id, kept, context.now())


def lock_by_guesses(context: Context, account: Account) -> None:
    for _ in range(10):
        locks.punish(context, locks.count_guess(context, account, account.login, GuessPath.PASSWORD))


def leave(context: Context, account: Account) -> None:
    people.delete_person(context, account)


CLOSED: dict[str, Callable[[Context, Account], None]] = {
    "E_Locked_Out": lock_by_hand,
    "E_Federated_Only": make_federated_only,
    "E_No_User": leave,
}


def test_a_right_password_costs_one_verification(context: Context, acme: Node, anna: Account, hasher: CountingHasher) -> None:
    assert credentials.check_password(context, acme, "Anna.Berg", PASSWORD).code == ""
    assert hasher.verified == [stored_hash(context, anna)]


def test_a_wrong_password_costs_one_verification(context: Context, acme: Node, anna: Account, hasher: CountingHasher) -> None:
    assert credentials.check_password(context, acme, "anna.berg", "wrong").code == "E_Invalid_Credentials"
    assert hasher.verified == [stored_hash(context, anna)]


@pytest.mark.parametrize("login", ["nobody", "", "x" * 300, "anna.berg\x00"])
def test_a_name_that_nobody_has_costs_one_verification(context: Context, acme: Node, hasher: CountingHasher, login: str) -> None:
    assert credentials.check_password(context, acme, login, PASSWORD).code == "E_No_User"
    assert len(hasher.verified) == 1


@pytest.mark.parametrize("code", CLOSED)
def test_where_the_path_is_closed_the_stored_hash_is_never_looked_at(
    context: Context, acme: Node, anna: Account, hasher: CountingHasher, code: str
) -> None:
    own = stored_hash(context, anna)
    CLOSED[code](context, anna)
    assert credentials.check_password(context, acme, "anna.berg", PASSWORD).code == code
    assert len(hasher.verified) == 1
    assert own not in hasher.verified


def test_a_wrong_password_of_a_disabled_account_is_one_check_and_the_trail_knows_more(
    context: Context, acme: Node, anna: Account, hasher: CountingHasher
) -> None:
    own = stored_hash(context, anna)
    disable(context, anna)
    assert credentials.check_password(context, acme, "anna.berg", "not the right one").code == "E_User_Disabled"
    assert hasher.verified == [own]


def test_a_locked_path_refuses_the_right_password_by_the_dummy(context: Context, acme: Node, anna: Account, hasher: CountingHasher) -> None:
    lock_by_guesses(context, anna)
    assert credentials.check_password(context, acme, "anna.berg", PASSWORD).code == "E_Locked_Out"
    assert len(hasher.verified) == 1
    assert stored_hash(context, anna) not in hasher.verified


def test_of_fifty_parallel_guesses_ten_reach_the_stored_hash_and_each_costs_one_verification(
    context: Context, acme: Node, anna: Account, hasher: CountingHasher
) -> None:
    together = threading.Barrier(50)

    def guess(number: int) -> str:
        together.wait()
        code = credentials.check_password(context, acme, "anna.berg", f"guess {number}").code
        context.database.close()
        return code

    with ThreadPoolExecutor(50) as pool:
        codes = list(pool.map(guess, range(50)))
    assert (codes.count("E_Invalid_Credentials"), codes.count("E_Locked_Out")) == (10, 40)
    assert hasher.verified.count(stored_hash(context, anna)) == 10
    assert len(hasher.verified) == 50


def test_no_more_than_two_hashes_are_made_at_once(context: Context, acme: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, most, counting = 0, 0, threading.Lock()

    class Watched(CountingHasher):
        def verify(self, stored: str, password: str) -> bool:
            nonlocal at_once, most
            with counting:
                at_once += 1
                most = max(most, at_once)
            try:
                return PasswordHasher(time_cost=1, memory_cost=4096, parallelism=1).verify(stored, password)
            finally:
                with counting:
                    at_once -= 1

    monkeypatch.setattr(credentials, "_HASHER", Watched())

    def guess(number: int) -> None:
        credentials.check_password(context, acme, f"nobody{number}", "wrong")
        context.database.close()

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(guess, range(24)))
    assert 1 <= most <= 2


def test_somebody_without_a_password_costs_one_verification(context: Context, acme: Node, hasher: CountingHasher) -> None:
    fields = PersonFields(user_name="ben", given_name="Ben", family_name="Oak", email="ben@acme.example")
    people.create_person(context, acme, NewPerson(fields))
    assert credentials.check_password(context, acme, "ben", PASSWORD).code == "E_Invalid_Credentials"
    assert len(hasher.verified) == 1


def test_another_tenants_person_is_nobody_here(context: Context, globex: Node, anna: Account) -> None:
    assert credentials.check_password(context, globex, "anna.berg", PASSWORD).account is None


def test_a_temporary_password_works_for_72_hours(context: Context, acme: Node, anna: Account, clock: Clock) -> None:
    password, expires_at = credentials.issue_temporary_password(context, anna)
    assert credentials.check_password(context, acme, "anna.berg", password).code == ""
    clock.advance(seconds=72 * 3600 - 1)
    assert credentials.check_password(context, acme, "anna.berg", password).code == ""
    clock.advance(seconds=1)
    assert clock.now == expires_at
    assert credentials.check_password(context, acme, "anna.berg", password).code == "E_Temp_Password_Expired"


def test_a_temporary_password_must_be_changed_and_ends_what_was_open(context: Context, acme: Node, anna: Account) -> None:
    credentials.issue_temporary_password(context, anna)
    changed = people.get_person(context, acme, "anna.berg")
    assert changed.must_change_password
    assert not credentials.set_password(context, changed, "seven loud geese land").must_change_password


def test_a_federated_only_person_gets_no_password_by_any_way(context: Context, anna: Account) -> None:
    only = people.set_federated_only(context, anna, federated_only=True)
    for way in (lambda: credentials.issue_temporary_password(context, only), lambda: credentials.set_password(context, only, PASSWORD)):
        with pytest.raises(Refusal) as refused:
            way()
        assert refused.value.code == "E_Federated_Only"
    assert stored_credentials.find_password(context.database, anna.id) is None


def test_a_deleted_person_gets_no_password(context: Context, anna: Account) -> None:
    people.delete_person(context, anna)
    with pytest.raises(Refusal):
        credentials.issue_temporary_password(context, anna)


def test_a_password_set_while_federated_only_is_switched_on_is_not_stored(context: Context, anna: Account) -> None:
    people.set_federated_only(context, anna, federated_only=True)
    with pytest.raises(Refusal) as refused:
        credentials.set_password(context, anna, "seven loud geese land")
    assert refused.value.code == "E_Federated_Only"
    assert stored_credentials.find_password(context.database, anna.id) is None


def test_all_broken_rules_are_told_together(context: Context, anna: Account) -> None:
    with pytest.raises(Refusal) as refused:
        credentials.set_password(context, anna, "Berg123")
    rules = refused.value.data["rules"].splitlines()
    assert len(rules) == 3
    assert "15" in rules[0]


@pytest.mark.parametrize("password", ["xk anna.berg fyw quol", "xk Acme Ltd fyw quolt", "xk aNNa fyw quoltzzz"])
def test_a_password_holds_no_names(context: Context, anna: Account, password: str) -> None:
    with pytest.raises(Refusal) as refused:
        credentials.set_password(context, anna, password)
    assert "Leave out" in refused.value.data["rules"]


def test_common_passwords_are_refused(context: Context, anna: Account) -> None:
    with pytest.raises(Refusal):
        credentials.set_password(context, anna, "passwordpassword")


def test_twelve_characters_are_enough_where_a_second_factor_is_demanded(context: Context, anna: Account) -> None:
    with pytest.raises(Refusal):
        credentials.set_password(context, anna, "vex-17-glyph")
    with context.database.transaction():
        owing = people.store_person(context, anna, replace(anna, mfa_required=True))
    credentials.set_password(context, owing, "vex-17-glyph")


@pytest.mark.parametrize("length", [256, 257])
def test_a_password_has_at_most_256_characters(context: Context, anna: Account, length: int) -> None:
    long = "correct horse battery staple " * 10
    if length > 256:
        with pytest.raises(Refusal):
            credentials.set_password(context, anna, long[:length])
    else:
        credentials.set_password(context, anna, long[:length])


def test_a_hash_of_older_parameters_is_renewed_at_the_next_right_password(
    context: Context, acme: Node, anna: Account, hasher: CountingHasher
) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1).hash(PASSWORD)
    with context.database.transaction():
        stored_credentials.replace_password(context.database, anna.id, Password(weak, temporary=False, expires_at=None), context.now())
    credentials.check_password(context, acme, "anna.berg", "wrong")
    assert stored_hash(context, anna) == weak
    credentials.check_password(context, acme, "anna.berg", PASSWORD)
    assert stored_hash(context, anna) != weak
    assert credentials.check_password(context, acme, "anna.berg", PASSWORD).code == ""


def test_the_parameters_are_those_of_owasp() -> None:
    real = credentials._HASHER
    assert (real.time_cost, real.memory_cost, real.parallelism) == (2, 19_456, 1)
    assert credentials._DUMMY.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_the_end_of_a_lock_is_told_only_to_a_device_the_person_used_before(context: Context, acme: Node, anna: Account) -> None:
    with context.database.transaction():
        factors.remember_device(context.database, anna.id, hash_token("mgd_known"), context.now())
    lock_by_guesses(context, anna)
    told = {
        device: credentials.check_password(context, acme, "anna.berg", PASSWORD, device=device) for device in ("", "mgd_other", "mgd_known")
    }
    assert [told[device].locked_until for device in ("", "mgd_other")] == [None, None]
    assert told["mgd_known"].locked_until == Instant(context.now() + 300_000)


def test_a_known_device_learns_nothing_of_others(context: Context, acme: Node, anna: Account) -> None:
    with context.database.transaction():
        fields = PersonFields(user_name="ben", given_name="Ben", family_name="Oak", email="ben@acme.example")
        ben = people.create_person(context, acme, NewPerson(fields))
        factors.remember_device(context.database, ben.id, hash_token("mgd_bens"), context.now())
    lock_by_guesses(context, anna)
    assert credentials.check_password(context, acme, "anna.berg", PASSWORD, device="mgd_bens").locked_until is None
