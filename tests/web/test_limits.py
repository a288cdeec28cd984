"""What one address may do in a while: begin sign-ins, type names, guess passwords; others are not touched."""

from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gateway.domain.errors import Refusal
from gateway.domain.limits import Limit
from gateway.domain.nodes import Node
from gateway.domain.relying_party import RelyingParty
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from tests.conftest import Clock
from tests.sign_ins import PASSWORD, REDIRECT_URI, begin, make_app, make_person

FLOODER, OTHER = "203.0.113.7", "203.0.113.8"


def few(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let a limit be 3."""
    limit: Limit = getattr(sign_ins, name)
    monkeypatch.setattr(sign_ins, name, replace(limit, most=3))


def authorize(client: FlaskClient, app: RelyingParty, address: str, **headers: str) -> TestResponse:
    asked = {
        "client_id": app.client_id,
        "redirect_uri": REDIRECT_URI,
        "response_type": "code",
        "scope": "openid",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
    caller = {"REMOTE_ADDR": address}
    return client.get("/t/acme/oauth2/authorize", "http://localhost:8000", query_string=asked, environ_base=caller, headers=headers)


def test_sign_ins_begun_from_one_address_are_limited_and_others_go_on(
    context: Context, acme: Node, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    few(monkeypatch, "SIGN_INS")
    wiki = make_app(context, acme)
    answers = [authorize(app.test_client(), wiki, FLOODER) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [303, 303, 303, 429]
    assert answers[3].headers["Retry-After"] == "60"
    assert "E_Rate_Limited" in answers[3].text
    assert authorize(app.test_client(), wiki, OTHER).status_code == 303


def test_nobody_evades_a_limit_by_an_address_that_no_trusted_proxy_tells(
    context: Context, acme: Node, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    few(monkeypatch, "SIGN_INS")
    wiki = make_app(context, acme)
    told = [authorize(app.test_client(), wiki, FLOODER, **{"X-Forwarded-For": f"198.51.100.{number}"}).status_code for number in range(4)]
    assert told == [303, 303, 303, 429]


def test_a_limit_is_over_when_its_window_is(
    context: Context, acme: Node, app: Flask, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    few(monkeypatch, "SIGN_INS")
    wiki = make_app(context, acme)
    assert [authorize(app.test_client(), wiki, FLOODER).status_code for _ in range(4)][-1] == 429
    clock.advance(seconds=60)
    assert authorize(app.test_client(), wiki, FLOODER).status_code == 303


def test_names_typed_from_one_address_are_limited(context: Context, acme: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, "NAMES")
    begun = begin(context, acme, make_app(context, acme))
    flooder = replace(context, address=FLOODER)
    for number in range(3):
        sign_ins.identify(flooder, acme, begun.sign_in, f"name{number}")
    with pytest.raises(Refusal) as caught:
        sign_ins.identify(flooder, acme, begun.sign_in, "name3")
    assert caught.value.code == "E_Rate_Limited"


def guess(context: Context, acme: Node, app: RelyingParty, login: str, password: str, address: str) -> str:
    """The code that a guess is refused with; empty for a right one."""
    begun = begin(context, acme, app)
    try:
        sign_ins.prove_password(replace(context, address=address), acme, begun.sign_in, login, password)
    except Refusal as refusal:
        return refusal.code
    return ""


def test_one_guess_at_each_of_many_accounts_is_limited_by_address(context: Context, acme: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, "PASSWORDS")
    app = make_app(context, acme)
    make_person(context, acme, "anna.berg", password=PASSWORD)
    guesses = [guess(context, acme, app, f"person{number}", "Winter2026", FLOODER) for number in range(4)]
    assert guesses == ["E_Invalid_Credentials"] * 3 + ["E_Rate_Limited"]
    # A right password tells a guesser nothing now, and everybody else is let in.
    assert guess(context, acme, app, "anna.berg", PASSWORD, FLOODER) == "E_Rate_Limited"
    assert guess(context, acme, app, "anna.berg", PASSWORD, OTHER) == ""


def test_right_passwords_use_up_nothing(context: Context, acme: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, "PASSWORDS")
    app = make_app(context, acme)
    make_person(context, acme, "anna.berg", password=PASSWORD)
    assert [guess(context, acme, app, "anna.berg", PASSWORD, FLOODER) for _ in range(5)] == [""] * 5
