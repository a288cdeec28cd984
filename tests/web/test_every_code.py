"""Each code of requirements.md section 2 (a) to (c) that a sign-in can end with: its page, what the app hears, trace and audit row."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.domain.errors import Refusal, entry_of
from gateway.domain.identity import Criterion
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.people import AccountType
from gateway.domain.relying_party import RelyingParty
from gateway.http.endpoints import SIGN_IN, below
from gateway.services import access, credentials, linking, nodes, people
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.services.nodes import NewNode
from gateway.services.sign_in import Begun
from gateway.storage import access as stored_access
from gateway.storage import audit, identity_providers
from tests.conftest import Clock
from tests.sign_ins import (
    PASSWORD,
    REDIRECT_URI,
    Browser,
    asserted,
    change,
    make_app,
    make_person,
    make_provider,
    origin_of,
    path_of,
    prove_domain,
    query_of,
    session_cookies,
    vouched,
)
from tests.web.conftest import Start


@dataclass
class Case:
    """Where a story takes place."""

    context: Context
    acme: Node
    wiki: RelyingParty
    start: Start
    browser: Browser
    clock: Clock
    monkeypatch: pytest.MonkeyPatch


Story = Callable[[Case], Begun]


@pytest.fixture
def case(
    context: Context,
    acme: Node,
    wiki: RelyingParty,
    start: Start,
    browser: Browser,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> Case:
    return Case(context, acme, wiki, start, browser, clock, monkeypatch)


def by_provider(case: Case, *, email: str = "anna.berg@acme.example", subject: str = "s-1", key: str = "corp", **request: str) -> Begun:
    """Somebody comes back from a provider that vouches for an address."""
    provider = identity_providers.find_provider_by_key(case.context.database, case.acme.id, key) or make_provider(case.context, case.acme)
    begun = case.start(**request)
    sign_ins.prove_federated(case.context, case.acme, begun.sign_in, provider, vouched(provider, email, subject))
    return begun


def by_password(case: Case, login: str, password: str = PASSWORD, **request: str) -> Begun:
    begun = case.start(**request)
    sign_ins.prove_password(case.context, case.acme, begun.sign_in, login, password)
    return begun


def nobody(case: Case) -> Begun:
    return by_provider(case, email="flast@contoso.example")


def two_match(case: Case) -> Begun:
    for login in ("anna.one", "anna.two"):
        change(case.context, make_person(case.context, case.acme, login), email="anna.berg@acme.example")
    return by_provider(case)


def home_deleted(case: Case) -> Begun:
    make_person(case.context, case.acme, "anna.berg")
    make_provider(case.context, case.acme)
    nodes.delete_node(case.context, nodes.disable_node(case.context, case.acme))
    return by_provider(case)


def home_disabled(case: Case) -> Begun:
    make_person(case.context, case.acme, "anna.berg")
    nodes.disable_node(case.context, case.acme)
    return by_provider(case)


def no_role(case: Case) -> Begun:
    make_person(case.context, case.acme, "anna.berg")
    return roles_matter(case)


def roles_matter(case: Case, *roles: tuple[str, bool]) -> Begun:
    """Come to an app of a unit that needs a role, holding these there; whether each is active."""
    bare = nodes.create_node(case.context, case.acme.id, NewNode("bare", "Bare", NodeKind.UNIT))
    app = make_app(case.context, bare, roleless=False)
    provider = make_provider(case.context, bare)
    ben = make_person(case.context, bare, "ben.cole", email="ben.cole@bare.example")
    for name, active in roles:
        access.create_role(case.context, bare.id, name, kind="tenant", apps=[app.client_id], level=0)
        access.grant_role(case.context, bare.id, ben, name)
        access.set_role_active(case.context, bare.id, name, active=active)
    begun = case.start(bare, app)
    sign_ins.prove_federated(case.context, bare, begun.sign_in, provider, vouched(provider, ben.email))
    return begun


def another_tenant_asked(case: Case) -> Begun:
    make_person(case.context, case.acme, "anna.berg")
    return by_provider(case, tenant="elsewhere")


def role_inactive(case: Case) -> Begun:
    # A role-free app above would sponsor everybody.
    case.monkeypatch.setattr(stored_access, "has_role_free_app", lambda *_: False)
    return roles_matter(case, ("Reader", False))


def no_sponsor(case: Case) -> Begun:
    case.monkeypatch.setattr(stored_access, "has_role_free_app", lambda *_: False)
    return roles_matter(case)


def subject_changed(case: Case) -> Begun:
    make_person(case.context, case.acme, "anna.berg")
    by_provider(case)
    return by_provider(case, subject="s-2")


def linked_meanwhile(case: Case) -> Begun:
    """Another sign-in binds the same subject between the decision and its keeping."""
    anna, ben = make_person(case.context, case.acme, "anna.berg"), make_person(case.context, case.acme, "ben.cole")
    provider = make_provider(case.context, case.acme)
    decided = linking.resolve(case.context, provider, vouched(provider, anna.email))
    by_provider(case, email=ben.email)
    case.monkeypatch.setattr(linking, "resolve", lambda *_: decided)
    return by_provider(case)


def facts(**of_account: Any) -> Story:
    """Anna comes back from her provider while these facts of her account hold."""

    def story(case: Case) -> Begun:
        change(case.context, make_person(case.context, case.acme, "anna.berg"), **of_account)
        return by_provider(case)

    return story


def unconfirmed(case: Case) -> Begun:
    anna = make_person(case.context, case.acme, "anna.berg", password=PASSWORD)
    change(case.context, anna, self_registered=True)
    return by_password(case, "anna.berg")


def invited(case: Case) -> Begun:
    change(case.context, make_person(case.context, case.acme, "anna.berg", password=PASSWORD), activated_at=None)
    return by_password(case, "anna.berg")


def temporary_password_ran_out(case: Case) -> Begun:
    password, _ = credentials.issue_temporary_password(case.context, make_person(case.context, case.acme, "anna.berg"))
    case.clock.advance(seconds=72 * 3600)
    return by_password(case, "anna.berg", password)


def second_factor_at_an_app_without(case: Case) -> Begun:
    app = make_app(case.context, case.acme, second_factor_unsupported=True)
    make_person(case.context, case.acme, "anna.berg", mfa_required=True)
    provider = make_provider(case.context, case.acme)
    begun = case.start(case.acme, app)
    sign_ins.prove_federated(case.context, case.acme, begun.sign_in, provider, vouched(provider, "anna.berg@acme.example"))
    return begun


def another_method(case: Case) -> Begun:
    entra = make_provider(case.context, case.acme, "entra")
    make_person(case.context, case.acme, "anna.berg", provider=entra.id)
    return by_provider(case)


def provider_facts(**of_provider: Any) -> Story:
    """Anna's provider is switched off, or changed, while she is there."""

    def story(case: Case) -> Begun:
        make_person(case.context, case.acme, "anna.berg")
        make_provider(case.context, case.acme, **of_provider)
        return by_provider(case)

    return story


