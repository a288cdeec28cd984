"""Tokens from hostile and from honest issuers; each refusal names the check that failed."""

from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry, serialize_compact

from gateway.domain.values import Instant
from gateway.tokens.claims import LOGOUT_EVENT, STALE_KEY_CHECKS, TokenRejected
from gateway.tokens.digests import at_hash
from gateway.tokens.verification import (
    MAX_KEYS,
    Expected,
    import_key_set,
    require_algorithms,
    verify_access_token,
    verify_hint,
    verify_id_token,
    verify_logout_token,
)
from tests.tokens.forge import CLIENT, ISSUER, NONCE, NOW, SECONDS, ForgeKey, encode, forge, good_claims, symmetric

RS256 = frozenset({"RS256"})
HOUR = 3600


def expected_of(*keys: ForgeKey | Mapping[str, object], algorithms: frozenset[str] = RS256, access_token: str | None = None) -> Expected:
    members = [key.jwk() if isinstance(key, ForgeKey) else key for key in keys]
    return Expected(ISSUER, CLIENT, import_key_set({"keys": members}), algorithms, nonce=NONCE, access_token=access_token)


def failed_check(token: str, expected: Expected) -> str:
    with pytest.raises(TokenRejected) as refusal:
        verify_id_token(token, expected, now=Instant(NOW))
    assert refusal.value.reason
    return refusal.value.check


