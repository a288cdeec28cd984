"""Processes of the server come and go, and nobody notices: renewal, an ordered end behind a second server, and sudden death."""

import os
import re
import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.journeys.load import loading, wait_for_more
from tests.journeys.placed import Placed
from tests.journeys.processes import Gateway, free_port, serving, wait_for

pytestmark = pytest.mark.journey


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    made = Placed(tmp_path, free_port())
    made.run("platform", "init", "--admin-login", "admin", "--admin-email", "admin@example.com")
    made.run("tenant", "create", "acme", "--name", "Acme Ltd", "--kind", "customer")
    return made


def children(pid: int) -> set[int]:
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def log(gateway: Gateway) -> str:
    return (gateway.home / "server.log").read_text()


def renew(gateway: Gateway, pid: int) -> None:
    """Renew a server and wait until none of its old processes is left."""
    before = children(pid)
    os.kill(pid, signal.SIGHUP)
    wait_for(lambda: not before & children(pid) and len(children(pid)) == len(before), lambda: log(gateway))


def test_a_renewal_loses_no_request(gateway: Gateway) -> None:
    with serving(gateway, "--workers", "2") as server, loading(gateway.port) as load:
        for _ in range(2):
            renew(gateway, server.pid)
            wait_for_more(load, 20)
        assert load.errors == []
        assert load.refused == 0
    assert "Traceback" not in log(gateway)


def test_a_server_told_to_end_loses_no_request_that_a_second_one_can_take(gateway: Gateway) -> None:
    second = replace(gateway, port=free_port())
    with ExitStack() as both:
        first_server = both.enter_context(serving(gateway, "--workers", "2"))
        second_server = both.enter_context(serving(second, "--workers", "1"))
        with loading(gateway.port, second.port) as load:
            os.kill(first_server.pid, signal.SIGTERM)
            assert first_server.wait(20) == 0
            wait_for_more(load, 20)
            assert load.errors == []
            assert load.refused > 0
        assert second_server.poll() is None


def test_a_process_that_was_killed_is_replaced_within_a_second_and_the_others_answer_meanwhile(gateway: Gateway) -> None:
    with serving(gateway, "--workers", "2") as server:
        before = children(server.pid)
        victim, other = sorted(before)
        begun = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        with loading(gateway.port) as load:
            wait_for(lambda: len(children(server.pid)) == 2 and victim not in children(server.pid))
            assert time.monotonic() - begun < 1
        assert load.errors == []
        assert other in children(server.pid)
        assert server.poll() is None


def test_a_renewal_takes_the_settings_of_now_unless_they_would_not_start(gateway: Gateway) -> None:
    settings = gateway.home / "settings"
    settings.write_text("MOONGATE_LOG_FORMAT=json\n")
    with serving(gateway, "--workers", "1", "--settings", str(settings)) as server:
        before = children(server.pid)
        settings.write_text("MOONGATE_LOG_FORMAT=verse\n")
        os.kill(server.pid, signal.SIGHUP)
        wait_for(lambda: "the server goes on as it is" in log(gateway), lambda: log(gateway))
        assert "MOONGATE_LOG_FORMAT must be text or json" in log(gateway)
        assert children(server.pid) == before
        settings.write_text("# for people\nMOONGATE_LOG_FORMAT=text\n")
        renew(gateway, server.pid)
        assert re.search(r"^[0-9-]+ [0-9:,]+ INFO gateway.supervision: ready", log(gateway), re.MULTILINE)
