"""Limits hold over all processes: by shares, exactly for guesses, and by a shared counter while there is one."""

import threading
from contextlib import suppress

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.limits import SIGN_INS, Limit, counted_as
from gateway.domain.values import Instant
from gateway.services import sweeping
from gateway.services.house import House
from gateway.services.limits import Limits
from gateway.storage import limits
from tests.conftest import START, Clock

FEW = Limit("few", 10, 60_000)
CALLER = "203.0.113.7"


def granted(counts: Limits, limit: Limit, tries: int, *, now: Instant = START) -> int:
    """How many of so many requests of one caller are let through."""
    passed = 0
    for _ in range(tries):
        with suppress(Refusal):
            counts.require_from(limit, CALLER, now)
            passed += 1
    return passed


def test_each_of_several_processes_grants_its_share() -> None:
    assert granted(Limits(), FEW, 20) == 10
    assert granted(Limits(processes=2), FEW, 20) == 5
    assert granted(Limits(processes=3), FEW, 20) == 4


def test_a_share_is_never_under_the_least_nor_over_the_whole() -> None:
    assert Limit("scim", 500, 1000, least=25).share(100) == 25
    assert Limit("scim", 10, 1000, least=25).share(100) == 10


def test_a_refusal_says_when_to_come_back_and_the_next_window_is_fresh() -> None:
    counts = Limits()
    assert granted(counts, FEW, 11) == 10
    with pytest.raises(Refusal) as caught:
        counts.require_from(FEW, CALLER, Instant(START + 20_500))
    assert caught.value.code == "E_Rate_Limited"
    assert caught.value.data["seconds"] == 40
    assert granted(counts, FEW, 11, now=Instant(START + 60_000)) == 10


def test_one_caller_never_uses_up_what_another_has() -> None:
    counts = Limits()
    assert granted(counts, FEW, 20) == 10
    counts.require_from(FEW, "203.0.113.8", START)


def test_a_network_of_one_owner_counts_as_one_caller() -> None:
    assert counted_as("2001:db8:1:2::1") == counted_as("2001:db8:1:2:ffff::9") != counted_as("2001:db8:1:3::1")
    assert counted_as("::ffff:203.0.113.7") == "203.0.113.7"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", ""])
def test_a_proxy_that_no_setting_names_is_not_limited_for_all_who_come_through_it(address: str) -> None:
    counts = Limits()
    for _ in range(20):
        counts.require_from(FEW, address, START)


def test_parallel_guesses_of_several_processes_never_exceed_the_limit(house: House) -> None:
    barrier, passed, guard = threading.Barrier(4), [], threading.Lock()

    def guess(process: Limits) -> None:
        barrier.wait()
        for _ in range(10):
            try:
                process.guess(house.database, FEW, CALLER, START)
            except Refusal:
                continue
            with guard:
                passed.append(process)
        house.database.close()

    threads = [threading.Thread(target=guess, args=(Limits(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 10


def test_a_right_guess_is_forgiven(house: House) -> None:
    counts = Limits()
    for _ in range(30):
        counts.forgive(house.database, counts.guess_from(house.database, FEW, CALLER, START))


def test_guesses_count_anew_when_the_window_is_over(house: House) -> None:
    counts = Limits()
    for _ in range(10):
        counts.guess(house.database, FEW, CALLER, START)
    with pytest.raises(Refusal):
        counts.guess(house.database, FEW, CALLER, Instant(START + 59_999))
    assert counts.guess(house.database, FEW, CALLER, Instant(START + 60_000)).number == 1


def test_counts_whose_window_is_over_are_swept_and_others_stay(house: House, clock: Clock) -> None:
    counts = Limits()
    counts.guess(house.database, FEW, CALLER, START)
    counts.guess(house.database, FEW, "another", Instant(START + 30_000))
    sweeping.sweep(house.database, Instant(START + 60_001))
    assert limits.find_count(house.database, "few", CALLER, now=START) == (0, START)
    assert limits.find_count(house.database, "few", "another", now=Instant(START + 60_001))[0] == 1


class Shared:
    """A shared counter that can be away."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str], int] = {}
        self.away = False

    def count(self, name: str, key: str, window_ms: int, *, by: int = 1) -> tuple[int, int] | None:
        if self.away:
            return None
        self.counts[name, key] = self.counts.get((name, key), 0) + by
        return self.counts[name, key], window_ms


def test_a_shared_counter_holds_the_limit_over_processes_whatever_their_load(house: House) -> None:
    shared = Shared()
    assert granted(Limits(processes=2, shared=shared), FEW, 8) == 8
    assert granted(Limits(processes=2, shared=shared), FEW, 8) == 2


def test_without_the_shared_counter_each_process_grants_its_share_and_nobody_is_shut_out(house: House) -> None:
    shared = Shared()
    shared.away = True
    first, second = Limits(processes=2, shared=shared), Limits(processes=2, shared=shared)
    assert granted(first, FEW, 20) + granted(second, FEW, 20) == 10
    for _ in range(10):
        first.guess(house.database, FEW, CALLER, START)
    with pytest.raises(Refusal):
        second.guess(house.database, FEW, CALLER, START)


def test_processes_know_how_many_they_are(house: House) -> None:
    for name in ("one", "two"):
        limits.see_process(house.database, name, now=START, since=START)
    assert limits.see_process(house.database, "one", now=Instant(START + 9_000), since=Instant(START - 1_000)) == 2
    assert limits.see_process(house.database, "one", now=Instant(START + 12_000), since=Instant(START + 2_000)) == 1
    limits.forget_process(house.database, "one", before=Instant(START + 1))
    assert limits.see_process(house.database, "three", now=Instant(START + 12_000), since=START) == 1


def test_the_limit_of_sign_ins_lets_a_large_office_in() -> None:
    assert SIGN_INS.most >= 50 * 60
