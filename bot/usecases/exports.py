"""Taking the consent log out: tables to read, the bundle to verify."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent.rules import EntryId, PurposeId
from bot.privacy.keyring import KeyMissing, WrappedKey
from bot.proof import canonical, entry, note
from bot.proof.bundle import Bundle, BundleWriter
from bot.proof.entry import Entry
from bot.proof.payload import COLUMNS, csv_cells, csv_line, is_selected, json_line, row
from bot.usecases.checkpoints import Signer
from bot.usecases.journal import Journal, opened
from storage import keys, log, notices
from storage.database import Database
from storage.log import StoredEntry


class Format(StrEnum):
    """What an export is written as."""

    CSV = "csv"
    JSONL = "jsonl"
    BUNDLE = "bundle"

    @property
    def suffix(self) -> str:
        return "zip" if self is Format.BUNDLE else self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which payloads are opened: from `start` on, before `end`, of one purpose.

    Instants in any zone; one without a zone is refused, it would mean another time elsewhere.
    """

    start: datetime | None = None
    end: datetime | None = None
    purpose_id: PurposeId | None = None

    def __post_init__(self) -> None:
        for instant in (self.start, self.end):
            if instant is not None and instant.tzinfo is None:
                raise ValueError("a selection by a time without a zone")

    def to_json(self) -> dict[str, str]:
        """Return the selection as `bot.proof.payload.is_selected` reads it."""
        facts = {
            "from": None if self.start is None else entry.rfc3339(self.start),
            "to": None if self.end is None else entry.rfc3339(self.end),
            "purpose": self.purpose_id,
        }
        return {name: value for name, value in facts.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedEntry:
    """An entry of the log, with salt and payload where it can be opened."""

    index: int
    read: Entry
    salt: str | None
    payload: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportDesk:
    """Writes exports; memory stays constant, whatever the length of the log."""

    database: Database
    journal: Journal
    signer: Signer

    async def record(self, staff_account: str, selection: Selection, at: datetime) -> None:
        """Write into the log who took data out."""
        payload = {"staff": staff_account, **selection.to_json()}
        async with self.database.transaction() as tx:
            key = await self.journal.house_key(tx)
            await self.journal.write(tx, "export.made", payload, at, key=key)

    async def write(
        self,
        path: Path,
        kind: Format,
        selection: Selection,
        at: datetime,
        progress: Callable[[int, int], None] = lambda _done, _of: None,
    ) -> int:
        """Write one file; return the number of lines of the table in it. Raises OSError."""
        if kind is Format.BUNDLE:
            return await self._write_bundle(path, selection, at, progress)
        count, wanted = 0, selection.to_json()
        async with self.database.snapshot() as tx:
            size = (await log.head(tx)).size
            with path.open("w", encoding="utf-8", newline="") as file:
                add = _csv_writer(file) if kind is Format.CSV else _jsonl_writer(file)
                async for one in self._opened(tx, size):
                    progress(one.index + 1, size)
                    if is_selected(wanted, one.read, one.payload):
                        add(row(one.index, one.read, one.payload))
                        count += 1
        return count

    async def _write_bundle(
        self,
        path: Path,
        selection: Selection,
        at: datetime,
        progress: Callable[[int, int], None],
    ) -> int:
        wanted = selection.to_json()
        current, signed = await self.signer.sign(at)
        async with self.database.snapshot() as tx:
            texts = {text.entry_id: text for text in await notices.all_texts(tx)}
            with BundleWriter(path) as writer:
                async for one in self._opened(tx, current.size):
                    progress(one.index + 1, current.size)
                    is_chosen = is_selected(wanted, one.read, one.payload)
                    writer.add(
                        one.index,
                        one.read,
                        salt=one.salt if is_chosen or _is_public(one) else None,
                        payload=one.payload if is_chosen or _is_public(one) else None,
                        in_table=is_chosen,
                    )
                    # Only those below the checkpoint: a text may have been published since.
                    if text := texts.get(EntryId(one.read.id)):
                        writer.add_notice(text.canonical, text.entry_id)
                seed = self.journal.keyring().signing_seed
                return writer.finish(
                    Bundle(
                        origin=current.origin,
                        created=entry.rfc3339(at),
                        selection=wanted,
                        checkpoint=signed,
                        key=self.signer.key,
                    ),
                    sign=lambda body: note.sign(body, current.origin, seed),
                )

    async def _opened(self, tx: AsyncConnection, size: int) -> AsyncIterator[OpenedEntry]:
        async for page in log.entries(tx, size=size):
            key_ids = sorted({stored.key_id for stored in page if stored.key_id is not None})
            wrapped = await keys.get_many(tx, key_ids)
            for stored in page:
                yield self._open(stored, wrapped)

    def _open(self, stored: StoredEntry, wrapped: dict[str, WrappedKey]) -> OpenedEntry:
        opening: dict[str, Any] = {}
        if stored.sealed is not None and stored.key_id is None:
            opening = canonical.parse(stored.sealed)
        elif stored.sealed is not None and stored.key_id in wrapped:
            try:
                secret = self.journal.keyring().unwrap(wrapped[stored.key_id])
                opening = opened(stored.sealed, secret, stored.hashed)
            except KeyMissing:
                opening = {}  # its epoch key was destroyed: erased, also from here
        return OpenedEntry(
            index=stored.index,
            read=entry.parse(stored.hashed),
            salt=opening.get("salt"),
            payload=opening.get("payload"),
        )


def _is_public(one: OpenedEntry) -> bool:
    return one.read.type == "notice.published"


def _csv_writer(file: Any) -> Callable[[dict[str, Any]], Any]:
    file.write(csv_line(COLUMNS))
    return lambda line: file.write(csv_line(csv_cells(line)))


def _jsonl_writer(file: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda line: file.write(json_line(line))
