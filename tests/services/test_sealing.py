"""The audit trail is sealed in one growing tree, by one process at a time, without gap or double (decisions.md 40, ADR 0013)."""

import threading
from collections.abc import Callable

import pytest

from gateway.domain.audit import Event, sealed_entry
from gateway.domain.checks import Outcome
from gateway.domain.errors import Refusal
from gateway.domain.merkle import leaf_hash, root_by_path, root_of
from gateway.domain.nodes import Node
from gateway.services import keys, sealing
from gateway.services.context import Context
from gateway.services.doctor import check_worker
from gateway.services.house import House
from gateway.services.routines import Clerk
from gateway.services.sealing import TrailBroken
from gateway.storage import sealing as stored
from gateway.storage.database import Database
from gateway.tokens.claims import TokenRejected
from tests.conftest import Clock

BATCH = 7


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BATCH", BATCH)


def happen(context: Context, node: Node, count: int = 1, detail: str = "") -> None:
    """Write some events."""
    with context.database.transaction():
        for at in range(count):
            context.record(Event(node.id, "thing.done", "thing", str(at), detail={"note": detail} if detail else {}))


def fail_after(context: Context, node: Node) -> None:
    context.record(Event(node.id, "thing.done", "thing", "1"))
    raise ZeroDivisionError


def leaves(context: Context) -> list[tuple[int, str, str]]:
    return context.database.script("SELECT number, entry, hash FROM audit_leaf ORDER BY number")


def numbers(context: Context) -> list[int | None]:
    return [row[0] for row in context.database.script("SELECT leaf FROM audit ORDER BY id")]


def test_every_committed_row_gets_a_number_in_the_order_of_time(house: House, context: Context, acme: Node, small_batches: None) -> None:
    happen(context, acme, 20)
    sealing.seal_all(house)
    count = len(numbers(context))
    assert numbers(context) == list(range(count))
    assert not sealing.is_wanted(house)
    entries = [row[0] for row in context.database.script("SELECT id FROM audit ORDER BY id")]
    assert [entry for _, entry, _ in leaves(context)] == entries


def test_the_head_is_signed_over_the_root_of_all_leaves(house: House, context: Context, acme: Node, small_batches: None) -> None:
    happen(context, acme, 20)
    sealing.seal_all(house)
    head = sealing.get_head(context)
    assert head.root == root_of([bytes.fromhex(text) for _, _, text in leaves(context)]).hex()
    assert sealing.verify_head(context, head.statement) == head


def test_what_happens_later_goes_on_from_there(house: House, context: Context, acme: Node, small_batches: None) -> None:
    sealing.seal_all(house)
    before = leaves(context)
    happen(context, acme, 3)
    assert sealing.is_wanted(house)
    sealing.seal_all(house)
    after = leaves(context)
    assert after[: len(before)] == before
    assert len(after) == len(before) + 3


def test_a_row_that_is_not_committed_is_not_sealed(house: House, context: Context, acme: Node) -> None:
    sealing.seal_all(house)
    with pytest.raises(ZeroDivisionError), context.database.transaction():
        fail_after(context, acme)
    sealing.seal_all(house)
    assert None not in numbers(context)
    assert len(numbers(context)) == len(leaves(context))


def test_a_row_that_is_committed_late_gets_the_next_number(house: House, context: Context, acme: Node) -> None:
    happen(context, acme, 2)
    early = context.database.script("SELECT MAX(id) FROM audit")[0][0]
    context.database.script(f"UPDATE audit SET correlation_id = 'late' WHERE id = '{early}'")  # noqa: S608 -- an id made here
    happen(context, acme, 2)
    held = context.database.script(f"SELECT * FROM audit WHERE id = '{early}'")[0]  # noqa: S608 -- an id made here
    context.database.script(f"DELETE FROM audit WHERE id = '{early}'")  # noqa: S608 -- an id made here
    sealing.seal_all(house)
    values = ", ".join("NULL" if value is None else f"'{value}'" for value in held)
    context.database.script(f"INSERT INTO audit VALUES ({values})")  # noqa: S608 -- values made here
    sealing.seal_all(house)
    assert leaves(context)[-1][1] == early


