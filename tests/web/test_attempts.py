"""Forms are ours, and an attempt belongs to one browser, once (openid.md 11, 12, 41, 43)."""

import re
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from gateway.domain.nodes import Node
from gateway.http.endpoints import SIGN_IN, below
from gateway.services import credentials, people, sessions
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from tests.conftest import Clock
from tests.sign_ins import (
    PASSWORD,
    Browser,
    make_person,
    session_cookies,
)
from tests.web.conftest import Start

HERE = "http://localhost:8000"


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


def test_a_tab_whose_session_another_tab_of_the_same_person_replaced_finishes(
    context: Context, acme: Node, browser: Browser, start: Start
) -> None:
    make_person(context, acme, "anna.berg", password=PASSWORD)
    first = start()
    sign_ins.prove_password(context, acme, first.sign_in, "anna.berg", PASSWORD)
    start()
    browser.submit("/sign-in", login="anna.berg")
    browser.submit("/sign-in/password", login="anna.berg", password=PASSWORD)
    browser.open(below(acme, SIGN_IN, id=first.sign_in.id))
    assert browser.gone_to == f"/t/acme/oauth2/authorize/continue?id={first.sign_in.id}"


def test_whoever_signs_in_after_somebody_else_ends_their_session(context: Context, acme: Node, browser: Browser, start: Start) -> None:
    """Its cookie is overwritten, so nobody could end it any more; a second sign-in of the same person ends nothing."""
    people_here = [make_person(context, acme, login, password=PASSWORD) for login in ("anna.berg", "ben.cole")]
    for login, alive in (("anna.berg", [1, 0]), ("anna.berg", [2, 0]), ("ben.cole", [1, 1])):
        start()
        browser.submit("/sign-in", login=login)
        browser.submit("/sign-in/password", login=login, password=PASSWORD)
        assert [len(sessions.list_of_account(context, person.id)) for person in people_here] == alive


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
