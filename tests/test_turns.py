"""Requests compute one after another and wait side by side; a turn that does not come holds nobody up."""

import threading
from collections.abc import Callable, Iterable

import pytest

from gateway import turns
from gateway.http.turns import Turns


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody goes on without a turn."""
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 60)


def in_threads(*acts: Callable[[], None]) -> None:
    threads = [threading.Thread(target=act, daemon=True) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.usefixtures("patient")
def test_one_computes_and_the_next_one_follows_when_it_waits() -> None:
    told: list[str] = []
    computing, waiting = threading.Event(), threading.Event()

    def first() -> None:
        with turns.taken():
            computing.set()
            told.append("first computes")
            with turns.aside():
                waiting.wait(10)
            told.append("first goes on")

    def second() -> None:
        computing.wait(10)
        with turns.taken():
            told.append("second computes")
            waiting.set()
            told.append("second ends")

    in_threads(first, second)
    assert told == ["first computes", "second computes", "second ends", "first goes on"]


def test_a_turn_that_does_not_come_holds_nobody_up_for_long() -> None:
    held, done = threading.Event(), threading.Event()

    def holder() -> None:
        with turns.taken():
            held.set()
            assert done.wait(10)

    def other() -> None:
        held.wait(10)
        with turns.taken():
            done.set()

    in_threads(holder, other)


@pytest.mark.usefixtures("patient")
def test_whoever_asks_itself_keeps_its_turn() -> None:
    told: list[str] = []
    inside = threading.Event()

    def first() -> None:
        with turns.taken():
            with turns.taken():
                inside.set()
            told.append("first ends")

    def second() -> None:
        inside.wait(10)
        with turns.taken():
            told.append("second")

    in_threads(first, second)
    assert told == ["first ends", "second"]


@pytest.mark.usefixtures("patient")
def test_an_error_gives_the_turn_back() -> None:
    def fail() -> None:
        with pytest.raises(ZeroDivisionError), turns.taken():
            raise ZeroDivisionError

    done: list[str] = []

    def after() -> None:
        with turns.taken():
            done.append("after")

    in_threads(fail)
    in_threads(after)
    assert done == ["after"]


class Slow:
    """A body that comes once somebody else was answered."""

    def __init__(self, other: threading.Event) -> None:
        self._other = other

    def read(self, _size: int = -1) -> bytes:
        return b"whole" if self._other.wait(10) else b""


@pytest.mark.usefixtures("patient")
def test_a_body_that_comes_slowly_keeps_nobody_waiting() -> None:
    reading, answered = threading.Event(), threading.Event()
    told: list[bytes] = []

    def app(environ: dict[str, object], _start: object) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/slow":
            reading.set()
            return [environ["wsgi.input"].read()]  # type: ignore[attr-defined]  # a stream, as WSGI has it
        answered.set()
        return []

    wrapped = Turns(app)

    def slow() -> None:
        told.extend(wrapped({"PATH_INFO": "/slow", "wsgi.input": Slow(answered)}, lambda *_: lambda _: None))

    def other() -> None:
        reading.wait(10)
        wrapped({"PATH_INFO": "/", "wsgi.input": Slow(answered)}, lambda *_: lambda _: None)

    in_threads(slow, other)
    assert told == [b"whole"]
