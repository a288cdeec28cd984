"""Where a name leads: by its domain alone, the same for known and unknown names, and hints are never trusted (decisions.md 20, 21)."""

import re
from typing import Any

import pytest

from gateway.domain.nodes import Node, NodeKind
from gateway.http.endpoints import SIGN_IN, below
from gateway.services import nodes, people
from gateway.services.context import Context
from gateway.services.nodes import NewNode
from tests.sign_ins import (
    PASSWORD,
    Browser,
    make_app,
    make_person,
    make_provider,
    prove_domain,
    query_of,
)
from tests.web.conftest import Start

HERE = "http://localhost:8000"


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


def test_a_domain_hint_that_nobody_in_sight_proved_leaves_it_to_the_name(
    context: Context, acme: Node, globex: Node, browser: Browser, start: Start
) -> None:
    prove_domain(context, acme, "acme.example", make_provider(context, acme))
    prove_domain(context, globex, "globex.example", make_provider(context, globex))
    for hint in ("globex.example", "unknown.example"):
        start(domain_hint=hint, login_hint="anna@acme.example")
        assert browser.gone_to.startswith("/t/acme/federation/corp/start")


def test_a_hosted_domain_leads_to_its_owner(context: Context, acme: Node, browser: Browser, start: Start) -> None:
    prove_domain(context, acme, "hosted.example", make_provider(context, acme), kind="hosted")
    start(login_hint="anna@hosted.example")
    assert browser.gone_to.startswith("/t/acme/federation/corp/start")


def test_a_registration_domain_leads_nowhere(context: Context, acme: Node, browser: Browser, start: Start) -> None:
    prove_domain(context, acme, "company.example", make_provider(context, acme), kind="registration")
    start(login_hint="anna@company.example")
    assert browser.gone_to == ""


def test_a_unit_asks_its_customers_provider_but_passwords_itself(context: Context, acme: Node, browser: Browser, start: Start) -> None:
    unit = nodes.create_node(context, acme.id, NewNode("sales", "Sales", NodeKind.UNIT))
    app = make_app(context, unit)
    prove_domain(context, acme, "acme.example", make_provider(context, acme))
    prove_domain(context, acme, "plain.example")
    start(unit, app, login_hint="ben@acme.example")
    assert browser.gone_to.startswith("/t/acme/federation/corp/start")
    start(unit, app, login_hint="ben@plain.example")
    assert "/t/sales/sign-in/password" in browser.text
    start(unit, app)
    browser.submit("/sign-in", login="ben@acme.example", method="password")
    assert "/t/sales/sign-in/password" in browser.text


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
