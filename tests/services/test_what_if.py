"""What-if walks the same chain without effects: no link, no session, no trace, but a mark in the audit trail (decisions.md 27)."""

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.identity import Criterion, IdentityProvider
from gateway.domain.nodes import Node
from gateway.domain.sign_in import Path, Step
from gateway.services import access, admission, explain, nodes, people, relying_parties, what_if
from gateway.services.admission import Attempt
from gateway.services.context import Context
from gateway.services.relying_parties import NewRelyingParty
from gateway.services.what_if import Question
from gateway.storage import audit
from tests.services.corp import add_person, add_provider, assertion_of, claims_of


@pytest.fixture
def corp(context: Context, acme: Node) -> IdentityProvider:
    return add_provider(context, acme, Criterion.EMAIL)


def effects(context: Context) -> list[int]:
    tables = ("link", "session", "app_grant", "admission_trace", "job", "outbox")
    return [context.database.script(f"SELECT COUNT(*) FROM {table}")[0][0] for table in tables]  # noqa: S608 -- names of our own tables


def test_the_same_verdict_as_the_real_thing_and_none_of_its_effects(context: Context, acme: Node, corp: IdentityProvider) -> None:
    add_person(context, acme, "ada", "ada@acme.example")
    before = effects(context)
    for login, code in (("ada@acme.example", ""), ("nobody@acme.example", "E_No_User")):
        asked = what_if.ask_by_claims(context, Question(acme), corp, claims_of(login), scope=None)
        assert effects(context) == before
        traced = context.traced_as(context.new_id())
        outcome = admission.admit(traced, Attempt(acme.id, Path.FEDERATED, provider=corp, assertion=assertion_of(login)))
        assert asked.code == code == (outcome.code if isinstance(outcome, Refusal) else "")
        assert asked.decisive is not None
        real = explain.explain(context, traced.correlation_id, scope=None).decisive
        assert real is not None
        assert [(step.step, step.outcome) for step in asked.decisive.chain] == [(step.step, step.outcome) for step in real.chain]
        before = effects(context)


def test_asking_is_audited_with_who_was_asked_about(context: Context, acme: Node, corp: IdentityProvider) -> None:
    ada = add_person(context, acme, "ada", "ada@acme.example")
    what_if.ask_by_login(context, Question(acme), "ada", scope=None)
    row = audit.list_audit(context.database, acme.id, limit=1)[0]
    assert (row.action, row.target, row.actor_kind) == ("what_if.asked", ada.id, "operator")


def test_claims_that_name_nobody_show_the_candidates(context: Context, acme: Node, corp: IdentityProvider) -> None:
    add_person(context, acme, "ada@acme.example", "countess@acme.example")
    asked = what_if.ask_by_claims(context, Question(acme), corp, claims_of("ada@acme.example"), scope=None)
    assert [candidate.account.login for candidate in asked.candidates] == ["ada@acme.example"]


def test_claims_without_a_subject_are_told_what_is_missing(context: Context, acme: Node, corp: IdentityProvider) -> None:
    asked = what_if.ask_by_claims(context, Question(acme), corp, {"email": "ada@acme.example"}, scope=None)
    assert asked.code == "E_Claim_Missing"


@pytest.mark.parametrize("hostile", [{"sub": 7}, {"sub": "s", "email": ["a"], "amr": "pwd", "acr": 3, "iss": None}])
def test_claims_of_the_wrong_type_are_refused_and_break_nothing(
    context: Context, acme: Node, corp: IdentityProvider, hostile: dict[str, object]
) -> None:
    assert what_if.ask_by_claims(context, Question(acme), corp, hostile, scope=None).code == "E_Claim_Missing"


