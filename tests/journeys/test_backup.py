"""A backup that is taken while a directory pushes comes back whole: everybody can sign in, and the audit trail verifies."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import databases
from tests.journeys.processes import Gateway, call, free_port, serving, wait_for
from tests.journeys.wanderer import App, Wanderer, sign_in

PASSWORD = "seven loud geese land softly"
PEOPLE = ("anna", "ben", "cleo")
CLIENTS = 2


@dataclass(frozen=True)
class Placed(Gateway):
    """A gateway whose database is of the engine that this run is about."""

    @property
    def environment(self) -> dict[str, str]:
        given = {"MOONGATE_SECRET_KEYS": "k" * 64}
        if databases.POSTGRES:
            given["MOONGATE_DATABASE_URL"] = databases.server().new(self.home)
        return super().environment | given


@dataclass
class Directory:
    """Pushes people until it is told to stop, and notes whom the server acknowledged."""

    base: str
    token: str
    acknowledged: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def push(self, client: int) -> None:
        at = client
        while not self.stopped.is_set():
            name = f"person{at}@acme.example"
            body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name}
            answer = call("POST", f"{self.base}/Users", token=self.token, body=body)
            (self.acknowledged if answer.status == 201 else self.failed).append(name)
            at += CLIENTS

    @contextmanager
    def pushing(self) -> Iterator[None]:
        clients = [threading.Thread(target=self.push, args=(at,)) for at in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            yield
        finally:
            self.stopped.set()
            for client in clients:
                client.join(60)


def filled(gateway: Gateway) -> tuple[App, Directory]:
    """A tenant with an app, people with passwords, and a directory."""
    gateway.run("platform", "init", "--admin-login", "admin", "--admin-email", "admin@moongate.example")
    acme = gateway.run("tenant", "create", "acme", "--name", "Acme Ltd", "--kind", "customer")
    for name in PEOPLE:
        words = ("user", "create", "--tenant", "acme", "--login", name, "--email", f"{name}@acme.example", "--given-name", name)
        gateway.run(*words, "--family-name", "Berg", "--password-stdin", given=PASSWORD)
    client = gateway.run(
        *("client", "register", "--tenant", "acme", "--name", "App", "--roleless", "--redirect-uri", "https://app.example/callback")
    )
    connection = gateway.run("scim-connection", "create", "--tenant", "acme", "--name", "Directory")
    app = App(acme["issuer"], client["client_id"], client["client_secret"])
    return app, Directory(connection["base_url"], connection["token"])


def tokens_of(gateway: Gateway, app: App, name: str) -> dict[str, Any]:
    """Sign in with a fresh browser."""
    browser = Wanderer([gateway.port])
    return app.redeem(browser, sign_in(browser, app, name, PASSWORD))


@pytest.mark.journey
@pytest.mark.timeout(240)
def test_a_backup_taken_under_load_comes_back_and_everybody_can_sign_in(tmp_path: Path) -> None:
    first = Placed(tmp_path / "first", free_port())
    # The same place on the net: an issuer never changes.
    second = Placed(tmp_path / "second", first.port)
    for gateway in (first, second):
        gateway.home.mkdir()
    app, directory = filled(first)
    file, kept = tmp_path / "load.backup", tmp_path / "head.json"
    with serving(first, "--workers", "2"), directory.pushing():
        wait_for(lambda: len(directory.acknowledged) > 60)
        before = set(directory.acknowledged)
        old = tokens_of(first, app, PEOPLE[0])
        kept.write_text(json.dumps(first.run("audit", "head")))
        made = first.run("backup", str(file))
        at_the_end = len(directory.acknowledged)
        wait_for(lambda: len(directory.acknowledged) > at_the_end + 20)
    assert directory.failed == []

    told = second.run("restore", str(file))
    assert told["tables"] == made["tables"]
    assert second.run("audit", "verify", "--head", str(kept))["outcome"] == "whole"
    with serving(second, "--workers", "1"):
        for name in PEOPLE:
            assert tokens_of(second, app, name)["id_token"]
        # Who was signed in is not any more.
        asked = call("GET", f"{app.issuer}/oauth2/userinfo", token=old["access_token"])
        assert asked.status == 401
        found = {name for name in before if pushed(directory, name)}
        assert found == before
        wait_for(lambda: second.run("audit", "verify")["unsealed"] == 0)


def pushed(directory: Directory, name: str) -> bool:
    """Return whether the restored gateway knows a person, by the same token."""
    answer = call("GET", f"{directory.base}/Users?filter=userName%20eq%20%22{name}%22", token=directory.token)
    return bool(answer.json()["totalResults"] == 1)
