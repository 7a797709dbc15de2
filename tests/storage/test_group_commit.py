"""Writers of one process share commits: all of a group is kept or none, a failure is one's own."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import Database

INSERT = text("INSERT INTO number VALUES (:number)")


class Refused(Exception):
    """A use-case that does not want what it did."""


def refuse() -> None:
    raise Refused


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/plain.db")
    async with database.transaction() as tx:
        await tx.execute(text("CREATE TABLE number (number INTEGER PRIMARY KEY)"))
        await tx.execute(
            text(
                "CREATE TABLE child (number INTEGER REFERENCES number "
                "DEFERRABLE INITIALLY DEFERRED)"
            )
        )
        await tx.execute(text("CREATE TABLE filler (content BLOB)"))
    yield database
    await database.close()


async def numbers(database: Database) -> set[int]:
    async with database.snapshot() as tx:
        return set((await tx.execute(text("SELECT number FROM number"))).scalars())


async def add(database: Database, number: int) -> None:
    async with database.transaction() as tx:
        await tx.execute(INSERT, {"number": number})


@contextmanager
def counted_commits(database: Database) -> Iterator[list[object]]:
    seen: list[object] = []
    listen = (database.engine.sync_engine, "commit", seen.append)
    event.listen(*listen)
    yield seen
    event.remove(*listen)


class Door:
    """Keeps the first of a group inside until the others wait."""

    def __init__(self) -> None:
        self.inside, self.may_leave = asyncio.Event(), asyncio.Event()

    async def hold(self, database: Database, number: int) -> None:
        async with database.transaction() as tx:
            await tx.execute(INSERT, {"number": number})
            self.inside.set()
            await self.may_leave.wait()


async def begun(database: Database) -> tuple[Door, asyncio.Task[None]]:
    door = Door()
    first = asyncio.ensure_future(door.hold(database, 0))
    await door.inside.wait()
    return door, first


async def test_whoever_waits_shares_the_commit(plain: Database) -> None:
    with counted_commits(plain) as commits:
        door, first = await begun(plain)
        others = [asyncio.ensure_future(add(plain, number)) for number in range(1, 6)]
        await asyncio.sleep(0)
        door.may_leave.set()
        await asyncio.gather(first, *others)
    assert len(commits) == 1
    assert await numbers(plain) == set(range(6))


async def test_nobody_goes_on_before_the_common_commit(plain: Database) -> None:
    door, first = await begun(plain)
    last_door = Door()
    second = asyncio.ensure_future(add(plain, 1))
    last = asyncio.ensure_future(last_door.hold(plain, 2))
    await asyncio.sleep(0)
    door.may_leave.set()
    await last_door.inside.wait()
    assert not first.done()
    assert not second.done()
    assert await numbers(plain) == set()
    last_door.may_leave.set()
    await asyncio.gather(first, second, last)


async def test_a_failure_undoes_only_its_own_work(plain: Database) -> None:
    async def failing(number: int) -> None:
        async with plain.transaction() as tx:
            await tx.execute(INSERT, {"number": number})
            raise Refused

    door, first = await begun(plain)
    others = [
        asyncio.ensure_future(work)
        for work in (failing(1), add(plain, 2), add(plain, 0), failing(3), add(plain, 4))
    ]
    await asyncio.sleep(0)
    door.may_leave.set()
    results = await asyncio.gather(first, *others, return_exceptions=True)
    assert [type(result) for result in results] == [
        type(None),
        Refused,
        type(None),
        IntegrityError,
        Refused,
        type(None),
    ]
    assert await numbers(plain) == {0, 2, 4}


async def test_the_first_that_fails_takes_nobody_with_it(plain: Database) -> None:
    door = Door()

    async def failing() -> None:
        async with plain.transaction() as tx:
            await tx.execute(INSERT, {"number": 0})
            door.inside.set()
            await door.may_leave.wait()
            raise Refused

    first = asyncio.ensure_future(failing())
    await door.inside.wait()
    second = asyncio.ensure_future(add(plain, 1))
    await asyncio.sleep(0)
    door.may_leave.set()
    with pytest.raises(Refused):
        await first
    await second
    assert await numbers(plain) == {1}


async def test_a_commit_that_fails_fails_for_everybody(plain: Database) -> None:
    """A deferred foreign key is looked at by COMMIT only."""

    async def orphan() -> None:
        async with plain.transaction() as tx:
            await tx.execute(text("INSERT INTO child VALUES (99)"))

    door, first = await begun(plain)
    others = [asyncio.ensure_future(work) for work in (orphan(), add(plain, 2))]
    await asyncio.sleep(0)
    door.may_leave.set()
    results = await asyncio.gather(first, *others, return_exceptions=True)
    assert [type(result) for result in results] == [IntegrityError] * 3
    assert len({id(result) for result in results}) == 3
    assert await numbers(plain) == set()
    await add(plain, 7)
    assert await numbers(plain) == {7}


async def test_a_full_disk_in_the_middle_loses_nothing_silently(plain: Database) -> None:
    """SQLite undoes the whole transaction then, also what others had done in it."""

    async def fill(tx: AsyncConnection) -> None:
        await tx.execute(text("INSERT INTO filler VALUES (zeroblob(4000000))"))

    async def too_much() -> None:
        async with plain.transaction() as tx:
            await tx.execute(text("PRAGMA max_page_count = 40"))
            await fill(tx)

    async def swallows() -> None:
        async with plain.transaction() as tx:
            await tx.execute(text("PRAGMA max_page_count = 40"))
            try:
                await fill(tx)
            except OperationalError:
                return

    for filling in (too_much, swallows):
        door, first = await begun(plain)
        others = [asyncio.ensure_future(work) for work in (add(plain, 1), filling())]
        await asyncio.sleep(0)
        door.may_leave.set()
        results = await asyncio.gather(first, *others, return_exceptions=True)
        assert all(isinstance(result, DBAPIError) for result in results), results
        assert await numbers(plain) == set()


async def test_a_first_that_is_cancelled_while_it_waits_still_commits(plain: Database) -> None:
    door, first = await begun(plain)
    last_door = Door()
    second = asyncio.ensure_future(last_door.hold(plain, 1))
    await asyncio.sleep(0)
    door.may_leave.set()
    await last_door.inside.wait()
    first.cancel()
    await asyncio.sleep(0.01)
    last_door.may_leave.set()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert await numbers(plain) == {0, 1}


async def test_a_second_that_is_cancelled_inside_leaves_the_others(plain: Database) -> None:
    door, first = await begun(plain)
    middle = Door()
    second = asyncio.ensure_future(middle.hold(plain, 1))
    third = asyncio.ensure_future(add(plain, 2))
    await asyncio.sleep(0)
    door.may_leave.set()
    await middle.inside.wait()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    await asyncio.gather(first, third)
    assert await numbers(plain) == {0, 2}


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_what_returned_is_kept_and_what_raised_is_not(
    plain: Database, seed: int
) -> None:
    chance = random.Random(seed)
    kept: set[int] = set()

    async def writer(number: int) -> None:
        await asyncio.sleep(chance.random() / 100)
        try:
            async with plain.transaction() as tx:
                await tx.execute(INSERT, {"number": number})
                if chance.random() < 0.3:
                    await asyncio.sleep(chance.random() / 200)
                if chance.random() < 0.2:
                    refuse()
                if chance.random() < 0.1:
                    await tx.execute(INSERT, {"number": number})
        except (Refused, IntegrityError):
            return
        kept.add(number)

    tasks = [asyncio.ensure_future(writer(number)) for number in range(60)]
    for task in chance.sample(tasks, 8):
        asyncio.get_running_loop().call_later(chance.random() / 50, task.cancel)
    await asyncio.gather(*tasks, return_exceptions=True)
    found = await numbers(plain)
    # One that was cancelled while it waited for the commit is kept, though it never said so.
    cancelled = {number for number, task in enumerate(tasks) if task.cancelled()}
    assert kept <= found <= kept | cancelled
