"""The canonical zip of a bundle: one possible file for the same members (contract, "The bundle").

Entries are stored without compression, with fixed date and attributes, sorted by name, without
extra fields, comments or gaps (APPNOTE.TXT 4.3). The reader computes every byte of the structure
again and refuses any other.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from bot.proof.errors import Contradiction, UnusableFile

LOCAL: Final = struct.Struct("<4s5H3L2H")
CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
END: Final = struct.Struct("<4s4H2LH")
DATE: Final = (1 << 5) | 1
"""1980-01-01, the first day that a zip can name."""
VERSION: Final = 20
UTF8_NAMES: Final = 1 << 11
ATTRIBUTES: Final = 0o100644 << 16
UNIX: Final = 3 << 8
CHUNK: Final = 1 << 20
MAX_MEMBERS: Final = 64
AGAIN: Final = "; if it was packed again, ask for the original file"
MAX_BYTES: Final = 2**32 - 1
MAX_DIRECTORY: Final = 1 << 16
"""A directory is read as a whole, so it may not be longer than any of ours could be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file in the archive: where its content begins, how long it is."""

    name: str
    crc: int
    size: int
    header_at: int

    @property
    def content_at(self) -> int:
        return self.header_at + LOCAL.size + len(self.name.encode())

    def local_header(self) -> bytes:
        name = self.name.encode()
        sizes = (self.crc, self.size, self.size)
        fields = (VERSION, UTF8_NAMES, 0, 0, DATE)
        return LOCAL.pack(b"PK\3\4", *fields, *sizes, len(name), 0) + name

    def central_header(self) -> bytes:
        name = self.name.encode()
        sizes = (self.crc, self.size, self.size)
        fields = (UNIX | VERSION, VERSION, UTF8_NAMES, 0, 0, DATE)
        rest = (len(name), 0, 0, 0, 0, ATTRIBUTES, self.header_at)
        return CENTRAL.pack(b"PK\1\2", *fields, *sizes, *rest) + name


def write(path: Path, files: dict[str, Path]) -> None:
    """Write the archive of these files. Raises UnusableFile beyond 4 GiB."""
    members, at = [], 0
    with path.open("wb") as target:
        for name in sorted(files):
            crc, size = _checksum(files[name])
            member = Member(name=name, crc=crc, size=size, header_at=at)
            at = member.content_at + size
            if at > MAX_BYTES:
                raise UnusableFile("a bundle may be 4 GiB at most; choose a shorter period")
            target.write(member.local_header())
            for chunk in _chunks(files[name]):
                target.write(chunk)
            members.append(member)
        target.write(_directory(members, at))


def read(file: BinaryIO) -> list[Member]:
    """Return the members of a canonical archive.

    Raises UnusableFile for any byte of the structure that is not as `write` would have it.
    """
    size = file.seek(0, 2)
    members = _members(file, size)
    start = members[-1].content_at + members[-1].size
    if start > MAX_BYTES:
        raise UnusableFile("the zip is cut short")
    end = _directory(members, start)
    if _exactly(file, size - len(end), len(end)) != end:
        raise UnusableFile("the directory of the zip is not canonical" + AGAIN)
    expected_at = 0
    for member in members:
        header = member.local_header()
        found = _exactly(file, member.header_at, len(header))
        if member.header_at != expected_at or found != header:
            raise UnusableFile(f"the zip is not canonical before {member.name}" + AGAIN)
        expected_at = member.content_at + member.size
    return members


def content(file: BinaryIO, member: Member) -> Iterator[bytes]:
    """Read a member in pieces.

    Raises UnusableFile when it ends early, Contradiction in the end when its CRC differs.
    """
    file.seek(member.content_at)
    left, crc = member.size, 0
    while left:
        chunk = file.read(min(CHUNK, left))
        if not chunk:
            raise UnusableFile(f"{member.name} is cut short")
        crc, left = zlib.crc32(chunk, crc), left - len(chunk)
        yield chunk
    if crc != member.crc:
        raise Contradiction(f"{member.name} was changed: its CRC differs")


def whole(file: BinaryIO, member: Member) -> bytes:
    """Read a small member at once; like `lines`, without its CRC. Raises UnusableFile."""
    return _exactly(file, member.content_at, member.size)


def lines(file: BinaryIO, member: Member, limit: int) -> Iterator[bytes]:
    """Read a member line by line; what is wrong in it is left to who knows what it should say.

    Raises UnusableFile when a line is longer than `limit`, or the last one does not end.
    """
    rest = b""
    position = member.content_at
    left = member.size
    while left:
        file.seek(position)
        chunk = file.read(min(CHUNK, left))
        if not chunk:
            raise UnusableFile(f"{member.name} is cut short")
        position, left = position + len(chunk), left - len(chunk)
        *whole, rest = (rest + chunk).split(b"\n")
        if max(map(len, (*whole, rest))) > limit:
            raise UnusableFile(f"{member.name} has a line longer than {limit} bytes")
        yield from whole
    if rest:
        raise UnusableFile(f"{member.name} does not end in a line end")


def _members(file: BinaryIO, size: int) -> list[Member]:
    tail = _exactly(file, size - END.size, END.size) if size >= END.size else b""
    if not tail.startswith(b"PK\5\6"):
        raise UnusableFile("not a bundle: no zip directory at its end")
    _, _, _, count, _, length, start, _ = END.unpack(tail)
    is_in_form = 0 < count <= MAX_MEMBERS and length <= MAX_DIRECTORY
    if not is_in_form or start + length + END.size != size:
        raise UnusableFile("the directory of the zip is not canonical" + AGAIN)
    directory = _exactly(file, start, length)
    members, at = [], 0
    for _number in range(count):
        if at + CENTRAL.size > length:
            raise UnusableFile("the directory of the zip is cut short")
        fields = CENTRAL.unpack_from(directory, at)
        name_length = fields[10]
        raw = directory[at + CENTRAL.size : at + CENTRAL.size + name_length]
        members.append(Member(name=_name(raw), crc=fields[7], size=fields[8], header_at=fields[16]))
        at += CENTRAL.size + name_length
    names = [member.name for member in members]
    if names != sorted(set(names)):
        raise UnusableFile("the files of the zip are not sorted, or one is there twice")
    return members


def _name(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise UnusableFile("a file name that is not UTF-8") from error


def _directory(members: list[Member], start: int) -> bytes:
    central = b"".join(member.central_header() for member in members)
    count = len(members)
    return central + END.pack(b"PK\5\6", 0, 0, count, count, len(central), start, 0)


def _exactly(file: BinaryIO, at: int, length: int) -> bytes:
    if at < 0:
        raise UnusableFile("the zip is cut short")
    file.seek(at)
    data = file.read(length)
    if len(data) != length:
        raise UnusableFile("the zip is cut short")
    return data


def _checksum(path: Path) -> tuple[int, int]:
    crc = size = 0
    for chunk in _chunks(path):
        crc, size = zlib.crc32(chunk, crc), size + len(chunk)
    return crc, size


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
