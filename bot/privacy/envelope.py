"""AES-256-GCM with what it belongs to as associated data: a sealed value cannot be moved."""

import json
import os
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bot.errors import AssentError

NONCE_BYTES: Final = 12
"""96 random bits (NIST SP 800-38D §8.2.2): a key seals far fewer than 2**32 values."""


class SealBroken(AssentError):
    """A sealed value was changed, moved, or sealed under another key."""


def seal(key: bytes, plain: bytes, associated: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, associated)


def open_sealed(key: bytes, sealed: bytes, associated: bytes) -> bytes:
    """Return what was sealed. Raises SealBroken."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], associated)
    except (InvalidTag, ValueError) as error:
        raise SealBroken("a sealed value does not open") from error


def seal_json(key: bytes, facts: Mapping[str, Any], associated: bytes) -> bytes:
    return seal(key, json.dumps(facts, ensure_ascii=False).encode(), associated)


def open_json(key: bytes, sealed: bytes, associated: bytes) -> dict[str, Any]:
    """Return the facts that were sealed. Raises SealBroken."""
    facts: dict[str, Any] = json.loads(open_sealed(key, sealed, associated))
    return facts
