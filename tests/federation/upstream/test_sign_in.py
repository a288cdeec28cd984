"""The way to a provider and back as it should go, and how it is bound to one browser, one provider and one try (openid.md 38-43)."""

import base64
import dataclasses
import hashlib
from typing import Any

import pytest
from flask import Flask

from gateway.domain.identity import IdentityProvider
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.people import Account
from gateway.services import identity_providers, nodes, sessions, sign_in
from gateway.services.context import Context
from gateway.services.house import House
from gateway.services.nodes import NewNode
from gateway.storage import audit
from gateway.storage import identity_providers as stored
from tests.conftest import Clock
from tests.federation.upstream.conftest import Browser, add_idp, add_person
from tests.federation.upstream.provider import CLIENT_ID, SUBJECT, Provider
from tests.sql import everything
from tests.tokens.forge import ForgeKey

AT_HASH = base64.urlsafe_b64encode(hashlib.sha256(b"at-1").digest()[:16]).rstrip(b"=").decode()


class TestGoodProviders:
    def test_a_person_who_exists_is_signed_in_and_linked(self, browser: Browser, person: Account) -> None:
        attempt = browser.sign_in()
        assert attempt.session is not None
        assert attempt.refusal is None
        assert browser.trace(attempt).code == ""
        assert stored.find_linked_account(browser.house.database, browser.idp, browser.outside.issuer, SUBJECT) == person.id

    def test_the_session_is_held_by_a_cookie_of_this_issuer_alone(self, browser: Browser, person: Account) -> None:
        attempt = browser.begin()
        response = browser.come_back(browser.outside.authorize(browser.start(attempt)))
        (cookie,) = [item for item in response.headers.getlist("Set-Cookie") if "=mgs_" in item]
        assert cookie.startswith(f"mg-{browser.node.id}=mgs_")
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert response.headers["Cache-Control"] == "no-store"

    def test_whoever_signs_in_after_somebody_else_ends_their_session(self, browser: Browser, context: Context, person: Account) -> None:
        assert browser.sign_in().session is not None
        other = add_person(context, browser.node, "other@acme.example")
        browser.outside.claims = {"sub": "another", "preferred_username": other.login, "email": other.email}
        assert browser.sign_in().session is not None
        assert [len(sessions.list_of_account(context, each.id)) for each in (person, other)] == [0, 1]

    @pytest.mark.parametrize(
        "changes",
        [
            {"claims": {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID}},
            {"header": {"kid": None}},
            {"header": {"typ": None}},
            {"metadata": {"authorization_response_iss_parameter_supported": None}, "answer": {"iss": None}},
            {"metadata": {"code_challenge_methods_supported": None}},
            {"metadata": {"code_challenge_methods_supported": ["plain"]}},
            {"claims": {"email_verified": "true"}},
            {"claims": {"at_hash": AT_HASH}},
            {"claims": {"acr": "1", "amr": ["pwd", 7]}, "tokens": {"expires_in": "soon"}},
        ],
    )
    def test_what_the_standard_allows_is_taken(self, browser: Browser, person: Account, changes: dict[str, Any]) -> None:
        for name, value in changes.items():
            setattr(browser.outside, name, value)
        assert browser.sign_in().session is not None

    def test_es256_is_taken_from_a_provider_that_announced_it(self, browser: Browser, person: Account, ec_key: ForgeKey) -> None:
        browser.outside.key, browser.outside.published = ec_key, [ec_key.jwk()]
        assert browser.sign_in().session is not None

    def test_49_keys_rotated_just_before_signing_work_at_the_first_try(
        self, browser: Browser, person: Account, other_rsa_key: ForgeKey
    ) -> None:
        assert browser.sign_in().session is not None
        browser.outside.key, browser.outside.published = other_rsa_key, [other_rsa_key.jwk()]
        assert browser.sign_in().session is not None

    def test_a_key_replaced_under_the_same_kid_works_at_the_first_try(
        self, browser: Browser, person: Account, other_rsa_key: ForgeKey
    ) -> None:
        assert browser.sign_in().session is not None
        replaced = dataclasses.replace(other_rsa_key, kid="rsa-1")
        browser.outside.key, browser.outside.published = replaced, [replaced.jwk()]
        assert browser.sign_in().session is not None

    def test_66_later_the_subject_alone_decides_whatever_the_claims_say(self, browser: Browser, person: Account) -> None:
        browser.sign_in()
        browser.outside.claims = {"email": "somebody.else@evil.example", "email_verified": False, "preferred_username": None}
        attempt = browser.sign_in()
        assert attempt.proof is not None
        assert attempt.proof.account == person.id

    def test_documents_are_fetched_once_an_hour(self, browser: Browser, person: Account, clock: Clock) -> None:
        for _ in range(3):
            browser.sign_in()
        assert (browser.outside.count("/.well-known/openid-configuration"), browser.outside.count("/keys")) == (1, 1)
        clock.advance(seconds=3601)
        browser.sign_in()
        assert (browser.outside.count("/.well-known/openid-configuration"), browser.outside.count("/keys")) == (2, 2)

    def test_54_nothing_the_provider_gave_us_is_stored(self, browser: Browser, person: Account) -> None:
        browser.outside.tokens = {"refresh_token": "rt-of-the-provider", "access_token": "at-of-the-provider"}
        browser.sign_in()
        dump = everything(browser.house.database)
        assert "of-the-provider" not in dump
        assert "code-0" not in dump


