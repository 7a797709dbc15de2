"""A rotation loses nobody who lives and leaves nothing of who was erased (promise 7)."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tea_shop import AT, DAY, KEK, PURPOSES, Shop, on_disk, reopened

from bot.privacy.keyring import KeyMissing
from bot.usecases.key_rotation import EPOCH, EPOCH_DAYS, KeyRotation, RotationBlocked
from bot.usecases.wrapping import KeystoreOutdated, wrapping_keyring
from storage import key_changes, keys, keystore, migrations
from storage.database import Database
from storage.keystore import Keystore
from storage.schema import conversation, data_key, inbox

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


def said(update_id: int, who: int) -> dict[str, object]:
    person = {"id": who}
    return {"update_id": update_id, "message": {"chat": person, "from": person, "text": "hi"}}


async def populate(shop: Shop, accounts: int = 5) -> None:
    """People with answers, open conversations, and updates that wait."""
    for number in range(1, accounts + 1):
        person = await shop.meet(str(number), first_name=f"Person{number}")
        await shop.conversations.write(str(number), {"state": f"step {number}"}, AT)
        await shop.inbox.take_in([said(number, number)], AT)
        if number == 1:
            await shop.agree_all(person)


async def everybody_opens(shop: Shop, accounts: int = 5) -> None:
    for number in range(1, accounts + 1):
        found = await shop.people.find(str(number))
        assert found is not None
        assert found.profile.first_name == f"Person{number}"
        assert await shop.conversations.read(str(number)) == {"state": f"step {number}"}
    waiting = await shop.inbox.waiting(after=None, limit=100)
    assert [one.content for one in waiting] == [said(n, n) for n in range(1, accounts + 1)]
    assert (await shop.log())[-1].opening is not None


async def generations(shop: Shop) -> set[int]:
    """The epochs that any row refers to."""
    async with shop.database.snapshot() as tx:
        return {
            number
            for table in (data_key, conversation, inbox)
            for number in (await tx.execute(select(table.c.generation))).scalars()
            if number is not None
        }


def on_file(folder: Path) -> Keystore:
    return keystore.open_keystore(folder / "keys" / "keystore.json", KEK)


# --- what a rotation does


async def test_a_rotation_wraps_everything_anew_and_destroys_the_old_key(
    either_shop: Shop, tmp_path: Path
) -> None:
    shop = either_shop
    await populate(shop)
    rotation = replace(shop.core.rotation, batch=2)
    told: list[tuple[int, int]] = []
    assert await rotation.rotate(AT + DAY, lambda done, of: told.append((done, of)))
    assert await generations(shop) == {2}
    assert set(on_file(tmp_path).keyring.epochs) == {2}
    assert told[-1][0] == told[-1][1] == 15
    await everybody_opens(shop)
    await shop.meet("9", first_name="Late")
    assert await generations(shop) == {2}


async def test_a_handled_update_needs_no_key(either_shop: Shop, tmp_path: Path) -> None:
    await either_shop.inbox.take_in([said(1, 1)], AT)
    await either_shop.inbox.settle(1)
    await either_shop.core.rotation.rotate(AT)
    assert set(on_file(tmp_path).keyring.epochs) == {2}


async def test_what_opened_for_nobody_does_not_hold_the_old_key(
    either_shop: Shop, tmp_path: Path
) -> None:
    shop = either_shop
    await populate(shop, 2)
    async with shop.database.transaction() as tx:
        for table in (conversation, inbox):
            await tx.execute(table.update().values(sealed=b"torn"))
    await shop.core.rotation.rotate(AT)
    assert set(on_file(tmp_path).keyring.epochs) == {2}
    assert await shop.conversations.read("1") == {}
    assert await shop.inbox.waiting(after=None, limit=9) == []


async def test_a_damaged_data_key_keeps_the_old_key(either_shop: Shop, tmp_path: Path) -> None:
    person = await either_shop.meet("1")
    async with either_shop.database.transaction() as tx:
        await tx.execute(
            data_key.update().where(data_key.c.id == person.id).values(wrapped=b"x" * 40)
        )
    with pytest.raises(RotationBlocked, match="damaged"):
        await either_shop.core.rotation.rotate(AT)
    assert set(on_file(tmp_path).keyring.epochs) == {1, 2}


async def test_by_the_clock_it_happens_every_thirty_days(shop: Shop, tmp_path: Path) -> None:
    assert EPOCH_DAYS == 30
    rotation = shop.core.rotation
    assert not await rotation.rotate(AT + EPOCH - timedelta(seconds=1), only_due=True)
    assert await rotation.rotate(AT + EPOCH, only_due=True)
    assert not await rotation.rotate(AT + EPOCH, only_due=True)
    assert await rotation.rotate(AT + 2 * EPOCH, only_due=True)
    assert on_file(tmp_path).keyring.generation == 3


async def test_of_two_that_find_it_due_one_rotates(either_shop: Shop, tmp_path: Path) -> None:
    await populate(either_shop)
    rotation = either_shop.core.rotation
    await asyncio.gather(*(rotation.rotate(AT + EPOCH, only_due=True) for _ in range(3)))
    assert set(on_file(tmp_path).keyring.epochs) == {2}
    await everybody_opens(either_shop)


async def test_a_rotation_that_was_cut_short_is_finished_not_begun_again(
    either_shop: Shop, tmp_path: Path
) -> None:
    await populate(either_shop)
    assert key_changes.begin_epoch(on_file(tmp_path), AT)
    assert not key_changes.begin_epoch(on_file(tmp_path), AT)
    assert await either_shop.core.rotation.rotate(AT, only_due=True)
    assert set(on_file(tmp_path).keyring.epochs) == {2}
    await everybody_opens(either_shop)


async def test_the_present_epoch_key_is_never_destroyed(shop: Shop, tmp_path: Path) -> None:
    key_changes.destroy_epochs(on_file(tmp_path), {1})
    assert set(on_file(tmp_path).keyring.epochs) == {1}


# --- erased means gone, from copies too


async def test_an_erased_person_is_in_no_copy_once_the_epoch_is_over(
    shop: Shop, tmp_path: Path
) -> None:
    gone = await shop.meet("700100200", first_name="Ekaterina")
    await shop.agree_all(gone)
    stays = await shop.meet("2", first_name="Boris")
    await shop.database.close()
    shutil.copytree(tmp_path / "data", tmp_path / "old" / "data")
    await shop.records.erase(gone, AT, never_again=False)
    await shop.core.rotation.rotate(AT + DAY)
    await shop.database.close()
    assert gone.id.encode() not in on_disk(tmp_path)
    assert gone.key.secret not in on_disk(tmp_path)
    assert gone.key.secret not in on_disk(tmp_path / "old")
    # The copy is put beside the keystore as it is now.
    shutil.copytree(tmp_path / "keys", tmp_path / "old" / "keys")
    with sqlite3.connect(tmp_path / "old" / "data" / "assent.db") as old:
        assert old.execute("SELECT count(*) FROM data_key").fetchone() == (2,)
    old.close()
    copy = await reopened(tmp_path / "old", PURPOSES.purposes)
    for person in (gone, stays):
        with pytest.raises(KeyMissing):
            await copy.people.by_id(person.id)
    await copy.database.close()
    found = await shop.people.find("2")
    assert found is not None
    assert found.profile.first_name == "Boris"


# --- beside a live program


async def test_a_program_that_runs_sees_the_rotation_of_a_command(
    either_shop: Shop, tmp_path: Path
) -> None:
    """Two sets of parts over the same files, as `run` and `keys rotate` are."""
    shop = either_shop
    await populate(shop)
    beside = KeyRotation(database=shop.database, keystore=lambda: on_file(tmp_path))
    await beside.rotate(AT)
    await everybody_opens(shop)
    await shop.meet("9")
    assert await generations(shop) == {2}


async def test_a_reader_of_an_earlier_snapshot_still_opens_its_rows(
    either_shop: Shop, tmp_path: Path
) -> None:
    person = await either_shop.meet("1")
    async with either_shop.database.snapshot() as tx:
        wrapped = await keys.get(tx, person.id)
    assert wrapped is not None
    await either_shop.core.rotation.rotate(AT)
    assert either_shop.core.journal.keyring().unwrap(wrapped) == person.key.secret
    with pytest.raises(KeyMissing):
        on_file(tmp_path).keyring.unwrap(wrapped)


async def test_who_wraps_with_an_outdated_keystore_is_refused(
    either_shop: Shop, tmp_path: Path
) -> None:
    old = on_file(tmp_path)
    await either_shop.core.rotation.rotate(AT)
    with pytest.raises(KeystoreOutdated, match="epoch key 1, the database needs 2"):
        async with either_shop.database.transaction() as tx:
            await wrapping_keyring(tx, lambda: old.keyring)


async def test_a_writer_under_the_old_key_is_waited_for(database: Database, tmp_path: Path) -> None:
    """The row is not committed yet when the rotation looks: it must not be left behind."""
    store = keystore.create(tmp_path / "keystore.json", KEK, "assent/tea", AT)
    rotation = KeyRotation(
        database=database, keystore=lambda: keystore.open_keystore(store.path, KEK)
    )
    async with database.transaction() as tx:
        await wrapping_keyring(tx, lambda: store.keyring)  # the row is there, nobody inserts it
    async with database.transaction() as tx:
        ring = await wrapping_keyring(tx, lambda: store.keyring)
        rotating = asyncio.ensure_future(rotation.rotate(AT))
        done, _ = await asyncio.wait([rotating], timeout=0.5)
        assert not done, "it waits for whoever wraps"
        await keys.add(tx, "late", ring.wrap(b"d" * 32))
    await rotating
    async with database.snapshot() as tx:
        wrapped = await keys.get(tx, "late")
    assert wrapped is not None
    opened = keystore.open_keystore(store.path, KEK)
    assert set(opened.keyring.epochs) == {2}
    assert opened.keyring.unwrap(wrapped) == b"d" * 32


WRITER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tea_shop import AT, PURPOSES, reopened

async def main():
    shop = await reopened(Path(sys.argv[1]), PURPOSES.purposes)
    print("ready", flush=True)
    number = 100
    while not (Path(sys.argv[1]) / "stop").exists():
        await shop.meet(str(number), first_name=f"Person{number}")
        await shop.conversations.write(str(number), {"state": "x"}, AT)
        number += 1
    print(number, flush=True)
    await shop.database.close()

asyncio.run(main())
"""


