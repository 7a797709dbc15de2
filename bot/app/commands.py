"""What single commands do with the parts: open them, use them once, close them."""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from gettext import NullTranslations
from pathlib import Path

from bot.app.core import Core, build_core, open_database, open_keys, remember_origin
from bot.app.core import upgrade as migrate
from bot.clock import utc_now
from bot.consent.rules import PurposeId, SubjectId
from bot.documents.absence import absence
from bot.documents.dossier_json import as_json
from bot.documents.dossier_page import as_page
from bot.errors import AssentError, ConfigurationError
from bot.settings import Settings
from bot.usecases.dossier_facts import Dossier, Wanted
from bot.usecases.exports import Format, Selection
from bot.usecases.people import TELEGRAM
from locales import translations
from storage import migrations, notices, subjects
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
    *,
    people: Sequence[str] = (),
) -> int:
    """Write an export; return the number of consent events in it.

    The file appears whole or not at all, readable by its owner only. `people`: accounts or our
    ids; without any, everybody. Raises ConfigurationError.
    """
    async with opened(settings) as core:
        if people:
            found = frozenset([await _find(core, person) for person in people])
            selection = replace(selection, subject_ids=found)
        if selection.purpose_id is not None:
            await _check_purpose(core.database, selection.purpose_id)
        unfinished = out.with_name(out.name + ".part")
        _touch_private(unfinished)
        try:
            now = utc_now()
            await core.exports.record(COMMAND_LINE, selection, [kind], now)
            lines = await core.exports.write(unfinished, kind, selection, now, progress)
            unfinished.replace(out)
        finally:
            unfinished.unlink(missing_ok=True)
    return lines


async def dossier(settings: Settings, out: Path, wanted: Wanted, locale: str) -> int:
    """Write what is known of one person; return the entry that records it.

    Raises AssentError, in English, where there is nobody to tell of.
    """
    at = utc_now()
    async with opened(settings) as core:
        found = await core.dossiers.open(wanted, COMMAND_LINE, at)
    if not isinstance(found, Dossier):
        raise AssentError(absence(found, NullTranslations(), settings.zone, "en"))
    words = translations()[locale]
    is_page = out.suffix == ".html"
    content = as_page(found, words, settings.zone, locale) if is_page else as_json(found, words)
    unfinished = out.with_name(out.name + ".part")
    _touch_private(unfinished)
    try:
        unfinished.write_bytes(content)
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
    return found.opening[0]


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


async def _find(core: Core, person: str) -> SubjectId:
    lookup = core.journal.keyring().account_lookup(TELEGRAM, person)
    async with core.database.snapshot() as tx:
        found = await subjects.by_lookup(tx, lookup) or await subjects.by_id(tx, SubjectId(person))
    if found is None:
        raise ConfigurationError(
            ["--subject: there is nobody of this account or id; or they were erased"]
        )
    return found.id


def _touch_private(path: Path) -> None:
    """Make an empty file for its owner only; whatever a killed export left there goes."""
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
