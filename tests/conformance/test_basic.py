"""The basic certification plan (oidcc-basic-certification-test-plan), each module named as the suite names it, by query and by form post.

Every happy path goes through `finish`, which asserts what the suite asserts in each of them (openid.md section 4).
"""

import math
import re
from collections import Counter
from typing import Any

import pytest
from werkzeug.test import TestResponse

from gateway.domain.people import Account
from gateway.http import endpoints
from tests.conftest import Clock
from tests.federation.downstream.conftest import Register
from tests.federation.downstream.rp import CALLBACK, NONCE, STATE, Rp, answer_of, claims_of, header_of, sign_in_id_of

STANDARD_CLAIMS = {"name", "given_name", "family_name", "preferred_username", "email", "email_verified", "phone_number", "updated_at"}


@pytest.fixture(params=["query", "form_post"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def rp(shop: Rp, mode: str) -> Rp:
    """The suite as an app: it asks for its answers by one mode."""
    default = shop.request
    shop.request = lambda **changes: default(**{"response_mode": mode} | changes)  # type: ignore[method-assign]  # the mode of this run
    return shop


def answered(response: TestResponse, mode: str) -> dict[str, str]:
    """The answer as it reaches the callback; by form post nothing of it stands in a URL."""
    if mode == "query":
        return answer_of(response)
    assert response.status_code == 200
    assert f'<form method="post" action="{CALLBACK}"' in response.text
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', response.text))


def entropy(text: str) -> float:
    """Shannon's estimate in bits, as the suite computes it."""
    return len(text) * -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def finish(rp: Rp, answer: dict[str, str], clock: Clock, *, nonce: str | None = NONCE) -> tuple[dict[str, Any], dict[str, Any]]:
    """Take a good answer through the token endpoint; return the token answer and the ID token's claims."""
    assert answer["state"] == STATE
    assert answer["iss"] == rp.node.issuer
    assert entropy(answer["code"]) >= 96
    tokens = rp.tokens(rp.redeem(answer["code"]))
    for name in ("access_token", "refresh_token"):
        assert entropy(tokens[name]) >= 96
        assert re.fullmatch(r"[A-Za-z0-9\-._~+/]+=*", tokens[name])
    told = rp.id_token(tokens, nonce=nonce)
    now = clock.now // 1000
    assert now - 300 < told["iat"] <= now < told["exp"] < now + 50 * 365 * 86_400
    assert told["acr"]
    assert 0 < told["auth_time"] <= now
    assert 1 <= len(told["sub"]) <= 255
    assert told["sub"].isascii()
    assert not STANDARD_CLAIMS & told.keys()
    return tokens, told


def go(rp: Rp, ann: Account, clock: Clock, mode: str, **changes: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """A whole run of somebody who has to sign in."""
    answer = answered(rp.sign_in(rp.authorize(**changes), ann), mode)
    return finish(rp, answer, clock, nonce=changes.get("nonce", NONCE))


def test_oidcc_server(rp: Rp, ann: Account, clock: Clock, mode: str) -> None:
    go(rp, ann, clock, mode)


def test_oidcc_response_type_missing(rp: Rp, mode: str) -> None:
    assert answered(rp.authorize(response_type=None), mode)["error"] == "invalid_request"


def test_oidcc_idtoken_signature(rp: Rp, ann: Account, clock: Clock, mode: str) -> None:
    tokens, _ = go(rp, ann, clock, mode)
    assert header_of(tokens["id_token"])["alg"] == "RS256"
    assert header_of(tokens["id_token"])["kid"]


def test_oidcc_idtoken_unsigned_is_not_offered(rp: Rp) -> None:
    document = rp.browser.get(rp.url(endpoints.OPENID_CONFIGURATION)).json or {}
    assert "none" not in document["id_token_signing_alg_values_supported"]


@pytest.mark.parametrize("method", ["GET", "POST"], ids=["get", "post-header"])
def test_oidcc_userinfo(rp: Rp, ann: Account, clock: Clock, mode: str, method: str) -> None:
    tokens, told = go(rp, ann, clock, mode)
    response = rp.userinfo(tokens["access_token"], method=method)
    assert response.status_code == 200
    assert (response.json or {})["sub"] == told["sub"]


def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(rp: Rp, ann: Account, clock: Clock, mode: str) -> None:
    _, told = go(rp, ann, clock, mode, nonce=None)
    assert "nonce" not in told


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ("profile", {"name", "given_name", "family_name", "preferred_username", "updated_at"}),
        ("email", {"email", "email_verified"}),
        ("address", set()),
        ("phone", {"phone_number"}),
        ("profile email address phone", STANDARD_CLAIMS),
    ],
    ids=["profile", "email", "address", "phone", "all"],
)
def test_oidcc_scope(rp: Rp, ann: Account, clock: Clock, mode: str, scope: str, names: set[str]) -> None:
    tokens, _ = go(rp, ann, clock, mode, scope=f"openid {scope}")
    told = rp.userinfo(tokens["access_token"]).json or {}
    assert names == STANDARD_CLAIMS & told.keys()
    assert "updated_at" not in told or isinstance(told["updated_at"], int)


def test_oidcc_alternate_happy_flow(rp: Rp, ann: Account, clock: Clock, mode: str) -> None:
    query = dict(reversed(rp.request(scope="email openid").items()))
    begun = rp.browser.get(rp.url(endpoints.AUTHORIZE), query_string=query)
    finish(rp, answered(rp.sign_in(begun, ann), mode), clock)


@pytest.mark.parametrize("display", ["page", "popup"])
def test_oidcc_display(rp: Rp, ann: Account, clock: Clock, mode: str, display: str) -> None:
    go(rp, ann, clock, mode, display=display)


def test_oidcc_prompt_login(rp: Rp, ann: Account, clock: Clock, mode: str) -> None:
    _, first = go(rp, ann, clock, mode)
    clock.advance(seconds=1)
    _, second = go(rp, ann, clock, mode, prompt="login")
    assert second["auth_time"] > first["auth_time"]
    assert second["sub"] == first["sub"]


def test_oidcc_prompt_none_not_logged_in(rp: Rp, mode: str) -> None:
    answer = answered(rp.authorize(prompt="none"), mode)
    assert (answer["error"], answer["state"]) == ("login_required", STATE)
    assert "code" not in answer


def test_oidcc_prompt_none_logged_in(rp: Rp, ann: Account, clock: Clock, mode: str) -> None:
    _, first = go(rp, ann, clock, mode)
    clock.advance(seconds=1)
    _, second = finish(rp, answered(rp.authorize(prompt="none"), mode), clock)
    assert (second["sub"], second["auth_time"]) == (first["sub"], first["auth_time"])


def test_oidcc_max_age_1(rp: Rp, ann: Account, clock: Clock, mode: str) -> None:
    _, first = go(rp, ann, clock, mode)
    clock.advance(seconds=2)
    _, second = go(rp, ann, clock, mode, max_age="1")
    assert second["auth_time"] > first["auth_time"]


def test_oidcc_max_age_10000(rp: Rp, ann: Account, clock: Clock, mode: str) -> None:
    _, first = go(rp, ann, clock, mode, max_age="15000")
    clock.advance(seconds=1)
    _, second = finish(rp, answered(rp.authorize(max_age="10000"), mode), clock)
    assert second["auth_time"] == first["auth_time"]


@pytest.mark.parametrize(
    "changes",
    [{"extra": "foobar"}, {"login_hint": "ann"}, {"ui_locales": "se"}, {"claims_locales": "se"}, {"acr_values": "1 2"}],
    ids=[
        "oidcc-ensure-request-with-unknown-parameter-succeeds",
        "oidcc-login-hint",
        "oidcc-ui-locales",
        "oidcc-claims-locales",
        "oidcc-ensure-request-with-acr-values-succeeds",
    ],
)
def test_oidcc_what_is_a_wish_is_no_fault(rp: Rp, ann: Account, clock: Clock, mode: str, changes: dict[str, str]) -> None:
    go(rp, ann, clock, mode, **changes)


def test_oidcc_id_token_hint(rp: Rp, ann: Account, clock: Clock, mode: str) -> None:
    tokens, first = go(rp, ann, clock, mode)
    _, second = finish(rp, answered(rp.authorize(prompt="none", id_token_hint=tokens["id_token"]), mode), clock)
    assert second["sub"] == first["sub"]


def test_oidcc_codereuse(rp: Rp, ann: Account, mode: str) -> None:
    code = answered(rp.sign_in(rp.authorize(), ann), mode)["code"]
    assert rp.redeem(code).status_code == 200
    assert (rp.redeem(code).json or {})["error"] == "invalid_grant"


def test_oidcc_codereuse_30seconds(rp: Rp, ann: Account, clock: Clock, mode: str) -> None:
    code = answered(rp.sign_in(rp.authorize(), ann), mode)["code"]
    tokens = rp.tokens(rp.redeem(code))
    clock.advance(seconds=30)
    assert (rp.redeem(code).json or {})["error"] == "invalid_grant"
    assert rp.userinfo(tokens["access_token"]).status_code == 401


def test_oidcc_ensure_registered_redirect_uri(rp: Rp) -> None:
    response = rp.authorize(redirect_uri=CALLBACK + "/other")
    assert response.status_code == 400
    assert "Location" not in response.headers
    assert "data-form-post" not in response.text


def test_oidcc_ensure_post_request_succeeds(rp: Rp, ann: Account, clock: Clock, mode: str) -> None:
    begun = rp.browser.post(rp.url(endpoints.AUTHORIZE), data=rp.request())
    finish(rp, answered(rp.sign_in(begun, ann), mode), clock)


def test_oidcc_server_client_secret_post(register: Register, ann: Account, clock: Clock) -> None:
    go(register(auth_method="client_secret_post"), ann, clock, "query")


@pytest.mark.parametrize("name", ["request_uri", "request"])
def test_oidcc_request_objects_are_rejected_as_unsupported(rp: Rp, mode: str, name: str) -> None:
    value = {"request_uri": "https://app.example/request.jwt", "request": "eyJhbGciOiJub25lIn0.e30."}[name]
    answer = answered(rp.authorize(**{name: value}), mode)
    assert (answer["error"], answer["state"]) == (f"{name}_not_supported", STATE)


def test_oidcc_claims_essential(rp: Rp, ann: Account, clock: Clock, mode: str) -> None:
    tokens, _ = go(rp, ann, clock, mode, claims='{"userinfo":{"name":{"essential":true}}}')
    assert (rp.userinfo(tokens["access_token"]).json or {})["name"] == "Ann Ex"


def test_oidcc_ensure_request_object_with_redirect_uri(rp: Rp, mode: str) -> None:
    answer = answered(rp.authorize(request="eyJhbGciOiJub25lIn0.e30."), mode)
    assert answer["error"] == "request_not_supported"


def test_oidcc_refresh_token(register: Register, rp: Rp, ann: Account, clock: Clock, mode: str) -> None:
    tokens, first = go(rp, ann, clock, mode)
    clock.advance(seconds=1)
    refreshed = rp.tokens(rp.refresh(tokens["refresh_token"]))
    second = claims_of(refreshed["id_token"])
    assert refreshed["access_token"] != tokens["access_token"]
    assert {name: second[name] for name in ("iss", "sub", "aud", "auth_time")} == {
        name: first[name] for name in ("iss", "sub", "aud", "auth_time")
    }
    assert second["iat"] > first["iat"]
    assert (register(name="Second").refresh(refreshed["refresh_token"]).json or {})["error"] == "invalid_grant"


def test_oidcc_ensure_request_with_valid_pkce_succeeds(rp: Rp, ann: Account, clock: Clock, mode: str) -> None:
    go(rp, ann, clock, mode)
    sign_in_id_of(rp.authorize(prompt="login"))
