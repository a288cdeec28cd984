"""Directories that push people and groups all at once are never told of a fault of ours, and nobody who left stays a member."""

import random
from collections.abc import Callable

import pytest
from flask import Flask

from gateway.domain.nodes import Node
from gateway.services.context import Context
from gateway.storage import group_members, groups
from gateway.storage.people import list_accounts
from tests.groups import Directory, connection_at
from tests.races import crowd
from tests.scim.people import CORE_USER_URN

PUSHERS, PUSHES = 6, 25
USUAL = {200, 201, 204, 400, 404, 409}
"""Done, or refused by what another one did before: a name that is taken, somebody who is gone."""


class Pusher:
    """One of the connections of a directory, pushing whatever it likes."""

    def __init__(self, directory: Directory, seed: int, people: list[str], teams: list[str]) -> None:
        """Take the people and groups that all push at."""
        self._directory = directory
        self._random = random.Random(seed)
        self._people = people
        self._teams = teams
        self._acts: tuple[Callable[[], int], ...] = (
            self._hire,
            self._rename,
            self._disable,
            self._fire,
            self._join,
            self._join,
            self._leave,
        )

    def push(self) -> set[int]:
        """Push for a while; return the statuses that were answered."""
        return {self._random.choice(self._acts)() for _ in range(PUSHES)}

    def _hire(self) -> int:
        name = f"new{self._random.randrange(40)}@acme.example"
        answer = self._directory.send("POST", "/Users", {"schemas": [CORE_USER_URN], "userName": name})
        if answer.status_code == 201:
            self._people.append(answer.json["id"])
        return answer.status_code

    def _rename(self) -> int:
        return self._change({"op": "replace", "path": "title", "value": f"title {self._random.randrange(9)}"})

    def _disable(self) -> int:
        return self._change({"op": "replace", "path": "active", "value": self._random.random() < 0.5})

    def _fire(self) -> int:
        return self._directory.send("DELETE", f"/Users/{self._random.choice(self._people)}").status_code

    def _join(self) -> int:
        some = [{"value": person} for person in self._random.sample(self._people, 3)]
        return self._directory.patch(self._random.choice(self._teams), {"op": "add", "path": "members", "value": some}).status_code

    def _leave(self) -> int:
        gone = f'members[value eq "{self._random.choice(self._people)}"]'
        return self._directory.patch(self._random.choice(self._teams), {"op": "remove", "path": gone}).status_code

    def _change(self, operation: dict[str, object]) -> int:
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]}
        return self._directory.send("PATCH", f"/Users/{self._random.choice(self._people)}", body).status_code


@pytest.mark.parametrize("seed", [1, 2])
def test_pushing_all_at_once_is_no_fault_and_leaves_nobody_behind(app: Flask, context: Context, acme: Node, seed: int) -> None:
    connection, token = connection_at(context, acme)
    directories = [Directory(app.test_client(), acme, connection, token) for _ in range(PUSHERS)]
    people = [
        str(directories[0].send("POST", "/Users", {"schemas": [CORE_USER_URN], "userName": f"p{at}@acme.example"}).json["id"])
        for at in range(12)
    ]
    teams = [directories[0].group(f"Team {at}") for at in range(3)]
    pushers = [Pusher(directory, seed * 100 + at, people, teams) for at, directory in enumerate(directories)]
    got = crowd(context, PUSHERS, lambda at: pushers[at].push())
    for statuses in got:
        assert isinstance(statuses, set), statuses
        assert statuses <= USUAL
    here = {account.id for account in list_accounts(context.database, acme.id)}
    for team in groups.list_groups(context.database, acme.id):
        assert {member.id for member in group_members.list_members(context.database, team.id)} <= here
