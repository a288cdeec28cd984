"""Which tenant is this? By host and path among the stored issuers, and by nothing else (decisions.md 3, openid.md 84)."""

from collections.abc import Callable

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from gateway.domain.nodes import Node, NodeKind
from gateway.http import endpoints
from gateway.http.tenancy import find_current_node
from gateway.services import nodes
from gateway.services.context import Context
from gateway.services.nodes import NewNode

Ask = Callable[..., str]


@pytest.fixture
def far(context: Context, platform: Node) -> Node:
    return nodes.create_node(context, platform.id, NewNode("far", "Far", NodeKind.CUSTOMER, issuer="https://id.far.example"))


@pytest.fixture
def ask(app: Flask) -> Ask:
    """Ask for a page that tells which node it was found at, and the path below its issuer."""

    def where(_path: str = "") -> str:
        node = find_current_node()
        return f"{node.slug if node else '-'} {request.path}"

    app.add_url_rule("/where", "where", where)
    app.add_url_rule("/where/<path:_path>", "where_below", where)
    client: FlaskClient = app.test_client()

    def answer(base: str, path: str = "/where", **headers: str) -> str:
        answered = client.get(path, base_url=base, headers=headers)
        return answered.text if answered.status_code == 200 else str(answered.status_code)

    return answer


HERE = "http://localhost:8000"


def test_the_issuers_path_is_taken_off(ask: Ask, acme: Node) -> None:
    assert ask(HERE, "/t/acme/where") == "acme /where"
    assert ask(HERE, "/t/acme/where/t/globex") == "acme /where/t/globex"


def test_a_path_below_no_issuer_is_the_platforms(ask: Ask, acme: Node) -> None:
    assert ask(HERE, "/where") == "- /where"


@pytest.mark.parametrize("path", ["/t/nobody/where", "/t/acmex/where", "/t/ACME/where", "/t//acme/where"])
def test_a_path_of_no_issuer_is_not_found(ask: Ask, acme: Node, path: str) -> None:
    assert ask(HERE, path) == "404"


def test_an_issuer_on_a_host_of_its_own_has_the_whole_host(ask: Ask, far: Node) -> None:
    assert ask("https://id.far.example") == "far /where"
    assert ask("https://id.far.example:443") == "far /where"


def test_hosts_are_compared_without_regard_to_case(ask: Ask, far: Node) -> None:
    assert ask("https://ID.Far.Example") == "far /where"


@pytest.mark.parametrize("base", ["http://evil.example", "http://localhost", "http://localhost:8001", "https://far.example"])
def test_an_unknown_host_is_misdirected(ask: Ask, acme: Node, far: Node, base: str) -> None:
    assert ask(base, "/t/acme/where") == "421"


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "Forwarded", "X-Original-Host"])
def test_no_other_header_names_the_host(ask: Ask, acme: Node, far: Node, header: str) -> None:
    assert ask(HERE, "/t/acme/where", **{header: "id.far.example"}) == "acme /where"


def test_the_path_of_another_host_does_not_reach_an_issuer(ask: Ask, acme: Node, far: Node) -> None:
    assert ask("https://id.far.example", "/t/acme/where") == "404"


def test_whoever_asks_by_address_whether_we_live_is_answered(client: FlaskClient) -> None:
    assert client.get(endpoints.HEALTH, base_url="http://10.0.0.1:8000").status_code == 200


def test_urls_are_built_from_the_stored_issuer(acme: Node) -> None:
    assert endpoints.below(acme, endpoints.SIGN_IN, id="a b&c") == f"{HERE}/t/acme/sign-in?id=a+b%26c"
    assert endpoints.federation_callback("a/b?c") == "/federation/a%2Fb%3Fc/callback"


def test_every_request_has_a_correlation_id_of_its_own(client: FlaskClient) -> None:
    ids = {client.get(endpoints.HEALTH, base_url=HERE).headers["X-Correlation-Id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(len(item) == 32 for item in ids)
