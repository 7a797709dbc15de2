"""The one way to a connection: `transaction` to change something, `snapshot` to read."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

BUSY_SECONDS = 5
PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "recursive_triggers=ON",
    "secure_delete=ON",
    f"busy_timeout={BUSY_SECONDS * 1000}",
)


Done = TypeVar("Done")


class Database:
    """SQLite or PostgreSQL behind the same two methods.

    On SQLite the writers of this process queue here, in order, instead of polling the file's
    lock: an answer to a person never loses a race to a broadcast that asked later.
    """

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self.is_sqlite else create_async_engine(url)
        self._writing = asyncio.Lock()
        self._is_wal_to_be_emptied = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that may write; it commits when the block ends without an error."""
        if not self.is_sqlite:
            async with self.engine.begin() as connection:
                yield connection
            return
        async with self._writing, self._connected() as connection:
            await connection.execution_options(assent_writes=True)
            async with _begun(connection):
                yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction for reading; nothing it did is kept."""
        if not self.is_sqlite:
            async with self.engine.connect() as connection:
                yield connection
            return
        async with self._connected() as connection:
            yield connection

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        connection = _Unbroken(self.engine)
        try:
            await _whole(connection.start())
            yield connection
        finally:
            if connection.sync_connection is not None:
                await _whole(connection.close())

    async def empty_wal(self, *, is_needed: bool = False) -> bool:
        """Empty SQLite's write-ahead log: it keeps earlier versions of pages, erased ones too.

        False: somebody reads, so this is not possible now; it is then done by a later call.
        """
        self._is_wal_to_be_emptied |= is_needed and self.is_sqlite
        if not self._is_wal_to_be_emptied:
            return True
        async with self._writing, self.engine.connect() as connection:
            raw: Any = (await connection.get_raw_connection()).driver_connection
            async with raw.execute("PRAGMA wal_checkpoint(TRUNCATE)") as cursor:
                (busy, *_sizes) = await cursor.fetchone()
        self._is_wal_to_be_emptied = bool(busy)
        return not busy

    async def probe(self) -> None:
        """Try to write, and leave nothing. Raises DBAPIError where nothing can be written."""
        async with self.engine.connect() as connection:
            # SQLite begins a transaction on a file that it may only read; a change it refuses.
            await connection.execute(text("CREATE TABLE assent_probe (tried INTEGER)"))
            await connection.rollback()

    async def close(self) -> None:
        await self.engine.dispose()


@asynccontextmanager
async def _begun(connection: AsyncConnection) -> AsyncIterator[None]:
    work = connection.begin()
    await _whole(work.start())
    try:
        yield
    except BaseException:
        await _whole(work.rollback())
        raise
    await _whole(work.commit())


class _Unbroken(AsyncConnection):
    """Finishes the statement under way before its task may be cancelled."""

    async def execute(self, *arguments: Any, **options: Any) -> CursorResult[Any]:
        return await _whole(super().execute(*arguments, **options))


async def _whole(step: Awaitable[Done]) -> Done:
    """Do a step to its end even if the task is cancelled meanwhile; then be cancelled.

    SQLite runs in a thread that nothing interrupts: a connection that is left behind keeps the
    lock of the file, and a COMMIT would have happened without anybody knowing.
    """
    running = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _sqlite_engine(url: str) -> AsyncEngine:
    path = make_url(url).database
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url)

    @event.listens_for(engine.sync_engine, "connect")
    def _configure(raw: Any, _record: object) -> None:
        raw.isolation_level = None  # the driver must not open transactions on its own
        cursor = raw.cursor()
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("assent_writes", False)
        # IMMEDIATE: a lock that is taken late cannot wait, it fails (SQLite, "BEGIN").
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
