"""What tests of groups share: connections, people by the dozen, and a look at the SQL that runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from gateway.domain.connections import Adoption, Connection
from gateway.domain.document import PersonFields
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.services import connections, people
from gateway.services.connections import NewConnection
from gateway.services.context import Context
from gateway.services.people import NewPerson
from gateway.storage.database import Database


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


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """The SQL that runs inside the block."""
    ran: list[str] = []
    engine = database.engine
    execute = engine.execute_sql

    def watched(sql: str, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 -- a driver's cursor
        ran.append(sql)
        return execute(sql, *arguments, **options)

    engine.execute_sql = watched
    try:
        yield ran
    finally:
        engine.execute_sql = execute