def test_a_second_process_that_read_the_same_changes_nothing(
    house: House, context: Context, acme: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    happen(context, acme, 5)
    grow: Callable[..., bool] = stored.grow

    def another_was_faster(*args: object, **named: object) -> bool:
        monkeypatch.setattr(stored, "grow", grow)
        sealing.seal_all(house)
        return grow(*args, **named)

    monkeypatch.setattr(stored, "grow", another_was_faster)
    assert sealing.seal(house)
    sealing.seal_all(house)
    assert numbers(context) == list(range(len(numbers(context))))
    assert [number for number, _, _ in leaves(context)] == numbers(context)


def test_rows_that_another_process_seals_while_they_are_read_are_not_sealed_again(
    house: House, context: Context, acme: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    happen(context, acme, 5)
    read = stored.list_unsealed

    def another_was_faster(database: Database, *, limit: int) -> object:
        rows = read(database, limit=limit)
        monkeypatch.setattr(stored, "list_unsealed", read)
        sealing.seal_all(house)
        return rows

    monkeypatch.setattr(stored, "list_unsealed", another_was_faster)
    sealing.seal(house)
    assert [number for number, _, _ in leaves(context)] == numbers(context)


def test_many_that_seal_at_once_leave_no_gap_and_no_double(house: House, context: Context, acme: Node, small_batches: None) -> None:
    happen(context, acme, 100)
    barrier = threading.Barrier(4)
    failed: list[Exception] = []

    def work() -> None:
        barrier.wait()
        try:
            sealing.seal_all(house)
        except Exception as error:  # noqa: BLE001 -- told by the test itself
            failed.append(error)
        house.database.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    sealing.seal_all(house)
    assert [number for number, _, _ in leaves(context)] == list(range(len(numbers(context)))) == numbers(context)
    assert sealing.verify_head(context, sealing.get_head(context).statement).size == len(numbers(context))


def test_one_that_dies_in_the_middle_leaves_nothing_behind(
    house: House, context: Context, acme: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    happen(context, acme, 5)
    monkeypatch.setattr(stored, "_INSERT_HEAD", None)
    with pytest.raises(AttributeError):
        sealing.seal(house)
    assert leaves(context) == []
    assert set(numbers(context)) == {None}
    monkeypatch.undo()
    sealing.seal_all(house)
    assert numbers(context) == list(range(len(numbers(context))))


def test_a_head_stays_for_each_hour(house: House, context: Context, acme: Node, clock: Clock) -> None:
    for _ in range(3):
        happen(context, acme)
        sealing.seal_all(house)
        clock.advance(seconds=60)
    assert context.database.script("SELECT COUNT(*) FROM audit_head")[0][0] == 1
    clock.advance(seconds=3600)
    happen(context, acme)
    sealing.seal_all(house)
    assert context.database.script("SELECT COUNT(*) FROM audit_head")[0][0] == 2


def test_the_log_gets_a_head_an_hour(house: House, context: Context, acme: Node, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="gateway.services.sealing")
    for _ in range(4):
        happen(context, acme)
        sealing.seal_all(house)
        clock.advance(seconds=1200)
    told = [vars(record)["fields"] for record in caplog.records]
    assert len(told) == 2
    assert sealing.verify_head(context, told[-1]["statement"]).root == told[-1]["root"]


def test_heads_signed_before_a_rotation_still_verify(house: House, context: Context, acme: Node, platform: Node, clock: Clock) -> None:
    sealing.seal_all(house)
    old = sealing.get_head(context).statement
    keys.rotate_keys(context, platform.id)
    clock.advance(seconds=400 * 86_400)
    happen(context, acme)
    sealing.seal_all(house)
    assert sealing.verify_head(context, old).size < sealing.get_head(context).size


def test_nothing_is_sealed_on_top_of_a_tree_that_was_changed(house: House, context: Context, acme: Node) -> None:
    sealing.seal_all(house)
    happen(context, acme)
    context.database.script("UPDATE audit_tree SET frontier = REPLACE(frontier, '0', '1')")
    with pytest.raises(TrailBroken):
        sealing.seal(house)
    assert sealing.is_wanted(house)


@pytest.mark.parametrize(
    "change",
    ["DELETE FROM audit_head", "DELETE FROM audit_tree", "UPDATE audit_tree SET size = 0, frontier = ''", "DELETE FROM signing_key"],
)
def test_nothing_is_sealed_without_what_was_signed_last(house: House, context: Context, acme: Node, change: str) -> None:
    sealing.seal_all(house)
    happen(context, acme)
    context.database.script(change)
    with pytest.raises(TrailBroken):
        sealing.seal(house)


def test_a_head_signed_by_somebody_who_may_only_write_the_database_is_not_believed(
    house: House, context: Context, acme: Node, globex: Node
) -> None:
    # Of two keys of this house the one of another node, put in the place of the platform's: it unwraps under its own name only.
    sealing.seal_all(house)
    head = sealing.get_head(context)
    keys.ensure_keys(context, globex.id)
    stranger = context.database.script(f"SELECT private_key FROM signing_key WHERE node = '{globex.id}' AND alg = 'ES256'")  # noqa: S608 -- an id made here
    context.database.script(f"UPDATE signing_key SET private_key = '{stranger[0][0]}' WHERE node <> '{globex.id}'")  # noqa: S608 -- values made here
    context.database.script("UPDATE signing_key SET public_jwk = REPLACE(public_jwk, '\"x\"', '\"y\"')")
    with pytest.raises(TokenRejected):
        sealing.verify_head(context, head.statement)


def test_a_row_is_proved_by_its_path(house: House, context: Context, acme: Node, small_batches: None) -> None:
    happen(context, acme, 12, detail="said")
    sealing.seal_all(house)
    for _, entry, leaf in leaves(context):
        proof = sealing.prove(context, entry)
        assert leaf_hash(proof.entry).hex() == leaf
        assert root_by_path(leaf_hash(proof.entry), proof.number, proof.head.size, proof.path).hex() == proof.head.root


def test_a_row_that_was_changed_is_not_proved(house: House, context: Context, acme: Node) -> None:
    happen(context, acme, 12)
    sealing.seal_all(house)
    entry = leaves(context)[-1][1]
    context.database.script(f"UPDATE audit SET action = 'nothing.done' WHERE id = '{entry}'")  # noqa: S608 -- an id made here
    with pytest.raises(Refusal) as refused:
        sealing.prove(context, entry)
    assert refused.value.code == "E_Audit_Broken"


def test_a_row_that_is_not_there_or_not_sealed_yet_is_not_proved(house: House, context: Context, acme: Node) -> None:
    waiting = context.database.script("SELECT MAX(id) FROM audit")[0][0]
    for entry in (waiting, "nothing"):
        with pytest.raises(Refusal) as refused:
            sealing.prove(context, entry)
        assert refused.value.code == "E_Resource_Not_Found"


def test_the_clerk_seals_within_a_second_and_writes_nothing_when_nothing_waits(
    house: House, context: Context, acme: Node, clock: Clock
) -> None:
    clerk = Clerk(house, [sealing.ROUTINE])
    clerk.run_due()
    assert None not in numbers(context)
    ran = context.database.script("SELECT began_at FROM routine WHERE name = 'sealing'")
    clock.advance(milliseconds=sealing.EVERY_MS)
    clerk.run_due()
    assert context.database.script("SELECT began_at FROM routine WHERE name = 'sealing'") == ran
    happen(context, acme)
    clerk.run_due()
    assert None not in numbers(context)


def test_where_nothing_happens_the_tree_is_looked_at_now_and_then(house: House, context: Context, acme: Node, clock: Clock) -> None:
    clerk = Clerk(house, [sealing.ROUTINE])
    clerk.run_due()
    clock.advance(milliseconds=sealing.IDLE_MS + sealing.EVERY_MS + 1)
    clerk.run_due()
    assert context.database.script("SELECT began_at, last_error FROM routine WHERE name = 'sealing'") == [(clock.now, "")]
    assert check_worker(house).outcome is Outcome.OK
    context.database.script("DELETE FROM audit_head")
    clock.advance(milliseconds=sealing.IDLE_MS + sealing.EVERY_MS + 1)
    clerk.run_due()
    assert context.database.script("SELECT last_error FROM routine WHERE name = 'sealing'") == [("TrailBroken",)]


def test_what_a_leaf_holds_of_people_is_hidden_by_the_salt(context: Context, acme: Node) -> None:
    happen(context, acme, detail="Ada Lovelace")
    row, _ = stored.list_unsealed(context.database, limit=100)[-1]
    assert "Ada" in row.detail
    assert b"Ada" not in sealed_entry(row)
    assert row.salt.encode() not in sealed_entry(row)
