"""The house as tests open it: real SQLite, a clock that stands until it is moved, seeded randomness, and no way to the outside."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask import Flask
from flask.testing import FlaskClient

from gateway.app import build_app
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.ports import Reply, Unreachable
from gateway.domain.values import Instant
from gateway.services import nodes
from gateway.services.context import Context
from gateway.services.house import OPERATOR, House
from gateway.services.nodes import NewNode
from gateway.settings import Settings
from gateway.wiring import open_house
from tests import databases
from tests.databases import Databases, Files
from tests.tokens.forge import ForgeKey

START = Instant(1_790_000_000_000)
"""2026-09-21T14:13:20Z: when every test begins."""


@dataclass
class Clock:
    """Stands still until a test moves it."""

    now: Instant = START

    def __call__(self) -> Instant:
        return self.now

    def advance(self, *, seconds: float = 0, milliseconds: int = 0) -> None:
        self.now = Instant(self.now + int(seconds * 1000) + milliseconds)


class NoOutside:
    """An HttpFetcher that reaches nobody."""

    def get_json(self, url: str, *, private_outbound: bool, bearer: str | None = None) -> Mapping[str, object]:
        raise Unreachable(f"tests have no outside: {url}")

    def post_form(self, url: str, form: Mapping[str, str], *, private_outbound: bool, auth: tuple[str, str] | None = None) -> Reply:
        raise Unreachable(f"tests have no outside: {url}")


def settings_for(home: Path, **variables: str) -> Settings:
    """The settings of a test in a folder of its own."""
    given = {"MOONGATE_HOME": str(home), "MOONGATE_SECRET_KEYS": "k" * 64}
    if databases.POSTGRES:
        given["MOONGATE_DATABASE_URL"] = variables.get("MOONGATE_DATABASE_URL") or databases.server().new(home)
    return Settings.from_env(given | variables)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about the other engine."""
    other = "sqlite" if databases.POSTGRES else "postgresql"
    left_out = [item for item in items if item.get_closest_marker(other)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker(other)]


def pytest_unconfigure() -> None:
    """End the server that the tests had."""
    databases.end()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Databases:
    """Where databases with every migration and nothing else come from."""
    if databases.POSTGRES:
        return databases.server()
    home = tmp_path_factory.mktemp("migrated")
    house = open_house(settings_for(home), clock=lambda: START, entropy=random.Random(0).randbytes)
    house.database.script("PRAGMA wal_checkpoint(TRUNCATE)")
    house.database.close()
    return Files(home / "moongate.db")


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    yield settings_for(tmp_path)
    if databases.POSTGRES:
        databases.server().drop(tmp_path)


@pytest.fixture
def house(settings: Settings, stock: Databases, clock: Clock) -> Iterator[House]:
    stock.new(settings.home)
    opened = open_house(settings, clock=clock, entropy=random.Random(1).randbytes, fetcher=NoOutside())
    yield opened
    opened.database.close()


@pytest.fixture
def empty_url(tmp_path: Path) -> str:
    """The URL of a database in which nothing is."""
    if not databases.POSTGRES:
        return f"sqlite:///{tmp_path}/empty.db"
    server = databases.server()
    return server.url(server.create())


@pytest.fixture
def context(house: House) -> Context:
    """An act of the operator."""
    return house.context(OPERATOR)


@pytest.fixture
def app(house: House) -> Flask:
    built = build_app(house)
    built.testing = True
    return built


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser, or any other caller, at http://localhost:8000."""
    return app.test_client()


@pytest.fixture
def platform(context: Context) -> Node:
    return nodes.create_platform(context, "Platform")


@pytest.fixture
def acme(context: Context, platform: Node) -> Node:
    """A customer; its issuer is http://localhost:8000/t/acme."""
    return nodes.create_node(context, platform.id, NewNode("acme", "Acme Ltd", NodeKind.CUSTOMER))


@pytest.fixture
def globex(context: Context, platform: Node) -> Node:
    """Another customer, for whatever must not cross."""
    return nodes.create_node(context, platform.id, NewNode("globex", "Globex", NodeKind.CUSTOMER))


@pytest.fixture(scope="session")
def rsa_key() -> ForgeKey:
    """A key of somebody whose tokens we are to believe; made once, because an RSA key takes a tenth of a second."""
    return ForgeKey("rsa-1", "RS256", rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="session")
def other_rsa_key() -> ForgeKey:
    return ForgeKey("rsa-2", "RS256", rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="session")
def ec_key() -> ForgeKey:
    return ForgeKey("ec-1", "ES256", ec.generate_private_key(ec.SECP256R1()))
