"""The tree that seals the audit trail: RFC 9162 §2.1 (RFC 6962), SHA-256, a leaf and a node told apart by their first byte.

A tree that grows at its right end is known by the roots of its complete subtrees, one for each bit of its size: the *frontier*. With it a
leaf is added in constant time, and nobody reads the leaves before.
"""

import hashlib
from collections.abc import Iterable, Sequence

_LEAF = b"\x00"
_NODE = b"\x01"
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry as a leaf."""
    return hashlib.sha256(_LEAF + entry).digest()


def _node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()


class GrowingTree:
    """A tree to which leaves are added; it keeps no leaf."""

    def __init__(self, size: int = 0, frontier: Iterable[bytes] = ()) -> None:
        """Go on from a size and its frontier. Raises ValueError where they do not belong together."""
        self.size = size
        self._roots = list(frontier)
        if len(self._roots) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} complete subtrees, not {len(self._roots)}")

    @property
    def frontier(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees, the largest first."""
        return tuple(self._roots)

    def append(self, leaf: bytes) -> None:
        """Add the hash of a leaf at the end."""
        subtree = leaf
        # Each one at the end of the size's bits is a complete subtree as large as the new one: together they make a larger one.
        for _ in range((~self.size & (self.size + 1)).bit_length() - 1):
            subtree = _node_hash(self._roots.pop(), subtree)
        self._roots.append(subtree)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of what was added so far."""
        if not self._roots:
            return EMPTY_ROOT
        *larger, joined = self._roots
        for subtree in reversed(larger):
            joined = _node_hash(subtree, joined)
        return joined


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root over the hashes of all leaves."""
    tree = GrowingTree()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def inclusion_path(leaves: Sequence[bytes], number: int) -> list[bytes]:
    """Return the hashes that lead from leaf `number` to the root over `leaves`, from below (RFC 9162 §2.1.3.1).

    Raises IndexError where there is no such leaf.
    """
    if not 0 <= number < len(leaves):
        raise IndexError(number)
    low, high = 0, len(leaves)
    path: list[bytes] = []
    while high - low > 1:
        middle = low + _largest_power_below(high - low)
        if number < middle:
            path.append(root_of(leaves[middle:high]))
            high = middle
        else:
            path.append(root_of(leaves[low:middle]))
            low = middle
    return path[::-1]


def root_by_path(leaf: bytes, number: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root to which a path leads from a leaf, to be compared with that of a signed head (RFC 9162 §2.1.3.2).

    Raises ValueError for a path that cannot be one.
    """
    if not 0 <= number < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {number}")
    at, last, reached = number, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ValueError("the path is too long")
        if at & 1 or at == last:
            reached = _node_hash(sibling, reached)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            reached = _node_hash(reached, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise ValueError("the path is too short")
    return reached


def _largest_power_below(size: int) -> int:
    """Return the largest power of two that is smaller than `size`, which is at least 2."""
    return 1 << (size - 1).bit_length() - 1
