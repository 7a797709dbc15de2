"""Where each conversation stands: one sealed row a chat, gone when it is over."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.schema import conversation
from storage.upsert import upsert


async def get(tx: AsyncConnection, lookup: bytes) -> tuple[int, bytes] | None:
    """Return the epoch key's generation and what it seals."""
    query = select(conversation.c.generation, conversation.c.sealed).where(
        conversation.c.lookup == lookup
    )
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else (row.generation, row.sealed)


async def put(
    tx: AsyncConnection, lookup: bytes, *, generation: int, sealed: bytes, at: datetime
) -> None:
    await upsert(
        tx,
        conversation,
        {"lookup": lookup, "generation": generation, "sealed": sealed, "changed_at": at},
    )


async def remove(tx: AsyncConnection, lookup: bytes) -> None:
    await tx.execute(delete(conversation).where(conversation.c.lookup == lookup))


async def page_under(
    tx: AsyncConnection, generations: Collection[int], *, after: bytes, limit: int
) -> dict[bytes, tuple[int, bytes]]:
    """Lock and return the next conversations that these epochs seal, by lookup."""
    query = (
        select(conversation)
        .where(conversation.c.generation.in_(generations), conversation.c.lookup > after)
        .order_by(conversation.c.lookup)
        .limit(limit)
        .with_for_update()
    )
    return {row.lookup: (row.generation, row.sealed) for row in await tx.execute(query)}


async def reseal(tx: AsyncConnection, generation: int, sealed: Mapping[bytes, bytes]) -> None:
    """Keep the same conversations under another epoch; their rows are locked."""
    if sealed:
        statement = (
            update(conversation)
            .where(conversation.c.lookup == bindparam("of_chat"))
            .values(generation=generation, sealed=bindparam("as_sealed"))
        )
        rows = [{"of_chat": lookup, "as_sealed": content} for lookup, content in sealed.items()]
        await tx.execute(statement, rows)


async def count_under(tx: AsyncConnection, generations: Collection[int]) -> int:
    query = select(func.count()).select_from(conversation)
    return (await tx.execute(query.where(conversation.c.generation.in_(generations)))).scalar_one()
