"""What the entries of a bundle say of each other, in a temporary database.

Millions of ids and events do not fit into memory. Facts are only collected while the bundle is
read; what contradicts is asked for once, in the end. The file is private to the process, nameless,
and gone with it.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from bot.proof.entry import ID, Entry

BATCH: Final = 5_000
CACHE_KIB: Final = 16_384
ENDINGS: Final = ("withdrawn", "refused", "expired", "superseded")
"""After one of these a consent no longer holds."""
SCHEMA: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = FILE;
CREATE TABLE entry (number INTEGER PRIMARY KEY, id BLOB NOT NULL);
CREATE TABLE event (
    number INTEGER PRIMARY KEY, id BLOB NOT NULL, subject TEXT NOT NULL, purpose TEXT NOT NULL,
    event TEXT NOT NULL, time TEXT NOT NULL, previous, expires TEXT, kind TEXT
);
CREATE TABLE delivery (
    seal INTEGER NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, time TEXT NOT NULL,
    subject TEXT, purpose TEXT NOT NULL, consent, started TEXT
);
CREATE TABLE seal (number INTEGER PRIMARY KEY, occurrence TEXT NOT NULL);
"""
TWICE: Final = """
SELECT entry.number, lower(hex(entry.id)) FROM entry JOIN (
    SELECT id, min(number) AS first FROM entry GROUP BY id HAVING count(*) > 1
) AS found ON found.id = entry.id AND entry.number > found.first
ORDER BY entry.number
"""
BROKEN_CHAINS: Final = """
SELECT number, previous, expected FROM (
    SELECT number, previous,
        lag(id) OVER (PARTITION BY subject, purpose ORDER BY number) AS expected
    FROM event
) WHERE previous IS NOT expected ORDER BY number
"""
SEALED_TWICE: Final = """
SELECT seal.number, found.first, seal.occurrence FROM seal JOIN (
    SELECT occurrence, min(number) AS first FROM seal GROUP BY occurrence HAVING count(*) > 1
) AS found ON found.occurrence = seal.occurrence AND seal.number > found.first
ORDER BY seal.number
"""
LISTED_TWICE: Final = """
SELECT DISTINCT delivery.seal, delivery.id, found.first FROM delivery JOIN (
    SELECT id, min(seal) AS first FROM delivery GROUP BY id HAVING min(seal) < max(seal)
) AS found ON found.id = delivery.id AND delivery.seal > found.first
ORDER BY delivery.seal, delivery.id
"""
ENDED: Final = f"""
CREATE TABLE ending (
    subject TEXT NOT NULL, purpose TEXT NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (subject, purpose, number)
) WITHOUT ROWID;
INSERT INTO ending SELECT subject, purpose, number FROM event WHERE event IN {ENDINGS};
"""  # noqa: S608 a constant of ours
"""Apart from the events that end nothing: of those one person may have very many."""
RESTS: Final = """
SELECT delivery.*, entry.number AS consent_number, event.event, event.time AS since,
    event.expires, event.subject AS who, event.purpose AS what, event.kind,
    (
        SELECT ending.number FROM ending
        WHERE ending.subject = event.subject AND ending.purpose = event.purpose
            AND ending.number > event.number
        ORDER BY ending.number LIMIT 1
    ) AS ended_by
FROM delivery
LEFT JOIN entry ON entry.id = delivery.consent
LEFT JOIN event ON event.number = entry.number
WHERE delivery.state IN ('sent', 'uncertain')
ORDER BY delivery.seal, delivery.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """A send, and what is known of the consent that it names."""

    seal: int
    delivery: str
    state: str
    time: str
    subject: str | None
    purpose: str
    consent: str | None
    """The id that it names, whatever that is."""
    started: str | None
    """When its occurrence did, where the seal tells that."""
    consent_number: int | None
    """Which entry that is; None: no entry of the log."""
    event: str | None
    """None: that entry is not opened here, or is no event of consent."""
    since: str
    expires: str | None
    who: str
    what: str
    kind: str
    ended_by: int | None
    ended_at: str
    ending: str


class Ledger:
    """Facts of one bundle. Close it, or use it in a `with`."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(SCHEMA)
        self._database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._entries: list[tuple[int, bytes]] = []
        self._events: list[tuple[Any, ...]] = []
        self._deliveries: list[tuple[Any, ...]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._database.close()

    def add_entry(self, number: int, read: Entry) -> None:
        self._entries.append((number, bytes.fromhex(read.id)))
        if len(self._entries) >= BATCH:
            self._flush()

    def add_event(self, number: int, read: Entry, payload: Mapping[str, Any]) -> None:
        """Keep an opened event of consent."""
        expires = payload.get("expires")
        self._events.append(
            (
                number,
                bytes.fromhex(read.id),
                str(payload.get("subject")),
                str(payload.get("purpose")),
                str(payload.get("event")),
                read.time,
                _id(payload.get("previous")),
                expires if isinstance(expires, str) else None,
                str(payload.get("kind")),
            )
        )

    def add_seal(self, number: int, payload: Mapping[str, Any]) -> None:
        """Keep of which occurrence a seal is."""
        fact = (number, str(payload.get("occurrence")))
        self._database.execute("INSERT INTO seal VALUES (?, ?)", fact)

    def add_delivery(
        self, seal: int, sealed: Mapping[str, Any], payload: Mapping[str, Any]
    ) -> None:
        """Keep an opened delivery; `sealed` is what its seal says."""
        names = ("delivery", "state", "time", "subject", "purpose")
        facts = [payload.get(name) for name in names]
        started = sealed.get("started")
        told = started if isinstance(started, str) else None
        self._deliveries.append((seal, *facts, _id(payload.get("consent_entry")), told))
        if len(self._deliveries) >= BATCH:
            self._flush()

    def close_books(self) -> None:
        """Make what was kept ready for questions."""
        self._flush()
        self._database.execute("CREATE INDEX entry_id ON entry (id)")

    def _flush(self) -> None:
        # One transaction a batch; the names of the tables and the number of columns are ours.
        execute = self._database.executemany
        self._database.execute("BEGIN")
        execute("INSERT INTO entry VALUES (?, ?)", self._entries)
        execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", self._events)
        execute("INSERT INTO delivery VALUES (?, ?, ?, ?, ?, ?, ?, ?)", self._deliveries)
        self._database.execute("COMMIT")
        for kept in (self._entries, self._events, self._deliveries):
            kept.clear()

    # --- questions ----------------------------------------------------------------------------

    def number_of(self, entry_id: str) -> int | None:
        """Return where the entry of this id stands first, or None."""
        query = "SELECT min(number) FROM entry WHERE id = ?"
        [found] = self._database.execute(query, (bytes.fromhex(entry_id),)).fetchone()
        return None if found is None else int(found)

    def twice(self) -> Iterator[tuple[int, str]]:
        """Find entries whose id stood in the log before."""
        yield from self._database.execute(TWICE)

    def sealed_twice(self) -> Iterator[tuple[int, int, str]]:
        """Find seals of an occurrence that was sealed before: where, where first, which."""
        yield from self._database.execute(SEALED_TWICE)

    def listed_twice(self) -> Iterator[tuple[int, str, int]]:
        """Find opened deliveries that an earlier seal has: where, the id, where first."""
        yield from self._database.execute(LISTED_TWICE)

    def broken_chains(self) -> Iterator[tuple[int, str | None, str | None]]:
        """Find events that do not name the one before, of the same person and purpose.

        Of each: where it stands, the id that it names, the one that it should.
        """
        for number, named, expected in self._database.execute(BROKEN_CHAINS):
            yield number, _text(named), _text(expected)

    def rests(self) -> Iterator[Rest]:
        """Return the kept deliveries with the consents that they name."""
        if self._database.execute("SELECT 1 FROM delivery LIMIT 1").fetchone() is None:
            return
        self._database.executescript(ENDED)
        ended = "SELECT time, event FROM event WHERE number = ?"
        for row in self._database.execute(RESTS):
            seal, delivery, state, time, subject, purpose, consent, started = row[:8]
            consent_number, event, since, expires, who, what, kind, ended_by = row[8:]
            ended_at, ending = (
                ("", "")
                if ended_by is None
                else self._database.execute(ended, (ended_by,)).fetchone()
            )
            yield Rest(
                seal=seal,
                delivery=delivery,
                state=state,
                time=time,
                subject=subject,
                purpose=purpose,
                consent=_text(consent),
                started=started,
                consent_number=consent_number,
                event=event,
                since=since or "",
                expires=expires,
                who=who or "",
                what=what or "",
                kind=kind or "",
                ended_by=ended_by,
                ended_at=ended_at,
                ending=ending,
            )


def _id(named: Any) -> bytes | str | None:
    """Shorten an id to its bytes; what is none stays as it is written, and equals no id."""
    if isinstance(named, str) and ID.fullmatch(named):
        return bytes.fromhex(named)
    return None if named is None else str(named)


def _text(kept: bytes | str | None) -> str | None:
    return kept.hex() if isinstance(kept, bytes) else kept
