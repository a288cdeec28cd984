"""Whatever is sent, the answer is SCIM's: never a fault of ours, never HTML, and nothing changes by what was refused."""

import json
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.nodes import Node
from gateway.services.context import Context
from tests.scim.people import CORE_USER_URN, ENTERPRISE_URN, MOONGATE_URN, PATCH_URN, SEARCH_URN, People, Reply, people_of, person

NAMES = [
    "userName",
    "name",
    "emails",
    "active",
    "displayName",
    "externalId",
    "id",
    "meta",
    "groups",
    "password",
    "schemas",
    "manager",
    "roles",
]
NAMES += [
    "name.givenName",
    "emails.value",
    "addresses",
    "photos",
    "value",
    "type",
    "primary",
    "$ref",
    ENTERPRISE_URN,
    MOONGATE_URN,
    "x",
    "",
]
NAMES += [
    f"{ENTERPRISE_URN}:manager",
    f"{MOONGATE_URN}:companyContacts",
    'emails[type eq "work"].value',
    "urn:a:b",
    "members",
    "Operations",
    "op",
]
TEXTS = st.one_of(
    st.sampled_from(["", " ", "True", "false", "\u0000", "\ud7ff", "%", "'", '"', "\\", "a@b.c", "null", *NAMES]), st.text(max_size=12)
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), TEXTS)
KEYS = st.one_of(st.sampled_from(NAMES), TEXTS)
JSON = st.recursive(SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)), max_leaves=10)
OBJECTS = st.dictionaries(KEYS, JSON, max_size=6)
PEOPLE = st.builds(lambda extra, name: {"schemas": [CORE_USER_URN], "userName": name} | extra, OBJECTS, st.text(min_size=1, max_size=8))
PATHS = st.one_of(st.sampled_from(NAMES), st.text(max_size=20), st.none())
OPERATION = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "replace", "remove", "Add", "REMOVE", "move", "", None])}, optional={"path": PATHS, "value": JSON}
)
PATCHES = st.builds(lambda operations: {"schemas": [PATCH_URN], "Operations": operations}, st.lists(OPERATION, min_size=1, max_size=4))
FILTER_WORDS = [
    "eq",
    "ne",
    "co",
    "pr",
    "and",
    "or",
    "not",
    "(",
    ")",
    "[",
    "]",
    '"',
    '"a"',
    "true",
    "null",
    "1",
    "-",
    ".",
    " ",
    "userName",
    "emails",
]
FILTERS = st.one_of(st.lists(st.sampled_from([*FILTER_WORDS, *NAMES]), max_size=10).map(" ".join), st.text(max_size=40))


def _is_sound(answer: Reply) -> None:
    assert answer.status_code < 500, answer.text
    assert answer.status_code == 204 or answer.headers["Content-Type"] == "application/scim+json"
    if answer.data:
        json.loads(answer.data)


def _attack(directories: list[People], body: dict[str, Any], patch: dict[str, Any], written: str, junk: bytes) -> None:
    for directory in directories:
        created = directory.post(body)
        _is_sound(created)
        user = created.json["id"] if created.status_code == 201 else "nobody"
        if user != "nobody":
            assert directory.get(user).json == created.json
        for answer in (
            directory.send("PATCH", f"/Users/{user}", patch),
            directory.put(user, body),
            directory.get(user, f"?attributes={quote(written)}"),
            directory.send("GET", f"/Users?filter={quote(written)}&sortBy={quote(written)}"),
            directory.send("POST", "/Users/.search", {"schemas": [SEARCH_URN]} | body),
            directory.send("GET", f"/{quote(written)}"),
            directory.raw("POST", "/Users", junk),
            directory.send("GET", f"/?filter={quote(written)}"),
        ):
            _is_sound(answer)
        if user != "nobody":
            _is_sound(directory.get(user))
            directory.delete(user)


def _fuzzed(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    health = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]
    return settings(max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=health)


@pytest.fixture
def everybody(entra: People, strict: People, lenient: People, context: Context) -> list[People]:
    """Connections of three profiles, with no limit to their rate."""
    return [directory.switched(context, rate=1_000_000) for directory in (entra, strict, lenient)]


@_fuzzed(25)
@given(body=PEOPLE, patch=PATCHES, written=FILTERS, junk=st.binary(max_size=60))
def test_no_body_no_patch_and_no_filter_is_a_fault_of_ours(
    everybody: list[People], body: dict[str, Any], patch: dict[str, Any], written: str, junk: bytes
) -> None:
    _attack(everybody, body, patch, written, junk)


@pytest.mark.verify
@pytest.mark.timeout(900)
@_fuzzed(3000)
@given(body=PEOPLE, patch=PATCHES, written=FILTERS, junk=st.binary(max_size=200))
def test_no_body_no_patch_and_no_filter_is_a_fault_of_ours_at_length(
    everybody: list[People], body: dict[str, Any], patch: dict[str, Any], written: str, junk: bytes
) -> None:
    _attack(everybody, body, patch, written, junk)


@pytest.mark.parametrize(
    "path",
    [
        "/Users/" + "a/" * 2000,
        "/Users/%2e%2e%2f%2e%2e%2fetc",
        "/Users/%F0%28%8C%28",
        "/Users/a?filter=%FF",
        "//Users",
        "/Users/;x=1",
        "/Users/*",
        "/%00",
    ],
)
def test_strange_paths_are_answered_in_scims_own_form(entra: People, path: str) -> None:
    _is_sound(entra.send("GET", path))
    _is_sound(entra.send("DELETE", path))


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match", "Prefer", "Content-Type", "Accept"])
@pytest.mark.parametrize("value", ["", "*", '"', 'W/"', ",,,,", '"a",W/"b",*', "x" * 5000, "\u00fc"])
def test_strange_headers_are_no_fault_of_ours(entra: People, header: str, value: str) -> None:
    user = entra.create()["id"]
    for answer in (
        entra.raw("PATCH", f"/Users/{user}", "{}", **{header: value}),
        entra.raw("GET", f"/Users/{user}", "", **{header: value}),
    ):
        assert answer.status_code < 500


def test_of_parallel_creations_of_one_name_exactly_one_succeeds(app: Flask, context: Context, acme: Node) -> None:
    directory = people_of(app.test_client(), context, acme)
    statuses: list[int] = []

    def post() -> None:
        alone = People(app.test_client(), directory.node, directory.connection, directory.token)
        statuses.append(alone.post(person()).status_code)

    threads = [threading.Thread(target=post) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] + [409] * 11
    assert directory.listed("count=0")["totalResults"] == 1


def test_what_is_refused_changes_nothing(entra: People) -> None:
    before = entra.create(title="X")
    for operations in (
        [{"op": "replace", "path": "title", "value": "Y"}, {"op": "bad"}],
        [{"op": "remove", "path": "title"}, {"op": "remove"}],
    ):
        assert entra.change(before["id"], *operations).status_code == 400
    assert entra.put(before["id"], person("", title="Z")).status_code == 400
    assert entra.get(before["id"]).json == before
