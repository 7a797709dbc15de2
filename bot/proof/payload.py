"""What a consent event says once it is opened, and how it stands in the tables.

Keys of a payload (absent when there is nothing to say): subject, channel, account, controller
{name, registration}, event, purpose, kind, notice_entry, notice_version, notice_sha256, locale,
shown {text, entities, buttons}, shown_sha256, method, update_id, callback_id, message_id,
message_date, prompt_date, previous, expires, source, software.
"""

import json
import re
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
PUBLICATION: Final = "notice.published"
SEAL: Final = "occurrence.sealed"
KEY_CHANGE: Final = "key.changed"
ALWAYS_OPEN: Final = frozenset({PUBLICATION, SEAL, KEY_CHANGE})
"""What is opened in every bundle: there is nothing personal in it."""
PUBLIC: Final = "public"
"""The form of a bundle in which nobody is opened."""
NEVER: Final = "~"
"""Sorts after every time."""
OPENED: Final = COLUMNS[4:]
"""What the payload says; the columns before are known of closed entries too."""
EMPTY_ROW: Final = dict.fromkeys(COLUMNS, "")
SPECIAL: Final = re.compile(r'["\r\n]|(?:^|,)[=+\-@\t]')
_write_json = json.JSONEncoder(ensure_ascii=False).encode


def is_consent(entry: Entry) -> bool:
    """Whether an entry belongs into the table of consents."""
    return entry.type.startswith(CONSENT) or entry.type == ERASURE


def row(index: int, entry: Entry, payload: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return one line of the table; what hung on an erased person is empty, the line stays."""
    event = "erased" if entry.type == ERASURE else entry.type.removeprefix(CONSENT)
    line: dict[str, Any] = EMPTY_ROW.copy()
    line.update(index=index, entry_id=entry.id, time=entry.time, event=event)
    if payload:
        line.update({name: payload[name] for name in OPENED if name in payload})
    return line


def csv_cells(line: Mapping[str, Any]) -> list[str]:
    """Return the cells of a line; none of them can be taken for a formula."""
    return [_safe(str(line[name])) for name in COLUMNS]


def csv_row(line: Mapping[str, Any]) -> str:
    """Write a row of the table; none of its cells can be taken for a formula."""
    plain = ",".join([str(line[name]) for name in COLUMNS])
    # Nearly every row needs neither quotes nor apostrophes: seen in one look.
    if plain.count(",") == len(COLUMNS) - 1 and not SPECIAL.search(plain):
        return plain + "\n"
    return csv_line(csv_cells(line))


def csv_line(cells: Iterable[str]) -> str:
    """Write a line in the one form that the verifier computes again (RFC 4180, LF line ends).

    Python's csv.writer leaves a lone CR bare, and its reader then refuses the line.
    """
    return ",".join(_quoted(cell) for cell in cells) + "\n"


def json_line(line: Mapping[str, Any]) -> str:
    return _write_json(line) + "\n"


class Choice:
    """A selection, read once: which entries and deliveries it takes.

    `from` is inclusive, `to` exclusive, both in the form of the log (RFC 3339 UTC, ms). An entry
    that cannot be opened tells no purpose and no person, so it belongs into tables of all of them
    only. The public form opens nobody: its tables tell that something happened, and when.
    """

    def __init__(self, selection: Mapping[str, str]) -> None:
        self._start, self._end = selection.get("from", ""), selection.get("to", NEVER)
        self._purpose = selection.get("purpose")
        named = selection.get("subjects")
        self._subjects = None if named is None else frozenset(named.split())
        self.is_public = selection.get("form") == PUBLIC

    def takes(self, read: Entry, payload: Mapping[str, Any] | None) -> bool:
        """Whether the tables have a line of this entry."""
        return is_consent(read) and self._is_meant(read.time, payload or {})

    def opens(self, read: Entry, payload: Mapping[str, Any] | None) -> bool:
        """Whether this entry is opened."""
        is_chosen = not self.is_public and self.takes(read, payload)
        return is_chosen or read.type in ALWAYS_OPEN

    def opens_delivery(self, payload: Mapping[str, Any]) -> bool:
        return not self.is_public and self._is_meant(str(payload.get("time")), payload)

    def _is_meant(self, time: str, payload: Mapping[str, Any]) -> bool:
        return (
            self._start <= time < self._end
            and (self._purpose is None or payload.get("purpose") == self._purpose)
            and (self._subjects is None or str(payload.get("subject")) in self._subjects)
        )


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _quoted(cell: str) -> str:
    if not any(character in cell for character in ',"\r\n'):
        return cell
    return '"' + cell.replace('"', '""') + '"'
