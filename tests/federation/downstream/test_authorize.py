"""The authorization endpoint: openid.md 1 to 16, and authlib's holes there (libraries.md, OP pitfalls 2, 3, 4, 7, 10)."""

import re
from urllib.parse import urlsplit

import pytest
from werkzeug.test import TestResponse

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import Level, Means
from gateway.http import endpoints
from gateway.services import access, memberships, people, relying_parties
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from tests.conftest import Clock
from tests.federation.downstream.conftest import Register, add_person
from tests.federation.downstream.rp import CALLBACK, NONCE, STATE, Rp, answer_of, claims_of, sign_in_id_of


def refused_with_page(response: TestResponse) -> str:
    """The code on an error page; nobody is sent anywhere."""
    assert response.status_code == 400, response.text
    assert "Location" not in response.headers
    found = re.search(r'data-error="(\w+)"', response.text)
    assert found
    return found[1]


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


class TestLiveSession:
    def test_second_app_gets_its_code_at_once(self, register: Register, shop: Rp, ann: Account) -> None:
        shop.open_session(ann)
        other = register(name="Other")
        other.browser = shop.browser
        assert other.code()

    def test_cookie_of_one_tenant_is_nothing_at_another(self, register: Register, shop: Rp, ann: Account, globex: Node) -> None:
        shop.open_session(ann)
        other = register(globex)
        other.browser = shop.browser
        shop.browser.set_cookie(f"mg-{globex.id}", shop.cookie(f"mg-{shop.node.id}"))
        assert other.error(prompt="none") == "login_required"

    @pytest.mark.parametrize("changes", [{"max_age": "0"}, {"prompt": "login"}, {"prompt": "select_account"}, {"max_age": "59"}], ids=str)
    def test_openid_14_person_is_asked_again_and_auth_time_is_newer(
        self, shop: Rp, ann: Account, clock: Clock, changes: dict[str, str]
    ) -> None:
        first = shop.id_token(shop.tokens(shop.redeem(shop.open_session(ann))))
        clock.advance(seconds=60)
        asked = shop.authorize(**changes)
        sign_in_id_of(asked)
        second = shop.id_token(shop.tokens(shop.redeem(answer_of(shop.sign_in(asked, ann))["code"])))
        assert second["auth_time"] == first["auth_time"] + 60

    def test_max_age_zero_asks_within_the_same_second(self, shop: Rp, ann: Account) -> None:
        shop.open_session(ann)
        sign_in_id_of(shop.authorize(max_age="0"))

    def test_max_age_that_is_met_asks_nobody(self, shop: Rp, ann: Account, clock: Clock) -> None:
        shop.open_session(ann)
        clock.advance(seconds=600)
        assert shop.code(max_age="10000")

    @pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": "60"}], ids=str)
    def test_provider_that_passes_on_an_old_sign_in_does_not_do(
        self, shop: Rp, ann: Account, clock: Clock, changes: dict[str, str]
    ) -> None:
        old = Means(level=Level.FEDERATED, amr=("fed",), auth_time=type(clock.now)(clock.now - 3_600_000), provider="p")
        response = shop.sign_in(shop.authorize(**changes), ann, old)
        assert answer_of(response)["error"] == "login_required"

    def test_openid_15_prompt_none_never_shows_a_page(self, shop: Rp, ann: Account) -> None:
        assert shop.error(prompt="none") == "login_required"
        shop.open_session(ann)
        assert shop.code(prompt="none")
        assert shop.error(prompt="none", max_age="0") == "login_required"

    def test_openid_15_prompt_none_tells_who_may_not_use_the_app(self, register: Register, shop: Rp, ann: Account) -> None:
        shop.open_session(ann)
        other = register(name="By role", roleless=False)
        other.browser = shop.browser
        answer = answer_of(other.authorize(prompt="none"))
        assert answer["error"] == "access_denied"
        assert re.fullmatch(r"E_Not_Entitled: [\x20-\x7e]+\. Correlation [0-9a-f]{32}", answer["error_description"])
        assert answer["error_uri"] == "http://localhost:8000/help/errors/E_Not_Entitled"

    def test_refusal_of_somebody_signed_in_is_shown_first_and_told_on_return(self, register: Register, shop: Rp, ann: Account) -> None:
        shop.open_session(ann)
        other = register(name="By role", roleless=False)
        other.browser = shop.browser
        sign_in_id = sign_in_id_of(other.authorize())
        page = other.browser.get(other.url(endpoints.SIGN_IN), query_string={"id": sign_in_id})
        assert 'data-error="E_Not_Entitled"' in page.text
        answer = answer_of(other.browser.get(other.url(endpoints.AUTHORIZE_RETURN), query_string={"id": sign_in_id}))
        assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", STATE, other.node.issuer)

    def test_openid_16_hint_of_another_person_is_never_answered_with_this_one(self, shop: Rp, ann: Account, bob: Account) -> None:
        hint = shop.tokens(shop.redeem(shop.open_session(ann)))["id_token"]
        assert shop.code(prompt="none", id_token_hint=hint)
        shop.sign_in(shop.authorize(prompt="login"), bob)
        assert shop.error(prompt="none", id_token_hint=hint) == "login_required"
        response = shop.sign_in(shop.authorize(id_token_hint=hint), bob)
        assert answer_of(response)["error"] == "login_required"

    def test_openid_16_hint_is_as_good_after_it_expired(self, shop: Rp, ann: Account, clock: Clock) -> None:
        hint = shop.tokens(shop.redeem(shop.open_session(ann)))["id_token"]
        clock.advance(seconds=1800)
        assert shop.code(prompt="none", id_token_hint=hint)

    def test_hint_must_be_an_id_token_we_gave_to_this_app(self, register: Register, shop: Rp, ann: Account) -> None:
        answer = shop.tokens(shop.redeem(shop.open_session(ann)))
        other = register(name="Other")
        other.browser = shop.browser
        assert other.error(id_token_hint=answer["id_token"]) == "invalid_request"
        assert shop.error(id_token_hint=answer["access_token"]) == "invalid_request"
        assert shop.error(id_token_hint=answer["id_token"][:-4] + "AAAA") == "invalid_request"

    @pytest.mark.parametrize(("seconds", "good"), [(3599, True), (3600, False)])
    def test_session_idles_out(self, shop: Rp, ann: Account, clock: Clock, seconds: int, good: bool) -> None:
        shop.open_session(ann)
        clock.advance(seconds=seconds)
        assert ("code" in answer_of(shop.authorize(prompt="none"))) is good

    def test_session_ends_after_twelve_hours_however_busy(self, shop: Rp, ann: Account, clock: Clock) -> None:
        shop.open_session(ann)
        for _ in range(23):
            clock.advance(seconds=1800)
            assert shop.code(prompt="none")
        clock.advance(seconds=1800)
        assert shop.error(prompt="none") == "login_required"

    def test_session_of_somebody_disabled_is_over(self, shop: Rp, ann: Account, context: Context) -> None:
        shop.open_session(ann)
        people.set_enabled(context, ann, enabled=False)
        assert shop.error(prompt="none") == "login_required"


