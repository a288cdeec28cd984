"""Runs the rounds and prints the table: medians of interleaved rounds, each scenario beside plain Flask on the same server."""

import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.load import run
from bench.scenarios import Scenario
from bench.servers import Server

CONNECTIONS = 8


@dataclass(slots=True)
class Line:
    """What was measured of one scenario, a value for each round of the run."""

    scenario: Scenario
    server: Server
    requests: int = 0
    """Requests of one stretch, set by the warm-up so that each stretch takes about as long."""
    rates: list[float] = field(default_factory=list)
    """Rounds of the scenario for each second."""
    processor_us: list[float] = field(default_factory=list)
    """Processor time of the server for each round of the scenario, microseconds."""
    latencies: list[float] = field(default_factory=list)


def measure(lines: Sequence[Line], *, rounds: int, seconds: float) -> None:
    """Warm each line up, then run all of them in turn, `rounds` times."""
    for line in lines:
        warm = run(line.server.address, line.scenario.make_client, connections=CONNECTIONS, requests=60 * line.scenario.requests_per_round)
        line.requests = max(30, int(warm.requests / warm.seconds * seconds)) * line.scenario.requests_per_round
        line.requests //= line.scenario.requests_per_round
    for _ in range(rounds):
        for line in lines:
            _stretch(line)


def _stretch(line: Line) -> None:
    before = line.server.processor_seconds()
    measured = run(line.server.address, line.scenario.make_client, connections=CONNECTIONS, requests=line.requests)
    used = line.server.processor_seconds() - before
    done = measured.requests / line.scenario.requests_per_round
    line.rates.append(done / measured.seconds)
    line.processor_us.append(used / done * 1e6)
    line.latencies += measured.latencies


def table(lines: Sequence[Line]) -> str:
    """Return the table; the first line is the comparison. A ratio is the median over the rounds of rate by rate of plain Flask."""
    comparison = lines[0]
    rows = [
        "| what | rounds/s | ratio | must | aim | p50 ms | p99 ms | server µs | µs ratio |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for line in lines:
        ratio = statistics.median(mine / its for mine, its in zip(line.rates, comparison.rates, strict=True))
        saved = statistics.median(its / mine for mine, its in zip(line.processor_us, comparison.processor_us, strict=True))
        cuts = statistics.quantiles(line.latencies, n=100)
        verdict = _verdict(line.scenario, ratio)
        bounds = (f"{line.scenario.must:.2f}", f"{line.scenario.aim:.2f}") if line.scenario.must else ("", "")
        rows.append(
            f"| {line.scenario.name} | {statistics.median(line.rates):,.0f} | {ratio:.2f}{verdict} | {bounds[0]} | {bounds[1]} "
            f"| {cuts[49] * 1000:.1f} | {cuts[98] * 1000:.1f} | {statistics.median(line.processor_us):,.0f} | {saved:.2f} |"
        )
    return "\n".join(rows)


def _verdict(scenario: Scenario, ratio: float) -> str:
    if not scenario.must:
        return ""
    if ratio >= scenario.aim:
        return " ✓"
    return " (must)" if ratio >= scenario.must else " **missed**"


def machine() -> str:
    """Return what the figures were measured on."""
    text = Path("/proc/cpuinfo").read_text()
    names = {line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")}
    processors = text.count("processor\t")
    return f"{processors} processors ({', '.join(sorted(names)) or platform.machine()}), Python {platform.python_version()}"
