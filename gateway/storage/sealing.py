"""The sealed tree over the audit trail: leaves, how far it has grown, signed heads, and what was erased (ADR 0013)."""

from collections.abc import Sequence
from dataclasses import dataclass

import peewee as pw

from gateway.domain.audit import AuditRow, Commitments
from gateway.domain.values import HOUR_MS, Instant
from gateway.storage.database import Database, Row, Statement, place, places
from gateway.storage.tables.audit import AuditErasure, AuditHead, AuditLeaf, AuditTree
from gateway.storage.tables.machinery import Audit

_HASH = 32

_ANY_UNSEALED = Statement(Audit.select(Audit.id).where(Audit.leaf.is_null()).limit(1))
_COUNT_UNSEALED = Statement(Audit.select(pw.fn.COUNT(Audit.id), pw.fn.MIN(Audit.at)).where(Audit.leaf.is_null()))
_ROW_AND_ERASURE = (*Audit._meta.sorted_fields, AuditErasure.commitments)
_ERASURE = AuditErasure.entry == Audit.id
_UNSEALED = Statement(
    Audit.select(*_ROW_AND_ERASURE)
    .join(AuditErasure, pw.JOIN.LEFT_OUTER, on=_ERASURE)
    .where(Audit.leaf.is_null())
    .order_by(Audit.id)
    .limit(place("limit"))
)
# Tree and heads in one statement, so that they are of one moment.
_TREE_AND_HEADS = AuditTree.select(
    AuditTree.size, AuditTree.frontier, AuditHead.size, AuditHead.root, AuditHead.at, AuditHead.statement
).join(AuditHead, pw.JOIN.LEFT_OUTER, on=pw.SQL("1 = 1"))
_EVERY_HEAD = Statement(_TREE_AND_HEADS.order_by(AuditHead.hour))
_TIP = Statement(_TREE_AND_HEADS.order_by(AuditHead.hour.desc()).limit(1))
_NEWEST_HEAD = Statement(
    AuditHead.select(AuditHead.size, AuditHead.root, AuditHead.at, AuditHead.statement).order_by(AuditHead.hour.desc()).limit(1)
)
_GROW = Statement(
    AuditTree.update({AuditTree.size: place("size"), AuditTree.frontier: place("frontier")}).where(AuditTree.size == place("before"))
)
_INSERT_LEAF = Statement(AuditLeaf.insert(places(AuditLeaf)))
_NUMBER = Statement(Audit.update({Audit.leaf: place("leaf")}).where(Audit.id == place("id")))
_DROP_HEAD = Statement(AuditHead.delete().where(AuditHead.hour == place("hour")))
_INSERT_HEAD = Statement(AuditHead.insert(places(AuditHead)))
_LEAVES = Statement(
    AuditLeaf.select(AuditLeaf.number, AuditLeaf.entry, AuditLeaf.hash, *_ROW_AND_ERASURE)
    .join(Audit, pw.JOIN.LEFT_OUTER, on=AuditLeaf.entry == Audit.id)
    .join(AuditErasure, pw.JOIN.LEFT_OUTER, on=_ERASURE)
    .where((AuditLeaf.number >= place("first")) & (AuditLeaf.number < place("end")))
    .order_by(AuditLeaf.number)
    .limit(place("limit"))
)
_HASHES = Statement(
    AuditLeaf.select(AuditLeaf.number, AuditLeaf.hash)
    .where((AuditLeaf.number >= place("first")) & (AuditLeaf.number < place("end")))
    .order_by(AuditLeaf.number)
    .limit(place("limit"))
)
_OWN_LEAF = AuditLeaf.select(pw.SQL("1")).where((AuditLeaf.number == Audit.leaf) & (AuditLeaf.entry == Audit.id))
_WITHOUT_LEAF = Statement(
    Audit.select().where(Audit.leaf.is_null(False) & ~pw.fn.EXISTS(_OWN_LEAF)).order_by(Audit.id).limit(place("limit"))
)
_ERASE = Statement(
    Audit.update({Audit.address: place("address"), Audit.detail: place("detail"), Audit.salt: ""}).where(Audit.id == place("id"))
)
_ERASURE_OF = Statement(AuditErasure.select(AuditErasure.commitments).where(AuditErasure.entry == place("entry")))
_DROP_ERASURE = Statement(AuditErasure.delete().where(AuditErasure.entry == place("entry")))
_INSERT_ERASURE = Statement(AuditErasure.insert(places(AuditErasure)))
_COUNT_ERASED = Statement(AuditErasure.select(pw.fn.COALESCE(pw.fn.SUM(AuditErasure.fields), 0)))


@dataclass(frozen=True, slots=True)
class Tree:
    """How far the tree has grown."""

    size: int
    frontier: str
    """The roots of its complete subtrees in hex, the largest first, one after another; `read_frontier` takes it apart."""


@dataclass(frozen=True, slots=True)
class Head:
    """One signed head."""

    size: int
    root: str
    at: Instant
    statement: str
    """The signed statement itself, a compact JWS; the rest is copied from it."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One leaf, with the row it names as the row is now."""

    number: int
    entry: str
    """Id of the row."""
    hash: str
    row: AuditRow | None
    """None where the row is gone."""
    erasure: str | None


