"""RP-initiated logout: openid.md 85, and the modules of the conformance plan (openid.md 3.5)."""

import re
from typing import Any

import pytest
from werkzeug.test import TestResponse

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import Level, Means
from gateway.http import endpoints
from gateway.services import keys, nodes
from gateway.services.context import Context
from gateway.storage import audit
from gateway.tokens.signing import sign
from tests.conftest import Clock
from tests.federation.downstream.conftest import Register
from tests.federation.downstream.rp import Rp, claims_of

AFTER = "https://app.example/out"


@pytest.fixture
def shop(register: Register) -> Rp:
    return register(post_logout_redirect_uris=(AFTER, AFTER + "?x=1"))


@pytest.fixture
def signed_in(shop: Rp, ann: Account) -> dict[str, Any]:
    return shop.tokens(shop.redeem(shop.open_session(ann, scope="openid")))


def log_out(rp: Rp, **parameters: str) -> TestResponse:
    return rp.browser.get(rp.url(endpoints.LOGOUT), query_string=parameters)


def is_signed_in(rp: Rp) -> bool:
    return "?code=" in rp.authorize(prompt="none").location


def asked(rp: Rp, response: TestResponse) -> dict[str, str]:
    """The fields of the page that asks; until it is answered nothing happens."""
    assert response.status_code == 200
    assert 'data-action="sign-out"' in response.text
    assert is_signed_in(rp)
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', response.text))


def test_session_of_the_hint_ends_and_the_browser_goes_back_with_the_state(shop: Rp, signed_in: dict[str, Any]) -> None:
    response = log_out(shop, id_token_hint=signed_in["id_token"], post_logout_redirect_uri=AFTER, state="s t")
    assert (response.status_code, response.location) == (303, AFTER + "?state=s+t")
    assert not is_signed_in(shop)
    assert shop.refresh(signed_in["refresh_token"]).status_code == 400


def test_it_works_by_post_too(shop: Rp, signed_in: dict[str, Any]) -> None:
    form = {"id_token_hint": signed_in["id_token"], "post_logout_redirect_uri": AFTER}
    response = shop.browser.post(shop.url(endpoints.LOGOUT), data=form)
    assert (response.status_code, response.location) == (303, AFTER)
    assert not is_signed_in(shop)


def test_session_cookie_is_taken_away(shop: Rp, signed_in: dict[str, Any]) -> None:
    log_out(shop, id_token_hint=signed_in["id_token"])
    assert not shop.cookie(f"mg-{shop.node.id}")


def test_offline_access_outlives_the_session(shop: Rp, ann: Account) -> None:
    answer = shop.tokens(shop.redeem(shop.open_session(ann)))
    log_out(shop, id_token_hint=answer["id_token"])
    assert shop.refresh(answer["refresh_token"]).status_code == 200


def test_expired_hint_is_as_good(shop: Rp, signed_in: dict[str, Any], clock: Clock) -> None:
    clock.advance(seconds=1800)
    assert log_out(shop, id_token_hint=signed_in["id_token"], post_logout_redirect_uri=AFTER).location == AFTER
    assert not is_signed_in(shop)


@pytest.mark.parametrize("parameters", [{}, {"state": "s"}, {"post_logout_redirect_uri": AFTER}, {"client_id": "nobody"}], ids=str)
def test_without_a_hint_the_person_is_asked_and_the_browser_stays(shop: Rp, signed_in: dict[str, Any], parameters: dict[str, str]) -> None:
    fields = asked(shop, log_out(shop, **parameters))
    response = shop.browser.post(shop.url(endpoints.LOGOUT), data=fields)
    assert response.status_code == 200
    assert "Location" not in response.headers
    assert "You are signed out" in response.text
    assert not is_signed_in(shop)


def test_name_of_an_app_alone_leads_nowhere(shop: Rp, signed_in: dict[str, Any]) -> None:
    fields = asked(shop, log_out(shop, client_id=shop.party.client_id, post_logout_redirect_uri=AFTER))
    response = shop.browser.post(shop.url(endpoints.LOGOUT), data=fields)
    assert response.status_code == 200
    assert "Location" not in response.headers


def test_hint_of_another_persons_session_asks_first(shop: Rp, signed_in: dict[str, Any], bob: Account) -> None:
    shop.sign_in(shop.authorize(prompt="login"), bob)
    fields = asked(shop, log_out(shop, id_token_hint=signed_in["id_token"], post_logout_redirect_uri=AFTER))
    assert shop.browser.post(shop.url(endpoints.LOGOUT), data=fields).location == AFTER


