"""Numbered, readable changes of the schema; each leaves the version before able to run."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from storage.database import Database

FOLDER = Path(__file__).parent


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    return config


async def upgrade(database: Database, to: str = "head") -> None:
    """Bring the schema up to a revision."""
    await _with_connection(database, lambda config: command.upgrade(config, to))


async def downgrade(database: Database, to: str) -> None:
    await _with_connection(database, lambda config: command.downgrade(config, to))


async def _with_connection(database: Database, work: Callable[[Config], None]) -> None:
    def run(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        work(config)

    async with database.transaction() as tx:
        await tx.run_sync(run)


async def revisions(database: Database) -> tuple[str | None, str | None]:
    """Return the revision that the database has, and the one that this program needs."""

    def current(connection: Connection) -> str | None:
        return MigrationContext.configure(connection).get_current_revision()

    async with database.snapshot() as tx:
        found = await tx.run_sync(current)
    return found, ScriptDirectory.from_config(_config()).get_current_head()


def known() -> frozenset[str]:
    """Return every revision that this program can migrate from."""
    script = ScriptDirectory.from_config(_config())
    return frozenset(step.revision for step in script.walk_revisions())
