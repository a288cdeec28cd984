"""The repository keeps its own rules: sizes, names, docstrings, locks, commands and links."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("gateway", "scim", "federation", "tests", "bench")
LOCKS = ("requirements.lock", "requirements-dev.lock", "tests/journeys/iam/requirements.lock")
COMMANDS = ("demo", "test", "verify", "bench")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# `moongate = "gateway.cli:main"` names a package, which may therefore pass on that one name.
SCRIPT_PACKAGES = {ROOT / entry.split(":")[0].replace(".", "/") for entry in PROJECT["scripts"].values()}

# Put together from pieces, so that this file may stand in the repository that it searches.
FORBIDDEN = re.compile(
    "|".join(
        (
            "/" + r"work/",
            "/" + "tmp/" + "brief",
            "/" + "opt/" + "pypi",
            r"pypi\." + "org",
            "python" + "hosted",
            r"registry\." + "npmjs",
            r"\b" + "TO" + r"DO\b",
            r"\b" + "FIX" + r"ME\b",
            r"\b" + "XX" + r"X\b",
            r"\bsub" + r"agents?\b",
            r"\bchat" + r"bots?\b",
            r"\bA" + r"I[- ](assistant|generated)\b",
        )
    )
)


def repository_files() -> list[Path]:
    """Every file that is or would be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def text_files() -> Iterator[tuple[str, str]]:
    """Name and text of every file that is text."""
    for path in repository_files():
        try:
            yield path.relative_to(ROOT).as_posix(), path.read_text()
        except UnicodeDecodeError:
            continue


def sources(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def locked(lock: str) -> dict[str, str]:
    """The version that `lock` holds of each package, by canonical name."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", (ROOT / lock).read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pins}


def test_no_module_grows_past_400_lines() -> None:
    long = {str(path.relative_to(ROOT)): lines for path in sources(*ROOMS) if (lines := len(path.read_text().splitlines())) > 400}
    assert not long


def test_no_module_is_a_heap_by_name() -> None:
    heaps = {"utils.py", "helpers.py", "common.py", "base.py"}
    assert not [path for path in sources(*ROOMS) if path.name in heaps]


def test_every_package_says_what_it_is_for_and_nothing_else() -> None:
    packages = {path.parent for path in sources(*ROOMS)}
    for package in sorted(packages):
        body = ast.parse((package / "__init__.py").read_text()).body
        if package in SCRIPT_PACKAGES:
            assert all(isinstance(node, ast.ImportFrom) or ast.unparse(node).startswith("__all__") for node in body[1:]), package
        else:
            assert len(body) == 1, package
        assert isinstance(body[0], ast.Expr), package
        assert isinstance(body[0].value, ast.Constant), package
        assert isinstance(body[0].value.value, str), package


def test_the_ground_stands_on_the_standard_library_alone() -> None:
    for path in sources("gateway/domain"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                assert name.split(".")[0] in sys.stdlib_module_names or name.startswith("gateway.domain"), f"{path.name} imports {name}"


def test_nobody_sleeps_to_wait() -> None:
    # Whole stories wait for real processes, and a load comes at its pace; everybody else waits for a condition, with the clock passed in.
    found = sources("gateway", "scim", "federation", "tests")
    sleepers = [path for path in found if not {"journeys", "load"} & set(path.parts) and calls_sleep(path)]
    assert not sleepers


def calls_sleep(path: Path) -> bool:
    return any(
        isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "sleep", "asyncio.sleep"}
        for node in ast.walk(ast.parse(path.read_text()))
    )


def test_no_test_is_skipped_and_none_is_expected_to_fail() -> None:
    dodges = re.compile(r"pytest\.(mark\.)?(" + "skip|skipif|xfail|importorskip" + r")\b")
    assert not [path for path in sources("tests") if path != Path(__file__) and dodges.search(path.read_text())]


def test_an_exception_to_a_check_carries_its_reason() -> None:
    silencer = re.compile(r"#\s*(?:noqa:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*|type:\s*ignore\[[a-z, -]+\])(?P<reason>.*)")
    for path in sources(*ROOMS):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if path != Path(__file__) and (found := silencer.search(line)):
                assert re.search(r"\w{2,} \w+", found["reason"]), f"{path.name}:{number}"


def test_nothing_speaks_of_places_and_people_that_are_not_the_projects() -> None:
    found = [f"{name}: {match.group()}" for name, text in text_files() for match in FORBIDDEN.finditer(text)]
    assert not found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host_and_hashes_everything(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert not re.search(r"https?:|file:|--\w*index|--find-links|--trusted-host| @ |^\s*-e|^\s*#", text, re.MULTILINE)
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[A-Za-z0-9._-]+(\[[^\]]*\])?==\S+", entry), entry.splitlines()[0]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry.splitlines()[0]


def test_the_locks_hold_what_the_project_asks_for() -> None:
    extras = PROJECT["optional-dependencies"]
    wanted = {
        "requirements.lock": [*PROJECT["dependencies"], *extras["install"]],
        "requirements-dev.lock": [*PROJECT["dependencies"], *extras["install"], *extras["dev"]],
    }
    for lock, lines in wanted.items():
        pins = locked(lock)
        for requirement in map(Requirement, lines):
            version = pins.get(canonicalize_name(requirement.name))
            assert version, f"{requirement.name} is missing in {lock}: make lock"
            assert requirement.specifier.contains(version), f"{requirement} is {version} in {lock}: make lock"


def test_tests_run_on_the_versions_that_production_runs_on() -> None:
    tested = locked("requirements-dev.lock")
    assert {name: tested.get(name) for name in locked("requirements.lock")} == locked("requirements.lock")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_promised_command_exists_and_is_explained(command: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{command}:.*## \w", makefile, re.MULTILINE)
    assert f"make {command}" in (ROOT / "README.md").read_text()


def test_continuous_integration_runs_the_command_of_the_readme() -> None:
    script = (ROOT / ".ci/run").read_text()
    assert "set -euo pipefail" in script
    assert script.splitlines()[-1] == "make test"


def test_every_link_between_documents_leads_somewhere() -> None:
    for path in repository_files():
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
            if not re.match(r"[a-z]+:|#", target):
                assert (path.parent / target.split("#")[0]).exists(), f"{path.relative_to(ROOT)}: {target}"
