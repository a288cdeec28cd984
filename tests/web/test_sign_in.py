"""The pages of a sign-in: what is shown next depends on the name's domain alone, and every post is ours and answered 303."""

import re

import pytest
from flask.testing import FlaskClient

from gateway.domain.nodes import Node
from gateway.domain.relying_party import RelyingParty
from gateway.domain.sign_in import Step, next_step
from gateway.http.endpoints import SIGN_IN, below
from gateway.services import credentials, sessions
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.storage import audit
from tests.sign_ins import (
    PASSWORD,
    Browser,
    change,
    make_app,
    make_member,
    make_person,
    make_provider,
    onward,
    path_of,
    session_cookies,
    stored,
    vouched,
)
from tests.web.conftest import Read, Start

HERE = "http://localhost:8000"


def test_name_then_password_leads_back_to_the_app_with_a_session(
    context: Context, acme: Node, browser: Browser, start: Start, read: Read
) -> None:
    make_person(context, acme, "anna.berg", password=PASSWORD)
    begun = start()
    assert "to continue to <strong><bdi>Wiki</bdi></strong>" in browser.text
    browser.submit("/sign-in", login="anna.berg")
    browser.submit("/sign-in/password", login="anna.berg", password=PASSWORD)
    assert browser.gone_to == f"/t/acme/oauth2/authorize/continue?id={begun.sign_in.id}"
    assert session_cookies(browser.client) == {f"mg-{acme.id}"}
    assert next_step(read(begun)) is Step.FINISHED


def test_every_post_is_answered_303(context: Context, acme: Node, browser: Browser, start: Start) -> None:
    make_person(context, acme, "anna.berg", password=PASSWORD)
    begun = start()
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', browser.text))
    for path, fields in {
        "/sign-in": {"login": "anna.berg"},
        "/sign-in/restart": {},
        "/sign-in/password": {"login": "anna.berg", "password": PASSWORD},
    }.items():
        answer = browser.client.post(f"/t/acme{path}", base_url=HERE, data={**hidden, **fields})
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith(below(acme, SIGN_IN, id=begun.sign_in.id))


def test_the_way_back_to_the_app_is_a_redirect_unless_a_form_stood_before(
    context: Context, acme: Node, browser: Browser, start: Start
) -> None:
    make_person(context, acme, "anna.berg", password=PASSWORD)
    begun = start()
    browser.submit("/sign-in", login="anna.berg", method="password")
    page = browser.submit("/sign-in/password", login="anna.berg", password=PASSWORD)
    assert (page.status_code, "/oauth2/authorize/continue" in onward(page)) == (200, True)
    assert browser.client.get(f"/t/acme/sign-in?id={begun.sign_in.id}", base_url=HERE).status_code == 303


def test_an_empty_name_is_asked_for_again(browser: Browser, start: Start) -> None:
    start()
    page = browser.submit("/sign-in", login="  ")
    assert (page.status_code, 'role="alert"' in page.text) == (422, True)


def test_the_typed_name_is_escaped(browser: Browser, start: Start) -> None:
    start()
    page = browser.submit("/sign-in", login='"><script>alert(1)</script>')
    assert "<script>" not in page.text


@pytest.mark.parametrize("name", ["x" * 5000, "anna\0berg", "🌙@\u202e", "a@b@c@", "@", "' OR 1=1 --"])
def test_whatever_is_typed_as_a_name_is_answered(browser: Browser, start: Start, name: str) -> None:
    start()
    page = browser.submit("/sign-in", login=name)
    assert (page.status_code, 'name="password"' in page.text) == (200, True)
    assert browser.submit("/sign-in/password", login=name, password=name).status_code == 401


def test_the_page_has_the_promised_names(context: Context, acme: Node, browser: Browser, start: Start) -> None:
    make_provider(context, acme)
    start()
    assert 'name="login"' in browser.text
    assert 'data-action="password"' in browser.text
    page = browser.submit("/sign-in", login="anna.berg")
    for mark in ('name="login"', 'name="password"', 'data-idp="corp"', 'autocomplete="username"', 'autocomplete="current-password"'):
        assert mark in page.text


# Acts that are due.


def test_a_temporary_password_is_changed_on_a_page_that_shows_all_broken_rules(
    context: Context, acme: Node, browser: Browser, start: Start
) -> None:
    anna = make_person(context, acme, "anna.berg")
    password, _ = credentials.issue_temporary_password(context, anna)
    start()
    browser.submit("/sign-in", login="anna.berg")
    browser.submit("/sign-in/password", login="anna.berg", password=password)
    assert 'name="new_password"' in browser.text
    page = browser.submit("/sign-in/new-password", new_password="anna")
    assert (page.status_code, browser.error) == (422, "E_Password_Policy")
    assert page.text.count("<li>") >= 3
    browser.submit("/sign-in/new-password", new_password=PASSWORD)
    assert browser.gone_to.startswith("/t/acme/oauth2/authorize/continue")