class TestRequestOut:
    def test_it_carries_state_nonce_pkce_and_our_stored_redirect_uri(self, browser: Browser) -> None:
        asked = browser.asked(browser.start(browser.begin(login_hint="flast@acme.example", domain_hint="acme.example")))
        assert asked["redirect_uri"] == f"{browser.node.issuer}/federation/corp/callback"
        assert (asked["code_challenge_method"], len(asked["code_challenge"])) == ("S256", 43)
        assert len(asked["state"]) >= 43
        assert len(asked["nonce"]) >= 43
        assert (asked["login_hint"], asked["domain_hint"], asked["scope"]) == ("flast@acme.example", "acme.example", "openid profile email")
        assert "prompt" not in asked

    def test_two_requests_share_nothing_secret(self, browser: Browser) -> None:
        first, second = (browser.asked(browser.start(browser.begin())) for _ in range(2))
        assert all(first[name] != second[name] for name in ("state", "nonce", "code_challenge"))

    @pytest.mark.parametrize(
        ("request_", "expected"),
        [
            ({"prompt": ("login",)}, {"prompt": "login"}),
            ({"prompt": ("select_account",)}, {"prompt": "select_account"}),
            ({"max_age": 0}, {"max_age": "0"}),
            ({"prompt": ("login", "consent"), "max_age": 60}, {"prompt": "login", "max_age": "60"}),
        ],
    )
    def test_what_the_app_asked_of_the_sign_in_is_passed_on(
        self, browser: Browser, request_: dict[str, Any], expected: dict[str, str]
    ) -> None:
        asked = browser.asked(browser.start(browser.begin(**request_)))
        assert {name: asked[name] for name in ("prompt", "max_age") if name in asked} == expected

    def test_parameters_of_the_endpoint_itself_are_kept(self, browser: Browser) -> None:
        browser.outside.metadata = {"authorization_endpoint": f"{browser.outside.issuer}/authorize?policy=b2c"}
        assert browser.asked(browser.start(browser.begin()))["policy"] == "b2c"

    def test_the_secret_goes_as_basic_or_in_the_form_as_the_provider_takes_it(
        self, browser: Browser, house: House, context: Context, person: Account, outside: Provider
    ) -> None:
        browser.sign_in()
        assert outside.authorizations[-1].startswith("Basic ")
        assert "client_secret" not in outside.forms[-1]
        outside.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        browser.idp = add_idp(house, context, browser.node, outside, key="post")
        attempt = browser.begin()
        browser.come_back(outside.authorize(browser.start(attempt, "post")))
        assert browser.stored(attempt).session is not None
        assert "client_secret" in outside.forms[-1]


