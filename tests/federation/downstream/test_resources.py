"""Userinfo, introspection, revocation, discovery, keys and cross-origin calls: openid.md 32 to 37."""

import json
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.values import Instant
from gateway.http import endpoints
from gateway.services import access, keys, nodes, people, relying_parties, sessions
from gateway.services.context import Context
from gateway.tokens.signing import sign
from gateway.tokens.verification import import_key_set
from tests.conftest import Clock
from tests.federation.downstream.conftest import Register
from tests.federation.downstream.rp import Rp, basic, claims_of, header_of

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}


@pytest.fixture
def signed_in(shop: Rp, ann: Account) -> dict[str, Any]:
    """Ann's tokens at the shop."""
    return shop.tokens(shop.redeem(shop.open_session(ann)))


def introspect(rp: Rp, token: str, **form: str) -> dict[str, Any]:
    response = rp.post(endpoints.INTROSPECT, {"token": token} | form)
    assert response.status_code == 200, response.text
    told: dict[str, Any] = response.json or {}
    return told


class TestUserinfo:
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_claims_are_those_of_the_scope(self, shop: Rp, ann: Account, acme: Node, method: str) -> None:
        token = shop.tokens(shop.redeem(shop.open_session(ann, scope="openid profile email phone roles address")))["access_token"]
        response = shop.userinfo(token, method=method)
        assert response.status_code == 200
        assert response.mimetype == "application/json"
        assert response.json == {
            "sub": ann.id,
            "tenant": "acme",
            "tenant_id": acme.id,
            "name": "Ann Ex",
            "given_name": "Ann",
            "family_name": "Ex",
            "preferred_username": "ann",
            "locale": "de-DE",
            "zoneinfo": "Europe/Berlin",
            "email": "ann@acme.example",
            "phone_number": "+49 30 1",
            "updated_at": ann.updated_at // 1000,
            "email_verified": False,
            "roles": [],
        }

    @pytest.mark.parametrize(("scope", "name"), [("profile", "name"), ("email", "email"), ("phone", "phone_number"), ("roles", "roles")])
    def test_each_scope_opens_its_own_claims_only(self, shop: Rp, ann: Account, scope: str, name: str) -> None:
        told = shop.userinfo(shop.tokens(shop.redeem(shop.open_session(ann, scope=f"openid {scope}")))["access_token"]).json or {}
        assert {"name", "email", "phone_number", "roles"} & told.keys() == {name}

    def test_roles_follow_at_once(self, shop: Rp, ann: Account, acme: Node, context: Context) -> None:
        token = shop.tokens(shop.redeem(shop.open_session(ann, scope="openid roles")))["access_token"]
        access.create_role(context, acme.id, "Buyer", kind="tenant", apps=[shop.party.client_id], level=0)
        access.grant_role(context, acme.id, ann, "Buyer")
        assert (shop.userinfo(token).json or {})["roles"] == ["Buyer"]

    def test_openid_32_token_in_query_or_form_counts_as_none(self, shop: Rp, signed_in: dict[str, Any]) -> None:
        url, token = shop.url(endpoints.USERINFO), {"access_token": signed_in["access_token"]}
        for response in (shop.browser.get(url, query_string=token), shop.browser.post(url, data=token)):
            assert response.status_code == 401
            assert response.headers["WWW-Authenticate"] == 'Bearer realm="userinfo"'

    def test_openid_33_only_access_tokens_are_access_tokens(self, shop: Rp, signed_in: dict[str, Any]) -> None:
        for token in (signed_in["id_token"], signed_in["refresh_token"], shop.secret, "", "a.b.c", "é"):
            response = shop.userinfo(token)
            assert response.status_code == 401

    def test_openid_33_access_token_with_another_type_is_refused(self, shop: Rp, signed_in: dict[str, Any], context: Context) -> None:
        key = keys.get_signing_key(context, shop.node.id, "ES256")
        for typ in ("JWT", "logout+jwt"):
            assert shop.userinfo(sign(claims_of(signed_in["access_token"]), key, typ=typ)).status_code == 401
        assert shop.userinfo(sign(claims_of(signed_in["access_token"]), key, typ="at+jwt")).status_code == 200

    def test_openid_34_token_of_one_tenant_is_nothing_at_another(self, register: Register, signed_in: dict[str, Any], globex: Node) -> None:
        elsewhere = register(globex)
        assert elsewhere.userinfo(signed_in["access_token"]).status_code == 401
        assert introspect(elsewhere, signed_in["access_token"]) == {"active": False}

    @pytest.mark.parametrize("act", ["disabled", "deleted", "locked", "session", "tenant", "app"])
    def test_openid_36_token_is_dead_the_moment_somebody_is_out(
        self, shop: Rp, ann: Account, signed_in: dict[str, Any], context: Context, act: str
    ) -> None:
        online = shop.tokens(shop.redeem(shop.code(scope="openid")))["access_token"]
        match act:
            case "disabled":
                people.set_enabled(context, ann, enabled=False)
            case "deleted":
                people.delete_person(context, ann)
            case "locked":
                people.set_admin_lock(context, ann, locked=True)
            case "session":
                sessions.end_session_of_account(context, ann.id, claims_of(online)["sid"], "ended by hand")
            case "tenant":
                nodes.disable_node(context, shop.node)
            case _:
                relying_parties.delete(context, shop.party)
        response = shop.userinfo(online)
        assert response.status_code == 401
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]

    def test_openid_36_account_that_expires_is_out_without_anybodys_act(
        self, shop: Rp, ann: Account, signed_in: dict[str, Any], context: Context, clock: Clock
    ) -> None:
        stored = people.get_person(context, shop.node, "ann")
        with context.database.transaction():
            people.store_person(context, stored, replace(stored, disable_after=Instant(clock.now + 60_000)))
        clock.advance(seconds=59)
        assert shop.userinfo(signed_in["access_token"]).status_code == 200
        clock.advance(seconds=1)
        assert shop.userinfo(signed_in["access_token"]).status_code == 401

    @pytest.mark.parametrize(("seconds", "status"), [(299, 200), (300, 401)])
    def test_access_token_lives_for_five_minutes(
        self, shop: Rp, signed_in: dict[str, Any], clock: Clock, seconds: int, status: int
    ) -> None:
        clock.advance(seconds=seconds)
        assert shop.userinfo(signed_in["access_token"]).status_code == status

    def test_token_for_another_resource_only_is_refused(self, register: Register, ann: Account) -> None:
        rp = register(resources=("https://api.example", "http://localhost:8000/t/acme/scim/v2"))
        for resource in ("https://api.example", "http://localhost:8000/t/acme/scim/v2"):
            response = rp.authorize(scope="profile", resource=resource, prompt="login")
            code = rp.sign_in(response, ann).location.partition("code=")[2].partition("&")[0]
            assert rp.userinfo(rp.tokens(rp.redeem(code))["access_token"]).status_code == 401

    def test_token_in_a_cookie_session_is_not_enough(self, shop: Rp, ann: Account) -> None:
        shop.open_session(ann)
        assert shop.browser.get(shop.url(endpoints.USERINFO)).status_code == 401


