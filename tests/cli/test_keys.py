"""`moongate keys` and `moongate secrets`."""

import dataclasses
import json
import random

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.domain.nodes import Node
from gateway.services import keys
from gateway.services.context import Context
from gateway.services.house import House
from gateway.tokens.keyring import KeyRing
from tests.cli.conftest import Commands

OLD, NEW = "k" * 64, "n" * 64


def restarted(house: House, *secret_keys: str) -> House:
    """The house in a process that was started with other keys."""
    return dataclasses.replace(house, keyring=KeyRing(secret_keys, random.Random(5).randbytes))


@pytest.fixture
def filled(context: Context, acme: Node) -> Node:
    keys.ensure_keys(context, acme.id)
    return acme


def test_rewrap_counts_what_it_did(house: House, filled: Node) -> None:
    commands = Commands(restarted(house, NEW, OLD))
    done = commands.json("secrets", "rewrap")
    assert done == {"rewrapped": {"signing key": 2, "key check": 1}, "total": 3, "damaged": [], "left": {}}
    assert commands.json("secrets", "rewrap")["total"] == 0
    assert "total" in commands.words("secrets", "rewrap")


def test_rewrap_names_the_key_that_is_missing(house: House, filled: Node) -> None:
    ended = CliRunner().invoke(main, ["secrets", "rewrap"], obj=restarted(house, NEW))
    assert ended.exit_code == 1
    assert ended.stderr.startswith("E_Secret_Key_Missing: ")
    assert f"{KeyRing((OLD,), random.Random(5).randbytes).newest} (3 secrets)" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_rewrap_fails_for_what_is_damaged_and_tells_it(house: House, context: Context, filled: Node) -> None:
    context.database.script("UPDATE signing_key SET private_key = SUBSTR(private_key, 1, 40) WHERE alg = 'RS256'")
    ended = Commands(restarted(house, NEW, OLD)).run("secrets", "rewrap", "--json")
    assert ended.exit_code == 1
    assert json.loads(ended.stderr)["error"]["code"] == "E_Secret_Damaged"
    assert [found["secret"] for found in json.loads(ended.stdout)["damaged"]] == ["signing key"]
