"""Behind TLS: the nginx configuration that we ship, in front of two servers, as people, apps and directories meet it."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.journeys.front import Front, fronting, made
from tests.journeys.processes import Gateway, call, free_port, serving
from tests.journeys.wanderer import CALLBACK, App, Wanderer, sign_in, unverified_header

pytestmark = [pytest.mark.journey, pytest.mark.verify, pytest.mark.timeout(240)]

PASSWORD = "seven loud geese land softly"


@dataclass(frozen=True)
class Fronted(Gateway):
    """A gateway behind a proxy."""

    public: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"MOONGATE_PUBLIC_URL": self.public, "MOONGATE_TRUSTED_PROXIES": "127.0.0.1/32"}


@dataclass(frozen=True)
class World:
    """nginx, two servers behind it, an app and a person."""

    front: Front
    gateway: Gateway
    servers: "tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]"
    app: App

    def browser(self) -> Wanderer:
        return Wanderer([self.front.port], tls=self.front.tls())


def trail(gateway: Gateway) -> str:
    """The audit trail as the command line prints it."""
    listed = [sys.executable, "-m", "gateway", "audit", "list", "--tenant", "acme", "--json"]
    return subprocess.run(listed, env=gateway.environment, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    front = made(tmp_path / "front")
    first, second = (Fronted(tmp_path, free_port(), front.url) for _ in range(2))
    first.run("platform", "init", "--admin-login", "admin", "--admin-email", "admin@moongate.example")
    acme = first.run("tenant", "create", "acme", "--name", "Acme Ltd", "--kind", "customer")
    app = first.run("client", "register", "--tenant", "acme", "--name", "App", "--roleless", "--redirect-uri", CALLBACK)
    first.run(
        *("user", "create", "--tenant", "acme", "--login", "ann", "--email", "ann@acme.example", "--given-name", "Ann"),
        *("--family-name", "Ex", "--password-stdin"),
        given=PASSWORD,
    )
    with ExitStack() as all_of_it:
        servers = tuple(all_of_it.enter_context(serving(server, "--workers", "1")) for server in (first, second))
        all_of_it.enter_context(fronting(front, first.port, second.port))
        yield World(front, first, (servers[0], servers[1]), App(acme["issuer"], app["client_id"], app["client_secret"]))


def test_a_person_signs_in_with_cookies_that_no_other_host_can_set(world: World) -> None:
    browser = world.browser()
    tokens = world.app.redeem(browser, sign_in(browser, world.app, "ann", PASSWORD))
    assert world.app.issuer == f"{world.front.url}/t/acme"
    assert browser.ask("GET", f"{world.app.issuer}/.well-known/openid-configuration").json()["issuer"] == world.app.issuer
    assert unverified_header(tokens["id_token"])["kid"]
    userinfo = browser.ask("GET", f"{world.app.issuer}/oauth2/userinfo", Authorization=f"Bearer {tokens['access_token']}")
    assert userinfo.json()["email"] == "ann@acme.example"
    assert browser.set_cookies
    for cookie in browser.set_cookies:
        assert cookie.startswith("__Host-"), cookie
        assert {"secure", "httponly", "path=/"} <= {part.strip().lower() for part in cookie.split(";")}, cookie


def test_the_trail_names_the_caller_that_nginx_saw_and_not_the_one_it_claims_to_be(world: World) -> None:
    browser = world.browser()
    browser.source = "127.0.0.9"
    browser.ask("GET", world.app.request, X_Forwarded_For="203.0.113.5", Forwarded="for=203.0.113.6")
    sign_in(browser, world.app, "ann", PASSWORD)
    addresses = set(re.findall(r'"address": "([^"]+)"', trail(world.gateway)))
    assert "127.0.0.9" in addresses
    assert not {address for address in addresses if address.startswith("203.")}


def test_a_tenant_with_a_name_of_its_own_is_reached_by_it_and_an_unknown_name_by_nobody(world: World) -> None:
    issuer = f"https://globex.id.example.com:{world.front.port}"
    world.gateway.run("tenant", "create", "globex", "--name", "Globex", "--kind", "customer", "--issuer", issuer)
    browser = world.browser()
    assert browser.ask("GET", f"{issuer}/.well-known/openid-configuration").json()["issuer"] == issuer
    assert browser.ask("GET", f"https://nobody.id.example.com:{world.front.port}/.well-known/openid-configuration").status == 421


def test_what_comes_in_plain_is_sent_to_tls_and_what_is_too_large_stays_outside(world: World) -> None:
    plain = call("GET", f"http://localhost:{world.front.plain_port}/t/acme/oauth2/authorize?x=1")
    assert (plain.status, plain.headers["Location"]) == (301, "https://localhost/t/acme/oauth2/authorize?x=1")
    large = world.browser().ask("POST", f"{world.app.issuer}/oauth2/token", form={"code": "x" * 1_100_000})
    assert large.status == 413
    secure = world.browser().ask("GET", f"{world.app.issuer}/.well-known/openid-configuration")
    assert secure.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    assert "nginx/" not in secure.headers["Server"]


def test_browsers_get_http_2(world: World) -> None:
    with (
        socket.create_connection(("127.0.0.1", world.front.port), timeout=10) as connection,
        world.front.tls("h2", "http/1.1").wrap_socket(connection, server_hostname="localhost") as secured,
    ):
        assert secured.selected_alpn_protocol() == "h2"
        assert secured.version() == "TLSv1.3"


def test_one_server_ends_and_the_other_is_renewed_and_nobody_gets_an_error(world: World) -> None:
    first, second = world.servers
    browser = world.browser()

    def ask(times: int) -> list[int]:
        """Statuses of requests that may be done twice, and of those that may not."""
        return [
            status
            for _ in range(times)
            for status in (
                browser.ask("GET", f"{world.app.issuer}/.well-known/openid-configuration").status,
                browser.ask("POST", f"{world.app.issuer}/oauth2/token", form={"grant_type": "none"}).status,
            )
        ]

    usual = set(ask(5))
    os.kill(first.pid, signal.SIGTERM)
    while first.poll() is None:
        assert set(ask(5)) == usual
    before = Path(f"/proc/{second.pid}/task/{second.pid}/children").read_text().split()
    os.kill(second.pid, signal.SIGHUP)
    while set(before) & set(Path(f"/proc/{second.pid}/task/{second.pid}/children").read_text().split()):
        assert set(ask(5)) == usual
    assert set(ask(5)) == usual
