"""A transaction ends whole or not at all, whenever its task is cancelled."""

import asyncio
import random
from contextlib import suppress
from pathlib import Path

from sqlalchemy import text

from storage.database import Database

UNDER_WAY_SECONDS = 0.008
"""About as long as a transaction takes: the cancellation comes at any moment of it."""


async def test_a_cancelled_transaction_never_leaves_the_file_locked(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/assent.db")
    async with database.transaction() as tx:
        await tx.execute(text("CREATE TABLE counted (n INTEGER)"))

    async def write() -> None:
        async with database.transaction() as tx:
            await tx.execute(text("INSERT INTO counted VALUES (1)"))
            await tx.execute(text("SELECT count(*) FROM counted"))

    chance = random.Random(7)
    for _ in range(400):
        writing = asyncio.ensure_future(write())
        await asyncio.sleep(chance.random() * UNDER_WAY_SECONDS)
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        async with asyncio.timeout(1):
            await write()
    await database.close()


async def test_a_failed_transaction_keeps_nothing(tmp_path: Path) -> None:
    class CrashError(Exception):
        pass

    database = Database(f"sqlite+aiosqlite:///{tmp_path}/assent.db")
    with suppress(CrashError):
        async with database.transaction() as tx:
            await tx.execute(text("CREATE TABLE counted (n INTEGER)"))
            raise CrashError
    async with database.snapshot() as tx:
        names = (await tx.execute(text("SELECT name FROM sqlite_master"))).scalars().all()
    assert names == []
    await database.close()
