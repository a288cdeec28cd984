"""What a directory asked for is found again: in the log, by its request, and by the correlation id of its answer."""

import pytest
from flask.testing import FlaskClient

from gateway.domain.nodes import Node
from tests.cli.conftest import Commands

ADA: dict[str, object] = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ada@acme.example"}


def push(client: FlaskClient, person: dict[str, object], headers: dict[str, str]) -> int:
    """Create a person as a directory does, and return the status."""
    return client.post("/t/acme/scim/v2/Users", base_url="http://localhost:8000", json=person, headers=headers).status_code


@pytest.fixture
def connection(moongate: Commands, client: FlaskClient, acme: Node) -> str:
    """A connection that created ada, and then was refused a second one; its id."""
    made = moongate.json("scim-connection", "create", "--tenant", "acme", "--name", "Directory")
    headers = {"Authorization": f"Bearer {made['token']}", "Content-Type": "application/scim+json"}
    statuses = [push(client, ADA, headers) for _ in range(2)]
    assert statuses == [201, 409]
    return str(made["id"])


def test_requests_are_listed_newest_first(moongate: Commands, connection: str) -> None:
    rows = moongate.json("scim-log", "--tenant", "acme", "--connection", connection)
    assert [(row["status"], row["code"]) for row in rows] == [(409, "E_Login_Taken"), (201, None)]
    assert moongate.words("scim-log", "--tenant", "acme", "--limit", "1").splitlines()[0].startswith("ID ")
    assert moongate.json("scim-log", "--tenant", "acme", "--connection", "unheard-of") == []


def test_a_request_is_explained_by_its_id_or_its_correlation_id(moongate: Commands, connection: str) -> None:
    row = moongate.json("scim-log", "--tenant", "acme")[0]
    for key in (row["id"], row["correlation_id"]):
        told = moongate.json("scim-log", "--tenant", "acme", "--explain", key)
        assert (told["id"], told["status"], told["connection"]) == (row["id"], 409, connection)
        assert told["meaning"]


def test_another_tenant_sees_nothing_of_it(moongate: Commands, connection: str, globex: Node) -> None:
    row = moongate.json("scim-log", "--tenant", "acme")[0]
    assert moongate.json("scim-log", "--tenant", "globex") == []
    assert moongate.refusal("scim-log", "--tenant", "globex", "--explain", row["correlation_id"]) == "E_Resource_Not_Found"


def test_explain_takes_the_correlation_id_of_a_scim_answer(moongate: Commands, connection: str) -> None:
    row = moongate.json("scim-log", "--tenant", "acme")[0]
    told = moongate.json("explain", row["correlation_id"])
    assert told["code"] == "E_Login_Taken"
    assert [request["status"] for request in told["requests"]] == [409]
    assert told["chain"] == []
    text = moongate.words("explain", row["correlation_id"])
    assert text.startswith("E_Login_Taken")
    assert "SCIM requests" in text


def test_no_log_line_holds_the_token(moongate: Commands, client: FlaskClient, connection: str) -> None:
    added = moongate.json("scim-connection", "add-token", "--tenant", "acme", connection)
    headers = {"Authorization": f"Bearer {added['token']}", "Content-Type": "application/scim+json"}
    push(client, ADA | {"userName": "grace@acme.example", "password": added["token"]}, headers)
    for row in moongate.json("scim-log", "--tenant", "acme"):
        assert added["token"] not in moongate.run("scim-log", "--tenant", "acme", "--explain", row["id"], "--json").stdout
