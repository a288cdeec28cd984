"""A connection's share of a second: less of it while answers take long, but never under the least."""

import pytest

from gateway.domain.connections import Connection
from gateway.domain.errors import Refusal
from gateway.domain.values import ConnectionId, Instant
from gateway.services.limits import Limits
from scim.rate import SLOW_US, RateLimit
from tests.conftest import START


class Paced:
    """A connection, as far as its rate goes."""

    def __init__(self, rate: int) -> None:
        self.id = ConnectionId("c-1")
        self.requests_per_second = rate


def granted(rate: RateLimit, *, second: int, of: int = 500, processes: int = 1, limits: Limits | None = None) -> int:
    """How many of 1,000 requests within a second are let through."""
    counts = limits or Limits(processes=processes)
    connection: Connection = Paced(of)  # type: ignore[assignment]  # all that the rate asks of one
    for number in range(1000):
        try:
            rate.require(counts, connection, Instant(START + second * 1000))
        except Refusal:
            return number
    return 1000


def answered(rate: RateLimit, duration_us: int, *, seconds: int, since: int = 0) -> None:
    """Twenty answers a second, each of which took so long."""
    for number in range(seconds * 20):
        rate.measure(duration_us, Instant(START + since * 1000 + number * 50))


def test_a_process_grants_its_share_of_the_limit() -> None:
    assert granted(RateLimit(), second=0) == 500
    assert granted(RateLimit(), second=0, processes=2) == 250


@pytest.mark.parametrize("processes", [1, 4, 50])
def test_never_under_25_however_many_processes_there_are_and_however_slow_they_are(processes: int) -> None:
    rate = RateLimit()
    answered(rate, 10 * SLOW_US, seconds=60)
    assert granted(rate, second=60, processes=processes) == 25


def test_a_slow_process_grants_less_and_a_quick_one_all_again() -> None:
    rate = RateLimit()
    answered(rate, 2 * SLOW_US, seconds=2)
    less = granted(rate, second=2)
    assert 25 <= less < 500
    answered(rate, 1000, seconds=30, since=2)
    assert granted(rate, second=32) == 500


def test_one_slow_answer_among_quick_ones_changes_nothing() -> None:
    rate = RateLimit()
    answered(rate, 1000, seconds=5)
    rate.measure(3 * SLOW_US, Instant(START + 5000))
    assert granted(rate, second=5) == 500
