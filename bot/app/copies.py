"""Backup and restore of a SQLite database; on PostgreSQL its own tools do it."""

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.app.core import open_database, open_keys
from bot.app.exclusion import only_one
from bot.clock import utc_now
from bot.errors import ConfigurationError
from bot.proof import checkpoint, note
from bot.proof.errors import ProofError
from bot.settings import Settings
from bot.usecases.aftermath import Gap
from storage import backup as copies
from storage import facts, migrations
from storage.backup import Contents, CopyUnusable
from storage.database import Database
from storage.facts import Fact
from storage.keystore import Keystore, SignedTree


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A copy that was looked through, and what was signed when the log was longest."""

    contents: Contents
    last_signed: SignedTree | None

    @property
    def lost(self) -> int:
        """How many entries were signed that the copy does not have."""
        return 0 if self.last_signed is None else max(self.last_signed.size - self.contents.size, 0)


async def back_up(settings: Settings, target: Path, progress: Callable[[int, int], None]) -> Found:
    """Copy the database while it is used, and look the copy through.

    Raises ConfigurationError, CopyUnusable (no copy is left then), OSError.
    """
    place = _sqlite_place(settings, "pg_dump --format=custom --file FILE {name}")
    _check_places(place, target)
    async with open_database(settings) as database:
        opened, _ = await open_keys(settings, database, origin=None, at=utc_now())
        # Read before: whatever is signed later may be of entries that the copy does not have.
        last = opened.last_signed()
        await asyncio.to_thread(_copied, place, target, progress)
        try:
            found = await _looked_through(target, opened, last)
        except CopyUnusable:
            await asyncio.to_thread(target.unlink)
            raise
        async with database.transaction() as tx:
            await facts.put_time(tx, Fact.BACKED_UP_AT, utc_now())
    return found


def _check_places(place: Path, target: Path) -> None:
    if not place.exists():
        raise ConfigurationError([f"DATABASE_URL: there is no {place} to copy"])
    if target.exists():
        raise ConfigurationError([f"FILE: {target} exists; name a file that does not"])


def _copied(place: Path, target: Path, progress: Callable[[int, int], None]) -> None:
    try:
        copies.copy(place, target, progress)
    except sqlite3.Error as error:
        raise CopyUnusable(f"SQLite could not copy the database ({error})") from error


async def look(settings: Settings, source: Path) -> Found:
    """Look a copy through before it is put back.

    Raises ConfigurationError and CopyUnusable; nothing has changed then.
    """
    _sqlite_place(settings, "pg_restore --clean --dbname {name} FILE")
    async with open_database(settings) as database:
        opened, _ = await open_keys(settings, database, origin=None, at=utc_now())
    found = await _looked_through(source, opened, opened.last_signed())
    _refuse_newer(found.contents)
    return found


async def put_back(settings: Settings, source: Path, found: Found) -> Path:
    """Put a copy that was looked through in place; return where the former database is kept.

    Raises ConfigurationError while `run` uses the database.
    """
    place = _sqlite_place(settings, "")
    now = utc_now()
    replaced = place.with_name(f"{place.name}.replaced-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}")
    with only_one(settings):
        gap = Gap(since=found.contents.fetched_at or _last_entry(found) or now, until=now)
        await asyncio.to_thread(
            copies.put_in_place, source, place, replaced, {Fact.RESTORED: str(gap)}
        )
    return replaced


def _last_entry(found: Found) -> datetime | None:
    last = found.contents.last_entry_time
    return None if last is None else datetime.fromisoformat(last)


def _sqlite_place(settings: Settings, tool: str) -> Path:
    """Where the database file is. Raises ConfigurationError, naming PostgreSQL's own tool."""
    place = settings.database_path
    if place is None:
        name = Database(settings.database_url).url.database or "NAME"
        raise ConfigurationError(
            [f"DATABASE_URL: PostgreSQL has its own tool for this: {tool.format(name=name)}"]
        )
    return place


async def _looked_through(source: Path, opened: Keystore, last: SignedTree | None) -> Found:
    contents = await asyncio.to_thread(copies.inspect, source, 0 if last is None else last.size)
    if contents.origin is not None and contents.origin != opened.origin:
        raise CopyUnusable(f"it belongs to the log {contents.origin}, the keys to {opened.origin}")
    if missing := contents.generations - opened.keyring.epochs.keys():
        raise CopyUnusable(
            f"it is too old to open: epoch key {min(missing)} was destroyed since, so that whoever "
            "was erased stays erased in it"
        )
    if last is not None and contents.roots.get(last.size, last.root) != last.root:
        raise CopyUnusable(f"its log differs from the one that was signed at {last.size} entries")
    _check_signed(contents, opened)
    return Found(contents=contents, last_signed=last)


def _check_signed(contents: Contents, opened: Keystore) -> None:
    """Hold the log of a copy against the newest checkpoint in it. Raises CopyUnusable."""
    if contents.checkpoint is None:
        return
    try:
        signed = checkpoint.parse(
            note.verify(contents.checkpoint.encode(), opened.key, *opened.former_keys)
        )
    except ProofError as error:
        raise CopyUnusable(f"its newest checkpoint does not hold: {error}") from error
    if contents.roots.get(signed.size) != signed.root:
        raise CopyUnusable(
            f"its log was changed: it is not the one that was signed at {signed.size} entries"
        )


def _refuse_newer(contents: Contents) -> None:
    if contents.revision not in migrations.known():
        raise CopyUnusable(
            f"its schema, {contents.revision}, is of a newer Assent; install that one first"
        )