def hinted_nowhere(case: Case) -> Begun:
    return case.start(idp_hint="nothing")


def domain_of_a_provider_switched_off(case: Case) -> Begun:
    prove_domain(case.context, case.acme, "acme.example", make_provider(case.context, case.acme, active=False))
    return case.start(login_hint="anna@acme.example")


def without_the_claim(case: Case) -> Begun:
    provider = make_provider(case.context, case.acme, matching=Criterion.CUSTOM_LOGIN)
    begun = case.start()
    sign_ins.prove_federated(case.context, case.acme, begun.sign_in, provider, asserted(provider, preferred_username=["a", "list"]))
    return begun


def unverified_address(case: Case) -> Begun:
    make_person(case.context, case.acme, "anna.berg")
    provider = make_provider(case.context, case.acme)
    begun = case.start()
    claims = asserted(provider, email="anna.berg@acme.example", email_verified=False)
    sign_ins.prove_federated(case.context, case.acme, begun.sign_in, provider, claims)
    return begun


def administrator_by_first_match(case: Case) -> Begun:
    anna = make_person(case.context, case.acme, "anna.berg")
    access.create_role(case.context, case.acme.id, "Boss", kind="hierarchy", apps=[], level=3)
    access.grant_role(case.context, case.acme.id, anna, "Boss")
    return by_provider(case)


STORIES: list[tuple[str, Story]] = [
    ("E_No_User", nobody),
    ("E_Ambiguous_User", two_match),
    ("E_No_Associated_Tenants", home_deleted),
    ("E_Tenant_Not_Allowed", home_disabled),
    ("E_No_Tenant_Sponsor", no_sponsor),
    ("E_Not_Entitled", no_role),
    ("E_Not_Entitled", another_tenant_asked),
    ("E_Role_Inactive", role_inactive),
    ("E_Subject_Changed", subject_changed),
    ("E_Already_Linked", linked_meanwhile),
    ("E_User_Disabled", facts(enabled_by_admin=False)),
    ("E_User_Disabled", facts(active_by_scim=False)),
    ("E_Locked_Out", facts(admin_locked_at=1)),
    ("E_Account_Expired", facts(disable_after=1)),
    ("E_Email_Not_Validated", unconfirmed),
    ("E_Not_Activated", invited),
    ("E_Temp_Password_Expired", temporary_password_ran_out),
    ("E_Service_Account_Needed", second_factor_at_an_app_without),
    ("E_Invalid_Credentials", facts(type=AccountType.SERVICE)),
    ("E_Wrong_Sign_In_Method", another_method),
    ("E_Idp_Unknown", hinted_nowhere),
    ("E_Idp_Disabled", provider_facts(active=False)),
    ("E_Idp_Disabled", domain_of_a_provider_switched_off),
    ("E_Idp_Link_Only", provider_facts(link_only=True)),
    ("E_Claim_Missing", without_the_claim),
    ("E_Email_Unverified", unverified_address),
    ("E_Link_Proof_Required", administrator_by_first_match),
]
REAL_CODE = {"E_Invalid_Credentials": "E_Service_Account_Interactive"}
"""What the trail holds where people see the neutral code."""


