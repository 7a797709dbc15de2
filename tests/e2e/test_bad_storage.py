"""A disk that fails: nothing acknowledged is lost, and the bot goes on when the disk is back.

Promise 4. The database is a real file, locked, filled or broken from outside.
"""

import asyncio
import resource
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from program import Program, read_only, settings_of, small_disk
from shop import EXAMPLE, TOKEN, Shop, eventually, open_shop

from bot.sandbox.people import Person
from bot.sandbox.server import Sandbox, serve

FILLER = "filler"


@contextmanager
def locked(database_file: Path) -> Iterator[None]:
    """Hold the write lock, as a backup tool or a forgotten shell does."""
    with closing(sqlite3.connect(database_file, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


async def passed(seconds: float) -> None:
    """Wait until the time of a fault is over: its length is what the test is about."""
    end = time.monotonic() + seconds

    async def is_over() -> bool:
        return time.monotonic() >= end

    await eventually(is_over, seconds=seconds + 5)


async def refused_twice(sandbox: Sandbox) -> None:
    """Wait until the bot asked again for what it could not store: it is still there."""
    polls = sandbox.polls

    async def asked_again() -> bool:
        assert sandbox.world.pending, "acknowledged before it was stored"
        return sandbox.polls >= polls + 2

    await eventually(asked_again, seconds=60)
    assert sandbox.world.pending


def questions(person: Person) -> int:
    return sum(m.button("Agree") is not None for m in person.received)


async def test_a_lock_of_some_seconds_makes_answers_late_and_loses_none(shop: Shop) -> None:
    anna, ben = shop.customer(1), shop.customer(2)
    with locked(shop.database_file):
        await anna.start()
        await ben.start()
        await passed(2)
        assert not anna.received
        assert shop.sandbox.world.pending, "not acknowledged before it is stored"
    for person in (anna, ben):
        await person.wait(lambda m: m.button("Agree") is not None, seconds=30)
        assert questions(person) == 1


async def test_a_press_during_a_lock_counts_once_and_is_answered(shop: Shop) -> None:
    anna = shop.customer(1)
    await anna.start()
    question = await anna.wait(lambda m: m.button("Agree") is not None)
    with locked(shop.database_file):
        pressing = asyncio.ensure_future(anna.press("Agree", question))
        await passed(2)
        assert not pressing.done()
    await pressing
    await anna.wait("Orders and delivery", seconds=30)
    with closing(sqlite3.connect(shop.database_file)) as database:
        events = database.execute("SELECT event, purpose_id FROM consent_event").fetchall()
    assert events == [("granted", "personal-data")]


async def test_a_lock_of_long_is_waited_out_and_nothing_is_acknowledged(shop: Shop) -> None:
    anna = shop.customer(1)
    with locked(shop.database_file):
        await anna.start("spring")
        await refused_twice(shop.sandbox)
    await anna.wait(lambda m: m.button("Agree") is not None, seconds=30)
    assert questions(anna) == 1
    await shop.answer_all(shop.customer(2))


async def test_a_lock_while_an_update_is_handled_loses_neither_it_nor_those_behind_it(
    shop: Shop,
) -> None:
    anna = shop.customer(1)
    held = shop.sandbox.hold("sendMessage")
    await anna.start()

    async def is_being_answered() -> bool:
        return held.entered > 0

    await eventually(is_being_answered)
    with locked(shop.database_file):
        held.release()
        await anna.send("/help")
        await refused_twice(shop.sandbox)
    await anna.wait("/subscriptions", seconds=30)
    await anna.wait(lambda m: m.button("Agree") is not None, seconds=30)
    await shop.say(anna, "/privacy", "Tea Shop LLC")


# --- full disks -------------------------------------------------------------------------------


def fill(disk: Path) -> None:
    with (disk / FILLER).open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


def make_read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def shrink_wal(database_file: Path) -> None:
    """Give back the room that the write-ahead log has reserved."""
    with closing(sqlite3.connect(database_file, timeout=10)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


@pytest.fixture
async def cramped_shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop whose database lies on a small disk of its own."""
    with small_disk(tmp_path / "disk", "4m") as disk:
        url = f"sqlite+aiosqlite:///{disk}/data/assent.db"
        async with open_shop(tmp_path / "files", more={"database_url": url}) as shop:
            await shop.open()
            yield shop


async def test_a_full_disk_loses_nothing_and_the_bot_goes_on_when_there_is_room(
    cramped_shop: Shop, tmp_path: Path
) -> None:
    disk, anna, ben = tmp_path / "disk", cramped_shop.customer(1), cramped_shop.customer(2)
    await cramped_shop.answer_all(ben)
    shrink_wal(disk / "data" / "assent.db")
    fill(disk)
    await anna.start("spring")
    await refused_twice(cramped_shop.sandbox)
    (disk / FILLER).unlink()
    await anna.wait(lambda m: m.button("Agree") is not None, seconds=30)
    assert questions(anna) == 1
    overview = await cramped_shop.say(ben, "/subscriptions", "Your subscriptions")
    assert overview.text.count("agreed on") == 3


@pytest.fixture
async def telegram() -> AsyncIterator[Sandbox]:
    async with serve(Sandbox(token=TOKEN)) as sandbox:
        yield sandbox


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "files"))


@pytest.fixture
def program(files: Path, tmp_path: Path, telegram: Sandbox) -> Program:
    return Program(tmp_path / "here", settings_of(files, telegram.url) | {"LOG_LEVEL": "error"})


async def test_a_write_error_of_the_system_is_told_and_outlived(
    program: Program, telegram: Sandbox, files: Path
) -> None:
    """Past a limit of file sizes every write fails, as on a broken disk."""
    anna = telegram.person(2001, "Anna")
    async with program.started("run") as bot:
        await bot.says("https://t.me/")
        shrink_wal(files / "data" / "assent.db")
        no_limit = resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (4096, no_limit[1]))
        await anna.start()
        await bot.says("updates.not_stored")
        assert telegram.world.pending, "not acknowledged before it is stored"
        resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, no_limit)
        await anna.wait(lambda m: m.button("Agree") is not None, seconds=60)
        assert questions(anna) == 1
        assert (await bot.end(signal.SIGTERM)).status == 0


# --- at the start -----------------------------------------------------------------------------


async def refused_at_start(program: Program, what: str) -> None:
    ended = await program.run("run")
    assert ended.status == 2, ended.err
    [line] = ended.faults
    assert line.startswith("DATABASE_URL: ")
    assert what in line


async def test_what_is_no_database_is_refused_at_the_start(program: Program, files: Path) -> None:
    (files / "data").mkdir()
    content = b"something else entirely\n" * 1000
    (files / "data" / "assent.db").write_bytes(content)
    await refused_at_start(program, "damaged")
    assert (files / "data" / "assent.db").read_bytes() == content


async def test_a_database_damaged_in_the_middle_is_refused_at_the_start(
    program: Program, files: Path
) -> None:
    async with program.started("run") as bot:
        await bot.says("https://t.me/")
        await bot.end(signal.SIGTERM)
    path = files / "data" / "assent.db"
    content = bytearray(path.read_bytes())
    for page in range(1, len(content) // 4096):
        content[page * 4096 : page * 4096 + 100] = b"\xa5" * 100
    path.write_bytes(content)
    await refused_at_start(program, "damaged")


async def test_a_database_that_somebody_locks_for_good_is_refused_at_the_start(
    program: Program, files: Path
) -> None:
    (files / "data").mkdir()
    path = files / "data" / "assent.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")
    with locked(path):
        await refused_at_start(program, "locked")


async def test_a_read_only_disk_is_refused_at_the_start(program: Program, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        make_read_only(disk)
        program.environment["DATABASE_URL"] = f"sqlite+aiosqlite:///{disk}/assent.db"
        await refused_at_start(program, "cannot be written")


async def test_a_read_only_file_is_refused_at_the_start(program: Program, files: Path) -> None:
    (files / "data").mkdir()
    path = files / "data" / "assent.db"
    path.touch()
    with read_only(path):
        await refused_at_start(program, "cannot be written")


async def test_no_room_at_the_start_is_refused(program: Program, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        program.environment["DATABASE_URL"] = f"sqlite+aiosqlite:///{disk}/data/assent.db"
        (disk / "data").mkdir()
        (disk / "data" / "assent.db.run.lock").touch()
        fill(disk)
        await refused_at_start(program, "full")
