"""A first factor proved at another issuer: two hops, each handle serves once, and only the issuer that was asked makes the session."""

import re

import pytest
from flask import Flask

from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.relying_party import RelyingParty
from gateway.domain.sign_in import SignIn, Step, next_step
from gateway.http.endpoints import SIGN_IN, SIGN_IN_TAKE, below
from gateway.services import hand_over, nodes
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.services.nodes import NewNode
from gateway.services.sign_in import Begun
from gateway.storage import audit
from tests.conftest import Clock
from tests.sign_ins import (
    PASSWORD,
    Browser,
    begin,
    change,
    make_app,
    make_person,
    make_provider,
    onward,
    prove_domain,
    query_of,
    session_cookies,
    stored,
    vouched,
)
from tests.web.conftest import Start

HERE = "http://localhost:8000"


@pytest.fixture
def portal(context: Context, platform: Node) -> RelyingParty:
    """An app at the platform, for everybody."""
    return make_app(context, platform, name="Portal")


@pytest.fixture
def far(context: Context, platform: Node) -> Node:
    """A customer whose issuer is another host altogether."""
    new = NewNode("far", "Far Ltd", NodeKind.CUSTOMER, issuer="https://id.far.example")
    node = nodes.create_node(context, platform.id, new)
    prove_domain(context, node, "far.example")
    return node


def handed_over(context: Context, platform: Node, portal: RelyingParty, target: Node) -> tuple[Begun, Begun]:
    begun = begin(context, platform, portal)
    return begun, hand_over.hand_over(context, begun.sign_in, target)


def test_a_password_is_proved_at_the_domains_owner_on_another_host_and_the_session_is_the_askers(
    context: Context, platform: Node, far: Node, portal: RelyingParty, browser: Browser, start: Start
) -> None:
    make_person(context, far, "anna@far.example", password=PASSWORD)
    begun = start(platform, portal)
    browser.submit("/sign-in", login="anna@far.example")
    assert "https://id.far.example/sign-in/password" in browser.text
    assert 'value="anna@far.example"' in browser.text
    browser.submit("/sign-in/password", login="anna@far.example", password=PASSWORD)
    assert browser.gone_to == f"/t/platform/oauth2/authorize/continue?id={begun.sign_in.id}"
    assert session_cookies(browser.client) == {f"mg-{platform.id}"}


def test_the_next_page_at_another_issuer_is_the_same_for_known_and_unknown_names(
    context: Context, platform: Node, far: Node, portal: RelyingParty, browser: Browser, start: Start
) -> None:
    make_person(context, far, "anna@far.example", password=PASSWORD)
    pages = []
    for name in ("anna@far.example", "nobody@far.example"):
        start(platform, portal)
        page = browser.submit("/sign-in", login=name)
        pages.append(re.sub(r'value="[^"]*"', "", page.text))
    assert pages[0] == pages[1]


def test_a_provider_of_a_customer_is_asked_at_the_customers_issuer(
    context: Context, platform: Node, acme: Node, portal: RelyingParty, browser: Browser, start: Start
) -> None:
    provider = make_provider(context, acme)
    prove_domain(context, acme, "acme.example", provider)
    anna = make_person(context, acme, "anna@acme.example")
    begun = start(platform, portal)
    browser.submit("/sign-in", login="anna@acme.example")
    assert browser.gone_to.startswith("/t/acme/federation/corp/start?id=")
    child_id = query_of(browser.gone_to)["id"]
    child = sign_ins.get(context, acme, child_id, cookie_of(browser, child_id))
    proved = sign_ins.prove_federated(context, acme, child, provider, vouched(provider, anna.email))
    assert (proved.session_secret, next_step(proved.sign_in)) == ("", Step.RETURN_PROOF)
    browser.open(below(acme, SIGN_IN, id=child_id))
    assert browser.gone_to == f"/t/platform/oauth2/authorize/continue?id={begun.sign_in.id}"
    assert session_cookies(browser.client) == {f"mg-{platform.id}"}
    assert {trace.node for trace in audit.list_traces(context.database, begun.sign_in.correlation_id)} == {acme.id, platform.id}


def cookie_of(browser: Browser, sign_in_id: str) -> str:
    cookie = browser.client.get_cookie(f"mg-t-{sign_in_id}")
    assert cookie is not None
    return cookie.value


def test_a_units_page_offers_its_customers_provider_and_asks_it_at_the_customers_issuer(
    context: Context, acme: Node, browser: Browser, start: Start
) -> None:
    unit = nodes.create_node(context, acme.id, NewNode("sales", "Sales", NodeKind.UNIT))
    make_provider(context, acme)
    start(unit, make_app(context, unit))
    browser.click('data-idp="corp"')
    assert browser.gone_to.startswith("/t/acme/federation/corp/start?id=")


