"""Fills a database before it is measured: people as an enterprise directory pushes them, a large group, an app, somebody who signs in."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench import bulk
from gateway.domain.connections import Connection
from gateway.domain.document import PersonFields
from gateway.domain.groups import AddMembers
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.schema import CORE_USER_URN, ENTERPRISE_URN, JsonObject
from gateway.http import endpoints
from gateway.services import connections, credentials, groups, nodes, people, person_views, platform, provisioning, relying_parties
from gateway.services.connections import NewConnection
from gateway.services.context import Context
from gateway.services.groups import Wanted
from gateway.services.house import OPERATOR
from gateway.services.nodes import NewNode
from gateway.services.people import NewPerson
from gateway.services.relying_parties import NewRelyingParty
from gateway.settings import Settings
from gateway.wiring import open_house

PASSWORD = "kettle-orbit-willow-lantern"
_BATCH = 500
LARGE_GROUP = 100_000
"""Members of the group, where there are enough people."""


@dataclass(frozen=True, slots=True)
class Population:
    """What the scenarios need to know."""

    issuer: str
    token: str
    people: list[str]
    """Ids, in the order of `user_name`."""
    group: str
    """Id of a large group, which the last tenth is not in."""
    client_id: str
    client_secret: str
    redirect_uri: str
    login: str


def user_name(number: int) -> str:
    """Return the userName of a person."""
    return f"person{number:07}@acme.example"


def person(number: int, name: str = "") -> JsonObject:
    """Return a person as Entra ID pushes it: core and enterprise attributes, two addresses, two numbers."""
    login = name or user_name(number)
    return {
        "schemas": [CORE_USER_URN, ENTERPRISE_URN],
        "externalId": login,
        "userName": login,
        "active": True,
        "displayName": f"Given{number} Family{number}",
        "title": "Engineer",
        "preferredLanguage": "en-GB",
        "name": {"formatted": f"Given{number} Family{number}", "givenName": f"Given{number}", "familyName": f"Family{number}"},
        "emails": [{"primary": True, "type": "work", "value": login}],
        "phoneNumbers": [{"type": "work", "value": f"+44 20 {number:08}"}, {"type": "mobile", "value": f"+44 77 {number:08}"}],
        "addresses": [{"type": "work", "streetAddress": f"{number} High Street", "locality": "London", "country": "UK"}],
        ENTERPRISE_URN: {"employeeNumber": str(number), "department": f"Department {number % 50}", "costCenter": "4711"},
    }


def populate(settings: Mapping[str, str], count: int, *, in_bulk: bool = False) -> Population:
    """Fill a new database with `count` people and return what clients need.

    In bulk, all but one are written to the tables as copies of that one, in a hundredth of the time.
    """
    house = open_house(Settings.from_env(settings))
    context = house.context(OPERATOR)
    root = platform.found(context, login="admin", email="admin@moongate.example").node
    acme = nodes.create_node(context, root.id, NewNode("acme", "Acme Ltd", NodeKind.CUSTOMER))
    issued = connections.create_connection(context, acme, NewConnection(name="Directory"))
    # The load comes through one connection, faster than any directory sends.
    connections.change_connection(context, acme, issued.connection, replace(issued.connection, rate=1_000_000))
    ids = _people(context, issued.connection, acme, range(bulk.PATTERN, bulk.PATTERN + 1) if in_bulk else range(count))
    if in_bulk:
        ids = bulk.copy_person(context.database, settings["MOONGATE_DATABASE_URL"], acme, ids[0], count)
    members = ids[: min(count - count // 10, LARGE_GROUP)]
    wanted = Wanted("Everybody", None, (AddMembers(tuple(members[:1] if in_bulk else members)),))
    group = groups.create_group(context, acme, wanted, connection=issued.connection).seen.group
    if in_bulk:
        bulk.copy_member(context.database, settings["MOONGATE_DATABASE_URL"], members)
    redirect_uri = "http://localhost:9/callback"
    app, secret = relying_parties.register(
        context, acme.id, NewRelyingParty(name="App", redirect_uris=[redirect_uri], roleless=True, id_token_alg="ES256")
    )
    login = _somebody_local(context, acme.slug)
    house.database.close()
    return Population(acme.issuer, issued.secret, ids, group.id, app.client_id, secret, redirect_uri, login)


def _people(context: Context, connection: Connection, node: Node, numbers: Sequence[int]) -> list[str]:
    """Provision people and return their ids."""
    reader = person_views.Reader(context, connection, node.issuer + endpoints.SCIM)
    ids: list[str] = []
    for start in range(0, len(numbers), _BATCH):
        with context.database.transaction():
            part = numbers[start : start + _BATCH]
            made = [provisioning.create_provisioned(context, connection, node, person(number)) for number in part]
            ids += [person_views.get_written(reader, each.account.id, each.ready).id for each in made]
    return ids


def _somebody_local(context: Context, slug: str) -> str:
    fields = PersonFields(user_name="local", given_name="Lo", family_name="Cal", email="lo@elsewhere.example")
    account = people.create_person(context, nodes.get_node(context, slug), NewPerson(fields))
    credentials.set_password(context, account, PASSWORD)
    return fields.user_name


def as_body(document: JsonObject) -> bytes:
    """Return a document as a request's body."""
    return json.dumps(document).encode()
