"""Keys for comparison, ids that sort, and secrets that are only kept as hashes."""

import random
import re
import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.values import Instant, comparison_key, hash_token, new_correlation_id, new_id, new_log_id, new_token


def entropy(count: int) -> bytes:
    return random.Random(count).randbytes(count)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Anna", "anna"),
        (" anna ", "anna"),
        ("STRASSE", "straße"),
        ("Ａnna", "anna"),
        ("e\u0301", "é"),
        ("ﬁ", "fi"),
        ("Σ", "ς"),
        ("\u0345", "ι"),
        ("¯anna", " \u0304anna"),
    ],
)
def test_spellings_of_one_name_have_one_key(left: str, right: str) -> None:
    assert comparison_key(left) == comparison_key(right)


@pytest.mark.parametrize(("left", "right"), [("anna", "аnna"), ("i", "ı"), ("a b", "ab"), ("e", "é")])
def test_different_names_have_different_keys(left: str, right: str) -> None:
    assert comparison_key(left) != comparison_key(right)


@given(st.text())
def test_key_is_its_own_key(text: str) -> None:
    assert comparison_key(comparison_key(text)) == comparison_key(text)


def test_token_holds_256_random_bits_and_a_tag() -> None:
    token = new_token(entropy, "mgs")
    assert re.fullmatch(r"mgs_[A-Za-z0-9_-]{43}", token)
    assert new_token(bytes, "mgs") != token


def test_token_is_kept_as_its_sha_256() -> None:
    assert hash_token("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("filling", [b"\x00", b"\xff", b"\x5a"])
def test_ids_are_uuids_of_their_version(filling: bytes) -> None:
    random_id, log_id = uuid.UUID(new_id(lambda n: filling * n)), uuid.UUID(new_log_id(Instant(1_790_000_000_000), lambda n: filling * n))
    assert (random_id.version, random_id.variant) == (4, uuid.RFC_4122)
    assert (log_id.version, log_id.variant) == (7, uuid.RFC_4122)


@given(st.integers(0, 2**48 - 2), st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_log_ids_sort_by_time(now: int, first: bytes, second: bytes) -> None:
    assert new_log_id(Instant(now), lambda _: first) < new_log_id(Instant(now + 1), lambda _: second)


@example(0xFFF, b"\xff" * 10, bytes(10))
@example(2**30 - 1, b"\xff" * 10, bytes(10))
@given(st.integers(0, 2**42 - 2), st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_log_ids_of_one_millisecond_sort_by_their_sequence(sequence: int, first: bytes, second: bytes) -> None:
    now = Instant(1_790_000_000_000)
    earlier, later = new_log_id(now, lambda _: first, sequence), new_log_id(now, lambda _: second, sequence + 1)
    assert earlier < later
    assert uuid.UUID(earlier).version == 7


def test_correlation_id_is_128_bits_in_hex() -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", new_correlation_id(entropy))