class TestIntrospection:
    def test_own_access_token_is_told_of(self, shop: Rp, ann: Account, signed_in: dict[str, Any]) -> None:
        told = introspect(shop, signed_in["access_token"])
        assert told["active"] is True
        assert (told["sub"], told["client_id"], told["token_type"]) == (ann.id, shop.party.client_id, "Bearer")
        assert {"exp", "iat", "scope", "aud", "iss", "acr", "auth_time"} <= told.keys()
        assert "gid" not in told

    def test_own_refresh_token_is_told_of_until_it_is_rotated(self, shop: Rp, signed_in: dict[str, Any]) -> None:
        assert introspect(shop, signed_in["refresh_token"], token_type_hint="access_token")["active"] is True
        shop.refresh(signed_in["refresh_token"])
        assert introspect(shop, signed_in["refresh_token"]) == {"active": False}

    def test_openid_35_stranger_learns_nothing(self, register: Register, signed_in: dict[str, Any]) -> None:
        stranger = register(name="Stranger")
        for token in (signed_in["access_token"], signed_in["refresh_token"], "unknown", "a.b.c"):
            assert introspect(stranger, token) == {"active": False}

    def test_openid_35_resource_that_the_token_is_for_may_know(self, register: Register, ann: Account) -> None:
        rp, api = register(resources=("https://api.example",)), register(name="API", resources=("https://api.example",))
        token = rp.tokens(rp.redeem(rp.open_session(ann, resource="https://api.example")))["access_token"]
        assert introspect(api, token)["sub"] == ann.id

    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic eDp5"}])
    def test_openid_35_without_proof_401(self, shop: Rp, signed_in: dict[str, Any], headers: dict[str, str]) -> None:
        server = shop.browser.application.test_client()
        response = server.post(shop.url(endpoints.INTROSPECT), data={"token": signed_in["access_token"]}, headers=headers)
        assert response.status_code == 401

    def test_public_app_may_not_ask(self, register: Register, ann: Account) -> None:
        rp = register(public=True)
        token = rp.tokens(rp.redeem(rp.open_session(ann)))["access_token"]
        assert rp.post(endpoints.INTROSPECT, {"token": token}).status_code == 401

    def test_token_of_somebody_who_is_out_is_inactive(self, shop: Rp, ann: Account, signed_in: dict[str, Any], context: Context) -> None:
        people.set_enabled(context, ann, enabled=False)
        for token in (signed_in["access_token"], signed_in["refresh_token"]):
            assert introspect(shop, token) == {"active": False}

    def test_token_is_needed(self, shop: Rp) -> None:
        response = shop.post(endpoints.INTROSPECT, {})
        assert (response.status_code, (response.json or {})["error"]) == (400, "invalid_request")


