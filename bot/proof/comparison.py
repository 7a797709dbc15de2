"""Files of one log held against each other: what the operator signed once, it cannot take back.

Two bundles of different dates; a person's proof and a bundle; a proof and a later checkpoint.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import combinations, islice
from pathlib import Path
from typing import Final

from bot.proof.checkpoint import Checkpoint
from bot.proof.errors import UnusableFile
from bot.proof.key_change import LostLog
from bot.proof.members import leaves_at
from bot.proof.merkle import Frontier
from bot.proof.proof_file import Proof
from bot.proof.report import Report

BACKLOG: Final = timedelta(days=1)
"""An entry has the time at which its update came in; while updates wait, a bundle may lack it."""


@dataclass(slots=True)
class Comparison:
    """What two files say together. `failures` is empty when they do not contradict."""

    failures: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    agreements: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.failures


def compare(reports: Sequence[Report]) -> Comparison:
    """Hold every two files that hold by themselves against each other.

    Raises UnusableFile when one of them cannot be read any more.
    """
    found = Comparison()
    for one, other in combinations([report for report in reports if report.head], 2):
        if one.ok and other.ok:
            _compare(one, other, found)
    return found


def _compare(one: Report, other: Report, found: Comparison) -> None:
    if one.leaves_at is not None and other.leaves_at is not None:
        _bundles(one, other, found)
    elif one.leaves_at is not None:
        _with_bundle(other, one, found)
    elif other.leaves_at is not None:
        _with_bundle(one, other, found)
    else:
        _heads(one, other, found)


# --- two bundles ------------------------------------------------------------------------------


def _bundles(one: Report, other: Report, found: Comparison) -> None:
    ordered = _older_first(one, other)
    if ordered is None:
        _tell_unrelated(one, other, found)
        return
    older, newer = ordered
    lost = _lost_of(older, newer)
    known = older.size if lost is None else min(older.size, lost.cut)
    if newer.size < known:
        found.failures.append(
            f"{newer.file} has {newer.size} entries, and the same key signed {older.size} in "
            f"{older.file}: take the longer one for the newer"
        )
        return
    pairs = zip(_leaves(older, known), _leaves(newer, known), strict=True)
    differs = next((at for at, (mine, its) in enumerate(pairs) if mine != its), None)
    if differs is not None:
        found.failures.append(
            f"entry {differs} of {newer.file} is another one than in {older.file}: the operator "
            f"signed two logs that differ from there on"
        )
    elif known == older.size:
        found.agreements.append(
            f"{newer.file} continues {older.file}: its first {older.size} entries are the same"
        )
    if lost is not None and known < older.size:
        _tell_loss(older, newer, lost, found)


def _older_first(one: Report, other: Report) -> tuple[Report, Report] | None:
    """Order two bundles of one log by the keys that signed them, then by their length."""
    if one.key == other.key:
        return (one, other) if one.size <= other.size else (other, one)
    if _knows(other, one):
        return one, other
    return (other, one) if _knows(one, other) else None


def _knows(bundle: Report, other: Report) -> bool:
    """Whether the keys of a bundle begin with, or come through, the one that signed the other."""
    return bundle.keys is not None and other.key in bundle.keys.keys


def _tell_unrelated(one: Report, other: Report, found: Comparison) -> None:
    if one.origin == other.origin:
        found.failures.append(
            f"{one.file} and {other.file} are both of {one.origin}, but no key of one hands over "
            "to that of the other"
        )
    else:
        found.remarks.append(
            f"{one.file} is of {one.origin}, {other.file} of {other.origin}: different logs, "
            "nothing to compare"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loss:
    """A loss that a bundle declares."""

    index: int
    """The entry that declares it."""
    cut: int
    """The first entry that was lost."""
    lost: LostLog


def _lost_of(older: Report, newer: Report) -> _Loss | None:
    """Return where the newer one says that the end of the older one's log was lost."""
    if newer.keys is None or older.key is None:
        return None
    found = newer.keys.loss_after(older.key)
    if found is None or found[0].lost is None:
        return None
    lost = found[0].lost
    return _Loss(index=found[0].index, cut=min(found[1], lost.agreed), lost=lost)


def _tell_loss(older: Report, newer: Report, change: _Loss, found: Comparison) -> None:
    lost, head = change.lost, older.head
    if head is None:
        return
    span = f"entries {change.cut} to {older.size - 1} of {older.file}"
    if older.size > lost.size or (older.size == lost.size and head.root != lost.root):
        found.failures.append(
            f"{span} are not in {newer.file}; its entry {change.index} declares another log of "
            f"{lost.size} entries as lost"
        )
    else:
        found.remarks.append(
            f"{span} were declared lost at entry {change.index} of {newer.file}; what they prove "
            "stays proven"
        )


