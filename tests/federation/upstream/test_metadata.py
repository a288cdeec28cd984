"""What providers publish is fetched seldom, by one caller at a time, and a failure is shared by those who waited (openid.md 48, 49)."""

import dataclasses
import itertools
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest

from federation.upstream import metadata
from federation.upstream.metadata import Published
from gateway.domain.errors import Refusal
from gateway.domain.identity import IdentityProvider
from gateway.domain.nodes import Node
from gateway.domain.ports import Reply, Unreachable
from gateway.domain.values import ProviderId
from gateway.tokens.claims import TokenRejected
from gateway.tokens.verification import KeySet
from tests.conftest import Clock
from tests.tokens.forge import ForgeKey

CROWD = 100


class Outside:
    """Serves one provider; each answer can be held back until a test lets it go."""

    def __init__(self, issuer: str, keys: list[dict[str, object]]) -> None:
        self.issuer = issuer
        self.keys = keys
        self.down = False
        self.asked: list[str] = []
        self.go = threading.Event()
        self.go.set()

    def get_json(self, url: str, *, private_outbound: bool, bearer: str | None = None) -> Mapping[str, object]:
        self.asked.append(url.rpartition("/")[2])
        assert self.go.wait(10)
        if self.down:
            raise Unreachable("down")
        if url.endswith("/keys"):
            return {"keys": list(self.keys)}
        return (
            {"issuer": self.issuer}
            | {name: f"{self.issuer}/{name.partition('_')[0]}" for name in ("authorization_endpoint", "token_endpoint")}
            | {"jwks_uri": f"{self.issuer}/keys"}
        )

    def post_form(self, url: str, form: Mapping[str, str], *, private_outbound: bool, auth: tuple[str, str] | None = None) -> Reply:
        raise AssertionError(url)


@pytest.fixture
def served(idp: IdentityProvider, rsa_key: ForgeKey) -> Outside:
    return Outside(idp.issuer, [rsa_key.jwk()])


@pytest.fixture
def published(served: Outside, clock: Clock) -> Published:
    return Published(served, clock)


def needing(kid: str, here: threading.Barrier | None = None) -> Callable[[KeySet], str]:
    """A check that needs a key of this id; the first time it waits until everybody is `here`."""
    waiting = [here] if here else []

    def check(keys: KeySet) -> str:
        if waiting:
            waiting.pop().wait(20)
        if kid not in {key.kid for key in keys.keys}:
            raise TokenRejected("kid", f"no key {kid!r}")
        return kid

    return check


def outcome(published: Published, tenant: Node, idp: IdentityProvider, kid: str, here: threading.Barrier | None = None) -> str:
    try:
        return published.check_with_keys(tenant, idp, needing(kid, here))
    except TokenRejected as rejection:
        return rejection.check
    except Refusal as refusal:
        return refusal.code


class CountingLock:
    """A lock that tells when a whole crowd has come for it."""

    def __init__(self, everybody_here: threading.Event) -> None:
        self._everybody_here = everybody_here
        self._came = itertools.count(1)
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if next(self._came) == CROWD:
            self._everybody_here.set()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def together(served: Outside, published: Published, tenant: Node, idp: IdentityProvider, kid: str, *, known: bool) -> list[str]:
    """What a crowd gets that came before the first fetch ended; where keys are known, everybody has failed with those by then."""
    everybody_here = threading.Event()
    failed_once = threading.Barrier(CROWD, action=everybody_here.set) if known else None
    if not known:
        published._shelf(idp).lock = cast(threading.Lock, CountingLock(everybody_here))
    served.go.clear()
    with ThreadPoolExecutor(CROWD) as pool:
        crowd = [pool.submit(outcome, published, tenant, idp, kid, failed_once) for _ in range(CROWD)]
        assert everybody_here.wait(20)
        served.go.set()
        return [one.result(20) for one in crowd]


def test_a_crowd_fetches_once(served: Outside, published: Published, tenant: Node, idp: IdentityProvider) -> None:
    assert set(together(served, published, tenant, idp, "rsa-1", known=False)) == {"rsa-1"}
    assert served.asked == ["openid-configuration", "keys"]


def test_49_a_crowd_with_an_unknown_key_fetches_keys_once(
    served: Outside, published: Published, tenant: Node, idp: IdentityProvider
) -> None:
    assert outcome(published, tenant, idp, "rsa-1") == "rsa-1"
    served.asked.clear()
    assert set(together(served, published, tenant, idp, "unknown", known=True)) == {"kid"}
    assert served.asked == ["keys"]


def test_49_a_crowd_after_a_rotation_gets_in_at_the_first_try(
    served: Outside, published: Published, tenant: Node, idp: IdentityProvider, other_rsa_key: ForgeKey
) -> None:
    assert outcome(published, tenant, idp, "rsa-1") == "rsa-1"
    served.asked.clear()
    served.keys.append(other_rsa_key.jwk())
    assert set(together(served, published, tenant, idp, "rsa-2", known=True)) == {"rsa-2"}
    assert served.asked == ["keys"]


