"""Every way in which a provider can lie or fail, as openid.md lists them (42, 44-50): refused, traced with the reason, no session."""

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.domain.identity import IdentityProvider
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.services import identity_providers, nodes
from gateway.services.context import Context
from gateway.services.house import House
from tests.conftest import Clock
from tests.federation.upstream.conftest import Browser, add_idp
from tests.federation.upstream.provider import CLIENT_ID, CLIENT_SECRET, running
from tests.tokens.forge import ForgeKey, symmetric

HOUR = 3600
SECONDS = 1_790_000_000


@pytest.mark.parametrize(
    ("claims", "check"),
    [
        ({"iss": None}, "iss"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"aud": None}, "aud"),
        ({"aud": "other", "azp": CLIENT_ID}, "aud"),
        ({"aud": [CLIENT_ID, "another"]}, "azp"),
        ({"azp": "other"}, "azp"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": "x" * 256}, "sub"),
        ({"sub": 7}, "sub"),
        ({"exp": None}, "exp"),
        ({"exp": SECONDS - 61}, "exp"),
        ({"iat": None}, "iat"),
        ({"iat": SECONDS + HOUR}, "iat"),
        ({"iat": SECONDS + 62}, "iat"),
        ({"nbf": SECONDS + HOUR}, "nbf"),
        ({"nonce": None}, "nonce"),
        ({"nonce": "of another request"}, "nonce"),
        ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "at_hash"),
        ({"events": {}}, "events"),
        ({"auth_time": SECONDS + HOUR}, "auth_time"),
        ({"auth_time": "yesterday"}, "auth_time"),
    ],
)
def test_44_a_claim_that_is_not_as_it_must_be_is_refused(browser: Browser, person: Account, claims: dict[str, Any], check: str) -> None:
    browser.outside.claims = claims
    browser.refused("E_Token_Invalid", f"ID token, {check}:")


@pytest.mark.parametrize(
    ("header", "check"),
    [
        ({"alg": "none"}, "alg"),
        ({"alg": "HS256"}, "alg"),
        ({"alg": "RS512"}, "alg"),
        ({"alg": "ES256"}, "key"),
        ({"kid": "unknown"}, "kid"),
        ({"kid": 7}, "kid"),
        ({"typ": "logout+jwt"}, "typ"),
        ({"typ": "at+jwt"}, "typ"),
        ({"crit": ["exp"], "exp": 1}, "header"),
        ({"b64": False}, "header"),
        ({"jku": "https://evil.example/keys"}, "header"),
        ({"x5u": "https://evil.example/keys"}, "header"),
    ],
)
def test_44_a_header_that_is_not_as_it_must_be_is_refused(browser: Browser, person: Account, header: dict[str, object], check: str) -> None:
    browser.outside.header = header
    browser.refused("E_Token_Invalid", f"ID token, {check}:")


def test_44_alg_none_is_refused_although_the_provider_announces_it(
    browser: Browser, house: House, context: Context, person: Account
) -> None:
    browser.outside.metadata = {"id_token_signing_alg_values_supported": ["none", "HS256", "RS256"]}
    browser.idp = add_idp(house, context, browser.node, browser.outside, key="lax")
    browser.outside.header, browser.outside.sign = {"alg": "none"}, lambda _signed: b""
    attempt = browser.begin()
    browser.come_back(browser.outside.authorize(browser.start(attempt, "lax")))
    browser.require_refused(attempt, "E_Token_Invalid", "ID token, alg:")


def test_44_a_symmetric_signature_with_the_client_secret_or_our_public_knowledge_is_refused(
    browser: Browser, person: Account, rsa_key: ForgeKey
) -> None:
    public = rsa_key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (CLIENT_SECRET.encode(), public):
        browser.outside.header, browser.outside.sign = {"alg": "HS256"}, symmetric(secret)
        browser.refused("E_Token_Invalid", "ID token, alg:")


def test_44_a_key_that_the_token_brings_along_is_refused(browser: Browser, person: Account, other_rsa_key: ForgeKey) -> None:
    browser.outside.key = other_rsa_key
    browser.outside.header = {"jwk": other_rsa_key.jwk(), "kid": "rsa-1"}
    browser.refused("E_Token_Invalid", "ID token, header:")


