"""`explain` and `what-if`: one document for programs, words for people."""

import json
from pathlib import Path

import pytest

from gateway.domain.identity import Criterion, IdentityProvider
from gateway.domain.nodes import Node
from gateway.domain.sign_in import Path as Way
from gateway.services import admission
from gateway.services.admission import Attempt
from gateway.services.context import Context
from tests.cli.conftest import Commands
from tests.services.corp import add_person, add_provider, assertion_of, claims_of


@pytest.fixture
def corp(context: Context, acme: Node) -> IdentityProvider:
    return add_provider(context, acme, Criterion.CUSTOM_LOGIN)


@pytest.fixture
def correlation(context: Context, acme: Node, corp: IdentityProvider) -> str:
    """Somebody failed whose address ada has, under another login."""
    add_person(context, acme, "ada", "ada@acme.example")
    admission.admit(context, Attempt(acme.id, Way.FEDERATED, provider=corp, assertion=assertion_of("ada@acme.example")))
    return context.correlation_id


def test_the_document_holds_code_chain_candidates_and_remedies(moongate: Commands, correlation: str) -> None:
    told = moongate.json("explain", correlation)
    assert told["code"] == "E_No_User"
    assert {"step": "match", "outcome": "refused"} in [{"step": step["step"], "outcome": step["outcome"]} for step in told["chain"]]
    assert all(set(step) == {"step", "outcome", "detail"} for step in told["chain"])
    [candidate] = told["candidates"]
    assert (candidate["login"], candidate["tenant"], candidate["likeness"]) == ("ada", "acme", "same e-mail address")
    assert candidate["why"] == ["by corp's criterion custom login it is ada, not ada@acme.example"]
    assert told["remedies"][0].startswith("moongate user update --tenant acme ada --idp corp")
    assert [attempt["code"] for attempt in told["attempts"]] == ["E_No_User"]


def test_people_read_it_from_top_to_bottom(moongate: Commands, correlation: str) -> None:
    text = moongate.words("explain", correlation)
    order = ["E_No_User", "provider:  corp", "What was checked", "refused  match", "not reached:", "may have been meant", "What helps"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "  passed   client\n" in text


def test_an_unknown_id_is_refused(moongate: Commands, platform: Node) -> None:
    assert moongate.refusal("explain", "0" * 32) == "E_Resource_Not_Found"


def test_an_act_without_a_refusal_is_told_as_what_was_noted(moongate: Commands, context: Context, acme: Node) -> None:
    text = moongate.words("explain", context.correlation_id)
    assert text.startswith("Nobody was refused anything.")
    assert "tenant.created" in text


def test_what_if_asks_by_claims(moongate: Commands, correlation: str, tmp_path: Path) -> None:
    file = tmp_path / "claims.json"
    for login, code in (("ada", ""), ("ada@acme.example", "E_No_User")):
        file.write_text(json.dumps(claims_of(login)))
        asked = moongate.json("what-if", "--tenant", "acme", "--idp", "corp", "--claims", str(file))
        assert asked["code"] == code
    assert moongate.words("what-if", "--tenant", "acme", "--login", "ada").startswith("E_Not_Activated")


@pytest.mark.parametrize("text", ["", "[]", "{", '"claims"', "[" * 100_000])
def test_claims_that_are_no_object_are_refused(moongate: Commands, correlation: str, tmp_path: Path, text: str) -> None:
    file = tmp_path / "claims.json"
    file.write_text(text)
    assert moongate.refusal("what-if", "--tenant", "acme", "--idp", "corp", "--claims", str(file)) == "E_Field_Invalid"


@pytest.mark.parametrize("words", [("--idp", "corp"), ("--login", "ada", "--idp", "corp"), ()])
def test_what_if_wants_one_question(moongate: Commands, correlation: str, words: tuple[str, ...]) -> None:
    assert moongate.run("what-if", "--tenant", "acme", *words).exit_code == 2


def test_what_if_at_another_tenants_provider_is_refused(moongate: Commands, correlation: str, globex: Node, tmp_path: Path) -> None:
    file = tmp_path / "claims.json"
    file.write_text("{}")
    moongate.refusal("what-if", "--tenant", "globex", "--idp", "corp", "--claims", str(file))


def test_what_an_organisation_sends_cannot_command_the_terminal(
    moongate: Commands, context: Context, acme: Node, corp: IdentityProvider
) -> None:
    hostile = "ada\x1b[2J\u202e@acme.example\r\nE_Forged: all is well"
    admission.admit(context, Attempt(acme.id, Way.FEDERATED, provider=corp, assertion=assertion_of(hostile)))
    text = moongate.words("explain", context.correlation_id)
    assert not set("\x1b\u202e\r") & set(text)
    assert not any(line.startswith("E_Forged") for line in text.splitlines())
    assert moongate.json("explain", context.correlation_id)["code"] == "E_No_User"
