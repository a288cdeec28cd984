"""Seals the audit trail: numbers what was committed, adds it to one growing tree, and signs the tree's head (ADR 0013).

Rows are written unlinked in the transaction of the act, so that no act waits for another. Whoever seals takes them afterwards, a batch in
one transaction that moves the tree on from the size that was read: a second process finds another size and changes nothing, and one that
dies in the middle leaves nothing behind.
"""

import logging
from dataclasses import dataclass

from gateway.domain.audit import sealed_entry
from gateway.domain.errors import Refusal
from gateway.domain.merkle import GrowingTree, inclusion_path, leaf_hash, root_by_path
from gateway.domain.nodes import Node
from gateway.domain.values import HOUR_MS, MINUTE_MS, Instant
from gateway.services import keys
from gateway.services.context import Context
from gateway.services.house import WORKER, House
from gateway.services.nodes import PLATFORM_SLUG
from gateway.services.routines import Routine
from gateway.storage import audit, nodes, routines, sealing
from gateway.storage.sealing import Head, Tree, read_frontier
from gateway.tokens.claims import TokenRejected
from gateway.tokens.signing import sign
from gateway.tokens.verification import verify_statement

EVERY_MS = 1000
"""How long a row waits for its seal."""

IDLE_MS = 2 * MINUTE_MS
"""How long the tree goes unlooked at where nothing happens."""

BATCH = 500
"""Rows that are sealed in one transaction: a few milliseconds in which nobody else writes on SQLite."""

PAGE = 2000
"""Leaves that are read at once by whoever walks them all."""

_STATEMENT = "audit-head"
_NAME = "sealing"

_log = logging.getLogger(__name__)


class TrailBroken(Exception):
    """The tree is not what its signed head says, so that nothing may be sealed on top of it. `str()` says what, for the log."""


@dataclass(frozen=True, slots=True)
class Proof:
    """That a row is in the tree of a signed head."""

    entry: bytes
    """The sealed bytes of the row; the leaf is their hash (RFC 9162 §2.1.1)."""
    number: int
    path: tuple[bytes, ...]
    head: Head


def is_wanted(house: House) -> bool:
    """Return whether a row waits for its seal, or nobody looked at the tree for a while, so that the worker is seen to live."""
    if sealing.has_unsealed(house.database):
        return True
    late = house.clock() - IDLE_MS
    return any(state.name == _NAME and state.next_run < late for state in routines.list_routines(house.database))


def seal(house: House) -> bool:
    """Seal a batch of rows; return whether more wait.

    Raises TrailBroken if somebody changed the tree.
    """
    context = house.context(WORKER)
    platform = nodes.find_node_by_slug(context.database, PLATFORM_SLUG)
    if platform is None:
        return False
    # The tree first: of rows that another process seals after this the tree has grown, and nothing is done here.
    before, tree, before_at = _trusted_tree(context)
    rows = sealing.list_unsealed(context.database, limit=BATCH)
    if not rows:
        return False
    leaves = [(row.id, leaf_hash(sealed_entry(row, kept))) for row, kept in rows]
    for _, leaf in leaves:
        tree.append(leaf)
    head = _signed(context, platform, tree)
    grown = sealing.grow(context.database, before, leaves, tree.frontier, head)
    if grown and head.at // HOUR_MS != before_at // HOUR_MS:
        # Logs go elsewhere: a head among them tells whether the trail was set back, even where nobody keeps heads.
        _log.info("the audit trail is sealed", extra={"fields": {"size": head.size, "root": head.root, "statement": head.statement}})
    return len(rows) == BATCH or not grown


def seal_all(house: House) -> None:
    """Seal everything that waits, in the calling thread."""
    while seal(house):
        pass


def get_head(context: Context) -> Head:
    """Return the newest signed head, to be kept elsewhere; refuse where nothing was sealed yet."""
    head = sealing.find_newest_head(context.database)
    if head is None:
        raise Refusal("E_Resource_Not_Found", reason="nothing was sealed yet: does a worker run?")
    return head


def verify_head(context: Context, unverified_statement: str) -> Head:
    """Return the head that a statement of this platform signs. Raises TokenRejected."""
    platform = nodes.find_node_by_slug(context.database, PLATFORM_SLUG)
    if platform is None:
        raise TokenRejected("iss", "there is no platform")
    claims = verify_statement(
        unverified_statement,
        typ=_STATEMENT,
        issuer=platform.issuer,
        keys=keys.keys_of_statements(context, platform.id),
        algorithms=frozenset({keys.STATEMENT_ALGORITHM}),
    )
    size, root, at = claims.get("size"), claims.get("root"), claims.get("at")
    if not isinstance(size, int) or not isinstance(root, str) or not isinstance(at, int):
        raise TokenRejected("claims", "no head")
    return Head(size, root, Instant(at), unverified_statement)


def prove(context: Context, entry: str) -> Proof:
    """Return the proof that a row is in the sealed trail; refuse for one that is unknown or not sealed yet."""
    row = audit.find_audit(context.database, entry)
    if row is None or row.leaf is None:
        raise Refusal("E_Resource_Not_Found", reason="no such event" if row is None else "it is sealed within a second or two")
    head = get_head(context)
    leaves = _read_leaves(context, head.size)
    path = tuple(inclusion_path(leaves, row.leaf))
    sealed = sealed_entry(row, sealing.find_erasure(context.database, entry))
    if root_by_path(leaf_hash(sealed), row.leaf, head.size, path).hex() != head.root:
        raise Refusal("E_Audit_Broken", reason="the event is not what was sealed, or the tree is damaged: moongate audit verify")
    return Proof(sealed, row.leaf, path, head)


def _read_leaves(context: Context, size: int) -> list[bytes]:
    leaves: list[bytes] = []
    while len(leaves) < size:
        page = sealing.list_hashes(context.database, first=len(leaves), end=size, limit=PAGE)
        if [number for number, _ in page] != list(range(len(leaves), len(leaves) + len(page))) or not page:
            raise Refusal("E_Audit_Broken", reason=f"leaf {len(leaves)} is missing: moongate audit verify")
        leaves += [bytes.fromhex(text) for _, text in page]
    return leaves


def _trusted_tree(context: Context) -> tuple[Tree, GrowingTree, Instant]:
    """Return the tree and when it was signed, after a look at whether it is what we signed: sealing on another would hide what was done."""
    stored, newest = sealing.find_tip(context.database)
    if stored is None:
        raise TrailBroken("the row of the tree is gone")
    try:
        tree = GrowingTree(stored.size, read_frontier(stored.frontier))
        if newest is None:
            if stored.size:
                raise TrailBroken(f"{stored.size} rows are sealed, and no signed head is there")
            return stored, tree, Instant(0)
        signed = verify_head(context, newest.statement)
    except (ValueError, TokenRejected) as error:
        raise TrailBroken(f"the newest head or the tree cannot be read: {error}") from error
    if (signed.size, signed.root) != (tree.size, tree.root().hex()):
        raise TrailBroken(f"the tree of {tree.size} rows is not the one that was signed with {signed.size}")
    return stored, tree, signed.at


def _signed(context: Context, platform: Node, tree: GrowingTree) -> Head:
    at, root = context.now(), tree.root().hex()
    key = keys.get_signing_key(context, platform.id, keys.STATEMENT_ALGORITHM)
    statement = sign({"iss": platform.issuer, "size": tree.size, "root": root, "at": at}, key, typ=_STATEMENT)
    return Head(tree.size, root, at, statement)


ROUTINE = Routine(_NAME, seal, every=EVERY_MS, wanted=is_wanted)
"""What the worker does of it."""
