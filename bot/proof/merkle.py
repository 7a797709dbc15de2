"""The Merkle tree of RFC 6962 §2.1, over hashes of complete subtrees that can be stored.

A node (level, index) covers the leaves [index * 2**level, (index + 1) * 2**level). A log that
keeps them can name its root, or prove an entry, by reading a logarithmic number of rows.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bot.proof.errors import Contradiction

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Node:
    """Where a complete subtree stands."""

    level: int
    index: int


Lookup = Callable[[Node], bytes]


def leaf_hash(data: bytes) -> bytes:
    """Hash an entry (RFC 6962 §2.1: 0x00 before a leaf)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees (RFC 6962 §2.1: 0x01 before a node)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


# --- growing ----------------------------------------------------------------------------------


def append(size: int, leaf: bytes, lookup: Lookup) -> list[tuple[Node, bytes]]:
    """Return the subtrees that become complete when a leaf hash joins a tree of `size`."""
    node, value = Node(0, size), leaf
    completed = [(node, value)]
    while node.index % 2 == 1:
        sibling = lookup(Node(node.level, node.index - 1))
        node, value = Node(node.level + 1, node.index // 2), node_hash(sibling, value)
        completed.append((node, value))
    return completed


def siblings_of_append(size: int) -> list[Node]:
    """Name the nodes that `append` looks up."""
    found, level = [], 0
    while size >> level & 1:
        found.append(Node(level, (size >> level) - 1))
        level += 1
    return found


def range_nodes(start: int, end: int) -> list[Node]:
    """Cover the leaves [start, end) by complete subtrees, left to right, as large as possible."""
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return nodes


def fold(hashes: Sequence[bytes]) -> bytes:
    """Hash a run of subtrees, as `range_nodes` names them, into one."""
    if not hashes:
        return EMPTY_ROOT
    value = hashes[-1]
    for left in reversed(hashes[:-1]):
        value = node_hash(left, value)
    return value


def root_nodes(size: int) -> list[Node]:
    """Name the nodes whose `fold` is the root of a tree of `size`."""
    return range_nodes(0, size)


def root(leaves: Iterable[bytes]) -> bytes:
    """Hash leaf hashes into their root in one pass, keeping a logarithmic number of hashes."""
    edge = Frontier()
    for leaf in leaves:
        edge.add(leaf)
    return edge.root()


class Frontier:
    """The right edge of a growing tree: all that is needed to go on or to name the root."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[tuple[int, bytes]] = []

    def add(self, leaf: bytes) -> None:
        level, value = 0, leaf
        while self._edge and self._edge[-1][0] == level:
            value = node_hash(self._edge.pop()[1], value)
            level += 1
        self._edge.append((level, value))
        self.size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        for leaf in leaves:
            self.add(leaf)

    def root(self) -> bytes:
        return fold([value for _, value in self._edge])


# --- proving ----------------------------------------------------------------------------------


def _split(size: int) -> int:
    """Return the largest power of two smaller than `size` (RFC 6962 §2.1: k)."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """Name, bottom up, the ranges of leaves whose hashes prove an entry (RFC 6962 §2.1.1)."""
    if not 0 <= index < size:
        raise Contradiction(f"entry {index}: not in a tree of {size}")
    path, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return path[::-1]


def consistency_ranges(old: int, new: int) -> list[tuple[int, int]]:
    """Name the ranges that prove one tree to begin with another (RFC 6962 §2.1.2)."""
    if not 0 < old <= new:
        raise Contradiction(f"no consistency proof from {old} to {new}")
    path, start, end, is_whole = [], 0, new, True
    while old - start != end - start:
        middle = start + _split(end - start)
        if old <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start, is_whole = middle, False
    return ([] if is_whole else [(start, end)]) + path[::-1]


def prove(ranges: Iterable[tuple[int, int]], lookup: Lookup) -> list[bytes]:
    """Hash each range of leaves, from stored subtrees."""
    return [fold([lookup(node) for node in range_nodes(*span)]) for span in ranges]


def nodes_of(ranges: Iterable[tuple[int, int]]) -> list[Node]:
    """Name the stored subtrees that `prove` looks up."""
    return [node for span in ranges for node in range_nodes(*span)]


# --- checking ---------------------------------------------------------------------------------


def root_from_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """Compute the root that an inclusion path leads to (RFC 9162 §2.1.3.2).

    Raises Contradiction when the path has the wrong length or hashes of the wrong size.
    """
    if not 0 <= index < size:
        raise Contradiction(f"entry {index}: not in a tree of {size}")
    _check_hashes([leaf, *path])
    spans = inclusion_ranges(index, size)
    if len(spans) != len(path):
        raise Contradiction(f"entry {index}: {len(path)} hashes in the path, {len(spans)} expected")
    value = leaf
    for (start, _), sibling in zip(spans, path, strict=True):
        value = node_hash(value, sibling) if start > index else node_hash(sibling, value)
    return value


def verify_inclusion(
    index: int, size: int, leaf: bytes, path: Sequence[bytes], expected_root: bytes
) -> None:
    """Raise Contradiction unless the path leads from the leaf to the root."""
    found = root_from_inclusion(index, size, leaf, path)
    if found != expected_root:
        raise Contradiction(
            f"entry {index}: the path leads to root {found.hex()}, expected {expected_root.hex()}"
        )


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Raise Contradiction unless the new tree begins with the old one (RFC 9162 §2.1.4.2)."""
    if not 0 < old <= new:
        raise Contradiction(f"no consistency from size {old} to size {new}")
    if old == new:
        if path or old_root != new_root:
            raise Contradiction(f"two trees of size {old} differ")
        return
    _check_hashes([old_root, new_root, *path])
    found_old, found_new = _roots_from_consistency(old, new, old_root, path)
    if found_old != old_root:
        raise Contradiction(f"size {old}: root {found_old.hex()}, expected {old_root.hex()}")
    if found_new != new_root:
        raise Contradiction(f"size {new}: root {found_new.hex()}, expected {new_root.hex()}")


def _roots_from_consistency(
    old: int, new: int, old_root: bytes, path: Sequence[bytes]
) -> tuple[bytes, bytes]:
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not hashes:
        raise Contradiction("an empty consistency proof")
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    old_value = new_value = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise Contradiction("the consistency proof is too long")
        if first & 1 or first == last:
            old_value, new_value = node_hash(sibling, old_value), node_hash(sibling, new_value)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            new_value = node_hash(new_value, sibling)
        first, last = first >> 1, last >> 1
    if last:
        raise Contradiction("the consistency proof is too short")
    return old_value, new_value


def _check_hashes(hashes: Iterable[bytes]) -> None:
    for value in hashes:
        if len(value) != HASH_BYTES:
            raise Contradiction(f"a hash of {len(value)} bytes, {HASH_BYTES} expected")
