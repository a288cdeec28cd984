"""`moongate backup` and `moongate restore`: a file that stands whole or not at all, a pipe, and one line for whatever is wrong."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.domain.nodes import Node
from gateway.services import archive, sealing
from gateway.services.house import House
from gateway.wiring import open_house
from tests.cli.conftest import Commands
from tests.conftest import Clock, settings_for


@pytest.fixture
def filled(moongate: Commands, acme: Node) -> Node:
    moongate.json(
        "user", "create", "--tenant", "acme", "--login", "ada", "--given-name", "Ada", "--family-name", "B", "--email", "a@b.example"
    )
    sealing.seal_all(moongate.house)
    return acme


@pytest.fixture
def other(tmp_path: Path, clock: Clock) -> Iterator[Commands]:
    (tmp_path / "other").mkdir()
    opened: House = open_house(settings_for(tmp_path / "other"), clock=clock)
    yield Commands(opened)
    opened.database.close()


def people(moongate: Commands) -> list[str]:
    return [row["login"] for row in moongate.json("user", "list", "--tenant", "acme")]


def test_a_backup_comes_back(moongate: Commands, filled: Node, other: Commands, tmp_path: Path) -> None:
    file = tmp_path / "today.backup"
    told = moongate.json("backup", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert told["bytes"] == file.stat().st_size
    assert told["tables"]["account"] == 1
    assert other.json("restore", str(file), "--check")["outcome"] == "whole"
    again = other.json("restore", str(file))
    assert again == {**{name: value for name, value in told.items() if name not in {"file", "bytes"}}, "outcome": "restored"}
    assert people(other) == ["ada"]
    assert other.json("audit", "verify")["outcome"] == "whole"
    assert "rows" in moongate.words("backup", str(file))


def test_a_backup_takes_the_place_of_an_older_one_only_when_it_is_whole(
    moongate: Commands, filled: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    file = folder / "today.backup"
    moongate.json("backup", str(file))
    before = file.read_bytes()

    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.ArchiveWriter, "finish", no_room)
    ended = moongate.run("backup", str(file))
    assert ended.exit_code == 1
    assert ended.stderr == f"E_Unavailable: {file} cannot be written (No space left on device)\n"
    assert file.read_bytes() == before
    assert list(folder.iterdir()) == [file]


@pytest.mark.parametrize("words", [("backup", "{}/nowhere/x"), ("restore", "{}/nowhere"), ("restore", "{}")])
def test_a_file_that_cannot_be_used_is_told_in_one_line(moongate: Commands, filled: Node, tmp_path: Path, words: tuple[str, ...]) -> None:
    ended = moongate.run(*(word.format(tmp_path) for word in words))
    assert (ended.exit_code, len(ended.stderr.splitlines())) == (1, 1)
    assert ended.stderr.startswith("E_")


def test_restore_tells_what_is_wrong_in_one_line_and_changes_nothing(
    moongate: Commands, filled: Node, other: Commands, tmp_path: Path
) -> None:
    file = tmp_path / "today.backup"
    moongate.json("backup", str(file))
    assert moongate.refusal("restore", str(file)) == "E_Backup_Not_Empty"
    half = tmp_path / "half.backup"
    half.write_bytes(file.read_bytes()[:-200])
    for words in (("restore", str(half)), ("restore", str(half), "--check")):
        ended = other.run(*words)
        assert ended.exit_code == 1
        assert ended.stderr.startswith("E_Backup_Invalid: ")
        assert len(ended.stderr.splitlines()) == 1
    assert other.refusal("user", "list", "--tenant", "acme") == "E_Resource_Not_Found"


def test_replace_loses_what_is_there(moongate: Commands, filled: Node, tmp_path: Path) -> None:
    file = tmp_path / "today.backup"
    moongate.json("backup", str(file))
    moongate.json(
        "user", "create", "--tenant", "acme", "--login", "bob", "--given-name", "B", "--family-name", "B", "--email", "b@b.example"
    )
    moongate.json("restore", str(file), "--replace")
    assert people(moongate) == ["ada"]


def test_json_and_a_backup_do_not_share_standard_output(moongate: Commands, filled: Node) -> None:
    assert moongate.run("backup", "-", "--json").exit_code == 2


def test_a_backup_goes_through_a_pipe(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MOONGATE_")}
    first, second = ({**kept, "MOONGATE_HOME": str(tmp_path / name)} for name in ("first", "second"))
    script = Path(sys.executable).with_name("moongate")
    subprocess.run(
        [script, "platform", "init", "--admin-login", "admin", "--admin-email", "a@b.example"], env=first, check=True, capture_output=True
    )
    (tmp_path / "second").mkdir()
    shutil.copy(tmp_path / "first/secret-keys", tmp_path / "second/secret-keys")
    made = subprocess.run([script, "backup", "-"], env=first, check=True, capture_output=True)
    assert made.stderr == b""
    with tarfile.open(fileobj=io.BytesIO(made.stdout), mode="r:gz") as opened:
        assert opened.getnames()[0] == archive.HEAD
    again = subprocess.run([script, "restore", "-", "--json"], env=second, input=made.stdout, check=True, capture_output=True)
    assert json.loads(again.stdout)["outcome"] == "restored"
    asked = subprocess.run([script, "user", "list", "--tenant", "platform", "--json"], env=second, check=True, capture_output=True)
    assert [row["login"] for row in json.loads(asked.stdout)] == ["admin"]
