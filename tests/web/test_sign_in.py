"""The pages of a sign-in: what is shown next depends on the name's domain alone, and every post is ours and answered 303."""

import re
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gateway.domain.nodes import Node
from gateway.domain.relying_party import RelyingParty
from gateway.domain.sign_in import Step, next_step
from gateway.http.endpoints import SIGN_IN, below
from gateway.services import credentials, people, sessions
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.storage import audit
from tests.conftest import Clock
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
    prove_domain,
    query_of,
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
    assert "to continue to <strong>Wiki</strong>" in browser.text
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


# Identifier first, by domain alone (decisions.md 20, 21).


def anonymous(page: str, login: str) -> str:
    """A page without the name that was typed into it."""
    return page.replace(login, "NAME")


def test_the_next_page_is_the_same_for_known_and_unknown_names(context: Context, acme: Node, browser: Browser, start: Start) -> None:
    make_provider(context, acme)
    prove_domain(context, acme, "acme.example")
    names = ["anna.berg@acme.example", "nobody.x@acme.example", "disab.led@acme.example", "federa.ted@acme.example"]
    make_person(context, acme, names[0], password=PASSWORD)
    people.set_enabled(context, make_person(context, acme, names[2], password=PASSWORD), enabled=False)
    people.set_federated_only(context, make_person(context, acme, names[3]), federated_only=True)
    start()
    first = browser.text
    pages = set()
    for name in names:
        browser.submit("/sign-in", login=name)
        pages.add(anonymous(browser.text, name))
        browser.open(below(acme, SIGN_IN, id=query_of(browser.link('data-idp="corp"'))["id"]))
        browser.client.post(
            "/t/acme/sign-in/restart",
            base_url=HERE,
            data=dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', browser.text)),
        )
        browser.open(below(acme, SIGN_IN, id=query_of(browser.link('data-idp="corp"'))["id"]))
        assert browser.text == first
    assert len(pages) == 1


def test_a_domain_that_names_a_provider_leads_straight_there_for_every_name_alike(
    context: Context, acme: Node, browser: Browser, start: Start
) -> None:
    provider = make_provider(context, acme)
    prove_domain(context, acme, "acme.example", provider)
    make_person(context, acme, "anna.berg@acme.example")
    for name in ("anna.berg@acme.example", "nobody@ACME.example"):
        begun = start()
        browser.submit("/sign-in", login=name)
        assert browser.gone_to == f"/t/acme/federation/corp/start?id={begun.sign_in.id}"
        assert 'data-action="password"' in browser.text


def test_the_password_link_leads_past_the_provider_for_every_name_alike(
    context: Context, acme: Node, browser: Browser, start: Start
) -> None:
    provider = make_provider(context, acme)
    prove_domain(context, acme, "acme.example", provider)
    make_person(context, acme, "anna.berg@acme.example", password=PASSWORD)
    start()
    browser.submit("/sign-in", login="anna.berg@acme.example")
    browser.click('data-action="password"')
    assert 'name="password"' in browser.text
    browser.submit("/sign-in/password", login="anna.berg@acme.example", password=PASSWORD)
    assert browser.gone_to.startswith("/t/acme/oauth2/authorize/continue")


def test_the_password_page_can_be_had_before_any_name_is_typed(browser: Browser, start: Start) -> None:
    start()
    browser.submit("/sign-in", login="", method="password")
    assert 'name="password"' in browser.text


def test_a_domain_of_another_branch_routes_nobody(context: Context, acme: Node, globex: Node, browser: Browser, start: Start) -> None:
    provider = make_provider(context, globex)
    prove_domain(context, globex, "globex.example", provider)
    start()
    browser.submit("/sign-in", login="anna@globex.example")
    assert (browser.gone_to, 'name="password"' in browser.text) == ("", True)


def test_a_domain_that_nobody_proved_routes_nobody(context: Context, acme: Node, browser: Browser, start: Start) -> None:
    make_provider(context, acme)
    start()
    browser.submit("/sign-in", login="anna@unproved.example")
    assert 'name="password"' in browser.text