def test_keys_that_were_just_fetched_are_not_fetched_again_for_the_same_token(
    served: Outside, published: Published, tenant: Node, idp: IdentityProvider
) -> None:
    assert [outcome(published, tenant, idp, "unknown") for _ in range(5)] == ["kid"] * 5
    assert served.asked == ["openid-configuration", "keys"]


def test_a_rejection_that_no_key_can_cure_fetches_nothing(
    served: Outside, published: Published, tenant: Node, idp: IdentityProvider
) -> None:
    def expired(_keys: KeySet) -> str:
        raise TokenRejected("exp", "over")

    outcome(published, tenant, idp, "rsa-1")
    served.asked.clear()
    with pytest.raises(TokenRejected):
        published.check_with_keys(tenant, idp, expired)
    assert not served.asked


def test_48_who_waited_for_a_failure_fails_with_it(served: Outside, published: Published, tenant: Node, idp: IdentityProvider) -> None:
    served.down = True
    assert set(together(served, published, tenant, idp, "rsa-1", known=False)) == {"E_Idp_Unreachable"}
    assert served.asked == ["openid-configuration"]


def test_48_a_provider_that_failed_is_let_rest_and_works_within_five_seconds_of_its_return(
    served: Outside, published: Published, tenant: Node, idp: IdentityProvider, clock: Clock
) -> None:
    served.down = True
    with pytest.raises(Refusal) as first:
        published.get_metadata(tenant, idp)
    clock.advance(milliseconds=metadata.REST_MS - 1)
    served.down = False
    with pytest.raises(Refusal) as second:
        published.get_metadata(tenant, idp)
    assert served.asked == ["openid-configuration"]
    assert (second.value.code, second.value.reason, second.value.data) == (first.value.code, first.value.reason, first.value.data)
    clock.advance(milliseconds=1)
    assert outcome(published, tenant, idp, "rsa-1") == "rsa-1"


def test_48_a_provider_that_rests_keeps_nobody_from_another_one(
    served: Outside, published: Published, tenant: Node, idp: IdentityProvider
) -> None:
    served.down = True
    assert outcome(published, tenant, idp, "rsa-1") == "E_Idp_Unreachable"
    served.down = False
    assert outcome(published, tenant, dataclasses.replace(idp, id=ProviderId("another")), "rsa-1") == "rsa-1"


def test_48_the_rest_begins_when_the_failure_ends(
    served: Outside, published: Published, tenant: Node, idp: IdentityProvider, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(url: str, *, private_outbound: bool, bearer: str | None = None) -> Mapping[str, object]:
        served.asked.append(url)
        clock.advance(milliseconds=metadata.REST_MS)
        raise Unreachable("time limit")

    monkeypatch.setattr(served, "get_json", hang)
    assert [outcome(published, tenant, idp, "rsa-1") for _ in range(3)] == ["E_Idp_Unreachable"] * 3
    assert len(served.asked) == 1


def test_48_a_success_ends_the_rest_even_if_the_clock_is_set_back(
    served: Outside, published: Published, tenant: Node, idp: IdentityProvider, clock: Clock
) -> None:
    served.down = True
    assert outcome(published, tenant, idp, "rsa-1") == "E_Idp_Unreachable"
    served.down = False
    clock.advance(milliseconds=metadata.REST_MS)
    published.get_metadata(tenant, idp)
    clock.advance(milliseconds=-1)
    assert outcome(published, tenant, idp, "rsa-1") == "rsa-1"


def test_49_keys_of_a_provider_that_rests_are_not_fetched_and_its_rotation_is_taken_up_afterwards(
    served: Outside, published: Published, tenant: Node, idp: IdentityProvider, other_rsa_key: ForgeKey, clock: Clock
) -> None:
    served.down = True
    assert outcome(published, tenant, idp, "rsa-1") == "E_Idp_Unreachable"
    clock.advance(milliseconds=metadata.REST_MS)
    served.down = False
    published.get_metadata(tenant, idp)
    served.down = True
    assert [outcome(published, tenant, idp, "rsa-1") for _ in range(3)] == ["E_Idp_Unreachable"] * 3
    assert served.asked == ["openid-configuration"] * 2 + ["keys"]
    served.down = False
    served.keys.append(other_rsa_key.jwk())
    clock.advance(milliseconds=metadata.REST_MS)
    assert outcome(published, tenant, idp, "rsa-2") == "rsa-2"


def test_nothing_lives_longer_than_an_hour(
    served: Outside, published: Published, tenant: Node, idp: IdentityProvider, clock: Clock
) -> None:
    outcome(published, tenant, idp, "rsa-1")
    served.keys.clear()
    clock.advance(milliseconds=metadata.LIFE_MS - 1)
    assert outcome(published, tenant, idp, "rsa-1") == "rsa-1"
    clock.advance(milliseconds=1)
    assert outcome(published, tenant, idp, "rsa-1") == "kid"


def test_the_provider_unused_for_longest_is_forgotten(
    served: Outside, published: Published, tenant: Node, idp: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "MAX_PROVIDERS", 0)
    for _ in range(2):
        published.get_metadata(tenant, idp)
    assert served.asked == ["openid-configuration"] * 2
