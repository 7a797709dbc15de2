"""Entries beside the leaf hashes of the tree: names what was changed, and not an avalanche.

When an entry is missing, everything after it stands one place too early; still only one thing is
wrong. Both sides are read ahead a little until they meet again.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from bot.proof.entry import SHAPE
from bot.proof.merkle import leaf_hash

WINDOW: Final = 1_000
"""How far both sides are read ahead; a wider gap is told as one."""
MAX_GAPS: Final = 100
"""Beyond so many gaps the rest is told as one; nobody reads more."""

Hashed = tuple[int, bytes, bytes]
"""Line, leaf hash and bytes of an entry in the file."""


class Alignment:
    """Pairs entries with leaves. `found` says, in the end, what does not fit."""

    def __init__(self, entries: Iterator[bytes], leaves: Iterator[bytes]) -> None:
        self._lines = enumerate(entries)
        self._leaves = leaves
        self._unread: deque[Hashed] = deque()
        self._due: deque[bytes] = deque()
        self._index = 0
        """How many leaves were paired or passed over."""
        self._gaps: list[tuple[list[tuple[int, bytes]], list[Hashed]]] = []
        self._given_up: list[str] = []
        self.lines = 0

    def pairs(self) -> Iterator[tuple[int, bytes]]:
        """Return index and bytes of each entry whose hash is the leaf of that index."""
        while (one := self._next_entry()) is not None:
            leaf = self._next_leaf()
            if leaf == one[1]:
                yield self._index, one[2]
                self._index += 1
            else:
                self._unread.appendleft(one)
                if leaf is not None:
                    self._due.appendleft(leaf)
                if not self._close_gap():
                    return
        if rest := self._rest():
            self._gaps.append(([(self._index + at, leaf) for at, leaf in enumerate(rest)], []))

    def _rest(self) -> list[bytes]:
        """Read the leaves that no entry is left for; of many only the number is kept."""
        rest: list[bytes] = []
        count = 0
        while (leaf := self._next_leaf()) is not None:
            count += 1
            if count <= WINDOW:
                rest.append(leaf)
        if count <= WINDOW:
            return rest
        last = self._index + count - 1
        self._given_up.append(f"entries {self._index} to {last} are missing at the end")
        return []

    def _next_entry(self) -> Hashed | None:
        if self._unread:
            return self._unread.popleft()
        for line, raw in self._lines:
            self.lines = line + 1
            return line, leaf_hash(raw), raw
        return None

    def _next_leaf(self) -> bytes | None:
        return self._due.popleft() if self._due else next(self._leaves, None)

    def _close_gap(self) -> bool:
        """Read ahead until both sides meet again. False: they do not."""
        ours: list[Hashed] = []
        theirs: list[bytes] = []
        at_ours: dict[bytes, int] = {}
        at_theirs: dict[bytes, int] = {}
        for _ in range(WINDOW):
            one, leaf = self._next_entry(), self._next_leaf()
            if one is not None:
                ours.append(one)
                at_ours.setdefault(one[1], len(ours) - 1)
            if leaf is not None:
                theirs.append(leaf)
                at_theirs.setdefault(leaf, len(theirs) - 1)
            met = [(at_theirs[one[1]], len(ours) - 1)] if one and one[1] in at_theirs else []
            if leaf is not None and leaf in at_ours:
                met.append((len(theirs) - 1, at_ours[leaf]))
            is_over = one is None and leaf is None
            if met or is_over:
                return self._note_gap(ours, theirs, min(met, key=sum, default=None))
        self._give_up(ours)
        return False

    def _note_gap(
        self, ours: list[Hashed], theirs: list[bytes], met: tuple[int, int] | None
    ) -> bool:
        skipped, added = met or (len(theirs), len(ours))
        self._unread.extendleft(reversed(ours[added:]))
        self._due.extendleft(reversed(theirs[skipped:]))
        missing = [(self._index + at, leaf) for at, leaf in enumerate(theirs[:skipped])]
        self._gaps.append((missing, ours[:added]))
        self._index += skipped
        if len(self._gaps) < MAX_GAPS:
            return True
        self._give_up(ours[added:])
        return False

    def _give_up(self, ours: list[Hashed]) -> None:
        line = ours[0][0] if ours else self.lines
        self._given_up.append(f"from line {line} on the entries are not those of the tree")
        for line, _raw in self._lines:
            self.lines = line + 1

    # --- what it says in the end --------------------------------------------------------------

    def found(self, where: Callable[[set[bytes]], dict[bytes, int]]) -> list[str]:
        """Say what does not fit. `where` looks leaf hashes up among all leaves of the tree."""
        missing = {leaf: index for gap, _ in self._gaps for index, leaf in gap}
        extra = {one[1] for _, added in self._gaps for one in added}
        moved = missing.keys() & extra
        known = where(extra - moved) if extra - moved else {}
        said: list[str] = []
        for gap, added in self._gaps:
            gone = [(index, leaf) for index, leaf in gap if leaf not in moved]
            strange = [one for one in added if one[1] not in moved and one[1] not in known]
            said += [
                f"line {one[0]} of the entries is entry {missing[one[1]]}, which does not "
                "belong there: entries were reordered"
                for one in added
                if one[1] in moved
            ]
            said += [
                f"line {one[0]} of the entries repeats entry {known[one[1]]}"
                for one in added
                if one[1] in known
            ]
            said += [
                _changed(index, leaf, one)
                for (index, leaf), one in zip(gone, strange, strict=False)
            ]
            said += _removed([index for index, _ in gone[len(strange) :]])
            said += [
                f"line {one[0]} of the entries was inserted ({_named(one[2])}): the tree has no "
                "such entry"
                for one in strange[len(gone) :]
            ]
        return said + self._given_up


def _changed(index: int, leaf: bytes, one: Hashed) -> str:
    return (
        f"entry {index} was changed: its leaf hash is {one[1].hex()}, in the tree it is "
        f"{leaf.hex()} ({_named(one[2])})"
    )


def _removed(indexes: list[int]) -> list[str]:
    if len(indexes) > 1:
        return [f"entries {indexes[0]} to {indexes[-1]} were removed: the tree has them"]
    return [f"entry {index} was removed: the tree has it" for index in indexes]


def _named(raw: bytes) -> str:
    found = SHAPE.fullmatch(raw.decode("utf-8", "replace"))
    return "not in the form of an entry" if found is None else f"{found[4]} of {found[3]}"
