"""The directory: pushes everybody in a first cycle, then what changes. Whatever was acknowledged is noted, and must be there afterwards.

Each person belongs to one client, which sends one change at a time and repeats it until it is acknowledged: what was acknowledged last
is what has to be there.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from tests.load.ledger import Ledger
from tests.load.scim import active, group, members, person, title
from tests.load.wire import Scim

_GROUP_OF = 25
"""People who come into a group by one request."""


@dataclass
class Person:
    """Somebody, as acknowledged."""

    login: str
    id: str
    active: bool = True
    title: str = "Engineer"
    groups: set[str] = field(default_factory=set)
    deleted: bool = False


@dataclass
class Directory:
    """One client of the directory with people of its own."""

    ledger: Ledger
    scim: Scim
    name: str
    count: int
    ended: threading.Event
    pick: random.Random
    people: list[Person] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)

    def push_everybody(self) -> None:
        """Do the initial cycle: people, then groups with their members."""
        for number in range(self.count):
            login = f"{self.name}-{number}@acme.example"
            self.people.append(Person(login, self._create("User", "/Users", person(login), f'userName eq "{login}"')))
        for start in range(0, self.count, _GROUP_OF):
            self._push_group(f"{self.name}-group-{start // _GROUP_OF}", self.people[start : start + _GROUP_OF])

    def push_changes(self, rate: Callable[[], float]) -> None:
        """Send changes, so many a second, until the end."""
        while not self.ended.is_set():
            begun = time.monotonic()
            someone = self.pick.choice([each for each in self.people if not each.deleted])
            self.pick.choices((self._switch, self._rename, self._move, self._delete), weights=(30, 30, 38, 2))[0](someone)
            self.ended.wait(max(0.0, begun + 1 / rate() - time.monotonic()))

    def _push_group(self, name: str, people: Sequence[Person]) -> None:
        group_id = self._create("Group", "/Groups", group(name), f'displayName eq "{name}"')
        self.groups.append(group_id)
        self._change("members", f"/Groups/{group_id}", members("Add", *(each.id for each in people)))
        for each in people:
            each.groups.add(group_id)

    def _switch(self, someone: Person) -> None:
        wanted = not someone.active
        self._change("active", f"/Users/{someone.id}", active(value=wanted))
        someone.active = wanted

    def _rename(self, someone: Person) -> None:
        wanted = f"Title {self.pick.randrange(10**6)}"
        self._change("title", f"/Users/{someone.id}", title(wanted))
        someone.title = wanted

    def _move(self, someone: Person) -> None:
        group_id = self.pick.choice(self.groups)
        leaves = group_id in someone.groups
        self._change("members", f"/Groups/{group_id}", members("Remove" if leaves else "Add", someone.id))
        (someone.groups.discard if leaves else someone.groups.add)(group_id)

    def _delete(self, someone: Person) -> None:
        answer = self.scim.insist("delete", "DELETE", f"/Users/{someone.id}")
        # 404: the answer to the first try was lost on its way.
        if answer.status not in {204, 404}:
            self.ledger.surprise(f"DELETE of {someone.login} answered {answer.status} {answer.body[:200]!r}")
        someone.deleted = True

    def _create(self, kind: str, path: str, body: dict[str, object], found_by: str) -> str:
        answer = self.scim.insist(f"create {kind}", "POST", path, body)
        if answer.status == 409:
            # It was made by a request whose answer was lost.
            found = self.scim.insist(f"find {kind}", "GET", f"{path}?filter={quote(found_by)}").json()
            return str(found["Resources"][0]["id"])
        if answer.status != 201:
            self.ledger.surprise(f"POST {found_by} answered {answer.status} {answer.body[:200]!r}")
        return str(answer.json()["id"])

    def _change(self, kind: str, path: str, body: dict[str, object]) -> None:
        answer = self.scim.insist(kind, "PATCH", path, body)
        if answer.status not in {200, 204}:
            self.ledger.surprise(f"PATCH {path} ({kind}) answered {answer.status} {answer.body[:200]!r}")
