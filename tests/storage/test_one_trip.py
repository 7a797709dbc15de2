"""A statement makes one trip to the driver's thread, and says what a cursor of the driver says."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from storage.database import Database
from storage.one_trip import OneTripConnection, connect


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/plain.db")
    async with database.transaction() as tx:
        await tx.execute(text("CREATE TABLE word (id INTEGER PRIMARY KEY, word TEXT UNIQUE)"))
    yield database
    await database.close()


async def test_a_statement_is_one_trip(plain: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    trips = 0
    go = OneTripConnection._execute

    async def counted(self: OneTripConnection, *arguments: object) -> object:
        nonlocal trips
        trips += 1
        return await go(self, *arguments)

    async with plain.transaction() as tx:
        await tx.execute(text("INSERT INTO word (word) VALUES ('a'), ('b')"))
        monkeypatch.setattr(OneTripConnection, "_execute", counted)
        for _ in range(3):
            rows = (await tx.execute(text("SELECT word FROM word ORDER BY id"))).scalars().all()
            assert rows == ["a", "b"]
        monkeypatch.undo()
    assert trips == 3


async def test_counts_rows_and_ids_are_those_of_the_driver(plain: Database) -> None:
    async with plain.transaction() as tx:
        many = [{"word": word} for word in "abc"]
        await tx.execute(text("INSERT INTO word (word) VALUES (:word)"), many)
        done = await tx.execute(text("UPDATE word SET word = word || '!' WHERE id > 1"))
        assert done.rowcount == 2
        found = await tx.execute(text("INSERT INTO word (word) VALUES ('d') RETURNING id, word"))
        assert [tuple(row) for row in found] == [(4, "d")]
        none = await tx.execute(text("SELECT word FROM word WHERE id = 99"))
        assert none.all() == []


async def test_errors_are_those_of_the_driver_and_leave_the_connection_usable(
    plain: Database,
) -> None:
    async with plain.transaction() as tx:
        await tx.execute(text("INSERT INTO word (word) VALUES ('a')"))
        with pytest.raises(IntegrityError):
            await tx.execute(text("INSERT INTO word (word) VALUES ('a')"))
        with pytest.raises(OperationalError):
            await tx.execute(text("SELECT nothing FROM nowhere"))
        assert (await tx.execute(text("SELECT count(*) FROM word"))).scalar() == 1


async def test_a_cursor_is_closed_after_each_trip(tmp_path: Path) -> None:
    """An open cursor would keep a read snapshot, and the file's lock, alive."""
    connection = connect(tmp_path / "open.db")
    await connection
    try:
        cursor = await connection.cursor().__aenter__()
        await cursor.execute("CREATE TABLE word (word TEXT)")
        await cursor.executemany("INSERT INTO word VALUES (?)", [["a"], ["b"]])
        await connection.commit()
        await cursor.execute("SELECT word FROM word")
        assert await cursor.fetchall() == [("a",), ("b",)]
        with sqlite3.connect(tmp_path / "open.db", timeout=0) as other:
            other.execute("DROP TABLE word")
    finally:
        await connection.close()