class TestRevocation:
    @pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
    def test_with_one_token_dies_the_whole_grant(self, shop: Rp, signed_in: dict[str, Any], kind: str) -> None:
        assert shop.post(endpoints.REVOKE, {"token": signed_in[kind], "token_type_hint": kind}).status_code == 200
        assert shop.userinfo(signed_in["access_token"]).status_code == 401
        assert shop.refresh(signed_in["refresh_token"]).status_code == 400

    def test_another_apps_token_lives_on_and_nobody_learns_of_it(self, register: Register, shop: Rp, signed_in: dict[str, Any]) -> None:
        stranger = register(name="Stranger")
        answers = [stranger.post(endpoints.REVOKE, {"token": token}) for token in (signed_in["refresh_token"], "unknown")]
        assert {(answer.status_code, answer.data) for answer in answers} == {(200, b"{}")}
        assert shop.refresh(signed_in["refresh_token"]).status_code == 200

    def test_openid_34_another_tenants_token_lives_on(self, register: Register, shop: Rp, signed_in: dict[str, Any], globex: Node) -> None:
        assert register(globex).post(endpoints.REVOKE, {"token": signed_in["refresh_token"]}).status_code == 200
        assert shop.refresh(signed_in["refresh_token"]).status_code == 200

    def test_public_app_may_give_its_token_back(self, register: Register, ann: Account) -> None:
        rp = register(public=True)
        answer = rp.tokens(rp.redeem(rp.open_session(ann)))
        assert rp.post(endpoints.REVOKE, {"token": answer["refresh_token"]}).status_code == 200
        assert rp.userinfo(answer["access_token"]).status_code == 401


class TestDiscovery:
    def test_document_is_that_of_the_issuer_it_was_found_under(self, shop: Rp) -> None:
        response = shop.browser.get(shop.url(endpoints.OPENID_CONFIGURATION))
        assert (response.status_code, response.mimetype) == (200, "application/json")
        document: dict[str, Any] = response.json or {}
        assert document["issuer"] == shop.node.issuer
        assert all(value.startswith(shop.node.issuer + "/") for name, value in document.items() if name.endswith(("_endpoint", "_uri")))
        assert document["response_types_supported"] == ["code"]
        assert "RS256" in document["id_token_signing_alg_values_supported"]
        assert "openid" in document["scopes_supported"]
        assert document["code_challenge_methods_supported"] == ["S256"]
        assert document["subject_types_supported"] == ["public"]
        assert document["authorization_response_iss_parameter_supported"] is True
        assert document["request_uri_parameter_supported"] is document["request_parameter_supported"] is False
        assert document["backchannel_logout_supported"] is document["backchannel_logout_session_supported"] is True
        assert not {"none", "HS256"} & set(document["id_token_signing_alg_values_supported"])

    def test_every_endpoint_named_is_there(self, shop: Rp) -> None:
        document = shop.browser.get(shop.url(endpoints.OPENID_CONFIGURATION)).json or {}
        for name, url in document.items():
            if name.endswith(("_endpoint", "_uri")):
                assert shop.browser.open(url, method="OPTIONS").status_code == 200, name

    def test_rfc_8414_says_the_same_at_its_own_address(self, shop: Rp) -> None:
        oauth = shop.browser.get("http://localhost:8000/.well-known/oauth-authorization-server/t/acme")
        assert oauth.json == shop.browser.get(shop.url(endpoints.OPENID_CONFIGURATION)).json

    def test_forwarded_host_changes_nothing(self, shop: Rp) -> None:
        response = shop.browser.get(shop.url(endpoints.OPENID_CONFIGURATION), headers={"X-Forwarded-Host": "evil.example"})
        assert "evil" not in response.text

    def test_it_stays_readable_while_the_tenant_is_off(self, shop: Rp, context: Context) -> None:
        nodes.disable_node(context, shop.node)
        for path in (endpoints.OPENID_CONFIGURATION, endpoints.JWKS):
            assert shop.browser.get(shop.url(path)).status_code == 200

    def test_unknown_tenant_has_none(self, client: FlaskClient, acme: Node) -> None:
        assert client.get("http://localhost:8000/t/nobody" + endpoints.OPENID_CONFIGURATION).status_code == 404


