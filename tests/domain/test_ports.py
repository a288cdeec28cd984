"""What comes from outside, and what is told about what does not."""

import pytest

from gateway.domain.ports import Reply, Unreachable


def test_one_public_text_stands_for_every_cause() -> None:
    assert str(Unreachable("10.0.0.5 port 22 is private")) == str(Unreachable("status 500"))


def test_reply_is_read_as_json_object() -> None:
    assert Reply(200, {}, b'{"a": 1}').json_object() == {"a": 1}


def test_reply_that_is_no_object_is_as_good_as_none() -> None:
    with pytest.raises(Unreachable) as refusal:
        Reply(502, {}, b"<html>").json_object()
    assert "502" in refusal.value.reason
