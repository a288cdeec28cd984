"""Tokens that come back to us, and proofs of apps: no leeway for what we issued, one audience for a proof."""

from collections.abc import Mapping

import pytest

from gateway.domain.values import Instant
from gateway.tokens.claims import TokenRejected
from gateway.tokens.verification import import_key_set, read_unverified_subject, verify_client_assertion, verify_own_access_token
from tests.tokens.forge import CLIENT, ISSUER, NOW, SECONDS, ForgeKey, encode, forge, good_claims

RS256 = frozenset({"RS256"})


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