def test_the_domain_of_a_provider_that_was_switched_off_says_so(context: Context, acme: Node, browser: Browser, start: Start) -> None:
    provider = make_provider(context, acme, active=False)
    prove_domain(context, acme, "acme.example", provider)
    start()
    page = browser.submit("/sign-in", login="anna@acme.example")
    assert (page.status_code, browser.error) == (403, "E_Idp_Disabled")
    browser.submit("/sign-in/restart")
    assert 'name="login"' in browser.text


# Hints of the app preselect and are never trusted.


def test_a_login_hint_goes_straight_on(context: Context, acme: Node, browser: Browser, start: Start) -> None:
    provider = make_provider(context, acme)
    prove_domain(context, acme, "acme.example", provider)
    start(login_hint="anna@acme.example")
    assert browser.gone_to.startswith("/t/acme/federation/corp/start")
    assert browser.page is not None
    assert browser.page.status_code == 303


def test_a_login_hint_is_only_filled_in_where_an_account_is_to_be_chosen(browser: Browser, start: Start) -> None:
    start(login_hint="anna@acme.example", prompt=("select_account",))
    assert 'value="anna@acme.example"' in browser.text
    assert 'name="password"' not in browser.text


def test_a_domain_hint_leads_to_its_provider(context: Context, acme: Node, browser: Browser, start: Start) -> None:
    provider = make_provider(context, acme)
    prove_domain(context, acme, "acme.example", provider)
    start(domain_hint="acme.example")
    assert browser.gone_to.startswith("/t/acme/federation/corp/start")


def test_a_provider_hint_leads_to_that_provider(context: Context, acme: Node, browser: Browser, start: Start) -> None:
    make_provider(context, acme)
    make_provider(context, acme, "other")
    start(idp_hint="other")
    assert browser.gone_to.startswith("/t/acme/federation/other/start")


def test_a_provider_of_another_tenant_is_unknown_as_a_hint(
    context: Context, acme: Node, globex: Node, browser: Browser, start: Start
) -> None:
    make_provider(context, globex, "hidden")
    start(idp_hint="hidden")
    assert browser.error == "E_Idp_Unknown"


@pytest.mark.parametrize("facts", [{"active": False}, {"link_only": True}])
def test_a_provider_that_may_not_sign_in_has_no_button(
    context: Context, acme: Node, browser: Browser, start: Start, facts: dict[str, bool]
) -> None:
    make_provider(context, acme, **facts)  # type: ignore[arg-type]  # both are flags
    start()
    assert "data-idp" not in browser.text


def test_a_button_leads_to_its_provider(context: Context, acme: Node, browser: Browser, start: Start) -> None:
    make_provider(context, acme)
    begun = start()
    browser.click('data-idp="corp"')
    assert browser.gone_to == f"/t/acme/federation/corp/start?id={begun.sign_in.id}"


def test_a_button_of_a_provider_that_went_is_refused(context: Context, acme: Node, browser: Browser, start: Start) -> None:
    begun = start()
    browser.open(f"{acme.issuer}/sign-in/provider?id={begun.sign_in.id}&idp=gone")
    assert browser.error == "E_Idp_Unknown"


@pytest.mark.parametrize(("facts", "code"), [({"active": False}, "E_Idp_Disabled"), ({"link_only": True}, "E_Idp_Link_Only")])
def test_a_button_of_a_provider_that_may_not_sign_in_any_more_is_refused(
    context: Context, acme: Node, browser: Browser, start: Start, facts: dict[str, Any], code: str
) -> None:
    make_provider(context, acme, **facts)
    begun = start()
    browser.open(f"{acme.issuer}/sign-in/provider?id={begun.sign_in.id}&idp=corp")
    assert browser.error == code


# Forms are ours (openid.md 11, 12).


