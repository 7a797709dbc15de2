"""What single commands do with the parts: open them, use them once, close them."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bot.app.core import Core, build_core, open_database, open_keys, remember_origin
from bot.app.core import upgrade as migrate
from bot.clock import utc_now
from bot.consent.rules import PurposeId
from bot.errors import ConfigurationError
from bot.settings import Settings
from bot.usecases.exports import Format, Selection
from storage import migrations, notices
from storage.database import Database

COMMAND_LINE = "command line"
"""Stands for the staff account where whoever acts has a shell on the server."""


def as_purpose_id(text: str) -> PurposeId:
    return PurposeId(text)


async def upgrade(settings: Settings) -> str:
    """Migrate; return the revision. Raises ConfigurationError."""
    async with open_database(settings) as database:
        await migrate(database)
        found, _ = await migrations.revisions(database)
    return found or "none"


async def export(
    settings: Settings,
    out: Path,
    kind: Format,
    selection: Selection,
    progress: Callable[[int, int], None],
) -> int:
    """Write an export; return the number of consent events in it.

    The file appears whole or not at all, readable by its owner only. Raises ConfigurationError.
    """
    async with opened(settings) as core:
        if selection.purpose_id is not None:
            await _check_purpose(core.database, selection.purpose_id)
        unfinished = out.with_name(out.name + ".part")
        _touch_private(unfinished)
        try:
            now = utc_now()
            await core.exports.record(COMMAND_LINE, selection, now)
            lines = await core.exports.write(unfinished, kind, selection, now, progress)
            unfinished.replace(out)
        finally:
            unfinished.unlink(missing_ok=True)
    return lines


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Core]:
    """Open what exists, for the length of a command. Raises ConfigurationError."""
    _refuse_absent(settings)
    async with open_database(settings) as database:
        await migrate(database)
        store, _ = await open_keys(settings, database, origin=None, at=utc_now())
        await remember_origin(database, store)
        yield build_core(database, store)


def _refuse_absent(settings: Settings) -> None:
    """A command that reads must not make an empty database by a mistyped path."""
    path = settings.database_path
    if path is not None and not path.exists():
        raise ConfigurationError(
            [f"DATABASE_URL: there is no {path}; it is made at the first `run`"]
        )


async def _check_purpose(database: Database, purpose_id: PurposeId) -> None:
    async with database.snapshot() as tx:
        known = await notices.purpose_ids(tx)
    if purpose_id not in known:
        raise ConfigurationError(
            [f"--purpose: there is no {purpose_id}; there are: {', '.join(known)}"]
        )


def _touch_private(path: Path) -> None:
    """Make an empty file for its owner only; whatever a killed export left there goes."""
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
