"""Insert or, where the primary key exists, update: one statement on both engines."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


def _insert(tx: AsyncConnection, table: Table) -> Any:
    maker = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
    return maker(table)


async def upsert(tx: AsyncConnection, table: Table, values: Mapping[str, Any]) -> None:
    keys = [column.name for column in table.primary_key]
    changed = {name: value for name, value in values.items() if name not in keys}
    statement = _insert(tx, table).values(**values)
    await tx.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))


async def insert_missing(
    tx: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert the rows whose primary key is not there yet; leave the others as they are."""
    if rows:
        await tx.execute(_insert(tx, table).on_conflict_do_nothing(), list(rows))
