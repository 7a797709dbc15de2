"""Taking the consent log out: tables to read, the bundle to verify."""

import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent.rules import EntryId, PurposeId, SubjectId
from bot.privacy.envelope import SealBroken
from bot.privacy.keyring import KeyMissing, WrappedKey
from bot.proof import canonical, checkpoint, entry, note
from bot.proof.bundle import Bundle, BundleWriter
from bot.proof.checkpoint import Checkpoint
from bot.proof.entry import Entry
from bot.proof.errors import Contradiction, ProofError
from bot.proof.payload import (
    COLUMNS,
    KEY_CHANGE,
    PUBLIC,
    SEAL,
    Choice,
    csv_line,
    csv_row,
    json_line,
    row,
)
from bot.usecases.checkpoints import Signer
from bot.usecases.journal import Journal, opened
from bot.usecases.sealing import SealDesk
from storage import keys, log, notices, stamps
from storage.database import Database
from storage.log import StoredEntry
from storage.stamps import StoredPosting, StoredStamp


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
    """Which payloads are opened: from `start` on, before `end`, of one purpose, of some people.

    Instants in any zone; one without a zone is refused, it would mean another time elsewhere.
    """

    start: datetime | None = None
    end: datetime | None = None
    purpose_id: PurposeId | None = None
    subject_ids: frozenset[SubjectId] = frozenset()
    """Empty: everybody."""
    is_public: bool = False
    """Nobody is opened: what remains shows that the log is whole, and may be shown to anyone."""

    def __post_init__(self) -> None:
        for instant in (self.start, self.end):
            if instant is not None and instant.tzinfo is None:
                raise ValueError("a selection by a time without a zone")
        if self.is_public and (self.purpose_id is not None or self.subject_ids):
            raise ValueError("a public selection of a purpose or of people")

    def to_json(self) -> dict[str, str]:
        """Return the selection as `bot.proof.payload.Choice` reads it."""
        facts = {
            "from": None if self.start is None else entry.rfc3339(self.start),
            "to": None if self.end is None else entry.rfc3339(self.end),
            "purpose": self.purpose_id,
            "subjects": " ".join(sorted(self.subject_ids)) or None,
            "form": PUBLIC if self.is_public else None,
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
    seals: SealDesk

    async def record(
        self, staff_account: str, selection: Selection, kinds: Collection[Format], at: datetime
    ) -> None:
        """Write into the log who takes data out.

        Raises TreeRolledBack, and records nothing, for a bundle of a log that may not be signed.
        """
        if Format.BUNDLE in kinds:
            await self.signer.sign(at)
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
        count, choice = 0, Choice(selection.to_json())
        async with self.database.snapshot() as tx:
            size = (await log.head(tx)).size
            with path.open("w", encoding="utf-8", newline="") as file:
                add = _csv_writer(file) if kind is Format.CSV else _jsonl_writer(file)
                async for one in self._opened(tx, size):
                    progress(one.index + 1, size)
                    if choice.takes(one.read, one.payload):
                        shown = None if choice.is_public else one.payload
                        add(row(one.index, one.read, shown))
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
        choice = Choice(wanted)
        current, signed, seed = await self._signed(at)
        async with self.database.snapshot() as tx:
            texts = {text.entry_id: text for text in await notices.all_texts(tx)}
            key_changes: list[int] = []
            with BundleWriter(path) as writer:
                async for hashes in log.leaves(tx, current.size):
                    writer.add_leaves(hashes)
                async for one in self._opened(tx, current.size):
                    progress(one.index + 1, current.size)
                    is_open = choice.opens(one.read, one.payload)
                    writer.add(
                        one.index,
                        one.read,
                        salt=one.salt if is_open else None,
                        payload=one.payload if is_open else None,
                        in_table=choice.takes(one.read, one.payload),
                    )
                    # Only those below the checkpoint: a text may have been published since.
                    if text := texts.get(EntryId(one.read.id)):
                        writer.add_notice(text.canonical, text.entry_id)
                    if one.read.type == SEAL:
                        await self._add_deliveries(tx, writer, one, choice)
                    if one.read.type == KEY_CHANGE:
                        key_changes.append(one.index)
                await _add_checkpoints(tx, writer, current.size, key_changes)
                return writer.finish(
                    Bundle(
                        origin=current.origin,
                        created=entry.rfc3339(at),
                        selection=wanted,
                        checkpoint=signed,
                        key=note.verifier_key(current.origin, seed),
                    ),
                    sign=lambda body: note.sign(body, current.origin, seed),
                )

    async def _signed(self, at: datetime) -> tuple[Checkpoint, str, bytes]:
        """Return the log as it stands, its signed note, and the seed that signed it.

        One key signs checkpoint and manifest, also where it is changed at this very moment.
        """
        while True:
            current, signed = await self.signer.sign(at)
            seed = self.journal.keyring().signing_seed
            with contextlib.suppress(ProofError):
                checkpoint.verify(signed.encode(), note.verifier_key(current.origin, seed))
                return current, signed, seed

    async def _add_deliveries(
        self, tx: AsyncConnection, writer: BundleWriter, seal: OpenedEntry, choice: Choice
    ) -> None:
        """List everything that a seal covers; open what was chosen."""
        if seal.payload is None:
            return
        async for one in self.seals.deliveries(tx, seal.payload["occurrence"]):
            if one.salt and one.payload and choice.opens_delivery(one.payload):
                writer.add_delivery(seal.index, one.salt, one.payload)
            else:
                writer.add_closed_delivery(seal.index, one.leaf)

    async def _opened(self, tx: AsyncConnection, size: int) -> AsyncIterator[OpenedEntry]:
        async for page in log.entries(tx, size=size):
            key_ids = sorted({stored.key_id for stored in page if stored.key_id is not None})
            wrapped = await keys.get_many(tx, key_ids)
            for stored in page:
                yield self._open(stored, wrapped)

    def _open(self, stored: StoredEntry, wrapped: dict[str, WrappedKey]) -> OpenedEntry:
        try:
            read = entry.parse(stored.hashed)
        except ProofError as error:
            raise Contradiction(
                f"entry {stored.index} was changed in the database: {error}"
            ) from error
        opening: dict[str, Any] = {}
        # What does not open stays closed: its epoch key was destroyed, so it is erased, also from
        # here; or it was changed behind our back, which the verifier names.
        with contextlib.suppress(KeyMissing, SealBroken, ProofError):
            if stored.sealed is not None and stored.key_id is None:
                opening = canonical.parse(stored.sealed)
            elif stored.sealed is not None and stored.key_id in wrapped:
                secret = self.journal.keyring().unwrap(wrapped[stored.key_id])
                opening = opened(stored.sealed, secret, stored.hashed)
        return OpenedEntry(
            index=stored.index,
            read=read,
            salt=opening.get("salt"),
            payload=opening.get("payload"),
        )


async def _add_checkpoints(
    tx: AsyncConnection, writer: BundleWriter, size: int, key_changes: Sequence[int]
) -> None:
    """Add earlier checkpoints, and who else has seen them."""
    chosen: dict[int, str] = {}
    for index in key_changes:
        around = await log.checkpoints_around(tx, index)
        chosen.update({at: signed for at, signed in around if at <= size})
    # What was stamped or posted wins: the stamp is on exactly that note.
    chosen.update(await stamps.checkpoints_chosen(tx, size))
    for at, signed in sorted(chosen.items()):
        writer.add_checkpoint(at, signed)
    seen: list[StoredStamp | StoredPosting] = []
    seen += await stamps.stamps_upto(tx, size)
    seen += await stamps.postings_upto(tx, size)
    for one in sorted(seen, key=lambda each: each.size):
        if isinstance(one, StoredStamp):
            writer.add_stamp(one.size, one.authority, one.token)
        else:
            date = entry.rfc3339(one.posted_at)
            writer.add_post(one.size, one.channel, str(one.message_id), date)


def _csv_writer(file: Any) -> Callable[[dict[str, Any]], Any]:
    file.write(csv_line(COLUMNS))
    return lambda line: file.write(csv_row(line))


def _jsonl_writer(file: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda line: file.write(json_line(line))
