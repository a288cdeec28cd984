"""What the house does at intervals is done by one process at a time, and goes on after the death of whoever was at it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from gateway.domain.values import Instant
from gateway.services.house import House
from gateway.services.jobs import Crew, Runner
from gateway.services.routines import LEASE_MS, PAUSE_AFTER_ERROR_MS, Clerk, Routine
from gateway.storage import routines
from tests.conftest import Clock

PATIENCE = 10
EVERY = 60_000


@dataclass
class Rounds:
    """A routine that notes when it was begun."""

    clock: Clock
    at: list[Instant] = field(default_factory=list)
    act: Callable[[], bool] = lambda: False
    wanted: bool = True

    def routine(self, name: str = "tidy") -> Routine:
        return Routine(name, self._do, EVERY, lambda _house: self.wanted)

    def _do(self, _house: House) -> bool:
        self.at.append(self.clock())
        return self.act()


@pytest.fixture
def rounds(clock: Clock) -> Rounds:
    return Rounds(clock)


def state(house: House) -> routines.RoutineState:
    [found] = routines.list_routines(house.database)
    return found


def test_a_routine_runs_at_once_and_then_at_its_interval(house: House, clock: Clock, rounds: Rounds) -> None:
    clerk, began = Clerk(house, [rounds.routine()]), clock.now
    clerk.run_due()
    clerk.run_due()
    clock.advance(milliseconds=EVERY - 1)
    clerk.run_due()
    assert rounds.at == [began]
    clock.advance(milliseconds=1)
    clerk.run_due()
    assert rounds.at == [began, began + EVERY]


def test_of_several_processes_one_does_it(house: House, clock: Clock, rounds: Rounds) -> None:
    clerks = [Clerk(house, [rounds.routine()]) for _ in range(3)]
    for clerk in clerks:
        clerk.run_due()
    clock.advance(milliseconds=EVERY)
    for clerk in reversed(clerks):
        clerk.run_due()
    assert len(rounds.at) == 2


def test_nobody_begins_what_another_one_is_at(house: House, rounds: Rounds) -> None:
    other = Clerk(house, [rounds.routine()])

    def act() -> bool:
        other.run_due()
        return False

    rounds.act = act
    Clerk(house, [rounds.routine()]).run_due()
    assert len(rounds.at) == 1


def test_it_is_done_until_nothing_is_left_and_others_have_their_turn(house: House, clock: Clock, rounds: Rounds) -> None:
    other = Rounds(clock)
    order: list[str] = []

    def noted(name: str, routine: Rounds, pieces: int) -> Callable[[], bool]:
        def act() -> bool:
            order.append(name)
            return len(routine.at) < pieces

        return act

    rounds.act, other.act = noted("tidy", rounds, 3), noted("seal", other, 2)
    Clerk(house, [rounds.routine(), other.routine("seal")]).run_due()
    assert sorted(order[:2]) == ["seal", "tidy"]
    assert (order.count("tidy"), order.count("seal")) == (3, 2)


def test_what_nobody_wants_costs_no_write_and_is_done_once_it_is_wanted(house: House, rounds: Rounds) -> None:
    clerk = Clerk(house, [rounds.routine()])
    rounds.wanted = False
    clerk.run_due()
    assert (rounds.at, state(house).began_at) == ([], None)
    rounds.wanted = True
    clerk.run_due()
    assert len(rounds.at) == 1


def test_a_failure_rests_and_stops_no_other_routine(house: House, clock: Clock, rounds: Rounds, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> bool:
        raise ValueError("password=hunter2")

    rounds.act = fail
    other = Rounds(clock)
    clerk = Clerk(house, [Routine("tidy", rounds.routine().act, every=1), other.routine("seal")])
    clerk.run_due()
    clock.advance(milliseconds=PAUSE_AFTER_ERROR_MS - 1)
    clerk.run_due()
    assert (len(rounds.at), len(other.at)) == (1, 1)
    failed = next(item for item in routines.list_routines(house.database) if item.name == "tidy")
    assert failed.last_error == "ValueError"
    clock.advance(milliseconds=1)
    rounds.act = lambda: False
    clerk.run_due()
    assert len(rounds.at) == 2
    assert not any(item.last_error for item in routines.list_routines(house.database))


def test_a_routine_of_a_killed_process_goes_on_when_its_lease_is_over(house: House, clock: Clock, rounds: Rounds) -> None:
    clerk = Clerk(house, [rounds.routine()])
    routines.add_routine(house.database, "tidy", next_run=clock())
    assert routines.claim_routine(house.database, "tidy", "dead process", now=clock(), lease_until=Instant(clock() + LEASE_MS))
    clock.advance(milliseconds=LEASE_MS - 1)
    clerk.run_due()
    assert rounds.at == []
    clock.advance(milliseconds=1)
    clerk.run_due()
    assert len(rounds.at) == 1
    assert not routines.finish_routine(house.database, "tidy", "dead process", now=clock(), next_run=clock(), error="")


def test_a_long_round_keeps_its_lease(house: House, clock: Clock, rounds: Rounds) -> None:
    runner = Runner(house, {}, Crew(threads=1), [rounds.routine()])

    def act() -> bool:
        first = state(house).lease_until
        clock.advance(milliseconds=LEASE_MS // 2)
        runner._look()
        assert first is not None
        assert (state(house).lease_until or 0) > first
        return False

    rounds.act = act
    runner._clerk.run_due()
    assert state(house).last_error == ""
    assert state(house).lease_until is None


def test_a_runner_does_routines_beside_jobs_and_stops_with_them(house: House, rounds: Rounds) -> None:
    done = threading.Event()

    def act() -> bool:
        done.set()
        return False

    rounds.act = act
    runner = Runner(house, {}, Crew(threads=1), [rounds.routine()])
    runner.start()
    assert done.wait(PATIENCE)
    assert runner.stop(PATIENCE)


def test_a_routine_of_another_release_is_left_alone(house: House, clock: Clock, rounds: Rounds) -> None:
    routines.add_routine(house.database, "unheard of", next_run=clock())
    Clerk(house, [rounds.routine()]).run_due()
    assert [item.began_at is None for item in routines.list_routines(house.database)] == [False, True]


def test_of_processes_that_look_at_the_same_moment_one_begins(house: House, rounds: Rounds) -> None:
    clerks = [Clerk(house, [rounds.routine()]) for _ in range(4)]
    together = threading.Barrier(len(clerks))

    def look(clerk: Clerk) -> None:
        together.wait(PATIENCE)
        clerk.run_due()
        house.database.close()

    threads = [threading.Thread(target=look, args=(clerk,)) for clerk in clerks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(rounds.at) == 1
