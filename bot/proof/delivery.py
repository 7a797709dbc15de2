"""One delivery as evidence: what it says, its salt, and the leaf that a seal holds of it.

When an occurrence has ended, the Merkle root over the leaves of all its deliveries, in the order of
their ids (bytewise), becomes one entry of the log. The salt is derived from a key and not kept:
whoever destroys a person's key closes that person's leaves, and the root stands.

Keys of a payload (absent when there is nothing to say): campaign, consent_entry, delivery,
message_id, occurrence, purpose, reason, state, subject, time.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from bot.proof import canonical, entry, merkle
from bot.proof.errors import Contradiction, UnusableFile

COMMIT_DOMAIN: Final = b"assent/delivery/v1\0"
SALT_DOMAIN: Final = b"assent/delivery-salt/v1\0"
SENT: Final = "sent"

_ID: Final = re.compile(r"[0-9a-f]{32}")
_SHAPES: Final = {
    "campaign": _ID,
    "consent_entry": entry.ID,
    "delivery": re.compile(r"[A-Za-z0-9_-]{22}"),
    "message_id": re.compile(r"-?\d{1,20}", re.ASCII),
    "occurrence": _ID,
    "purpose": re.compile(r"[a-z0-9-]{1,64}"),
    "reason": re.compile(r"[a-z0-9_]{1,32}"),
    "state": re.compile(r"sent|failed|suppressed|uncertain"),
    "subject": _ID,
    "time": entry.TIME,
}
_ALWAYS: Final = frozenset({"campaign", "delivery", "occurrence", "purpose", "state", "time"})
_SALT: Final = re.compile(r"[0-9a-f]{64}")


def payload(
    *,
    campaign: str,
    occurrence: str,
    delivery: str,
    purpose: str,
    state: str,
    at: datetime,
    subject: str | None = None,
    consent_entry: str | None = None,
    message_id: int | None = None,
    reason: str | None = None,
) -> dict[str, str]:
    """Return what a delivery says; `at` is when it came into its state.

    Without a subject the person was erased before: then nothing else that leads to them is said.
    """
    facts = {
        "campaign": campaign,
        "delivery": delivery,
        "occurrence": occurrence,
        "purpose": purpose,
        "reason": reason,
        "state": state,
        "time": entry.rfc3339(at),
    }
    if subject is not None:
        facts |= {
            "consent_entry": consent_entry,
            # Ids are strings: numbers past 2**53 have no canonical form (RFC 8785).
            "message_id": None if message_id is None else str(message_id),
            "subject": subject,
        }
    return {name: value for name, value in facts.items() if value is not None}


def salt(key: bytes, delivery_id: str) -> bytes:
    """Derive the salt of a delivery from the data key of its person (or of the house)."""
    return hmac.new(key, SALT_DOMAIN + delivery_id.encode(), hashlib.sha256).digest()


def leaf(salt: bytes, payload: Mapping[str, Any]) -> bytes:
    """Return the leaf hash of a delivery: RFC 6962 §2.1 over the commitment to its payload."""
    message = COMMIT_DOMAIN + canonical.canonical_bytes(payload)
    return merkle.leaf_hash(hmac.new(salt, message, hashlib.sha256).digest())


def check_opening(salt_hex: Any, payload: Any) -> bytes:
    """Return the leaf that an opened delivery leads to; the caller compares it or its root.

    Raises UnusableFile when salt or payload are not in form, Contradiction when the payload says
    of a known person that they were sent a message which no consent allowed.
    """
    if not isinstance(salt_hex, str) or not _SALT.fullmatch(salt_hex):
        raise UnusableFile("a delivery whose salt is not in form")
    if not isinstance(payload, dict) or not _ALWAYS <= payload.keys() <= _SHAPES.keys():
        raise UnusableFile("a delivery whose payload is not in form")
    for name, value in payload.items():
        if not isinstance(value, str) or not _SHAPES[name].fullmatch(value):
            raise UnusableFile(f"a delivery whose {name!r} is not in form")
    if payload["state"] == SENT and "subject" in payload and "consent_entry" not in payload:
        raise Contradiction(f"delivery {payload['delivery']}: sent without a consent")
    return leaf(bytes.fromhex(salt_hex), payload)
