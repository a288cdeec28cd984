"""The token endpoint: openid.md 7 and 17 to 29, and authlib's holes there (libraries.md, OP pitfalls 1, 5, 6, 9, 10)."""

import logging
import threading
from typing import Any

import pytest
from werkzeug.test import TestResponse

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.http import endpoints
from gateway.services import grants, nodes, people, relying_parties
from gateway.services.context import Context
from gateway.storage import audit
from gateway.storage.database import DatabaseUnavailable
from tests.conftest import Clock
from tests.federation.downstream.conftest import Register
from tests.federation.downstream.rp import CALLBACK, VERIFIER, Rp, basic, claims_of
from tests.sql import everything

DAY = 86_400


def error_of(response: TestResponse, status: int = 400) -> str:
    """The OAuth error of an answer that may not be stored."""
    assert response.status_code == status, response.text
    assert response.mimetype == "application/json"
    assert "no-store" in response.headers["Cache-Control"]
    body: dict[str, Any] = response.json or {}
    assert not {"access_token", "refresh_token", "id_token"} & body.keys()
    assert str(body.get("error_description", "")).isascii()
    return str(body["error"])


def actions(context: Context, node: Node) -> list[str]:
    return [row.action for row in audit.list_audit(context.database, node.id, limit=50)]


class TestCodes:
    @pytest.mark.parametrize(
        "changes", [{"code_verifier": None}, {"code_verifier": "w" * 43}, {"code_verifier": "é" * 43}, {"code_verifier": ""}], ids=str
    )
    def test_openid_7_code_needs_its_verifier(self, shop: Rp, ann: Account, changes: dict[str, str | None]) -> None:
        assert error_of(shop.redeem(shop.open_session(ann), **changes)) == "invalid_grant"

    def test_openid_7_verifier_without_challenge_is_a_downgrade(self, register: Register, ann: Account) -> None:
        rp = register(pkce_required=False)
        code = rp.open_session(ann, code_challenge=None, code_challenge_method=None)
        assert error_of(rp.redeem(code)) == "invalid_grant"

    def test_old_app_redeems_without_pkce(self, register: Register, ann: Account) -> None:
        rp = register(pkce_required=False)
        assert rp.redeem(rp.open_session(ann, code_challenge=None, code_challenge_method=None), code_verifier=None).status_code == 200

    def test_openid_17_second_use_kills_what_the_first_gave(self, shop: Rp, ann: Account, context: Context) -> None:
        code = shop.open_session(ann)
        answer = shop.tokens(shop.redeem(code))
        assert shop.userinfo(answer["access_token"]).status_code == 200
        assert error_of(shop.redeem(code)) == "invalid_grant"
        assert shop.userinfo(answer["access_token"]).status_code == 401
        assert error_of(shop.refresh(answer["refresh_token"])) == "invalid_grant"
        assert "code.replayed" in actions(context, shop.node)

    def test_openid_17_replay_half_a_minute_later_kills_too(self, shop: Rp, ann: Account, clock: Clock) -> None:
        code = shop.open_session(ann)
        answer = shop.tokens(shop.redeem(code))
        clock.advance(seconds=30)
        assert error_of(shop.redeem(code)) == "invalid_grant"
        assert shop.userinfo(answer["access_token"]).status_code == 401

    @pytest.mark.parametrize(("seconds", "status"), [(59, 200), (60, 400), (61, 400)])
    def test_openid_18_code_lives_for_a_minute(self, shop: Rp, ann: Account, clock: Clock, seconds: int, status: int) -> None:
        code = shop.open_session(ann)
        clock.advance(seconds=seconds)
        assert shop.redeem(code).status_code == status

    def test_openid_19_code_of_another_app_is_refused_and_burnt(self, register: Register, shop: Rp, ann: Account) -> None:
        code = shop.open_session(ann)
        assert error_of(register(name="Thief").redeem(code)) == "invalid_grant"
        assert error_of(shop.redeem(code)) == "invalid_grant"

    def test_openid_20_of_twenty_redemptions_at_once_one_is_answered(self, shop: Rp, ann: Account) -> None:
        code = shop.open_session(ann)
        start = threading.Barrier(20)
        statuses: list[int] = []

        def redeem() -> None:
            start.wait()
            statuses.append(shop.redeem(code).status_code)
            shop.context.database.close()

        threads = [threading.Thread(target=redeem) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [200] + [400] * 19

    @pytest.mark.parametrize("uri", [CALLBACK + "/", None, "https://app.example/other"])
    def test_redirect_uri_must_be_that_of_the_request(self, shop: Rp, ann: Account, uri: str | None) -> None:
        assert error_of(shop.redeem(shop.open_session(ann), redirect_uri=uri)) == "invalid_grant"

    def test_code_is_needed_and_an_unknown_one_is_refused(self, shop: Rp) -> None:
        assert error_of(shop.redeem("")) == "invalid_request"
        assert error_of(shop.redeem("mgo_unknown")) == "invalid_grant"

    def test_code_of_somebody_disabled_meanwhile_is_dead(self, shop: Rp, ann: Account, context: Context) -> None:
        code = shop.open_session(ann)
        people.set_enabled(context, ann, enabled=False)
        assert error_of(shop.redeem(code)) == "invalid_grant"

    def test_code_of_a_tenant_switched_off_meanwhile_is_dead(self, shop: Rp, ann: Account, context: Context) -> None:
        code = shop.open_session(ann)
        nodes.disable_node(context, shop.node)
        assert error_of(shop.redeem(code)) == "invalid_grant"

    def test_codes_and_tokens_are_stored_as_hashes_only(self, shop: Rp, ann: Account, context: Context) -> None:
        code = shop.open_session(ann)
        answer = shop.tokens(shop.redeem(code))
        content = everything(context.database)
        for secret in (code, answer["refresh_token"], answer["access_token"], shop.secret):
            assert secret not in content


class TestRefresh:
    def test_refresh_rotates_and_keeps_who_when_and_how(self, shop: Rp, ann: Account, clock: Clock) -> None:
        first = shop.tokens(shop.redeem(shop.open_session(ann)))
        clock.advance(seconds=600)
        second = shop.tokens(shop.refresh(first["refresh_token"]))
        before, after = claims_of(first["id_token"]), claims_of(second["id_token"])
        for name in ("iss", "sub", "aud", "auth_time", "acr", "amr", "sid", "tenant"):
            assert after[name] == before[name]
        assert after["iat"] == before["iat"] + 600
        assert "nonce" not in after
        assert second["refresh_token"] != first["refresh_token"]
        assert second["access_token"] != first["access_token"]

    def test_openid_21_refresh_token_of_another_app_is_refused_and_lives_on(self, register: Register, shop: Rp, ann: Account) -> None:
        token = shop.tokens(shop.redeem(shop.open_session(ann)))["refresh_token"]
        assert error_of(register(name="Thief").refresh(token)) == "invalid_grant"
        assert shop.refresh(token).status_code == 200

    def test_openid_22_within_ten_seconds_one_extra_child_and_no_more(self, shop: Rp, ann: Account, clock: Clock) -> None:
        token = shop.tokens(shop.redeem(shop.open_session(ann)))["refresh_token"]
        child = shop.tokens(shop.refresh(token))["refresh_token"]
        clock.advance(seconds=9)
        extra = shop.tokens(shop.refresh(token))["refresh_token"]
        assert error_of(shop.refresh(token)) == "invalid_grant"
        # An impatient client that asks three times within the grace is not a thief.
        assert shop.refresh(child).status_code == shop.refresh(extra).status_code == 200

    def test_openid_22_replay_after_the_grace_kills_the_family(self, shop: Rp, ann: Account, clock: Clock, context: Context) -> None:
        token = shop.tokens(shop.redeem(shop.open_session(ann)))["refresh_token"]
        child = shop.tokens(shop.refresh(token))
        clock.advance(seconds=11)
        assert error_of(shop.refresh(token)) == "invalid_grant"
        assert error_of(shop.refresh(child["refresh_token"])) == "invalid_grant"
        assert shop.userinfo(child["access_token"]).status_code == 401
        assert "refresh_token.replayed" in actions(context, shop.node)

    def test_of_twenty_refreshes_at_once_two_are_answered(self, shop: Rp, ann: Account) -> None:
        token = shop.tokens(shop.redeem(shop.open_session(ann)))["refresh_token"]
        start = threading.Barrier(20)
        statuses: list[int] = []

        def refresh() -> None:
            start.wait()
            statuses.append(shop.refresh(token).status_code)
            shop.context.database.close()

        threads = [threading.Thread(target=refresh) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [200, 200] + [400] * 18

    def test_openid_23_scope_may_be_narrowed_and_not_widened(self, shop: Rp, ann: Account) -> None:
        token = shop.tokens(shop.redeem(shop.open_session(ann, scope="openid email offline_access")))["refresh_token"]
        assert error_of(shop.refresh(token, scope="openid profile")) == "invalid_scope"
        narrow = shop.tokens(shop.refresh(token, scope="openid"))
        assert narrow["scope"] == "openid"
        assert "email" not in (shop.userinfo(narrow["access_token"]).json or {})
        # What was granted stays granted: only that one access token was narrower.
        assert shop.tokens(shop.refresh(narrow["refresh_token"]))["scope"] == "openid email offline_access"

    @pytest.mark.parametrize("act", ["disabled", "deleted", "locked"])
    def test_openid_23_refresh_of_somebody_who_is_out_is_refused(self, shop: Rp, ann: Account, context: Context, act: str) -> None:
        token = shop.tokens(shop.redeem(shop.open_session(ann)))["refresh_token"]
        match act:
            case "disabled":
                people.set_enabled(context, ann, enabled=False)
            case "deleted":
                people.delete_person(context, ann)
            case _:
                people.set_admin_lock(context, ann, locked=True)
        assert error_of(shop.refresh(token)) == "invalid_grant"

    def test_openid_23_refresh_asks_admission_again(self, register: Register, ann: Account, context: Context) -> None:
        rp = register()
        token = rp.tokens(rp.redeem(rp.open_session(ann)))["refresh_token"]
        relying_parties.change(context, rp.party, {"roleless": False})
        response = rp.refresh(token)
        assert error_of(response) == "invalid_grant"
        assert (response.json or {})["error_description"].startswith("E_No")

    def test_openid_24_family_ends_after_a_year_however_busy(self, shop: Rp, ann: Account, clock: Clock) -> None:
        token = shop.tokens(shop.redeem(shop.open_session(ann)))["refresh_token"]
        for _ in range(14):
            clock.advance(seconds=26 * DAY)
            token = shop.tokens(shop.refresh(token))["refresh_token"]
        clock.advance(seconds=DAY)
        assert error_of(shop.refresh(token)) == "invalid_grant"

    def test_refresh_token_idles_out_after_thirty_days(self, shop: Rp, ann: Account, clock: Clock) -> None:
        token = shop.tokens(shop.redeem(shop.open_session(ann)))["refresh_token"]
        clock.advance(seconds=30 * DAY)
        assert error_of(shop.refresh(token)) == "invalid_grant"

    def test_without_offline_access_the_family_ends_with_the_session(self, shop: Rp, ann: Account, clock: Clock) -> None:
        token = shop.tokens(shop.redeem(shop.open_session(ann, scope="openid")))["refresh_token"]
        clock.advance(seconds=DAY // 2 - 1)
        token = shop.tokens(shop.refresh(token))["refresh_token"]
        clock.advance(seconds=1)
        assert error_of(shop.refresh(token)) == "invalid_grant"

    def test_app_without_the_grant_gets_no_refresh_token(self, register: Register, ann: Account) -> None:
        rp = register(grants=("authorization_code",))
        answer = rp.tokens(rp.redeem(rp.open_session(ann)))
        assert "refresh_token" not in answer
        assert "offline_access" not in answer["scope"]

    def test_code_is_no_refresh_token_and_the_other_way_round(self, shop: Rp, ann: Account) -> None:
        code = shop.open_session(ann)
        assert error_of(shop.refresh(code)) == "invalid_grant"
        assert error_of(shop.redeem(shop.tokens(shop.redeem(code))["refresh_token"])) == "invalid_grant"


class TestAppProof:
    def raw(self, rp: Rp, form: dict[str, Any], headers: dict[str, str] | None = None, **options: Any) -> TestResponse:
        server = rp.browser.application.test_client(use_cookies=False)
        return server.post(rp.url(endpoints.TOKEN), data=form, headers=headers or {}, **options)

    def form(self, rp: Rp, ann: Account) -> dict[str, str]:
        return {"grant_type": "authorization_code", "code": rp.open_session(ann), "redirect_uri": CALLBACK, "code_verifier": VERIFIER}

    @pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
    def test_secret_goes_by_the_way_registered(self, register: Register, ann: Account, method: str) -> None:
        rp = register(auth_method=method)
        assert rp.redeem(rp.open_session(ann)).status_code == 200

    def test_public_app_names_itself(self, register: Register, ann: Account) -> None:
        rp = register(public=True)
        assert rp.redeem(rp.open_session(ann)).status_code == 200

    @pytest.mark.parametrize("secret", ["wrong", "", "mgc_" + "A" * 43])
    def test_openid_25_wrong_secret_is_401_with_a_challenge(self, shop: Rp, ann: Account, secret: str) -> None:
        response = self.raw(shop, self.form(shop, ann), basic(shop.party.client_id, secret))
        assert error_of(response, 401) == "invalid_client"
        assert response.headers["WWW-Authenticate"].startswith("Basic ")

    def test_openid_25_unknown_app_and_wrong_secret_get_the_same_answer(self, shop: Rp, ann: Account) -> None:
        form = self.form(shop, ann)
        answers = [self.raw(shop, form, basic(client_id, "wrong")) for client_id in (shop.party.client_id, "nobody")]
        assert answers[0].data == answers[1].data
        assert answers[0].headers["WWW-Authenticate"] == answers[1].headers["WWW-Authenticate"]

    def test_openid_25_who_keeps_failing_waits_and_nobody_else_does(self, register: Register, shop: Rp, clock: Clock) -> None:
        wrong = basic(shop.party.client_id, "wrong")
        for _ in range(10):
            assert self.raw(shop, {"grant_type": "refresh_token"}, wrong).status_code == 401
        response = self.raw(shop, {"grant_type": "refresh_token", "refresh_token": "x"}, basic(shop.party.client_id, shop.secret))
        assert response.status_code == 429
        assert 0 < int(response.headers["Retry-After"]) <= 61
        elsewhere = {"environ_base": {"REMOTE_ADDR": "192.0.2.7"}}
        good = basic(shop.party.client_id, shop.secret)
        assert self.raw(shop, {"grant_type": "refresh_token", "refresh_token": "x"}, good, **elsewhere).status_code == 400
        assert register().refresh("x").status_code == 400
        clock.advance(seconds=61)
        assert self.raw(shop, {"grant_type": "refresh_token", "refresh_token": "x"}, good).status_code == 400

    def test_openid_27_secret_is_worth_nothing_at_another_tenant(self, register: Register, shop: Rp, globex: Node) -> None:
        there = register(globex)
        response = self.raw(there, {"grant_type": "refresh_token", "refresh_token": "x"}, basic(shop.party.client_id, shop.secret))
        assert error_of(response, 401) == "invalid_client"

    def test_openid_28_two_proofs_at_once_are_refused(self, shop: Rp, ann: Account) -> None:
        good, form = basic(shop.party.client_id, shop.secret), self.form(shop, ann)
        for more in ({"client_secret": shop.secret}, {"client_id": "other"}, {"client_assertion": "x", "client_assertion_type": "y"}):
            assert error_of(self.raw(shop, form | more, good)) == "invalid_request"

    def test_client_id_beside_the_header_is_no_second_proof(self, shop: Rp, ann: Account) -> None:
        form = self.form(shop, ann) | {"client_id": shop.party.client_id}
        assert self.raw(shop, form, basic(shop.party.client_id, shop.secret)).status_code == 200

    @pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
    def test_confidential_app_cannot_leave_its_secret_out(self, register: Register, ann: Account, method: str) -> None:
        rp = register(auth_method=method)
        response = self.raw(rp, self.form(rp, ann) | {"client_id": rp.party.client_id})
        assert error_of(response, 401) == "invalid_client"

    def test_secret_by_another_way_than_registered_is_refused(self, shop: Rp, ann: Account) -> None:
        form = self.form(shop, ann) | {"client_id": shop.party.client_id, "client_secret": shop.secret}
        assert error_of(self.raw(shop, form), 401) == "invalid_client"

    def test_nobody_is_nobody(self, shop: Rp, ann: Account) -> None:
        assert error_of(self.raw(shop, self.form(shop, ann)), 401) == "invalid_client"

    @pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic /////w==", "Basic bm9jb2xvbg==", "Basic Og==", "Bearer x"])
    def test_broken_authorization_header_is_no_fault_of_ours(self, shop: Rp, header: str) -> None:
        response = self.raw(shop, {"grant_type": "refresh_token", "refresh_token": "x"}, {"Authorization": header})
        assert error_of(response, 401) == "invalid_client"

    def test_app_that_is_switched_off_is_refused(self, shop: Rp, ann: Account, context: Context) -> None:
        answer = shop.tokens(shop.redeem(shop.open_session(ann)))
        relying_parties.set_disabled(context, shop.party, disabled=True)
        assert error_of(shop.refresh(answer["refresh_token"]), 401) == "invalid_client"
        assert shop.userinfo(answer["access_token"]).status_code == 401

    def test_secret_is_rotated_with_a_day_of_overlap(self, shop: Rp, context: Context, clock: Clock) -> None:
        new = relying_parties.rotate_secret(context, shop.party)
        form = {"grant_type": "refresh_token", "refresh_token": "x"}
        for secret in (shop.secret, new):
            assert self.raw(shop, form, basic(shop.party.client_id, secret)).status_code == 400
        clock.advance(seconds=DAY)
        assert self.raw(shop, form, basic(shop.party.client_id, shop.secret)).status_code == 401
        assert self.raw(shop, form, basic(shop.party.client_id, new)).status_code == 400


class TestForm:
    @pytest.mark.parametrize("grant_type", ["password", "implicit", "urn:ietf:params:oauth:grant-type:device_code", "é", ""])
    def test_openid_29_other_grants_are_not_served(self, shop: Rp, grant_type: str) -> None:
        response = shop.token(grant_type=grant_type, username="ann", password="x")
        assert error_of(response) == ("unsupported_grant_type" if grant_type else "invalid_request")

    def test_query_string_is_refused(self, shop: Rp, ann: Account) -> None:
        code = shop.open_session(ann)
        form = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        response = shop.post(endpoints.TOKEN + "?grant_type=authorization_code", form)
        assert error_of(response) == "invalid_request"
        whole = form | {"grant_type": "authorization_code"}
        assert error_of(shop.post(endpoints.TOKEN + "?client_secret=" + shop.secret, whole)) == "invalid_request"
        assert shop.redeem(code).status_code == 200

    @pytest.mark.parametrize("name", ["grant_type", "code", "client_id", "scope"])
    def test_openid_8_nothing_may_come_twice(self, shop: Rp, name: str) -> None:
        form = {"grant_type": "authorization_code", "code": "x", name: ["authorization_code", "b"]}
        assert error_of(shop.post(endpoints.TOKEN, form)) == "invalid_request"

    def test_only_forms_are_read(self, shop: Rp) -> None:
        server = shop.browser.application.test_client()
        headers = basic(shop.party.client_id, shop.secret)
        response = server.post(shop.url(endpoints.TOKEN), json={"grant_type": "client_credentials"}, headers=headers)
        assert error_of(response) == "invalid_request"

    def test_large_form_is_refused_in_json(self, shop: Rp) -> None:
        assert error_of(shop.token(grant_type="refresh_token", refresh_token="x" * 70_000), 413)

    @pytest.mark.parametrize("length", ["9" * 5000, "70000"])
    def test_a_length_that_nobody_could_send_is_refused_before_it_is_read(self, shop: Rp, length: str) -> None:
        server = shop.browser.application.test_client()
        headers = {**basic(shop.party.client_id, shop.secret), "Content-Type": "application/x-www-form-urlencoded"}
        response = server.post(shop.url(endpoints.TOKEN), headers=headers, environ_overrides={"CONTENT_LENGTH": length})
        assert response.status_code in {400, 413}
        assert response.mimetype == "application/json"

    def test_fault_of_ours_is_told_in_json_and_tells_nothing(self, shop: Rp, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("a secret of ours")

        monkeypatch.setattr(grants, "redeem_code", fail)
        response = shop.redeem("x")
        assert error_of(response, 500) == "server_error"
        assert response.json is not None
        assert response.json["error_description"].startswith("E_Internal: ")
        assert "secret" not in response.text

    def test_database_that_cannot_serve_is_said_in_json(self, shop: Rp, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> None:
            raise DatabaseUnavailable("locked")

        monkeypatch.setattr(grants, "redeem_code", fail)
        assert error_of(shop.redeem("x"), 503) == "temporarily_unavailable"

    def test_get_is_not_allowed(self, shop: Rp) -> None:
        assert shop.browser.get(shop.url(endpoints.TOKEN)).status_code == 405


def test_no_token_is_ever_logged(shop: Rp, ann: Account, caplog: pytest.LogCaptureFixture) -> None:
    """Authlib writes whole answers into its debug log (OP pitfall 9)."""
    caplog.set_level(logging.DEBUG)
    code = shop.open_session(ann)
    answer = shop.tokens(shop.redeem(code))
    answer |= {"second": shop.tokens(shop.refresh(answer["refresh_token"]))["access_token"]}
    shop.redeem(code)
    for secret in (code, answer["access_token"], answer["refresh_token"], answer["id_token"], answer["second"], shop.secret, VERIFIER):
        assert secret not in caplog.text