class TestTwoFactors:
    """openid.md 96: the first acr that we know is what the app likes best."""

    MFA = "http://localhost:8000/acr/mfa"

    def test_session_of_one_factor_does_not_do(self, shop: Rp, ann: Account) -> None:
        shop.open_session(ann)
        sign_in_id_of(shop.authorize(acr_values=self.MFA))
        assert shop.error(prompt="none", acr_values=self.MFA) == "interaction_required"
        assert shop.code(acr_values=f"http://localhost:8000/acr/1fa {self.MFA}")

    def test_session_of_two_factors_does_and_says_so(self, shop: Rp, ann: Account, clock: Clock) -> None:
        means = Means(level=Level.MULTI_FACTOR, amr=("fed", "mfa"), auth_time=clock.now, provider="p")
        shop.sign_in(shop.authorize(), ann, means)
        told = shop.id_token(shop.tokens(shop.redeem(shop.code(acr_values=self.MFA))))
        assert told["acr"] == self.MFA

    def test_unknown_wishes_are_ignored(self, shop: Rp, ann: Account) -> None:
        shop.open_session(ann)
        assert shop.code(acr_values="urn:one urn:two")


class TestContinueAndReturn:
    def test_finished_sign_in_answers_once(self, shop: Rp, ann: Account) -> None:
        begun = shop.authorize()
        assert "code" in answer_of(shop.sign_in(begun, ann))
        again = shop.browser.get(shop.url(endpoints.AUTHORIZE_CONTINUE), query_string={"id": sign_in_id_of(begun)})
        assert refused_with_page(again) == "E_State_Invalid"

    def test_unfinished_sign_in_goes_back_to_its_page(self, shop: Rp) -> None:
        sign_in_id = sign_in_id_of(shop.authorize())
        response = shop.browser.get(shop.url(endpoints.AUTHORIZE_CONTINUE), query_string={"id": sign_in_id})
        assert sign_in_id_of(response) == sign_in_id

    def test_session_cookie_of_another_sign_in_does_not_finish_this_one(self, shop: Rp, ann: Account, bob: Account) -> None:
        begun = shop.authorize()
        shop.open_session(bob)
        sign_in_id = sign_in_id_of(begun)
        response = shop.browser.get(shop.url(endpoints.AUTHORIZE_CONTINUE), query_string={"id": sign_in_id})
        assert sign_in_id_of(response) == sign_in_id

    @pytest.mark.parametrize("path", [endpoints.AUTHORIZE_CONTINUE, endpoints.AUTHORIZE_RETURN])
    def test_other_browser_gets_nothing(self, register: Register, shop: Rp, path: str) -> None:
        sign_in_id = sign_in_id_of(shop.authorize())
        stranger = register().browser
        assert refused_with_page(stranger.get(shop.url(path), query_string={"id": sign_in_id})) == "E_State_Invalid"
        assert refused_with_page(stranger.get(shop.url(path))) == "E_State_Invalid"

    def test_person_who_turns_round_is_reported(self, shop: Rp) -> None:
        sign_in_id = sign_in_id_of(shop.authorize())
        answer = answer_of(shop.browser.get(shop.url(endpoints.AUTHORIZE_RETURN), query_string={"id": sign_in_id}))
        assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", STATE, shop.node.issuer)

    def test_redirect_uri_that_was_removed_meanwhile_gets_no_code(self, shop: Rp, ann: Account, context: Context) -> None:
        begun = shop.authorize()
        relying_parties.change(context, shop.party, {"redirect_uris": ("https://app.example/new",)})
        assert refused_with_page(shop.sign_in(begun, ann)) == "E_Redirect_Uri_Invalid"

    def test_two_tabs_both_finish(self, shop: Rp, ann: Account) -> None:
        first, second = shop.authorize(state="one"), shop.authorize(state="two")
        for response, state in ((second, "two"), (first, "one")):
            answer = answer_of(shop.sign_in(response, ann))
            assert answer["state"] == state
            assert shop.redeem(answer["code"]).status_code == 200


