"""What a seal covers: the deliveries of an ended occurrence, their leaves, and the entry over them.

A leaf is set once (`leaf IS NULL` in the UPDATE), an occurrence is sealed once; the triggers of
migration 0004 refuse anything else. Ids of deliveries sort bytewise on both engines, because a
stranger computes the root from them in that order.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.campaigns.states import DeliveryState, OccurrenceState
from bot.consent.rules import EntryId, SubjectId
from bot.privacy.keyring import WrappedKey
from storage.schema import campaign, data_key, delivery, occurrence

FINAL: Final = (
    DeliveryState.SENT,
    DeliveryState.FAILED,
    DeliveryState.SUPPRESSED,
    DeliveryState.UNCERTAIN,
)
"""States in which a delivery has its leaf; `uncertain` is one of them."""
PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFacts:
    """All that a delivery says, and the key of its person; what an erasure took is None."""

    delivery_id: str
    occurrence_id: str
    campaign_id: str
    purpose_id: str
    state: DeliveryState
    reason: str | None
    changed_at: datetime
    subject_id: SubjectId | None
    consent_entry_id: EntryId | None
    message_id: int | None
    key: WrappedKey | None
    leaf: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An occurrence that is over, with what its campaign was when it was confirmed."""

    occurrence_id: str
    campaign_id: str
    number: int
    revision: int
    content_sha256: str
    purpose_id: str
    wall_time: str
    started_at: datetime
    ended_at: datetime


async def due(tx: AsyncConnection, *, limit: int) -> list[str]:
    """Occurrences to seal, the one that ended first first."""
    query = _due().order_by(occurrence.c.ended_at, occurrence.c.id).limit(limit)
    return [occurrence_id for (occurrence_id,) in await tx.execute(query)]


async def is_due(tx: AsyncConnection, occurrence_id: str) -> bool:
    query = _due().where(occurrence.c.id == occurrence_id)
    return (await tx.execute(query)).one_or_none() is not None


def _due() -> Select[Any]:
    """Ended, unsealed, and with nothing on its way: a cancelled one ends before its last sends."""
    under_way = (
        select(delivery.c.id)
        .where(
            delivery.c.occurrence_id == occurrence.c.id,
            delivery.c.state == DeliveryState.SENDING,
        )
        .exists()
    )
    return select(occurrence.c.id).where(
        occurrence.c.seal_entry_id.is_(None),
        occurrence.c.ended_at.is_not(None),
        occurrence.c.state == OccurrenceState.ENDED,
        ~under_way,
    )


async def without_leaf(
    tx: AsyncConnection, occurrence_id: str, *, after: str, limit: int
) -> list[DeliveryFacts]:
    """A page of an occurrence's deliveries that have no leaf yet, by id."""
    query = _facts().where(delivery.c.occurrence_id == occurrence_id, delivery.c.leaf.is_(None))
    return await _page(tx, query, after, limit)


async def of_subject_without_leaf(
    tx: AsyncConnection, subject_id: SubjectId, *, after: str, limit: int
) -> list[DeliveryFacts]:
    """A page of a person's deliveries that are over and have no leaf yet, by id."""
    query = _facts().where(
        delivery.c.subject_id == subject_id,
        delivery.c.leaf.is_(None),
        delivery.c.state.in_(FINAL),
    )
    return await _page(tx, query, after, limit)


async def of_occurrence(
    tx: AsyncConnection, occurrence_id: str
) -> AsyncIterator[list[DeliveryFacts]]:
    """Read all deliveries of an occurrence in the order of the leaves: memory stays constant."""
    query, after = _facts().where(delivery.c.occurrence_id == occurrence_id), ""
    while page := await _page(tx, query, after, PAGE):
        yield page
        after = page[-1].delivery_id


def _facts() -> Select[Any]:
    return (
        select(
            delivery,
            occurrence.c.campaign_id,
            campaign.c.purpose_id,
            data_key.c.generation,
            data_key.c.wrapped,
        )
        .join(occurrence, occurrence.c.id == delivery.c.occurrence_id)
        .join(campaign, campaign.c.id == occurrence.c.campaign_id)
        .outerjoin(data_key, data_key.c.id == delivery.c.subject_id)
    )


async def _page(
    tx: AsyncConnection, query: Select[Any], after: str, limit: int
) -> list[DeliveryFacts]:
    page = query.where(delivery.c.id > after).order_by(delivery.c.id).limit(limit)
    return [_record(row) for row in await tx.execute(page)]


def _record(row: Any) -> DeliveryFacts:
    key = None
    if row.wrapped is not None:
        key = WrappedKey(generation=row.generation, wrapped=row.wrapped)
    return DeliveryFacts(
        delivery_id=row.id,
        occurrence_id=row.occurrence_id,
        campaign_id=row.campaign_id,
        purpose_id=row.purpose_id,
        state=DeliveryState(row.state),
        reason=row.reason,
        changed_at=row.changed_at,
        subject_id=row.subject_id,
        consent_entry_id=row.consent_entry_id,
        message_id=row.message_id,
        key=key,
        leaf=row.leaf,
    )


async def put_leaves(tx: AsyncConnection, leaves: Sequence[tuple[str, bytes]]) -> None:
    """Keep leaves: (delivery id, leaf hash). One that stands already stays as it is."""
    if not leaves:
        return
    statement = (
        update(delivery)
        .where(delivery.c.id == bindparam("of_delivery"), delivery.c.leaf.is_(None))
        .values(leaf=bindparam("hash"))
    )
    await tx.execute(
        statement,
        [{"of_delivery": delivery_id, "hash": leaf_hash} for delivery_id, leaf_hash in leaves],
    )


async def leaves(
    tx: AsyncConnection, occurrence_id: str
) -> AsyncIterator[list[tuple[DeliveryState, bytes | None]]]:
    """Read state and leaf of an occurrence's deliveries, page by page, in the order of the tree."""
    after = ""
    while True:
        query = (
            select(delivery.c.id, delivery.c.state, delivery.c.leaf)
            .where(delivery.c.occurrence_id == occurrence_id, delivery.c.id > after)
            .order_by(delivery.c.id)
            .limit(PAGE)
        )
        page = (await tx.execute(query)).all()
        if not page:
            return
        yield [(DeliveryState(row.state), row.leaf) for row in page]
        after = page[-1].id


async def lock_unsealed(tx: AsyncConnection, occurrence_id: str) -> Ended | None:
    """Take an ended occurrence in order to seal it. None: somebody was first."""
    query = (
        select(
            occurrence,
            campaign.c.number,
            campaign.c.revision,
            campaign.c.content_sha256,
            campaign.c.purpose_id,
        )
        .join(campaign, campaign.c.id == occurrence.c.campaign_id)
        .where(
            occurrence.c.id == occurrence_id,
            occurrence.c.state == OccurrenceState.ENDED,
            occurrence.c.seal_entry_id.is_(None),
        )
        .with_for_update(of=occurrence)
    )
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    return Ended(
        occurrence_id=row.id,
        campaign_id=row.campaign_id,
        number=row.number,
        revision=row.revision,
        content_sha256=row.content_sha256,
        purpose_id=row.purpose_id,
        wall_time=row.wall_time,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


async def mark(tx: AsyncConnection, occurrence_id: str, entry_id: EntryId) -> None:
    """Name the entry that seals a locked occurrence; the database refuses a second one."""
    await tx.execute(
        update(occurrence).where(occurrence.c.id == occurrence_id).values(seal_entry_id=entry_id)
    )
