"""Legal holds: people whose proofs must not be deleted, whatever is asked or over."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent.rules import SubjectId
from storage.schema import legal_hold


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHold:
    """`sealed` is who placed it and why, under the house key."""

    subject_id: SubjectId
    sealed: bytes
    placed_at: datetime
    erasure_wanted_at: datetime | None
    """When the person asked for erasure, which waits for the release."""
    never_again: bool


def _hold(row: Any) -> StoredHold:
    return StoredHold(**row._mapping)  # noqa: SLF001 documented name


async def place(tx: AsyncConnection, subject_id: SubjectId, *, sealed: bytes, at: datetime) -> None:
    await tx.execute(
        insert(legal_hold).values(
            subject_id=subject_id, sealed=sealed, placed_at=at, never_again=False
        )
    )


async def get(tx: AsyncConnection, subject_id: SubjectId) -> StoredHold | None:
    query = select(legal_hold).where(legal_hold.c.subject_id == subject_id)
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else _hold(row)


async def release(tx: AsyncConnection, subject_id: SubjectId) -> None:
    await tx.execute(delete(legal_hold).where(legal_hold.c.subject_id == subject_id))


async def want_erasure(
    tx: AsyncConnection, subject_id: SubjectId, at: datetime, *, never_again: bool
) -> None:
    """Remember that a person asked for erasure; the first time counts."""
    hold = legal_hold.c
    await tx.execute(
        update(legal_hold)
        .where(hold.subject_id == subject_id, hold.erasure_wanted_at.is_(None))
        .values(erasure_wanted_at=at)
    )
    if never_again:
        await tx.execute(
            update(legal_hold).where(hold.subject_id == subject_id).values(never_again=True)
        )


async def drop_demand(tx: AsyncConnection, subject_id: SubjectId) -> None:
    """Forget that erasure was asked for: the person has come back and agreed to something."""
    await tx.execute(
        update(legal_hold)
        .where(legal_hold.c.subject_id == subject_id, legal_hold.c.erasure_wanted_at.is_not(None))
        .values(erasure_wanted_at=None, never_again=False)
    )


async def all_holds(tx: AsyncConnection) -> Sequence[StoredHold]:
    """Every hold, oldest first; there are as many as there are disputes."""
    query = select(legal_hold).order_by(legal_hold.c.placed_at, legal_hold.c.subject_id)
    return [_hold(row) for row in await tx.execute(query)]