@pytest.mark.parametrize(("code", "story"), STORIES, ids=[f"{code}-{story.__name__}" for code, story in STORIES])
def test_a_code_has_its_page_trace_audit_row_and_answer_to_the_app(case: Case, code: str, story: Story) -> None:
    begun, browser = story(case), case.browser
    node = case.acme if begun.sign_in.node == case.acme.id else node_of(case, begun)
    page = browser.open(below(node, SIGN_IN, id=begun.sign_in.id))
    assert (browser.error, page.status_code) == (code, entry_of(code).page_status)
    assert f"<code data-correlation>{begun.sign_in.correlation_id}</code>" in page.text
    traces = audit.list_traces(case.context.database, begun.sign_in.correlation_id)
    assert traces[-1].code == REAL_CODE.get(code, code)
    rows = audit.list_audit_of_correlation(case.context.database, begun.sign_in.correlation_id)
    assert REAL_CODE.get(code, code) in {row.code for row in rows if row.outcome == "refused"}
    require_told(browser, code, begun)


def require_told(browser: Browser, code: str, begun: Begun) -> None:
    """The app hears the catalogue's error, the code and the correlation id, once."""
    url = browser.link('data-action="return"')
    answer = browser.client.get(path_of(url), base_url=origin_of(url))
    assert answer.status_code == 303
    location = answer.headers["Location"]
    assert f"{urlsplit(location).scheme}://{urlsplit(location).netloc}{urlsplit(location).path}" == REDIRECT_URI
    told = query_of(location)
    assert told["error"] == entry_of(code).app_error
    assert told["error_description"].startswith(f"{code}: ")
    assert told["error_description"].endswith(begun.sign_in.correlation_id)
    assert "code" not in told
    assert browser.client.get(path_of(url), base_url=origin_of(url)).status_code == 400


def node_of(case: Case, begun: Begun) -> Node:
    return people.node_of(case.context, begun.sign_in.node)


@pytest.mark.parametrize(
    "code",
    ["E_Idp_Unreachable", "E_Idp_Denied", "E_Idp_Config", "E_Token_Invalid", "E_Idp_Not_Assigned", "E_Mfa_Not_Satisfied", "E_Mfa_Locked"],
)
def test_what_another_door_stored_is_shown_and_told_alike(case: Case, code: str) -> None:
    begun, browser = case.start(), case.browser
    sign_ins.refuse(case.context, begun.sign_in, Refusal(code, data={"value": "<i>denied</i>"}, reason="only for the log"))
    page = browser.open(below(case.acme, SIGN_IN, id=begun.sign_in.id))
    assert (browser.error, page.status_code) == (code, entry_of(code).page_status)
    assert "<i>" not in page.text
    assert "only for the log" not in page.text
    require_told(browser, code, begun)


def test_whoever_came_too_late_may_still_tell_the_app(case: Case) -> None:
    begun = case.start()
    case.clock.advance(seconds=601)
    case.browser.open(below(case.acme, SIGN_IN, id=begun.sign_in.id))
    require_told(case.browser, "E_Session_Expired", begun)


def test_whoever_asked_for_the_wrong_tenant_may_go_on_in_the_right_one(case: Case) -> None:
    make_person(case.context, case.acme, "anna.berg")
    begun = by_provider(case, tenant="elsewhere")
    page = case.browser.open(below(case.acme, SIGN_IN, id=begun.sign_in.id))
    assert case.browser.error == "E_Not_Entitled"
    assert "You do have access in: Acme Ltd." in page.text
    case.browser.submit("/sign-in/tenant", tenant="acme")
    assert case.browser.gone_to == f"/t/acme/oauth2/authorize/continue?id={begun.sign_in.id}"


@pytest.mark.parametrize("of_account", [{"enabled_by_admin": False}, {"mfa_required": True}])
def test_the_choice_after_a_refusal_passes_the_whole_chain(case: Case, of_account: dict[str, Any]) -> None:
    anna = make_person(case.context, case.acme, "anna.berg")
    begun = by_provider(case, tenant="elsewhere")
    case.browser.open(below(case.acme, SIGN_IN, id=begun.sign_in.id))
    change(case.context, anna, **of_account)
    case.browser.submit("/sign-in/tenant", tenant="acme")
    assert case.browser.gone_to == ""
    assert session_cookies(case.browser.client) == set()


def test_any_other_refusal_offers_no_tenant(case: Case) -> None:
    change(case.context, make_person(case.context, case.acme, "anna.berg"), enabled_by_admin=False)
    begun = by_provider(case)
    assert "/sign-in/tenant" not in case.browser.open(below(case.acme, SIGN_IN, id=begun.sign_in.id)).text
