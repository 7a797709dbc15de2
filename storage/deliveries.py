"""Deliveries: one message to one person, its state, and the consent that allowed it.

A state is left only by a conditional UPDATE that names where it must be; rows changed = 0 means
that somebody was first.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.campaigns.states import CampaignState, DeliveryState, OccurrenceState
from bot.consent.rules import EntryId, PurposeId, SubjectId
from bot.privacy.keyring import WrappedKey
from storage.inbox import InboxState
from storage.schema import (
    campaign,
    data_key,
    delivery,
    inbox,
    occurrence,
    subject,
)

NOT_BEGUN: Final = (DeliveryState.PLANNED, DeliveryState.READY, DeliveryState.LEASED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An occurrence that is being sent."""

    occurrence_id: str
    campaign_id: str
    purpose_id: PurposeId
    revision: int
    cursor: SubjectId | None
    is_complete: bool
    """Whether its whole audience has been taken in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A delivery that is ready, with what is needed to reach the person."""

    delivery_id: str
    subject_id: SubjectId
    sealed: bytes
    key: WrappedKey
    locale: str
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a send; only the holder of the fence may write it."""

    delivery_id: str
    fence: int
    state: DeliveryState
    reason: str | None = None
    message_id: int | None = None


def _running() -> Select[Any]:
    return (
        select(
            occurrence.c.id,
            occurrence.c.campaign_id,
            campaign.c.purpose_id,
            campaign.c.revision,
            occurrence.c.cursor,
            occurrence.c.state,
        )
        .join(campaign, campaign.c.id == occurrence.c.campaign_id)
        .where(
            campaign.c.state == CampaignState.RUNNING,
            occurrence.c.state.in_([OccurrenceState.COLLECTING, OccurrenceState.SENDING]),
        )
        .order_by(occurrence.c.started_at, occurrence.c.id)
    )


def _running_record(row: Any) -> Running:
    return Running(
        occurrence_id=row.id,
        campaign_id=row.campaign_id,
        purpose_id=PurposeId(row.purpose_id),
        revision=row.revision,
        cursor=None if row.cursor is None else SubjectId(row.cursor),
        is_complete=row.state == OccurrenceState.SENDING,
    )


async def running(tx: AsyncConnection) -> list[Running]:
    return [_running_record(row) for row in await tx.execute(_running())]


async def still_running(tx: AsyncConnection, occurrence_id: str) -> Running | None:
    """Read an occurrence again, and keep its campaign from stopping until the commit."""
    query = _running().where(occurrence.c.id == occurrence_id)
    query = query.with_for_update(read=True, of=campaign)
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else _running_record(row)


async def add_ready(
    tx: AsyncConnection,
    occurrence_id: str,
    people: Sequence[tuple[str, SubjectId]],
    at: datetime,
) -> None:
    """Take people into an occurrence, each with the random id of their delivery."""
    await tx.execute(
        insert(delivery),
        [
            {
                "id": delivery_id,
                "occurrence_id": occurrence_id,
                "subject_id": subject_id,
                "state": DeliveryState.READY,
                "fence": 0,
                "changed_at": at,
            }
            for delivery_id, subject_id in people
        ],
    )


async def ready(
    tx: AsyncConnection, occurrence_id: str, *, leaving_alone: Collection[str], limit: int
) -> list[Candidate]:
    """Lock some ready deliveries of a running campaign and their people.

    Whoever has said something that is not handled yet is left alone: it may be a withdrawal. A
    person whom a change of consent holds is skipped and comes with a later batch.
    """
    unhandled = (
        select(inbox.c.update_id)
        .where(inbox.c.account_lookup == subject.c.lookup, inbox.c.state == InboxState.WAITING)
        .exists()
    )
    query = (
        select(
            delivery.c.id,
            delivery.c.subject_id,
            delivery.c.fence,
            subject.c.sealed,
            subject.c.locale,
            data_key.c.generation,
            data_key.c.wrapped,
        )
        .join(subject, subject.c.id == delivery.c.subject_id)
        .join(data_key, data_key.c.id == subject.c.id)
        .join(occurrence, occurrence.c.id == delivery.c.occurrence_id)
        .join(campaign, campaign.c.id == occurrence.c.campaign_id)
        .where(
            delivery.c.occurrence_id == occurrence_id,
            delivery.c.state == DeliveryState.READY,
            campaign.c.state == CampaignState.RUNNING,
            ~unhandled,
        )
        .order_by(delivery.c.id)
        .limit(limit)
        .with_for_update(read=True, skip_locked=True, of=(subject, delivery))
    )
    if leaving_alone:
        query = query.where(delivery.c.subject_id.not_in(leaving_alone))
    return [
        Candidate(
            delivery_id=row.id,
            subject_id=SubjectId(row.subject_id),
            sealed=row.sealed,
            key=WrappedKey(generation=row.generation, wrapped=row.wrapped),
            locale=row.locale,
            fence=row.fence + 1,
        )
        for row in await tx.execute(query)
    ]


async def start_sending(
    tx: AsyncConnection, allowed: Sequence[tuple[Candidate, EntryId]], at: datetime
) -> None:
    """Move deliveries to `sending`, each with the consent that allows it, under a new fence."""
    if not allowed:
        return
    statement = (
        update(delivery)
        .where(delivery.c.id == bindparam("of_delivery"), delivery.c.state == DeliveryState.READY)
        .values(
            state=DeliveryState.SENDING,
            fence=bindparam("new_fence"),
            consent_entry_id=bindparam("entry"),
            changed_at=at,
        )
    )
    await tx.execute(
        statement,
        [
            {
                "of_delivery": candidate.delivery_id,
                "new_fence": candidate.fence,
                "entry": entry_id,
            }
            for candidate, entry_id in allowed
        ],
    )


async def suppress(tx: AsyncConnection, refused: Sequence[tuple[str, str]], at: datetime) -> None:
    """End deliveries that may not be sent: (delivery id, reason)."""
    if not refused:
        return
    statement = (
        update(delivery)
        .where(delivery.c.id == bindparam("of_delivery"), delivery.c.state == DeliveryState.READY)
        .values(state=DeliveryState.SUPPRESSED, reason=bindparam("why"), changed_at=at)
    )
    await tx.execute(
        statement, [{"of_delivery": delivery_id, "why": why} for delivery_id, why in refused]
    )


async def record(tx: AsyncConnection, results: Sequence[Result], at: datetime) -> None:
    """Write what became of sends; a result whose fence is no longer the row's is dropped.

    The message id of somebody erased meanwhile is not stored.
    """
    if not results:
        return
    statement = (
        update(delivery)
        .where(
            delivery.c.id == bindparam("of_delivery"),
            delivery.c.fence == bindparam("held_fence"),
            delivery.c.state == DeliveryState.SENDING,
        )
        .values(
            state=bindparam("to"),
            reason=bindparam("why"),
            message_id=bindparam("message"),
            changed_at=at,
        )
    )
    await tx.execute(
        statement,
        [
            {
                "of_delivery": result.delivery_id,
                "held_fence": result.fence,
                "to": result.state,
                "why": result.reason,
                "message": result.message_id,
            }
            for result in results
        ],
    )
    of_results = delivery.c.id.in_([result.delivery_id for result in results])
    await tx.execute(
        update(delivery).where(of_results, delivery.c.subject_id.is_(None)).values(message_id=None)
    )
    # What came back unsent from a campaign that is over, or to somebody erased, is over too.
    over = select(occurrence.c.id).where(occurrence.c.state == OccurrenceState.ENDED)
    for reason, is_over in (
        ("erased", delivery.c.subject_id.is_(None)),
        ("cancelled", delivery.c.occurrence_id.in_(over)),
    ):
        await tx.execute(
            update(delivery)
            .where(of_results, delivery.c.state == DeliveryState.READY, is_over)
            .values(state=DeliveryState.SUPPRESSED, reason=reason, changed_at=at)
        )


async def void_leases(tx: AsyncConnection, at: datetime) -> int:
    """Settle what a former process left: unsent leases are ready, begun sends are uncertain."""
    await tx.execute(
        update(delivery)
        .where(delivery.c.state == DeliveryState.LEASED)
        .values(state=DeliveryState.READY, fence=delivery.c.fence + 1, changed_at=at)
    )
    done = await tx.execute(
        update(delivery)
        .where(delivery.c.state == DeliveryState.SENDING)
        .values(
            state=DeliveryState.UNCERTAIN,
            reason="restart",
            fence=delivery.c.fence + 1,
            changed_at=at,
        )
    )
    return done.rowcount


async def suppress_campaign(
    tx: AsyncConnection, campaign_id: str, reason: str, at: datetime
) -> None:
    """End whatever of a campaign was not begun."""
    occurrences = select(occurrence.c.id).where(occurrence.c.campaign_id == campaign_id)
    await tx.execute(
        update(delivery)
        .where(
            delivery.c.occurrence_id.in_(occurrences),
            delivery.c.state.in_(NOT_BEGUN),
        )
        .values(state=DeliveryState.SUPPRESSED, reason=reason, changed_at=at)
    )


async def suppress_occurrence(
    tx: AsyncConnection, occurrence_id: str, reason: str, at: datetime
) -> None:
    """End whatever was not begun of an occurrence that is over."""
    await tx.execute(
        update(delivery)
        .where(delivery.c.occurrence_id == occurrence_id, delivery.c.state.in_(NOT_BEGUN))
        .values(state=DeliveryState.SUPPRESSED, reason=reason, changed_at=at)
    )


async def doubt_unfinished(tx: AsyncConnection, at: datetime) -> None:
    """Say of everything not ended that nobody knows: it may have been sent since the copy."""
    await tx.execute(
        update(delivery)
        .where(delivery.c.state.in_([*NOT_BEGUN, DeliveryState.SENDING]))
        .values(
            state=DeliveryState.UNCERTAIN,
            reason="restore",
            fence=delivery.c.fence + 1,
            changed_at=at,
        )
    )


async def has_open(tx: AsyncConnection, occurrence_id: str) -> bool:
    query = (
        select(delivery.c.id)
        .where(
            delivery.c.occurrence_id == occurrence_id,
            delivery.c.state.in_([*NOT_BEGUN, DeliveryState.SENDING]),
        )
        .limit(1)
    )
    return (await tx.execute(query)).one_or_none() is not None


async def suppress_subject(
    tx: AsyncConnection, subject_id: SubjectId, reason: str, at: datetime
) -> None:
    """End whatever to a person was not begun."""
    await tx.execute(
        update(delivery)
        .where(delivery.c.subject_id == subject_id, delivery.c.state.in_(NOT_BEGUN))
        .values(state=DeliveryState.SUPPRESSED, reason=reason, changed_at=at)
    )


async def forget_subject(tx: AsyncConnection, subject_id: SubjectId, at: datetime) -> None:
    """Erase a person from their deliveries; what was not begun is suppressed."""
    await suppress_subject(tx, subject_id, "erased", at)
    await tx.execute(
        update(delivery)
        .where(delivery.c.subject_id == subject_id)
        .values(subject_id=None, message_id=None, consent_entry_id=None)
    )
