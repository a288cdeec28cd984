"""One scrape tells the sum of all processes of a server, and goes on when one of them is killed."""

import json
import os
import signal
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.journeys.processes import Gateway, free_port, serving, wait_for

pytestmark = pytest.mark.journey

ROUND = 40


def ask(gateway: Gateway, path: str, times: int = 1) -> str:
    """Ask so often, each time by a connection of its own, so that every process gets some; return the last answer."""
    text = ""
    for _ in range(times):
        with urllib.request.urlopen(f"{gateway.url}{path}", timeout=30) as answer:  # noqa: S310 -- our own loopback URL
            text = answer.read().decode()
    return text


def figures(gateway: Gateway) -> dict[str, dict[str, float]]:
    """Each figure by its name, its series by their labels as text."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(ask(gateway, "/metrics")):
        for sample in family.samples:
            found.setdefault(sample.name, {})[json.dumps(sample.labels, sort_keys=True)] = sample.value
    return found


def healthy(gateway: Gateway) -> float:
    """How many questions for `/healthz` were counted."""
    return sum(value for labels, value in figures(gateway)["moongate_requests_total"].items() if json.loads(labels)["route"] == "/healthz")


def living(gateway: Gateway) -> set[int]:
    """The processes that serve."""
    return {int(json.loads(labels)["process"]) for labels in figures(gateway)["moongate_process_start_time_seconds"]}


def lines_of(gateway: Gateway) -> list[str]:
    """The lines about `/healthz` in the log so far."""
    lines = (gateway.home / "server.log").read_text().splitlines()
    return [line for line in lines if '"logger": "gateway.requests"' in line and '"route": "/healthz"' in line]


def test_a_scrape_is_the_sum_of_all_processes_and_survives_a_killed_one(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, free_port())
    with serving(gateway, "--workers", "2"):
        ask(gateway, "/healthz", ROUND)
        before = living(gateway)
        assert len(before) == 2
        assert healthy(gateway) == ROUND
        assert all(size > 1e6 for size in figures(gateway)["moongate_process_resident_bytes"].values())

        # A killed process takes the lines of its last moment with it.
        wait_for(lambda: len(lines_of(gateway)) == ROUND)
        os.kill(min(before), signal.SIGKILL)
        wait_for(lambda: len(living(gateway)) == 2 and living(gateway) != before, (gateway.home / "server.log").read_text)
        ask(gateway, "/healthz", ROUND)
        assert healthy(gateway) == 2 * ROUND

    with serving(gateway, "--workers", "1"):
        ask(gateway, "/healthz", ROUND)
        assert healthy(gateway) == 3 * ROUND
    assert len(lines_of(gateway)) == 3 * ROUND
