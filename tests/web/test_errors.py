"""Refusals outside of a sign-in: a page for people, a problem document for programs, and never what went on inside."""

import io
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.services import nodes
from gateway.storage.database import DatabaseUnavailable

HERE = "http://localhost:8000"


@pytest.fixture
def faulty(app: Flask) -> FlaskClient:
    """A caller of an app with a path for each kind of fault."""
    app.testing = False

    def bug() -> str:
        message = "secret thing at /etc/moongate"
        raise ValueError(message)

    def refused() -> str:
        raise Refusal("E_No_User", data={"criterion": "custom login", "value": "<b>x</b>"}, reason="only for the log")

    def secret() -> str:
        raise Refusal("E_Federated_Only", reason="only for the log")

    def down() -> str:
        message = "disk I/O error"
        raise DatabaseUnavailable(message)

    for name, view in {"bug": bug, "refused": refused, "secret": secret, "down": down}.items():
        app.add_url_rule(f"/faulty/{name}", name, view)
    return app.test_client()


def test_a_bug_is_answered_with_a_neutral_page_and_the_correlation_id(faulty: FlaskClient) -> None:
    answer = faulty.get("/faulty/bug", base_url=HERE)
    assert answer.status_code == 500
    assert "E_Internal" in answer.text
    assert re.findall(r"<code data-correlation>(\w+)</code>", answer.text) == [answer.headers["X-Correlation-Id"]]
    for inside in ("Traceback", "ValueError", "secret thing", "/etc/moongate"):
        assert inside not in answer.text


def test_a_database_that_cannot_serve_is_answered_503_and_when_to_come_again(faulty: FlaskClient) -> None:
    answer = faulty.get("/faulty/down", base_url=HERE)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "E_Unavailable" in answer.text
    assert "disk" not in answer.text


def test_a_refusal_is_shown_escaped_and_without_its_reason(faulty: FlaskClient) -> None:
    answer = faulty.get("/faulty/refused", base_url=HERE)
    assert answer.status_code == 403
    assert '<code data-error="E_No_User">E_No_User</code>' in answer.text
    assert "&lt;b&gt;x&lt;/b&gt;" in answer.text
    assert "only for the log" not in answer.text


def test_a_code_that_nobody_may_learn_is_shown_as_the_neutral_one(faulty: FlaskClient) -> None:
    for accept in ("text/html", "application/json"):
        answer = faulty.get("/faulty/secret", base_url=HERE, headers={"Accept": accept})
        assert (answer.status_code, "E_Invalid_Credentials" in answer.text, "E_Federated_Only" in answer.text) == (401, True, False)


@pytest.mark.parametrize("accept", ["application/json", "application/problem+json"])
def test_a_program_gets_a_problem_document(faulty: FlaskClient, accept: str) -> None:
    answer = faulty.get("/faulty/refused", base_url=HERE, headers={"Accept": accept})
    assert (answer.status_code, answer.mimetype) == (403, "application/problem+json")
    document = answer.get_json(force=True)
    assert (document["code"], document["status"], document["title"]) == ("E_No_User", 403, "No account here")
    assert document["type"] == f"{HERE}/help/errors/E_No_User"
    assert document["correlation_id"] == answer.headers["X-Correlation-Id"]


def test_who_takes_anything_gets_the_page(faulty: FlaskClient) -> None:
    answer = faulty.get("/faulty/refused", base_url=HERE, headers={"Accept": "*/*"})
    assert answer.mimetype == "text/html"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "E_Not_Found"),
        ("DELETE", "/sign-in", 405, "E_Method_Not_Allowed"),
        ("GET", "/t/acme/nowhere", 404, "E_Not_Found"),
    ],
)
def test_what_the_framework_refuses_has_a_code_as_well(
    client: FlaskClient, acme: Node, method: str, path: str, status: int, code: str
) -> None:
    answer = client.open(path, method=method, base_url=HERE)
    assert (answer.status_code, code in answer.text) == (status, True)


def test_a_method_that_is_not_allowed_is_told_which_are(client: FlaskClient, acme: Node) -> None:
    answer = client.delete("/t/acme/sign-in", base_url=HERE)
    assert set(answer.headers["Allow"].split(", ")) >= {"GET", "POST"}


def test_an_unknown_host_gets_421(client: FlaskClient, acme: Node) -> None:
    answer = client.get("/t/acme/sign-in", base_url="http://evil.example")
    assert (answer.status_code, "E_Host_Unknown" in answer.text) == (421, True)


def test_a_form_that_is_too_large_is_refused_unread(client: FlaskClient, acme: Node) -> None:
    answer = client.post("/t/acme/sign-in", base_url=HERE, data={"login": "x" * 100_000})
    assert (answer.status_code, "E_Body_Too_Large" in answer.text) == (413, True)


def test_an_error_page_carries_the_name_of_its_organisation(client: FlaskClient, acme: Node) -> None:
    assert "Acme Ltd" in client.get("/t/acme/nowhere", base_url=HERE).text
    assert "Moongate" in client.get("/nowhere", base_url=HERE).text


@pytest.mark.parametrize("path", ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke", "/oauth2/userinfo", "/oauth2/jwks"])
def test_a_program_gets_no_page_where_not_even_the_tenant_can_be_looked_for(
    client: FlaskClient, acme: Node, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def down(*_: object) -> None:
        raise DatabaseUnavailable("disk I/O error")

    monkeypatch.setattr(nodes, "find_issuer", down)
    answer = client.post(f"/t/acme{path}", base_url=HERE)
    assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")


class Counted(io.BytesIO):
    """A body that counts what is read of it."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


HEAD = b'--x\r\nContent-Disposition: form-data; name="id"\r\n\r\n'


@pytest.mark.parametrize("length", ["10000000", ""], ids=["told", "in chunks"])
def test_no_door_reads_a_form_without_end(app: Flask, client: FlaskClient, acme: Node, length: str) -> None:
    rules = {rule.rule.replace("<key>", "corp") for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    assert "/sign-in/again" in rules
    for rule in sorted(rule for rule in rules if "<" not in rule):
        body = Counted(HEAD + b"x" * 10_000_000 + b"\r\n--x--\r\n")
        chunked = {"wsgi.input_terminated": True, "CONTENT_LENGTH": length}
        url = f"/t/acme{rule}"
        client.post(url, base_url=HERE, input_stream=body, content_type="multipart/form-data; boundary=x", environ_overrides=chunked)
        assert body.taken < 200_000, rule
