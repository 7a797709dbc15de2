"""What a consent event says once it is opened, and how it stands in the tables.

Keys of a payload (absent when there is nothing to say): subject, channel, account, controller
{name, registration}, event, purpose, kind, notice_entry, notice_version, notice_sha256, locale,
shown {text, entities, buttons}, shown_sha256, method, update_id, callback_id, message_id,
message_date, prompt_date, previous, expires, source, software.
"""

from collections.abc import Mapping
from typing import Any, Final

from bot.proof.entry import Entry

COLUMNS: Final = (
    "index",
    "entry_id",
    "time",
    "event",
    "subject",
    "channel",
    "account",
    "purpose",
    "kind",
    "notice_version",
    "notice_sha256",
    "shown_sha256",
    "locale",
    "source",
    "method",
    "update_id",
    "message_id",
    "expires",
    "previous",
)
"""The consent log, opened (contract): CSV columns and JSON Lines keys, in this order."""
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""A table program would run a cell that begins so (OWASP, CSV injection)."""
ERASURE: Final = "subject.erased"
CONSENT: Final = "consent."


def is_consent(entry: Entry) -> bool:
    """Whether an entry belongs into the table of consents."""
    return entry.type.startswith(CONSENT) or entry.type == ERASURE


def row(index: int, entry: Entry, payload: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return one line of the table; what hung on an erased person is empty, the line stays."""
    event = "erased" if entry.type == ERASURE else entry.type.removeprefix(CONSENT)
    known: dict[str, Any] = {
        "index": index,
        "entry_id": entry.id,
        "time": entry.time,
        "event": event,
    }
    opened = payload or {}
    return {name: known[name] if name in known else opened.get(name, "") for name in COLUMNS}


def csv_cells(line: Mapping[str, Any]) -> list[str]:
    """Return the cells of a line; none of them can be taken for a formula."""
    return [_safe(str(line[name])) for name in COLUMNS]


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text
