"""What a consent event says once it is opened, and how it stands in the tables.

Keys of a payload (absent when there is nothing to say): subject, channel, account, controller
{name, registration}, event, purpose, kind, notice_entry, notice_version, notice_sha256, locale,
shown {text, entities, buttons}, shown_sha256, method, update_id, callback_id, message_id,
message_date, prompt_date, previous, expires, source, software.
"""

import json
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring
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
SWEEP: Final = "staff.privacy_swept"
EXPLAINERS: Final = frozenset({ERASURE, SWEEP})
"""What closes answers and deliveries that were open before."""
PUBLIC: Final = "public"
"""The form of a bundle in which nobody is opened."""
NEVER: Final = "~"
"""Sorts after every time."""
OPENED: Final = COLUMNS[4:]
"""What the payload says; the columns before are known of closed entries too."""
BLANKS: Final = ("",) * len(OPENED)
VERSION_AT: Final = COLUMNS.index("notice_version")
JSON_ROW: Final = "{%s}\n" % ", ".join(  # noqa: UP031 the braces are JSON's
    f'"{name}": ' + ("%s" if name in {"index", "notice_version"} else '"%s"') for name in COLUMNS
)
ESCAPED_NUL: Final = "\\u0000"


def is_consent(entry: Entry) -> bool:
    """Whether an entry belongs into the table of consents."""
    return entry.type.startswith(CONSENT) or entry.type == ERASURE


def row(index: int, entry: Entry, payload: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return one line of the table; what hung on an erased person is empty, the line stays."""
    event = "erased" if entry.type == ERASURE else entry.type.removeprefix(CONSENT)
    opened = BLANKS if payload is None else map(payload.get, OPENED, BLANKS)
    return dict(zip(COLUMNS, (index, entry.id, entry.time, event, *opened), strict=True))


def table_lines(index: int, entry: Entry, payload: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return the line of an entry in the CSV table and the one in JSON Lines.

    A million of them are written and computed again, so the usual ones take no loop: the cells
    are joined by NUL, which stands in no usual text, and all of them are looked at at once.
    """
    event = "erased" if entry.type == ERASURE else entry.type.removeprefix(CONSENT)
    opened = BLANKS if payload is None else map(payload.get, OPENED, BLANKS)
    cells = [str(index), entry.id, entry.time, event, *opened]
    is_version = type(cells[VERSION_AT]) is int
    if is_version:
        cells[VERSION_AT] = str(cells[VERSION_AT])
    try:
        joined = "\0".join(cells)
    except TypeError:
        joined = ""
    parts = encode_basestring(joined)[1:-1].split(ESCAPED_NUL)
    if not is_version or len(parts) != len(COLUMNS) or _is_special(joined):
        line = row(index, entry, payload)
        return csv_row(line), json_line(line)
    return joined.replace("\0", ",") + "\n", JSON_ROW % tuple(parts)


def _is_special(joined: str) -> bool:
    """Whether a cell needs quotes or an apostrophe. The first one, a number, never does."""
    return (
        '"' in joined
        or "," in joined
        or "\r" in joined
        or "\n" in joined
        or "\0=" in joined
        or "\0+" in joined
        or "\0-" in joined
        or "\0@" in joined
        or "\0\t" in joined
    )


def csv_row(line: Mapping[str, Any]) -> str:
    """Write a row of the table; none of its cells can be taken for a formula."""
    return csv_line(_safe(str(line[name])) for name in COLUMNS)


def csv_line(cells: Iterable[str]) -> str:
    """Write a line in the one form that the verifier computes again (RFC 4180, LF line ends).

    Python's csv.writer leaves a lone CR bare, and its reader then refuses the line.
    """
    return ",".join(_quoted(cell) for cell in cells) + "\n"


def json_line(line: Mapping[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False) + "\n"


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
