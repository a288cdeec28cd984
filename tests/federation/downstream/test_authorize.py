"""The authorization endpoint: openid.md 1 to 13, and authlib's holes there (libraries.md, OP pitfalls 2, 3, 4, 7, 10)."""

import re
from urllib.parse import urlsplit

import pytest
from werkzeug.test import TestResponse

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.http import endpoints
from gateway.services import access, relying_parties
from gateway.services.context import Context
from tests.federation.downstream.conftest import Register, add_person
from tests.federation.downstream.pages import refused_with_page
from tests.federation.downstream.rp import CALLBACK, STATE, Rp, answer_of, sign_in_id_of


class TestWhereAnAnswerMayGo:
    @pytest.mark.parametrize(
        "uri",
        [
            CALLBACK + "/x",
            CALLBACK + "?x=1",
            CALLBACK + "/",
            CALLBACK + "#f",
            "https://app.example/CB",
            "https://APP.example/cb",
            "https://app.example/../cb",
            "https://app.example/%2e%2e/cb",
            "https://user@app.example/cb",
            "https://app.example@evil.example/cb",
            "https://sub.app.example/cb",
            "https://app.example:444/cb",
            "http://app.example/cb",
            "//app.example/cb",
            "javascript:alert(1)",
            "https://app.example/cb\r\nX: y",
            "http://[",
        ],
    )
    def test_openid_1_redirect_uri_is_compared_to_the_letter(self, shop: Rp, uri: str) -> None:
        response = shop.authorize(redirect_uri=uri)
        assert refused_with_page(response) == "E_Redirect_Uri_Invalid"
        assert "evil" not in response.text

    def test_openid_2_native_app_may_come_back_at_any_port_of_loopback(self, register: Register) -> None:
        rp = register(public=True, redirect_uris=("http://127.0.0.1/cb", "http://[::1]/cb"))
        for uri in ("http://127.0.0.1:51234/cb", "http://[::1]:51234/cb", "http://127.0.0.1/cb"):
            sign_in_id_of(rp.authorize(redirect_uri=uri))

    @pytest.mark.parametrize(
        "uri",
        [
            "http://127.0.0.1:80@evil.example/cb",
            "http://localhost:1@evil.example/cb",
            "http://127.0.0.1:51234/other",
            "http://127.0.0.1:99999/cb",
            "http://127.0.0.1:/cb?x",
            "https://127.0.0.1:51234/cb",
            "http://localhost:51234/cb",
            "http://127.0.0.1:1/cb#x",
            "http://127.0.0.1:51234x/cb",
        ],
    )
    def test_openid_2_port_rule_opens_nothing_else(self, register: Register, uri: str) -> None:
        assert refused_with_page(register(public=True, redirect_uris=("http://127.0.0.1/cb",)).authorize(redirect_uri=uri))

    def test_openid_2_app_on_the_web_gets_no_port_of_its_choice(self, shop: Rp) -> None:
        assert refused_with_page(shop.authorize(redirect_uri="https://app.example:8443/cb"))

    @pytest.mark.parametrize("registered", [(CALLBACK,), (CALLBACK, CALLBACK + "2")])
    def test_openid_3_redirect_uri_is_needed(self, register: Register, registered: tuple[str, ...]) -> None:
        assert refused_with_page(register(redirect_uris=registered).authorize(redirect_uri=None)) == "E_Redirect_Uri_Invalid"

    def test_openid_4_unknown_app_and_another_tenants_look_alike(
        self, register: Register, shop: Rp, globex: Node, context: Context
    ) -> None:
        elsewhere = register(globex)
        off = register()
        relying_parties.set_disabled(context, off.party, disabled=True)
        pages = [shop.authorize(client_id=client_id) for client_id in ("nobody", elsewhere.party.client_id, off.party.client_id)]
        assert {refused_with_page(page) for page in pages} == {"E_Client_Unknown"}
        assert len({re.sub(r"<code data-correlation>\w+</code>", "", page.text) for page in pages}) == 1

    def test_app_is_needed(self, shop: Rp) -> None:
        assert refused_with_page(shop.authorize(client_id=None)) == "E_Client_Unknown"

    @pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
    def test_openid_8_who_asks_may_not_come_twice(self, shop: Rp, name: str) -> None:
        pairs = [*shop.request().items(), (name, shop.request()[name])]
        response = shop.browser.get(shop.url(endpoints.AUTHORIZE), query_string=pairs)
        assert refused_with_page(response) == "E_Request_Invalid"


def repeated(shop: Rp, name: str, value: str) -> TestResponse:
    query = [*shop.request().items(), (name, value), (name, value)]
    return shop.browser.get(shop.url(endpoints.AUTHORIZE), query_string=query)


