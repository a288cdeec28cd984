"""Names that strangers type and directories push: controls make them nobody's, and none turns the words around it."""

import json
import re

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.relying_party import RelyingParty
from gateway.http.endpoints import SIGN_IN, below
from gateway.services import nodes, relying_parties
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.services.nodes import NewNode
from gateway.services.relying_parties import NewRelyingParty
from tests.sign_ins import (
    PASSWORD,
    REDIRECT_URI,
    Browser,
    make_app,
    make_member,
    make_person,
    make_provider,
    prove_domain,
    session_cookies,
    vouched,
)
from tests.web.conftest import Read, Start
from tests.web.test_neutral_answer import answer_to, seen

TURNS = [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]
CONTROLS = ["\0", "\x01", "\x0b", "\x1b", "\x1f", "\x7f", "\x85"]
EVIL = "Corp\u202egro.live\u2066"


@pytest.mark.parametrize("control", CONTROLS, ids=repr)
@pytest.mark.parametrize("name", ["anna{}.berg", "{}anna.berg", "anna.berg{}"])
def test_a_name_with_a_control_is_answered_like_an_unknown_one_even_with_the_right_password(
    *, context: Context, acme: Node, browser: Browser, start: Start, control: str, name: str
) -> None:
    make_person(context, acme, "anna.berg", password=PASSWORD)
    start()
    browser.submit("/sign-in", login="anybody")
    typed = name.format(control)
    answer = answer_to(browser, typed, PASSWORD)
    assert seen(answer, typed.replace(control, "\ufffd")) == seen(answer_to(browser, "nobody.here", PASSWORD), "nobody.here")
    assert answer.status_code == 401
    assert session_cookies(browser.client) == set()


@pytest.mark.parametrize("control", CONTROLS, ids=repr)
def test_a_control_in_a_name_is_stored_nowhere(
    context: Context, acme: Node, browser: Browser, start: Start, read: Read, control: str
) -> None:
    begun = start()
    browser.submit("/sign-in", login=f"anna{control}berg@acme.example")
    assert read(begun).login == "anna\ufffdberg@acme.example"
    answer_to(browser, f"anna{control}berg", PASSWORD)
    for table in ("sign_in", "admission_trace", "audit", "credential_lock"):
        stored = str(context.database.script(f"SELECT * FROM {table}"))  # noqa: S608 -- the table's name is ours
        assert [form for form in (control, json.dumps(control)[1:-1], repr(control)[1:-1]) if form in stored] == []


def test_an_apps_hint_with_a_control_is_nobodys_name_either(start: Start, read: Read) -> None:
    assert read(start(login_hint="an\0na")).login == "an\ufffdna"


def test_a_name_pasted_with_blanks_around_it_is_the_same_name(context: Context, acme: Node, browser: Browser, start: Start) -> None:
    make_person(context, acme, "anna.berg", password=PASSWORD)
    start()
    browser.submit("/sign-in", login="anna.berg\t")
    browser.submit("/sign-in/password", login=" anna.berg\r\n", password=PASSWORD)
    assert len(session_cookies(browser.client)) == 1


def require_isolated(page: str, *names: str) -> None:
    """Wherever a page shows one of the names amid its own words, the name stands in an isolate, and nothing else turns the text."""
    shown = re.sub(r'="[^"]*"', "", page)
    for name in names:
        assert name in shown
        shown = shown.replace(f"<bdi>{name}</bdi>", "").replace(f"<bdi>Going on to {name}</bdi>", "")
    shown = re.sub(r"<bdi>.</bdi>", "", shown)
    assert [turn for turn in TURNS if turn in shown] == []


@pytest.fixture
def evil(context: Context, platform: Node) -> Node:
    return nodes.create_node(context, platform.id, NewNode("evil", EVIL, NodeKind.CUSTOMER))


@pytest.fixture
def evil_app(context: Context, evil: Node) -> RelyingParty:
    return make_app(context, evil, name=f"App {EVIL}")


def test_names_on_the_pages_of_the_first_factor_stand_apart(
    context: Context, evil: Node, evil_app: RelyingParty, browser: Browser, start: Start
) -> None:
    make_provider(context, evil, name=f"\u202eIdP {EVIL}")
    start(evil, evil_app)
    require_isolated(browser.text, EVIL, f"App {EVIL}", f"\u202eIdP {EVIL}")
    browser.submit("/sign-in", login="anna")
    assert 'name="password"' in browser.text
    require_isolated(browser.text, EVIL, f"App {EVIL}", f"\u202eIdP {EVIL}")


def test_names_on_the_way_to_a_provider_stand_apart(
    context: Context, evil: Node, evil_app: RelyingParty, browser: Browser, start: Start
) -> None:
    prove_domain(context, evil, "evil.example", make_provider(context, evil, name=f"IdP {EVIL}"))
    start(evil, evil_app)
    browser.submit("/sign-in", login="anna@evil.example")
    require_isolated(browser.text, f"IdP {EVIL}", EVIL)


def test_names_of_organisations_to_choose_from_stand_apart(
    context: Context, platform: Node, evil: Node, browser: Browser, start: Start
) -> None:
    other = nodes.create_node(context, platform.id, NewNode("other", f"Other {EVIL}", NodeKind.CUSTOMER))
    app, provider = make_app(context, platform, name=f"App {EVIL}"), make_provider(context, evil)
    anna = make_person(context, evil, "anna")
    make_member(context, anna, other)
    begun = start(platform, app)
    sign_ins.prove_federated(context, platform, begun.sign_in, provider, vouched(provider, anna.email))
    browser.open(below(platform, SIGN_IN, id=begun.sign_in.id))
    require_isolated(browser.text, EVIL, f"Other {EVIL}", f"App {EVIL}")


def test_names_beside_a_refusal_stand_apart(context: Context, evil: Node, evil_app: RelyingParty, browser: Browser, start: Start) -> None:
    provider, anna = make_provider(context, evil, name=f"IdP {EVIL}"), make_person(context, evil, "anna")
    begun = start(evil, evil_app, tenant="elsewhere")
    sign_ins.prove_federated(context, evil, begun.sign_in, provider, vouched(provider, anna.email))
    browser.open(below(evil, SIGN_IN, id=begun.sign_in.id))
    assert browser.error == "E_Not_Entitled"
    assert "Go on in" in browser.text
    require_isolated(browser.text, EVIL)


@pytest.mark.parametrize("turn", TURNS, ids=ascii)
def test_values_in_the_text_of_a_refusal_turn_nothing(context: Context, evil: Node, browser: Browser, start: Start, turn: str) -> None:
    provider = make_provider(context, evil)
    begun = start(evil, make_app(context, evil))
    address = f"anna{turn}@evil.example"
    sign_ins.prove_federated(context, evil, begun.sign_in, provider, vouched(provider, address))
    browser.open(below(evil, SIGN_IN, id=begun.sign_in.id))
    assert browser.error == "E_No_User"
    assert "anna\ufffd@evil.example" in browser.text
    require_isolated(browser.text, EVIL)
    assert turn not in str(Refusal("E_No_User", data={"value": address}))


def test_names_on_the_page_of_signing_out_stand_apart(context: Context, evil: Node, browser: Browser) -> None:
    app = relying_parties.register(context, evil.id, NewRelyingParty(f"App {EVIL}", [REDIRECT_URI], roleless=True))[0]
    browser.open(below(evil, "/oauth2/logout", client_id=app.client_id))
    require_isolated(browser.text, EVIL)
