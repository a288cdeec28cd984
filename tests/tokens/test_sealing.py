"""Sealing: what is made for a moment, opened by its purpose and nobody else."""

import secrets

import pytest

from gateway.tokens.keyring import KeyRing, UnwrapFailed


@pytest.fixture
def ring() -> KeyRing:
    return KeyRing(("first key", "second key"), secrets.token_bytes)


def test_what_is_sealed_opens_for_its_purpose_alone(ring: KeyRing) -> None:
    sealed = ring.seal(b"text", purpose="code")
    assert ring.unseal(sealed, purpose="code") == b"text"
    with pytest.raises(UnwrapFailed):
        ring.unseal(sealed, purpose="cookie")


def test_no_two_sealings_of_one_text_are_equal(ring: KeyRing) -> None:
    assert ring.seal(b"text", purpose="code")[4:] != ring.seal(b"text", purpose="code")[4:]


@pytest.mark.parametrize("length", [0, 3, 4, 35, 36, 40, 51, 52, 53])
def test_what_is_cut_does_not_open(ring: KeyRing, length: int) -> None:
    sealed = ring.seal(b"text", purpose="code")
    with pytest.raises(UnwrapFailed):
        ring.unseal(sealed[:length], purpose="code")


def test_an_older_key_still_opens_and_one_that_is_gone_does_not(ring: KeyRing) -> None:
    old = KeyRing(("second key",), secrets.token_bytes).seal(b"text", purpose="code")
    assert ring.unseal(old, purpose="code") == b"text"
    with pytest.raises(UnwrapFailed):
        KeyRing(("first key",), secrets.token_bytes).unseal(old, purpose="code")


def test_a_sealing_key_is_none_that_wraps(ring: KeyRing) -> None:
    wrapped = ring.wrap(b"text", purpose="code", owner="")
    assert ring.unwrap(wrapped, purpose="code", owner="") == b"text"
    with pytest.raises(UnwrapFailed):
        ring.unseal(wrapped.encode(), purpose="code")