def read_frontier(text: str) -> list[bytes]:
    """Return the roots that `Tree.frontier` holds. Raises ValueError where it holds none."""
    whole = bytes.fromhex(text)
    return [whole[at : at + _HASH] for at in range(0, len(whole), _HASH)]


def has_unsealed(database: Database) -> bool:
    """Return whether a row waits for its leaf."""
    return database.row(_ANY_UNSEALED) is not None


def count_unsealed(database: Database) -> tuple[int, Instant | None]:
    """Return how many rows wait for their leaves, and when the earliest happened."""
    row = database.rows(_COUNT_UNSEALED)[0]
    return row[0], row[1]


def list_unsealed(database: Database, *, limit: int) -> list[tuple[AuditRow, Commitments | None]]:
    """Return the first rows that wait for their leaves, with what was erased in them meanwhile."""
    rows = database.rows(_UNSEALED, limit=limit)
    return [(AuditRow(*row[:-1]), Commitments.parse(row[-1]) if row[-1] else None) for row in rows]


def find_tip(database: Database) -> tuple[Tree | None, Head | None]:
    """Return the tree (None where its row is gone) and its newest signed head, as they were at one moment."""
    tree, heads = _tree_and_heads(database.rows(_TIP))
    return tree, heads[0] if heads else None


def find_newest_head(database: Database) -> Head | None:
    """Return the signed head of the largest tree."""
    row = database.row(_NEWEST_HEAD)
    return Head(*row) if row else None


def list_heads(database: Database) -> tuple[Tree | None, list[Head]]:
    """Return the tree (None where its row is gone) and every signed head, as they were at one moment, the oldest first."""
    return _tree_and_heads(database.rows(_EVERY_HEAD))


def grow(database: Database, before: Tree, leaves: Sequence[tuple[str, bytes]], frontier: Sequence[bytes], head: Head) -> bool:
    """Add leaves (row id, hash) behind those there are, with the head signed over all; all or nothing.

    Returns False and changes nothing if the tree is no longer as `before` says: another process has sealed.
    """
    numbered = list(enumerate(leaves, before.size))
    hour = head.at // HOUR_MS
    with database.transaction():
        # First: on PostgreSQL a second process waits here for the end of the first, and then finds another size.
        if not database.write(_GROW, size=head.size, frontier=b"".join(frontier).hex(), before=before.size):
            return False
        database.write_many(_INSERT_LEAF, [{"number": number, "entry": entry, "hash": leaf.hex()} for number, (entry, leaf) in numbered])
        database.write_many(_NUMBER, [{"leaf": number, "id": entry} for number, (entry, _) in numbered])
        database.write(_DROP_HEAD, hour=hour)
        database.write(_INSERT_HEAD, hour=hour, size=head.size, root=head.root, at=head.at, statement=head.statement)
    return True


def list_leaves(database: Database, *, first: int, end: int, limit: int) -> list[Leaf]:
    """Return leaves from number `first` up to but without `end`, in order, each with its row; numbers may be missing."""
    return [_leaf(row) for row in database.rows(_LEAVES, first=first, end=end, limit=limit)]


def list_hashes(database: Database, *, first: int, end: int, limit: int) -> list[tuple[int, str]]:
    """Return number and hash of leaves from `first` up to but without `end`, in order."""
    return [(row[0], row[1]) for row in database.rows(_HASHES, first=first, end=end, limit=limit)]


def list_without_leaf(database: Database, *, limit: int) -> list[AuditRow]:
    """Return rows that claim a number whose leaf names another row, or that no leaf has."""
    return [AuditRow(*row) for row in database.rows(_WITHOUT_LEAF, limit=limit)]


def find_erasure(database: Database, entry: str) -> Commitments | None:
    """Return what a row keeps of values that were erased in it."""
    row = database.row(_ERASURE_OF, entry=entry)
    return Commitments.parse(row[0]) if row else None


def erase(database: Database, entry: str, *, address: str, detail: str, kept: Commitments, at: Instant) -> None:
    """Write a row's personal values as they are from now on, and what it keeps of the erased ones."""
    with database.transaction():
        database.write(_ERASE, id=entry, address=address, detail=detail)
        database.write(_DROP_ERASURE, entry=entry)
        database.write(_INSERT_ERASURE, entry=entry, commitments=str(kept), fields=len(kept.hashes), erased_at=at)


def count_erased(database: Database) -> int:
    """Return how many values were erased."""
    return int(database.rows(_COUNT_ERASED)[0][0])


def _tree_and_heads(rows: Sequence[Row]) -> tuple[Tree | None, list[Head]]:
    return Tree(*rows[0][:2]) if rows else None, [Head(*row[2:]) for row in rows if row[2] is not None]


def _leaf(row: Row) -> Leaf:
    number, entry, leaf_hash, *stored, erasure = row
    return Leaf(number, entry, leaf_hash, AuditRow(*stored) if stored[0] is not None else None, erasure)
