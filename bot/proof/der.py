"""Reads DER (X.690) strictly and shallowly: each value is taken apart only where somebody looks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bot.proof.errors import UnusableFile

INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
OID: Final = 0x06
GENERALIZED_TIME: Final = 0x18
SEQUENCE: Final = 0x30
SET: Final = 0x31
FIRST: Final = 0xA0
"""Context tag [0], constructed."""
SECOND: Final = 0xA1
MULTI_BYTE_TAG: Final = 0x1F
LONG_FORM: Final = 0x80
MAX_LENGTH_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Value:
    """One value: its tag, its content, and its bytes as a whole."""

    tag: int
    content: bytes
    whole: bytes

    def children(self) -> "Children":
        return Children(self)

    def integer(self) -> int:
        if self.tag != INTEGER or not self.content:
            raise UnusableFile("a number that is not in form (DER)")
        return int.from_bytes(self.content, "big", signed=True)


class Children:
    """The values inside of a value, taken one after the other."""

    def __init__(self, parent: Value) -> None:
        self._values = list(_values(parent.content))
        self._at = 0

    def take(self, tag: int) -> Value:
        """Return the next value. Raises UnusableFile when it has another tag or is missing."""
        value = self.take_if(tag)
        if value is None:
            raise UnusableFile(f"a value is missing or another one than expected (DER {tag:#04x})")
        return value

    def take_if(self, tag: int) -> Value | None:
        """Return the next value if it has this tag."""
        if self._at < len(self._values) and self._values[self._at].tag == tag:
            self._at += 1
            return self._values[self._at - 1]
        return None

    def rest(self) -> list[Value]:
        found, self._at = self._values[self._at :], len(self._values)
        return found

    def end(self) -> None:
        """Raise UnusableFile when something was not taken."""
        if self._at != len(self._values):
            raise UnusableFile("a value that has no place here (DER)")


def only(data: bytes, tag: int) -> Value:
    """Read bytes that are one value and nothing besides. Raises UnusableFile."""
    values = list(_values(data))
    if len(values) != 1 or values[0].tag != tag:
        raise UnusableFile("not one value of the expected kind (DER)")
    return values[0]


def write(tag: int, *parts: bytes) -> bytes:
    """Compose a value of its parts."""
    content = b"".join(parts)
    size = len(content)
    if size < LONG_FORM:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, LONG_FORM | len(length)]) + length + content


def _values(data: bytes) -> Iterator[Value]:
    at = 0
    while at < len(data):
        start, tag = at, data[at]
        size, at = _length(data, at + 1)
        if tag & MULTI_BYTE_TAG == MULTI_BYTE_TAG or at + size > len(data):
            raise UnusableFile("a value that is cut short or of an unknown kind (DER)")
        yield Value(tag, data[at : at + size], data[start : at + size])
        at += size


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Return a length and where the content begins; only the shortest spelling is read."""
    first = data[at : at + 1]
    if not first:
        raise UnusableFile("a value that is cut short (DER)")
    if first[0] < LONG_FORM:
        return first[0], at + 1
    count = first[0] - LONG_FORM
    spelled = data[at + 1 : at + 1 + count]
    size = int.from_bytes(spelled, "big")
    is_shortest = size >= LONG_FORM and spelled[:1] != b"\0"
    if not 0 < count <= MAX_LENGTH_BYTES or len(spelled) != count or not is_shortest:
        raise UnusableFile("a length that is not in form (DER)")
    return size, at + 1 + count
