"""The members of a bundle as its check reads them: small ones whole, long ones line by line."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, NamedTuple

from bot.proof import archive, bundle, canonical
from bot.proof.archive import Member
from bot.proof.errors import Contradiction, UnusableFile
from bot.proof.merkle import HASH_BYTES

MAX_LINE: Final = 1_000_000
SMALL: Final = 1_000_000
"""Files that are read as a whole may be this long."""
SALT_DIGITS: Final = 64
MAX_NOTICES: Final = 64_000_000
"""All texts are kept in memory, so there is an end to them."""


class Members:
    """The files of one bundle. Raises UnusableFile when it has not the ones it must have."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._members = {member.name: member for member in archive.read(file)}
        if self._members.keys() != bundle.MEMBERS:
            odd = sorted(self._members.keys() ^ bundle.MEMBERS)
            raise UnusableFile(f"a bundle has other files than it must have: {', '.join(odd)}")

    def __getitem__(self, name: str) -> Member:
        return self._members[name]

    def digest(self, name: str) -> str:
        """Return the SHA-256. Raises Contradiction when the CRC of the archive differs."""
        digest = hashlib.sha256()
        for chunk in archive.content(self._file, self._members[name]):
            digest.update(chunk)
        return digest.hexdigest()

    def small(self, name: str) -> bytes:
        member = self._members[name]
        if member.size > SMALL:
            raise UnusableFile(f"{name} is unreasonably long")
        return archive.whole(self._file, member)

    def lines(self, name: str) -> Iterator[bytes]:
        return archive.lines(self._file, self._members[name], MAX_LINE)

    def leaves(self) -> Iterator[bytes]:
        """Return the leaf hashes one by one. Raises Contradiction when the last one is cut."""
        member = self._members[bundle.LEAVES]
        if member.size % HASH_BYTES:
            raise Contradiction(f"{bundle.LEAVES} is cut short")
        return leaves_at(self._file, member.content_at, member.size)


def leaves_at(file: BinaryIO, at: int, length: int) -> Iterator[bytes]:
    """Return leaf hashes that lie in a row. Raises UnusableFile when they end early."""
    piece = HASH_BYTES * 4096
    for start in range(at, at + length, piece):
        file.seek(start)
        wanted = min(piece, at + length - start)
        data = file.read(wanted)
        if len(data) != wanted:
            raise UnusableFile(f"{bundle.LEAVES} is cut short")
        yield from [data[each : each + HASH_BYTES] for each in range(0, wanted, HASH_BYTES)]


class Opening(NamedTuple):
    """One line of the payloads: what opens an entry."""

    number: int
    """Which entry."""
    salt: Any
    payload: Any
    written: bytes
    """The payload in RFC 8785 form, as it stands in the line."""


def openings(lines: Iterator[bytes]) -> Iterator[Opening]:
    """Read the payloads. Raises Contradiction for a line that is not in form or in order."""
    last = -1
    for line in lines:
        facts = canonical.parse(line)
        is_in_form = isinstance(facts, dict) and facts.keys() == {"index", "salt", "payload"}
        if not is_in_form or type(facts["index"]) is not int or facts["index"] <= last:
            raise Contradiction(f"{bundle.PAYLOADS} has a line that is not in form or in order")
        last, salt = facts["index"], facts["salt"]
        # The line is canonical, so its parts are, and stand where their names sort.
        is_usual = (
            type(salt) is str and len(salt) == SALT_DIGITS and salt.isascii() and salt.isalnum()
        )
        end = len(',"salt":""}') + SALT_DIGITS if is_usual else _end_of(salt)
        written = line[len('{"index":,"payload":') + len(str(last)) : -end]
        yield Opening(last, salt, facts["payload"], written)


def _end_of(salt: Any) -> int:
    """Return how long the line is after its payload, whatever stands for a salt."""
    return len(',"salt":}') + len(canonical.canonical_bytes(salt))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One line of the checkpoints: an earlier checkpoint, not yet checked."""

    size: int
    note: bytes


def checkpoints(lines: Iterator[bytes], largest: int) -> Iterator[Signed]:
    """Read the checkpoints. Raises Contradiction for what is not in form or in order."""
    before = -1
    for line in lines:
        facts = canonical.parse(line)
        is_in_form = (
            isinstance(facts, dict)
            and facts.keys() == {"note", "size"}
            and isinstance(facts["note"], str)
            and type(facts["size"]) is int
        )
        if not is_in_form or not before < facts["size"] <= largest:
            raise Contradiction(f"{bundle.CHECKPOINTS} has a line that is not in form or in order")
        before = facts["size"]
        yield Signed(size=before, note=facts["note"].encode())
