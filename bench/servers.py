"""Starts the servers that are measured, each with one worker of the same kind, and reads what processor time they used."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    host: str
    port: int
    pid: int

    @property
    def address(self) -> tuple[str, int]:
        """Return where to connect."""
        return ("127.0.0.1", self.port)

    def processor_seconds(self) -> float:
        """Return the processor time of the server and its workers so far."""
        return sum(_processor_seconds(pid) for pid in (self.pid, *_children(self.pid)))

    def resident_megabytes(self) -> float:
        """Return the memory of the server's largest process."""
        return max(_megabytes(pid, "VmRSS") for pid in (self.pid, *_children(self.pid)))

    def peak_megabytes(self) -> float:
        """Return the most memory that one of the server's present processes ever had."""
        return max(_megabytes(pid, "VmHWM") for pid in (self.pid, *_children(self.pid)))


def free_port() -> int:
    """Return a loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def plain_flask(threads: int) -> Iterator[Server]:
    """Serve plain Flask with the gateway's server and settings."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "--workers", "1", "--blocking-threads", str(threads)),
        *("--backpressure", "256", "--no-ws", "--host", "127.0.0.1", "--port", str(port), "bench.plain:factory"),
    ]
    with _running(command, port, dict(os.environ)) as server:
        yield server


@contextmanager
def gateway(settings: Mapping[str, str], port: int, *, workers: int = 1, jobs: bool = True) -> Iterator[Server]:
    """Serve the gateway of a filled database as `moongate serve` does; without `jobs` nobody does any."""
    command = [sys.executable, "-m", "gateway", "serve", "--port", str(port), "--workers", str(workers), *([] if jobs else ["--no-worker"])]
    with _running(command, port, {**os.environ, **settings}) as server:
        yield server


@contextmanager
def _running(command: list[str], port: int, environment: dict[str, str]) -> Iterator[Server]:
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        yield Server(f"localhost:{port}", port, process.pid)
    finally:
        process.terminate()
        process.wait()


def _wait(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the server does not listen")


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    direct = [int(child) for child in found]
    return direct + [deeper for child in direct for deeper in _children(child)]


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _megabytes(pid: int, kind: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) / 1024
    return 0.0