def test_44_a_signature_by_another_key_is_refused(browser: Browser, person: Account, other_rsa_key: ForgeKey) -> None:
    browser.outside.sign = other_rsa_key.signature
    browser.refused("E_Token_Invalid", "ID token, signature:")


def test_44_a_short_rsa_key_is_refused(browser: Browser, person: Account, weak_rsa_key: ForgeKey) -> None:
    browser.outside.key, browser.outside.published = weak_rsa_key, [weak_rsa_key.jwk()]
    browser.refused("E_Token_Invalid", "ID token, key:", "1024 bits")


@pytest.mark.parametrize("member", [{"use": "enc"}, {"alg": "PS256"}, {"alg": "RSA-OAEP"}, {"key_ops": ["encrypt"]}])
def test_44_a_key_that_is_not_for_this_is_refused(browser: Browser, person: Account, rsa_key: ForgeKey, member: dict[str, object]) -> None:
    browser.outside.published = [rsa_key.jwk(**member)]
    browser.refused("E_Token_Invalid", "ID token, key:")


def test_44_without_kid_several_keys_are_no_choice(browser: Browser, person: Account, rsa_key: ForgeKey, other_rsa_key: ForgeKey) -> None:
    browser.outside.header = {"kid": None}
    browser.outside.published = [rsa_key.jwk(), other_rsa_key.jwk()]
    browser.refused("E_Token_Invalid", "ID token, kid:")


@pytest.mark.parametrize("size", [100_000, 3_000_000])
def test_44_a_huge_id_token_is_refused(browser: Browser, person: Account, size: int) -> None:
    browser.outside.claims = {"padding": "x" * size}
    browser.refused("E_Token_Invalid")


@pytest.mark.parametrize("id_token", [None, "", 7, ["eyJ"], "no.token", "a.b.c.d.e"])
def test_an_answer_without_a_proper_id_token_is_refused(browser: Browser, person: Account, id_token: object) -> None:
    browser.outside.tokens = {"id_token": id_token}
    browser.refused("E_Token_Invalid")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [({"iss": "https://evil.example"}, "evil.example"), ({"iss": None}, "RFC 9207"), ({"iss": ""}, "RFC 9207")],
)
def test_40_an_answer_of_another_issuer_or_of_none_is_refused_before_the_code_is_sent(
    browser: Browser, person: Account, answer: dict[str, str | None], reason: str
) -> None:
    browser.outside.answer = answer
    browser.refused("E_Token_Invalid", reason)
    assert browser.outside.count("/token") == 0


def test_40_a_wrong_issuer_is_refused_where_none_was_announced_too(browser: Browser, person: Account) -> None:
    browser.outside.metadata = {"authorization_response_iss_parameter_supported": False}
    browser.outside.answer = {"iss": browser.outside.issuer + "/"}
    browser.refused("E_Token_Invalid", "answer, iss")


def test_42_the_providers_refusal_is_told_in_one_plain_line(browser: Browser, person: Account) -> None:
    browser.outside.answer = {
        "code": None,
        "error": "access_denied",
        "error_description": "<script>alert(1)</script>\r\nSet-Cookie: a=b\x00" + "x" * 500,
    }
    attempt = browser.refused("E_Idp_Denied", step="protocol")
    refusal = browser.stored(attempt).refusal
    assert refusal is not None
    value = refusal.data["value"]
    assert value.startswith("access_denied (<script>")
    assert value.isprintable()
    assert len(value) < 250
    page = browser.get(f"{browser.node.issuer}/sign-in?id={attempt.id}").text
    assert "<script>alert" not in page
    assert browser.outside.count("/token") == 0


def test_an_answer_with_neither_code_nor_error_is_refused(browser: Browser, person: Account) -> None:
    browser.outside.answer = {"code": None}
    browser.refused("E_Token_Invalid", "neither a code nor an error")


