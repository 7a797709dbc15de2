"""The leaf of one delivery in the seal of its occurrence: salted, so that it tells nothing.

The payload has, as far as there is something to say: campaign, consent_entry, delivery,
message_id, occurrence, purpose, reason, state, subject, time.
"""

import hmac
from collections.abc import Mapping
from typing import Any, Final

from bot.proof import canonical
from bot.proof.errors import Contradiction
from bot.proof.merkle import leaf_hash

COMMIT_DOMAIN: Final = b"assent/delivery/v1\0"
SALT_DOMAIN: Final = b"assent/delivery-salt/v1\0"


def salt(key: bytes, delivery_id: str) -> bytes:
    """Derive the salt from the person's data key: destroying the key closes the leaf."""
    return hmac.digest(key, SALT_DOMAIN + delivery_id.encode(), "sha256")


def commit(salt: bytes, payload: Mapping[str, Any]) -> bytes:
    return hmac.digest(salt, COMMIT_DOMAIN + canonical.canonical_bytes(dict(payload)), "sha256")


def leaf(salt: bytes, payload: Mapping[str, Any]) -> bytes:
    """Return the hash that stands for a delivery in the tree of its occurrence."""
    return leaf_hash(commit(salt, payload))


def check_opening(salt: bytes, payload: Mapping[str, Any], expected: bytes) -> None:
    """Raise Contradiction unless salt and payload are what the leaf committed to."""
    if leaf(salt, payload) != expected:
        raise Contradiction("the delivery was changed or belongs to another leaf")
