"""An explanation shows the chain as it was walked, who was nearly meant and why not, and commands one can paste (R-215)."""

import shlex

import pytest

from gateway.domain.admission import TraceStep
from gateway.domain.errors import Refusal
from gateway.domain.identity import Criterion, IdentityProvider
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.sign_in import Path
from gateway.services import admission, explain, nodes, people, relying_parties
from gateway.services.admission import Attempt
from gateway.services.context import Context
from gateway.services.explain import Explanation
from gateway.services.nodes import NewNode
from gateway.services.relying_parties import NewRelyingParty
from tests.conftest import Clock
from tests.services.corp import add_person, add_provider, assertion_of


@pytest.fixture
def corp(context: Context, acme: Node) -> IdentityProvider:
    """A provider of acme that is matched by custom login."""
    return add_provider(context, acme, Criterion.CUSTOM_LOGIN)


def refused(context: Context, node: Node, provider: IdentityProvider, login: str, **claims: object) -> Explanation:
    """Let somebody fail, and explain it to the operator."""
    traced = context.traced_as(context.new_id())
    outcome = admission.admit(traced, Attempt(node.id, Path.FEDERATED, provider=provider, assertion=assertion_of(login, **claims)))
    assert isinstance(outcome, Refusal)
    return explain.explain(context, traced.correlation_id, scope=None)


def reasons(explanation: Explanation) -> dict[str, str]:
    return {candidate.account.login: "; ".join(candidate.reasons) for candidate in explanation.candidates}


def test_the_chain_is_shown_in_order_with_what_was_looked_for(context: Context, acme: Node, corp: IdentityProvider) -> None:
    explanation = refused(context, acme, corp, "nobody@acme.example")
    assert explanation.code == "E_No_User"
    assert explanation.decisive is not None
    outcomes = [(step.step, step.outcome) for step in explanation.decisive.chain]
    at = [name for name, _ in outcomes].index("match")
    assert {outcome for _, outcome in outcomes[:at]} == {"passed"}
    assert outcomes[at] == ("match", "refused")
    assert {outcome for _, outcome in outcomes[at + 1 :]} == {"not reached"}
    detail = explanation.decisive.chain[at].detail
    assert (detail["criterion"], detail["claim"], detail["value"]) == ("custom-login", "preferred_username", "nobody@acme.example")
    assert "nobody@acme.example" in explanation.text
    assert [row.action for row in explanation.events] == ["sign_in.refused"]


def test_the_stored_trace_holds_no_candidates(context: Context, acme: Node, corp: IdentityProvider) -> None:
    add_person(context, acme, "ada", "ada@acme.example")
    refused(context, acme, corp, "ada@acme.example")
    [(chain,)] = context.database.script("SELECT chain FROM admission_trace")
    assert '"ada"' not in chain


def test_the_same_address_is_a_candidate_whose_login_is_told(context: Context, acme: Node, corp: IdentityProvider) -> None:
    add_person(context, acme, "ada", "ada@acme.example")
    explanation = refused(context, acme, corp, "ada@acme.example")
    assert reasons(explanation) == {"ada": "by corp's criterion custom login it is ada, not ada@acme.example"}
    assert explanation.candidates[0].likeness == "same e-mail address"
    assert explanation.remedies[:2] == [
        "moongate user update --tenant acme ada --idp corp --matching custom-login --federated-login ada@acme.example",
        "moongate idp set --tenant acme corp --matching email",
    ]


def test_the_same_local_part_of_another_domain_is_a_candidate(context: Context, acme: Node, corp: IdentityProvider) -> None:
    add_person(context, acme, "ada@old.example", "ada@old.example")
    explanation = refused(context, acme, corp, "ada@new.example")
    assert explanation.candidates[0].likeness == "same local part"


