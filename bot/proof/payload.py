"""What a consent event says once it is opened, and how it stands in the tables.

Keys of a payload (absent when there is nothing to say): subject, channel, account, controller
{name, registration}, event, purpose, kind, notice_entry, notice_version, notice_sha256, locale,
shown {text, entities, buttons}, shown_sha256, method, update_id, callback_id, message_id,
message_date, prompt_date, previous, expires, source, software.
"""

import json
from collections.abc import Iterable, Mapping
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
NEVER: Final = "~"
"""Sorts after every time."""


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


def csv_line(cells: Iterable[str]) -> str:
    """Write a line in the one form that the verifier computes again (RFC 4180, LF line ends).

    Python's csv.writer leaves a lone CR bare, and its reader then refuses the line.
    """
    return ",".join(_quoted(cell) for cell in cells) + "\n"


def json_line(line: Mapping[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False) + "\n"


def is_selected(
    selection: Mapping[str, str], read: Entry, payload: Mapping[str, Any] | None
) -> bool:
    """Whether a table of this selection has a line of this entry.

    `from` is inclusive, `to` exclusive, both in the form of the log (RFC 3339 UTC, ms). An entry
    that cannot be opened tells no purpose, so it belongs into tables of all purposes only.
    """
    is_in_period = selection.get("from", "") <= read.time < selection.get("to", NEVER)
    if not is_consent(read) or not is_in_period:
        return False
    purpose = selection.get("purpose")
    return purpose is None or (payload is not None and payload.get("purpose") == purpose)


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _quoted(cell: str) -> str:
    if not any(character in cell for character in ',"\r\n'):
        return cell
    return '"' + cell.replace('"', '""') + '"'
