"""The door in front of Flask: a whole sign-on passes it without Flask, and what is unusual is answered as ever."""

import random
from collections.abc import Callable
from urllib.parse import parse_qsl

import pytest
from flask import Flask

from federation.downstream.asked import pairs_of
from gateway.domain.people import Account
from gateway.http import endpoints
from gateway.services import people, relying_parties
from gateway.services.context import Context
from gateway.services.waiting import Waiting
from gateway.storage import audit
from gateway.storage.database import Database
from tests.conftest import Clock
from tests.federation.downstream.rp import Rp, answer_of

Register = Callable[..., Rp]


@pytest.fixture
def shop(register: Register, ann: Account) -> Rp:
    """An app to which somebody is signed in already."""
    app = register()
    app.connect(ann)
    return app


@pytest.fixture
def without_flask(shop: Rp, monkeypatch: pytest.MonkeyPatch) -> Rp:
    def refuse(_self: Flask) -> None:
        raise AssertionError("Flask was asked")

    monkeypatch.setattr(Flask, "full_dispatch_request", refuse)
    return shop


def test_a_sign_on_by_a_live_session_passes_without_flask(without_flask: Rp, ann: Account) -> None:
    tokens = without_flask.tokens(without_flask.redeem(without_flask.code()))
    told = without_flask.userinfo(tokens["access_token"]).json or {}
    assert told["sub"] == ann.id


def test_a_code_by_a_live_session_costs_no_commit(without_flask: Rp, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Database) -> None:
        raise AssertionError("a transaction was begun")

    monkeypatch.setattr(Database, "transaction", refuse)
    assert without_flask.code()


def test_its_trace_is_there_within_a_second(shop: Rp, context: Context, clock: Clock) -> None:
    begun = shop.authorize()
    correlation_id = begun.headers["X-Correlation-Id"]
    assert not audit.list_traces(context.database, correlation_id)
    clock.advance(milliseconds=999)
    shop.browser.get(shop.url(endpoints.JWKS))
    assert not audit.list_traces(context.database, correlation_id)
    clock.advance(milliseconds=1)
    shop.browser.get(shop.url(endpoints.JWKS))
    (trace,) = audit.list_traces(context.database, correlation_id)
    assert (trace.code, trace.due, trace.client_id, trace.path) == ("", "", shop.party.client_id, "session")
    assert {step.outcome for step in trace.chain} == {"passed"}


def test_a_refusal_is_traced_at_once_and_once(shop: Rp, context: Context) -> None:
    relying_parties.change(context, shop.party, {"roleless": False})
    refused = shop.authorize(prompt="none")
    traces = audit.list_traces(context.database, refused.headers["X-Correlation-Id"])
    assert [trace.code for trace in traces] == ["E_No_Tenant_Sponsor"]


def test_nobody_who_is_out_gets_a_code_at_the_next_request(shop: Rp, context: Context, ann: Account) -> None:
    assert shop.code()
    people.set_enabled(context, ann, enabled=False)
    assert answer_of(shop.authorize(prompt="none"))["error"] == "login_required"


def test_a_code_by_form_post_has_its_page(shop: Rp) -> None:
    page = shop.authorize(response_mode="form_post")
    assert page.mimetype == "text/html"
    assert 'name="code"' in page.text


def test_an_unusual_way_of_asking_is_answered_too(shop: Rp) -> None:
    code = shop.code()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": shop.redirect_uri}
    slashed = shop.post(f"{endpoints.TOKEN}/", form)
    assert (slashed.status_code, (slashed.json or {})["error"]) == (400, "invalid_grant")
    assert shop.browser.head(shop.url(endpoints.USERINFO)).status_code == 401


def test_octets_that_are_no_text_are_no_parameters(shop: Rp) -> None:
    response = shop.browser.post(
        shop.url(endpoints.TOKEN), data=b"grant_type=authorization_code&code=\xff", content_type="application/x-www-form-urlencoded"
    )
    assert (response.status_code, (response.json or {})["error"]) == (400, "invalid_request")


def test_what_waits_is_written_once_it_waited_for_a_second_or_is_very_much(clock: Clock) -> None:
    waiting: Waiting[int] = Waiting()
    written: list[int] = []
    waiting.add(1, clock())
    waiting.write_due(clock(), written.extend)
    assert not written
    for number in range(2, 1001):
        waiting.add(number, clock())
    waiting.write_due(clock(), written.extend)
    assert written == list(range(1, 1001))
    waiting.write_all(written.extend)
    assert len(written) == 1000


_PIECES = ("a", "code", "é", "=", "&", "+", "%20", "%2B", "%", "%zz", "%C3%A9", "%ff", ";", "&&", "==", " ", "#", "%00", "resource")


def test_parameters_are_parsed_as_the_library_parses_them() -> None:
    pick = random.Random(7)
    for _ in range(3000):
        text = "".join(pick.choices(_PIECES, k=pick.randrange(12)))
        assert pairs_of(text) == parse_qsl(text, errors="werkzeug.url_quote"), text
