"""What every answer carries (openid.md 11), and where a page's forms may lead (decisions.md 28)."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gateway.domain.nodes import Node
from gateway.http import headers
from gateway.web.assets import asset

HERE = "http://localhost:8000"


@pytest.mark.parametrize("path", ["/t/acme/sign-in", "/help/errors/", "/nowhere"])
def test_every_page_is_framed_by_nobody_kept_by_nobody_and_loads_nothing_from_elsewhere(client: FlaskClient, acme: Node, path: str) -> None:
    answer = client.get(path, base_url=HERE)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "<script" not in answer.text
    assert " style=" not in answer.text


def test_a_static_file_named_by_its_content_is_kept_for_good(client: FlaskClient) -> None:
    with client.get(asset("moongate.css"), base_url=HERE) as answer:
        assert (answer.status_code, answer.mimetype) == (200, "text/css")
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    with client.get("/static/moongate.css", base_url=HERE) as answer:
        assert answer.headers["Cache-Control"] == "no-cache"


def test_a_missing_static_file_is_not_kept(client: FlaskClient) -> None:
    answer = client.get("/static/nothing.css?v=1", base_url=HERE)
    assert answer.status_code == 404
    assert "immutable" not in answer.headers["Cache-Control"]


def form_action(app: Flask, url: str) -> str:
    """Where the forms of a page may lead that names the origin of `url`."""

    def view() -> str:
        headers.allow_form_to(url)
        return "page"

    app.add_url_rule("/page", "page", view)
    policy = app.test_client().get("/page", base_url=HERE).headers["Content-Security-Policy"]
    return next(part.strip() for part in policy.split(";") if part.strip().startswith("form-action"))


@pytest.mark.parametrize(
    ("url", "origin"),
    [("https://app.example:8443/cb?x=1", "https://app.example:8443"), ("com.example.app:/callback", "com.example.app:")],
)
def test_a_page_may_name_the_one_origin_its_form_leads_to(app: Flask, url: str, origin: str) -> None:
    assert form_action(app, url) == f"form-action 'self' {origin}"


@pytest.mark.parametrize("url", ["https://app.example;script-src *", "https://a b/", "https://x'/", "//evil", ""])
def test_no_url_can_add_to_the_policy(app: Flask, url: str) -> None:
    assert form_action(app, url) == "form-action 'self'"