def test_a_deleted_account_is_shown_with_its_day_and_the_way_back(context: Context, acme: Node, corp: IdentityProvider) -> None:
    people.delete_person(context, add_person(context, acme, "ada@acme.example", "ada@acme.example"))
    explanation = refused(context, acme, corp, "ada@acme.example")
    assert reasons(explanation)["ada@acme.example"].startswith("deleted on 2026-09-21")
    assert explanation.candidates[0].status == "deleted"
    assert explanation.remedies[0] == "moongate user recover --tenant acme ada@acme.example"


def test_a_difference_in_case_is_told_where_the_provider_compares_exactly(context: Context, acme: Node) -> None:
    corp = add_provider(context, acme, Criterion.CUSTOM_LOGIN, exact_case=True)
    add_person(context, acme, "Ada@acme.example", "ada@acme.example")
    explanation = refused(context, acme, corp, "ada@acme.example")
    assert reasons(explanation)["Ada@acme.example"] == "it differs in case (Ada@acme.example), and corp compares exactly"


def test_somebody_of_another_tenant_is_told_to_live_there(context: Context, acme: Node, globex: Node, corp: IdentityProvider) -> None:
    add_person(context, globex, "ada@acme.example", "ada@acme.example")
    explanation = refused(context, acme, corp, "ada@acme.example")
    assert "lives in globex, and corp vouches only for people of acme" in reasons(explanation)["ada@acme.example"]


def test_a_viewer_sees_no_account_outside_of_what_is_theirs(context: Context, acme: Node, globex: Node, corp: IdentityProvider) -> None:
    add_person(context, globex, "ada@acme.example", "ada@acme.example")
    add_person(context, acme, "ada", "ada@acme.example")
    correlation = refused(context, acme, corp, "ada@acme.example").correlation_id
    seen = explain.explain(context, correlation, scope=acme.id)
    assert [candidate.tenant for candidate in seen.candidates] == ["acme"]


def test_an_attempt_at_a_neighbour_is_as_unknown_as_none(context: Context, acme: Node, globex: Node, corp: IdentityProvider) -> None:
    correlation = refused(context, acme, corp, "ada@acme.example").correlation_id
    told = []
    for unknown in (correlation, "0" * 32):
        with pytest.raises(Refusal) as refusal:
            explain.explain(context, unknown, scope=globex.id)
        told.append(refusal.value.code)
    assert told == ["E_Resource_Not_Found"] * 2


def test_an_administrator_above_sees_what_happened_below(context: Context, platform: Node, acme: Node, corp: IdentityProvider) -> None:
    correlation = refused(context, acme, corp, "ada@acme.example").correlation_id
    assert explain.explain(context, correlation, scope=platform.id).code == "E_No_User"


def test_who_would_match_by_now_is_told_so(context: Context, acme: Node, corp: IdentityProvider) -> None:
    correlation = refused(context, acme, corp, "ada@acme.example").correlation_id
    add_person(context, acme, "ada@acme.example", "ada@acme.example")
    explanation = explain.explain(context, correlation, scope=None)
    assert reasons(explanation)["ada@acme.example"] == "it would match now: it was made or changed afterwards"


def test_all_who_match_are_named_where_more_than_one_does(context: Context, acme: Node) -> None:
    corp = add_provider(context, acme, Criterion.EMAIL)
    unit = nodes.create_node(context, acme.id, NewNode("acme-sales", "Sales", NodeKind.UNIT))
    one = add_person(context, acme, "one", "office@acme.example")
    two = add_person(context, unit, "two", "two@acme.example")
    context.database.script("UPDATE account SET email = 'office@acme.example', email_key = 'office@acme.example'")
    explanation = refused(context, acme, corp, "office@acme.example")
    assert explanation.code == "E_Ambiguous_User"
    assert {candidate.account.id for candidate in explanation.candidates} == {one.id, two.id}
    assert all("it matches, and so does another" in text for text in reasons(explanation).values())


