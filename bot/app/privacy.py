"""What `privacy` commands do: sweep what need not be kept, place and release legal holds."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bot.app.commands import COMMAND_LINE, opened
from bot.app.core import Core
from bot.clock import utc_now
from bot.consent.rules import SubjectId
from bot.errors import ConfigurationError
from bot.settings import Settings
from bot.usecases.holds import (
    Hold,
    HoldDesk,
    HoldError,
    HoldOfNobody,
    HoldStands,
    HoldUnknown,
    ReasonMissing,
)
from bot.usecases.retention import Ahead, Report, RetentionDesk
from storage.database import Database

FAULTS: Final[dict[type[HoldError], str]] = {
    HoldOfNobody: "--account: nobody with this id is known; nothing was held",
    HoldStands: "--account: a hold stands already; see `privacy holds`, release it first",
    HoldUnknown: "--account: no hold of this person stands; see `privacy holds`",
    ReasonMissing: "--reason: write one line of at most 500 characters",
}
"""What a shell is told; the chat has words of its own."""
WAL_TRIES: Final = 20
WAL_PAUSE_SECONDS: Final = 0.25


async def survey(settings: Settings) -> list[Ahead]:
    """Say what a sweep would delete now. Raises ConfigurationError."""
    async with opened(settings) as core:
        return await _retention(core).survey(utc_now())


async def sweep(
    settings: Settings, report_file: Path | None, progress: Callable[[int, int], None]
) -> tuple[Report, bool]:
    """Delete what is past its term; write the report to a file if one is named.

    The second value says whether the write-ahead log is empty, too. Raises ConfigurationError.
    """
    async with opened(settings) as core:
        if report_file is not None:
            _check_writable(report_file)
        report = await _retention(core).sweep(COMMAND_LINE, utc_now(), progress)
        if report_file is not None:
            write_report(report_file, report.to_json())
        return report, await _empty_wal(core.database)


def write_report(path: Path, facts: object) -> None:
    """Write a report whole or not at all, readable by its owner only. Raises OSError."""
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n")
    unfinished.replace(path)


def _check_writable(path: Path) -> None:
    """What was deleted cannot be reported anew: whether it can be is known before."""
    if not os.access(path.parent, os.W_OK) or path.is_dir():
        raise OSError(None, "cannot be written; name a file in a folder of yours", str(path))


async def _empty_wal(database: Database) -> bool:
    """Try for a few seconds: a running bot reads all the time, but never for long."""
    for _ in range(WAL_TRIES):
        if await database.empty_wal():
            return True
        await asyncio.sleep(WAL_PAUSE_SECONDS)
    return False


@contextmanager
def _told() -> Iterator[None]:
    """Name the option that is wrong. Raises ConfigurationError."""
    try:
        yield
    except HoldError as error:
        raise ConfigurationError([FAULTS[type(error)]]) from error


async def hold(settings: Settings, account: str, reason: str) -> Hold:
    """Raises ConfigurationError."""
    async with opened(settings) as core:
        with _told():
            return await _holds(core).place(account, reason, COMMAND_LINE, utc_now())


async def release(settings: Settings, account: str) -> tuple[SubjectId, bool]:
    """Release a hold; the second value says whether the person was erased with it."""
    async with opened(settings) as core:
        desk = _holds(core)
        with _told():
            held = await desk.find(account)
            is_erased = await desk.release(held.subject_id, COMMAND_LINE, utc_now())
        await _empty_wal(core.database)
        return held.subject_id, is_erased


async def standing(settings: Settings) -> list[Hold]:
    async with opened(settings) as core:
        return await _holds(core).standing()


def _retention(core: Core) -> RetentionDesk:
    return RetentionDesk(database=core.database, journal=core.journal)


def _holds(core: Core) -> HoldDesk:
    return HoldDesk(database=core.database, journal=core.journal, recall=_nothing_on_its_way)


async def _nothing_on_its_way(_: SubjectId) -> None:
    """A command sends nothing; what `run` has on its way was over before a hold was placed."""
