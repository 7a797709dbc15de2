"""Wrapped data keys: what opens a person, a campaign or the house, itself wrapped (promise 6)."""

from collections.abc import Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.privacy.keyring import WrappedKey
from storage.schema import data_key

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