async def test_a_live_writer_of_another_process_loses_nobody(shop: Shop, tmp_path: Path) -> None:
    await populate(shop)
    writer = subprocess.Popen(  # noqa: ASYNC220 it is waited for in a thread
        [sys.executable, "-c", WRITER, str(tmp_path), str(HERE)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert writer.stdout is not None
    assert await asyncio.to_thread(writer.stdout.readline) == "ready\n"
    rotation = replace(shop.core.rotation, batch=3)
    for turn in range(3):
        await rotation.rotate(AT + turn * DAY)
    (tmp_path / "stop").touch()
    out, _ = await asyncio.to_thread(writer.communicate, timeout=60)
    met = int(out) - 100
    assert met > 0
    assert writer.returncode == 0
    for number in range(100, 100 + met):
        found = await shop.people.find(str(number))
        assert found is not None
        assert found.profile.first_name == f"Person{number}"
        assert await shop.conversations.read(str(number)) == {"state": "x"}
    assert await generations(shop) == {4}


# --- killed at every step

MORTAL = """
import asyncio, os, signal, sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from bot.usecases.key_rotation import KeyRotation
from storage import keystore
from storage.database import Database

url, path = sys.argv[1], Path(sys.argv[2])
left = 0

def live():
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

class Mortal(Database):
    @asynccontextmanager
    async def transaction(self):
        live()
        async with super().transaction() as tx:
            yield tx
            live()
        live()

async def main():
    rotation = KeyRotation(
        database=Mortal(url), keystore=lambda: keystore.open_keystore(path, b"k" * 32), batch=2
    )
    await rotation.rotate(datetime(2026, 11, 25, tzinfo=UTC))

for line in sys.stdin:  # one process a life; the modules are loaded once
    left = int(line)
    child = os.fork()
    if not child:
        asyncio.run(main())
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


async def test_killed_at_every_step_it_is_finished_later(either_shop: Shop, tmp_path: Path) -> None:
    """A process dies before, in and after each transaction; another one finishes its work."""
    shop = either_shop
    await populate(shop, 3)
    url = shop.database.url.render_as_string(hide_password=False)
    lives = subprocess.Popen(  # noqa: ASYNC220 it is waited for in a thread
        [sys.executable, "-c", MORTAL, url, str(tmp_path / "keys" / "keystore.json")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert lives.stdin is not None
    assert lives.stdout is not None
    deaths = 0
    while True:
        before = on_file(tmp_path).keyring.generation
        lives.stdin.write(f"{deaths + 1}\n")
        lives.stdin.flush()
        status = int(await asyncio.to_thread(lives.stdout.readline))
        if status != -signal.SIGKILL:
            assert status == 0
            break
        deaths += 1
        await everybody_opens(shop, 3)
        # The clock of `run` goes on with it; before the first step it finds nothing due.
        await shop.core.rotation.rotate(AT, only_due=True)
        found = on_file(tmp_path)
        assert not found.retiring
        assert found.keyring.generation == before + 1
        assert await generations(shop) == {found.keyring.generation}
        await everybody_opens(shop, 3)
    lives.stdin.close()
    await asyncio.to_thread(lives.wait, timeout=60)
    assert deaths >= 18


# --- an older keystore beside a newer database


async def test_copies_of_the_database_do_not_stop_a_rotation(shop: Shop, tmp_path: Path) -> None:
    """Rows of an epoch that the keystore no longer has are dead; they hold nothing up."""
    person = await shop.meet("1")
    async with shop.database.transaction() as tx:
        await tx.execute(data_key.update().values(generation=-1))
    await shop.core.rotation.rotate(AT)
    assert set(on_file(tmp_path).keyring.epochs) == {2}
    with pytest.raises(KeyMissing):
        await shop.people.by_id(person.id)


async def test_two_first_wrappers_agree_about_the_generation(empty_database: Database) -> None:
    await migrations.upgrade(empty_database)

    async def wrap() -> int:
        async with empty_database.transaction() as tx:
            return await keys.wrapping_generation(tx)

    assert await asyncio.gather(*(wrap() for _ in range(4))) == [0] * 4
