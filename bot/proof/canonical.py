"""The one form in which facts are hashed: RFC 8785 JSON of NFC text with LF line ends."""

import hashlib
import json
import unicodedata
from typing import Any

import rfc8785

from bot.proof.errors import UnusableFile


def canonical_bytes(facts: Any) -> bytes:
    """Serialise as RFC 8785 asks.

    Raises UnusableFile for what has no such form (a float, a number past 2**53, a lone half of
    a surrogate pair): there are no floats in our facts.
    """
    try:
        _refuse_floats(facts)
        return rfc8785.dumps(facts)
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError) as error:
        raise UnusableFile("these facts have no canonical form (RFC 8785)") from error


def _refuse_floats(facts: Any) -> None:
    if isinstance(facts, float):
        raise UnusableFile("a float has no place in hashed facts")
    if isinstance(facts, dict):
        for value in facts.values():
            _refuse_floats(value)
    elif isinstance(facts, list | tuple):
        for value in facts:
            _refuse_floats(value)


def parse(data: bytes) -> Any:
    """Read JSON that must be exactly in canonical form.

    Raises UnusableFile when it is not JSON, or is written in any other way.
    """
    facts = parse_loosely(data)
    if canonical_bytes(facts) != data:
        raise UnusableFile("JSON that is not in canonical form (RFC 8785)")
    return facts


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
