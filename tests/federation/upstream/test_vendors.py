"""Providers of known makers, behaving as nobody changed their settings."""

from typing import Any

import pytest

from gateway.domain.identity import IdentityProvider, Vendor
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.services import identity_providers
from gateway.services.context import Context
from gateway.services.house import House
from gateway.storage import identity_providers as stored
from tests.federation.upstream.conftest import Browser, add_idp, add_person
from tests.federation.upstream.provider import Provider
from tests.tokens.forge import encode

TENANT_ID = "7f8ac8b4-5d0f-4f3e-9d9e-0e6a6a0c3f11"
OTHER_TENANT = "11111111-2222-3333-4444-555555555555"
OBJECT_ID = "d6f4a7c3-8f2e-4f61-9d3e-1b2a3c4d5e6f"
SECONDS = 1_790_000_000


@pytest.fixture
def entra(house: House, context: Context, tenant: Node, outside: Provider) -> IdentityProvider:
    """An untouched Entra: no email_verified, no auth_time, no iss in the answer, userinfo elsewhere."""
    outside.metadata = {
        "authorization_response_iss_parameter_supported": None,
        "code_challenge_methods_supported": None,
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }
    outside.answer = {"iss": None}
    outside.claims = {
        "tid": TENANT_ID,
        "oid": OBJECT_ID,
        "email": "first.last@contoso.example",
        "email_verified": None,
        "preferred_username": "flast@acme.example",
        "ver": "2.0",
    }
    return add_idp(house, context, tenant, outside, vendor=Vendor.ENTRA)


@pytest.fixture
def idp(entra: IdentityProvider) -> IdentityProvider:
    return entra


class TestEntra:
    def test_an_untouched_one_signs_in_and_binds_tenant_and_object(self, browser: Browser, person: Account, outside: Provider) -> None:
        assert browser.sign_in().session is not None
        subject = f"{TENANT_ID}/{OBJECT_ID}"
        assert stored.find_linked_account(browser.house.database, browser.idp, outside.issuer, subject) == person.id
        assert "client_secret" in outside.forms[0]
        # Another app registration gives everybody another sub; the person stays the same.
        outside.claims |= {"sub": "pairwise-2", "preferred_username": "renamed@acme.example"}
        attempt = browser.sign_in()
        assert attempt.proof is not None
        assert attempt.proof.account == person.id

    def test_a_guest_signs_in(self, browser: Browser, context: Context, outside: Provider) -> None:
        guest = add_person(context, browser.node, "x_y.com#EXT#@acme.onmicrosoft.com", "x@y.com")
        outside.claims |= {"preferred_username": "x@y.com", "idp": f"https://sts.windows.net/{OTHER_TENANT}/", "email": "x@y.com"}
        attempt = browser.sign_in()
        assert attempt.proof is not None
        assert attempt.proof.account == guest.id

    @pytest.mark.parametrize("claims", [{"oid": None}, {"oid": ""}, {"tid": None}, {"tid": 7}, {"oid": "a/b"}])
    def test_what_names_nobody_for_good_is_refused(
        self, browser: Browser, person: Account, outside: Provider, claims: dict[str, Any]
    ) -> None:
        outside.claims |= claims
        browser.refused("E_Claim_Missing", f"{next(iter(claims))} is missing", step="claims")

    def test_nobody_is_matched_by_an_address_that_nobody_verified(self, browser: Browser, context: Context, outside: Provider) -> None:
        """NOAuth: an administrator of any tenant of Entra writes any address into a user."""
        add_person(context, browser.node, "victim", "victim@acme.example", matching="email")
        outside.claims |= {"email": "victim@acme.example", "preferred_username": "attacker@evil.example"}
        browser.refused("E_Email_Unverified", step="proof")

    @pytest.mark.parametrize(("edov", "code"), [(True, ""), ("1", ""), (1, ""), (False, "E_Email_Unverified"), ("0", "E_Email_Unverified")])
    def test_xms_edov_is_its_word_on_an_address(
        self, browser: Browser, context: Context, outside: Provider, edov: object, code: str
    ) -> None:
        add_person(context, browser.node, "first", "first.last@contoso.example", matching="email")
        outside.claims |= {"xms_edov": edov}
        attempt = browser.sign_in()
        assert (attempt.refusal.code if attempt.refusal else "") == code

    def test_max_age_is_kept_by_asking_anew_since_it_never_tells_the_time(self, browser: Browser, person: Account) -> None:
        assert browser.asked(browser.start(browser.begin(max_age=60)))["prompt"] == "login"
        assert browser.sign_in(max_age=60).session is not None


