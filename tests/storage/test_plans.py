"""Whatever is asked often is found by an index: with thousands of rows nobody walks through a table, on both engines."""

from dataclasses import dataclass, replace
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import RelyingParty, Session
from gateway.services import grants, sessions
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.services.grants import Issued
from gateway.services.house import House
from gateway.services.jobs import Runner
from gateway.storage import identity_providers as stored_providers
from gateway.storage.database import Database
from tests import databases
from tests.groups import Directory, directory_at, people_at
from tests.sign_ins import PASSWORD, REDIRECT_URI, begin, make_app, make_person, make_provider, request_of, vouched
from tests.sql import chosen_walks, plan_of, table_names, table_of, traced

PEOPLE = 2000
MANY = 1000
"""Rows of a table that nobody may walk through."""
ASKING = ("SELECT", "WITH", "UPDATE", "DELETE", "INSERT")


@dataclass(frozen=True)
class World:
    """A tenant with thousands of people who have sessions, grants, tokens, links and jobs, and a directory that pushes them."""

    context: Context
    house: House
    node: Node
    app: RelyingParty
    anna: Account
    people: list[Account]
    directory: Directory
    group: str
    session: Session
    refresh_token: str


@pytest.fixture
def world(context: Context, house: House, client: FlaskClient, acme: Node) -> World:
    people = people_at(context, acme, PEOPLE)
    anna = make_person(context, acme, "anna.berg", password=PASSWORD)
    app = make_app(context, acme, grants=("authorization_code", "refresh_token"), pkce_required=False)
    sign_ins.prove_password(context, acme, begin(context, acme, app).sign_in, anna.login, PASSWORD)
    [session] = sessions.list_of_account(context, anna.id)
    issued = redeemed(context, acme, app, session)
    token = grants.refresh(context, acme, app, issued.refresh_token).refresh_token
    with context.database.transaction():
        context.enqueue("kind", acme.id, {})
    corp = make_provider(context, acme)
    with context.database.transaction():
        for person in people:
            stored_providers.insert_link(context.database, corp, corp.issuer, person.id, person.id, now=context.now())
    directory = directory_at(client, context, acme)
    directory.group("Everybody", *(person.id for person in people))
    group = directory.group("Few", *(person.id for person in people[:50]))
    multiply(context.database, "session", sid="'s' || a.id", secret_hash="'h' || a.id", account="a.id")
    multiply(context.database, "app_grant", id="'g' || a.id", session="'s' || a.id", account="a.id")
    multiply(context.database, "refresh_token", token_hash="'t' || a.id", app_grant="'g' || a.id")
    multiply(context.database, "sign_in", id="'i' || a.id", handle_hash="'n' || a.id")
    multiply(context.database, "job", id="'j' || a.id", state="'done'")
    if databases.POSTGRES:
        # As it does by itself before long; SQLite is never told how many rows there are.
        context.database.script("ANALYZE")
    return World(context, house, acme, app, anna, people, directory, group, session, token)


def multiply(database: Database, table: str, **fresh: str) -> None:
    """Copy a row of a table for everybody; `fresh` says which columns differ, and how they are made of an account."""
    names = [field.column_name for field in table_of(table)._meta.sorted_fields]
    made = ", ".join(fresh.get(name, f"t.{name}") for name in names)
    one = f"(SELECT * FROM {table} LIMIT 1) AS t"  # noqa: S608 -- names of our own tables
    database.script(f"INSERT INTO {table} ({', '.join(names)}) SELECT {made} FROM account AS a, {one} WHERE a.login LIKE 'person%'")  # noqa: S608 -- names of our own tables


def redeemed(context: Context, node: Node, app: RelyingParty, session: Session) -> Issued:
    request = replace(request_of(app), scope=("openid", "offline_access"))
    code = grants.authorize(context, node, app, request, session, tenant="")
    assert isinstance(code, str)
    return grants.redeem_code(context, node, app, code, redirect_uri=REDIRECT_URI, verifier="")


