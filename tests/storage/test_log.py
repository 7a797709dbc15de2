"""The log grows by one entry at a time, and the database refuses everything else."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from bot.proof import merkle
from storage import log
from storage.database import Database


async def append(database: Database, number: int) -> int:
    async with database.transaction() as tx:
        return await log.append(
            tx, f"{number:032x}", f"entry {number}".encode(), sealed=b"s", key_id=None
        )


async def test_the_stored_root_is_the_root_of_the_entries(database: Database) -> None:
    leaves = []
    for number in range(17):
        assert await append(database, number) == number
        leaves.append(merkle.leaf_hash(f"entry {number}".encode()))
        async with database.snapshot() as tx:
            head = await log.head(tx)
            assert head == log.Head(number + 1, merkle.root(leaves))
            assert await log.root_at(tx, number + 1) == head.root
    async with database.snapshot() as tx:
        path = await log.inclusion_path(tx, 5, 17)
    merkle.verify_inclusion(5, 17, leaves[5], path, merkle.root(leaves))


async def test_writers_at_the_same_time_leave_one_unbroken_log(database: Database) -> None:
    await asyncio.gather(*(append(database, number) for number in range(20)))
    async with database.snapshot() as tx:
        pages = [page async for page in log.entries(tx, size=20)]
        head = await log.head(tx)
    hashed = [entry.hashed for page in pages for entry in page]
    assert len(hashed) == head.size == 20
    assert merkle.root(map(merkle.leaf_hash, hashed)) == head.root


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE log_entry SET entry = entry",
        "DELETE FROM log_entry",
        "DELETE FROM log_node",
        "UPDATE log_node SET hash = hash",
        "INSERT INTO log_entry (\"index\", entry_id, entry) SELECT 7, 'x', entry FROM log_entry",
    ],
)
async def test_the_database_refuses_to_change_the_log(database: Database, attack: str) -> None:
    await append(database, 0)
    with pytest.raises(DBAPIError, match="append-only"):
        async with database.transaction() as tx:
            await tx.execute(text(attack))


async def test_the_database_refuses_to_replace_an_entry(database: Database) -> None:
    await append(database, 0)
    replacing = (
        "INSERT OR REPLACE INTO log_entry (\"index\", entry_id, entry) VALUES (0, 'x', 'y')"
        if database.is_sqlite
        else "TRUNCATE log_entry CASCADE"
    )
    with pytest.raises(DBAPIError, match=r"append-only|not the next"):
        async with database.transaction() as tx:
            await tx.execute(text(replacing))


async def test_a_transaction_that_fails_leaves_no_entry(database: Database) -> None:
    class Crash(Exception):
        pass

    with pytest.raises(Crash):  # noqa: PT012 the crash comes inside the transaction
        async with database.transaction() as tx:
            await log.append(tx, "0" * 32, b"entry", sealed=b"s", key_id=None)
            raise Crash
    async with database.snapshot() as tx:
        assert (await log.head(tx)).size == 0
    assert await append(database, 1) == 0