class TestUserinfo:
    @pytest.fixture(autouse=True)
    def thin_token(self, browser: Browser) -> None:
        """The ID token says who, and nothing of them (as Okta's does)."""
        browser.outside.claims = {"email": None, "email_verified": None, "preferred_username": None}

    def test_it_is_asked_where_claims_are_missing(self, browser: Browser, person: Account) -> None:
        browser.outside.userinfo = {}
        assert browser.sign_in().session is not None

    @pytest.mark.parametrize("sub", ["somebody else", None, 7, ""])
    def test_45_another_subject_or_none_refuses_the_whole_sign_in(self, browser: Browser, person: Account, sub: object) -> None:
        browser.outside.userinfo = {"sub": sub}
        browser.refused("E_Token_Invalid", "userinfo, sub:")

    def test_it_must_answer_where_the_criterion_needs_it(self, browser: Browser, person: Account) -> None:
        browser.refused("E_Idp_Unreachable", "userinfo: status 500")

    def test_it_need_not_answer_for_claims_that_decide_nothing(self, browser: Browser, person: Account) -> None:
        browser.outside.claims = {"preferred_username": None}
        assert browser.sign_in().session is not None
        assert browser.outside.count("/userinfo") == 1

    def test_it_is_not_asked_for_a_subject_that_is_bound(self, browser: Browser, person: Account) -> None:
        browser.outside.userinfo = {}
        browser.sign_in()
        assert browser.sign_in().session is not None
        assert browser.outside.count("/userinfo") == 1

    def test_the_proof_of_one_address_never_stands_beside_another(self, browser: Browser, person: Account) -> None:
        browser.outside.claims = {"email": "flast@acme.example", "email_verified": None, "preferred_username": None}
        browser.outside.userinfo = {"email": "another@acme.example", "email_verified": True}
        browser.refused("E_Email_Unverified", step="proof")

    def test_an_address_that_userinfo_says_is_unverified_is_not_proved_by_the_id_token(self, browser: Browser, person: Account) -> None:
        browser.outside.claims = {"email": None, "email_verified": True, "preferred_username": None}
        browser.outside.userinfo = {"email_verified": False}
        browser.refused("E_Email_Unverified", step="proof")


class TestUnreachable:
    @pytest.mark.parametrize(
        ("status", "body"), [(500, b"{}"), (503, b"<html>"), (200, b"<html>"), (200, b"[]"), (302, b"{}"), (429, b"{}"), (400, b"oops")]
    )
    def test_50_a_token_endpoint_that_fails_is_unreachable(self, browser: Browser, person: Account, status: int, body: bytes) -> None:
        browser.outside.token_status, browser.outside.raw_tokens = status, body
        browser.refused("E_Idp_Unreachable", "token endpoint:")

    def test_50_a_provider_that_is_down_is_unreachable_and_works_again_later(
        self, browser: Browser, person: Account, rsa_key: ForgeKey
    ) -> None:
        browser.outside.metadata = {"issuer": browser.outside.issuer, "token_endpoint": "http://127.0.0.1:9/token"}
        browser.refused("E_Idp_Unreachable", "token endpoint:")

    def test_46_a_document_of_another_issuer_makes_the_provider_unusable(self, browser: Browser) -> None:
        browser.outside.metadata = {"issuer": "https://evil.example"}
        attempt = browser.begin()
        browser.start(attempt)
        browser.require_refused(attempt, "E_Idp_Config", "the document says 'https://evil.example'")

    @pytest.mark.parametrize("name", ["jwks_uri", "token_endpoint", "userinfo_endpoint"])
    @pytest.mark.parametrize(
        "place", ["http://10.0.0.1/x", "http://169.254.169.254/latest", "http://[fd00::1]/x", "http://[::ffff:169.254.169.254]/x"]
    )
    def test_47_endpoints_in_a_document_lead_nowhere_private(self, browser: Browser, person: Account, name: str, place: str) -> None:
        browser.outside.metadata = {name: place}
        browser.outside.claims = {"email": None}
        browser.refused("E_Idp_Unreachable")

    def test_47_a_node_without_private_outbound_calls_nothing_on_the_loopback(
        self, browser: Browser, context: Context, tenant: Node
    ) -> None:
        browser.node = nodes.change_node(context, tenant, private_outbound=False)
        attempt = browser.begin()
        browser.start(attempt)
        browser.require_refused(attempt, "E_Idp_Unreachable", "no private outbound")
        assert not browser.outside.calls

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            (b'{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret"}', 401, "E_Idp_Config"),
            (b'{"error":"unauthorized_client"}', 400, "E_Idp_Config"),
            (b'{"error":"invalid_grant"}', 400, "E_Idp_Denied"),
            (b'{"error":"bad_verification_code"}', 200, "E_Idp_Denied"),
            (b'{"error":{"code":1}}', 400, "E_Idp_Denied"),
        ],
    )
    def test_an_oauth_error_of_the_token_endpoint_is_told_apart(
        self, browser: Browser, person: Account, body: bytes, status: int, code: str
    ) -> None:
        browser.outside.token_status, browser.outside.raw_tokens = status, body
        browser.refused(code, "token endpoint:")

    def test_a_wrong_client_secret_is_a_set_up_problem(
        self, browser: Browser, context: Context, person: Account, idp: IdentityProvider
    ) -> None:
        identity_providers.change_provider(context, idp, identity_providers.Changes(client_secret="outdated"))
        browser.refused("E_Idp_Config", "AADSTS7000215")


