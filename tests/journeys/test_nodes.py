"""Two servers with one database: whatever is changed through one holds at the other from its next request on."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.placed import Placed
from tests.journeys.processes import Gateway, free_port, serving
from tests.journeys.wanderer import CALLBACK, App, Wanderer, sign_in, unverified_header

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]

PASSWORD = "seven loud geese land softly"


@dataclass(frozen=True)
class World:
    """Two servers, an app and a person."""

    gateway: Gateway
    app: App
    ports: tuple[int, int]
    scim_base: str
    scim_token: str
    connection: str

    def browser(self, *ports: int) -> Wanderer:
        return Wanderer(ports or self.ports)

    def provision(self, port: int) -> int:
        """The status of a directory's request at a server."""
        return Wanderer([port]).ask("GET", f"{self.scim_base}/Users?count=1", Authorization=f"Bearer {self.scim_token}").status

    def userinfo(self, tokens: dict[str, Any], port: int) -> int:
        asked = f"{self.app.issuer}/oauth2/userinfo"
        return Wanderer([port]).ask("GET", asked, Authorization=f"Bearer {tokens['access_token']}").status

    def published(self, port: int) -> set[str]:
        """The ids of the keys that a server publishes."""
        return {key["kid"] for key in Wanderer([port]).ask("GET", f"{self.app.issuer}/oauth2/jwks").json()["keys"]}

    def signed_in(self) -> dict[str, Any]:
        """Tokens of a sign-in whose every request went to the other server than the one before."""
        browser = self.browser()
        return self.app.redeem(browser, sign_in(browser, self.app, "ann", PASSWORD))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    gateway = Placed(tmp_path, free_port())
    second = replace(gateway, port=free_port())
    gateway.run("platform", "init", "--admin-login", "admin", "--admin-email", "admin@moongate.example")
    acme = gateway.run("tenant", "create", "acme", "--name", "Acme Ltd", "--kind", "customer", "--private-outbound")
    app = gateway.run("client", "register", "--tenant", "acme", "--name", "App", "--roleless", "--redirect-uri", CALLBACK)
    gateway.run(
        *("user", "create", "--tenant", "acme", "--login", "ann", "--email", "ann@acme.example", "--given-name", "Ann"),
        *("--family-name", "Ex", "--password-stdin"),
        given=PASSWORD,
    )
    made = gateway.run("scim-connection", "create", "--tenant", "acme", "--name", "Directory")
    with ExitStack() as both:
        for server in (gateway, second):
            both.enter_context(serving(server, "--workers", "1"))
        its_app = App(acme["issuer"], app["client_id"], app["client_secret"])
        yield World(gateway, its_app, (gateway.port, second.port), made["base_url"], made["token"], made["id"])


def test_a_sign_in_may_meet_another_server_at_every_step(world: World) -> None:
    tokens = world.signed_in()
    assert [world.userinfo(tokens, port) for port in world.ports] == [200, 200]


def test_keys_turned_at_one_server_are_published_and_believed_at_the_other(world: World) -> None:
    here, there = world.ports
    tokens = world.signed_in()
    before = world.published(there)
    assert unverified_header(tokens["access_token"])["kid"] in before
    assert world.published(here) == before
    world.gateway.run("keys", "rotate", "--tenant", "acme")
    assert world.published(there) == world.published(here) > before
    assert world.userinfo(world.signed_in(), there) == 200


def test_a_tenant_switched_off_is_off_at_the_next_request_of_every_server(world: World) -> None:
    tokens = world.signed_in()
    assert [world.provision(port) for port in world.ports] == [200, 200]
    world.gateway.run("tenant", "disable", "acme")
    assert [world.userinfo(tokens, port) for port in world.ports] == [401, 401]
    assert {world.provision(port) for port in world.ports} <= {401, 403}
    world.gateway.run("tenant", "enable", "acme")
    assert [world.userinfo(tokens, port) for port in world.ports] == [401, 401]
    assert [world.provision(port) for port in world.ports] == [200, 200]


def test_a_session_that_was_ended_is_over_at_every_server(world: World) -> None:
    here, there = world.ports
    browser = world.browser()
    tokens = world.app.redeem(browser, sign_in(browser, world.app, "ann", PASSWORD))
    for port in world.ports:
        kept = Wanderer([port], cookies=dict(browser.cookies))
        assert kept.follow(world.app.request)[0].startswith(CALLBACK)
    world.gateway.run("session", "end", "--tenant", "acme", "ann")
    assert [world.userinfo(tokens, port) for port in (here, there)] == [401, 401]
    for port in world.ports:
        landed, page = Wanderer([port], cookies=dict(browser.cookies)).follow(world.app.request)
        assert "/sign-in" in landed
        assert b'name="login"' in page.body


def test_a_token_of_a_directory_is_dead_at_every_server_once_revoked(world: World) -> None:
    assert [world.provision(port) for port in world.ports] == [200, 200]
    token = world.gateway.run("scim-connection", "show", "--tenant", "acme", world.connection)["tokens"][0]["id"]
    world.gateway.run("scim-connection", "revoke-token", "--tenant", "acme", world.connection, token)
    assert [world.provision(port) for port in world.ports] == [401, 401]


def test_a_provider_switched_on_or_off_is_so_at_every_server(world: World) -> None:
    def offered() -> list[bool]:
        """Whether each server offers the provider to somebody who typed a name."""
        found = []
        for port in world.ports:
            browser = Wanderer([port])
            url, page = browser.follow(world.app.request)
            _, page = browser.submit(url, page, "/sign-in", login="ann")
            found.append(b'data-idp="corp"' in page.body)
        return found

    assert offered() == [False, False]
    # Another tenant plays the provider.
    globex = world.gateway.run("tenant", "create", "globex", "--name", "Globex", "--kind", "customer")
    added = ("--issuer", globex["issuer"], "--client-id", "moongate", "--client-secret-stdin", "--activate")
    world.gateway.run("idp", "add", "--tenant", "acme", "corp", *added, given="an upstream secret of sufficient length")
    assert offered() == [True, True]
    world.gateway.run("idp", "deactivate", "--tenant", "acme", "corp")
    assert offered() == [False, False]


def test_a_policy_holds_at_every_server_at_once(world: World) -> None:
    assert world.signed_in()["expires_in"] == 300
    world.gateway.run("tenant", "set", "acme", "--policy", "access_token=120")
    browser = world.browser()
    landed = sign_in(browser, world.app, "ann", PASSWORD)
    assert world.app.redeem(browser, landed, port=world.ports[1])["expires_in"] == 120
