"""What a check found, and the facts of the log that others can be held against."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from bot.proof.checkpoint import Checkpoint
from bot.proof.keychain import KeyChain
from bot.proof.note import VerifierKey
from bot.proof.proof_file import Proof
from bot.proof.words import NOT_PROVEN, ONE_NOT_PROVEN, ONE_PROVEN, PROVEN

MAX_FAILURES: Final = 50
MAX_REMARKS: Final = 20


@dataclass(slots=True)
class Report:
    """What a check found. `failures` is empty when everything holds."""

    file: str
    key: VerifierKey | None = None
    is_key_given: bool = False
    origin: str = ""
    size: int = 0
    opened: int = 0
    failures: list[str] = field(default_factory=list)
    more_failures: int = 0
    """How many were found beyond those that are listed."""
    remarks: list[str] = field(default_factory=list)
    more_remarks: int = 0
    clocks: list[str] = field(default_factory=list)
    """Whose word bounds a time here: an authority's, a public post's."""
    is_single: bool = False
    """One person's proof, not a bundle."""
    proof: Proof | None = None
    """What a single proof says, once it holds."""
    head: Checkpoint | None = None
    """The newest signed tree that the file has."""
    keys: KeyChain | None = None
    created: str = ""
    """When a bundle says that it was made."""
    leaves_at: tuple[int, int] | None = None
    """Where the leaves of a bundle lie in its file, and how many bytes they are."""

    @property
    def ok(self) -> bool:
        return not self.failures

    @property
    def proven(self) -> tuple[str, ...]:
        if not self.ok or (self.head is not None and self.is_checkpoint):
            return ()
        return ONE_PROVEN if self.is_single else PROVEN

    @property
    def is_checkpoint(self) -> bool:
        """Whether the file is a signed checkpoint and nothing more."""
        return self.proof is None and self.leaves_at is None and self.head is not None

    @property
    def not_proven(self) -> tuple[str, ...]:
        return ONE_NOT_PROVEN if self.is_single else NOT_PROVEN

    def fail(self, what: str) -> None:
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(what)
        else:
            self.more_failures += 1

    def fail_first(self, found: list[str]) -> None:
        """Put what explains the other failures before them."""
        kept = [*found, *self.failures]
        self.failures, left = kept[:MAX_FAILURES], kept[MAX_FAILURES:]
        self.more_failures += len(left)

    def remark(self, what: str) -> None:
        if len(self.remarks) < MAX_REMARKS:
            self.remarks.append(what)
        else:
            self.more_remarks += 1


def stamp_claim(size: int, at: datetime, authority: str, *, is_trusted: bool) -> str:
    """Say what a time stamp on a checkpoint shows."""
    how = (
        "its certificate leads to the roots that you gave"
        if is_trusted
        else "whether the authority is one was not checked: give its roots with --stamp-roots"
    )
    return (
        f"time authority: the {size} entries existed before {at.isoformat()}, says {authority} "
        f"({how})"
    )
