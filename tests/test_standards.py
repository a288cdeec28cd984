"""docs/standards.md lists which test proves which line of the standards, and cannot drift from the tests."""

import ast
import re
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).resolve().parent
DOCUMENT = TESTS.parent / "docs/standards.md"

# A test carries the ids it proves in its name:
# `test_a13_…`, `test_e03_e04_…` under tests/scim, elsewhere `test_openid_17_…` or `test_44_…`.
_SCIM = re.compile(r"test_((?:[aeo]\d+_)+)")
_OPENID = re.compile(r"test_(?:openid_)?((?:\d{1,3}_)+)")


def proved() -> dict[str, list[str]]:
    """The tests that carry each id."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        scim = "scim" in path.relative_to(TESTS).parts
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            match = (_SCIM if scim else _OPENID).match(node.name)
            for item in match[1].strip("_").split("_") if match else ():
                found[item.upper() if scim else f"{int(item)}"].append(f"{path.relative_to(TESTS.parent).as_posix()}::{node.name}")
    return dict(found)


def test_every_line_of_the_list_names_a_test_that_exists_and_every_such_test_is_listed() -> None:
    listed: dict[str, set[str]] = defaultdict(set)
    for row in re.findall(r"^\| ([AEO]?\d+) \|.*?\| (.*) \|$", DOCUMENT.read_text(), re.MULTILINE):
        listed[row[0]] |= set(re.findall(r"`([^`]+::\w+)`", row[1]))
    written = {item: sorted(names) for item, names in listed.items() if names}
    wanted = {item: sorted({_short(name) for name in names}) for item, names in proved().items()}
    assert written == wanted


def test_every_file_that_the_list_names_exists() -> None:
    files = re.findall(r"`([\w/]+\.py)(?:::\w+)?`", DOCUMENT.read_text())
    assert [name for name in files if not (TESTS / name).exists()] == []


def _short(name: str) -> str:
    return name.removeprefix("tests/")
