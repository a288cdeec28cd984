"""The page about the command line says what there is: all of it, and nothing else."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gateway.cli import main

PAGE = Path(__file__).resolve().parents[2] / "docs/admin.md"


def shown() -> list[list[str]]:
    """The words of every command that the page shows."""
    lines = re.findall(r"^\$ moongate (.*)$", PAGE.read_text(), re.MULTILINE)
    return [shlex.split(line.split(" < ")[0], comments=True) for line in lines]


def paths(group: click.Group, *above: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from paths(command, *above, name)
        else:
            yield (*above, name)


def path_of(words: list[str]) -> tuple[str, ...]:
    """Return the command that words lead to."""
    return next(path for path in paths(main) if tuple(words[: len(path)]) == path)


@pytest.mark.parametrize("words", shown(), ids=" ".join)
def test_every_command_of_the_page_is_understood(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "claims.json").write_text("{}")
    path = path_of(words)
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    command.make_context(" ".join(path), words[len(path) :])


def test_every_command_stands_on_the_page() -> None:
    assert {path_of(words) for words in shown()} == set(paths(main))
