"""The files for whoever deploys say what our commands understand, run nothing as root, and hold no secret."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
UNITS = ("moongate-server.service", "moongate-worker.service")
HARDENED = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectControlGroups": "yes",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "SystemCallArchitectures": "native",
    "UMask": "0077",
    "User": "moongate",
    "StateDirectoryMode": "0700",
}
LONGEST_END_SECONDS = 25
"""5 s for idle connections, 20 s for what runs (`gateway.supervision`)."""


def unit(name: str) -> dict[str, dict[str, list[str]]]:
    """A unit by sections and names; every line is a section, a setting, a comment or empty."""
    sections: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in (DEPLOY / "systemd" / name).read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if match := re.fullmatch(r"\[(Unit|Service|Install)\]", line):
            section = sections.setdefault(match[1], {})
            continue
        key, separator, value = line.partition("=")
        assert separator, line
        assert re.fullmatch(r"[A-Z][A-Za-z]+", key), line
        section.setdefault(key, []).append(value)
    return sections


def instructions() -> list[tuple[str, str]]:
    """The Containerfile's instructions with their arguments."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Containerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(name, " ".join(rest.split())) for name, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def understood(*words: str) -> None:
    """Fail unless our command line has the command with all its options."""
    options = [word for word in words if word.startswith("--")]
    shown = CliRunner().invoke(main, [words[0], "--help"])
    assert shown.exit_code == 0, words
    assert set(options) <= set(re.findall(r"--[a-z-]+", shown.output)), words


@pytest.mark.parametrize("name", UNITS)
def test_units_are_hardened_and_start_a_command_that_exists(name: str) -> None:
    service = unit(name)["Service"]
    assert {key: service[key][-1] for key in HARDENED} == HARDENED
    program, *words = service["ExecStart"][0].split()
    assert program == "/opt/moongate/.venv/bin/moongate"
    understood(*words)
    assert int(service["TimeoutStopSec"][0]) > LONGEST_END_SECONDS
    assert service["Restart"] == ["on-failure"]


def test_only_the_process_that_holds_the_port_is_told_to_end_or_to_renew() -> None:
    service = unit("moongate-server.service")["Service"]
    assert service["KillMode"] == ["mixed"]
    assert service["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


@pytest.mark.parametrize("name", UNITS)
def test_systemd_where_it_is_installed_finds_no_fault_in_a_unit(name: str, tmp_path: Path) -> None:
    placed = tmp_path / name
    placed.write_text((DEPLOY / "systemd" / name).read_text().replace("/opt/moongate/.venv/bin/moongate", "/bin/true"))
    assert complaints(placed) == ""


def complaints(placed: Path) -> str:
    """What systemd says against a unit; our own reading above stands for it on machines without."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        return ""
    checked = subprocess.run([tool, "verify", "--man=no", str(placed)], capture_output=True, text=True, check=False)
    return checked.stderr + ("" if checked.returncode == 0 else f"status {checked.returncode}")


def test_the_container_runs_as_nobody_in_particular_from_packages_held_to_their_hashes() -> None:
    told = instructions()
    last = [index for index, (name, _) in enumerate(told) if name == "FROM"][-1]
    assert {rest for name, rest in told if name == "FROM"} == {"python:3.11-slim AS build", "python:3.11-slim"}
    final = dict(told[last:])
    assert final["USER"] == "10001:10001"
    assert final["ENTRYPOINT"] == '["moongate"]'
    assert "/healthz" in final["HEALTHCHECK"]
    assert final["VOLUME"] == "/var/lib/moongate"
    installs = [rest for name, rest in told if name == "RUN" and "pip install" in rest]
    assert installs
    assert all("--require-hashes" in rest or "--no-index" in rest for rest in installs)
    understood(*re.findall(r'"([^"]+)"', final["CMD"]))


def test_nothing_but_code_comes_into_the_container() -> None:
    copied = {word for name, rest in instructions() if name == "COPY" and "--from" not in rest for word in rest.split()[:-1]}
    assert copied == {
        "requirements.lock",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "wsgi.py",
        "gateway",
        "scim",
        "federation",
    }
    for name, rest in instructions():
        if name in {"ENV", "ARG"}:
            assert not re.search(r"SECRET|PASSWORD|TOKEN|DATABASE_URL|KEY", rest), rest


def test_no_file_for_deployment_holds_a_secret() -> None:
    for file in DEPLOY.rglob("*"):
        if file.is_file():
            assert not re.search(r"(SECRET_KEYS|PASSWORD|TOKEN)=[A-Za-z0-9]", file.read_text()), file
