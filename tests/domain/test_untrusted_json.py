"""JSON of strangers: an object comes back whole, anything else is one ValueError."""

import pytest

from gateway.domain.untrusted_json import parse_object


def test_object_comes_back() -> None:
    assert parse_object(b'{"a": [1, "\\u00e9", "\\ud83d\\ude00"]}') == {"a": [1, "é", "😀"]}


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"x"', b"{", b"\xff\xfe", b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": "\\u0000"}', b'{"a": "\\ud83d"}'],
    ids=repr,
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_object(body)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(ValueError, match="nested"):
        parse_object(b'{"a":' * 100_000)