class TestBoundToOneTry:
    def test_38_the_answer_in_another_browser_is_refused_and_no_code_is_sent(self, browser: Browser, app: Flask, person: Account) -> None:
        url = browser.outside.authorize(browser.start(browser.begin()))
        response = app.test_client().get(url, base_url="http://localhost:8000")
        assert response.status_code == 400
        assert "E_State_Invalid" in response.text
        assert browser.outside.count("/token") == 0
        assert browser.sessions() == 0
        (trace,) = audit.list_traces(browser.house.database, response.headers["X-Correlation-Id"])
        assert trace.code == "E_State_Invalid"

    def test_39_a_state_made_for_one_provider_is_refused_at_another(self, browser: Browser, house: House, context: Context) -> None:
        add_idp(house, context, browser.node, browser.outside, key="other")
        url = browser.outside.authorize(browser.start(browser.begin()))
        response = browser.get(url.replace("/federation/corp/", "/federation/other/"))
        assert (response.status_code, browser.outside.count("/token"), browser.sessions()) == (400, 0, 0)

    def test_41_a_state_serves_once(self, browser: Browser, person: Account) -> None:
        attempt = browser.begin()
        url = browser.outside.authorize(browser.start(attempt))
        browser.come_back(url)
        response = browser.get(url)
        assert response.status_code == 400
        assert "E_State_Invalid" in response.text
        assert (browser.outside.count("/token"), browser.sessions()) == (1, 1)

    def test_41_a_state_is_too_old_after_ten_minutes(self, browser: Browser, person: Account, clock: Clock) -> None:
        url = browser.outside.authorize(browser.start(browser.begin()))
        clock.advance(seconds=600)
        response = browser.get(url)
        assert "E_Session_Expired" in response.text
        assert (browser.outside.count("/token"), browser.sessions()) == (0, 0)

    def test_41_a_state_is_nothing_to_a_sign_in_that_is_finished(self, browser: Browser, context: Context, person: Account) -> None:
        attempt = browser.begin()
        first, second = (browser.outside.authorize(browser.start(attempt)) for _ in range(2))
        browser.come_back(first)
        assert sign_in.finish(context, attempt)
        assert "E_State_Invalid" in browser.get(second).text

    @pytest.mark.parametrize("query", ["", "code=c", "state=&code=c", "state=mgu_unknown&code=c", "state=a&state=b&code=c"])
    def test_an_answer_without_a_state_of_ours_is_refused(self, browser: Browser, query: str) -> None:
        response = browser.get(f"{browser.node.issuer}/federation/corp/callback?{query}")
        assert response.status_code == 400
        assert "E_State_Invalid" in response.text
        assert browser.outside.count("/token") == 0

    @pytest.mark.parametrize("more", ["&code=another", "&iss=https://evil.example", "&state=x", "&error=" + "x" * 9000])
    def test_a_parameter_that_comes_twice_or_is_huge_is_refused(self, browser: Browser, person: Account, more: str) -> None:
        url = browser.outside.authorize(browser.start(browser.begin()))
        response = browser.get(url + more)
        assert "E_State_Invalid" in response.text
        assert (browser.outside.count("/token"), browser.sessions()) == (0, 0)

    def test_43_two_tabs_both_finish(self, browser: Browser, person: Account) -> None:
        first, second = browser.begin(), browser.begin()
        urls = [browser.outside.authorize(browser.start(attempt)) for attempt in (first, second)]
        for url in reversed(urls):
            browser.come_back(url)
        assert all(browser.stored(attempt).session is not None for attempt in (first, second))

    def test_82_an_answer_by_form_post_becomes_our_own_get(self, browser: Browser, person: Account) -> None:
        attempt = browser.begin()
        url = browser.outside.authorize(browser.start(attempt))
        path, form = url.partition("?")[0], browser.asked(url) | {"session_state": "x", "id_token": "eyJ"}
        posted = browser.client.post(path, base_url="http://localhost:8000", data=form)
        assert posted.status_code == 303
        assert posted.headers["Location"].startswith(f"{path}?")
        assert "eyJ" not in posted.headers["Location"]
        browser.come_back(posted.headers["Location"])
        assert browser.stored(attempt).session is not None

    def test_51_a_provider_switched_off_meanwhile_is_refused_before_the_code_is_sent(
        self, browser: Browser, context: Context, person: Account, idp: IdentityProvider
    ) -> None:
        attempt = browser.begin()
        url = browser.outside.authorize(browser.start(attempt))
        identity_providers.deactivate_provider(context, idp)
        browser.come_back(url)
        browser.require_refused(attempt, "E_Idp_Disabled", step="provider")
        assert browser.outside.count("/token") == 0

    def test_51_a_provider_switched_off_is_not_even_started(self, browser: Browser, context: Context, idp: IdentityProvider) -> None:
        identity_providers.deactivate_provider(context, idp)
        attempt = browser.begin()
        assert browser.start(attempt) == f"{browser.node.issuer}/sign-in?id={attempt.id}"
        browser.require_refused(attempt, "E_Idp_Disabled", step="provider")

    def test_52_a_provider_for_linking_signs_nobody_in(self, browser: Browser, context: Context, idp: IdentityProvider) -> None:
        identity_providers.change_provider(context, idp, identity_providers.Changes(link_only=True))
        attempt = browser.begin()
        browser.start(attempt)
        browser.require_refused(attempt, "E_Idp_Link_Only", step="provider")

    def test_53_another_tenants_provider_is_refused(self, browser: Browser, house: House, context: Context, globex: Node) -> None:
        add_idp(house, context, nodes.change_node(context, globex, private_outbound=True), browser.outside, key="hidden")
        attempt = browser.begin()
        assert browser.start(attempt, "hidden") == f"{browser.node.issuer}/sign-in?id={attempt.id}"
        refusal = browser.stored(attempt).refusal
        assert refusal is not None
        assert refusal.code == "E_Idp_Unknown"

    def test_a_start_without_a_sign_in_of_this_browser_is_refused(self, browser: Browser, app: Flask) -> None:
        attempt = browser.begin()
        url = f"{browser.node.issuer}/federation/corp/start?id={attempt.id}"
        for client in (app.test_client(), browser.client):
            response = client.get(url if client is not browser.client else url[:-1], base_url="http://localhost:8000")
            assert response.status_code == 400
            assert "E_State_Invalid" in response.text


