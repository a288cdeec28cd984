"""The cookies of a browser (decisions.md 22, openid.md 80 to 84)."""

from dataclasses import replace

import pytest
from flask import Flask, Response
from werkzeug.http import parse_cookie

from gateway.domain.nodes import Node
from gateway.domain.values import SignInId, new_id
from gateway.http import cookies
from gateway.services.context import Context


def headers_of(response: Response) -> list[str]:
    return response.headers.getlist("Set-Cookie")


def name_of(header: str) -> str:
    return header.partition("=")[0]


@pytest.fixture
def secure(acme: Node) -> Node:
    return replace(acme, issuer="https://acme.id.example")


def set_session(app: Flask, node: Node, *, sent: str = "") -> list[str]:
    """The cookies that are set with a session, for a browser that sends these."""
    with app.test_request_context(headers={"Cookie": sent}):
        response = Response()
        cookies.set_session(response, node, "mgs_secret")
        return headers_of(response)


def test_a_session_cookie_on_https_is_bound_to_its_host_and_to_https(app: Flask, secure: Node) -> None:
    (header,) = set_session(app, secure)
    assert name_of(header) == f"__Host-mg-{secure.id}"
    parts = {part.strip().lower() for part in header.split(";")[1:]}
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= parts
    assert not any(part.startswith(("domain", "expires", "max-age")) for part in parts)


def test_a_session_cookie_on_plain_http_has_no_prefix_that_browsers_would_refuse(app: Flask, acme: Node) -> None:
    (header,) = set_session(app, acme)
    assert name_of(header) == f"mg-{acme.id}"
    assert "secure" not in header.lower()


def test_the_session_of_one_issuer_is_none_at_another(app: Flask, acme: Node, globex: Node) -> None:
    with app.test_request_context(headers={"Cookie": f"mg-{acme.id}=mgs_secret"}):
        assert cookies.session_secret(acme) == "mgs_secret"
        assert cookies.session_secret(globex) == ""


def test_on_https_only_the_cookie_with_the_prefix_counts(app: Flask, secure: Node) -> None:
    # A sibling host or plain http can set a cookie of the other name.
    with app.test_request_context(headers={"Cookie": f"mg-{secure.id}=planted; mg-t-x=planted"}):
        assert cookies.session_secret(secure) == ""
        assert cookies.sign_in_secret(secure, "x") == ""


def test_beyond_twenty_sessions_on_a_host_the_oldest_goes(app: Flask, acme: Node, context: Context) -> None:
    others = [f"mg-{new_id(context.entropy)}" for _ in range(20)]
    sent = "; ".join(f"{name}=x" for name in [*others, f"mg-t-{new_id(context.entropy)}", "mg-device", "theirs"])
    dropped, kept = set_session(app, acme, sent=sent)
    assert name_of(dropped) == others[0]
    assert "Max-Age=0" in dropped
    assert name_of(kept) == f"mg-{acme.id}"


def test_a_session_that_is_renewed_drops_no_other(app: Flask, acme: Node, context: Context) -> None:
    others = [f"mg-{new_id(context.entropy)}" for _ in range(19)]
    assert len(set_session(app, acme, sent="; ".join(f"{name}=x" for name in [*others, f"mg-{acme.id}"]))) == 1


def test_at_most_ten_sign_ins_are_alive_in_a_browser(app: Flask, acme: Node, context: Context) -> None:
    others = [f"mg-t-{new_id(context.entropy)}" for _ in range(10)]
    with app.test_request_context(headers={"Cookie": "; ".join(f"{name}=x" for name in [*others, f"mg-{acme.id}"])}):
        response = Response()
        cookies.set_sign_in(response, acme, SignInId(new_id(context.entropy)), "mgt_secret")
    dropped, _ = headers_of(response)
    assert name_of(dropped) == others[0]


def test_each_sign_in_has_a_cookie_of_its_own(app: Flask, acme: Node) -> None:
    with app.test_request_context(headers={"Cookie": "mg-t-one=first; mg-t-two=second"}):
        assert [cookies.sign_in_secret(acme, name) for name in ("one", "two", "three")] == ["first", "second", ""]


def test_a_cleared_cookie_is_cleared_with_the_attributes_it_was_set_with(app: Flask, secure: Node) -> None:
    with app.test_request_context():
        response = Response()
        cookies.clear_session(response, secure)
        cookies.clear_sign_in(response, secure, "one")
    for header in headers_of(response):
        assert "Max-Age=0" in header
        assert "Secure" in header
        assert "Path=/" in header


def test_a_device_is_remembered_as_long_as_browsers_allow(app: Flask, secure: Node) -> None:
    with app.test_request_context():
        response = Response()
        cookies.set_device(response, secure, "mgd_secret")
    (header,) = headers_of(response)
    assert parse_cookie(header)["__Host-mg-device"] == "mgd_secret"
    assert f"Max-Age={400 * 86_400}" in header


def test_a_malformed_cookie_is_no_cookie(app: Flask, acme: Node) -> None:
    for sent in (f"mg-{acme.id}", f"mg-{acme.id}=", ";;;=", f'mg-{acme.id}="\\'):
        with app.test_request_context(headers={"Cookie": sent}):
            assert len(cookies.session_secret(acme)) <= 1
