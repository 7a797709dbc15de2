"""SQLite statements that go to the driver's thread once, not four times.

aiosqlite asks its thread for a cursor, then to execute, to fetch, to close: each is a trip
to another thread and back, and each costs as much as the statement itself. Here one trip does it
all. Rows are fetched as a whole, as SQLAlchemy does anyway; nothing of ours streams.
"""

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import aiosqlite

ITER_CHUNK: int = 64
"""What aiosqlite takes where nothing is said; no cursor of ours is iterated."""


class OneTripCursor:
    """The part of a cursor that SQLAlchemy uses; it lives in this thread, its work in the other."""

    arraysize = 1

    def __init__(self, run: Callable[..., Any], raw: Callable[[], sqlite3.Connection]) -> None:
        self._run, self._raw = run, raw
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Iterable[Any] = ()) -> None:
        await self._run(self._work, sqlite3.Cursor.execute, statement, parameters)

    async def executemany(self, statement: str, parameters: Iterable[Iterable[Any]]) -> None:
        await self._run(self._work, sqlite3.Cursor.executemany, statement, parameters)

    async def fetchall(self) -> list[Any]:
        return self._rows

    async def close(self) -> None:
        """It is closed already: every trip closes what it opened."""

    def _work(self, method: Callable[..., Any], statement: str, parameters: Any) -> None:
        cursor = self._raw().cursor()
        try:
            method(cursor, statement, parameters)
            self.description, self.rowcount = cursor.description, cursor.rowcount
            self.lastrowid = cursor.lastrowid
            self._rows = [] if cursor.description is None else cursor.fetchall()
        finally:
            cursor.close()


class OneTripConnection(aiosqlite.Connection):
    """A connection whose cursors make one trip a statement."""

    def cursor(self) -> Any:
        """Return a cursor; nothing is asked of the thread yet."""
        return OneTripCursor(self._execute, lambda: self._conn)


def connect(database: str | Path, **options: Any) -> OneTripConnection:
    """Make a connection for `create_async_engine(…, async_creator_fn=…)`."""
    connection = OneTripConnection(lambda: sqlite3.connect(database, **options), ITER_CHUNK)
    connection._thread.daemon = True  # noqa: SLF001 as SQLAlchemy does: a lost one ends with us
    return connection
