"""Who else has seen a checkpoint: stamps of a time authority, posts in a public channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Select, func, insert, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.schema import checkpoint, posting, stamp
from storage.types import MILLISECOND
from storage.upsert import insert_missing

DAY_MILLISECONDS = timedelta(days=1) // MILLISECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStamp:
    """A token of an authority over one signed checkpoint."""

    size: int
    authority: str
    """The address that was asked."""
    note: str
    """The signed checkpoint that was stamped, to the byte."""
    token: bytes
    stamped_at: datetime
    """By the authority's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPosting:
    """A message in a public channel that shows one signed checkpoint."""

    channel: str
    message_id: int
    size: int
    note: str
    posted_at: datetime
    """Telegram's date of the message."""


async def add(tx: AsyncConnection, made: StoredStamp) -> None:
    """Keep a stamp. One that is there for this size and authority stays."""
    await insert_missing(tx, stamp, [_values(made)])


async def add_posting(tx: AsyncConnection, made: StoredPosting) -> None:
    await tx.execute(insert(posting).values(**_values(made)))


def _values(made: StoredStamp | StoredPosting) -> dict[str, Any]:
    return {name: getattr(made, name) for name in made.__dataclass_fields__}


async def latest(tx: AsyncConnection, authority: str) -> StoredStamp | None:
    """Return the stamp over the largest checkpoint that this authority stamped."""
    query = select(stamp).where(stamp.c.authority == authority)
    found = await tx.execute(query.order_by(stamp.c.size.desc()).limit(1))
    row = found.mappings().one_or_none()
    return None if row is None else StoredStamp(**row)


async def latest_posting(tx: AsyncConnection, channel: str) -> StoredPosting | None:
    query = select(posting).where(posting.c.channel == channel)
    found = await tx.execute(query.order_by(posting.c.message_id.desc()).limit(1))
    row = found.mappings().one_or_none()
    return None if row is None else StoredPosting(**row)


async def of_checkpoint(tx: AsyncConnection, size: int, note: str) -> list[StoredStamp]:
    """Return the stamps over exactly this signed checkpoint, by authority."""
    query = select(stamp).where(stamp.c.size == size, stamp.c.note == note)
    found = await tx.execute(query.order_by(stamp.c.authority))
    return [StoredStamp(**row) for row in found.mappings()]


async def latest_stamped(tx: AsyncConnection) -> tuple[int, str] | None:
    """Return size and note of the largest checkpoint that has a stamp."""
    query = select(stamp.c.size, stamp.c.note).order_by(stamp.c.size.desc()).limit(1)
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else (row.size, row.note)


async def stamps_upto(tx: AsyncConnection, size: int) -> list[StoredStamp]:
    """Return the stamps over checkpoints of at most this size, smallest first."""
    query = select(stamp).where(stamp.c.size <= size).order_by(stamp.c.size, stamp.c.authority)
    return [StoredStamp(**row) for row in (await tx.execute(query)).mappings()]


async def postings_upto(tx: AsyncConnection, size: int) -> list[StoredPosting]:
    """Return the posts of checkpoints of at most this size, smallest first."""
    order = (posting.c.size, posting.c.channel, posting.c.message_id)
    query = select(posting).where(posting.c.size <= size).order_by(*order)
    return [StoredPosting(**row) for row in (await tx.execute(query)).mappings()]


async def checkpoints_chosen(tx: AsyncConnection, size: int) -> list[tuple[int, str]]:
    """Return the checkpoints worth taking out, of at most this size, smallest first.

    They are the last one of each UTC day and every one that was stamped or posted; of the
    latter the very note that others have seen.
    """
    day = type_coerce(checkpoint.c.signed_at, BigInteger) // DAY_MILLISECONDS
    last_of_day = select(func.max(checkpoint.c.size)).where(checkpoint.c.size <= size).group_by(day)
    of_days = select(checkpoint.c.size, checkpoint.c.note).where(checkpoint.c.size.in_(last_of_day))
    posted = select(posting.c.size, posting.c.note).where(posting.c.size <= size)
    stamped = select(stamp.c.size, stamp.c.note).where(stamp.c.size <= size)
    chosen: dict[int, str] = {}
    for query in (of_days, posted, stamped):
        chosen.update(await _sizes_and_notes(tx, query))
    return sorted(chosen.items())


async def _sizes_and_notes(tx: AsyncConnection, query: Select[Any]) -> Sequence[tuple[int, str]]:
    return [(row.size, row.note) for row in await tx.execute(query)]
