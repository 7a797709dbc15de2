"""The one form in which facts are hashed: RFC 8785 JSON of NFC text with LF line ends."""

import hashlib
import json
import unicodedata
from typing import Any, Final, NoReturn

import rfc8785

from bot.proof.errors import UnusableFile

MAX_INTEGER: Final = 2**53 - 1
"""Beyond it a number is not the same in every reader (RFC 8785 §3.2.2.3, IEEE 754)."""
PLAIN: Final = frozenset({str, int, bool, type(None)})

# The encoder of the standard library writes the same bytes as RFC 8785 asks, many times faster
# than rfc8785, unless there are floats, large numbers, or keys that sort otherwise in UTF-16.
_write = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, sort_keys=True, separators=(",", ":")
).encode


def canonical_bytes(facts: Any) -> bytes:
    """Serialise as RFC 8785 asks.

    Raises UnusableFile for what has no such form (a float, a number past 2**53, a lone half of
    a surrogate pair): there are no floats in our facts.
    """
    try:
        return _write(facts).encode() if _is_plain(facts) else rfc8785.dumps(facts)
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError) as error:
        raise UnusableFile("these facts have no canonical form (RFC 8785)") from error


def _is_plain(facts: Any) -> bool:
    """Whether the standard library writes these facts as RFC 8785 does. Refuses floats."""
    kind = type(facts)
    is_plain = kind in PLAIN
    if kind is dict:
        is_plain = all(type(name) is str and name.isascii() for name in facts)
        # Every member is looked at, not only up to the first odd one: none may be a float.
        for value in facts.values():
            is_plain &= _is_plain(value)
    elif kind is list or kind is tuple:
        is_plain = True
        for value in facts:
            is_plain &= _is_plain(value)
    elif isinstance(facts, float):
        raise UnusableFile("a float has no place in hashed facts")
    elif kind is int:
        is_plain = -MAX_INTEGER <= facts <= MAX_INTEGER
    return is_plain


def parse(data: bytes) -> Any:
    """Read JSON that must be exactly in canonical form.

    Raises UnusableFile when it is not JSON, or is written in any other way.
    """
    try:
        text = data.decode()
        facts, _end = _read(text)  # what follows, even a blank, is not written again
        is_canonical = _write(facts) == text
    except (ValueError, RecursionError) as error:
        raise UnusableFile("not JSON in canonical form (RFC 8785)") from error
    if _has_astral(data) and not _is_plain(facts):
        is_canonical = canonical_bytes(facts) == data
    if not is_canonical:
        raise UnusableFile("JSON that is not in canonical form (RFC 8785)")
    return facts


def _has_astral(data: bytes) -> bool:
    """Whether there is a character beyond U+FFFF, by how they begin in UTF-8."""
    return (
        b"\xf0" in data or b"\xf1" in data or b"\xf2" in data or b"\xf3" in data or b"\xf4" in data
    )


def _refuse_float(_text: str) -> NoReturn:
    raise UnusableFile("a float has no place in hashed facts")


def _integer(text: str) -> int:
    value = int(text)
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise UnusableFile("a number past 2**53 has no canonical form (RFC 8785)")
    return value


_read = json.JSONDecoder(
    parse_float=_refuse_float, parse_int=_integer, parse_constant=_refuse_float
).raw_decode


def parse_loosely(data: bytes) -> Any:
    """Read JSON in any form; raises UnusableFile and nothing else."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnusableFile("not JSON") from error


def normal_text(text: str) -> str:
    """Bring text to NFC with LF line ends, as it is shown and hashed."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
