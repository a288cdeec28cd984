"""The contract of every command, proved with the real console script: statuses, one document, errors as JSON, secrets once."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gateway.cli import main

SCRIPT = Path(sys.executable).with_name("moongate")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MOONGATE_")}
    return inherited | {"MOONGATE_HOME": str(tmp_path / "home")}


def moongate(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, *words], env=environment, capture_output=True, text=True, check=False, timeout=60)


def error_of(ended: subprocess.CompletedProcess[str]) -> str:
    """Return the code of an error that is one JSON document, alone on standard error."""
    assert ended.stdout == ""
    document = json.loads(ended.stderr)
    assert set(document) == {"error"}
    assert set(document["error"]) == {"code", "message"}
    return str(document["error"]["code"])


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that lead to it."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name), command


COMMANDS = dict(commands(main))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_takes_json_and_says_what_it_does(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert any("--json" in parameter.opts for parameter in command.params)
    assert command.help
    assert command.help.rstrip().endswith((".", "."))


def test_the_first_day(environment: dict[str, str]) -> None:
    founded = moongate(environment, "platform", "init", "--admin-login", "admin", "--admin-email", "admin@example.com", "--json")
    assert (founded.returncode, founded.stderr) == (0, "")
    assert set(json.loads(founded.stdout)) == {"login", "temporary_password", "console"}
    created = moongate(environment, "tenant", "create", "acme", "--name", "Acmé", "--kind", "customer", "--json")
    assert json.loads(created.stdout)["name"] == "Acmé"
    assert len(created.stdout.splitlines()) == 1
    keys = Path(environment["MOONGATE_HOME"]) / "secret-keys"
    assert keys.stat().st_mode & 0o777 == 0o600


def test_a_refusal_ends_with_1_and_an_error_on_standard_error(environment: dict[str, str]) -> None:
    refused = moongate(environment, "tenant", "show", "nobody", "--json")
    assert refused.returncode == 1
    assert error_of(refused) == "E_Resource_Not_Found"
    told = moongate(environment, "tenant", "show", "nobody")
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("E_Resource_Not_Found: ")
    assert len(told.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("tenant", "show"),
        ("tenant", "show", "acme", "--nonsense"),
        ("tenant", "unheard-of"),
        ("unheard-of",),
        ("tenant", "create", "acme", "--name", "Acme", "--kind", "empire"),
        ("serve", "--port", "70000"),
        ("what-if", "--tenant", "acme"),
        ("tenant", "show", "bytes\udcff"),
    ],
    ids=lambda words: " ".join(words).encode("ascii", "replace").decode(),
)
def test_wrong_usage_ends_with_2_in_json_too(environment: dict[str, str], words: tuple[str, ...]) -> None:
    ended = moongate(environment, *words, "--json")
    assert ended.returncode == 2
    assert error_of(ended) == "E_Usage"
    plain = moongate(environment, *words)
    assert plain.returncode == 2
    assert "Traceback" not in plain.stderr


def test_help_and_version_end_with_0(environment: dict[str, str]) -> None:
    for words in (("--help",), ("tenant", "-h"), ("--version",)):
        ended = moongate(environment, *words)
        assert ended.returncode == 0
        assert ended.stdout


def test_python_m_gateway_is_the_same_command(environment: dict[str, str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "tenant", "list", "--json"], env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(ended.stdout) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("MOONGATE_PUBLIC_URL", "ftp://id.example.com"),
        ("MOONGATE_PUBLIC_URL", "https://id.example.com:99999"),
        ("MOONGATE_TENANT_URL", "https://id.example.com"),
        ("MOONGATE_DATABASE_URL", "mysql://localhost/moongate"),
        ("MOONGATE_SECRET_KEYS", "short"),
        ("MOONGATE_LIMITS_URL", "memcached://localhost"),
        ("MOONGATE_SMTP_URL", "http://localhost"),
        ("MOONGATE_OUTBOUND_ALLOW", "nowhere"),
        ("MOONGATE_TRUSTED_PROXIES", "everybody"),
        ("MOONGATE_LOG_FORMAT", "poetry"),
        ("MOONGATE_HOME", "/proc/nowhere"),
        ("MOONGATE_DATABASE_URL", "sqlite:////proc/nowhere/moongate.db"),
    ],
)
def test_a_wrong_setting_ends_with_one_line_that_names_it(environment: dict[str, str], setting: str, value: str) -> None:
    ended = moongate(environment | {setting: value}, "tenant", "list")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith(f"E_Setting_Invalid: {setting}")
    assert error_of(moongate(environment | {setting: value}, "tenant", "list", "--json")) == "E_Setting_Invalid"


def test_a_secret_key_is_never_shown(environment: dict[str, str]) -> None:
    assert "hunter2" not in moongate(environment | {"MOONGATE_SECRET_KEYS": "hunter2"}, "tenant", "list").stderr


def test_another_key_than_the_database_was_filled_with_ends_with_one_line(environment: dict[str, str]) -> None:
    assert moongate(environment, "migrate").returncode == 0
    ended = moongate(environment | {"MOONGATE_SECRET_KEYS": "k" * 64}, "tenant", "list")
    assert ended.returncode == 1
    assert ended.stderr.startswith("E_Setting_Invalid: MOONGATE_SECRET_KEYS")
    assert len(ended.stderr.splitlines()) == 1


def test_a_file_that_is_no_database_ends_with_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "letter.db").write_text("Dear sir or madam, this is not a database. " * 200)
    ended = moongate(environment | {"MOONGATE_DATABASE_URL": f"sqlite:///{tmp_path}/letter.db"}, "tenant", "list")
    assert ended.returncode == 1
    assert ended.stderr.startswith("E_Setting_Invalid: MOONGATE_DATABASE_URL")
    assert len(ended.stderr.splitlines()) == 1


def test_a_bind_beyond_loopback_demands_the_public_url(environment: dict[str, str]) -> None:
    for host in ("0.0.0.0", "::", "10.0.0.7"):
        # No port can be listened at: should the check ever fail, still nobody is served.
        ended = moongate(environment | {"MOONGATE_HOME": "/proc/nowhere"}, "serve", "--host", host, "--json")
        assert ended.returncode == 1
        assert error_of(ended) == "E_Setting_Invalid"
        assert "MOONGATE_PUBLIC_URL" in ended.stderr
