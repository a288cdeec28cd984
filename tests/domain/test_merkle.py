"""The tree over the audit trail, against the vectors of RFC 6962's first implementation and a definition by recursion."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.merkle import EMPTY_ROOT, GrowingTree, inclusion_path, leaf_hash, root_by_path, root_of

ENTRIES = [
    bytes.fromhex(entry) for entry in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def defined_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162 §2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + defined_root(leaves[:split]) + defined_root(leaves[split:])).digest()


def numbered(size: int) -> list[bytes]:
    return [leaf_hash(str(at).encode()) for at in range(size)]


def test_the_roots_are_those_of_certificate_transparency() -> None:
    assert [root_of(LEAVES[: size + 1]).hex() for size in range(len(LEAVES))] == ROOTS


def test_a_tree_without_leaves_has_the_hash_of_nothing() -> None:
    assert GrowingTree().root() == EMPTY_ROOT == hashlib.sha256(b"").digest()


def test_a_leaf_is_not_a_node() -> None:
    assert leaf_hash(b"a" * 64) != hashlib.sha256(b"\x01" + b"a" * 64).digest()


@given(st.integers(0, 300), st.integers(0, 300))
def test_growing_on_from_a_frontier_is_growing_at_once(before: int, after: int) -> None:
    leaves = numbered(before + after)
    tree = GrowingTree()
    for leaf in leaves[:before]:
        tree.append(leaf)
    resumed = GrowingTree(tree.size, tree.frontier)
    for leaf in leaves[before:]:
        resumed.append(leaf)
    assert resumed.size == before + after
    assert resumed.root() == defined_root(leaves)


@given(st.integers(1, 200), st.data())
def test_a_path_leads_to_the_root_and_from_another_leaf_or_place_elsewhere(size: int, data: st.DataObject) -> None:
    leaves = numbered(size)
    number = data.draw(st.integers(0, size - 1))
    path = inclusion_path(leaves, number)
    root = root_of(leaves)
    assert root_by_path(leaves[number], number, size, path) == root
    assert root_by_path(leaf_hash(b"another"), number, size, path) != root
    if size > 1:
        elsewhere = (number + 1) % size
        try:
            reached = root_by_path(leaves[number], elsewhere, size, path)
        except ValueError:
            return
        assert reached != root


@pytest.mark.parametrize("path", [[], [b"x" * 32] * 2, [b"x" * 32] * 4])
def test_a_path_of_the_wrong_length_is_none(path: list[bytes]) -> None:
    with pytest.raises(ValueError, match="path is too"):
        root_by_path(LEAVES[0], 0, 8, path)


def test_a_leaf_that_is_not_there_has_no_path() -> None:
    with pytest.raises(IndexError):
        inclusion_path(LEAVES, 8)
    with pytest.raises(ValueError, match="no leaf"):
        root_by_path(LEAVES[0], 8, 8, [])


@pytest.mark.parametrize(("size", "frontier"), [(3, [b"x"]), (4, [b"x", b"y"]), (0, [b"x"])])
def test_a_frontier_of_another_size_is_refused(size: int, frontier: list[bytes]) -> None:
    with pytest.raises(ValueError, match="complete subtrees"):
        GrowingTree(size, frontier)
