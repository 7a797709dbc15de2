"""Where each conversation stands: one sealed row a chat, gone when it is over."""

from datetime import datetime

from sqlalchemy import delete, select
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
