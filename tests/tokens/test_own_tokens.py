"""Tokens that come back to us, and proofs of apps: no leeway for what we issued, one audience for a proof."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from joserfc.jws import deserialize_compact

from gateway.domain.values import Instant
from gateway.tokens import verification
from gateway.tokens.claims import TokenRejected
from gateway.tokens.signing import SigningKey, generate_key, load_key, sign
from gateway.tokens.verification import (
    KeySet,
    import_key_set,
    read_unverified_subject,
    remember_access_token,
    verify_client_assertion,
    verify_own_access_token,
)
from tests.tokens.forge import CLIENT, ISSUER, NOW, SECONDS, ForgeKey, encode, forge, good_claims

RS256 = frozenset({"RS256"})
ES256 = frozenset({"ES256"})


def own(token: str, key: ForgeKey, now: int = NOW) -> tuple[str, ...]:
    keys = import_key_set({"keys": [key.jwk()]})
    return verify_own_access_token(token, issuer=ISSUER, keys=keys, algorithms=RS256, now=Instant(now)).audience


def access(key: ForgeKey, *, typ: str | None = "at+jwt", **changes: object) -> str:
    return forge(good_claims(**{"nonce": None, "client_id": "app", "jti": "t", "aud": ["a", "b"]} | changes), key, header={"typ": typ})


def test_own_access_token_is_known_whatever_it_is_for(rsa_key: ForgeKey) -> None:
    assert own(access(rsa_key), rsa_key) == ("a", "b")


def test_own_access_token_is_over_at_its_last_second(rsa_key: ForgeKey) -> None:
    token = access(rsa_key, exp=SECONDS + 300)
    assert own(token, rsa_key, NOW + 299_999)
    with pytest.raises(TokenRejected, match=r"^exp"):
        own(token, rsa_key, NOW + 300_000)


@pytest.mark.parametrize(
    "changes",
    [{"typ": "JWT"}, {"typ": None}, {"iss": "https://other"}, {"aud": None}, {"client_id": None}, {"jti": None}, {"sub": ""}],
    ids=str,
)
def test_what_is_no_access_token_of_ours_is_refused(rsa_key: ForgeKey, changes: dict[str, object]) -> None:
    with pytest.raises(TokenRejected):
        own(access(rsa_key, **changes), rsa_key)  # type: ignore[arg-type]  # typ among the changes


class TestRemembered:
    """Whether a signature holds is worked out once for the same characters and keys, and never for others."""

    @pytest.fixture
    def signed(self) -> tuple[str, SigningKey, KeySet]:
        pem, public = generate_key("ES256", "k1")
        key = load_key(pem, "k1", "ES256")
        claims = good_claims(nonce=None, client_id="app", jti="t", aud=["a", "b"])
        return sign(claims, key, typ="at+jwt"), key, import_key_set({"keys": [public]})

    def audience(self, token: str, keys: KeySet, *, now: int = NOW, algorithms: frozenset[str] = ES256) -> tuple[str, ...]:
        return verify_own_access_token(token, issuer=ISSUER, keys=keys, algorithms=algorithms, now=Instant(now)).audience

    @pytest.fixture
    def checks(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        checked: list[str] = []
        genuine = deserialize_compact

        def count(token: str, *given: Any, **named: Any) -> object:
            checked.append(token)
            return genuine(token, *given, **named)

        monkeypatch.setattr(verification, "deserialize_compact", count)
        return checked

    def test_token_that_was_verified_is_not_verified_again(self, signed: tuple[str, SigningKey, KeySet], checks: list[str]) -> None:
        token, _, keys = signed
        assert [self.audience(token, keys) for _ in range(3)] == [("a", "b")] * 3
        assert checks == [token]

    def test_token_that_was_signed_here_needs_no_verifying(self, signed: tuple[str, SigningKey, KeySet], checks: list[str]) -> None:
        token, key, keys = signed
        remember_access_token(token, keys, kid=key.kid, alg=key.alg)
        assert self.audience(token, keys) == ("a", "b")
        assert not checks

    def test_all_but_the_signature_is_asked_each_time(self, signed: tuple[str, SigningKey, KeySet]) -> None:
        token, key, keys = signed
        remember_access_token(token, keys, kid=key.kid, alg=key.alg)
        with pytest.raises(TokenRejected, match=r"^exp"):
            self.audience(token, keys, now=NOW + 10_000_000)
        with pytest.raises(TokenRejected, match=r"^alg"):
            self.audience(token, keys, algorithms=RS256)
        with pytest.raises(TokenRejected, match=r"^iss"):
            verify_own_access_token(token, issuer="https://other", keys=keys, algorithms=ES256, now=Instant(NOW))

    def test_changed_token_is_not_the_one_that_was_signed(self, signed: tuple[str, SigningKey, KeySet]) -> None:
        token, key, keys = signed
        remember_access_token(token, keys, kid=key.kid, alg=key.alg)
        head, payload, signature = token.split(".")
        for changed in (f"{head}.{encode(json.dumps(good_claims(aud='a')).encode())}.{signature}", f"{head}.{payload}.{'A' * 86}"):
            with pytest.raises(TokenRejected, match=r"^signature"):
                self.audience(changed, keys)

    def test_other_keys_are_another_question(self, signed: tuple[str, SigningKey, KeySet]) -> None:
        token, key, keys = signed
        remember_access_token(token, keys, kid=key.kid, alg=key.alg)
        for kid, check in (("k2", r"^kid"), ("k1", r"^signature")):
            _, public = generate_key("ES256", kid)
            with pytest.raises(TokenRejected, match=check):
                self.audience(token, import_key_set({"keys": [public]}))

    def test_what_a_key_signed_that_is_not_published_is_not_remembered(self, signed: tuple[str, SigningKey, KeySet]) -> None:
        token, key, _ = signed
        _, public = generate_key("ES256", "k2")
        others = import_key_set({"keys": [public]})
        remember_access_token(token, others, kid=key.kid, alg=key.alg)
        with pytest.raises(TokenRejected, match=r"^kid"):
            self.audience(token, others)

    def test_memory_is_bounded(self, signed: tuple[str, SigningKey, KeySet], monkeypatch: pytest.MonkeyPatch) -> None:
        token, key, keys = signed
        monkeypatch.setattr(verification, "_MOST_HOLDING", 2)
        for at in range(5):
            remember_access_token(f"{token}{'=' * at}", keys, kid=key.kid, alg=key.alg)
        assert len(verification._HOLDING) <= 2


class TestAssertions:
    def verify(self, key: ForgeKey, *, header: Mapping[str, object] | None = None, **changes: object) -> str:
        claims = good_claims(**{"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "jti": "j", "nonce": None} | changes)
        keys = import_key_set({"keys": [key.jwk()]})
        token = forge(claims, key, header=header)
        verified = verify_client_assertion(token, client_id=CLIENT, issuer=ISSUER, keys=keys, algorithms=RS256, now=Instant(NOW))
        return verified.token_id

    @pytest.mark.parametrize("typ", ["JWT", None, "client-authentication+jwt"])
    def test_good_one_is_believed(self, rsa_key: ForgeKey, typ: str | None) -> None:
        assert self.verify(rsa_key, header={"typ": typ}) == "j"

    def test_iat_may_be_left_out(self, rsa_key: ForgeKey) -> None:
        assert self.verify(rsa_key, iat=None) == "j"

    @pytest.mark.parametrize(
        ("changes", "check"),
        [
            ({"aud": [ISSUER]}, "aud"),
            ({"aud": ISSUER + "/oauth2/token"}, "aud"),
            ({"aud": None}, "aud"),
            ({"sub": "other"}, "sub"),
            ({"iss": "other"}, "sub"),
            ({"exp": SECONDS - 60}, "exp"),
            ({"exp": SECONDS + 3661}, "exp"),
            ({"exp": None}, "exp"),
            ({"iat": SECONDS + 31}, "iat"),
            ({"nbf": SECONDS + 31}, "nbf"),
            ({"jti": None}, "jti"),
        ],
        ids=str,
    )
    def test_bad_one_proves_nothing(self, rsa_key: ForgeKey, changes: dict[str, object], check: str) -> None:
        with pytest.raises(TokenRejected) as refusal:
            self.verify(rsa_key, header=None, **changes)
        assert refusal.value.check == check

    @pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt", "dpop+jwt"])
    def test_other_kinds_of_token_prove_nothing(self, rsa_key: ForgeKey, typ: str) -> None:
        with pytest.raises(TokenRejected, match="typ"):
            self.verify(rsa_key, header={"typ": typ})


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "..", f"x.{encode(b'[]')}.y", f"x.{encode(b'{}')}.y", "x" * 70_000])
def test_unverified_subject_of_nonsense_is_nobody(token: str) -> None:
    assert read_unverified_subject(token) == ""


def test_unverified_subject_is_what_the_token_says(rsa_key: ForgeKey) -> None:
    assert read_unverified_subject(forge(good_claims(sub="app"), rsa_key)) == "app"
    assert read_unverified_subject(forge(good_claims(sub=7), rsa_key)) == ""