class TestActingTenant:
    def test_tenant_asked_for_is_the_one_acted_in(self, shop: Rp, ann: Account, acme: Node) -> None:
        told = claims_of(shop.tokens(shop.redeem(shop.open_session(ann, tenant="acme")))["access_token"])
        assert (told["tenant"], told["tenant_id"]) == ("acme", acme.id)

    def test_tenant_one_does_not_belong_to_is_refused(self, shop: Rp, ann: Account) -> None:
        shop.open_session(ann)
        answer = answer_of(shop.authorize(prompt="none", tenant="globex"))
        assert (answer["error"], answer["error_description"].split(":")[0]) == ("access_denied", "E_Not_Entitled")

    def test_person_of_two_tenants_chooses_once_and_is_remembered(
        self, register: Register, ann: Account, platform: Node, globex: Node, context: Context
    ) -> None:
        """decisions.md 10: by parameter, by choice, and with prompt=none that of the last grant of this session and app."""
        memberships.add(context, globex, ann)
        rp = register(platform)
        begun = rp.authorize()
        sign_in_id = sign_in_id_of(begun)
        assert sign_in_id_of(rp.sign_in(begun, ann)) == sign_in_id
        stored = sign_ins.get(context, platform, sign_in_id, rp.cookie(f"mg-t-{sign_in_id}"))
        assert stored.due == "choose_tenant"
        chosen = sign_ins.choose_tenant(context, platform, stored, "globex")
        rp.browser.set_cookie(f"mg-{platform.id}", chosen.session_secret)
        finished = rp.browser.get(rp.url(endpoints.AUTHORIZE_CONTINUE), query_string={"id": sign_in_id})
        code = answer_of(finished)["code"]
        for each, tenant in (
            (code, "globex"),
            (rp.code(prompt="none"), "globex"),
            (rp.code(tenant="acme"), "acme"),
            (rp.code(prompt="none"), "acme"),
        ):
            assert claims_of(rp.tokens(rp.redeem(each))["access_token"])["tenant"] == tenant
        # Asked without prompt=none, the page with the choice comes, and no password is asked again.
        again = sign_in_id_of(rp.authorize())
        assert sign_ins.get(context, platform, again, rp.cookie(f"mg-t-{again}")).due == "choose_tenant"

    def test_nonce_of_each_request_is_its_own(self, shop: Rp, ann: Account) -> None:
        first, second = shop.open_session(ann), shop.code(nonce="other")
        assert shop.id_token(shop.tokens(shop.redeem(second)), nonce="other")["nonce"] == "other"
        assert shop.id_token(shop.tokens(shop.redeem(first)))["nonce"] == NONCE


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
