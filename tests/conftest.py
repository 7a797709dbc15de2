"""A fresh database on each engine: a SQLite file, and a PostgreSQL database of its own."""

import os
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from hypothesis import settings

from storage import migrations
from storage.database import Database

settings.register_profile("assent", deadline=None)  # how long something takes is no failure
settings.load_profile("assent")

POSTGRESQL = os.environ.get("TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432")


def has_postgresql() -> bool:
    try:
        with socket.create_connection(("127.0.0.1", 5432), timeout=1):
            return True
    except OSError:
        return False


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    if request.param == "sqlite":
        database = Database(f"sqlite+aiosqlite:///{tmp_path}/assent.db")
        yield database
        await database.close()
        return
    async with a_postgresql() as database:
        yield database


@asynccontextmanager
async def a_postgresql(options: str = "") -> AsyncIterator[Database]:
    """Make a PostgreSQL database of its own, for as long as the block lasts."""
    if not has_postgresql():
        pytest.skip("no PostgreSQL at 127.0.0.1:5432")
    name = f"assent_{uuid.uuid4().hex}"
    admin = await asyncpg.connect(f"{POSTGRESQL}/postgres")
    await admin.execute(f'CREATE DATABASE "{name}" {options}')
    database = Database(f"{POSTGRESQL.replace('postgresql', 'postgresql+asyncpg', 1)}/{name}")
    yield database
    await database.close()
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


@pytest.fixture
async def database(empty_database: Database) -> Database:
    await migrations.upgrade(empty_database)
    return empty_database


@pytest.fixture
async def english_database() -> AsyncIterator[Database]:
    """A PostgreSQL database that sorts text as English is sorted, not by its bytes."""
    english = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'"
    async with a_postgresql(english) as database:
        await migrations.upgrade(database)
        yield database