def test_hint_of_an_older_session_asks_first(shop: Rp, signed_in: dict[str, Any], ann: Account) -> None:
    shop.sign_in(shop.authorize(prompt="login"), ann)
    asked(shop, log_out(shop, id_token_hint=signed_in["id_token"]))


def test_forged_hints_are_worth_nothing(shop: Rp, signed_in: dict[str, Any], context: Context) -> None:
    header, payload, signature = signed_in["id_token"].split(".")
    unsigned = "eyJhbGciOiJub25lIn0"
    other_key = keys.get_signing_key(context, nodes.get_node(context, "platform").id, "RS256")
    forged = sign(claims_of(signed_in["id_token"]), other_key, typ="JWT")
    fields: dict[str, str] = {}
    for hint in (f"{unsigned}.{payload}.", f"{header}.{payload}.{signature[:-4]}AAAA", forged, signed_in["access_token"], "x"):
        fields = asked(shop, log_out(shop, id_token_hint=hint, post_logout_redirect_uri=AFTER))
        assert fields["post_logout_redirect_uri"] == AFTER
    assert "Location" not in shop.browser.post(shop.url(endpoints.LOGOUT), data=fields).headers


@pytest.mark.parametrize("uri", ["https://evil.example/", AFTER + "/", AFTER + "?y=1", AFTER + "#x", "javascript:alert(1)", ""])
def test_unregistered_way_back_ends_the_session_and_stays_here(shop: Rp, signed_in: dict[str, Any], uri: str) -> None:
    response = log_out(shop, id_token_hint=signed_in["id_token"], post_logout_redirect_uri=uri)
    assert response.status_code == 200
    assert "Location" not in response.headers
    assert "evil" not in response.text
    assert not is_signed_in(shop)


def test_registered_query_is_kept(shop: Rp, signed_in: dict[str, Any]) -> None:
    response = log_out(shop, id_token_hint=signed_in["id_token"], post_logout_redirect_uri=AFTER + "?x=1", state="s")
    assert response.location == AFTER + "?x=1&state=s"


def test_hint_given_to_another_app_than_named_is_refused(register: Register, shop: Rp, signed_in: dict[str, Any]) -> None:
    other = register(name="Other")
    response = log_out(shop, id_token_hint=signed_in["id_token"], client_id=other.party.client_id)
    assert response.status_code == 400
    assert is_signed_in(shop)


def test_who_is_signed_out_already_goes_back_all_the_same(shop: Rp, signed_in: dict[str, Any]) -> None:
    for _ in range(2):
        assert log_out(shop, id_token_hint=signed_in["id_token"], post_logout_redirect_uri=AFTER).location == AFTER


def test_another_sites_form_signs_nobody_out(shop: Rp, signed_in: dict[str, Any]) -> None:
    for confirm in ("", "x", "0" * 64):
        asked(shop, shop.browser.post(shop.url(endpoints.LOGOUT), data={"confirm": confirm}))


def test_confirmation_of_one_session_is_nothing_for_the_next(shop: Rp, signed_in: dict[str, Any], ann: Account) -> None:
    fields = asked(shop, log_out(shop))
    shop.sign_in(shop.authorize(prompt="login"), ann)
    asked(shop, shop.browser.post(shop.url(endpoints.LOGOUT), data=fields))


def test_one_tenants_session_outlives_the_others_logout(register: Register, shop: Rp, signed_in: dict[str, Any], globex: Node) -> None:
    elsewhere = register(globex)
    elsewhere.browser = shop.browser
    log_out(elsewhere, id_token_hint=signed_in["id_token"])
    assert is_signed_in(shop)


def test_other_apps_of_the_session_are_told(register: Register, ann: Account, context: Context, clock: Clock) -> None:
    shop = register(backchannel_logout_uri="https://app.example/backchannel")
    shop.sign_in(shop.authorize(), ann, Means(level=Level.ONE_FACTOR, amr=("pwd",), auth_time=clock.now))
    answer = shop.tokens(shop.redeem(shop.code()))
    log_out(shop, id_token_hint=answer["id_token"])
    (job,) = context.database.script("SELECT kind, payload FROM job")
    assert job[0] == "backchannel_logout"
    assert shop.party.client_id in job[1]
    assert "session.ended" in [row.action for row in audit.list_audit(context.database, shop.node.id, limit=5)]


def test_page_carries_the_policy_of_every_page(shop: Rp, signed_in: dict[str, Any]) -> None:
    response = log_out(shop)
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response.headers["Cache-Control"]
