"""What a token answer holds: tokens signed by the issuer, about the person, the tenant and the sign-in, and nothing besides."""

import pytest

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import Level, Means
from gateway.http import endpoints
from gateway.services import access
from gateway.services.context import Context
from tests.conftest import Clock
from tests.federation.downstream.conftest import Register
from tests.federation.downstream.rp import NONCE, Rp, answer_of, claims_of, header_of

SCIM_AND_API = ("http://localhost:8000/t/acme/scim/v2", "http://localhost:8000/api/v1")


def test_id_token_says_who_for_whom_when_and_how(shop: Rp, ann: Account, acme: Node, clock: Clock) -> None:
    code = shop.open_session(ann)
    clock.advance(seconds=30)
    told = shop.id_token(shop.tokens(shop.redeem(code)))
    now = clock.now // 1000
    assert told.pop("at_hash")
    assert told.pop("sid")
    assert told == {
        "iss": "http://localhost:8000/t/acme",
        "sub": ann.id,
        "aud": shop.party.client_id,
        "iat": now,
        "exp": now + 300,
        "auth_time": now - 30,
        "nonce": NONCE,
        "acr": "http://localhost:8000/acr/1fa",
        "amr": ["pwd"],
        "tenant": "acme",
        "tenant_id": acme.id,
        "roles": [],
    }


def test_id_token_is_rs256_unless_the_app_asks_es256(register: Register, ann: Account) -> None:
    for alg in ("RS256", "ES256"):
        rp = register(id_token_alg=alg)
        answer = rp.tokens(rp.redeem(rp.open_session(ann)))
        header = header_of(answer["id_token"])
        assert (header["alg"], header["typ"]) == (alg, "JWT")
        assert header["kid"]
        rp.id_token(answer)


def test_access_token_is_what_rfc_9068_wants(shop: Rp, ann: Account, clock: Clock) -> None:
    answer = shop.tokens(shop.redeem(shop.open_session(ann)))
    assert header_of(answer["access_token"])["typ"] == "at+jwt"
    assert header_of(answer["access_token"])["alg"] == "ES256"
    told = claims_of(answer["access_token"])
    assert told["iss"] == "http://localhost:8000/t/acme"
    assert told["sub"] == ann.id
    assert told["client_id"] == shop.party.client_id
    assert told["aud"] == "http://localhost:8000/t/acme/oauth2/userinfo"
    assert told["exp"] - told["iat"] == answer["expires_in"] == 300
    assert told["scope"] == "openid profile email offline_access"
    assert {"jti", "tenant", "tenant_id", "roles", "sid", "auth_time", "acr"} <= told.keys()


def test_access_token_is_rs256_where_the_app_asks(register: Register, ann: Account) -> None:
    rp = register(access_token_alg="RS256")
    assert header_of(rp.tokens(rp.redeem(rp.open_session(ann)))["access_token"])["alg"] == "RS256"


def test_roles_are_those_that_are_active_where_the_person_acts(shop: Rp, ann: Account, acme: Node, context: Context) -> None:
    for name in ("Buyer", "Former"):
        access.create_role(context, acme.id, name, kind="tenant", apps=[shop.party.client_id], level=0)
        access.grant_role(context, acme.id, ann, name)
    access.set_role_active(context, acme.id, "Former", active=False)
    answer = shop.tokens(shop.redeem(shop.open_session(ann)))
    assert shop.id_token(answer)["roles"] == claims_of(answer["access_token"])["roles"] == ["Buyer"]


@pytest.mark.parametrize(("level", "amr"), [(Level.FEDERATED, ("fed",)), (Level.MULTI_FACTOR, ("pwd", "otp", "mfa"))])
def test_acr_and_amr_are_what_was_proved_and_no_more(shop: Rp, ann: Account, clock: Clock, level: Level, amr: tuple[str, ...]) -> None:
    response = shop.sign_in(shop.authorize(), ann, Means(level=level, amr=amr, auth_time=clock.now))
    told = shop.id_token(shop.tokens(shop.redeem(answer_of(response)["code"])))
    assert (told["acr"], told["amr"]) == (f"http://localhost:8000/acr/{level}", list(amr))


def test_nonce_is_absent_where_none_was_sent(shop: Rp, ann: Account) -> None:
    told = shop.id_token(shop.tokens(shop.redeem(shop.open_session(ann, nonce=None))), nonce=None)
    assert "nonce" not in told


def test_without_scope_openid_there_is_no_id_token(register: Register, ann: Account) -> None:
    rp = register(resources=("https://api.example",))
    answer = rp.tokens(rp.redeem(rp.open_session(ann, scope="profile", resource="https://api.example")))
    assert "id_token" not in answer
    assert claims_of(answer["access_token"])["aud"] == "https://api.example"


class TestResources:
    """decisions.md 30: one resource, plus userinfo; our own APIs stand alone."""

    def test_token_is_for_the_resource_asked_for_and_userinfo(self, register: Register, ann: Account) -> None:
        rp = register(resources=("https://api.example", "https://other.example"))
        answer = rp.tokens(rp.redeem(rp.open_session(ann, resource="https://api.example")))
        assert claims_of(answer["access_token"])["aud"] == ["https://api.example", "http://localhost:8000/t/acme/oauth2/userinfo"]

    @pytest.mark.parametrize("resource", SCIM_AND_API)
    def test_our_own_apis_stand_alone(self, register: Register, ann: Account, resource: str) -> None:
        rp = register(resources=SCIM_AND_API)
        assert claims_of(rp.tokens(rp.redeem(rp.open_session(ann, resource=resource)))["access_token"])["aud"] == resource

    def test_resource_that_is_not_registered_is_refused(self, shop: Rp, ann: Account) -> None:
        assert shop.error(resource="https://api.example") == "invalid_target"

    def test_resource_at_the_token_endpoint_is_one_of_those_granted(self, register: Register, ann: Account) -> None:
        rp = register(resources=("https://a.example", "https://b.example"))
        answer = rp.tokens(rp.redeem(rp.open_session(ann, resource="https://a.example")))
        refused = rp.refresh(answer["refresh_token"], resource="https://b.example")
        assert (refused.status_code, refused.json) == (
            400,
            {"error": "invalid_target", "error_description": "This resource was not granted."},
        )
        # The refusal did not use the token up.
        assert rp.refresh(answer["refresh_token"]).status_code == 200

    def test_without_a_resource_at_authorize_the_token_endpoint_may_choose(self, register: Register, ann: Account) -> None:
        rp = register(resources=("https://a.example", "https://b.example"))
        answer = rp.tokens(rp.redeem(rp.open_session(ann), resource="https://b.example"))
        assert "https://b.example" in claims_of(answer["access_token"])["aud"]

    def test_two_resources_for_one_token_are_refused(self, register: Register, ann: Account) -> None:
        rp = register(resources=("https://a.example", "https://b.example"))
        form = {"grant_type": "authorization_code", "code": rp.open_session(ann), "resource": ["https://a.example", "https://b.example"]}
        assert (rp.post(endpoints.TOKEN, form).json or {})["error"] == "invalid_target"


def test_profile_and_email_are_not_in_the_id_token(shop: Rp, ann: Account) -> None:
    told = shop.id_token(shop.tokens(shop.redeem(shop.open_session(ann))))
    assert not {"name", "email", "preferred_username", "phone_number"} & told.keys()
