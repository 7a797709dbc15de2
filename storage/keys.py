"""Wrapped data keys: what opens a person, a campaign or the house, itself wrapped (promise 6)."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.privacy.keyring import WrappedKey
from storage.facts import Fact
from storage.schema import data_key, fact
from storage.upsert import insert_missing

HOUSE = "house"
"""The key of what belongs to no single person: staff, acts of staff."""


async def add(tx: AsyncConnection, key_id: str, wrapped: WrappedKey) -> None:
    await tx.execute(
        insert(data_key).values(id=key_id, generation=wrapped.generation, wrapped=wrapped.wrapped)
    )


async def get(tx: AsyncConnection, key_id: str) -> WrappedKey | None:
    query = select(data_key.c.generation, data_key.c.wrapped).where(data_key.c.id == key_id)
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else WrappedKey(generation=row.generation, wrapped=row.wrapped)


async def get_many(tx: AsyncConnection, key_ids: Sequence[str]) -> dict[str, WrappedKey]:
    query = select(data_key).where(data_key.c.id.in_(key_ids))
    return {
        row.id: WrappedKey(generation=row.generation, wrapped=row.wrapped)
        for row in await tx.execute(query)
    }


async def destroy(tx: AsyncConnection, key_id: str) -> None:
    """Delete a key: whatever it opened cannot be opened any more (promise 7)."""
    await tx.execute(delete(data_key).where(data_key.c.id == key_id))


# --- rotation ---------------------------------------------------------------------------------


async def wrapping_generation(tx: AsyncConnection, *, exclusive: bool = False) -> int:
    """Return the oldest epoch that may wrap, and keep it from changing until the end of `tx`.

    Whoever wraps anything under an epoch key shares the lock; a rotation takes it alone, and so
    knows that nobody is about to commit a row under the key that it destroys. On SQLite the
    transaction itself excludes other writers.
    """
    query = select(fact.c.value).where(fact.c.name == Fact.EPOCH_GENERATION)
    query = query.with_for_update(read=not exclusive)
    value = (await tx.execute(query)).scalar()
    if value is None:
        row = {"name": Fact.EPOCH_GENERATION.value, "value": "0"}
        await insert_missing(tx, fact, [row])
        value = (await tx.execute(query)).scalar_one()
    return int(value)


async def set_wrapping_generation(tx: AsyncConnection, generation: int) -> None:
    """Forbid older epoch keys; `wrapping_generation` was taken alone before."""
    await tx.execute(
        update(fact).where(fact.c.name == Fact.EPOCH_GENERATION).values(value=str(generation))
    )


async def page_under(
    tx: AsyncConnection, generations: Collection[int], *, after: str, limit: int
) -> dict[str, WrappedKey]:
    """Lock and return the next keys that these epochs wrap, by id."""
    query = (
        select(data_key)
        .where(data_key.c.generation.in_(generations), data_key.c.id > after)
        .order_by(data_key.c.id)
        .limit(limit)
        .with_for_update()
    )
    return {
        row.id: WrappedKey(generation=row.generation, wrapped=row.wrapped)
        for row in await tx.execute(query)
    }


async def replace(tx: AsyncConnection, fresh: Mapping[str, WrappedKey]) -> None:
    """Keep the same keys, wrapped anew; their rows are locked."""
    if fresh:
        statement = (
            update(data_key)
            .where(data_key.c.id == bindparam("key_id"))
            .values(generation=bindparam("wrapped_by"), wrapped=bindparam("as_wrapped"))
        )
        rows = [
            {"key_id": key_id, "wrapped_by": key.generation, "as_wrapped": key.wrapped}
            for key_id, key in fresh.items()
        ]
        await tx.execute(statement, rows)


async def count_under(tx: AsyncConnection, generations: Collection[int]) -> int:
    query = select(func.count()).select_from(data_key)
    return (await tx.execute(query.where(data_key.c.generation.in_(generations)))).scalar_one()
