"""Where several processes share a port, no client keeps one of them for ever."""

from http.client import HTTPConnection
from pathlib import Path

import pytest

from gateway.spreading import ANSWERS
from tests.journeys.processes import Gateway, free_port, serving

pytestmark = pytest.mark.journey


def answers_until_the_last(port: int, most: int) -> int:
    """How many answers a connection gives until one says that it is the last; `most` where none does."""
    connection = HTTPConnection("127.0.0.1", port)
    try:
        for number in range(1, most):
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            assert answer.read() == b"ok\n"
            if answer.will_close:
                return number
    finally:
        connection.close()
    return most


@pytest.mark.parametrize(("workers", "lasts"), [("2", False), ("1", True)])
def test_a_kept_connection_ends_now_and_then_where_other_processes_could_take_it(tmp_path: Path, workers: str, *, lasts: bool) -> None:
    gateway = Gateway(tmp_path, free_port())
    with serving(gateway, "--workers", workers):
        given = answers_until_the_last(gateway.port, ANSWERS + 2)
    assert (given > ANSWERS) == lasts
