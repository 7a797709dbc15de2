"""C2SP tlog-checkpoint: the size and root of the log, in a signed note."""

import base64
import re
from dataclasses import dataclass
from typing import Final

from bot.proof import note
from bot.proof.errors import UnusableFile
from bot.proof.note import VerifierKey

LINES: Final = 3
SIZE: Final = re.compile(r"0|[1-9]\d{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What the signer vouches for: this log had this root at this size."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def sign(checkpoint: Checkpoint, seed: bytes) -> str:
    """Sign under the origin's own name (C2SP tlog-checkpoint)."""
    return note.sign(checkpoint.text(), checkpoint.origin, seed)


def verify(signed: bytes, key: VerifierKey) -> Checkpoint:
    """Read a checkpoint that the key signed. Raises UnusableFile or Contradiction."""
    return parse(note.verify(signed, key))


def parse(text: str) -> Checkpoint:
    """Read the text of a checkpoint, whoever signed it. Raises UnusableFile."""
    lines = text.split("\n")[:-1]
    if len(lines) < LINES or not all(lines[:LINES]):
        raise UnusableFile("a checkpoint needs origin, size and root")
    origin, size, root_text = lines[:LINES]
    try:
        root = base64.b64decode(root_text, validate=True)
    except ValueError as error:
        raise UnusableFile("a checkpoint whose root is not base64") from error
    if not SIZE.fullmatch(size) or base64.b64encode(root).decode() != root_text:
        raise UnusableFile("a checkpoint whose size or root is not in form")
    return Checkpoint(origin=origin, size=int(size), root=root)
