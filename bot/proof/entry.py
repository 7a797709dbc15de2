"""The hashed entry of the log: a commitment, and nothing that tells who."""

import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from bot.proof import canonical
from bot.proof.errors import UnusableFile
from bot.proof.merkle import leaf_hash

COMMIT_DOMAIN: Final = b"assent/commit/v1\0"
TYPES: Final = re.compile(
    r"consent\.(?:granted|confirmed|refused|withdrawn|expired|superseded|imported)"
    r"|notice\.published|subject\.erased|occurrence\.sealed|doubt\.resolved"
    r"|staff\.[a-z_]+|export\.made|key\.changed"
)
ID: Final = re.compile(r"[0-9a-f]{32}")
COMMIT: Final = re.compile(r"[0-9a-f]{64}")
DAY: Final = (
    r"(?:(?!0000)\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))"
    r"|(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)-02-29)"
)
"""A day that the calendar has; the years are 0001 to 9999."""
CLOCK: Final = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
TIME: Final = re.compile(rf"{DAY}T{CLOCK}\.\d{{3}}Z", re.ASCII)
"""An instant that exists: no month 13, no hour 24, no second 60."""
KEYS: Final = frozenset({"v", "type", "id", "t", "commit"})


SHAPE: Final = re.compile(
    rf'{{"commit":"({COMMIT.pattern})","id":"({ID.pattern})","t":"({TIME.pattern})",'
    rf'"type":"({TYPES.pattern})","v":1}}',
    re.ASCII,
)
"""The one spelling of an entry in RFC 8785 form."""


class Entry(NamedTuple):
    """One entry, read back. `hashed` are the bytes whose leaf hash is in the tree."""

    type: str
    id: str
    time: str
    commitment: str
    hashed: bytes

    @property
    def leaf(self) -> bytes:
        return leaf_hash(self.hashed)


def rfc3339(at: datetime) -> str:
    """Write an instant as the log does: UTC, milliseconds, Z (RFC 3339)."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def commitment(salt: bytes, payload: Mapping[str, Any]) -> str:
    """Commit to a payload so that it can be opened later and guessed by nobody."""
    return commitment_to(salt, canonical.canonical_bytes(payload))


def commitment_to(salt: bytes, payload: bytes) -> str:
    """Commit to a payload that is already in RFC 8785 form."""
    return hmac.digest(salt, COMMIT_DOMAIN + payload, "sha256").hex()


def build(*, entry_type: str, entry_id: str, at: datetime, commitment: str) -> bytes:
    """Return the hashed bytes of an entry."""
    facts = {"v": 1, "type": entry_type, "id": entry_id, "t": rfc3339(at), "commit": commitment}
    return canonical.canonical_bytes(facts)


def parse(hashed: bytes) -> Entry:
    """Read an entry. Raises UnusableFile for anything but the exact form."""
    try:
        found = SHAPE.fullmatch(hashed.decode("ascii"))
    except UnicodeDecodeError:
        found = None
    if found is None:
        raise UnusableFile(_what_is_wrong(hashed))
    commit, entry_id, time, kind = found.groups()
    return Entry(kind, entry_id, time, commit, hashed)


def _what_is_wrong(hashed: bytes) -> str:
    facts = canonical.parse(hashed)
    if isinstance(facts, dict) and facts.keys() == KEYS and facts["v"] == 1:
        shapes = (("type", TYPES), ("id", ID), ("t", TIME), ("commit", COMMIT))
        for key, shape in shapes:
            if not isinstance(facts[key], str) or not shape.fullmatch(facts[key]):
                return f"a log entry whose {key!r} is not in form"
    return "not a log entry of version 1"