@pytest.mark.parametrize("path", ["", "/password", "/restart", "/new-password", "/tenant", "/again"])
def test_a_post_without_the_forms_token_is_refused(browser: Browser, start: Start, path: str) -> None:
    begun = start()
    for token in ({}, {"form_token": "0" * 64}):
        answer = browser.client.post(f"/t/acme/sign-in{path}", base_url=HERE, data={"id": begun.sign_in.id, "login": "anna", **token})
        assert (answer.status_code, "E_Csrf" in answer.text) == (403, True)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_post_that_another_site_began_is_refused_even_with_the_token(browser: Browser, start: Start, site: str) -> None:
    start()
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', browser.text))
    answer = browser.client.post("/t/acme/sign-in", base_url=HERE, data={**hidden, "login": "anna"}, headers={"Sec-Fetch-Site": site})
    assert (answer.status_code, "E_Csrf" in answer.text) == (403, True)


def test_the_token_of_one_sign_in_does_not_serve_another(browser: Browser, start: Start) -> None:
    start()
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', browser.text))
    other = start()
    answer = browser.client.post("/t/acme/sign-in", base_url=HERE, data={**hidden, "id": other.sign_in.id, "login": "anna"})
    assert "E_Csrf" in answer.text


def test_another_browser_cannot_go_on(app: Flask, start: Start) -> None:
    begun = start()
    answer = app.test_client().get(f"/t/acme/sign-in?id={begun.sign_in.id}", base_url=HERE)
    assert (answer.status_code, "E_State_Invalid" in answer.text) == (400, True)


def test_two_tabs_both_finish(context: Context, acme: Node, browser: Browser, start: Start) -> None:
    make_person(context, acme, "anna.berg", password=PASSWORD)
    first, second = start(), start()
    for begun in (first, second):
        browser.open(below(acme, SIGN_IN, id=begun.sign_in.id))
        browser.submit("/sign-in", login="anna.berg")
        browser.submit("/sign-in/password", login="anna.berg", password=PASSWORD)
        assert browser.gone_to.endswith(begun.sign_in.id)


def test_a_password_for_a_sign_in_that_another_tab_finished_is_too_late(
    context: Context, browser: Browser, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = start()
    browser.submit("/sign-in", login="anna.berg")
    check = credentials.check_password

    def check_while_the_other_tab_finishes(*args: Any, **more: Any) -> credentials.Checked:
        sign_ins.finish(context, begun.sign_in)
        return replace(check(*args, **more), code="")

    make_person(context, people.node_of(context, begun.sign_in.node), "anna.berg", password=PASSWORD)
    monkeypatch.setattr(credentials, "check_password", check_while_the_other_tab_finishes)
    browser.submit("/sign-in/password", login="anna.berg", password=PASSWORD)
    assert browser.error == "E_State_Invalid"
    assert session_cookies(browser.client) == set()


def test_a_finished_sign_in_is_not_shown_again(context: Context, browser: Browser, start: Start, acme: Node) -> None:
    begun = start()
    sign_ins.finish(context, begun.sign_in)
    page = browser.open(below(acme, SIGN_IN, id=begun.sign_in.id))
    assert (page.status_code, browser.error) == (400, "E_State_Invalid")


def test_who_comes_too_late_begins_anew_for_the_same_app(
    context: Context, acme: Node, browser: Browser, start: Start, clock: Clock
) -> None:
    late = start(state="app-state")
    clock.advance(seconds=601)
    page = browser.open(below(acme, SIGN_IN, id=late.sign_in.id))
    assert (page.status_code, browser.error) == (400, "E_Session_Expired")
    assert browser.link('data-action="return"') == f"{acme.issuer}/oauth2/authorize/return?id={late.sign_in.id}"
    browser.submit("/sign-in/again")
    new_id = re.findall(r'name="id" value="([^"]*)"', browser.text)[0]
    assert new_id != late.sign_in.id
    secret = browser.client.get_cookie(f"mg-t-{new_id}")
    assert secret is not None
    request = sign_ins.get(context, acme, new_id, secret.value).request
    assert request is not None
    assert request.state == "app-state"


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