def test_the_apps_wishes_travel_with_the_proof(context: Context, platform: Node, acme: Node, portal: RelyingParty) -> None:
    begun = begin(context, platform, portal, prompt=("login",), max_age=5)
    child = hand_over.hand_over(context, begun.sign_in, acme).sign_in
    assert child.request is not None
    assert (child.request.prompt, child.request.max_age) == (("login",), 5)
    assert (child.correlation_id, child.expires_at) == (begun.sign_in.correlation_id, begun.sign_in.expires_at)


def test_a_handle_is_taken_over_once(context: Context, platform: Node, acme: Node, portal: RelyingParty) -> None:
    _, child = handed_over(context, platform, portal, acme)
    secret = hand_over.take_over(context, acme, child.sign_in.id, child.secret)
    assert sign_ins.get(context, acme, child.sign_in.id, secret).id == child.sign_in.id
    for handle in (child.secret, "", "mgt_other"):
        with pytest.raises(Refusal) as refused:
            hand_over.take_over(context, acme, child.sign_in.id, handle)
        assert refused.value.code == "E_State_Invalid"


def test_the_handle_of_the_url_is_not_the_cookie(context: Context, platform: Node, acme: Node, portal: RelyingParty) -> None:
    _, child = handed_over(context, platform, portal, acme)
    hand_over.take_over(context, acme, child.sign_in.id, child.secret)
    with pytest.raises(Refusal):
        sign_ins.get(context, acme, child.sign_in.id, child.secret)


def test_a_handle_serves_at_its_own_issuer_alone(context: Context, platform: Node, acme: Node, globex: Node, portal: RelyingParty) -> None:
    _, child = handed_over(context, platform, portal, acme)
    with pytest.raises(Refusal, match="Start again"):
        hand_over.take_over(context, globex, child.sign_in.id, child.secret)


def test_the_secret_of_an_ordinary_sign_in_is_no_handle(context: Context, acme: Node) -> None:
    begun = begin(context, acme, make_app(context, acme))
    with pytest.raises(Refusal, match="Start again"):
        hand_over.take_over(context, acme, begun.sign_in.id, begun.secret)


def proved_child(context: Context, platform: Node, acme: Node, portal: RelyingParty) -> tuple[Begun, SignIn]:
    """A sign-in at the platform, and the one at acme that proved anna for it."""
    begun, child = handed_over(context, platform, portal, acme)
    make_person(context, acme, "anna.berg", password=PASSWORD)
    return begun, sign_ins.prove_password(context, acme, child.sign_in, "anna.berg", PASSWORD).sign_in


def test_a_proof_is_taken_back_once(context: Context, platform: Node, acme: Node, portal: RelyingParty) -> None:
    begun, child = proved_child(context, platform, acme, portal)
    asker, parent, handle = hand_over.give_back(context, child)
    assert (asker.id, parent) == (platform.id, begun.sign_in.id)
    assert hand_over.take_back(context, platform, begun.sign_in, handle).session_secret
    with pytest.raises(Refusal) as refused:
        hand_over.take_back(context, platform, begun.sign_in, handle)
    assert refused.value.code == "E_State_Invalid"


def test_only_the_latest_handle_of_a_proof_serves(context: Context, platform: Node, acme: Node, portal: RelyingParty) -> None:
    begun, child = proved_child(context, platform, acme, portal)
    earlier = hand_over.give_back(context, child)[2]
    hand_over.give_back(context, child)
    with pytest.raises(Refusal):
        hand_over.take_back(context, platform, begun.sign_in, earlier)


def test_a_proof_serves_only_the_sign_in_it_was_made_for(context: Context, platform: Node, acme: Node, portal: RelyingParty) -> None:
    _, child = proved_child(context, platform, acme, portal)
    handle = hand_over.give_back(context, child)[2]
    with pytest.raises(Refusal):
        hand_over.take_back(context, platform, begin(context, platform, portal).sign_in, handle)


def test_a_proof_that_is_too_old_is_worth_nothing(context: Context, platform: Node, acme: Node, portal: RelyingParty, clock: Clock) -> None:
    begun, child = proved_child(context, platform, acme, portal)
    handle = hand_over.give_back(context, child)[2]
    clock.advance(seconds=600)
    with pytest.raises(Refusal):
        hand_over.take_back(context, platform, begun.sign_in, handle)


def test_another_browser_cannot_take_a_proof_back(
    context: Context, app: Flask, platform: Node, acme: Node, portal: RelyingParty, browser: Browser
) -> None:
    # Somebody who begins a sign-in and sends its way on to a victim gets nothing: the proof goes back to the browser that began.
    begun, child = proved_child(context, platform, acme, portal)
    handle = hand_over.give_back(context, child)[2]
    url = f"/t/platform/sign-in/return?id={begun.sign_in.id}&handle={handle}"
    refused = app.test_client().get(url, base_url=HERE)
    assert (refused.status_code, "E_State_Invalid" in refused.text) == (400, True)
    browser.hold(platform, begun)
    browser.open(url)
    assert session_cookies(browser.client) == {f"mg-{platform.id}"}


