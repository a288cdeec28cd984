"""What tests of groups share: connections, directories that speak SCIM, people by the dozen, and a look at the SQL that runs."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import Headers

from gateway.domain.connections import Adoption, Connection
from gateway.domain.document import PersonFields
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.schema import CORE_GROUP_URN
from gateway.services import connections, people
from gateway.services.connections import NewConnection
from gateway.services.context import Context
from gateway.services.people import NewPerson
from gateway.storage.database import Database, Statement

PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def connection_at(context: Context, node: Node, profile: str = "entra", *, adoption: Adoption = Adoption.REFUSE) -> tuple[Connection, str]:
    """A new connection at a node, and its bearer token."""
    issued = connections.create_connection(context, node, NewConnection(f"{profile} at {node.slug}", profile))
    wanted = replace(issued.connection, adoption=adoption)
    return connections.change_connection(context, node, issued.connection, wanted), issued.secret


def person_at(context: Context, node: Node, login: str) -> Account:
    """A person homed at a node."""
    fields = PersonFields(
        user_name=login,
        given_name=login.title(),
        family_name="Ek",
        display_name=f"{login.title()} Ek",
        email=f"{login}@{node.slug}.example",
    )
    return people.create_person(context, node, NewPerson(fields))


def people_at(context: Context, node: Node, count: int) -> list[Account]:
    """Many people homed at a node, made in one transaction."""
    with context.database.transaction():
        return [person_at(context, node, f"person{number}") for number in range(count)]


@dataclass(frozen=True)
class Reply:
    """What a directory is answered."""

    status_code: int
    headers: Headers
    data: bytes

    @property
    def text(self) -> str:
        return self.data.decode()

    @property
    def json(self) -> Any:  # noqa: ANN401 -- whatever the answer holds
        return json.loads(self.data)


@dataclass(frozen=True)
class Directory:
    """A SCIM client: one connection with its token."""

    client: FlaskClient
    node: Node
    connection: Connection
    token: str

    def send(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        """Send a request to a path below the tenant's SCIM base; `If_Match=…` is the header If-Match."""
        sent = {"Authorization": f"Bearer {self.token}"} | {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else json.dumps(body)
        answer = self.client.open(self.node.scim_base + path, method=method, headers=sent, data=data, content_type="application/scim+json")
        return Reply(answer.status_code, answer.headers, answer.data)

    def group(self, name: str, *members: str, **further: object) -> str:
        """Create a group and return its id."""
        body = {"schemas": [CORE_GROUP_URN], "displayName": name, "members": [{"value": member} for member in members], **further}
        created = self.send("POST", "/Groups", body)
        assert created.status_code == 201, created.text
        return str(created.json["id"])

    def patch(self, group: str, *operations: object, query: str = "", **headers: str) -> Reply:
        """Send a PATCH with these operations."""
        return self.send("PATCH", f"/Groups/{group}{query}", {"schemas": [PATCH_URN], "Operations": list(operations)}, **headers)

    def members(self, group: str) -> set[str]:
        """Return the ids of a group's members."""
        return {element["value"] for element in self.send("GET", f"/Groups/{group}").json.get("members", [])}

    def etag(self, group: str) -> str:
        """Return a group's version."""
        return str(self.send("GET", f"/Groups/{group}?excludedAttributes=members").headers["ETag"])

    def find(self, written: str, query: str = "") -> list[str]:
        """Return the names of the groups that a filter finds."""
        found = self.send("GET", f"/Groups?filter={quote(written)}{query}")
        assert found.status_code == 200, found.text
        return [resource["displayName"] for resource in found.json["Resources"]]


def directory_at(
    client: FlaskClient, context: Context, node: Node, profile: str = "entra", *, adoption: Adoption = Adoption.REFUSE
) -> Directory:
    """A directory with a new connection at a node."""
    connection, token = connection_at(context, node, profile, adoption=adoption)
    return Directory(client, node, connection, token)


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """The SQL that is asked of the database inside the block, by whichever thread and connection."""
    ran: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("rows", "row", "write", "write_many", "select"):
            patch.setattr(database, name, _watched(database, getattr(database, name), ran))
        yield ran


def _watched(database: Database, ask: Callable[..., Any], ran: list[str]) -> Callable[..., Any]:
    def watched(asked: Any, *arguments: Any, **values: Any) -> Any:  # noqa: ANN401 -- passed on as they come
        query = asked.query if isinstance(asked, Statement) else asked
        ran.append(str(database.engine.get_sql_context().parse(query)[0]))
        return ask(asked, *arguments, **values)

    return watched