class TestErrorsForTheApp:
    """openid.md 9: each comes with state and iss, and without a code; `Rp.error` looks (RFC 9207 §2, pitfall 3)."""

    @pytest.mark.parametrize("response_type", ["token", "id_token", "code token", "code id_token", "none", "codé"])
    def test_openid_5_only_codes_are_given(self, shop: Rp, response_type: str) -> None:
        assert shop.error(response_type=response_type) == "unsupported_response_type"

    @pytest.mark.parametrize("nothing", [None, ""])
    def test_missing_response_type_is_refused(self, shop: Rp, nothing: str | None) -> None:
        assert shop.error(response_type=nothing) == "invalid_request"

    @pytest.mark.parametrize(
        "changes",
        [
            {"code_challenge": None, "code_challenge_method": None},
            {"code_challenge": None},
            {"code_challenge_method": "plain"},
            {"code_challenge_method": None},
            {"code_challenge_method": "s256"},
            {"code_challenge": "short"},
            {"code_challenge": "a" * 44},
            {"code_challenge": "é" * 43},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("public", [True, False])
    def test_openid_6_pkce_with_s256_is_demanded_of_every_app(
        self, register: Register, changes: dict[str, str | None], public: bool
    ) -> None:
        assert register(public=public).error(**changes) == "invalid_request"

    def test_old_app_may_leave_pkce_out_but_not_weaken_it(self, register: Register) -> None:
        rp = register(pkce_required=False)
        sign_in_id_of(rp.authorize(code_challenge=None, code_challenge_method=None))
        assert rp.error(code_challenge_method="plain") == "invalid_request"

    def test_public_app_cannot_be_excused_from_pkce(self, register: Register) -> None:
        rp = register(public=True, pkce_required=False)
        assert rp.error(code_challenge=None, code_challenge_method=None) == "invalid_request"

    @pytest.mark.parametrize("name", ["scope", "nonce", "prompt", "code_challenge", "max_age", "x-unknown"])
    def test_openid_8_nothing_may_come_twice(self, shop: Rp, name: str) -> None:
        answer = answer_of(repeated(shop, name, "1"))
        assert (answer["error"], answer["state"], answer["iss"]) == ("invalid_request", STATE, shop.node.issuer)

    def test_openid_8_of_two_states_neither_is_given_back(self, shop: Rp) -> None:
        answer = answer_of(repeated(shop, "state", "x"))
        assert answer["error"] == "invalid_request"
        assert "state" not in answer

    @pytest.mark.parametrize("name", ["request", "request_uri", "registration"])
    def test_openid_13_request_objects_are_refused_by_name_and_nothing_is_fetched(self, shop: Rp, name: str) -> None:
        # The fetcher of the tests reaches nobody, and raises if it is asked.
        assert shop.error(**{name: "http://169.254.169.254/latest"}) == f"{name}_not_supported"

    @pytest.mark.parametrize("scope", ["", "unknown", "profile email"])
    def test_scope_openid_is_needed_where_no_resource_is_named(self, shop: Rp, scope: str) -> None:
        assert shop.error(scope=scope) == "invalid_scope"
        assert shop.error(scope=None) == "invalid_scope"

    @pytest.mark.parametrize("max_age", ["-1", "ten", "1.5", "٣", "9" * 30])
    def test_max_age_is_a_number_of_seconds(self, shop: Rp, max_age: str) -> None:
        assert shop.error(max_age=max_age) == "invalid_request"

    def test_prompt_none_stands_alone(self, shop: Rp) -> None:
        assert shop.error(prompt="none login") == "invalid_request"

    @pytest.mark.parametrize("mode", ["fragment", "jwt", "query.jwt"])
    def test_unknown_response_mode_is_refused(self, shop: Rp, mode: str) -> None:
        assert shop.error(response_mode=mode) == "invalid_request"

    def test_state_that_is_too_long_is_refused_and_never_cut(self, shop: Rp) -> None:
        answer = answer_of(shop.authorize(state="s" * 5000))
        assert answer["error"] == "invalid_request"
        assert answer["state"] == "s" * 5000

    @pytest.mark.parametrize("name", ["nonce", "login_hint", "tenant"])
    def test_nul_is_refused_before_it_reaches_the_database(self, shop: Rp, name: str) -> None:
        assert shop.error(**{name: "a\x00b"}) == "invalid_request"

    def test_app_that_may_not_ask_for_codes_is_told(self, register: Register) -> None:
        assert register(grants=("client_credentials",)).error() == "unauthorized_client"


class TestGoodRequests:
    def test_openid_10_code_comes_with_the_issuer_of_discovery(self, shop: Rp, ann: Account) -> None:
        shop.open_session(ann)
        answer = answer_of(shop.authorize())
        document = shop.browser.get(shop.url(endpoints.OPENID_CONFIGURATION)).json or {}
        assert answer.keys() == {"code", "state", "iss"}
        assert answer["iss"] == document["issuer"]
        assert answer["state"] == STATE
        assert len(answer["code"]) >= 43

    def test_openid_12_every_redirect_is_a_303(self, shop: Rp, ann: Account) -> None:
        begun = shop.browser.post(shop.url(endpoints.AUTHORIZE), data=shop.request())
        assert begun.status_code == shop.sign_in(begun, ann).status_code == 303

    def test_request_by_post_is_as_good_and_its_query_string_counts_for_nothing(self, shop: Rp) -> None:
        sign_in_id_of(shop.browser.post(shop.url(endpoints.AUTHORIZE), data=shop.request()))
        mixed = shop.browser.post(shop.url(endpoints.AUTHORIZE), query_string=shop.request(), data={})
        assert refused_with_page(mixed) == "E_Client_Unknown"

    def test_large_form_is_refused_before_it_is_read(self, shop: Rp) -> None:
        response = shop.browser.post(shop.url(endpoints.AUTHORIZE), data={"client_id": "x" * 70_000})
        assert response.status_code == 413

    def test_sign_in_is_bound_to_the_browser(self, shop: Rp) -> None:
        response = shop.authorize()
        cookie = next(value for value in response.headers.getlist("Set-Cookie") if value.startswith("mg-t-"))
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie

    @pytest.mark.parametrize(
        "extra",
        [
            {"display": "page"},
            {"display": "popup"},
            {"ui_locales": "se de"},
            {"claims_locales": "se"},
            {"claims": '{"userinfo":{"name":{"essential":true}}}'},
            {"extra": "foobar"},
            {"nonce": "n" * 384},
            {"prompt": "create"},
            {"scope": "email openid nothing profile"},
        ],
        ids=str,
    )
    def test_what_we_do_not_know_is_ignored(self, shop: Rp, ann: Account, extra: dict[str, str]) -> None:
        assert shop.open_session(ann, **extra)

    def test_code_by_form_post_never_stands_in_a_url(self, shop: Rp, ann: Account) -> None:
        shop.open_session(ann)
        response = shop.authorize(response_mode="form_post")
        assert response.status_code == 200
        assert f'action="{CALLBACK}"' in response.text
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', response.text))
        assert fields.keys() == {"code", "state", "iss"}
        assert shop.redeem(fields["code"]).status_code == 200
        assert "form-action 'self' https://app.example;" in response.headers["Content-Security-Policy"]
        assert "no-store" in response.headers["Cache-Control"]

    def test_error_by_form_post_carries_state_and_issuer(self, shop: Rp) -> None:
        response = shop.authorize(response_mode="form_post", prompt="none")
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', response.text))
        assert (fields["error"], fields["iss"], fields["state"]) == ("login_required", shop.node.issuer, STATE)

    def test_form_post_escapes_what_the_app_sent(self, shop: Rp) -> None:
        response = shop.authorize(response_mode="form_post", prompt="none", state='"><script>')
        assert "<script>" not in response.text.replace('<script src="/static', "")

    def test_redirect_uri_with_a_query_keeps_it(self, register: Register, ann: Account) -> None:
        rp = register(redirect_uris=("https://app.example/cb?x=1",))
        rp.redirect_uri = "https://app.example/cb?x=1"
        response = rp.sign_in(rp.authorize(), ann)
        assert response.location.startswith("https://app.example/cb?x=1&code=")


def test_host_header_decides_nothing(shop: Rp, ann: Account) -> None:
    shop.open_session(ann)
    poisoned = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    response = shop.browser.get(shop.url(endpoints.AUTHORIZE), query_string=shop.request(), headers=poisoned)
    assert answer_of(response)["iss"] == "http://localhost:8000/t/acme"
    unknown = shop.browser.get(shop.url(endpoints.AUTHORIZE), query_string=shop.request(), headers={"Host": "evil.example"})
    assert unknown.status_code == 421


def test_role_decides_where_the_app_wants_one(register: Register, ann: Account, acme: Node, context: Context) -> None:
    rp = register(roleless=False)
    access.create_role(context, acme.id, "Buyer", kind="tenant", apps=[rp.party.client_id], level=0)
    access.grant_role(context, acme.id, ann, "Buyer")
    assert rp.open_session(ann)


def test_person_of_another_tenant_is_nobody_here(shop: Rp, globex: Node, context: Context) -> None:
    stranger = add_person(context, globex, "eve")
    begun = shop.authorize()
    shop.sign_in(begun, stranger)
    page = shop.browser.get(shop.url(endpoints.SIGN_IN), query_string={"id": sign_in_id_of(begun)})
    assert page.status_code == 403
    assert urlsplit(page.request.url).path.endswith(endpoints.SIGN_IN)
