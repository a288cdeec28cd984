"""Lines of requests are written together and in order, wait but a moment, and harm nobody when nobody reads them."""

import io
import json
import logging
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from gateway import logs
from gateway.domain.ports import Unreachable


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logs.trace("")
    root.handlers[:] = handlers
    root.setLevel(level)


def test_lines_of_requests_stand_before_what_was_said_later() -> None:
    stream = io.StringIO()
    lines = logs.configure("text", stream)
    lines.put("first\n")
    lines.put("second\n")
    logging.getLogger("moongate").warning("third")
    assert [line.split()[-1] for line in stream.getvalue().splitlines()] == ["first", "second", "third"]


def test_a_line_is_written_soon_though_nothing_follows() -> None:
    written = threading.Event()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            written.set()
            return super().write(text)

    logs.configure("json", Stream()).put("alone\n")
    assert written.wait(5)


def test_threads_lose_no_line_and_mix_none() -> None:
    stream = io.StringIO()
    lines = logs.configure("json", stream)

    def write(name: str) -> None:
        for at in range(2_000):
            lines.put(f"{name}-{at}\n")

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines.flush()
    assert sorted(stream.getvalue().splitlines()) == sorted(f"{name}-{at}" for name in "abcd" for at in range(2_000))


def test_a_reader_that_is_gone_fails_no_request() -> None:
    stream = io.StringIO()
    lines = logs.configure("json", stream)
    stream.close()
    for at in range(logs.MOST_WAITING + 1):
        lines.put(f"{at}\n")


def test_what_a_thread_does_for_somebody_names_whose_it_is() -> None:
    stream = io.StringIO()
    logs.configure("json", stream)
    logs.trace("c" * 32)
    logging.getLogger("moongate").warning("a call failed")
    logging.getLogger("moongate").warning("another's", extra={"fields": {"correlation_id": "d" * 32}})
    logs.trace("")
    logging.getLogger("moongate").warning("nobody's")
    told = [json.loads(line).get("correlation_id") for line in stream.getvalue().splitlines()]
    assert told == ["c" * 32, "d" * 32, None]


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_the_trace_of_a_bug_tells_where_and_what_but_not_what_somebody_sent(log_format: str) -> None:
    stream = io.StringIO()
    logs.configure(log_format, stream)
    for act in (partial(break_down, "topsecret"), give_up):
        try:
            act()
        except (KeyError, Unreachable):
            logging.getLogger("moongate").exception("a bug")
    told = stream.getvalue()
    assert told.index("json.decoder.JSONDecodeError") < told.index("builtins.KeyError")
    assert "in break_down" in told
    assert "topsecret" not in told
    assert "gateway.domain.ports.Unreachable: The server could not be reached." in told


def break_down(sent: str) -> None:
    try:
        json.loads(sent)
    except ValueError as error:
        raise KeyError(sent) from error


def give_up() -> None:
    raise Unreachable("the reason is ours")


def test_a_value_with_blanks_or_quotes_ends_where_it_ends() -> None:
    assert logs.as_tail({"reason": 'a "b" c', "code": "E_X", "none": ""}) == ' reason="a \\"b\\" c" code=E_X none=""'


def test_where_others_decide_about_lines_there_is_no_way_of_ours() -> None:
    logging.getLogger().handlers[:] = [logging.NullHandler()]
    assert logs.find_lines() is None
