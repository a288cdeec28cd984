"""One line in the log for every request, by the template of its route; and a count of it."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gateway import logs
from gateway.app import build_app
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.http import journal
from gateway.metrics import figures, sums
from gateway.metrics.ledger import LEDGER
from gateway.services import connections
from gateway.services.connections import NewConnection
from gateway.services.context import Context
from gateway.services.house import House
from tests.conftest import settings_for

HERE = "http://localhost:8000"
FROM_PROXY = {"X-Request-ID": "proxy-0001", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The log is as it was afterwards, and nothing was counted yet."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    LEDGER.forget()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    LEDGER.forget()


class Log:
    """What was written so far."""

    def __init__(self, log_format: str = "json") -> None:
        self._stream = io.StringIO()
        self._lines = logs.configure(log_format, self._stream)

    @property
    def text(self) -> str:
        self._lines.flush()
        return self._stream.getvalue()

    @property
    def requests(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.text.splitlines()]
        return [line for line in lines if line["logger"] == "gateway.requests"]


def test_a_request_leaves_one_line_with_the_template_of_its_route(client: FlaskClient, acme: Node) -> None:
    log = Log()
    answer = client.get("/t/acme/sign-in?id=a-secret-of-somebody", base_url=HERE)
    [line] = log.requests
    assert (line["method"], line["route"], line["status"], line["door"]) == ("GET", "/sign-in", answer.status_code, "sign_in")
    assert line["tenant"] == "acme"
    assert line["correlation_id"] == answer.headers["X-Correlation-Id"]
    assert line["ms"] > 0
    assert "secret" not in log.text


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "Users/7d1", "Users/<id>"),
        ("PATCH", "Groups/7d1", "Groups/<id>"),
        ("GET", "Users", "Users"),
        ("POST", "Users/.search", "Users/.search"),
        ("POST", ".search", ".search"),
        ("GET", "", ""),
        ("GET", "Schemas/urn:x", "Schemas"),
        ("GET", "ServiceProviderConfig", "ServiceProviderConfig"),
        ("GET", "ResourceTypes", "ResourceTypes"),
        ("GET", "Bulk", "<unsupported>"),
        ("GET", "Users/a/b/c", "<unknown>"),
    ],
)
def test_scim_in_front_of_flask_leaves_a_line_too(client: FlaskClient, acme: Node, method: str, path: str, route: str) -> None:
    log = Log()
    client.open(f"/t/acme/scim/v2/{path}", method=method, base_url=HERE)
    [line] = log.requests
    assert (line["method"], line["route"], line["status"], line["door"]) == (method, f"/scim/v2/{route}", 401, "scim")
    assert (line["code"], line["tenant"]) == ("E_Token_Missing", "acme")


def test_what_matches_no_route_is_not_told_apart(client: FlaskClient, acme: Node) -> None:
    log = Log()
    for path in ("/t/acme/reset/mgr_secret", "/nowhere", "/t/acme/sign-in/password/"):
        client.open(path, method="BREW", base_url=HERE)
    assert [(line["method"], line["route"], line["code"]) for line in log.requests] == [
        ("OTHER", "unknown", "E_Not_Found"),
        ("OTHER", "unknown", "E_Not_Found"),
        ("OTHER", "unknown", "E_Method_Not_Allowed"),
    ]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nowhere", "E_Not_Found"),
        ("GET", "/t/acme/sign-in", "E_State_Invalid"),
        ("GET", "/t/acme/federation/none/callback?state=x", "E_State_Invalid"),
        ("GET", "/t/acme/federation/none/start?id=x", "E_State_Invalid"),
        ("POST", "/t/acme/federation/none/backchannel-logout", "E_Idp_Unknown"),
        ("GET", "/t/acme/oauth2/authorize?client_id=x", "E_Client_Unknown"),
        ("POST", "/t/acme/oauth2/token", "invalid_request"),
        ("GET", "/t/acme/oauth2/userinfo", "no_token"),
        ("GET", "/scim/v2/Users", "E_Not_Found"),
        ("GET", "/t/acme/scim/v2/Users", "E_Token_Missing"),
    ],
)
def test_every_door_names_the_code_of_its_refusal(client: FlaskClient, acme: Node, method: str, path: str, code: str) -> None:
    log = Log()
    client.open(path, method=method, base_url=HERE)
    [line] = log.requests
    assert line["code"] == code


def test_an_unknown_host_is_told_with_its_code(client: FlaskClient) -> None:
    log = Log()
    client.get("/sign-in", base_url="http://evil.example")
    assert [(line["status"], line["code"]) for line in log.requests] == [(421, "E_Host_Unknown")]


def test_the_reason_of_a_refusal_stands_in_the_log_alone(client: FlaskClient, acme: Node) -> None:
    log = Log()
    answer = client.get("/t/acme/federation/none/callback?code=mgc_very_secret", base_url=HERE)
    [line] = log.requests
    assert line["reason"] == "no state"
    assert "no state" not in answer.text
    assert "secret" not in log.text


def test_what_somebody_sent_forges_no_line(client: FlaskClient, acme: Node) -> None:
    log = Log("text")
    client.get("/scim/v2/x%0a2026 INFO gateway.requests: forged", base_url=HERE)
    assert len(log.text.splitlines()) == 1


def test_a_fault_of_ours_is_an_error_and_named(app: Flask, client: FlaskClient) -> None:
    app.testing = False
    app.add_url_rule("/broken", view_func=break_down)
    log = Log()
    client.get("/broken", base_url=HERE)
    [line] = log.requests
    assert (line["level"], line["status"], line["code"], line["route"]) == ("error", 500, "E_Internal", "/broken")


def test_a_request_that_took_longer_than_a_second_is_a_warning(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_SLOW_US", 0)
    log = Log()
    client.get("/healthz", base_url=HERE)
    assert [line["level"] for line in log.requests] == ["warning"]


def test_each_request_is_counted_by_door_route_and_status(client: FlaskClient, acme: Node) -> None:
    for _ in range(3):
        client.get("/t/acme/scim/v2/Users/1", base_url=HERE)
    counted = {(series.family.name, series.labels): series.numbers for series in sums.collect()}
    assert counted["moongate_requests", ("scim", "GET", "/scim/v2/Users/<id>", "401")] == (3,)
    assert counted["moongate_refusals", ("scim", "E_Token_Missing")] == (3,)
    assert sum(counted["moongate_request_seconds", ("scim", "GET", "/scim/v2/Users/<id>")][:-1]) == 3


def test_scim_operations_are_counted_by_profile_operation_and_outcome(client: FlaskClient, context: Context, acme: Node) -> None:
    token = connections.create_connection(context, acme, NewConnection("Directory", profile="okta")).secret
    for method, path in (("GET", "Users"), ("GET", "Users/none"), ("BREW", "Users"), ("SPILL", "Users")):
        client.open(f"/t/acme/scim/v2/{path}", method=method, base_url=HERE, headers={"Authorization": f"Bearer {token}"})
    counted = {series.labels: series.numbers[0] for series in sums.collect() if series.family is figures.PROVISIONING}
    assert counted == {
        ("okta", "user.search", "done"): 1,
        ("okta", "user.read", "E_Resource_Not_Found"): 1,
        ("okta", "refused", "E_Method_Not_Allowed"): 2,
    }


class TestIdsOfProxies:
    """`X-Request-ID` and `traceparent` are believed of trusted proxies alone; our own id stays ours."""

    def line(self, house: House, headers: dict[str, str], *, trusted: str = "", peer: str = "127.0.0.1") -> dict[str, Any]:
        settings = settings_for(house.settings.home, MOONGATE_TRUSTED_PROXIES=trusted)
        app = Flask("app")
        app.wsgi_app = journal.Journal(app.wsgi_app, House(**{**fields_of(house), "settings": settings}))  # type: ignore[method-assign]  # Flask's documented way to wrap
        log = Log()
        app.test_client().get("/", headers=headers, environ_base={"REMOTE_ADDR": peer})
        return log.requests[0]

    def test_a_trusted_proxy_is_believed(self, house: House) -> None:
        line = self.line(house, FROM_PROXY, trusted="127.0.0.0/8")
        assert (line["request_id"], line["trace_id"]) == ("proxy-0001", "0af7651916cd43dd8448eb211c80319c")

    @pytest.mark.parametrize(("trusted", "peer"), [("", "127.0.0.1"), ("10.0.0.0/8", "127.0.0.1"), ("10.0.0.0/8", "nonsense")])
    def test_nobody_else_is(self, house: House, trusted: str, peer: str) -> None:
        assert not {"request_id", "trace_id"} & self.line(house, FROM_PROXY, trusted=trusted, peer=peer).keys()

    @pytest.mark.parametrize(
        "headers",
        [
            {"X-Request-ID": "short", "traceparent": "00-0af7651916cd43dd8448eb211c80319c"},
            {"X-Request-ID": 'quote"and space', "traceparent": "00-" + "0" * 32 + "-b7ad6b7169203331-01"},
            {"X-Request-ID": "x" * 129, "traceparent": "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
        ],
    )
    def test_what_is_not_well_formed_is_not_taken(self, house: House, headers: dict[str, str]) -> None:
        assert not {"request_id", "trace_id"} & self.line(house, headers, trusted="127.0.0.0/8").keys()

    def test_the_correlation_id_is_never_what_somebody_sent(self, house: House) -> None:
        settings = settings_for(house.settings.home, MOONGATE_TRUSTED_PROXIES="127.0.0.0/8")
        client = build_app(House(**{**fields_of(house), "settings": settings})).test_client()
        sent = {"X-Request-ID": "a" * 32, "X-Correlation-Id": "a" * 32}
        assert client.get("/healthz", headers=sent).headers["X-Correlation-Id"] != "a" * 32


def break_down() -> str:
    message = "a bug"
    raise ArithmeticError(message)


def fields_of(house: House) -> dict[str, Any]:
    return {name: getattr(house, name) for name in House.__dataclass_fields__}


def test_the_first_refusal_told_is_the_one_that_is_named() -> None:
    environ: dict[str, Any] = {}
    journal.tell_refusal(environ, Refusal("E_No_User", reason="nobody is called so"))
    journal.tell_refusal(environ, Refusal("E_Invalid_Credentials"))
    journal.tell_error(environ, "invalid_grant")
    assert [told.code for told in environ.values()] == ["E_No_User"]


def test_a_form_that_is_refused_unread_is_still_told_by_its_route(client: FlaskClient, acme: Node) -> None:
    log = Log()
    client.post("/t/acme/oauth2/authorize", data={"client_id": "x" * 70_000}, base_url=HERE)
    assert [(line["route"], line["code"]) for line in log.requests] == [("/oauth2/authorize", "E_Body_Too_Large")]
