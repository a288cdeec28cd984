"""A sign-in by a provider: the log tells each call under the sign-in's id, and none of the secrets that went to and fro."""

import json
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gateway.domain.people import Account
from gateway.metrics import figures, sums
from gateway.metrics.families import Family
from gateway.metrics.ledger import LEDGER
from tests.conftest import Clock
from tests.federation.upstream.conftest import Browser
from tests.federation.upstream.provider import CLIENT_SECRET
from tests.logbook import Log, Secrets, logging_as_before


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    LEDGER.forget()
    with logging_as_before():
        yield
    LEDGER.forget()


@pytest.fixture
def secrets() -> Secrets:
    return Secrets()


@pytest.fixture
def client(app: Flask, secrets: Secrets) -> FlaskClient:
    """A browser on whose line we listen."""
    return secrets.listen(app)


def counted(family: Family) -> dict[tuple[str, ...], int]:
    return {series.labels: series.numbers[0] for series in sums.collect() if series.family is family}


def test_no_secret_of_ours_or_the_providers_is_written(browser: Browser, secrets: Secrets, person: Account) -> None:
    log = Log()
    attempt = browser.sign_in()
    outside = browser.outside
    secrets.add(CLIENT_SECRET, *outside.authorizations, *(form[name] for form in outside.forms for name in ("code", "code_verifier")))
    assert attempt.session is not None
    assert len(secrets.known) > 6
    assert secrets.found_in(log.text) == []


def test_every_line_of_a_sign_in_is_found_by_its_id(browser: Browser, person: Account) -> None:
    log = Log()
    attempt = browser.sign_in()
    calls = log.lines("gateway.outbound.record")
    assert {(call["method"], call["path"], call["status"]) for call in calls} >= {("POST", "/token", 200)}
    assert {call["correlation_id"] for call in calls} == {attempt.correlation_id}
    assert {line["sign_in"] for line in log.lines()} == {attempt.correlation_id}
    assert all(json.loads(line)["time"] for line in log.text.splitlines())


def test_it_is_counted_that_the_provider_answered_well_and_how_the_sign_in_ended(browser: Browser, person: Account, clock: Clock) -> None:
    browser.sign_in()
    assert counted(figures.PROVIDER_SUCCESS) == {("acme", "corp"): clock.now}
    assert counted(figures.PROVIDER_FAILURE) == {}
    assert counted(figures.SIGN_INS) == {("federated", "admitted"): 1}


def test_it_is_counted_that_the_provider_failed(browser: Browser, person: Account, clock: Clock) -> None:
    browser.outside.token_status = 500
    assert browser.sign_in().refusal is not None
    assert counted(figures.PROVIDER_FAILURE) == {("acme", "corp"): clock.now}
    assert counted(figures.SIGN_INS) == {("federated", "E_Idp_Unreachable"): 1}
