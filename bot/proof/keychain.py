"""Which key signs the log at which size: each change of keys is an entry that the old one signed.

A checkpoint of size s is signed by the key that was current after the last `key.changed` entry
with an index below s. After a loss the log goes on under a new origin, and says what was lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.proof import key_change, note
from bot.proof.errors import Contradiction, ProofError
from bot.proof.key_change import LostLog
from bot.proof.merkle import HASH_BYTES
from bot.proof.note import VerifierKey

LOST_KEYS: Final = frozenset({"agreed", "origin", "root", "size"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One handing over. The entry at `index` is the last one that the old key vouches for."""

    index: int
    old: VerifierKey
    new: VerifierKey
    lost: LostLog | None = None


def read_change(index: int, payload: Mapping[str, Any]) -> Change:
    """Take a change out of its entry and check its note. Raises Contradiction."""
    try:
        old, new = _key(payload.get("old")), _key(payload.get("new"))
        lost = None if payload.get("lost") is None else _lost(payload["lost"])
        text = note.verify(str(payload.get("note")).encode(), old)
    except (ProofError, UnicodeError) as error:
        raise Contradiction(f"entry {index}: a change of keys that is not in form: {error}") from (
            error
        )
    if text != key_change.text(new, lost):
        raise Contradiction(f"entry {index}: the old key signed another change of keys")
    if (lost is None) != (old.name == new.name) or (lost is not None and lost.origin != old.name):
        raise Contradiction(f"entry {index}: a new origin is for a log that was lost, only")
    if lost is not None and lost.agreed > min(lost.size, index):
        raise Contradiction(
            f"entry {index}: {lost.agreed} entries are said to be left of {lost.size}, "
            f"and {index} are here"
        )
    return Change(index=index, old=old, new=new, lost=lost)


class KeyChain:
    """The keys of one log, in their order. `current` is the newest."""

    def __init__(self, newest: VerifierKey) -> None:
        """Begin with the key that must turn out to be the newest."""
        self._newest = newest
        self.changes: list[Change] = []

    def add(self, change: Change) -> None:
        """Raises Contradiction when another key hands over than the one that is current."""
        if self.changes and self.changes[-1].new != change.old:
            raise Contradiction(
                f"entry {change.index}: {change.old} hands over, "
                f"but the key of the log was {self.changes[-1].new}"
            )
        self.changes.append(change)

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        """Every key of the log, oldest first."""
        if not self.changes:
            return (self._newest,)
        return (self.changes[0].old, *(change.new for change in self.changes))

    def check_end(self) -> None:
        """Raise Contradiction unless the changes lead to the newest key."""
        if self.keys[-1] != self._newest:
            raise Contradiction(
                f"the changes of keys lead to {self.keys[-1]}, signed is with {self._newest}"
            )

    def loss_after(self, key: VerifierKey) -> tuple[Change, int] | None:
        """Find the first loss while this key or a later one was current.

        Return it with the index at which what was lost begins: changes of keys that the restored
        log had no more were entered again right before the loss.
        """
        places = range(len(self.changes))
        since = next((at for at in places if self.changes[at].old == key), len(self.changes))
        at = next((at for at in places[since:] if self.changes[at].lost is not None), None)
        if at is None:
            return None
        found, first = self.changes[at], at
        while first and self._is_entered_again(first - 1):
            first -= 1
        return found, self.changes[first].index

    def _is_entered_again(self, at: int) -> bool:
        one, after = self.changes[at], self.changes[at + 1]
        return one.lost is None and one.index == after.index - 1

    def at(self, size: int) -> VerifierKey:
        """Return the key that signs a checkpoint of this size."""
        later = [change for change in self.changes if change.index >= size]
        return later[0].old if later else self.keys[-1]


def _key(text: Any) -> VerifierKey:
    key = note.parse_key(str(text))
    if str(key) != text:
        raise Contradiction("a key in another spelling")
    return key


def _lost(facts: Any) -> LostLog:
    is_in_form = isinstance(facts, dict) and facts.keys() == LOST_KEYS
    if not is_in_form or any(
        type(facts[name]) is not int or facts[name] < 0 for name in ("size", "agreed")
    ):
        raise Contradiction("what was lost is not in form")
    try:
        root = bytes.fromhex(facts["root"])
    except (TypeError, ValueError) as error:
        raise Contradiction("the root of what was lost is not in form") from error
    if len(root) != HASH_BYTES or root.hex() != facts["root"] or facts["origin"] is None:
        raise Contradiction("what was lost is not in form")
    return LostLog(
        origin=str(facts["origin"]), size=facts["size"], root=root, agreed=facts["agreed"]
    )
