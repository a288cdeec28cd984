"""What tests of people share: a directory that pushes them, and the bodies that directories send."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any
from unittest import mock
from urllib.parse import quote, urlencode

from flask.testing import FlaskClient

from gateway.domain.connections import Adoption
from gateway.domain.nodes import Node
from gateway.domain.schema import CORE_USER_URN, ENTERPRISE_URN, MOONGATE_URN
from gateway.services import connections
from gateway.services.context import Context
from gateway.storage.connections import LogRow
from tests.groups import PATCH_URN, Directory, Reply, directory_at
from tests.sql import traced

ERROR_URN = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST_URN = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
SEARCH_URN = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"

__all__ = ["CORE_USER_URN", "ENTERPRISE_URN", "MOONGATE_URN", "PATCH_URN", "Reply", "traced"]


@dataclass(frozen=True)
class People(Directory):
    """A directory that pushes people."""

    def create(self, user_name: str = "ada@acme.example", /, **attributes: Any) -> dict[str, Any]:
        """Create a person and return the answer's document."""
        created = self.post(person(user_name, **attributes))
        assert created.status_code == 201, created.text
        return dict(created.json)

    def post(self, body: object, query: str = "", **headers: str) -> Reply:
        return self.send("POST", f"/Users{query}", body, **headers)

    def put(self, user: str, body: object, query: str = "", **headers: str) -> Reply:
        return self.send("PUT", f"/Users/{user}{query}", body, **headers)

    def get(self, user: str, query: str = "", **headers: str) -> Reply:
        return self.send("GET", f"/Users/{user}{query}", **headers)

    def delete(self, user: str, **headers: str) -> Reply:
        return self.send("DELETE", f"/Users/{user}", **headers)

    def change(self, user: str, *operations: object, query: str = "", **headers: str) -> Reply:
        """Send a PATCH with these operations."""
        return self.send("PATCH", f"/Users/{user}{query}", {"schemas": [PATCH_URN], "Operations": list(operations)}, **headers)

    def changed(self, user: str, *operations: object) -> dict[str, Any]:
        """Send a PATCH that must succeed, and return the person then."""
        answer = self.change(user, *operations)
        assert answer.status_code in {200, 204}, answer.text
        return dict(self.get(user).json)

    def listed(self, query: str) -> dict[str, Any]:
        """Return the ListResponse of a search that must succeed."""
        found = self.send("GET", f"/Users?{query}")
        assert found.status_code == 200, found.text
        return dict(found.json)

    def who(self, filter_text: str, query: str = "") -> list[str]:
        """Return the names of the people that a filter finds, sorted unless the query says how."""
        names = [resource["userName"] for resource in self.listed(f"filter={quote(filter_text)}{query}").get("Resources", [])]
        return names if "sortBy" in query else sorted(names)

    def raw(self, method: str, path: str, data: bytes | str, **headers: str) -> Reply:
        """Send a body as it is."""
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/scim+json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.client.open(self.node.scim_base + path, method=method, headers=sent, data=data)
        return Reply(answer.status_code, answer.headers, answer.data)

    def switched(self, context: Context, **switches: Any) -> "People":
        """Return this directory with switches of its connection set."""
        wanted = replace(self.connection, **switches)
        return replace(self, connection=connections.change_connection(context, self.node, self.connection, wanted))

    def log(self, context: Context) -> list[LogRow]:
        """Return the requests of the log, newest first."""
        return list(connections.list_log(context, self.node, connection=self.connection.id))


def people_of(client: FlaskClient, context: Context, node: Node, profile: str = "entra", *, adoption: Adoption = Adoption.REFUSE) -> People:
    """A directory with a new connection at a node."""
    made = directory_at(client, context, node, profile, adoption=adoption)
    return People(**{field.name: getattr(made, field.name) for field in fields(made)})


def person(user_name: str = "ada@acme.example", /, **attributes: Any) -> dict[str, Any]:
    """The body of a person."""
    return {"schemas": [CORE_USER_URN], "userName": user_name, "active": True, **attributes}


def asking(**parameters: object) -> str:
    """A query of these parameters."""
    return urlencode(parameters, quote_via=quote)


def refused(answer: Reply, status: int, scim_type: str = "", code: str = "") -> str:
    """Check that an answer is a SCIM error of this kind (RFC 7644 §3.12), and return its detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/scim+json"
    document = json.loads(answer.data)
    assert document["schemas"] == [ERROR_URN]
    assert document["status"] == str(status)
    assert document.get("scimType", "") == scim_type, document
    detail = str(document["detail"])
    assert detail.startswith(f"{code}: " if code else "E_"), detail
    assert detail.endswith(f"(correlation {answer.headers['X-Correlation-Id']})")
    return detail


@contextmanager
def broken(target: object, name: str, error: Exception) -> Iterator[None]:
    """Let a function fail inside the block."""
    with mock.patch.object(target, name, side_effect=error):
        yield
