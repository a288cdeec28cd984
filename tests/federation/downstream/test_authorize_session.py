"""The authorization endpoint for somebody who is signed in: openid.md 14 to 16 and 96, decisions.md 10; and the way back from a sign-in."""

import re
import threading
from dataclasses import replace

import pytest

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import Level, Means
from gateway.domain.sign_in import Path, Proof
from gateway.http import endpoints
from gateway.services import memberships, people, relying_parties, sessions
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from tests.conftest import Clock
from tests.federation.downstream.conftest import Register
from tests.federation.downstream.pages import refused_with_page
from tests.federation.downstream.rp import NONCE, STATE, Rp, answer_of, claims_of, sign_in_id_of
from tests.sign_ins import make_provider


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
        provider = make_provider(shop.context, shop.node).id
        old = Means(level=Level.FEDERATED, amr=("fed",), auth_time=type(clock.now)(clock.now - 3_600_000), provider=provider)
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
        means = Means(level=Level.MULTI_FACTOR, amr=("fed", "mfa"), auth_time=clock.now, provider=make_provider(shop.context, shop.node).id)
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

    def prove(self, rp: Rp, sign_in_id: str, account: Account) -> str:
        """Somebody signs in, and the browser has not come back yet; return the secret of the session."""
        stored = sign_ins.get(rp.context, rp.node, sign_in_id, rp.cookie(f"mg-t-{sign_in_id}"))
        means = Means(level=Level.ONE_FACTOR, amr=("pwd",), auth_time=rp.context.now())
        proved = replace(stored, proof=Proof(account.id, Path.PASSWORD, means, rp.context.now()))
        return sign_ins.advance(rp.context, rp.node, proved).session_secret

    def test_of_ten_browsers_with_the_same_cookies_one_is_answered(self, shop: Rp, ann: Account) -> None:
        sign_in_id = sign_in_id_of(shop.authorize())
        cookies = f"mg-t-{sign_in_id}={shop.cookie(f'mg-t-{sign_in_id}')}; mg-{shop.node.id}={self.prove(shop, sign_in_id, ann)}"
        start = threading.Barrier(10)
        answers: list[str] = []

        def follow() -> None:
            browser = shop.browser.application.test_client(use_cookies=False)
            start.wait()
            url = shop.url(endpoints.AUTHORIZE_CONTINUE)
            answers.append(browser.get(url, query_string={"id": sign_in_id}, headers={"Cookie": cookies}).headers.get("Location", ""))
            shop.context.database.close()

        threads = [threading.Thread(target=follow) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum("code=" in answer for answer in answers) == 1

    def test_person_who_finished_in_another_tab_meanwhile_is_still_herself(self, shop: Rp, ann: Account) -> None:
        sign_in_id = sign_in_id_of(shop.authorize())
        self.prove(shop, sign_in_id, ann)
        shop.open_session(ann)
        response = shop.browser.get(shop.url(endpoints.AUTHORIZE_CONTINUE), query_string={"id": sign_in_id})
        assert "code" in answer_of(response)

    @pytest.mark.parametrize("act", ["another person", "signed out", "disabled"])
    def test_session_that_is_gone_begins_anew_and_goes_round_no_circle(
        self, shop: Rp, ann: Account, bob: Account, context: Context, act: str
    ) -> None:
        sign_in_id = sign_in_id_of(shop.authorize())
        secret = self.prove(shop, sign_in_id, ann)
        match act:
            case "another person":
                shop.open_session(bob)
            case "signed out":
                shop.browser.delete_cookie(f"mg-{shop.node.id}")
            case _:
                shop.browser.set_cookie(f"mg-{shop.node.id}", secret)
                people.set_enabled(context, ann, enabled=False)
        response = shop.browser.get(shop.url(endpoints.AUTHORIZE_CONTINUE), query_string={"id": sign_in_id})
        assert sign_in_id_of(response) == sign_in_id
        page = shop.browser.get(shop.url(endpoints.SIGN_IN), query_string={"id": sign_in_id})
        assert page.status_code == 200
        assert 'name="login"' in page.text

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

    def test_sign_in_that_took_too_long_is_reported_as_such(self, shop: Rp, clock: Clock) -> None:
        sign_in_id = sign_in_id_of(shop.authorize())
        clock.advance(seconds=601)
        answer = answer_of(shop.browser.get(shop.url(endpoints.AUTHORIZE_RETURN), query_string={"id": sign_in_id}))
        assert (answer["error"], answer["state"]) == ("login_required", STATE)
        assert answer["error_description"].startswith("E_Session_Expired: ")

    def test_app_that_was_removed_meanwhile_gets_nothing(self, shop: Rp, ann: Account, context: Context) -> None:
        begun = shop.authorize()
        relying_parties.delete(context, shop.party)
        for path in (endpoints.AUTHORIZE_CONTINUE, endpoints.AUTHORIZE_RETURN):
            response = shop.browser.get(shop.url(path), query_string={"id": sign_in_id_of(begun)})
            assert refused_with_page(response) == "E_Client_Unknown"

    def test_right_that_was_taken_between_sign_in_and_answer_is_no_right(self, shop: Rp, ann: Account, context: Context) -> None:
        sign_in_id = sign_in_id_of(shop.authorize())
        shop.browser.set_cookie(f"mg-{shop.node.id}", self.prove(shop, sign_in_id, ann))
        relying_parties.change(context, shop.party, {"roleless": False})
        answer = answer_of(shop.browser.get(shop.url(endpoints.AUTHORIZE_CONTINUE), query_string={"id": sign_in_id}))
        assert (answer["error"], "code" in answer) == ("access_denied", False)

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
        assert claims_of(rp.tokens(rp.redeem(code))["access_token"])["tenant"] == "globex"
        for asked, tenant in (({"prompt": "none"}, "globex"), ({"tenant": "acme"}, "acme"), ({"prompt": "none"}, "acme")):
            assert claims_of(rp.tokens(rp.redeem(rp.code(**asked)))["access_token"])["tenant"] == tenant
        # Asked without prompt=none, the page with the choice comes, and no password is asked again.
        again = sign_in_id_of(rp.authorize())
        waiting = sign_ins.get(context, platform, again, rp.cookie(f"mg-t-{again}"))
        assert waiting.due == "choose_tenant"
        # The same session goes on, to the end it had, and its former secret is worthless (openid.md 80).
        before = sessions.find_live_session(context, platform, chosen.session_secret)
        after = sign_ins.choose_tenant(context, platform, waiting, "acme").session_secret
        assert sessions.find_live_session(context, platform, after) == before
        assert sessions.find_live_session(context, platform, chosen.session_secret) is None

    def test_nonce_of_each_request_is_its_own(self, shop: Rp, ann: Account) -> None:
        first, second = shop.open_session(ann), shop.code(nonce="other")
        assert shop.id_token(shop.tokens(shop.redeem(second)), nonce="other")["nonce"] == "other"
        assert shop.id_token(shop.tokens(shop.redeem(first)))["nonce"] == NONCE