def test_the_prover_opens_no_session_of_its_own(context: Context, platform: Node, acme: Node, portal: RelyingParty) -> None:
    _, child = proved_child(context, platform, acme, portal)
    assert (child.session, next_step(child)) == (None, Step.RETURN_PROOF)


def test_what_happened_between_proof_and_return_counts(context: Context, platform: Node, acme: Node, portal: RelyingParty) -> None:
    begun, child = proved_child(context, platform, acme, portal)
    assert child.proof is not None
    change(context, stored(context, child.proof.account), admin_locked_at=1)
    progress = hand_over.take_back(context, platform, begun.sign_in, hand_over.give_back(context, child)[2])
    assert progress.session_secret == ""
    assert progress.sign_in.refusal is not None
    assert progress.sign_in.refusal.code == "E_Locked_Out"


def test_a_refusal_at_the_prover_is_shown_by_the_asker(
    context: Context, platform: Node, acme: Node, portal: RelyingParty, browser: Browser, start: Start
) -> None:
    provider = make_provider(context, acme)
    prove_domain(context, acme, "acme.example", provider)
    begun = start(platform, portal, login_hint="flast@acme.example")
    child_id = query_of(browser.gone_to)["id"]
    child = sign_ins.get(context, acme, child_id, cookie_of(browser, child_id))
    sign_ins.prove_federated(context, acme, child, provider, vouched(provider, "flast@acme.example"))
    page = browser.open(below(acme, SIGN_IN, id=child_id))
    assert (browser.error, page.status_code) == ("E_No_User", 403)
    assert browser.link('data-action="return"') == f"{platform.issuer}/oauth2/authorize/return?id={begun.sign_in.id}"
    browser.submit("/sign-in/restart")
    assert 'name="login"' in browser.text


def test_a_proof_for_another_issuer_that_took_too_long_is_begun_anew_by_that_one(
    context: Context, platform: Node, acme: Node, portal: RelyingParty, browser: Browser, clock: Clock
) -> None:
    _, child = handed_over(context, platform, portal, acme)
    browser.open(below(acme, SIGN_IN_TAKE, id=child.sign_in.id, handle=child.secret))
    form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', browser.text))
    clock.advance(seconds=601)
    page = browser.open(below(acme, SIGN_IN, id=child.sign_in.id))
    assert (browser.error, "/sign-in/again" in page.text, "authorize/return" in page.text) == ("E_Session_Expired", False, False)
    answer = browser.client.post("/t/acme/sign-in/again", base_url=HERE, data=form)
    assert (answer.status_code, "E_State_Invalid" in answer.text) == (400, True)


def test_a_proof_made_for_another_issuer_is_not_handed_on(
    context: Context, platform: Node, acme: Node, globex: Node, portal: RelyingParty
) -> None:
    _, child = handed_over(context, platform, portal, acme)
    with pytest.raises(Refusal, match="Start again"):
        hand_over.hand_over(context, child.sign_in, globex)


def test_a_disabled_customers_people_learn_why(
    context: Context, platform: Node, acme: Node, portal: RelyingParty, browser: Browser, start: Start
) -> None:
    prove_domain(context, acme, "acme.example")
    make_person(context, acme, "anna@acme.example", password=PASSWORD)
    nodes.disable_node(context, acme)
    start(platform, portal)
    browser.submit("/sign-in", login="anna@acme.example")
    browser.submit("/sign-in/password", login="anna@acme.example", password=PASSWORD)
    assert browser.error == "E_Tenant_Not_Allowed"


def test_a_name_of_another_issuers_domain_typed_on_the_password_page_is_led_there(
    context: Context, platform: Node, far: Node, portal: RelyingParty, browser: Browser, start: Start
) -> None:
    start(platform, portal)
    browser.submit("/sign-in", login="somebody")
    browser.submit("/sign-in/password", login="anna@far.example", password=PASSWORD)
    assert "https://id.far.example/sign-in/password" in browser.text


def test_the_way_to_another_host_goes_on_by_a_page_behind_a_form_and_by_redirect_otherwise(
    context: Context, platform: Node, far: Node, portal: RelyingParty, browser: Browser
) -> None:
    begun = begin(context, platform, portal, login_hint="anna@far.example")
    browser.hold(platform, begun)
    answers = [browser.client.get(f"/t/platform/sign-in?id={begun.sign_in.id}{via}", base_url=HERE) for via in ("", "&via=form")]
    assert [answer.status_code for answer in answers] == [303, 200]
    assert all(onward(answer).startswith(below(far, SIGN_IN_TAKE)) for answer in answers)
