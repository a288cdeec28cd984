"""The server and the worker as processes: they end when told, and jobs queued by others are done inside or left alone as asked."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.services.house import OPERATOR
from gateway.settings import Settings
from gateway.storage import jobs, nodes
from gateway.wiring import open_house
from tests.journeys.processes import Gateway, free_port, serving, wait_for

pytestmark = pytest.mark.journey


PATIENCE = 30
"""Seconds after which a process that should be gone has failed."""


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    made = Gateway(tmp_path, free_port())
    made.run("platform", "init", "--admin-login", "admin", "--admin-email", "admin@example.com")
    made.run("tenant", "create", "acme", "--name", "Acme Ltd", "--kind", "customer")
    return made


def queue(gateway: Gateway) -> None:
    """Queue a job of a kind nobody knows, from a process of its own: whoever looks at it finds it dead."""
    house = open_house(Settings.from_env(gateway.environment))
    context = house.context(OPERATOR)
    acme = nodes.find_node_by_slug(house.database, "acme")
    assert acme is not None
    with house.database.transaction():
        context.enqueue("unheard of", acme.id, {})
    house.database.close()


def seconds_until_seen(gateway: Gateway) -> float:
    """Return after how many seconds somebody has looked at the job."""
    house = open_house(Settings.from_env(gateway.environment))
    begun = time.monotonic()
    wait_for(lambda: jobs.count_jobs(house.database) == {"dead": 1})
    house.database.close()
    return time.monotonic() - begun


def begin(gateway: Gateway, *words: str) -> "subprocess.Popen[str]":
    """Start a command that goes on."""
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", *words], env=gateway.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def tell(process: "subprocess.Popen[Any]", number: signal.Signals) -> int:
    """Tell the process itself to end, and return its status."""
    os.kill(process.pid, number)
    return process.wait(PATIENCE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_told_to_end_ends_well_with_its_jobs(gateway: Gateway, number: signal.Signals) -> None:
    with serving(gateway, "--workers", "2") as server:
        queue(gateway)
        assert seconds_until_seen(gateway) < 2
        assert tell(server, number) == 0
    assert "Traceback" not in (gateway.home / "server.log").read_text()


def test_a_server_without_worker_leaves_jobs_to_the_worker(gateway: Gateway) -> None:
    with serving(gateway, "--workers", "1", "--no-worker"):
        queue(gateway)
        time.sleep(1.5)
        house = open_house(Settings.from_env(gateway.environment))
        assert jobs.count_jobs(house.database) == {"ready": 1}
        house.database.close()
        with begin(gateway, "worker") as worker:
            assert seconds_until_seen(gateway) < PATIENCE
            assert tell(worker, signal.SIGTERM) == 0


def test_no_process_outlives_a_server_that_is_killed(gateway: Gateway) -> None:
    with serving(gateway, "--workers", "2") as server:
        os.kill(server.pid, signal.SIGKILL)
        server.wait(PATIENCE)
        wait_for(lambda: not somebody_listens(gateway.port))


def somebody_listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_port_in_use_ends_with_one_line(gateway: Gateway) -> None:
    with serving(gateway, "--workers", "1"), begin(gateway, "serve", "--port", str(gateway.port)) as second:
        assert second.wait(PATIENCE) == 1
        assert second.stderr is not None
        lines = second.stderr.read().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("E_Unavailable: cannot listen at 127.0.0.1 port")
