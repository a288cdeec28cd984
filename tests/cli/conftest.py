"""Commands as click runs them, in the house of the test; the console script itself is proved in test_contract.py."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.services.house import House


@dataclass
class Commands:
    """Runs command lines."""

    house: House

    def run(self, *words: str, text: str | None = None) -> Result:
        """Return how a command line ended, whatever its status."""
        return CliRunner().invoke(main, list(words), obj=self.house, input=text)

    def words(self, *words: str) -> str:
        """Return what a command says to people."""
        ended = self.run(*words)
        assert ended.exit_code == 0, ended.stderr
        return ended.stdout

    def json(self, *words: str, text: str | None = None) -> Any:  # noqa: ANN401 -- a document of any form
        """Return the one document of a command that goes well."""
        ended = self.run(*words, "--json", text=text)
        assert ended.exit_code == 0, ended.stderr
        assert ended.stderr == ""
        return json.loads(ended.stdout)

    def refusal(self, *words: str) -> str:
        """Return the code with which a command is refused; nothing is on standard output."""
        ended = self.run(*words, "--json")
        assert ended.exit_code == 1, ended.stdout
        assert ended.stdout == ""
        error = json.loads(ended.stderr)["error"]
        assert set(error) == {"code", "message"}
        assert error["message"]
        return str(error["code"])


@pytest.fixture
def moongate(house: House) -> Commands:
    return Commands(house)