def test_a_login_is_asked_about_by_the_means_it_has(context: Context, acme: Node, corp: IdentityProvider) -> None:
    ada = add_person(context, acme, "ada", "ada@acme.example")
    invited = what_if.ask_by_login(context, Question(acme), "ada", scope=None)
    assert invited.code == "E_Not_Activated"
    people.set_federated_only(context, ada, federated_only=True)
    by_organisation = what_if.ask_by_login(context, Question(acme), "ada", scope=None)
    assert by_organisation.code == ""
    assert by_organisation.decisive is not None
    assert by_organisation.decisive.path == "federated"


def test_an_unknown_login_is_nobody(context: Context, acme: Node) -> None:
    asked = what_if.ask_by_login(context, Question(acme), "nobody", scope=None)
    assert asked.code == "E_No_User"


def test_a_disabled_person_is_told_with_the_remedy(context: Context, acme: Node, corp: IdentityProvider) -> None:
    people.set_enabled(context, add_person(context, acme, "ada", "ada@acme.example"), enabled=False)
    asked = what_if.ask_by_login(context, Question(acme), "ada", scope=None)
    assert asked.code == "E_User_Disabled"
    assert asked.remedies == ["moongate user enable --tenant acme ada"]


def test_an_app_asks_for_entitlement(context: Context, acme: Node, corp: IdentityProvider) -> None:
    app, _ = relying_parties.register(context, acme.id, NewRelyingParty("Portal", ["https://app.example/cb"]))
    ada = add_person(context, acme, "ada", "ada@acme.example")
    question = Question(acme, app.client_id)
    assert what_if.ask_by_claims(context, question, corp, claims_of("ada@acme.example"), scope=None).code == "E_No_Tenant_Sponsor"
    access.create_role(context, acme.id, "User", kind="tenant", apps=[app.client_id], level=0)
    access.grant_role(context, acme.id, ada, "User")
    assert what_if.ask_by_claims(context, question, corp, claims_of("ada@acme.example"), scope=None).code == ""


def test_an_app_of_a_tenant_above_is_asked_at_its_issuer(context: Context, platform: Node, acme: Node, corp: IdentityProvider) -> None:
    app, _ = relying_parties.register(context, platform.id, NewRelyingParty("Portal", ["https://app.example/cb"], roleless=True))
    add_person(context, acme, "ada", "ada@acme.example")
    asked = what_if.ask_by_claims(context, Question(acme, app.client_id), corp, claims_of("ada@acme.example"), scope=None)
    assert asked.code == ""
    assert asked.decisive is not None
    assert asked.decisive.node == platform


def test_an_unknown_app_is_refused(context: Context, acme: Node, globex: Node) -> None:
    app, _ = relying_parties.register(context, globex.id, NewRelyingParty("Portal", ["https://app.example/cb"]))
    for client_id in (app.client_id, "unheard of"):
        with pytest.raises(Refusal) as refused:
            what_if.ask_by_login(context, Question(acme, client_id), "ada", scope=None)
        assert refused.value.code == "E_Client_Unknown"


def test_what_is_due_first_is_told(context: Context, acme: Node, corp: IdentityProvider) -> None:
    app, _ = relying_parties.register(context, acme.id, NewRelyingParty("Portal", ["https://app.example/cb"], roleless=True))
    add_person(context, acme, "ada", "ada@acme.example")
    context.database.script("UPDATE account SET activated_at = 1, must_change_password = 1")
    asked = what_if.ask_by_login(context, Question(acme, app.client_id), "ada", scope=None)
    assert asked.decisive is not None
    assert (asked.code, asked.decisive.due) == ("", Step.CHANGE_PASSWORD)


def test_a_disabled_tenant_is_told(context: Context, acme: Node, corp: IdentityProvider) -> None:
    add_person(context, acme, "ada", "ada@acme.example")
    nodes.disable_node(context, acme)
    asked = what_if.ask_by_claims(context, Question(acme), corp, claims_of("ada@acme.example"), scope=None)
    assert asked.code == "E_Tenant_Not_Allowed"
    assert asked.remedies == ["moongate tenant enable acme"]
