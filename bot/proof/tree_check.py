"""The tree of a bundle: its leaves, its head, its earlier checkpoints, who else saw them."""

import base64
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from bot.proof import bundle, canonical, checkpoint, entry, note, stamp
from bot.proof.checkpoint import Checkpoint
from bot.proof.errors import Contradiction, OtherFormat, ProofError
from bot.proof.keychain import KeyChain
from bot.proof.members import Members, Signed, checkpoints
from bot.proof.merkle import Frontier, leaf_hash
from bot.proof.report import Report, stamp_claim

STAMP_KEYS: Final = frozenset({"authority", "kind", "size", "token"})
POST_KEYS: Final = frozenset({"channel", "date", "kind", "message_id", "size"})
MAX_ORIGINS: Final = 100
"""Authorities and channels that are told one by one."""
DATE: Final = re.compile(rf"{entry.DAY}T{entry.CLOCK}(\.\d+)?(Z|\+00:00)", re.ASCII)


def grow(leaves: Iterator[bytes], earlier: Iterator[Signed]) -> tuple[Frontier, list[int], int]:
    """Hash leaves into their tree, held against earlier checkpoints on the way.

    Return the tree, the sizes at which a checkpoint says another root, and the largest size at
    which one agrees. Who signed the checkpoints is looked at elsewhere.
    """
    edge, other, fits = Frontier(), list[int](), 0
    for one in earlier:
        edge.extend(islice(leaves, one.size - edge.size))
        said = checkpoint.parse(note.text_of(one.note))
        if said.size != one.size:
            raise Contradiction(
                f"{bundle.CHECKPOINTS} has a checkpoint of size {said.size} as one of {one.size}"
            )
        if edge.size == one.size and edge.root() == said.root:
            fits = one.size
        else:
            other.append(one.size)
    edge.extend(leaves)
    return edge, other, fits


def check_tree(members: Members, head: Checkpoint, report: Report) -> bool:
    """Hold the tree against what was signed; return whether leaves.bin is that tree."""
    size = members[bundle.LEAVES].size
    edge, other, fits = grow(members.leaves(), _earlier(members, head))
    is_signed = edge.size == head.size and edge.root() == head.root
    if not is_signed:
        entries = (leaf_hash(raw) for raw in members.lines(bundle.ENTRIES))
        found, other, fits = grow(entries, _earlier(members, head))
        if found.size == head.size and found.root() == head.root:
            report.fail(_changed_leaf(members, size))
        else:
            _tell_other_tree(found, head, fits, report)
            return False
    for each in other:
        report.fail(
            f"the checkpoint of {each} entries is of another log: its root is not that of the "
            f"first {each} entries here"
        )
    return is_signed


def _earlier(members: Members, head: Checkpoint) -> Iterator[Signed]:
    return checkpoints(members.lines(bundle.CHECKPOINTS), head.size)


def _changed_leaf(members: Members, size: int) -> str:
    leaves = members.leaves()
    for index, raw in enumerate(members.lines(bundle.ENTRIES)):
        if next(leaves, None) != leaf_hash(raw):
            return f"{bundle.LEAVES} was changed: its leaf {index} is not that of entry {index}"
    return f"{bundle.LEAVES} was changed: it has {size} bytes"


def _tell_other_tree(found: Frontier, head: Checkpoint, fits: int, report: Report) -> None:
    if found.size != head.size:
        report.fail(f"the log has {found.size} entries, {head.size} were signed")
    else:
        report.fail(f"the entries have root {found.root().hex()}, signed was {head.root.hex()}")
    if fits:
        report.remark(
            f"the first {fits} entries are those of the checkpoint of that size; what differs "
            "comes after them"
        )


# --- who signed the earlier ones, who else saw them -------------------------------------------


class Witnesses:
    """The stamps and posts of a bundle, read beside its checkpoints."""

    def __init__(
        self, members: Members, keys: KeyChain, roots: Sequence[bytes] | None, report: Report
    ) -> None:
        self._members, self._keys, self._roots, self._report = members, keys, roots, report
        self._claims: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def check(self, head: Checkpoint) -> None:
        stamps = _stamps(self._members.lines(bundle.STAMPS))
        next_stamp = next(stamps, None)
        for one in _earlier(self._members, head):
            self._check_signature(one)
            while next_stamp is not None and next_stamp["size"] <= one.size:
                if next_stamp["size"] == one.size:
                    self._check_stamp(next_stamp, one)
                else:
                    self._refuse(next_stamp)
                next_stamp = next(stamps, None)
        while next_stamp is not None:
            self._refuse(next_stamp)
            next_stamp = next(stamps, None)
        for name, claim in sorted(self._claims.items()):
            more = self._counts[name] - 1
            self._report.clocks.append(claim + (f"; and {more} earlier ones" if more else ""))

    def _check_signature(self, one: Signed) -> None:
        key = self._keys.at(one.size)
        try:
            said = checkpoint.verify(one.note, key)
        except ProofError as error:
            self._report.fail(f"the checkpoint of {one.size} entries: {error}")
            return
        if said.origin != key.name:
            self._report.fail(f"the checkpoint of {one.size} entries is of {said.origin}")

    def _refuse(self, about: dict[str, Any]) -> None:
        self._report.fail(
            f"{bundle.STAMPS} has a stamp on a checkpoint of {about['size']} entries, "
            "which is not there"
        )

    def _check_stamp(self, about: dict[str, Any], one: Signed) -> None:
        if about["kind"] == "post":
            self._keep(
                f"witness {about['channel']}",
                f"witness: the checkpoint of {one.size} entries was posted to {about['channel']} "
                f"as message {about['message_id']} at {about['date']}, says the operator; look it "
                "up there",
            )
            return
        try:
            token = base64.b64decode(about["token"], validate=True)
            if base64.b64encode(token).decode() != about["token"]:
                raise Contradiction("a token in another spelling")
            found = stamp.verify_token(token, one.note, self._roots)
        except (ProofError, ValueError) as error:
            self._report.fail(f"the stamp on the checkpoint of {one.size} entries: {error}")
            return
        claim = stamp_claim(one.size, found.at, found.authority, is_trusted=found.is_trusted)
        self._keep(f"authority {about['authority']}", claim)

    def _keep(self, name: str, claim: str) -> None:
        """Of each authority and channel the latest is told, the others are counted."""
        if name in self._claims or len(self._claims) < MAX_ORIGINS:
            self._claims[name] = claim
            self._counts[name] += 1


def _stamps(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    before = 0
    for line in lines:
        facts = canonical.parse(line)
        if not isinstance(facts, dict) or not _is_in_form(facts) or facts["size"] < before:
            raise Contradiction(f"{bundle.STAMPS} has a line that is not in form or in order")
        before = facts["size"]
        yield facts


def _is_in_form(facts: dict[str, Any]) -> bool:
    if not isinstance(facts.get("kind"), str):
        return False
    expected = {"rfc3161": STAMP_KEYS, "post": POST_KEYS}.get(facts["kind"])
    if expected is None:
        raise OtherFormat(f"{bundle.STAMPS} has a kind of stamp that this program does not know")
    return (
        facts.keys() == expected
        and type(facts["size"]) is int
        and all(isinstance(facts[name], str) for name in expected - {"size"})
        and ("date" not in facts or DATE.fullmatch(facts["date"]) is not None)
    )
