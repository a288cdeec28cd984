"""A call to the outside is told by host and kind of path, never by what somebody may have put into it."""

import logging
from typing import Any

import pytest

from gateway.domain.outbound import OutboundPolicy, parse_outbound_allow
from gateway.domain.ports import Unreachable
from gateway.metrics import figures, sums
from gateway.metrics.ledger import LEDGER
from gateway.outbound.record import template
from gateway.outbound.transport import Transport
from tests.outbound.servers import answering, serve

LOOPBACK = OutboundPolicy(allow=parse_outbound_allow("127.0.0.0/8,::1/128"))


def caller(*addresses: str) -> Transport:
    return Transport(LOOPBACK, resolve=lambda _host, _port: addresses or ("127.0.0.1",))


def told(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """The fields of the one line about a call."""
    [record] = [record for record in caplog.records if record.name == "gateway.outbound.record"]
    fields: dict[str, Any] = record.__dict__["fields"]
    return fields | {"level": record.levelname}


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/.well-known/openid-configuration", "/.well-known/openid-configuration"),
        ("/t/acme/oauth2/token", "/t/acme/oauth2/token"),
        ("/0b6f3c1e-1d2a-4a55-9d2e-000000000000/oauth2/v2.0/token", "/<…>/oauth2/v2.0/token"),
        ("/hooks/T024BE7LD/XXXXXXXXXXXXXXXXXXXXXXXX", "/hooks/<…>/<…>"),
        ("/logout/averylongwordthatmaybesomebodyssecret", "/logout/<…>"),
        ("", ""),
    ],
)
def test_only_plain_words_of_a_path_are_shown(path: str, shown: str) -> None:
    assert template(path) == shown


def test_an_answered_call_is_one_line_without_query_body_and_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with serve(answering(b"{}", status="400 Bad Request")) as server:
        url = f"http://idp.example:{server.port}/oauth2/token?key=topsecret"
        caller().post_form(url, {"code": "verysecret"}, private_outbound=True, auth=("client", "othersecret"))
    line = told(caplog)
    assert (line["level"], line["method"], line["status"], line["path"]) == ("INFO", "POST", 400, "/oauth2/token")
    assert line["host"] == f"idp.example:{server.port}"
    assert line["ms"] > 0
    assert "secret" not in str([vars(record) for record in caplog.records])


def test_a_call_that_failed_is_a_warning_with_its_reason_and_how_many_addresses_were_tried(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Unreachable):
        caller("127.0.0.1", "::1").get_json("http://idp.example:1/keys", private_outbound=True, bearer="topsecret")
    line = told(caplog)
    assert (line["level"], line["status"], line["addresses"]) == ("WARNING", 0, 2)
    assert "::1 port 1" in line["reason"]
    assert "secret" not in str([vars(record) for record in caplog.records])


def test_calls_are_counted_by_outcome() -> None:
    LEDGER.forget()
    with serve(answering(b"{}")) as server:
        caller().get_json(f"http://idp.example:{server.port}/", private_outbound=True)
    with pytest.raises(Unreachable):
        caller().get_json("http://idp.example:1/", private_outbound=True)
    counted = {series.labels: sum(series.numbers[:-1]) for series in sums.collect() if series.family is figures.OUTBOUND_SECONDS}
    assert counted == {("2xx",): 1, ("unreachable",): 1}
    LEDGER.forget()