class TestGoodTokens:
    def test_plain_token_is_believed(self, rsa_key: ForgeKey) -> None:
        verified = verify_id_token(forge(good_claims(email="a@ex.com"), rsa_key), expected_of(rsa_key), now=Instant(NOW))
        assert verified.subject == "248289761001"
        assert verified.issuer == ISSUER
        assert verified.audience == (CLIENT,)
        assert verified.issued_at == NOW
        assert verified.expires_at == NOW + 300_000
        assert verified.key_id == "rsa-1"
        assert verified.claims["email"] == "a@ex.com"

    def test_es256_is_believed_where_we_configured_it(self, ec_key: ForgeKey) -> None:
        verify_id_token(forge(good_claims(), ec_key), expected_of(ec_key, algorithms=frozenset({"ES256"})), now=Instant(NOW))

    def test_ps256_is_believed_where_we_configured_it(self, rsa_key: ForgeKey) -> None:
        assert isinstance(rsa_key.private, rsa.RSAPrivateKey)
        header = {"alg": "PS256", "kid": "rsa-1"}
        claims = b'{"iss":"%s","aud":"%s","sub":"x","iat":%d,"exp":%d,"nonce":"%s"}'
        payload = claims % (ISSUER.encode(), CLIENT.encode(), SECONDS, SECONDS + 9, NONCE.encode())
        token = serialize_compact(header, payload, RSAKey.import_key(rsa_key.private), registry=JWSRegistry(algorithms=["PS256"]))
        verify_id_token(token, expected_of(rsa_key.jwk(alg=None), algorithms=frozenset({"PS256"})), now=Instant(NOW))

    def test_audience_list_with_us_as_authorized_party_is_believed(self, rsa_key: ForgeKey) -> None:
        token = forge(good_claims(aud=[CLIENT, "other"], azp=CLIENT), rsa_key)
        assert verify_id_token(token, expected_of(rsa_key), now=Instant(NOW)).audience == (CLIENT, "other")

    def test_missing_kid_is_believed_with_a_single_key(self, rsa_key: ForgeKey) -> None:
        verify_id_token(forge(good_claims(), rsa_key, header={"kid": None}), expected_of(rsa_key.jwk(kid=None)), now=Instant(NOW))

    def test_missing_kid_is_believed_where_one_key_of_several_fits(self, rsa_key: ForgeKey, ec_key: ForgeKey) -> None:
        keys = expected_of(rsa_key, ec_key, ec_key.jwk(kid="enc", use="enc"))
        verify_id_token(forge(good_claims(), rsa_key, header={"kid": None}), keys, now=Instant(NOW))

    def test_same_kid_on_keys_of_different_type_is_no_trouble(self, rsa_key: ForgeKey, ec_key: ForgeKey) -> None:
        verify_id_token(forge(good_claims(), rsa_key), expected_of(ec_key.jwk(kid="rsa-1"), rsa_key), now=Instant(NOW))

    def test_keys_we_cannot_read_do_not_spoil_the_set(self, rsa_key: ForgeKey) -> None:
        strange = {"kty": "AKP", "kid": "pq", "alg": "ML-DSA-44", "pub": "AA"}
        off_curve = {"kty": "EC", "crv": "P-256", "x": encode(b"\1" * 32), "y": encode(b"\2" * 32), "kid": "bad"}
        verify_id_token(forge(good_claims(), rsa_key), expected_of(strange, off_curve, {"kty": "RSA"}, rsa_key), now=Instant(NOW))

    def test_type_may_be_absent(self, rsa_key: ForgeKey) -> None:
        verify_id_token(forge(good_claims(), rsa_key, header={"typ": None}), expected_of(rsa_key), now=Instant(NOW))

    def test_certificate_headers_and_unknown_ones_are_ignored(self, rsa_key: ForgeKey) -> None:
        header = {"x5t": "AAAA", "x5c": ["MIIB" * 500], "vendor": {"x": 1}}
        verify_id_token(forge(good_claims(), rsa_key, header=header), expected_of(rsa_key), now=Instant(NOW))

    def test_clocks_may_differ_by_less_than_a_minute(self, rsa_key: ForgeKey) -> None:
        for claims in (good_claims(exp=SECONDS - 59), good_claims(iat=SECONDS + 60, nbf=SECONDS + 60, exp=SECONDS + 300)):
            verify_id_token(forge(claims, rsa_key), expected_of(rsa_key), now=Instant(NOW))

    def test_right_at_hash_is_believed(self, rsa_key: ForgeKey) -> None:
        token = forge(good_claims(at_hash=at_hash("access", "RS256")), rsa_key)
        verify_id_token(token, expected_of(rsa_key, access_token="access"), now=Instant(NOW))


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"iss": None}, "iss"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": ISSUER + "/"}, "iss"),
        ({"iss": [ISSUER]}, "iss"),
        ({"aud": None}, "aud"),
        ({"aud": "other"}, "aud"),
        ({"aud": "other", "azp": CLIENT}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": [CLIENT, 7]}, "aud"),
        ({"aud": {CLIENT: 1}}, "aud"),
        ({"aud": [CLIENT, "x"]}, "azp"),
        ({"azp": "other"}, "azp"),
        ({"aud": [CLIENT, "x"], "azp": "x"}, "azp"),
        ({"exp": None}, "exp"),
        ({"exp": SECONDS - 60}, "exp"),
        ({"exp": str(SECONDS + 300)}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": 1e300}, "exp"),
        ({"exp": -1}, "exp"),
        ({"iat": None}, "iat"),
        ({"iat": SECONDS + HOUR}, "iat"),
        ({"iat": SECONDS + 61}, "iat"),
        ({"nbf": SECONDS + HOUR}, "nbf"),
        ({"nbf": "now"}, "nbf"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": "x" * 256}, "sub"),
        ({"sub": 248289761001}, "sub"),
        ({"sub": ["x"]}, "sub"),
        ({"nonce": None}, "nonce"),
        ({"nonce": "other"}, "nonce"),
        ({"nonce": "nöt ascii"}, "nonce"),
        ({"nonce": 7}, "nonce"),
        ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "at_hash"),
        ({"at_hash": 1}, "at_hash"),
        ({"events": {LOGOUT_EVENT: {}}}, "events"),
    ],
    ids=str,
)
def test_claim_that_is_not_as_it_must_be_is_refused(rsa_key: ForgeKey, changes: dict[str, object], check: str) -> None:
    claims = good_claims(**changes)
    assert failed_check(forge(claims, rsa_key), expected_of(rsa_key, access_token="access")) == check


def test_at_hash_without_access_token_is_refused(rsa_key: ForgeKey) -> None:
    assert failed_check(forge(good_claims(at_hash=at_hash("a", "RS256")), rsa_key), expected_of(rsa_key)) == "at_hash"


@pytest.mark.parametrize(
    ("header", "check"),
    [
        ({"typ": "logout+jwt"}, "typ"),
        ({"typ": "at+jwt"}, "typ"),
        ({"typ": "application/at+JWT"}, "typ"),
        ({"typ": ["JWT"]}, "typ"),
        ({"crit": ["exp"]}, "header"),
        ({"crit": ["urn:x"], "urn:x": 1}, "header"),
        ({"b64": True}, "header"),
        ({"jku": "https://evil.example/jwks"}, "header"),
        ({"x5u": "https://evil.example/cert"}, "header"),
        ({"alg": None}, "alg"),
        ({"alg": 7}, "alg"),
        ({"alg": "RS512"}, "alg"),
        ({"alg": "rs256"}, "alg"),
        ({"alg": "ES256"}, "alg"),
        ({"kid": "unknown"}, "kid"),
        ({"kid": 7}, "kid"),
    ],
    ids=str,
)
def test_header_that_is_not_as_it_must_be_is_refused(rsa_key: ForgeKey, header: dict[str, object], check: str) -> None:
    assert failed_check(forge(good_claims(), rsa_key, header=header), expected_of(rsa_key)) == check


