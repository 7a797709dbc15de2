"""The change of the signing key: a note in which the old key names the new one.

It is the last thing that the old key vouches for. After a loss the note also names the last
checkpoint that is known of the log that was lost.
"""

from dataclasses import dataclass
from typing import Any, Final

from bot.proof import note

HEADING: Final = "assent/key-change/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LostLog:
    """The last known checkpoint of a log that could not be continued."""

    origin: str
    size: int
    root: bytes
    agreed: int
    """So many entries that are left are certainly those that were signed."""

    def to_json(self) -> dict[str, Any]:
        facts = {"agreed": self.agreed, "origin": self.origin, "size": self.size}
        return {**facts, "root": self.root.hex()}


def text(new: note.VerifierKey, lost: LostLog | None) -> str:
    """Return what the old key signs."""
    lines = [HEADING, str(new)]
    if lost is not None:
        lines.append(f"{lost.size} {lost.root.hex()} {lost.agreed}")
    return "".join(f"{line}\n" for line in lines)


def payload(
    *, old_name: str, old_seed: bytes, new: note.VerifierKey, lost: LostLog | None
) -> dict[str, Any]:
    """Return the payload of a `key.changed` entry, but for the software that writes it."""
    facts: dict[str, Any] = {
        "old": str(note.verifier_key(old_name, old_seed)),
        "new": str(new),
        "note": note.sign(text(new, lost), old_name, old_seed),
    }
    if lost is not None:
        facts["lost"] = lost.to_json()
    return facts
