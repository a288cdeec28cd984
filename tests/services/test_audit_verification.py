"""Whoever may write the database and has no secret key changes nothing of the sealed trail unnoticed: each way of tampering is told."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.domain.audit import Event, sealed_entry
from gateway.domain.merkle import GrowingTree, leaf_hash
from gateway.domain.nodes import Node
from gateway.services import audit_verification, keys, sealing
from gateway.services.audit_verification import Finding, Verdict, verify_trail
from gateway.services.context import Context
from gateway.services.house import House
from gateway.storage import audit
from gateway.storage import sealing as stored
from gateway.tokens.signing import sign
from tests.conftest import Clock
from tests.tokens.forge import ForgeKey, forge


@dataclass
class Trail:
    """A sealed trail, and whoever may write its tables."""

    house: House
    context: Context
    node: Node
    clock: Clock

    def happen(self, count: int = 1) -> None:
        with self.context.database.transaction():
            for at in range(count):
                self.context.record(Event(self.node.id, "thing.done", "thing", str(at), detail={"number": at}))

    def seal(self) -> None:
        sealing.seal_all(self.house)

    def write(self, sql: str) -> None:
        self.context.database.script(sql)

    def size(self) -> int:
        return int(self.context.database.script("SELECT COUNT(*) FROM audit_leaf")[0][0])

    def entry(self, number: int) -> str:
        return str(self.context.database.script(f"SELECT entry FROM audit_leaf WHERE number = {number}")[0][0])  # noqa: S608 -- only numbers

    def make_leaves_again(self) -> None:
        """What somebody does who knows how leaves are made, and has no key: everything but the signatures."""
        tree = GrowingTree()
        for number in range(self.size()):
            row = audit.find_audit(self.context.database, self.entry(number))
            assert row is not None
            leaf = leaf_hash(sealed_entry(row))
            tree.append(leaf)
            self.write(f"UPDATE audit_leaf SET hash = '{leaf.hex()}' WHERE number = {number}")  # noqa: S608 -- values made here
        frontier = b"".join(tree.frontier).hex()
        self.write(f"UPDATE audit_tree SET size = {tree.size}, frontier = '{frontier}'")  # noqa: S608 -- values made here
        self.write(f"UPDATE audit_head SET root = '{tree.root().hex()}' WHERE size = {tree.size}")  # noqa: S608 -- values made here

    def verdict(self, kept: str = "") -> Verdict:
        return verify_trail(self.context, unverified_kept=kept)

    def findings(self, kept: str = "") -> list[Finding]:
        return list(self.verdict(kept).findings)


@pytest.fixture
def trail(house: House, context: Context, acme: Node, clock: Clock) -> Trail:
    """Two heads, an hour apart; the first over 12 rows."""
    made = Trail(house, context, acme, clock)
    made.happen(10)
    made.seal()
    clock.advance(seconds=3600)
    made.happen(5)
    made.seal()
    assert made.size() == 17
    return made


def test_a_trail_that_nobody_touched_is_whole(trail: Trail) -> None:
    verdict = trail.verdict()
    assert (verdict.found, verdict.rows, verdict.heads, verdict.unsealed, list(verdict.late)) == (0, 17, 2, 0, [])
    assert verdict.root == sealing.get_head(trail.context).root


def test_what_waits_for_its_seal_is_counted(trail: Trail) -> None:
    trail.happen(3)
    assert (trail.verdict().found, trail.verdict().unsealed) == (0, 3)


def test_pages_change_nothing(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_verification, "PAGE", 4)
    assert (trail.verdict().found, trail.verdict().rows) == (0, 17)


@pytest.mark.parametrize(
    "column",
    [
        *("at", "node", "actor_kind", "actor", "channel", "action", "target_kind", "target", "outcome", "code", "correlation_id"),
        *("address", "detail", "salt"),
    ],
)
def test_a_changed_row_is_told_with_its_number_and_what_it_is_now(trail: Trail, column: str) -> None:
    value = "at + 1" if column == "at" else "'x'"
    trail.write(f"UPDATE audit SET {column} = {value} WHERE id = '{trail.entry(7)}'")  # noqa: S608 -- values made here
    (finding,) = trail.findings()
    assert (finding.kind, finding.number, finding.id) == ("changed", 7, trail.entry(7))
    row = audit.find_audit(trail.context.database, trail.entry(7))
    assert row is not None
    assert row.action in finding.told
    assert row.target in finding.told


def test_a_row_that_was_changed_with_its_leaf_is_told_by_the_heads(trail: Trail) -> None:
    trail.write(f"UPDATE audit SET action = 'nothing.done' WHERE id = '{trail.entry(14)}'")  # noqa: S608 -- values made here
    trail.make_leaves_again()
    kinds = [(finding.kind, finding.told) for finding in trail.findings()]
    assert {kind for kind, _ in kinds} == {"head"}
    assert any("among the rows 12 to 16" in told for _, told in kinds)


def test_a_removed_row_is_told_with_its_number_and_time(trail: Trail) -> None:
    entry = trail.entry(7)
    row = audit.find_audit(trail.context.database, entry)
    assert row is not None
    trail.write(f"DELETE FROM audit WHERE id = '{entry}'")  # noqa: S608 -- an id made here
    (finding,) = trail.findings()
    assert (finding.kind, finding.number, finding.id, finding.at) == ("missing", 7, entry, row.at)


def test_a_row_that_was_removed_with_its_leaf_is_told(trail: Trail) -> None:
    entry = trail.entry(7)
    trail.write(f"DELETE FROM audit WHERE id = '{entry}'")  # noqa: S608 -- an id made here
    trail.write("DELETE FROM audit_leaf WHERE number = 7")
    (finding,) = trail.findings()
    assert (finding.kind, finding.number) == ("missing", 7)


def test_a_row_that_was_removed_with_its_leaf_and_all_others_moved_up_is_told(trail: Trail) -> None:
    entry = trail.entry(7)
    trail.write(f"DELETE FROM audit WHERE id = '{entry}'")  # noqa: S608 -- an id made here
    trail.write("DELETE FROM audit_leaf WHERE number = 7")
    for number in range(8, 17):
        trail.write(f"UPDATE audit SET leaf = {number - 1} WHERE leaf = {number}")  # noqa: S608 -- only numbers
        trail.write(f"UPDATE audit_leaf SET number = {number - 1} WHERE number = {number}")  # noqa: S608 -- only numbers
    trail.make_leaves_again()
    kinds = {finding.kind for finding in trail.findings()}
    assert {"head", "missing"} <= kinds


def test_an_added_row_that_claims_a_number_is_told(trail: Trail) -> None:
    trail.happen()
    trail.write("UPDATE audit SET id = 'forged', action = 'forged.done', leaf = 5 WHERE leaf IS NULL")
    (finding,) = trail.findings()
    assert (finding.kind, finding.number, finding.id) == ("added", 5, "forged")
    assert "forged.done" in finding.told


def test_a_row_that_is_added_behind_the_last_one_is_told(trail: Trail) -> None:
    trail.happen()
    trail.write("UPDATE audit SET leaf = 17 WHERE leaf IS NULL")
    (finding,) = trail.findings()
    assert (finding.kind, finding.number) == ("added", 17)
    trail.write(f"INSERT INTO audit_leaf (number, entry, hash) VALUES (17, '{finding.id}', '{'0' * 64}')")  # noqa: S608 -- values made here
    trail.write("UPDATE audit_tree SET size = 18")
    assert {finding.kind for finding in trail.findings()} == {"head", "changed", "tree"}
    trail.make_leaves_again()
    (finding,) = trail.findings()
    assert (finding.kind, finding.number) == ("head", 17)


def test_a_row_that_was_written_afterwards_under_an_old_time_is_told_as_late(trail: Trail) -> None:
    old = trail.clock.now
    trail.clock.advance(seconds=7300)
    trail.happen()
    trail.seal()
    trail.clock.now = old
    trail.happen()
    trail.seal()
    verdict = trail.verdict()
    assert verdict.found == 0
    assert [finding.number for finding in verdict.late] == [18]


def test_two_rows_that_changed_places_are_told(trail: Trail) -> None:
    first, second = trail.entry(4), trail.entry(9)
    trail.write(f"UPDATE audit SET leaf = 9 WHERE id = '{first}'")  # noqa: S608 -- an id made here
    trail.write(f"UPDATE audit SET leaf = 4 WHERE id = '{second}'")  # noqa: S608 -- an id made here
    assert [(finding.kind, finding.number, finding.id) for finding in trail.findings()] == [
        ("reordered", 4, first),
        ("reordered", 9, second),
    ]


def test_two_rows_that_changed_places_with_their_leaves_are_told_by_the_heads(trail: Trail) -> None:
    first, second = trail.entry(4), trail.entry(9)
    trail.write(f"UPDATE audit SET leaf = 9 WHERE id = '{first}'")  # noqa: S608 -- an id made here
    trail.write(f"UPDATE audit SET leaf = 4 WHERE id = '{second}'")  # noqa: S608 -- an id made here
    trail.write(f"UPDATE audit_leaf SET entry = '{second}' WHERE number = 4")  # noqa: S608 -- an id made here
    trail.write(f"UPDATE audit_leaf SET entry = '{first}' WHERE number = 9")  # noqa: S608 -- an id made here
    trail.make_leaves_again()
    assert {finding.kind for finding in trail.findings()} == {"head"}


def cut(trail: Trail, size: int) -> None:
    for number in range(size, trail.size()):
        trail.write(f"DELETE FROM audit WHERE id = '{trail.entry(number)}'")  # noqa: S608 -- an id made here
    trail.write(f"DELETE FROM audit_leaf WHERE number >= {size}")  # noqa: S608 -- only numbers


def test_a_cut_tail_is_told_by_the_head_over_it(trail: Trail) -> None:
    cut(trail, 12)
    trail.write("UPDATE audit_tree SET size = 12")
    verdict = trail.verdict()
    assert verdict.found == 5
    assert [(finding.kind, finding.number) for finding in verdict.findings] == [("missing", 12)]
    assert "12 to 16" in verdict.findings[0].told


def test_a_trail_that_was_set_back_as_a_whole_is_told_by_a_head_that_was_kept_elsewhere(trail: Trail) -> None:
    kept = sealing.get_head(trail.context)
    cut(trail, 12)
    trail.write("DELETE FROM audit_head WHERE size > 12")
    trail.make_leaves_again()
    assert trail.verdict().found == 0, "from inside nobody can tell"
    assert [(finding.kind, finding.number) for finding in trail.findings(kept.statement)] == [("missing", 12)]
    # And what happens afterwards does not hide it.
    trail.happen(20)
    trail.seal()
    assert trail.verdict().found == 0
    (finding,) = trail.findings(kept.statement)
    assert (finding.kind, "the head that was kept" in finding.told) == ("head", True)


def test_a_kept_head_of_a_whole_trail_agrees_for_ever(trail: Trail) -> None:
    kept = sealing.get_head(trail.context).statement
    trail.happen(9)
    trail.seal()
    assert trail.findings(kept) == []


@pytest.mark.parametrize("kept", ["", "nonsense", "a.b.c"])
def test_a_kept_head_that_is_none_is_told(trail: Trail, kept: str) -> None:
    assert [finding.kind for finding in trail.findings(kept)] == (["head"] if kept else [])


def test_heads_that_are_gone_are_told(trail: Trail) -> None:
    trail.write("DELETE FROM audit_head")
    (finding,) = trail.findings()
    assert (finding.kind, finding.number) == ("head", 0)
    assert "0 to 16" in finding.told


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_head SET root = (SELECT MIN(root) FROM audit_head b WHERE b.root <> audit_head.root) WHERE size = 17",
        "UPDATE audit_head SET size = 16 WHERE size = 17",
        "UPDATE audit_head SET at = at - 1 WHERE size = 17",
        "UPDATE audit_head SET statement = (SELECT b.statement FROM audit_head b WHERE b.size = 12) WHERE size = 17",
        "UPDATE audit_head SET statement = REPLACE(statement, '.', '.A') WHERE size = 17",
        "UPDATE audit_head SET statement = 'x' WHERE size = 17",
    ],
)
def test_a_head_that_was_changed_or_replaced_is_told(trail: Trail, change: str) -> None:
    trail.write(change)
    assert "head" in {finding.kind for finding in trail.findings()}


def test_a_head_signed_with_a_key_that_is_not_ours_is_told(trail: Trail) -> None:
    # A key of another node, made in this house: it may sign for that one, and not for the platform.
    key = keys.get_signing_key(trail.context, trail.node.id, "ES256")
    head = sealing.get_head(trail.context)
    statement = sign({"iss": "http://localhost:8000/t/platform", "size": 17, "root": head.root, "at": head.at}, key, typ="audit-head")
    trail.write(f"UPDATE audit_head SET statement = '{statement}' WHERE size = 17")  # noqa: S608 -- made here
    assert {finding.kind for finding in trail.findings()} == {"head"}


def forged_head(trail: Trail, key: ForgeKey) -> str:
    """A head over a trail of somebody's own making, signed by their key under the platform's name."""
    issuer = trail.context.database.script("SELECT issuer FROM node WHERE slug = 'platform'")[0][0]
    head = sealing.get_head(trail.context)
    return forge({"iss": issuer, "size": 17, "root": head.root, "at": head.at}, key, header={"typ": "audit-head"})


def test_a_key_that_somebody_put_among_the_platforms_signs_nothing(trail: Trail, ec_key: ForgeKey) -> None:
    trail.write(f"UPDATE audit_head SET statement = '{forged_head(trail, ec_key)}' WHERE size = 17")  # noqa: S608 -- made here
    (kept,) = trail.context.database.script("SELECT * FROM signing_key WHERE node = (SELECT id FROM node WHERE slug = 'platform')")
    # With the wrapped half of another key, since nobody can wrap one without the secret keys.
    jwk = json.dumps(ec_key.jwk())
    values = ", ".join("NULL" if value is None else f"'{value}'" for value in (ec_key.kid, *kept[1:4], jwk, *kept[5:]))
    trail.write(f"INSERT INTO signing_key VALUES ({values})")  # noqa: S608 -- made here
    assert {finding.kind for finding in trail.findings()} == {"head"}


def test_a_key_whose_public_half_was_replaced_signs_nothing_else(trail: Trail, ec_key: ForgeKey) -> None:
    kid = keys.get_signing_key(
        trail.context, trail.context.database.script("SELECT id FROM node WHERE slug = 'platform'")[0][0], "ES256"
    ).kid
    theirs = dataclasses.replace(ec_key, kid=kid)
    trail.write(f"UPDATE audit_head SET statement = '{forged_head(trail, theirs)}' WHERE size = 17")  # noqa: S608 -- made here
    trail.write(f"UPDATE signing_key SET public_jwk = '{json.dumps(theirs.jwk())}' WHERE kid = '{kid}'")  # noqa: S608 -- made here
    assert {finding.kind for finding in trail.findings()} == {"head"}


def test_another_statement_of_the_platform_is_no_head(trail: Trail) -> None:
    head = sealing.get_head(trail.context)
    platform = trail.context.database.script("SELECT id, issuer FROM node WHERE slug = 'platform'")[0]
    key = keys.get_signing_key(trail.context, platform[0], "ES256")
    statement = sign({"iss": platform[1], "size": 17, "root": head.root, "at": head.at}, key, typ="at+jwt")
    trail.write(f"UPDATE audit_head SET statement = '{statement}' WHERE size = 17")  # noqa: S608 -- made here
    assert {finding.kind for finding in trail.findings()} == {"head"}


def test_a_tree_that_is_not_what_its_leaves_give_is_told(trail: Trail) -> None:
    trail.write("UPDATE audit_tree SET frontier = 'x'")
    assert [finding.kind for finding in trail.findings()] == ["tree"]


def test_of_many_findings_some_are_shown_and_all_counted(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_verification, "SHOWN", 3)
    trail.write("UPDATE audit SET actor = 'x'")
    verdict = trail.verdict()
    assert (len(verdict.findings), verdict.found) == (3, 17)


def test_erasing_without_the_hash_of_what_was_there_is_told(trail: Trail) -> None:
    trail.write(f"UPDATE audit SET detail = '{{}}', salt = '' WHERE id = '{trail.entry(6)}'")  # noqa: S608 -- an id made here
    assert [(finding.kind, finding.number) for finding in trail.findings()] == [("changed", 6)]
    trail.write(f"INSERT INTO audit_erasure VALUES ('{trail.entry(6)}', 'nonsense', 1, 0)")  # noqa: S608 -- an id made here
    assert [(finding.kind, finding.number) for finding in trail.findings()] == [("changed", 6)]


def test_a_verification_while_others_write_finds_nothing(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    read = stored.list_leaves

    def others_write(*args: Any, **named: Any) -> object:
        trail.happen(2)
        trail.seal()
        return read(*args, **named)

    monkeypatch.setattr(stored, "list_leaves", others_write)
    monkeypatch.setattr(audit_verification, "PAGE", 5)
    assert trail.findings() == []
