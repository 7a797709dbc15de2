"""What became of deliveries: counted for operators, listed for the person they went to."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.campaigns.campaign import Report
from bot.campaigns.states import DeliveryState
from bot.consent.rules import EntryId, EventKind, PurposeId, SubjectId
from storage.schema import (
    campaign,
    consent_event,
    delivery,
    occurrence,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a message under which somebody presses came from."""

    delivery_id: str
    purpose_id: PurposeId
    consent_entry_id: EntryId | None
    subject_id: SubjectId | None
    message_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One message as the person's own record shows it."""

    campaign_id: str
    purpose_id: PurposeId
    state: DeliveryState
    changed_at: datetime


async def report(tx: AsyncConnection, campaign_id: str) -> Report:
    occurrences = select(occurrence.c.id).where(occurrence.c.campaign_id == campaign_id)
    query = (
        select(delivery.c.state, delivery.c.reason, func.count())
        .where(delivery.c.occurrence_id.in_(occurrences))
        .group_by(delivery.c.state, delivery.c.reason)
    )
    by_state: dict[DeliveryState, int] = {}
    suppressed: dict[str, int] = {}
    failed: dict[str, int] = {}
    for state, reason, number in await tx.execute(query):
        by_state[DeliveryState(state)] = by_state.get(DeliveryState(state), 0) + number
        if state == DeliveryState.SUPPRESSED:
            suppressed[reason] = suppressed.get(reason, 0) + number
        elif state == DeliveryState.FAILED:
            failed[reason] = failed.get(reason, 0) + number
    return Report(
        by_state=by_state,
        suppressed_by_reason=suppressed,
        failed_by_reason=failed,
        left=await _left(tx, campaign_id),
    )


async def _left(tx: AsyncConnection, campaign_id: str) -> int:
    query = (
        select(func.count(consent_event.c.delivery_id.distinct()))
        .join(delivery, delivery.c.id == consent_event.c.delivery_id)
        .join(occurrence, occurrence.c.id == delivery.c.occurrence_id)
        .where(
            occurrence.c.campaign_id == campaign_id,
            consent_event.c.event == EventKind.WITHDRAWN,
        )
    )
    return (await tx.execute(query)).scalar_one()


async def origin(tx: AsyncConnection, delivery_id: str) -> Origin | None:
    query = (
        select(
            delivery.c.id,
            delivery.c.subject_id,
            delivery.c.consent_entry_id,
            delivery.c.message_id,
            campaign.c.purpose_id,
        )
        .join(occurrence, occurrence.c.id == delivery.c.occurrence_id)
        .join(campaign, campaign.c.id == occurrence.c.campaign_id)
        .where(delivery.c.id == delivery_id)
    )
    row: Any = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    return Origin(
        delivery_id=row.id,
        purpose_id=PurposeId(row.purpose_id),
        consent_entry_id=row.consent_entry_id,
        subject_id=row.subject_id,
        message_id=row.message_id,
    )


async def of_subject(tx: AsyncConnection, subject_id: SubjectId) -> list[Received]:
    query = (
        select(
            occurrence.c.campaign_id,
            campaign.c.purpose_id,
            delivery.c.state,
            delivery.c.changed_at,
        )
        .join(occurrence, occurrence.c.id == delivery.c.occurrence_id)
        .join(campaign, campaign.c.id == occurrence.c.campaign_id)
        .where(delivery.c.subject_id == subject_id)
        .order_by(delivery.c.changed_at)
    )
    return [
        Received(
            campaign_id=row.campaign_id,
            purpose_id=PurposeId(row.purpose_id),
            state=DeliveryState(row.state),
            changed_at=row.changed_at,
        )
        for row in await tx.execute(query)
    ]