def provision(world: World) -> None:
    """What a directory asks all day."""
    directory, one = world.directory, world.people[7]
    asked = [
        directory.send("GET", f"/Users/{one.id}"),
        directory.send("GET", "/Users?filter=" + quote(f'userName eq "{one.login}"')),
        directory.send("GET", "/Users?filter=" + quote('externalId eq "none"')),
        directory.send("GET", "/Users?filter=" + quote(f'emails[type eq "work"].value eq "{one.email}"')),
        directory.send("GET", "/Users?startIndex=1&count=20"),
        directory.send("GET", f"/Groups/{world.group}?excludedAttributes=members"),
        directory.send("GET", "/Groups?filter=" + quote('displayName eq "Few"') + "&excludedAttributes=members"),
        directory.send("GET", "/Groups?filter=" + quote(f'members[value eq "{one.id}"]') + "&excludedAttributes=members"),
        directory.patch(world.group, {"op": "remove", "path": f'members[value eq "{one.id}"]'}),
        directory.patch(world.group, {"op": "add", "path": "members", "value": [{"value": one.id}]}),
        directory.send("POST", "/Users", {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "new@acme.example"}),
    ]
    assert [answer.status_code for answer in asked if answer.status_code >= 400] == []
    new = asked[-1].json["id"]
    assert directory.send("DELETE", f"/Users/{new}").status_code == 204


def sign_on(world: World) -> None:
    """What a sign-on, its app and its end ask."""
    context, node, app = world.context, world.node, world.app
    begun = begin(context, node, app)
    signed_in = sign_ins.prove_password(context, node, begun.sign_in, world.anna.login, PASSWORD)
    session = sessions.find_live_session(context, node, signed_in.session_secret)
    assert session is not None
    issued = redeemed(context, node, app, session)
    assert grants.find_live(context, node.id, issued.grant.id) is not None
    assert grants.refresh(context, node, app, world.refresh_token).refresh_token
    corp = stored_providers.find_provider_by_key(context.database, node.id, "corp")
    assert corp is not None
    known = vouched(corp, "somebody@else.example", subject=world.people[3].id)
    away = begin(context, node, app)
    state, _ = sign_ins.begin_leg(context, away.sign_in, corp)
    sign_ins.take_leg(context, state)
    assert sign_ins.prove_federated(context, node, away.sign_in, corp, known).session_secret
    sessions.end_session(context, session, "signed out")
    with context.database.transaction():
        sessions.end_all_of_account(context, world.anna, "test")


def work(world: World) -> None:
    """What a worker asks.

    The broom is none of it: once an hour it walks through what ages, for want of indexes that every sign-on would have to write.
    """
    Runner(world.house, {}).run_due()


def large_tables(database: Database) -> set[str]:
    counts = {name: database.script(f'SELECT COUNT(*) FROM "{name}"')[0][0] for name in table_names()}  # noqa: S608 -- names of our own tables
    return {name for name, count in counts.items() if count >= MANY}


def test_whatever_is_asked_often_is_found_by_an_index(world: World) -> None:
    with traced(world.context.database) as ran:
        for act in (provision, sign_on, work):
            act(world)
    asked = sorted({sql for sql in ran if sql.startswith(ASKING) and '"generation"' not in sql})
    assert len(asked) > 50
    large = large_tables(world.context.database)
    assert {"account", "group_member", "session", "app_grant", "refresh_token", "job", "link"} <= large
    walked = {sql: steps for sql in asked if (steps := chosen_walks(world.context.database, sql, large))}
    told = "\n\n".join(f"{sql[:1500]}\n{steps}" for sql, steps in walked.items())
    assert not walked, told


def test_a_page_of_people_reads_nobody_of_another_tenant(world: World) -> None:
    """Else the first page of one tenant would cost as much as all people of all tenants before it."""
    with traced(world.context.database) as ran:
        world.directory.send("GET", "/Users?startIndex=1&count=20")
    pages = [sql for sql in ran if "LIMIT 20" in sql]
    assert pages
    for page in pages:
        steps = "\n".join(plan_of(world.context.database, page))
        assert "Index Cond: (home = ANY" in steps if databases.POSTGRES else "account_sight (home=?" in steps, steps
