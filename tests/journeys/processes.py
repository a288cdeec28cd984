"""The processes of a journey: the gateway under its production server, and counterparts that share no line with it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
IAM_PYTHON = ROOT / ".venv-iam/bin/python"
_PATIENCE_SECONDS = 30


def free_port() -> int:
    """A loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


def call(method: str, url: str, *, token: str = "", body: object = None) -> Answer:
    """Call a server as any client does; redirects are not followed."""
    headers = {"Content-Type": "application/scim+json"} if body is not None else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, method=method, headers=headers, data=data)  # noqa: S310 -- our own loopback URLs
    try:
        with urllib.request.build_opener(_NoRedirect).open(asked, timeout=_PATIENCE_SECONDS) as answer:
            return Answer(answer.status, dict(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, dict(error.headers), error.read())


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        return None


@dataclass(frozen=True)
class Gateway:
    """A gateway with a home of its own; `run` is its command line."""

    home: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MOONGATE_")}
        return kept | {
            "MOONGATE_HOME": str(self.home),
            "MOONGATE_PUBLIC_URL": self.url,
            "MOONGATE_OUTBOUND_ALLOW": "127.0.0.0/8,::1/128",
        }

    def run(self, *words: str, given: str = "") -> dict[str, Any]:
        """Run a command with --json and return its document."""
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *words, "--json"],
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, f"moongate {' '.join(words)}: {done.stderr}{done.stdout}"
        return dict(json.loads(done.stdout))


@contextmanager
def serving(gateway: Gateway, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Serve a gateway until the end; whatever it logs stands in its home."""
    with (gateway.home / "server.log").open("ab") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", "--port", str(gateway.port), *options],
            env=gateway.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for(lambda: _answers(f"{gateway.url}/readyz"), (gateway.home / "server.log").read_text)
        yield server
    finally:
        end(server)


@contextmanager
def counterpart(script: str, settings: Mapping[str, object]) -> Iterator[None]:
    """Run a counterpart of the journeys, in its own environment, until the end."""
    process = subprocess.Popen(
        [str(IAM_PYTHON), str(Path(__file__).parent / "iam" / script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    try:
        process.stdin.write(json.dumps(settings))
        process.stdin.close()
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        yield
    finally:
        end(process)
        process.stdout.close()
        process.stderr.close()


@contextmanager
def mailbox(received: Path) -> Iterator[str]:
    """Run a mail server as a process and return its URL."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.journeys.mailbox", str(received)], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert server.stdout is not None
    try:
        yield f"smtp://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        end(server)
        server.stdout.close()


def end(process: "subprocess.Popen[Any]") -> None:
    """End a process with all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(condition: Callable[[], object], told: Callable[[], str] = str) -> None:
    """Wait until a condition of another process holds."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, told()
        time.sleep(0.02)


def _answers(url: str) -> bool:
    try:
        return call("GET", url).status == 200
    except (urllib.error.URLError, ConnectionError):
        return False
