"""Groups with many members and many writers: nobody is lost, and one member costs the same however many there are."""

import threading

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gateway.domain.nodes import Node
from gateway.services.context import Context
from tests.groups import Directory, directory_at, people_at, statements

WRITERS = 50


@pytest.fixture
def entra(client: FlaskClient, context: Context, acme: Node) -> Directory:
    return directory_at(client, context, acme)


def test_a90_fifty_clients_adding_members_at_once_lose_nobody(app: Flask, entra: Directory, context: Context, acme: Node) -> None:
    crowd = [person.id for person in people_at(context, acme, WRITERS)]
    group = entra.group("Team")
    start = threading.Barrier(WRITERS)
    answers: dict[str, int] = {}

    def join(member: str) -> None:
        mine = Directory(app.test_client(), entra.node, entra.connection, entra.token)
        start.wait(timeout=30)
        add = {"op": "add", "path": "members", "value": [{"value": member}]}
        answers[member] = mine.patch(group, add).status_code
        context.database.close()

    threads = [threading.Thread(target=join, args=(member,)) for member in crowd]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert answers == dict.fromkeys(crowd, 204)
    assert entra.members(group) == set(crowd)
    assert entra.etag(group) == f'W/"{WRITERS + 1}"'


def test_parallel_additions_and_removals_end_where_each_alone_would(app: Flask, entra: Directory, context: Context, acme: Node) -> None:
    crowd = [person.id for person in people_at(context, acme, WRITERS)]
    leaving, joining = crowd[: WRITERS // 2], crowd[WRITERS // 2 :]
    group = entra.group("Team", *leaving)
    start = threading.Barrier(WRITERS)

    def change(member: str) -> None:
        mine = Directory(app.test_client(), entra.node, entra.connection, entra.token)
        start.wait(timeout=30)
        op, path = ("remove", f'members[value eq "{member}"]') if member in leaving else ("add", "members")
        mine.patch(group, {"op": op, "path": path} | ({} if op == "remove" else {"value": [{"value": member}]}))
        context.database.close()

    threads = [threading.Thread(target=change, args=(member,)) for member in crowd]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert entra.members(group) == set(joining)


def test_one_member_costs_the_same_in_a_group_of_any_size(entra: Directory, context: Context, acme: Node) -> None:
    crowd = [person.id for person in people_at(context, acme, 300)]
    small, large = entra.group("Small", *crowd[:2]), entra.group("Large", *crowd[:290])
    ran: dict[str, list[str]] = {}
    for group in (small, large):
        with statements(context.database) as seen:
            assert entra.patch(group, {"op": "add", "path": "members", "value": [{"value": crowd[295]}]}).status_code == 204
            assert entra.patch(group, {"op": "remove", "path": "members", "value": [{"value": crowd[0]}]}).status_code == 204
        ran[group] = seen
    assert ran[small] == ran[large]
    # Members are written and never read: what is said of them begins with INSERT or DELETE.
    assert {sql.split()[0] for sql in ran[large] if "group_member" in sql} == {"INSERT", "DELETE"}


def test_ipsie_fifty_and_more_operations_are_one_change(entra: Directory, context: Context, acme: Node) -> None:
    crowd = [person.id for person in people_at(context, acme, 60)]
    group = entra.group("Team", *crowd[:5])
    operations = [{"op": "add", "path": "members", "value": [{"value": member}]} for member in crowd[5:]]
    assert entra.patch(group, *operations, {"op": "remove", "path": f'members[value eq "{crowd[0]}"]'}).status_code == 204
    assert (entra.members(group), entra.etag(group)) == (set(crowd[1:]), 'W/"2"')
    told = context.database.script("SELECT count(*) FROM outbox WHERE type = 'group.changed'")
    assert told == [(1,)]


def test_a_full_push_writes_the_difference_alone(entra: Directory, context: Context, acme: Node) -> None:
    crowd = [person.id for person in people_at(context, acme, 200)]
    group = entra.group("Team", *crowd[:150])
    with statements(context.database) as ran:
        pushed = entra.patch(group, {"op": "replace", "path": "members", "value": [{"value": member} for member in crowd[50:]]})
    assert pushed.status_code == 204
    assert entra.members(group) == set(crowd[50:])
    # Who stays keeps the time of joining: deleted is who goes, by one statement.
    deletions = [sql for sql in ran if sql.startswith("DELETE") and "group_member" in sql]
    assert len(deletions) == 1
    assert "NOT IN" in deletions[0]
    detail = context.database.script("SELECT detail FROM audit WHERE action = 'group.changed'")
    assert detail == [('{"added":50,"removed":50}',)]
