"""Wrong proofs of an app are counted for all processes together."""

from dataclasses import replace

import pytest

from federation.downstream.throttle import LIMIT, WINDOW_MS, Failures, TooManyFailures
from gateway.services.context import Context
from gateway.services.limits import Limits
from tests.conftest import Clock


def test_failures_at_one_process_count_at_another_which_takes_one_more_at_most(context: Context) -> None:
    here, there = Failures(), Failures()
    elsewhere = replace(context, limits=Limits())
    for _ in range(LIMIT):
        here.require_few(context, "wiki")
        here.count(context, "wiki")
    with pytest.raises(TooManyFailures):
        here.require_few(context, "wiki")
    there.require_few(elsewhere, "wiki")
    there.count(elsewhere, "wiki")
    with pytest.raises(TooManyFailures) as caught:
        there.require_few(elsewhere, "wiki")
    assert caught.value.seconds == WINDOW_MS // 1000


def test_a_caller_that_waited_may_try_again(context: Context, clock: Clock) -> None:
    failures = Failures()
    for _ in range(LIMIT):
        failures.count(context, "wiki")
    clock.advance(milliseconds=WINDOW_MS)
    failures.require_few(context, "wiki")


def test_neither_another_address_nor_another_app_is_stopped(context: Context) -> None:
    failures = Failures()
    for _ in range(LIMIT):
        failures.count(replace(context, address="203.0.113.7"), "wiki")
    failures.require_few(replace(context, address="203.0.113.8"), "wiki")
    failures.require_few(replace(context, address="203.0.113.7"), "shop")
