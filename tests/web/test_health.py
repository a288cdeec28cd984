"""What load balancers and Prometheus are answered, and what nobody else is."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from gateway import leaving
from gateway.app import build_app
from gateway.domain.mails import MailKind
from gateway.domain.nodes import Node
from gateway.metrics.ledger import LEDGER
from gateway.services import mail
from gateway.services.context import Context
from gateway.services.house import House
from gateway.wiring import system_clock
from tests.conftest import Clock, settings_for
from tests.factors import add_person

HERE = "http://localhost:8000"


@pytest.fixture(autouse=True)
def now(clock: Clock) -> None:
    clock.now = system_clock()


def outcomes(client: FlaskClient) -> dict[str, str]:
    return {check["check"]: check["outcome"] for check in client.get("/readyz").get_json()["checks"]}


class TestHealth:
    def test_alive_is_alive_without_a_database(self, client: FlaskClient, house: House) -> None:
        # Looking for the issuer of a request would fail now.
        house.database.script("ALTER TABLE node RENAME TO gone")
        assert client.get("/healthz", base_url="http://10.0.0.1").status_code == 200
        assert client.get("/readyz", base_url="http://10.0.0.1").mimetype == "application/json"
        assert client.get("/metrics", base_url=HERE).mimetype == "text/plain"

    def test_a_ready_process_says_so_to_whoever_asks_by_whatever_name(self, client: FlaskClient) -> None:
        answer = client.get("/readyz", base_url="http://10.0.0.1")
        assert (answer.status_code, answer.mimetype) == (200, "application/json")
        assert set(outcomes(client)) == {"database", "schema", "writing", "secret keys", "clock", "jobs", "disk", "leaving"}

    def test_what_is_not_ready_is_503_with_its_sentence_and_when_to_ask_again(self, client: FlaskClient, house: House) -> None:
        house.database.script("DELETE FROM schema_version")
        answer = client.get("/readyz")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        told = {check["check"]: check["detail"] for check in answer.get_json()["checks"]}
        assert told["schema"] == "The database lacks a migration of this release."
        assert answer.get_json()["outcome"] == "failed"

    def test_a_warning_takes_no_process_out(self, client: FlaskClient, clock: Clock) -> None:
        clock.advance(seconds=150)
        answer = client.get("/readyz")
        assert (answer.status_code, answer.get_json()["outcome"]) == (200, "warning")

    def test_a_process_that_was_told_to_end_is_not_ready(self, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(leaving, "_leaving", type("Set", (), {"is_set": lambda self: True})())
        client = build_app(client.application.extensions["moongate"]).test_client()
        assert client.get("/readyz").status_code == 503
        assert outcomes(client)["leaving"] == "failed"

    def test_nothing_that_lies_behind_a_fault_is_told_to_strangers(self, client: FlaskClient, house: House) -> None:
        house.database.script("ALTER TABLE installation RENAME TO gone")
        text = client.get("/readyz").text
        assert "installation" not in text
        assert str(house.settings.home) not in text


class TestMetrics:
    @pytest.fixture(autouse=True)
    def counting(self) -> None:
        LEDGER.forget()

    def figures(self, client: FlaskClient) -> dict[str, list[tuple[dict[str, str], float]]]:
        answer = client.get("/metrics", base_url=HERE)
        assert answer.status_code == 200
        found: dict[str, list[tuple[dict[str, str], float]]] = {}
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                found.setdefault(sample.name, []).append((sample.labels, sample.value))
        return found

    def test_prometheus_reads_what_was_counted(self, client: FlaskClient, acme: Node) -> None:
        for _ in range(2):
            client.get("/t/acme/scim/v2/Users/1", base_url=HERE)
        figures = self.figures(client)
        place = {"door": "scim", "method": "GET", "route": "/scim/v2/Users/<id>"}
        assert ({**place, "status": "401"}, 2.0) in figures["moongate_requests_total"]
        assert (place, 2.0) in figures["moongate_request_seconds_count"]
        assert ({**place, "le": "+Inf"}, 2.0) in figures["moongate_request_seconds_bucket"]
        assert ({"door": "scim", "code": "E_Token_Missing"}, 2.0) in figures["moongate_refusals_total"]

    def test_buckets_grow_and_end_with_all(self, client: FlaskClient) -> None:
        client.get("/healthz", base_url=HERE)
        counts = [value for labels, value in self.figures(client)["moongate_request_seconds_bucket"] if labels["route"] == "/healthz"]
        assert counts == sorted(counts)
        assert counts[-1] == 1

    def test_jobs_are_told_by_kind_and_age(self, client: FlaskClient, context: Context, acme: Node, clock: Clock) -> None:
        with context.database.transaction():
            context.enqueue("backchannel_logout", acme.id, {})
        clock.advance(seconds=90)
        figures = self.figures(client)
        assert figures["moongate_jobs_ready"] == [({"kind": "backchannel_logout"}, 1.0)]
        assert figures["moongate_jobs_oldest_seconds"] == [({"kind": "backchannel_logout"}, 90.0)]
        assert ({"check": "jobs"}, 1.0) in figures["moongate_check"]

    def test_mails_are_told_by_state_but_for_those_that_went(self, client: FlaskClient, context: Context, acme: Node) -> None:
        mia = add_person(context, acme, "mia")
        with context.database.transaction():
            for number in range(3):
                mail.queue(context, mia, MailKind.FACTOR_ENROLLED, event=f"event {number}")
        context.database.script("UPDATE mail SET state = 'failed'")
        context.database.script("UPDATE mail SET state = 'sent' WHERE event = 'event 1'")
        told = {labels["state"]: value for labels, value in self.figures(client)["moongate_mails"]}
        assert told.keys() == {"failed"}

    def test_the_release_and_the_engine_are_told(self, client: FlaskClient, house: House) -> None:
        [(labels, value)] = self.figures(client)["moongate_build_info"]
        assert (labels["database"], value) == (house.database.name, 1.0)

    def test_no_name_of_anybody_is_told(self, client: FlaskClient, acme: Node) -> None:
        client.get("/t/acme/sign-in?id=mia%40acme.example", base_url=HERE)
        assert "acme" not in client.get("/metrics", base_url=HERE).text

    @pytest.mark.parametrize("host", ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000", "http://127.0.0.1"])
    def test_this_machine_is_answered(self, client: FlaskClient, host: str) -> None:
        assert client.get("/metrics", base_url=host).status_code == 200

    @pytest.mark.parametrize("peer", ["10.0.0.1", "192.0.2.1", "2001:db8::1", "", "unix:"])
    def test_no_other_machine_is_answered_unless_allowed(self, client: FlaskClient, peer: str) -> None:
        assert client.get("/metrics", base_url=HERE, environ_base={"REMOTE_ADDR": peer}).status_code == 404

    @pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host"])
    def test_what_a_proxy_on_this_machine_passes_on_is_not_answered(self, client: FlaskClient, header: str) -> None:
        assert client.get("/metrics", base_url=HERE, headers={header: "127.0.0.1"}).status_code == 404

    @pytest.mark.parametrize("host", ["http://id.example.com", "http://localhost.evil.example", "http://127.0.0.1.evil.example"])
    def test_what_a_silent_proxy_on_this_machine_passes_on_is_not_answered(self, client: FlaskClient, host: str) -> None:
        assert client.get("/metrics", base_url=host).status_code == 404

    def test_an_allowed_network_is_answered_and_nobody_behind_a_trusted_proxy(self, app: Flask, house: House) -> None:
        settings = settings_for(
            house.settings.home,
            MOONGATE_METRICS_ALLOW="10.1.0.0/16",
            MOONGATE_TRUSTED_PROXIES="127.0.0.0/8",
        )
        client = build_app(
            House(**{name: getattr(house, name) for name in House.__dataclass_fields__} | {"settings": settings})
        ).test_client()

        def status(peer: str, forwarded: str = "") -> int:
            headers = {"X-Forwarded-For": forwarded} if forwarded else {}
            return client.get("/metrics", base_url="http://gateway:8000", headers=headers, environ_base={"REMOTE_ADDR": peer}).status_code

        assert status("10.1.2.3") == 200
        assert status("127.0.0.1", "10.1.2.3") == 200
        assert status("127.0.0.1", "192.0.2.1") == 404
        assert status("10.2.0.1") == 404
        assert status("127.0.0.1", "10.1.2.3, 192.0.2.1") == 404
