"""Apps that act for themselves, and apps that prove themselves with a key: R-172, openid.md 26, 27 and 33."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from federation.downstream.assertions import ASSERTION_TYPE
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.ports import Reply, Unreachable
from gateway.http import endpoints
from gateway.services import nodes, relying_parties
from gateway.services.context import Context
from gateway.services.house import House
from tests.conftest import Clock
from tests.federation.downstream.conftest import Register
from tests.federation.downstream.rp import VERIFIER, Rp, claims_of, header_of
from tests.tokens.forge import ForgeKey, forge

KEY = ForgeKey("app-1", "ES256", ec.generate_private_key(ec.SECP256R1()))
NEXT_KEY = ForgeKey("app-2", "ES256", ec.generate_private_key(ec.SECP256R1()))
RSA_KEY = ForgeKey("app-rsa", "RS256", rsa.generate_private_key(65537, 2048))
JWKS_URI = "https://app.example/jwks"


class TestAppItself:
    @pytest.fixture
    def robot(self, register: Register) -> Rp:
        return register(
            name="Robot",
            redirect_uris=(),
            grants=("client_credentials",),
            scopes=("openid", "roles", "read:orders", "write:orders"),
            resources=("https://api.example", "http://localhost:8000/t/acme/scim/v2"),
        )

    def test_token_speaks_of_the_app_and_of_nobody(self, robot: Rp, acme: Node, clock: Clock) -> None:
        answer = robot.tokens(robot.token(grant_type="client_credentials", scope="read:orders"))
        assert answer.keys() == {"access_token", "token_type", "expires_in", "scope"}
        assert header_of(answer["access_token"])["typ"] == "at+jwt"
        told = claims_of(answer["access_token"])
        assert told.pop("jti")
        assert told == {
            "iss": robot.node.issuer,
            "sub": robot.party.client_id,
            "client_id": robot.party.client_id,
            "aud": "https://api.example",
            "scope": "read:orders",
            "iat": clock.now // 1000,
            "exp": clock.now // 1000 + answer["expires_in"],
            "tenant": "acme",
            "tenant_id": acme.id,
        }
        assert answer["expires_in"] <= 3600

    def test_without_a_scope_it_gets_what_is_its_own(self, robot: Rp) -> None:
        assert robot.tokens(robot.token(grant_type="client_credentials"))["scope"] == "read:orders write:orders"

    @pytest.mark.parametrize("scope", ["openid", "roles", "offline_access", "admin:all", "read:orders other"])
    def test_scopes_of_people_and_of_others_are_refused(self, robot: Rp, scope: str) -> None:
        response = robot.token(grant_type="client_credentials", scope=scope)
        assert (response.status_code, (response.json or {})["error"]) == (400, "invalid_scope")

    def test_resource_is_one_of_those_registered(self, robot: Rp) -> None:
        answer = robot.tokens(robot.token(grant_type="client_credentials", resource="http://localhost:8000/t/acme/scim/v2"))
        assert claims_of(answer["access_token"])["aud"] == "http://localhost:8000/t/acme/scim/v2"
        response = robot.token(grant_type="client_credentials", resource="https://other.example")
        assert (response.json or {})["error"] == "invalid_target"

    def test_it_is_no_key_to_userinfo(self, robot: Rp) -> None:
        assert robot.userinfo(robot.tokens(robot.token(grant_type="client_credentials"))["access_token"]).status_code == 401

    def test_app_without_the_grant_is_refused(self, shop: Rp) -> None:
        response = shop.token(grant_type="client_credentials")
        assert (response.status_code, (response.json or {})["error"]) == (400, "unauthorized_client")

    def test_public_app_cannot_have_the_grant(self, register: Register) -> None:
        response = register(public=True).token(grant_type="client_credentials")
        assert (response.status_code, (response.json or {})["error"]) == (401, "invalid_client")

    def test_it_sleeps_while_the_tenant_is_off_and_wakes_with_it(self, robot: Rp, context: Context) -> None:
        token = robot.tokens(robot.token(grant_type="client_credentials"))["access_token"]
        off = nodes.disable_node(context, robot.node)
        refused = robot.token(grant_type="client_credentials")
        assert (refused.status_code, (refused.json or {})["error"]) == (400, "invalid_grant")
        assert robot.post(endpoints.INTROSPECT, {"token": token}).json == {"active": False}
        nodes.enable_node(context, off)
        assert robot.token(grant_type="client_credentials").status_code == 200
        assert (robot.post(endpoints.INTROSPECT, {"token": token}).json or {})["active"] is True

    def test_its_token_is_inactive_once_the_app_is_gone(self, register: Register, robot: Rp, context: Context) -> None:
        token = robot.tokens(robot.token(grant_type="client_credentials"))["access_token"]
        api = register(name="API", resources=("https://api.example",))
        assert (api.post(endpoints.INTROSPECT, {"token": token}).json or {})["active"] is True
        relying_parties.delete(context, robot.party)
        assert api.post(endpoints.INTROSPECT, {"token": token}).json == {"active": False}


def assertion(rp: Rp, clock: Clock, key: ForgeKey = KEY, **changes: Any) -> str:
    """A good client assertion with some claims changed; None removes one."""
    now = clock.now // 1000
    good = {"iss": rp.party.client_id, "sub": rp.party.client_id, "aud": rp.node.issuer, "jti": "j-1", "iat": now, "exp": now + 60}
    return forge({name: value for name, value in (good | changes).items() if value is not None}, key)


def prove(rp: Rp, unverified_assertion: str, **form: str) -> tuple[int, str]:
    """Present an assertion; what comes after the proof is a refresh token nobody knows: 400 means that the proof was good."""
    sent = {"grant_type": "refresh_token", "refresh_token": "x", "client_assertion": unverified_assertion}
    response = rp.post(endpoints.TOKEN, sent | {"client_assertion_type": ASSERTION_TYPE} | form)
    return response.status_code, (response.json or {})["error"]


GOOD, REFUSED = (400, "invalid_grant"), (401, "invalid_client")


class TestPrivateKeyJwt:
    @pytest.fixture
    def signer(self, register: Register) -> Rp:
        return register(name="Signer", jwks=json.dumps({"keys": [KEY.jwk(), RSA_KEY.jwk()]}))

    def test_app_proves_itself_with_its_key(self, signer: Rp, ann: Account, clock: Clock) -> None:
        form = {
            "grant_type": "authorization_code",
            "code": signer.open_session(ann),
            "redirect_uri": signer.redirect_uri,
            "code_verifier": VERIFIER,
            "client_assertion": assertion(signer, clock),
            "client_assertion_type": ASSERTION_TYPE,
        }
        answer = signer.tokens(signer.post(endpoints.TOKEN, form))
        again = {
            "token": answer["access_token"],
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion(signer, clock, jti="j-2"),
        }
        assert (signer.post(endpoints.INTROSPECT, again).json or {})["active"] is True

    def test_app_gets_no_secret(self, signer: Rp) -> None:
        assert not signer.secret

    @pytest.mark.parametrize("key", [KEY, RSA_KEY], ids=["ES256", "RS256"])
    def test_both_algorithms_are_good(self, signer: Rp, clock: Clock, key: ForgeKey) -> None:
        assert prove(signer, assertion(signer, clock, key)) == GOOD

    def test_openid_26_assertion_serves_once(self, signer: Rp, clock: Clock) -> None:
        once = assertion(signer, clock)
        assert prove(signer, once) == GOOD
        assert prove(signer, once) == REFUSED
        assert prove(signer, assertion(signer, clock, jti="j-2")) == GOOD

    def test_openid_26_it_serves_once_to_its_last_moment(self, signer: Rp, clock: Clock) -> None:
        once = assertion(signer, clock)
        assert prove(signer, once) == GOOD
        clock.advance(seconds=119)
        assert prove(signer, assertion(signer, clock, jti="j-2")) == GOOD
        assert prove(signer, once) == REFUSED

    @pytest.mark.parametrize(
        "changes",
        [
            {"aud": "https://other.example"},
            {"aud": ["http://localhost:8000/t/acme"]},
            {"aud": "http://localhost:8000/t/acme/oauth2/token"},
            {"aud": None},
            {"exp": 1_790_000_000 - 300},
            {"exp": 1_790_000_000 + 7200},
            {"exp": None},
            {"sub": None},
            {"sub": "other"},
            {"sub": 7},
            {"iss": "other"},
            {"iss": None},
            {"jti": None},
            {"jti": 7},
            {"iat": 1_790_000_060},
            {"nbf": 1_790_000_060},
        ],
        ids=str,
    )
    def test_openid_26_assertion_that_is_not_for_this_issuer_now_is_refused(
        self, signer: Rp, clock: Clock, changes: dict[str, Any]
    ) -> None:
        assert prove(signer, assertion(signer, clock, **changes)) == REFUSED

    def test_clock_of_the_app_may_be_a_few_seconds_ahead(self, signer: Rp, clock: Clock) -> None:
        assert prove(signer, assertion(signer, clock, nbf=1_790_000_008, iat=1_790_000_008)) == GOOD

    def test_openid_26_only_the_apps_own_keys_count(self, signer: Rp, clock: Clock) -> None:
        assert prove(signer, assertion(signer, clock, NEXT_KEY)) == REFUSED
        assert prove(signer, assertion(signer, clock, ForgeKey("app-1", "ES256", NEXT_KEY.private))) == REFUSED
        claims = claims_of(assertion(signer, clock))
        for header in ({"alg": "none"}, {"alg": "HS256"}, {"kid": "other"}, {"jwk": NEXT_KEY.jwk()}, {"crit": ["exp"]}):
            assert prove(signer, forge(claims, KEY, header=header)) == REFUSED

    def test_openid_27_assertion_of_one_tenant_is_nothing_at_another(
        self, register: Register, signer: Rp, globex: Node, clock: Clock
    ) -> None:
        there = register(globex, jwks=json.dumps({"keys": [KEY.jwk()]}))
        assert prove(there, assertion(signer, clock)) == REFUSED
        assert prove(there, assertion(there, clock, aud=signer.node.issuer)) == REFUSED

    def test_openid_33_other_tokens_are_no_assertions(self, register: Register, signer: Rp, ann: Account, clock: Clock) -> None:
        shop = register()
        answer = shop.tokens(shop.redeem(shop.open_session(ann)))
        for token in (answer["access_token"], answer["id_token"], "a.b.c", "x"):
            assert prove(signer, token) == REFUSED
        for typ in ("at+jwt", "logout+jwt"):
            assert prove(signer, forge(claims_of(assertion(signer, clock)), KEY, header={"typ": typ})) == REFUSED

    def test_type_and_name_must_fit(self, signer: Rp, clock: Clock) -> None:
        assert prove(signer, assertion(signer, clock), client_assertion_type="other") == REFUSED
        assert prove(signer, assertion(signer, clock), client_id="other") == REFUSED
        assert prove(signer, assertion(signer, clock), client_id=signer.party.client_id) == GOOD
        assert prove(signer, assertion(signer, clock, jti="j-3"), client_secret="x") == (400, "invalid_request")

    def test_app_with_a_secret_cannot_use_an_assertion(self, shop: Rp, clock: Clock) -> None:
        server = shop.browser.application.test_client()
        form = {"grant_type": "refresh_token", "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion(shop, clock)}
        assert server.post(shop.url(endpoints.TOKEN), data=form).status_code == 401


class Published:
    """An app's jwks_uri, which counts how often it is asked."""

    def __init__(self) -> None:
        self.keys: list[Mapping[str, object]] = [KEY.jwk()]
        self.calls = 0
        self.broken = False

    def get_json(self, url: str, *, private_outbound: bool, bearer: str | None = None) -> Mapping[str, object]:
        assert url == JWKS_URI
        assert not private_outbound
        self.calls += 1
        if self.broken:
            raise Unreachable("broken")
        return {"keys": self.keys}

    def post_form(self, url: str, form: Mapping[str, str], *, private_outbound: bool, auth: tuple[str, str] | None = None) -> Reply:
        raise Unreachable("nobody posts here")