def _leaves(bundle: Report, count: int) -> Iterator[bytes]:
    if bundle.leaves_at is None:
        return
    at, length = bundle.leaves_at
    try:
        with Path(bundle.file).open("rb") as file:
            yield from islice(leaves_at(file, at, length), count)
    except OSError as error:
        raise UnusableFile(f"{bundle.file}: cannot be read: {error.strerror}") from error


# --- a bundle and what names a smaller or larger tree -----------------------------------------


def _with_bundle(single: Report, bundle: Report, found: Comparison) -> None:
    """Hold a proof or a checkpoint against a bundle."""
    if not _knows(bundle, single):
        found.remarks.append(f"{single.file} is signed by a key that {bundle.file} does not know")
        # A key that came later is honest. A log of one name has one entry at a place all the same.
        if single.proof is None or single.origin != bundle.origin:
            return
    lost = _lost_of(single, bundle)
    head, proof = single.head, single.proof
    assert head is not None  # noqa: S101 only files with one are compared
    length = bundle.size if lost is None else min(bundle.size, lost.cut)
    if proof is not None and proof.index < length and not _is_there(single, proof, bundle, found):
        return
    if head.size <= length:
        _check_root(single, head, bundle, found)
    elif lost is not None:
        _tell_lost_head(single, head, bundle, lost, found)
    elif proof is not None and proof.index >= length:
        _tell_absent(single, proof, bundle, found)
    else:
        found.remarks.append(
            f"{bundle.file} has {bundle.size} entries, fewer than the {head.size} of the "
            f"checkpoint in {single.file}: whether the longer log continues it cannot be told"
        )


def _is_there(single: Report, proof: Proof, bundle: Report, found: Comparison) -> bool:
    leaf = next(islice(_leaves(bundle, proof.index + 1), proof.index, None))
    if leaf == proof.entry.leaf:
        found.agreements.append(f"entry {proof.index} of {single.file} is in {bundle.file}")
        return True
    found.failures.append(
        f"{_signed(single, proof)}, and {bundle.file} has another entry {proof.index}: both "
        "are signed by the operator, and no log has both"
    )
    return False


def _tell_lost_head(
    single: Report, head: Checkpoint, bundle: Report, change: _Loss, found: Comparison
) -> None:
    about = f"{bundle.file} declares at entry {change.index} what came after as lost"
    if head.size > change.lost.size:
        found.failures.append(
            f"{about}, and the last known size as {change.lost.size}; {single.file} is signed at "
            f"size {head.size}"
        )
    else:
        found.remarks.append(f"{about}; what {single.file} proves stays proven")


def _check_root(single: Report, head: Checkpoint, bundle: Report, found: Comparison) -> None:
    edge = Frontier()
    edge.extend(_leaves(bundle, head.size))
    if edge.root() == head.root:
        found.agreements.append(
            f"the first {head.size} entries of {bundle.file} are the log that {single.file} is of"
        )
    else:
        found.failures.append(
            f"the operator signed a log of {head.size} entries in {single.file}, and another one "
            f"in {bundle.file}: their roots differ, so an entry before {head.size} was changed, "
            "added or removed"
        )


def _tell_absent(single: Report, proof: Proof, bundle: Report, found: Comparison) -> None:
    about = f"{bundle.file}, made at {bundle.created}, ends with entry {bundle.size - 1}"
    made, at = datetime.fromisoformat(bundle.created), datetime.fromisoformat(proof.entry.time)
    if made - at > BACKLOG:
        found.failures.append(f"{_signed(single, proof)}, and {about}: it was left out")
    else:
        found.remarks.append(f"{about}: it is older than entry {proof.index} of {single.file}")


def _signed(single: Report, proof: Proof) -> str:
    return (
        f"the operator signed entry {proof.index}, {proof.entry.type} of {proof.entry.time} "
        f"({single.file})"
    )


# --- two trees of which only the roots are known ----------------------------------------------


def _heads(one: Report, other: Report, found: Comparison) -> None:
    mine, its = one.head, other.head
    assert mine is not None  # noqa: S101 only files with one are compared
    assert its is not None  # noqa: S101
    names = f"{one.file} and {other.file}"
    if one.key != other.key:
        found.remarks.append(f"{names} are signed by different keys: not compared")
    elif mine.size != its.size:
        found.remarks.append(
            f"{names} are of {mine.size} and {its.size} entries: whether one continues the other "
            "can be told only with a bundle of the larger one"
        )
    elif mine.root != its.root:
        found.failures.append(
            f"{names}: the operator signed two different logs of {mine.size} entries{_about(one)}"
            f"{_about(other)}"
        )
    else:
        found.agreements.append(f"{names} are of the same log of {mine.size} entries")


def _about(report: Report) -> str:
    proof = report.proof
    return "" if proof is None else f"; one has entry {proof.index}, {proof.entry.type}"