class TestFloods:
    def test_49_tokens_with_unknown_keys_fetch_keys_once_in_30_seconds(self, browser: Browser, person: Account, clock: Clock) -> None:
        browser.outside.header = {"kid": "unknown"}
        for _ in range(10):
            attempt = browser.sign_in()
            assert attempt.refusal is not None
        assert browser.outside.count("/keys") == 1
        clock.advance(seconds=30)
        for _ in range(3):
            browser.sign_in()
        assert browser.outside.count("/keys") == 2

    def test_49_after_a_flood_the_rotated_key_works_once_half_a_minute_is_over(
        self, browser: Browser, person: Account, clock: Clock, other_rsa_key: ForgeKey
    ) -> None:
        browser.sign_in()
        browser.outside.header = {"kid": "unknown"}
        browser.sign_in()
        browser.outside.header, browser.outside.key, browser.outside.published = {}, other_rsa_key, [other_rsa_key.jwk()]
        assert browser.sign_in().session is None
        clock.advance(seconds=30)
        assert browser.sign_in().session is not None

    def test_48_a_provider_that_hangs_leaves_the_others_alone(
        self, browser: Browser, house: House, context: Context, person: Account, rsa_key: ForgeKey, clock: Clock
    ) -> None:
        over = threading.Event()
        with running(rsa_key, clock) as slow:
            add_idp(house, context, browser.node, slow, key="slow")
            slow.before_answer = lambda _path: over.wait(10)
            hanging = browser.begin()
            with ThreadPoolExecutor(1) as pool:
                waiting = pool.submit(browser.start, hanging, "slow")
                try:
                    assert browser.sign_in().session is not None
                    assert waiting.result(10).endswith(f"/sign-in?id={hanging.id}")
                finally:
                    over.set()
        refusal = browser.stored(hanging).refusal
        assert refusal is not None
        assert refusal.code == "E_Idp_Unreachable"


class TestFreshness:
    """`max_age` (14): how long ago somebody signed in there."""

    @pytest.mark.parametrize(("age", "fresh"), [(0, True), (100, True), (159, True), (161, False)])
    def test_a_sign_in_older_than_the_app_accepts_is_refused(self, browser: Browser, person: Account, age: int, fresh: bool) -> None:
        browser.outside.claims = {"auth_time": SECONDS - age}
        if fresh:
            attempt = browser.sign_in(max_age=100)
            assert attempt.proof is not None
            assert attempt.proof.means.auth_time == (SECONDS - age) * 1000
        else:
            browser.refused("E_Token_Invalid", "auth_time", max_age=100)

    def test_a_provider_that_owes_the_time_and_keeps_silent_is_refused(self, browser: Browser, person: Account) -> None:
        browser.refused("E_Token_Invalid", "auth_time: absent", max_age=100)


def test_the_wrong_verifier_gets_no_token(browser: Browser, person: Account) -> None:
    """The provider holds the challenge of our request; the code of another request meets another verifier."""
    first, second = browser.begin(), browser.begin()
    stolen = browser.asked(browser.outside.authorize(browser.start(first)))["code"]
    own = browser.outside.authorize(browser.start(second))
    browser.come_back(own.replace(browser.asked(own)["code"], stolen))
    browser.require_refused(second, "E_Idp_Denied")


def test_two_providers_of_one_node_never_share_keys(
    browser: Browser, house: House, context: Context, person: Account, other_rsa_key: ForgeKey, clock: Clock
) -> None:
    with running(other_rsa_key, clock) as evil:
        add_idp(house, context, browser.node, evil, key="evil")
        browser.outside.key = dataclasses.replace(other_rsa_key, kid="rsa-1")
        browser.refused("E_Token_Invalid", "ID token, signature:")
