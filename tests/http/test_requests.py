"""What the hallway tells the kitchen: the caller's address, and no more of a body than is wanted."""

import io

import pytest
from flask import Flask, request

from gateway.app import build_app
from gateway.domain.errors import Refusal
from gateway.http import requests
from gateway.services.house import House
from tests.conftest import settings_for


def address(app: Flask, peer: str, forwarded: str | None = None) -> str:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    with app.test_request_context(headers=headers, environ_base={"REMOTE_ADDR": peer}):
        return requests.client_address()


@pytest.fixture
def proxied(house: House) -> Flask:
    """A house that trusts proxies in 10.0.0.0/8."""
    trusting = settings_for(house.settings.home, MOONGATE_TRUSTED_PROXIES="10.0.0.0/8")
    return build_app(replace_settings(house, trusting))


def replace_settings(house: House, settings: object) -> House:
    values = {name: getattr(house, name) for name in house.__slots__}
    return House(**values | {"settings": settings})


def test_nobody_is_believed_about_the_address_unless_a_proxy_is_trusted(app: Flask) -> None:
    assert address(app, "203.0.113.9", "198.51.100.7") == "203.0.113.9"


@pytest.mark.parametrize(
    ("forwarded", "seen"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("192.0.2.1, 198.51.100.7", "198.51.100.7"),
        ("198.51.100.7, 10.0.0.9", "198.51.100.7"),
        ("garbage", "10.0.0.1"),
        ("", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_a_trusted_proxy_is_believed_from_the_right(proxied: Flask, forwarded: str, seen: str) -> None:
    assert address(proxied, "10.0.0.1", forwarded) == seen


def test_a_peer_that_is_no_trusted_proxy_is_not_believed(proxied: Flask) -> None:
    assert address(proxied, "203.0.113.9", "198.51.100.7") == "203.0.113.9"


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_beyond_the_limit_is_refused_whether_or_not_its_length_is_announced(app: Flask, announced: bool) -> None:
    body = io.BytesIO(b"x" * 11)
    length = {"CONTENT_LENGTH": "11"} if announced else {"wsgi.input_terminated": True}
    with app.test_request_context(method="POST", input_stream=body, environ_overrides=length), pytest.raises(Refusal) as refused:
        requests.read_body(request, 10)
    assert refused.value.code == "E_Body_Too_Large"


def test_a_body_within_the_limit_is_read_whole(app: Flask) -> None:
    with app.test_request_context(method="POST", data=b"0123456789"):
        assert requests.read_body(request, 10) == b"0123456789"