class TestKeys:
    def test_key_inside_the_token_is_refused(self, rsa_key: ForgeKey, other_rsa_key: ForgeKey) -> None:
        token = forge(good_claims(), other_rsa_key, header={"jwk": other_rsa_key.jwk(), "kid": "rsa-1"})
        assert failed_check(token, expected_of(rsa_key)) == "header"

    def test_signature_of_another_key_is_refused(self, rsa_key: ForgeKey, other_rsa_key: ForgeKey) -> None:
        assert failed_check(forge(good_claims(), other_rsa_key, header={"kid": "rsa-1"}), expected_of(rsa_key)) == "signature"

    def test_only_the_named_key_is_tried(self, rsa_key: ForgeKey, other_rsa_key: ForgeKey) -> None:
        token = forge(good_claims(), other_rsa_key, header={"kid": "rsa-1"})
        assert failed_check(token, expected_of(rsa_key, other_rsa_key)) == "signature"

    def test_changed_payload_is_refused(self, rsa_key: ForgeKey) -> None:
        header, _, signature = forge(good_claims(), rsa_key).split(".")
        payload = forge(good_claims(sub="admin"), rsa_key).split(".")[1]
        assert failed_check(f"{header}.{payload}.{signature}", expected_of(rsa_key)) == "signature"

    @pytest.mark.parametrize("signature", ["", "AAAA", "!!!!"])
    def test_missing_or_broken_signature_is_refused(self, rsa_key: ForgeKey, signature: str) -> None:
        token = forge(good_claims(), rsa_key).rpartition(".")[0]
        assert failed_check(f"{token}.{signature}", expected_of(rsa_key)) == "signature"

    def test_missing_kid_with_two_fitting_keys_is_refused(self, rsa_key: ForgeKey, other_rsa_key: ForgeKey) -> None:
        token = forge(good_claims(), rsa_key, header={"kid": None})
        assert failed_check(token, expected_of(rsa_key, other_rsa_key)) == "kid"

    def test_two_fitting_keys_under_one_kid_are_refused(self, rsa_key: ForgeKey, other_rsa_key: ForgeKey) -> None:
        assert failed_check(forge(good_claims(), rsa_key), expected_of(rsa_key, other_rsa_key.jwk(kid="rsa-1"))) == "kid"

    def test_short_rsa_key_is_refused(self, weak_rsa_key: ForgeKey) -> None:
        assert failed_check(forge(good_claims(), weak_rsa_key), expected_of(weak_rsa_key)) == "key"

    @pytest.mark.parametrize("changes", [{"use": "enc"}, {"alg": "RS512"}, {"key_ops": ["encrypt"]}, {"key_ops": "verify all"}], ids=str)
    def test_key_for_another_purpose_is_refused(self, rsa_key: ForgeKey, changes: dict[str, object]) -> None:
        assert failed_check(forge(good_claims(), rsa_key), expected_of(rsa_key.jwk(**changes))) == "key"

    def test_key_of_another_type_is_refused(self, rsa_key: ForgeKey, ec_key: ForgeKey) -> None:
        assert failed_check(forge(good_claims(), rsa_key), expected_of(ec_key.jwk(kid="rsa-1"))) == "key"

    def test_curve_of_another_algorithm_is_refused(self) -> None:
        key = ForgeKey("p384", "ES256", ec.generate_private_key(ec.SECP384R1()))
        token = forge(good_claims(), key, sign=lambda signed: b"\0" * 64)
        assert failed_check(token, expected_of(key.jwk(crv="P-384", alg=None), algorithms=frozenset({"ES256"}))) == "key"

    def test_no_keys_at_all_means_unknown_kid(self, rsa_key: ForgeKey) -> None:
        assert failed_check(forge(good_claims(), rsa_key), expected_of()) == "kid"

    def test_failures_that_fresh_keys_may_cure_are_known(self) -> None:
        assert {"kid", "key", "signature"} == STALE_KEY_CHECKS

    def test_symmetric_keys_are_left_out(self) -> None:
        assert import_key_set({"keys": [{"kty": "oct", "k": "AAAA", "kid": "s"}]}).keys == ()

    def test_private_members_are_never_read(self, rsa_key: ForgeKey) -> None:
        (key,) = import_key_set({"keys": [rsa_key.jwk(d="AAAA", p="AAAA")]}).keys
        assert key.key is not None
        assert not key.key.is_private

    def test_number_of_keys_is_capped(self, ec_key: ForgeKey) -> None:
        assert len(import_key_set({"keys": [ec_key.jwk()] * (MAX_KEYS + 1)}).keys) == MAX_KEYS

    @pytest.mark.parametrize("document", [{}, {"keys": {}}, {"keys": "none"}], ids=str)
    def test_document_without_keys_is_refused(self, document: dict[str, object]) -> None:
        with pytest.raises(ValueError, match="no list named keys"):
            import_key_set(document)


