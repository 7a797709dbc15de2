"""Migrations go up, down and up again, and together they are the schema."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from storage import migrations
from storage.database import Database
from storage.schema import metadata


async def test_up_down_up_leaves_the_schema(empty_database: Database) -> None:
    await migrations.upgrade(empty_database)
    await migrations.downgrade(empty_database, "base")
    await migrations.upgrade(empty_database)
    found, needed = await migrations.revisions(empty_database)
    assert found == needed


async def test_all_migrations_together_equal_the_schema(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with database.snapshot() as tx:
        assert await tx.run_sync(differences) == []


@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004", "0005", "0006"])
async def test_each_migration_can_be_taken_back(empty_database: Database, revision: str) -> None:
    await migrations.upgrade(empty_database, revision)
    before = str(int(revision) - 1).zfill(4)
    await migrations.downgrade(empty_database, before if before != "0000" else "base")
    await migrations.upgrade(empty_database)