class TestForAnotherIssuer:
    """A unit's people come by their customer's provider, at the customer's issuer; the unit alone makes the session (decisions.md 20)."""

    @pytest.fixture
    def unit(self, context: Context, tenant: Node) -> Node:
        return nodes.create_node(context, tenant.id, NewNode("unit", "Unit", NodeKind.UNIT))

    def test_the_proof_is_stored_and_no_session_is_made(self, browser: Browser, context: Context, unit: Node) -> None:
        account = add_person(context, unit, "flast@acme.example")
        parent = browser.begin(unit)
        child = browser.begin(parent=parent, prompt=("login",))
        location = browser.start(child)
        assert browser.asked(location)["prompt"] == "login"
        browser.come_back(browser.outside.authorize(location))
        proved = browser.stored(child)
        assert proved.proof is not None
        assert (proved.proof.account, proved.session, browser.sessions()) == (account.id, None, 0)

    def test_the_provider_has_no_way_at_the_units_own_issuer(self, browser: Browser, unit: Node) -> None:
        attempt = browser.begin(unit)
        response = browser.get(f"{unit.issuer}/federation/corp/start?id={attempt.id}")
        assert response.headers["Location"] == f"{unit.issuer}/sign-in?id={attempt.id}"
        refusal = browser.stored(attempt).refusal
        assert refusal is not None
        assert refusal.code == "E_Idp_Unknown"

    def test_a_refusal_is_shown_where_the_app_waits(self, browser: Browser, unit: Node) -> None:
        parent = browser.begin(unit)
        child = browser.begin(parent=parent)
        browser.outside.claims = {"nonce": "of another request"}
        browser.come_back(browser.outside.authorize(browser.start(child)))
        for attempt in (parent, child):
            refusal = browser.stored(attempt).refusal
            assert refusal is not None
            assert refusal.code == "E_Token_Invalid"
