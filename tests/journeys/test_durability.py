"""A server killed in the middle of its work has everything it acknowledged."""

import json
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from gateway.settings import Settings
from gateway.storage import connections, nodes
from gateway.wiring import open_house
from tests.journeys.processes import Gateway, free_port, serving

CREATES = 500
ACKNOWLEDGED_BEFORE_THE_KILL = 120
CLIENTS = 4


@dataclass
class Directory:
    """Pushes people and notes whom the server acknowledged."""

    gateway: Gateway
    token: str
    acknowledged: dict[str, str] = field(default_factory=dict)
    """Ids by userName."""
    enough: threading.Event = field(default_factory=threading.Event)

    def push(self, client: int) -> None:
        """Create a client's share of the people until the server is gone."""
        connection = HTTPConnection("127.0.0.1", self.gateway.port, timeout=30)
        try:
            for number in range(client, CREATES, CLIENTS):
                self._create(connection, f"person{number}@acme.example")
        except (OSError, HTTPException):
            return
        finally:
            connection.close()

    def get(self, account_id: str) -> tuple[int, Mapping[str, object]]:
        """Return how the server answers for a person."""
        connection = HTTPConnection("127.0.0.1", self.gateway.port, timeout=30)
        connection.request("GET", f"/t/acme/scim/v2/Users/{account_id}", headers=self._headers())
        answer = connection.getresponse()
        status, body = answer.status, json.loads(answer.read())
        connection.close()
        return status, body

    def _create(self, connection: HTTPConnection, user_name: str) -> None:
        body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": user_name}
        connection.request("POST", "/t/acme/scim/v2/Users", json.dumps(body), self._headers())
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 201, text
        self.acknowledged[user_name] = json.loads(text)["id"]
        if len(self.acknowledged) >= ACKNOWLEDGED_BEFORE_THE_KILL:
            self.enough.set()

    def _headers(self) -> dict[str, str]:
        return {
            "Host": f"localhost:{self.gateway.port}",
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/scim+json",
        }


@pytest.mark.journey
def test_a_server_killed_in_the_middle_of_creates_has_every_acknowledged_one(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, free_port())
    gateway.run("platform", "init", "--admin-login", "admin", "--admin-email", "admin@example.com")
    gateway.run("tenant", "create", "acme", "--name", "Acme Ltd", "--kind", "customer")
    token = gateway.run("scim-connection", "create", "--tenant", "acme", "--name", "Directory")["token"]
    directory = Directory(gateway, token)
    clients = [threading.Thread(target=directory.push, args=(at,)) for at in range(CLIENTS)]
    with serving(gateway, "--workers", "2") as server:
        for client in clients:
            client.start()
        assert directory.enough.wait(60)
        os.killpg(server.pid, signal.SIGKILL)
    for client in clients:
        client.join(60)
    assert ACKNOWLEDGED_BEFORE_THE_KILL <= len(directory.acknowledged) < CREATES
    stored = stored_people(gateway)
    assert directory.acknowledged.items() <= stored.items()
    with serving(gateway, "--workers", "1"):
        for user_name, account_id in directory.acknowledged.items():
            status, person = directory.get(account_id)
            assert (status, person["userName"]) == (200, user_name)


def stored_people(gateway: Gateway) -> dict[str, str]:
    """Return the ids of the stored people by userName, after a look at whether the database is whole."""
    house = open_house(Settings.from_env(gateway.environment))
    database = house.database
    assert database.script("PRAGMA integrity_check") == [("ok",)]
    assert database.script("PRAGMA foreign_key_check") == []
    found: dict[str, str] = dict(database.script("SELECT login, id FROM account WHERE login LIKE 'person%'"))
    # What belongs to one act is there with it or not at all.
    acme = nodes.find_node_by_slug(database, "acme")
    assert acme is not None
    assert connections.total(database, acme.id, "User") == len(found)
    for table in (
        "sign_in_name WHERE kind = 'home' AND name_key LIKE 'person%'",
        "audit WHERE action = 'person.created' AND channel = 'scim'",
    ):
        assert database.script(f"SELECT COUNT(*) FROM {table}") == [(len(found),)]  # noqa: S608 -- text of this test
    database.close()
    return found
