"""The threads of a process that take turns share a processor, as long as nobody else needs it."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from gateway import processor, turns


@pytest.fixture
def own() -> Iterator[int | None]:
    """The processor that this process took; given back afterwards."""
    allowed = os.sched_getaffinity(0)
    number = processor.take()
    yield number
    if processor._seat is not None:
        processor._seat.close()
    processor._seat, processor._wanted, processor._anywhere = None, processor._NOWHERE, processor._NOWHERE
    os.sched_setaffinity(0, allowed)


def places_of_a_request() -> list[set[int]]:
    """Where a thread may compute: in its turn, while it hashes, while it waits."""
    told: list[set[int]] = []

    def compute() -> None:
        with turns.taken():
            told.append(os.sched_getaffinity(0))
            with turns.aside(computes=True):
                told.append(os.sched_getaffinity(0))
            with turns.aside():
                told.append(os.sched_getaffinity(0))

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join(10)
    return told


def test_threads_with_a_turn_share_the_processor_of_their_process(own: int | None) -> None:
    anywhere = os.sched_getaffinity(0)
    here = {own} if own is not None else anywhere
    assert places_of_a_request() == [here, anywhere, here]


def test_a_crowded_processor_is_left_to_others(own: int | None) -> None:
    processor._wanted = processor._anywhere
    anywhere = os.sched_getaffinity(0)
    assert places_of_a_request() == [anywhere] * 3


def test_whoever_took_none_goes_anywhere() -> None:
    anywhere = os.sched_getaffinity(0)
    assert places_of_a_request() == [anywhere] * 3


def test_no_two_processes_take_one_processor(own: int | None) -> None:
    asked = "from gateway import processor; print(processor.take())"
    other = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.strip()
    assert own is None or other != str(own)


@pytest.mark.parametrize(
    ("busy", "ours", "crowded"),
    [
        pytest.param(1.0, 0.98, False, id="we use it all"),
        pytest.param(0.3, 0.1, False, id="others use a little"),
        pytest.param(1.0, 0.5, True, id="others take half"),
        pytest.param(1.0, 0.2, True, id="others take nearly all"),
        pytest.param(1.0, 0.05, False, id="we hardly want it"),
        pytest.param(1.0, 0.0, False, id="we need none"),
    ],
)
def test_others_crowd_a_processor_when_they_take_too_much(*, busy: float, ours: float, crowded: bool) -> None:
    assert processor.is_crowded(busy, ours, 1.0) is crowded


def test_what_the_kernel_counts_is_read() -> None:
    first = min(os.sched_getaffinity(0))
    busy, ran, clock = processor._looked(first)
    assert busy >= 0
    assert ran == 0
    assert clock > 0
