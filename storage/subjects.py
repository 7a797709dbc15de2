"""People, found by the keyed hash of their account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent.rules import Reach, SubjectId
from bot.privacy.keyring import WrappedKey
from storage.schema import data_key, subject, suppression
from storage.upsert import insert_missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A person as stored: what is personal is in `sealed`, which `key` opens."""

    id: SubjectId
    channel: str
    lookup: bytes
    sealed: bytes
    key: WrappedKey
    locale: str
    reach: Reach
    created_at: datetime
    seen_at: datetime
    question_message_id: int | None
    receipt_message_id: int | None
    paused_until: datetime | None
    suppressed: bool


def _query() -> Select[Any]:
    return select(subject, data_key.c.generation, data_key.c.wrapped).join(
        data_key, data_key.c.id == subject.c.id
    )


def _record(row: Any) -> Subject:
    return Subject(
        id=SubjectId(row.id),
        channel=row.channel,
        lookup=row.lookup,
        sealed=row.sealed,
        key=WrappedKey(generation=row.generation, wrapped=row.wrapped),
        locale=row.locale,
        reach=Reach(row.reach),
        created_at=row.created_at,
        seen_at=row.seen_at,
        question_message_id=row.question_message_id,
        receipt_message_id=row.receipt_message_id,
        paused_until=row.paused_until,
        suppressed=row.suppressed,
    )


async def by_lookup(tx: AsyncConnection, lookup: bytes) -> Subject | None:
    row = (await tx.execute(_query().where(subject.c.lookup == lookup))).one_or_none()
    return None if row is None else _record(row)


async def by_id(tx: AsyncConnection, subject_id: SubjectId) -> Subject | None:
    row = (await tx.execute(_query().where(subject.c.id == subject_id))).one_or_none()
    return None if row is None else _record(row)


async def lock(tx: AsyncConnection, subject_id: SubjectId) -> bool:
    """Take the person's row for a change of consent. False: erased meanwhile.

    The person is locked, not the consent: a first consent has no row to lock yet.
    """
    query = select(subject.c.id).where(subject.c.id == subject_id).with_for_update()
    return (await tx.execute(query)).one_or_none() is not None


async def lock_many(tx: AsyncConnection, subject_ids: Sequence[SubjectId]) -> None:
    """Take the rows of some people, in the order of their ids as everywhere."""
    query = (
        select(subject.c.id)
        .where(subject.c.id.in_(subject_ids))
        .order_by(subject.c.id)
        .with_for_update()
    )
    (await tx.execute(query)).all()


async def add(
    tx: AsyncConnection,
    *,
    subject_id: SubjectId,
    channel: str,
    lookup: bytes,
    sealed: bytes,
    locale: str,
    at: datetime,
    suppressed: bool,
) -> bool:
    """Keep a new person. False: another transaction was first to keep this account."""
    row = {
        "id": subject_id,
        "channel": channel,
        "lookup": lookup,
        "sealed": sealed,
        "locale": locale,
        "reach": Reach.REACHABLE,
        "created_at": at,
        "seen_at": at,
        "suppressed": suppressed,
    }
    await insert_missing(tx, subject, [row])
    return await lock(tx, subject_id)


async def change(tx: AsyncConnection, subject_id: SubjectId, **values: Any) -> None:
    await tx.execute(update(subject).where(subject.c.id == subject_id).values(**values))


async def set_reach(
    tx: AsyncConnection, subject_id: SubjectId, reach: Reach, *, unless: Reach | None = None
) -> None:
    statement = update(subject).where(subject.c.id == subject_id).values(reach=reach)
    if unless is not None:
        statement = statement.where(subject.c.reach != unless)
    await tx.execute(statement)


async def remove(tx: AsyncConnection, subject_id: SubjectId) -> None:
    await tx.execute(delete(subject).where(subject.c.id == subject_id))


async def count(tx: AsyncConnection) -> int:
    return (await tx.execute(select(func.count()).select_from(subject))).scalar_one()


async def suppress(tx: AsyncConnection, suppression_hash: bytes, at: datetime) -> None:
    await insert_missing(tx, suppression, [{"hash": suppression_hash, "created_at": at}])


async def is_suppressed(tx: AsyncConnection, suppression_hash: bytes) -> bool:
    query = select(suppression.c.hash).where(suppression.c.hash == suppression_hash)
    return (await tx.execute(query)).one_or_none() is not None


async def lift_suppression(tx: AsyncConnection, suppression_hash: bytes) -> None:
    await tx.execute(delete(suppression).where(suppression.c.hash == suppression_hash))
