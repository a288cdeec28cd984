"""Our own signatures: what the header says, what the public key shows, and that keys are read once."""

import base64
import json
import threading

import pytest

from gateway.domain.values import Instant
from gateway.tokens.digests import at_hash
from gateway.tokens.signing import KeyCache, SigningAlgorithm, SigningKey, generate_key, load_key, public_jwk, sign
from gateway.tokens.verification import Expected, import_key_set, verify_id_token
from tests.tokens.forge import CLIENT, ISSUER, NONCE, NOW, good_claims

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}


@pytest.fixture(scope="module")
def stored() -> dict[str, bytes]:
    return {alg: generate_key(alg, f"kid-{alg}")[0] for alg in ALGORITHMS}


ALGORITHMS: tuple[SigningAlgorithm, ...] = ("RS256", "ES256")


def loaded(stored: dict[str, bytes], alg: SigningAlgorithm) -> SigningKey:
    return load_key(stored[alg], f"kid-{alg}", alg)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_header_names_algorithm_key_and_type(stored: dict[str, bytes], alg: SigningAlgorithm) -> None:
    token = sign(good_claims(), loaded(stored, alg), typ="at+jwt")
    segment = token.split(".")[0]
    assert json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))) == {
        "alg": alg,
        "kid": f"kid-{alg}",
        "typ": "at+jwt",
    }


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_what_we_sign_verifies_with_the_published_key(stored: dict[str, bytes], alg: SigningAlgorithm) -> None:
    key = loaded(stored, alg)
    expected = Expected(ISSUER, CLIENT, import_key_set({"keys": [public_jwk(key)]}), frozenset({alg}), nonce=NONCE)
    assert verify_id_token(sign(good_claims(), key, typ="JWT"), expected, now=Instant(NOW)).subject == "248289761001"


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_public_key_has_no_private_member(stored: dict[str, bytes], alg: SigningAlgorithm) -> None:
    jwk = public_jwk(loaded(stored, alg))
    assert not PRIVATE_MEMBERS & jwk.keys()
    assert jwk["kid"] == f"kid-{alg}"
    assert jwk["use"] == "sig"
    assert jwk["alg"] == alg


def test_generated_public_key_is_that_of_the_stored_private_key() -> None:
    pem, jwk = generate_key("ES256", "k")
    assert public_jwk(load_key(pem, "k", "ES256")) == jwk


def test_key_of_another_type_is_refused(stored: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match="does not fit ES256"):
        load_key(stored["RS256"], "k", "ES256")


def test_private_key_is_not_shown(stored: dict[str, bytes]) -> None:
    assert "object at" not in repr(loaded(stored, "ES256"))


def test_at_hash_is_that_of_the_specification() -> None:
    # OpenID Connect Core 1.0, appendix A.3.
    assert at_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "RS256") == "77QmUPtjPfzWtF2AnpK9RQ"


def test_at_hash_of_an_algorithm_without_hash_is_refused() -> None:
    with pytest.raises(ValueError, match="no hash"):
        at_hash("token", "EdDSA")


class TestKeyCache:
    def test_key_is_loaded_once(self, stored: dict[str, bytes]) -> None:
        cache, loads = KeyCache(), []

        def load() -> SigningKey:
            loads.append(1)
            return loaded(stored, "ES256")

        assert cache.get("kid-ES256", load) is cache.get("kid-ES256", load)
        assert len(loads) == 1

    def test_least_recently_used_key_goes_first(self, stored: dict[str, bytes]) -> None:
        cache, key = KeyCache(capacity=2), loaded(stored, "ES256")
        for kid in ("a", "b", "a", "c"):
            cache.get(kid, lambda: key)
        loads: list[str] = []

        def load(kid: str) -> SigningKey:
            loads.append(kid)
            return key

        cache.get("a", lambda: load("a"))
        cache.get("b", lambda: load("b"))
        assert loads == ["b"]

    def test_failure_is_not_remembered(self, stored: dict[str, bytes]) -> None:
        cache, key = KeyCache(), loaded(stored, "ES256")

        def fail() -> SigningKey:
            raise ValueError("no such key")

        with pytest.raises(ValueError, match="no such key"):
            cache.get("a", fail)
        assert cache.get("a", lambda: key) is key

    def test_threads_share_it(self, stored: dict[str, bytes]) -> None:
        cache, key = KeyCache(capacity=2), loaded(stored, "ES256")
        found: list[SigningKey] = []

        def use() -> None:
            found.extend(cache.get(str(number % 5), lambda: key) for number in range(200))

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [key] * 800