class TestSymmetricAndNone:
    def test_unsigned_token_is_refused(self, rsa_key: ForgeKey) -> None:
        token = forge(good_claims(), rsa_key, header={"alg": "none"}, sign=lambda _: b"")
        assert failed_check(token, expected_of(rsa_key)) == "alg"

    def test_client_secret_is_no_key(self, rsa_key: ForgeKey) -> None:
        token = forge(good_claims(), rsa_key, header={"alg": "HS256"}, sign=symmetric(b"client secret"))
        assert failed_check(token, expected_of(rsa_key)) == "alg"

    def test_public_key_is_no_secret(self, rsa_key: ForgeKey) -> None:
        pem = rsa_key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        token = forge(good_claims(), rsa_key, header={"alg": "HS256"}, sign=symmetric(pem))
        assert failed_check(token, expected_of(rsa_key)) == "alg"

    @pytest.mark.parametrize("names", [[], ["none"], ["HS256"], ["RS256", "HS256"], ["EdDSA"]], ids=str)
    def test_no_configuration_lets_them_in(self, names: list[str]) -> None:
        with pytest.raises(ValueError, match="signature algorithms"):
            require_algorithms(names)
        with pytest.raises(ValueError, match="signature algorithms"):
            Expected(ISSUER, CLIENT, import_key_set({"keys": []}), frozenset(names))


class TestForm:
    def test_huge_token_is_refused_before_it_is_read(self, rsa_key: ForgeKey) -> None:
        assert failed_check(forge(good_claims(pad="x" * 3_000_000), rsa_key), expected_of(rsa_key)) == "size"

    @pytest.mark.parametrize("token", ["", "..", "a.b", "a.b.c.d.e", "ä.b.c", "e30.e30.", "W10.e30.AA", "!.e30.AA", "null"])
    def test_anything_else_than_a_signed_token_is_refused(self, rsa_key: ForgeKey, token: str) -> None:
        assert failed_check(token, expected_of(rsa_key)) in {"format", "alg"}

    @pytest.mark.parametrize(
        "payload",
        [b"[]", b"null", b"\xff", b"{", b'{"a":NaN}', b'{"sub":"a\\u0000"}', b'{"sub":"\\ud800"}', b"[" * 20_000],
        ids=repr,
    )
    def test_signed_nonsense_is_refused(self, rsa_key: ForgeKey, payload: bytes) -> None:
        assert failed_check(forge(payload, rsa_key), expected_of(rsa_key)) == "claims"


def access_claims(**changes: object) -> dict[str, object]:
    return good_claims(nonce=None, aud=["https://api.example", CLIENT], client_id="app", jti="t-1", **changes)


class TestAccessTokens:
    def test_token_for_several_resources_is_believed_at_each(self, rsa_key: ForgeKey) -> None:
        token = forge(access_claims(), rsa_key, header={"typ": "at+jwt"})
        assert verify_access_token(token, expected_of(rsa_key), now=Instant(NOW)).claims["client_id"] == "app"

    @pytest.mark.parametrize("typ", ["JWT", None, "logout+jwt"])
    def test_other_kinds_of_token_are_refused(self, rsa_key: ForgeKey, typ: str | None) -> None:
        with pytest.raises(TokenRejected, match="typ"):
            verify_access_token(forge(access_claims(), rsa_key, header={"typ": typ}), expected_of(rsa_key), now=Instant(NOW))

    @pytest.mark.parametrize("name", ["client_id", "jti", "exp", "iat", "sub", "aud", "iss"])
    def test_claims_of_rfc_9068_are_demanded(self, rsa_key: ForgeKey, name: str) -> None:
        claims = access_claims()
        del claims[name]
        with pytest.raises(TokenRejected, match=f"^{name}"):
            verify_access_token(forge(claims, rsa_key, header={"typ": "at+jwt"}), expected_of(rsa_key), now=Instant(NOW))


