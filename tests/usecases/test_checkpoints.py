"""What was signed once binds for ever: no restored, forked or altered database is signed."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.proof import checkpoint
from bot.usecases.checkpoints import Signer
from storage import keystore, log, migrations
from storage.database import Database
from storage.keystore import Keystore, SignedTree, TreeRolledBack

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEK = bytes(32)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A database file, and a keystore that lies apart from it."""

    database: Database
    opened: Keystore
    file: Path

    @property
    def signer(self) -> Signer:
        return Signer(database=self.database, keystore=lambda: self.opened)

    async def append(self, *numbers: int) -> None:
        for number in numbers:
            async with self.database.transaction() as tx:
                hashed = f"entry {number}".encode()
                await log.append(tx, f"{number:032x}", hashed, sealed=b"s", key_id=None)

    async def backup(self) -> Path:
        """Copy the database as `cp` does, with nobody writing."""
        await self.database.close()
        with sqlite3.connect(self.file) as opened:
            opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        opened.close()
        copy = self.file.with_suffix(".backup")
        shutil.copyfile(self.file, copy)
        return copy

    async def restore(self, copy: Path) -> None:
        await self.database.close()
        for suffix in ("-wal", "-shm"):
            self.file.with_name(self.file.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(copy, self.file)

    async def latest(self) -> tuple[int, str] | None:
        async with self.database.snapshot() as tx:
            return await log.latest_checkpoint(tx)


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    file = tmp_path / "db" / "assent.db"
    database = Database(f"sqlite+aiosqlite:///{file}")
    await migrations.upgrade(database)
    opened = keystore.create(tmp_path / "keys" / "keystore", KEK, "tea.example/log", AT)
    yield Machine(database=database, opened=opened, file=file)
    await database.close()


async def test_a_signature_is_of_the_log_as_it_stands(machine: Machine) -> None:
    await machine.append(1, 2, 3)
    current, signed = await machine.signer.sign(AT)
    async with machine.database.snapshot() as tx:
        head = await log.head(tx)
    assert (current.size, current.root) == (head.size, head.root) == (3, head.root)
    assert checkpoint.verify(signed.encode(), machine.signer.key) == current
    assert await machine.latest() == (3, signed)
    assert machine.opened.last_signed() == SignedTree(size=3, root=head.root)


async def test_an_empty_log_is_signed_and_then_grows(machine: Machine) -> None:
    empty, _ = await machine.signer.sign(AT)
    await machine.append(1)
    grown, _ = await machine.signer.sign(AT)
    assert (empty.size, grown.size) == (0, 1)


async def test_the_same_log_is_signed_again_in_the_same_bytes(machine: Machine) -> None:
    await machine.append(1)
    assert await machine.signer.sign(AT) == await machine.signer.sign(AT)


async def test_a_database_restored_from_a_copy_is_not_signed(machine: Machine) -> None:
    await machine.append(1, 2)
    copy = await machine.backup()
    await machine.append(3)
    _, signed = await machine.signer.sign(AT)
    await machine.restore(copy)
    with pytest.raises(TreeRolledBack, match="2 entries, but 3 were signed"):
        await machine.signer.sign(AT)
    assert await machine.latest() != (3, signed)


async def test_a_fork_of_the_same_size_is_not_signed(machine: Machine) -> None:
    await machine.append(1, 2)
    copy = await machine.backup()
    await machine.append(3)
    await machine.signer.sign(AT)
    await machine.restore(copy)
    await machine.append(4)
    with pytest.raises(TreeRolledBack, match="differs from the one signed at 3"):
        await machine.signer.sign(AT)


async def test_a_longer_fork_is_not_signed(machine: Machine) -> None:
    await machine.append(1, 2)
    copy = await machine.backup()
    await machine.append(3)
    await machine.signer.sign(AT)
    await machine.restore(copy)
    await machine.append(4, 5, 6)
    with pytest.raises(TreeRolledBack, match="differs from the one signed at 3"):
        await machine.signer.sign(AT)


async def test_a_copy_that_was_signed_as_it_is_goes_on(machine: Machine) -> None:
    await machine.append(1, 2)
    await machine.signer.sign(AT)
    copy = await machine.backup()
    await machine.append(3)
    await machine.restore(copy)
    await machine.append(4)
    current, _ = await machine.signer.sign(AT)
    assert current.size == 3


async def test_a_refusal_leaves_what_was_signed(machine: Machine) -> None:
    await machine.append(1, 2)
    copy = await machine.backup()
    await machine.append(3)
    await machine.signer.sign(AT)
    before = machine.opened.last_signed()
    await machine.restore(copy)
    for _ in range(2):
        with pytest.raises(TreeRolledBack):
            await machine.signer.sign(AT)
    assert machine.opened.last_signed() == before


async def test_signers_at_the_same_time_do_not_refuse_each_other(
    database: Database, tmp_path: Path
) -> None:
    opened = keystore.create(tmp_path / "keys" / "keystore", KEK, "tea.example/log", AT)
    machine = Machine(database=database, opened=opened, file=tmp_path)

    async def work(number: int) -> int:
        await machine.append(number)
        current, signed = await machine.signer.sign(AT)
        assert checkpoint.verify(signed.encode(), machine.signer.key) == current
        return current.size

    sizes = await asyncio.gather(*(work(number) for number in range(1, 13)))
    assert max(sizes) == 12
    last = opened.last_signed()
    assert last is not None
    assert last.size == 12


class Overtaken(Database):
    """A database whose log grows and is signed elsewhere, right after it was first read here."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        async with super().snapshot() as tx:
            yield tx
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()


async def test_a_signer_who_is_overtaken_reads_again(machine: Machine) -> None:
    await machine.append(1)
    here = Overtaken(f"sqlite+aiosqlite:///{machine.file}")

    async def meanwhile() -> None:
        await machine.append(2)
        await machine.signer.sign(AT)

    here.meanwhile = meanwhile
    current, _ = await Signer(database=here, keystore=lambda: machine.opened).sign(AT)
    await here.close()
    assert current.size == 2


async def test_a_head_that_its_entries_do_not_lead_to_is_not_signed(machine: Machine) -> None:
    await machine.append(1, 2)
    await machine.database.close()
    with sqlite3.connect(machine.file) as opened:
        opened.execute("UPDATE log_head SET root = ?", (bytes(32),))
    opened.close()
    with pytest.raises(TreeRolledBack):
        await machine.signer.sign(AT)
    assert machine.opened.last_signed() is None