class TestPublishedKeys:
    @pytest.fixture
    def published(self, house: House, monkeypatch: pytest.MonkeyPatch) -> Published:
        keys = Published()
        monkeypatch.setattr(house.fetcher, "get_json", keys.get_json)
        return keys

    @pytest.fixture
    def signer(self, register: Register) -> Rp:
        return register(name="Signer", jwks_uri=JWKS_URI)

    def test_keys_are_fetched_once_and_kept(self, published: Published, signer: Rp, clock: Clock) -> None:
        for at in range(3):
            assert prove(signer, assertion(signer, clock, jti=f"j-{at}")) == GOOD
        assert published.calls == 1

    def test_rotated_key_works_at_the_first_try(self, published: Published, signer: Rp, clock: Clock) -> None:
        assert prove(signer, assertion(signer, clock)) == GOOD
        published.keys = [NEXT_KEY.jwk()]
        clock.advance(seconds=60)
        assert prove(signer, assertion(signer, clock, NEXT_KEY, jti="j-2")) == GOOD

    def test_unknown_keys_make_us_ask_no_more_than_every_half_minute(self, published: Published, signer: Rp, clock: Clock) -> None:
        assert prove(signer, assertion(signer, clock)) == GOOD
        clock.advance(seconds=30)
        for _ in range(5):
            assert prove(signer, assertion(signer, clock, NEXT_KEY)) == REFUSED
        assert published.calls == 2

    def test_app_whose_keys_cannot_be_had_is_refused(self, published: Published, signer: Rp, clock: Clock) -> None:
        published.broken = True
        assert prove(signer, assertion(signer, clock)) == REFUSED
        published.broken, published.keys = False, []
        assert prove(signer, assertion(signer, clock)) == REFUSED