def test_nothing_but_the_new_password_is_shown_while_it_is_due(context: Context, acme: Node, browser: Browser, start: Start) -> None:
    anna = make_person(context, acme, "anna.berg")
    password, _ = credentials.issue_temporary_password(context, anna)
    begun = start()
    browser.submit("/sign-in", login="anna.berg")
    browser.submit("/sign-in/password", login="anna.berg", password=password)
    browser.open(below(acme, SIGN_IN, id=begun.sign_in.id))
    assert 'name="new_password"' in browser.text
    assert session_cookies(browser.client) == set()


def test_the_tenant_is_chosen_on_a_page_that_names_them(
    context: Context, platform: Node, acme: Node, globex: Node, browser: Browser, start: Start
) -> None:
    provider, portal = make_provider(context, acme), make_app(context, platform, name="Portal")
    anna = make_person(context, acme, "anna.berg")
    make_member(context, anna, globex)
    begun = start(platform, portal)
    sign_ins.prove_federated(context, platform, begun.sign_in, provider, vouched(provider, anna.email))
    browser.open(below(platform, SIGN_IN, id=begun.sign_in.id))
    assert re.findall(r'name="tenant" value="(\w+)"', browser.text) == ["acme", "globex"]
    browser.submit("/sign-in/tenant", tenant="globex")
    assert browser.gone_to.startswith("/t/platform/oauth2/authorize/continue")


def test_a_browser_without_the_session_is_not_sent_to_and_fro(
    context: Context, acme: Node, browser: Browser, start: Start, read: Read
) -> None:
    make_person(context, acme, "anna.berg", password=PASSWORD)
    begun = start()
    sign_ins.prove_password(context, acme, read(begun), "anna.berg", PASSWORD)
    page = browser.open(below(acme, SIGN_IN, id=begun.sign_in.id))
    assert (page.status_code, browser.error) == (400, "E_Session_Expired")


def test_a_session_that_was_ended_before_the_app_was_reached_counts_no_more(
    context: Context, acme: Node, browser: Browser, start: Start
) -> None:
    anna = make_person(context, acme, "anna.berg", password=PASSWORD)
    begun = start()
    browser.submit("/sign-in", login="anna.berg")
    browser.submit("/sign-in/password", login="anna.berg", password=PASSWORD)
    with context.database.transaction():
        sessions.end_all_of_account(context, anna, "ended by an administrator")
    browser.open(below(acme, SIGN_IN, id=begun.sign_in.id))
    assert browser.error == "E_Session_Expired"


# Refusals.


def test_a_refusal_has_a_page_with_its_code_and_ways_on(context: Context, acme: Node, browser: Browser, start: Start, read: Read) -> None:
    provider = make_provider(context, acme)
    begun = start()
    sign_ins.prove_federated(context, acme, begun.sign_in, provider, vouched(provider, "flast@contoso.example"))
    page = browser.open(below(acme, SIGN_IN, id=begun.sign_in.id))
    assert (page.status_code, browser.error) == (403, "E_No_User")
    assert "flast@contoso.example" in page.text
    assert f"<code data-correlation>{begun.sign_in.correlation_id}</code>" in page.text
    assert browser.link('data-action="return"') == f"{acme.issuer}/oauth2/authorize/return?id={begun.sign_in.id}"
    assert f"{HERE}/help/errors/E_No_User" in page.text
    browser.submit("/sign-in/restart")
    assert next_step(read(begun)) is Step.IDENTIFY


def test_the_trail_has_the_correlation_id_of_the_page(context: Context, acme: Node, browser: Browser, start: Start) -> None:
    start(idp_hint="nothing")
    shown = re.findall(r"<code data-correlation>(\w+)</code>", browser.text)[0]
    rows = audit.list_traces(context.database, shown)
    assert [row.code for row in rows] == ["E_Idp_Unknown"]


def test_a_change_of_account_facts_between_the_steps_is_seen(
    context: Context, acme: Node, browser: Browser, start: Start, read: Read
) -> None:
    anna = make_person(context, acme, "anna.berg")
    password, _ = credentials.issue_temporary_password(context, anna)
    begun = start()
    browser.submit("/sign-in", login="anna.berg")
    browser.submit("/sign-in/password", login="anna.berg", password=password)
    change(context, stored(context, anna.id), enabled_by_admin=False)
    browser.submit("/sign-in/new-password", new_password=PASSWORD)
    assert browser.error == "E_User_Disabled"
    assert session_cookies(browser.client) == set()
    assert read(begun).session is None


def test_a_session_of_the_page_is_live_at_its_own_issuer_alone(
    context: Context, acme: Node, globex: Node, browser: Browser, start: Start
) -> None:
    make_person(context, acme, "anna.berg", password=PASSWORD)
    start()
    browser.submit("/sign-in", login="anna.berg")
    browser.submit("/sign-in/password", login="anna.berg", password=PASSWORD)
    cookie = browser.client.get_cookie(f"mg-{acme.id}")
    assert cookie is not None
    assert sessions.find_live_session(context, acme, cookie.value) is not None
    assert sessions.find_live_session(context, globex, cookie.value) is None


def test_a_page_below_no_issuer_does_not_exist(client: FlaskClient, wiki: RelyingParty) -> None:
    assert client.get(path_of("/sign-in?id=1"), base_url=HERE).status_code == 404
