"""Promise 7 over epochs: the living always open, the erased open from no copy of before."""

import asyncio
import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import select

from bot.privacy.envelope import SealBroken, open_json
from bot.privacy.keyring import KeyMissing, Keyring, WrappedKey
from bot.privacy.profile import Profile
from bot.usecases import key_rotation
from bot.usecases.journal import Journal
from bot.usecases.key_rotation import KeyRotation
from bot.usecases.people import People
from bot.usecases.records import RecordDesk
from storage import key_changes, keys, keystore, migrations
from storage.database import Database
from storage.key_holder import KeystoreHolder
from storage.schema import data_key, subject

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEK = b"k" * 32
POSTGRESQL = os.environ.get("TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432")


def has_postgresql() -> bool:
    try:
        with socket.create_connection(("127.0.0.1", 5432), timeout=1):
            return True
    except OSError:
        return False


Copied = tuple[str, int, bytes, bytes]
"""What a copy of the database has of a person: id, epoch, wrapped key, what it seals."""


async def _nothing(_subject: object) -> None:
    """Nothing is in flight."""


class Epochs(RuleBasedStateMachine):
    """People come and go, copies are made, rotations are begun, cut short, finished."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="epochs-"))
        self.loop = asyncio.new_event_loop()
        self.path = self.folder / "keystore.json"
        self.now = AT
        self.living: dict[str, str] = {}
        self.erased: set[str] = set()
        self.over: set[str] = set()
        """Who was erased before the last rotation that ended was begun."""
        self.number = 0
        self.copies: list[list[Copied]] = []
        keystore.create(self.path, KEK, "assent/tea", AT)
        self.database = self.new_database()
        self.restart()

    def new_database(self) -> Database:
        """A migrated one; migrating takes longer than a life of this world."""
        (self.folder / "data").mkdir()
        shutil.copy(_migrated_file(), self.folder / "data" / "assent.db")
        return Database(f"sqlite+aiosqlite:///{self.folder}/data/assent.db")

    @initialize()
    def two_are_there_and_in_a_copy(self) -> None:
        self.somebody_comes()
        self.somebody_comes()
        self.a_copy_is_made()

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def restart(self) -> None:
        """A new process: it knows what is on disk, and nothing else."""
        self.holder = KeystoreHolder(keystore.open_keystore(self.path, KEK))
        journal = Journal(keyring=self.holder.keyring)
        self.people = People(
            database=self.database, journal=journal, locales=("ru", "en"), default_locale="ru"
        )
        self.records = RecordDesk(
            database=self.database,
            journal=journal,
            signer=None,
            recall=_nothing,  # type: ignore[arg-type]
        )
        self.rotation = KeyRotation(database=self.database, keystore=self.holder, batch=2)

    @rule()
    def somebody_comes(self) -> None:
        self.number += 1
        account = str(self.number)
        met = self.wait(self.people.meet(Profile(account=account, first_name=account), self.now))
        self.living[account] = met.id

    @precondition(lambda self: self.living)
    @rule(data=st.data())
    def somebody_is_erased(self, data: st.DataObject) -> None:
        account = data.draw(st.sampled_from(sorted(self.living)))
        person = self.wait(self.people.find(account))
        self.wait(self.records.erase(person, self.now, never_again=False))
        self.erased.add(self.living.pop(account))

    @rule()
    def a_copy_is_made(self) -> None:
        self.copies.append(self.wait(self._rows()))

    async def _rows(self) -> list[Copied]:
        query = select(subject.c.id, data_key.c.generation, data_key.c.wrapped, subject.c.sealed)
        async with self.database.snapshot() as tx:
            found = await tx.execute(query.join(data_key, data_key.c.id == subject.c.id))
            return [(row.id, row.generation, row.wrapped, row.sealed) for row in found]

    @rule()
    def a_rotation_ends(self) -> None:
        """It goes on with what was begun, and then once more from the beginning."""
        self.now += timedelta(days=1)
        if self.holder().retiring:
            self.wait(self.rotation.rotate(self.now))
        self.wait(self.rotation.rotate(self.now))
        self.over = set(self.erased)

    @rule(steps=st.integers(0, 4))
    def a_rotation_is_cut_short(self, steps: int) -> None:
        """The process dies after so many steps; another one starts."""
        key_changes.begin_epoch(self.holder(), self.now)
        self.wait(self._first_steps(steps))
        self.restart()

    async def _first_steps(self, steps: int) -> None:
        store = self.holder()
        if steps > 0:
            async with self.database.transaction() as tx:
                await keys.wrapping_generation(tx, exclusive=True)
                await keys.set_wrapping_generation(tx, store.keyring.generation)
        after = ""
        for _ in range(1, steps):
            async with self.database.transaction() as tx:
                done = await key_rotation._rewrap_keys(tx, store.keyring, store.retiring, after, 1)
            after = done[-1] if done else after

    @rule()
    def the_process_dies(self) -> None:
        self.restart()

    @invariant()
    def the_living_open(self) -> None:
        for account, subject_id in self.living.items():
            found = self.wait(self.people.find(account))
            assert found is not None
            assert (found.id, found.profile.first_name) == (subject_id, account)

    @invariant()
    def the_erased_open_from_no_copy_of_an_epoch_that_is_over(self) -> None:
        """A copy from before an erasure may hold them only until a rotation has ended."""
        opened = keystore.open_keystore(self.path, KEK)
        for copy in self.copies:
            for row in copy:
                if row[0] in self.over:
                    assert not _opens(opened.keyring, *row)

    def teardown(self) -> None:
        self.a_rotation_ends()
        self.the_living_open()
        self.the_erased_open_from_no_copy_of_an_epoch_that_is_over()
        self.wait(self.database.close())
        self.loop.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _opens(ring: Keyring, subject_id: str, generation: int, wrapped: bytes, sealed: bytes) -> bool:
    try:
        secret = ring.unwrap(WrappedKey(generation=generation, wrapped=wrapped))
        open_json(secret, sealed, subject_id.encode())
    except (KeyMissing, SealBroken):
        return False
    return True


class EpochsOnPostgresql(Epochs):
    """The same world on the other engine."""

    def new_database(self) -> Database:
        self.name = f"assent_{uuid.uuid4().hex}"
        template = _migrated_template()
        self.wait(_admin(f'CREATE DATABASE "{self.name}" TEMPLATE "{template}"'))
        return Database(f"{POSTGRESQL.replace('postgresql', 'postgresql+asyncpg', 1)}/{self.name}")

    def teardown(self) -> None:
        super().teardown()
        asyncio.run(_admin(f'DROP DATABASE "{self.name}" WITH (FORCE)'))


@pytest.fixture(scope="module", autouse=True)
def _tidied() -> Iterator[None]:
    """Remove what the templates were, if any was made."""
    yield
    if _migrated_file.cache_info().currsize:
        shutil.rmtree(_migrated_file().parent)
    if _migrated_template.cache_info().currsize:
        asyncio.run(_admin(f'DROP DATABASE "{_migrated_template()}" WITH (FORCE)'))


@cache
def _migrated_file() -> Path:
    path = Path(tempfile.mkdtemp(prefix="epochs-")) / "assent.db"
    asyncio.run(_migrate(f"sqlite+aiosqlite:///{path}"))
    return path


@cache
def _migrated_template() -> str:
    name = f"assent_{uuid.uuid4().hex}"
    asyncio.run(_admin(f'CREATE DATABASE "{name}"'))
    asyncio.run(_migrate(f"{POSTGRESQL.replace('postgresql', 'postgresql+asyncpg', 1)}/{name}"))
    return name


async def _migrate(url: str) -> None:
    database = Database(url)
    await migrations.upgrade(database)
    await database.close()


async def _admin(statement: str) -> None:
    admin = await asyncpg.connect(f"{POSTGRESQL}/postgres")
    await admin.execute(statement)
    await admin.close()


TestEpochs = Epochs.TestCase
TestEpochs.settings = settings(
    max_examples=30,
    stateful_step_count=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.mark.skipif(not has_postgresql(), reason="no PostgreSQL at 127.0.0.1:5432")
class TestEpochsOnPostgresql(EpochsOnPostgresql.TestCase):
    settings = settings(TestEpochs.settings, max_examples=8)
