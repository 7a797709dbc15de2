"""The one way to a connection: `transaction` to change something, `snapshot` to read.

On SQLite the writers of this process queue, in order, and those who wait share one commit: the
disk is waited for once, not once for each. Each has a savepoint of its own, so that a failure
undoes only its own work; none goes on before the common commit has succeeded.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, CursorResult, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncTransaction,
    create_async_engine,
)

from storage import one_trip

BUSY_SECONDS = 5
GROUP_SECONDS = 0.05
"""How long others may join a commit: the first of them waits for it at most so much longer."""
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
        self._group: CommitGroup | None = None
        self._is_wal_to_be_emptied = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that may write; it commits when the block ends without an error.

        Raises DBAPIError where the commit fails; then nothing of it was kept.
        """
        if not self.is_sqlite:
            async with self.engine.begin() as connection:
                yield connection
            return
        async with self._writing:
            group, is_first = await self._joined()
            async with group.work(is_first=is_first):
                yield group.connection
        await _whole(self._commit_of(group) if is_first else group.settled())

    async def _joined(self) -> "tuple[CommitGroup, bool]":
        """Return the group that is open, or a new one; and whether it is new."""
        if self._group is not None and self._group.is_closing:
            await _whole(self._group.commit())
        if self._group is not None and not self._group.is_over:
            return self._group, False
        self._group = await CommitGroup.begin(self.engine)
        return self._group, True

    async def _commit_of(self, group: "CommitGroup") -> None:
        """Commit behind whoever waits at this moment: they join first."""
        async with self._writing:
            await group.commit()
        await group.settled()

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
        async with self._alone(), self.engine.connect() as connection:
            raw: Any = (await connection.get_raw_connection()).driver_connection
            async with raw.execute("PRAGMA wal_checkpoint(TRUNCATE)") as cursor:
                (busy, *_sizes) = await cursor.fetchone()
        self._is_wal_to_be_emptied = bool(busy)
        return not busy

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        async with self._writing:
            if self._group is not None:
                await _whole(self._group.commit())
            yield

    async def probe(self) -> None:
        """Try to write, and leave nothing. Raises DBAPIError where nothing can be written."""
        async with self.engine.connect() as connection:
            # SQLite begins a transaction on a file that it may only read; a change it refuses.
            await connection.execute(text("CREATE TABLE assent_probe (tried INTEGER)"))
            await connection.rollback()

    async def close(self) -> None:
        await self.engine.dispose()


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


class CommitGroup:
    """Writers that share one commit; each works alone, one after the other."""

    def __init__(self, connection: AsyncConnection, root: AsyncTransaction) -> None:
        self.connection = connection
        self._root = root
        self._closes_at = asyncio.get_running_loop().time() + GROUP_SECONDS
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._error: DBAPIError | None = None

    @classmethod
    async def begin(cls, engine: AsyncEngine) -> Self:
        connection = _Unbroken(engine)
        try:
            await _whole(connection.start())
            await connection.execution_options(assent_writes=True)
            root = connection.begin()
            await _whole(root.start())
        except BaseException:
            await _whole(_closed(connection))
            raise
        return cls(connection, root)

    @property
    def is_over(self) -> bool:
        return self._over.done()

    @property
    def is_closing(self) -> bool:
        """Whether nobody may join any more, so that the first need not wait for long."""
        return asyncio.get_running_loop().time() >= self._closes_at

    @asynccontextmanager
    async def work(self, *, is_first: bool) -> AsyncIterator[None]:
        """Undo what the block did if it fails: the first has nobody else's work before it."""
        part = self._root if is_first else self.connection.begin_nested()
        if not is_first:
            await _whole(part.start())
        try:
            yield
        except BaseException:
            await _whole(self._undo(part))
            raise
        if not is_first:
            await _whole(part.commit())

    async def _undo(self, part: AsyncTransaction) -> None:
        try:
            await part.rollback()
        except DBAPIError as error:
            # SQLite has undone all of it by itself, as it does when the disk is full
            # ("Response To Errors Within A Transaction"): nobody's work is left to commit.
            await self._end(error)
        else:
            if part is self._root:
                await self._end(None)

    async def commit(self) -> None:
        """Commit everybody's work. Whoever waits is told how it ended; does not raise."""
        if self.is_over:
            return
        try:
            await self._refuse_nothing()
            await self._root.commit()
        except DBAPIError as error:
            await self._root.rollback()
            await self._end(error)
        else:
            await self._end(None)

    async def _refuse_nothing(self) -> None:
        """The driver's commit says nothing when SQLite has rolled back by itself before it."""
        raw: Any = (await self.connection.get_raw_connection()).driver_connection
        if not raw.in_transaction:
            cause = sqlite3.OperationalError("SQLite has rolled the transaction back")
            raise OperationalError("COMMIT", None, cause)

    async def settled(self) -> None:
        """Wait for the common commit. Raises DBAPIError if it failed."""
        await self._over
        if self._error is not None:
            error = self._error
            assert error.orig is not None, "an error of the driver"  # noqa: S101 it wraps one
            # One of its own for each: a shared one would gather everybody's traceback.
            raise type(error)(error.statement, error.params, error.orig) from error

    async def _end(self, error: DBAPIError | None) -> None:
        self._error = error
        try:
            await _closed(self.connection)
        finally:
            self._over.set_result(None)


async def _closed(connection: AsyncConnection) -> None:
    if connection.sync_connection is not None:
        await connection.close()


def _sqlite_engine(url: str) -> AsyncEngine:
    path = make_url(url).database
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url, connect_args={"async_creator_fn": one_trip.connect})

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