class TestHints:
    def verify(self, token: str, key: ForgeKey) -> str:
        keys = import_key_set({"keys": [key.jwk()]})
        return verify_hint(token, issuer=ISSUER, keys=keys, algorithms=RS256, now=Instant(NOW)).subject

    def test_expired_hint_is_as_good(self, rsa_key: ForgeKey) -> None:
        assert self.verify(forge(good_claims(iat=SECONDS - 9 * HOUR, exp=SECONDS - 8 * HOUR), rsa_key), rsa_key) == "248289761001"

    def test_audience_is_told_and_not_judged(self, rsa_key: ForgeKey) -> None:
        keys = import_key_set({"keys": [rsa_key.jwk()]})
        verified = verify_hint(forge(good_claims(aud="app"), rsa_key), issuer=ISSUER, keys=keys, algorithms=RS256, now=Instant(NOW))
        assert verified.audience == ("app",)

    @pytest.mark.parametrize("changes", [{"iss": "https://other"}, {"sub": ""}, {"exp": None}, {"iat": SECONDS + HOUR}], ids=str)
    def test_other_faults_are_refused(self, rsa_key: ForgeKey, changes: dict[str, object]) -> None:
        with pytest.raises(TokenRejected):
            self.verify(forge(good_claims(**changes), rsa_key), rsa_key)

    @pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt", None])
    def test_only_our_id_tokens_are_hints(self, rsa_key: ForgeKey, typ: str | None) -> None:
        with pytest.raises(TokenRejected, match="typ"):
            self.verify(forge(good_claims(), rsa_key, header={"typ": typ}), rsa_key)

    def test_unsigned_hint_is_refused(self, rsa_key: ForgeKey) -> None:
        with pytest.raises(TokenRejected, match="alg"):
            self.verify(forge(good_claims(), rsa_key, header={"alg": "none"}, sign=lambda _: b""), rsa_key)


def logout_claims(**changes: object) -> dict[str, object]:
    claims = good_claims(nonce=None, jti="l-1", sid="s-1", events={LOGOUT_EVENT: {}}) | changes
    return {name: value for name, value in claims.items() if value is not None}


class TestLogoutTokens:
    @pytest.mark.parametrize("typ", ["logout+jwt", "JWT", None])
    def test_good_token_names_subject_and_session(self, rsa_key: ForgeKey, typ: str | None) -> None:
        told = verify_logout_token(forge(logout_claims(), rsa_key, header={"typ": typ}), expected_of(rsa_key), now=Instant(NOW))
        assert (told.subject, told.session_id, told.token_id) == ("248289761001", "s-1", "l-1")

    def test_session_alone_is_enough(self, rsa_key: ForgeKey) -> None:
        told = verify_logout_token(forge(logout_claims(sub=None), rsa_key), expected_of(rsa_key), now=Instant(NOW))
        assert (told.subject, told.session_id) == (None, "s-1")

    @pytest.mark.parametrize(
        ("changes", "check"),
        [
            ({"iss": "https://evil"}, "iss"),
            ({"aud": "other"}, "aud"),
            ({"exp": None}, "exp"),
            ({"iat": SECONDS - HOUR}, "iat"),
            ({"iat": None}, "iat"),
            ({"events": None}, "events"),
            ({"events": {"urn:other": {}}}, "events"),
            ({"events": {LOGOUT_EVENT: True}}, "events"),
            ({"nonce": NONCE}, "nonce"),
            ({"jti": None}, "jti"),
            ({"sub": None, "sid": None}, "sub"),
            ({"sub": ""}, "sub"),
            ({"sid": ""}, "sid"),
        ],
        ids=str,
    )
    def test_bad_token_ends_nothing(self, rsa_key: ForgeKey, changes: dict[str, object], check: str) -> None:
        with pytest.raises(TokenRejected) as refusal:
            verify_logout_token(forge(logout_claims(**changes), rsa_key), expected_of(rsa_key), now=Instant(NOW))
        assert refusal.value.check == check

    def test_id_token_and_access_token_are_no_logout_tokens(self, rsa_key: ForgeKey) -> None:
        for token in (forge(good_claims(), rsa_key), forge(access_claims(), rsa_key, header={"typ": "at+jwt"})):
            with pytest.raises(TokenRejected):
                verify_logout_token(token, expected_of(rsa_key), now=Instant(NOW))