class TestSeveralTenantsOfEntra:
    """The issuer holds {tenantid}: a token names its own tenant, and only listed ones count."""

    @pytest.fixture
    def idp(self, house: House, context: Context, tenant: Node, outside: Provider, monkeypatch: pytest.MonkeyPatch) -> IdentityProvider:
        base = outside.issuer
        outside.metadata = {"issuer": f"{base}/{{tenantid}}/v2.0"}
        monkeypatch.setattr("gateway.services.identity_providers.discovery_url", lambda _issuer: f"{base}/.well-known/openid-configuration")
        outside.claims = {
            "iss": f"{base}/{TENANT_ID}/v2.0",
            "tid": TENANT_ID,
            "oid": OBJECT_ID,
            "preferred_username": "flast@acme.example",
        }
        outside.answer = {"iss": f"{base}/{TENANT_ID}/v2.0"}
        changes: dict[str, Any] = {"issuer": f"{base}/{{tenantid}}/v2.0", "issuer_tenants": (TENANT_ID,), "vendor": Vendor.ENTRA}
        return add_idp(house, context, tenant, outside, **changes)

    def test_a_listed_tenant_is_taken_under_its_own_issuer(self, browser: Browser, person: Account, outside: Provider) -> None:
        assert browser.sign_in().session is not None
        issuer = f"{outside.issuer}/{TENANT_ID}/v2.0"
        assert stored.find_linked_account(browser.house.database, browser.idp, issuer, f"{TENANT_ID}/{OBJECT_ID}") == person.id

    def test_a_tenant_that_is_not_listed_is_refused(self, browser: Browser, person: Account, outside: Provider) -> None:
        outside.answer = {"iss": None}
        outside.metadata |= {"authorization_response_iss_parameter_supported": None}
        outside.claims |= {"tid": OTHER_TENANT, "iss": f"{outside.issuer}/{OTHER_TENANT}/v2.0"}
        browser.refused("E_Token_Invalid", "tid")

    @pytest.mark.parametrize("issuer", ["{base}/{{tenantid}}/v2.0", "{base}/11111111-2222-3333-4444-555555555555/v2.0", "{base}"])
    def test_a_listed_tid_under_another_issuer_is_refused(self, browser: Browser, person: Account, outside: Provider, issuer: str) -> None:
        outside.claims |= {"iss": issuer.format(base=outside.issuer)}
        browser.refused("E_Token_Invalid", "ID token, iss:")

    def test_an_answer_in_the_name_of_an_unlisted_tenant_is_refused(self, browser: Browser, person: Account, outside: Provider) -> None:
        outside.answer = {"iss": f"{outside.issuer}/{OTHER_TENANT}/v2.0"}
        browser.refused("E_Token_Invalid", "answer, iss")

    def test_a_logout_token_ends_nothing_where_no_one_issuer_is_named(self, browser: Browser, outside: Provider) -> None:
        url = f"{browser.node.issuer}/federation/corp/backchannel-logout"
        assert browser.client.post(url, base_url="http://localhost:8000", data={"logout_token": "a.b.c"}).status_code == 400

    @pytest.mark.parametrize("token", ["x", f"{encode(b'{}')}.{encode(b'no json')}.x", "a.!!!.c", f"a.{encode(b'[]')}.c"])
    def test_a_token_that_is_none_is_refused(self, browser: Browser, person: Account, outside: Provider, token: str) -> None:
        outside.tokens = {"id_token": token}
        browser.refused("E_Token_Invalid", "tid")


@pytest.mark.parametrize(
    ("vendor", "domain", "prompt", "scope"),
    [
        (Vendor.OKTA, "domain_hint", "login", "openid profile email"),
        (Vendor.GOOGLE, "hd", "select_account", "openid profile email"),
        (Vendor.ADFS, "domain_hint", "login", "openid profile email allatclaims"),
    ],
)
def test_each_maker_is_asked_in_its_own_words(
    browser: Browser, house: House, context: Context, outside: Provider, vendor: Vendor, domain: str, prompt: str, scope: str
) -> None:
    add_idp(house, context, browser.node, outside, key="maker", vendor=vendor)
    asked = browser.asked(browser.start(browser.begin(prompt=("login",), domain_hint="acme.example"), "maker"))
    assert (asked[domain], asked["prompt"], asked["scope"]) == ("acme.example", prompt, scope)


def test_mfa_is_proved_only_by_values_that_are_trusted(browser: Browser, context: Context, person: Account, outside: Provider) -> None:
    outside.claims |= {"amr": ["pwd", "mfa"]}
    attempt = browser.sign_in()
    assert attempt.proof is not None
    assert (attempt.proof.means.level, attempt.proof.means.amr) == ("fed", ("fed",))
    identity_providers.change_provider(context, browser.idp, identity_providers.Changes(mfa_amr=["mfa"]))
    attempt = browser.sign_in()
    assert attempt.proof is not None
    assert attempt.proof.means.level == "mfa"
