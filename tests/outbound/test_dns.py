"""Texts of the domain name system, asked of a real server."""

import dns.rcode
import pytest

from gateway.domain.ports import Unreachable
from gateway.outbound import dns as outbound_dns
from gateway.outbound.dns import TextRecords
from tests.outbound.dns_server import dns_server


def test_all_texts_of_a_name_are_told_and_long_ones_joined() -> None:
    with dns_server({"a.example": ['"v=spf1 -all"', '"first half " "and second"']}) as server:
        assert set(TextRecords([server]).texts("a.example")) == {"v=spf1 -all", "first half and second"}


def test_a_name_that_is_not_there_or_has_no_text_has_none() -> None:
    with dns_server({"mail.example": []}) as server:
        lookup = TextRecords([server])
        assert lookup.texts("nowhere.example") == ()
        assert lookup.texts("mail.example") == ()


def test_each_question_is_asked_anew() -> None:
    records: dict[str, list[str]] = {}
    with dns_server(records) as server:
        lookup = TextRecords([server])
        assert lookup.texts("a.example") == ()
        records["a.example"] = ['"now"']
        assert lookup.texts("a.example") == ("now",)


def test_a_server_that_fails_is_told_as_such() -> None:
    with dns_server({}, dns.rcode.SERVFAIL) as server, pytest.raises(Unreachable):
        TextRecords([server]).texts("a.example")


def test_a_server_that_says_nothing_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound_dns, "_SECONDS", 0.05)
    with dns_server({}) as server:
        gone = server
    with pytest.raises(Unreachable):
        TextRecords([gone]).texts("a.example")


@pytest.mark.parametrize("name", ["a..example", "x" * 64 + ".example"])
def test_what_is_no_name_is_told_as_such(name: str) -> None:
    with dns_server({}) as server, pytest.raises(Unreachable):
        TextRecords([server]).texts(name)