def test_remedies_name_the_account_and_its_home(context: Context, acme: Node, corp: IdentityProvider) -> None:
    ada = add_person(context, acme, "ada lovelace@acme.example".replace(" ", "."), "ada@acme.example")
    people.set_enabled(context, ada, enabled=False)
    explanation = refused(context, acme, corp, ada.login)
    assert explanation.code == "E_User_Disabled"
    assert explanation.remedies == [f"moongate user enable --tenant acme {ada.login}"]
    assert explanation.candidates == []


def test_hostile_names_cannot_leave_their_place_in_a_command(context: Context, acme: Node, corp: IdentityProvider) -> None:
    hostile = "x@y.example'; rm -rf / #"
    explanation = refused(context, acme, corp, hostile)
    for remedy in explanation.remedies:
        words = shlex.split(remedy)
        assert words[0] == "moongate"
        assert "rm" not in words
    assert any(hostile in shlex.split(remedy) for remedy in explanation.remedies)


def test_no_remedy_holds_a_choice_that_a_shell_takes_for_a_pipe(context: Context, acme: Node, corp: IdentityProvider) -> None:
    for remedy in refused(context, acme, corp, "nobody@acme.example").remedies:
        assert "|" not in remedy
        assert "{" not in remedy


def test_an_app_is_named_with_its_tenant(context: Context, platform: Node, acme: Node) -> None:
    corp = add_provider(context, acme, Criterion.CUSTOM_LOGIN)
    app, _ = relying_parties.register(context, acme.id, NewRelyingParty("Portal", ["https://app.example/cb"]))
    add_person(context, acme, "ada@acme.example", "ada@acme.example")
    attempt = Attempt(acme.id, Path.FEDERATED, client=app, provider=corp, assertion=assertion_of("ada@acme.example"))
    admission.admit(context, attempt)
    explanation = explain.explain(context, context.correlation_id, scope=None)
    assert explanation.code == "E_No_Tenant_Sponsor"
    assert explanation.decisive is not None
    assert (explanation.decisive.app, explanation.decisive.client_id) == ("Portal", app.client_id)
    assert any(remedy.startswith("moongate role grant --tenant acme ROLE ada@acme.example") for remedy in explanation.remedies)


def test_several_walks_of_one_attempt_are_all_shown_and_the_last_refusal_decides(
    context: Context, acme: Node, corp: IdentityProvider, clock: Clock
) -> None:
    for login in ("one@acme.example", "two@acme.example"):
        admission.admit(context, Attempt(acme.id, Path.FEDERATED, provider=corp, assertion=assertion_of(login)))
        clock.advance(seconds=1)
    explanation = explain.explain(context, context.correlation_id, scope=None)
    assert [walk.value() for walk in explanation.walks] == ["one@acme.example", "two@acme.example"]
    assert explanation.decisive == explanation.walks[-1]


def test_an_act_that_was_no_sign_in_is_explained_by_what_was_noted(context: Context, acme: Node) -> None:
    nodes.disable_node(context, acme)
    explanation = explain.explain(context, context.correlation_id, scope=None)
    assert explanation.code == ""
    assert explanation.walks == []
    assert "tenant.disabled" in [row.action for row in explanation.events]


def test_a_correlation_id_is_found_as_people_type_it(context: Context, acme: Node, corp: IdentityProvider) -> None:
    correlation = refused(context, acme, corp, "ada@acme.example").correlation_id
    assert explain.explain(context, f"  {correlation.upper()} ", scope=None).code == "E_No_User"


def test_a_typed_login_nobody_has_is_looked_for_too(context: Context, acme: Node) -> None:
    add_person(context, acme, "ada", "ada@acme.example")
    attempt = Attempt(acme.id, Path.PASSWORD)
    admission.record_refusal(context, attempt, "match", Refusal("E_No_User"), {"login": "ada@acme.example"})
    explanation = explain.explain(context, context.correlation_id, scope=None)
    assert reasons(explanation) == {"ada": "its login is ada"}
    assert explanation.decisive is not None
    assert explanation.decisive.chain[4] == TraceStep("match", "refused", {"login": "ada@acme.example", "reason": "", "code": "E_No_User"})