def published(rp: Rp) -> list[dict[str, Any]]:
    response = rp.browser.get(rp.url(endpoints.JWKS))
    assert response.status_code == 200
    found: list[dict[str, Any]] = (response.json or {})["keys"]
    return found


class TestKeys:
    def test_openid_37_no_private_member_and_every_kid_once(self, shop: Rp) -> None:
        found = published(shop)
        assert not [key for key in found if PRIVATE_MEMBERS & key.keys()]
        assert {key["alg"] for key in found} == {"RS256", "ES256"}
        assert len({key["kid"] for key in found}) == len(found)
        assert all(key["use"] == "sig" for key in found)
        assert all(not key.fault for key in import_key_set({"keys": found}).keys)

    def test_openid_37_new_key_is_published_before_it_signs(self, shop: Rp, ann: Account, context: Context, clock: Clock) -> None:
        old = {key["kid"] for key in published(shop)}
        added = set(keys.rotate_keys(context, shop.node.id))
        assert {key["kid"] for key in published(shop)} == old | added
        kept = int(shop.browser.get(shop.url(endpoints.JWKS)).headers["Cache-Control"].partition("max-age=")[2])
        clock.advance(seconds=kept)
        assert header_of(shop.tokens(shop.redeem(shop.open_session(ann)))["id_token"])["kid"] in old
        clock.advance(seconds=600 - kept)
        assert header_of(shop.tokens(shop.redeem(shop.code()))["id_token"])["kid"] in added

    def test_openid_37_old_key_outlives_what_it_signed(self, shop: Rp, ann: Account, context: Context, clock: Clock) -> None:
        keys.rotate_keys(context, shop.node.id)
        clock.advance(milliseconds=keys.LEAD_MS - 1)
        answer = shop.tokens(shop.redeem(shop.open_session(ann)))
        clock.advance(seconds=299)
        shop.id_token(answer)
        assert shop.userinfo(answer["access_token"]).status_code == 200
        clock.advance(seconds=600)
        assert len(published(shop)) == 2

    def test_rotating_twice_in_a_row_leaves_one_key_that_signs(self, shop: Rp, ann: Account, context: Context, clock: Clock) -> None:
        for _ in range(2):
            keys.rotate_keys(context, shop.node.id)
            clock.advance(seconds=60)
        clock.advance(milliseconds=keys.LEAD_MS)
        shop.id_token(shop.tokens(shop.redeem(shop.open_session(ann))))
        clock.advance(seconds=3600)
        assert len(published(shop)) == 2


class TestCors:
    """decisions.md 48."""

    def call(self, rp: Rp, path: str, origin: str, method: str = "OPTIONS") -> TestResponse:
        return rp.browser.open(rp.url(path), method=method, headers={"Origin": origin})

    @pytest.mark.parametrize("path", [endpoints.OPENID_CONFIGURATION, endpoints.JWKS])
    def test_what_is_public_is_for_every_page(self, shop: Rp, path: str) -> None:
        assert self.call(shop, path, "https://anywhere.example", "GET").headers["Access-Control-Allow-Origin"] == "*"

    @pytest.mark.parametrize("path", [endpoints.TOKEN, endpoints.USERINFO, endpoints.REVOKE])
    def test_tokens_are_for_pages_of_the_apps_registered_here(self, shop: Rp, path: str) -> None:
        response = self.call(shop, path, "https://app.example")
        assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
        assert "Origin" in response.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in response.headers

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://app.example", "https://app.example.evil", ""])
    @pytest.mark.parametrize("path", [endpoints.TOKEN, endpoints.USERINFO, endpoints.REVOKE])
    def test_other_origins_are_not_let_in(self, shop: Rp, path: str, origin: str) -> None:
        assert "Access-Control-Allow-Origin" not in self.call(shop, path, origin).headers

    @pytest.mark.parametrize("path", [endpoints.AUTHORIZE, endpoints.INTROSPECT, endpoints.LOGOUT])
    def test_the_rest_is_for_no_page(self, shop: Rp, path: str) -> None:
        assert "Access-Control-Allow-Origin" not in self.call(shop, path, "https://app.example").headers

    def test_app_of_another_tenant_counts_for_nothing(self, register: Register, shop: Rp, globex: Node) -> None:
        register(globex, redirect_uris=("https://globex.example/cb",))
        assert "Access-Control-Allow-Origin" not in self.call(shop, endpoints.TOKEN, "https://globex.example").headers

    def test_errors_can_be_read_too(self, shop: Rp) -> None:
        headers = basic(shop.party.client_id, "wrong") | {"Origin": "https://app.example"}
        response = shop.browser.post(shop.url(endpoints.TOKEN), data={"grant_type": "refresh_token"}, headers=headers)
        assert response.status_code == 401
        assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"
        json.loads(response.text)
