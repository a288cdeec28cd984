"""The audit trail: searched by administrators of a node and those above it, and erased of a person's values without breaking its seal."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.audit import Actor, ActorKind, AuditRow, AuditSearch, Channel, Event
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.values import AccountId, Instant
from gateway.services import audit, nodes, sealing
from gateway.services.audit_verification import verify_trail
from gateway.services.context import Context
from gateway.services.house import House
from gateway.services.nodes import NewNode
from tests.conftest import Clock
from tests.sign_ins import make_person

ADA = AccountId("00000000-0000-4000-8000-00000000ada0")
BOB = AccountId("00000000-0000-4000-8000-00000000b0b0")


def acting(context: Context, account: str, address: str = "") -> Context:
    return replace(context, actor=Actor(ActorKind.PERSON if account else ActorKind.ANONYMOUS, account, Channel.APP), address=address)


def happen(context: Context, node: Node, action: str, target: str = "", **values: str) -> None:
    with context.database.transaction():
        context.record(Event(node.id, action, "person", target, code=values.pop("code", ""), detail=values))


def actions(rows: list[AuditRow]) -> list[str]:
    return [row.action for row in rows]


def found(context: Context, node: Node, **search: Any) -> list[str]:
    return actions(list(audit.list_events(context, node, search=AuditSearch(**search), limit=100)))


@pytest.fixture(params=["unsealed", "sealed", "half sealed"])
def story(request: pytest.FixtureRequest, house: House, context: Context, acme: Node, clock: Clock) -> Node:
    """Two events by Ada and one by Bob, before, while or after the sealer came."""
    happen(acting(context, ADA, "192.0.2.7"), acme, "person.changed", BOB, old="Bob", new="Bób 100%_a")
    clock.advance(seconds=10)
    happen(acting(context, BOB), acme, "person.deleted", ADA)
    if request.param == "half sealed":
        sealing.seal_all(house)
    clock.advance(seconds=10)
    happen(acting(context, ADA), acme, "role.granted", BOB, code="W_Something")
    if request.param == "sealed":
        sealing.seal_all(house)
    return acme


def test_the_newest_come_first(context: Context, story: Node) -> None:
    assert found(context, story) == ["role.granted", "person.deleted", "person.changed", "tenant.created"]


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ({"actor": ADA}, ["role.granted", "person.changed"]),
        ({"target": ADA}, ["person.deleted"]),
        ({"actor": ADA, "target": BOB, "action": "person.changed"}, ["person.changed"]),
        ({"action": "person.*"}, ["person.deleted", "person.changed"]),
        ({"action": "person"}, []),
        ({"code": "W_Something"}, ["role.granted"]),
        ({"outcome": "refused"}, []),
        ({"text": "Bób"}, ["person.changed"]),
        ({"text": "192.0.2"}, ["person.changed"]),
        ({"text": "100%_a"}, ["person.changed"]),
        ({"text": "100%%a"}, []),
        ({"correlation_id": "unheard of"}, []),
    ],
    ids=str,
)
def test_a_search_finds_what_it_asks_for(context: Context, story: Node, search: dict[str, object], expected: list[str]) -> None:
    assert found(context, story, **search) == expected


def test_a_search_begins_and_ends_where_it_says(context: Context, story: Node, clock: Clock) -> None:
    assert found(context, story, since=clock.now) == ["role.granted"]
    assert found(context, story, until=Instant(clock.now - 10_000)) == ["person.changed", "tenant.created"]
    assert found(context, story, actor=ADA, since=Instant(clock.now - 20_000), until=clock.now) == ["person.changed"]


@pytest.mark.parametrize("search", [AuditSearch(), AuditSearch(actor=ADA)])
def test_pages_join_without_gap_and_double(house: House, context: Context, acme: Node, search: AuditSearch) -> None:
    for _ in range(2):
        for _ in range(4):
            happen(acting(context, ADA), acme, "thing.done", BOB)
        sealing.seal_all(house)
    happen(acting(context, ADA), acme, "thing.done", BOB)
    whole = audit.list_events(context, acme, search=search, limit=100)
    pages: list[AuditRow] = []
    while page := audit.list_events(context, acme, search=search, limit=2, before=pages[-1].id if pages else ""):
        pages += page
    assert [row.id for row in pages] == [row.id for row in whole]
    assert list(audit.iterate_events(context, acme, search)) == pages[::-1]


def test_a_tenant_sees_what_is_below_it_and_no_neighbour(context: Context, acme: Node, globex: Node) -> None:
    unit = nodes.create_node(context, acme.id, NewNode("acme-lab", "Lab", NodeKind.UNIT))
    happen(context, unit, "thing.done")
    happen(context, globex, "other.done")
    assert found(context, acme)[0] == "thing.done"
    assert "other.done" not in found(context, acme)
    assert found(context, unit) == ["thing.done", "tenant.created"]
    platform = nodes.get_node(context, "platform")
    assert found(context, platform)[:2] == ["other.done", "thing.done"]


class TestErasing:
    @pytest.fixture
    def told(self, context: Context, acme: Node) -> Node:
        happen(acting(context, "", "192.0.2.7"), acme, "sign_in.refused", ADA, login="ada@acme.example")
        happen(acting(context, ADA, "192.0.2.7"), acme, "person.changed", ADA, old="Ada", new="Ada L.")
        happen(acting(context, ADA, "192.0.2.7"), acme, "person.changed", BOB, old="Bob", new="Robert")
        happen(acting(context, BOB, "198.51.100.1"), acme, "person.deleted", ADA, login="ada@acme.example")
        return acme

    @pytest.mark.parametrize("sealed", [True, False])
    def test_a_persons_values_go_and_the_trail_still_verifies(self, house: House, context: Context, told: Node, sealed: bool) -> None:
        if sealed:
            sealing.seal_all(house)
        before = [(row.id, row.at, row.action, row.actor, row.target) for row in audit.iterate_events(context, told)]
        assert audit.erase_person(context, told, ADA) == 4
        sealing.seal_all(house)
        everything = str(context.database.script("SELECT * FROM audit")) + str(context.database.script("SELECT * FROM audit_erasure"))
        for value in ("ada@acme.example", "Ada", "192.0.2.7"):
            assert value not in everything
        for value in ("Robert", "198.51.100.1"):
            assert value in everything
        after = [(row.id, row.at, row.action, row.actor, row.target) for row in audit.iterate_events(context, told)]
        assert after[:-1] == before
        verdict = verify_trail(context)
        assert (verdict.found, verdict.erased) == (0, 6)

    def test_the_salt_goes_with_the_value(self, house: House, context: Context, told: Node) -> None:
        salts = {row.id: row.salt for row in audit.iterate_events(context, told)}
        audit.erase_person(context, told, ADA)
        touched = [row for row in audit.iterate_events(context, told) if row.salt != salts.get(row.id, row.salt)]
        assert len(touched) == 4
        assert {row.salt for row in touched} == {""}

    def test_it_is_told_once_and_that_stays(self, house: House, context: Context, told: Node) -> None:
        audit.erase_person(context, told, ADA)
        assert audit.erase_person(context, told, ADA) == 0
        details = [row.detail for row in audit.iterate_events(context, told, AuditSearch(action=audit.ERASED))]
        assert details == ['{"events":4}', '{"events":0}']

    def test_what_was_erased_in_two_steps_still_verifies(self, house: House, context: Context, told: Node) -> None:
        sealing.seal_all(house)
        audit.erase_person(context, told, ADA)
        audit.erase_person(context, told, BOB)
        assert "Robert" not in str(context.database.script("SELECT * FROM audit"))
        assert verify_trail(context).found == 0

    def test_nothing_can_be_put_where_a_value_was_erased(self, house: House, context: Context, told: Node) -> None:
        audit.erase_person(context, told, ADA)
        sealing.seal_all(house)
        context.database.script("UPDATE audit SET address = '203.0.113.9' WHERE action = 'person.changed' AND address = ''")
        assert {finding.kind for finding in verify_trail(context).findings} == {"changed"}

    def test_an_account_that_is_there_is_not_erased(self, context: Context, acme: Node) -> None:
        account = make_person(context, acme, "ada")
        with pytest.raises(Refusal) as refused:
            audit.erase_person(context, acme, account.id)
        assert refused.value.code == "E_Scope_Mismatch"
