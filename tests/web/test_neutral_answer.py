"""Golden test 8: whoever is asked for, the password page answers in the same bytes with the same status (openid.md 73, 76)."""

import re
from collections.abc import Callable

import pytest
from werkzeug.test import TestResponse

from gateway.domain.nodes import Node
from gateway.domain.people import AccountType
from gateway.services import people
from gateway.services.context import Context
from gateway.storage import audit
from tests.hashers import CountingHasher, installed
from tests.sign_ins import PASSWORD, Browser, change, make_person, make_provider
from tests.web.conftest import Start

Person = Callable[[Context, Node], str]


@pytest.fixture
def hasher(monkeypatch: pytest.MonkeyPatch) -> CountingHasher:
    return installed(monkeypatch)


def unknown(context: Context, acme: Node) -> str:
    return "nobody.here"


def with_password(context: Context, acme: Node) -> str:
    return make_person(context, acme, "anna.berg", password=PASSWORD).login


def without_password(context: Context, acme: Node) -> str:
    return make_person(context, acme, "ben.cole").login


def disabled(context: Context, acme: Node) -> str:
    account = make_person(context, acme, "cleo.dorn", password=PASSWORD)
    return people.set_enabled(context, account, enabled=False).login


def admin_locked(context: Context, acme: Node) -> str:
    account = make_person(context, acme, "dana.east", password=PASSWORD)
    return people.set_admin_lock(context, account, locked=True).login


def federated_only(context: Context, acme: Node) -> str:
    account = make_person(context, acme, "emil.frost", password=PASSWORD)
    return people.set_federated_only(context, account, federated_only=True).login


def service_account(context: Context, acme: Node) -> str:
    account = make_person(context, acme, "robot.one", password=PASSWORD)
    return change(context, account, type=AccountType.SERVICE).login


PEOPLE: tuple[Person, ...] = (unknown, with_password, without_password, disabled, admin_locked, federated_only, service_account)


def answer_to(browser: Browser, login: str, password: str) -> TestResponse:
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', browser.text))
    fields = {**hidden, "login": login, "password": password}
    return browser.client.post("/t/acme/sign-in/password", base_url="http://localhost:8000", data=fields)


def seen(answer: TestResponse, login: str) -> tuple[int, str, list[tuple[str, str]]]:
    """What a stranger can compare: status, page and headers, without the name typed and the id of the request itself."""
    headers = [(name, value) for name, value in answer.headers if name != "X-Correlation-Id"]
    return answer.status_code, answer.text.replace(login, "NAME"), [(n, v) for n, v in headers if n != "Content-Length"]


def test_a_wrong_password_is_answered_alike_for_everybody(
    context: Context, acme: Node, browser: Browser, start: Start, hasher: CountingHasher
) -> None:
    make_provider(context, acme)
    logins = [person(context, acme) for person in PEOPLE]
    start()
    browser.submit("/sign-in", login="anybody")
    before = len(hasher.verified)
    answers = [seen(answer_to(browser, login, "not the right one"), login) for login in logins]
    assert [answer == answers[0] for answer in answers] == [True] * len(PEOPLE)
    assert answers[0][0] == 401
    assert "E_Invalid_Credentials" in answers[0][1]
    assert 'data-idp="corp"' in answers[0][1]
    assert len(hasher.verified) - before == len(PEOPLE)


@pytest.mark.parametrize("person", [admin_locked, federated_only, service_account])
def test_even_the_right_password_tells_nothing_where_nobody_may_know(
    context: Context, acme: Node, browser: Browser, start: Start, hasher: CountingHasher, person: Person
) -> None:
    login = person(context, acme)
    start()
    browser.submit("/sign-in", login="anybody")
    stranger = seen(answer_to(browser, "nobody.here", PASSWORD), "nobody.here")
    before = len(hasher.verified)
    assert seen(answer_to(browser, login, PASSWORD), login) == stranger
    assert len(hasher.verified) - before == 1


def test_whoever_knows_the_password_of_a_disabled_account_learns_why_it_does_not_help(
    context: Context, acme: Node, browser: Browser, start: Start, hasher: CountingHasher
) -> None:
    login = disabled(context, acme)
    begun = start()
    browser.submit("/sign-in", login=login)
    before = len(hasher.verified)
    assert answer_to(browser, login, PASSWORD).status_code == 303
    assert len(hasher.verified) - before == 1
    page = browser.client.get(f"/t/acme/sign-in?id={begun.sign_in.id}", base_url="http://localhost:8000")
    assert page.status_code == 403
    assert 'data-error="E_User_Disabled"' in page.text


@pytest.mark.parametrize(
    ("person", "code"),
    [
        (unknown, "E_No_User"),
        (with_password, "E_Invalid_Credentials"),
        (disabled, "E_User_Disabled"),
        (admin_locked, "E_Locked_Out"),
        (federated_only, "E_Federated_Only"),
    ],
)
def test_the_trail_knows_what_the_page_does_not_say(
    context: Context, acme: Node, browser: Browser, start: Start, hasher: CountingHasher, person: Person, code: str
) -> None:
    login = person(context, acme)
    begun = start()
    browser.submit("/sign-in", login=login)
    answer_to(browser, login, "not the right one")
    rows = audit.list_audit_of_correlation(context.database, begun.sign_in.correlation_id)
    assert [row.code for row in rows if row.action == "sign_in.refused"] == [code]
