"""A provider tells us that somebody signed out there (openid.md 87)."""

from typing import Any

import pytest
from werkzeug.test import TestResponse

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.services.context import Context
from gateway.services.house import House
from gateway.storage import sessions
from tests.conftest import Clock
from tests.federation.upstream.conftest import HOST, Browser, add_idp
from tests.federation.upstream.provider import CLIENT_ID, SUBJECT
from tests.tokens.forge import ForgeKey, forge

SECONDS = 1_790_000_000
EVENT = "http://schemas.openid.net/event/backchannel-logout"


def logout_token(browser: Browser, header: dict[str, object] | None = None, key: ForgeKey | None = None, **changes: Any) -> str:
    claims: dict[str, Any] = {
        "iss": browser.outside.issuer,
        "aud": CLIENT_ID,
        "sub": SUBJECT,
        "sid": "session-there",
        "iat": SECONDS,
        "exp": SECONDS + 120,
        "jti": "logout-1",
        "events": {EVENT: {}},
    }
    kept = {name: value for name, value in (claims | changes).items() if value is not None}
    return forge(kept, key or browser.outside.key, header={"typ": "logout+jwt"} | (header or {}))


def tell(browser: Browser, token: str, key: str = "corp") -> TestResponse:
    url = f"{browser.node.issuer}/federation/{key}/backchannel-logout"
    return browser.client.post(url, base_url=HOST, data={"logout_token": token})


def alive(browser: Browser, person: Account) -> int:
    return len(sessions.list_sessions(browser.house.database, person.id))


def test_who_signed_out_there_is_out_here(browser: Browser, person: Account) -> None:
    browser.sign_in()
    assert alive(browser, person) == 1
    response = tell(browser, logout_token(browser))
    assert (response.status_code, response.data, response.headers["Cache-Control"]) == (200, b"", "no-store")
    assert alive(browser, person) == 0


@pytest.mark.parametrize(
    ("changes", "header"),
    [
        ({"iss": "https://evil.example"}, {}),
        ({"aud": "another"}, {}),
        ({"events": None}, {}),
        ({"events": {"http://schemas.openid.net/event/another": {}}}, {}),
        ({"nonce": "n"}, {}),
        ({"iat": SECONDS - 361}, {}),
        ({"exp": SECONDS - 61}, {}),
        ({"jti": None}, {}),
        ({"sub": None}, {}),
        ({"sub": None, "sid": None}, {}),
        ({}, {"alg": "none"}),
        ({}, {"alg": "HS256"}),
        ({}, {"typ": "at+jwt"}),
        ({}, {"kid": "unknown"}),
    ],
)
def test_a_token_that_is_not_as_it_must_be_ends_nothing(
    browser: Browser, person: Account, changes: dict[str, Any], header: dict[str, object]
) -> None:
    browser.sign_in()
    response = tell(browser, logout_token(browser, header, **changes))
    assert response.status_code == 400
    assert response.get_json()["error"] == "invalid_request"
    assert alive(browser, person) == 1


def test_a_token_signed_by_somebody_else_ends_nothing(browser: Browser, person: Account, other_rsa_key: ForgeKey) -> None:
    browser.sign_in()
    assert tell(browser, logout_token(browser, {"kid": "rsa-1"}, other_rsa_key)).status_code == 400
    assert tell(browser, "").status_code == 400
    assert alive(browser, person) == 1


def test_an_id_token_is_no_logout_token(browser: Browser, person: Account) -> None:
    browser.sign_in()
    assert tell(browser, browser.outside.id_token("n")).status_code == 400
    assert alive(browser, person) == 1


def test_a_token_serves_once(browser: Browser, person: Account, clock: Clock) -> None:
    token = logout_token(browser)
    assert tell(browser, token).status_code == 200
    browser.sign_in()
    clock.advance(seconds=100)
    assert tell(browser, token).status_code == 400
    assert alive(browser, person) == 1
    assert tell(browser, logout_token(browser, jti="logout-2")).status_code == 200
    assert alive(browser, person) == 0


def test_a_stranger_is_answered_like_anybody(browser: Browser) -> None:
    assert tell(browser, logout_token(browser, sub="stranger")).status_code == 200


def test_sessions_that_rest_on_another_provider_stay(browser: Browser, house: House, context: Context, person: Account) -> None:
    add_idp(house, context, browser.node, browser.outside, key="other")
    browser.sign_in()
    attempt = browser.begin()
    browser.come_back(browser.outside.authorize(browser.start(attempt, "other")))
    assert alive(browser, person) == 2
    assert tell(browser, logout_token(browser)).status_code == 200
    assert alive(browser, person) == 1
    assert tell(browser, logout_token(browser), key="other").status_code == 200
    assert alive(browser, person) == 0


def test_the_provider_of_another_node_is_unknown_here(browser: Browser, globex: Node) -> None:
    url = f"{globex.issuer}/federation/corp/backchannel-logout"
    assert browser.client.post(url, base_url=HOST, data={"logout_token": logout_token(browser)}).status_code == 400
