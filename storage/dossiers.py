"""What a dossier reads of one person: a few statements, each by an index."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.campaigns.states import DeliveryState
from bot.consent.rules import EntryId, EventKind, PurposeId, SubjectId
from storage.consents import StoredEvent
from storage.log import StoredEntry
from storage.schema import (
    campaign,
    consent_event,
    delivery,
    legal_hold,
    log_entry,
    log_payload,
    occurrence,
    suppression,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One delivery to the person, whatever became of it."""

    delivery_id: str
    campaign_id: str
    campaign_number: int | None
    purpose_id: PurposeId
    state: DeliveryState
    reason: str | None
    at: datetime
    """When its state was recorded."""
    message_id: int | None
    consent_entry_id: EntryId | None
    seal_entry_id: EntryId | None
    seal_index: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A legal hold on a person's data."""

    placed_at: datetime
    erasure_wanted_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasures:
    """The erasures after an entry; when there are several, nothing tells whose each is."""

    count: int
    first: datetime
    last: datetime


async def hold_still(tx: AsyncConnection) -> None:
    """Let every later statement see one moment. To be called first in a snapshot.

    SQLite does so by itself; PostgreSQL by default shows each statement what is committed then.
    """
    if tx.dialect.name == "postgresql":
        await tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))


def _events_of(subject_id: SubjectId) -> Select[Any]:
    return (
        select(consent_event, log_entry.c.entry, log_payload.c.key_id, log_payload.c.sealed)
        .join(log_entry, log_entry.c.index == consent_event.c.index)
        .outerjoin(log_payload, log_payload.c.index == consent_event.c.index)
        .where(consent_event.c.subject_id == subject_id)
        .order_by(consent_event.c.index)
    )


async def events(
    tx: AsyncConnection, subject_id: SubjectId
) -> list[tuple[StoredEvent, StoredEntry]]:
    """Everything that happened to a person's consents, oldest first, with its log entry."""
    return [
        (
            StoredEvent(
                index=row.index,
                entry_id=EntryId(row.entry_id),
                event=EventKind(row.event),
                purpose_id=row.purpose_id,
                at=row.at,
                subject_id=row.subject_id,
                update_id=row.update_id,
                delivery_id=row.delivery_id,
                is_undoable=row.undoable,
                written_at=row.written_at,
            ),
            StoredEntry(
                index=row.index,
                entry_id=row.entry_id,
                hashed=row.entry,
                key_id=row.key_id,
                sealed=row.sealed,
            ),
        )
        for row in await tx.execute(_events_of(subject_id))
    ]


def _sendings_of(subject_id: SubjectId) -> Select[Any]:
    return (
        select(
            delivery.c.id,
            delivery.c.state,
            delivery.c.reason,
            delivery.c.changed_at,
            delivery.c.message_id,
            delivery.c.consent_entry_id,
            occurrence.c.campaign_id,
            occurrence.c.seal_entry_id,
            log_entry.c.index.label("seal_index"),
            campaign.c.number,
            campaign.c.purpose_id,
        )
        .join(occurrence, occurrence.c.id == delivery.c.occurrence_id)
        .join(campaign, campaign.c.id == occurrence.c.campaign_id)
        .outerjoin(log_entry, log_entry.c.entry_id == occurrence.c.seal_entry_id)
        .where(delivery.c.subject_id == subject_id)
        .order_by(delivery.c.changed_at, delivery.c.id)
    )


async def sendings(tx: AsyncConnection, subject_id: SubjectId) -> list[Sending]:
    """Every delivery to a person, in the order in which their states were recorded."""
    return [
        Sending(
            delivery_id=row.id,
            campaign_id=row.campaign_id,
            campaign_number=row.number,
            purpose_id=PurposeId(row.purpose_id),
            state=DeliveryState(row.state),
            reason=row.reason,
            at=row.changed_at,
            message_id=row.message_id,
            consent_entry_id=row.consent_entry_id,
            seal_entry_id=row.seal_entry_id,
            seal_index=row.seal_index,
        )
        for row in await tx.execute(_sendings_of(subject_id))
    ]


async def hold(tx: AsyncConnection, subject_id: SubjectId) -> Hold | None:
    query = select(legal_hold.c.placed_at, legal_hold.c.erasure_wanted_at).where(
        legal_hold.c.subject_id == subject_id
    )
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else Hold(**row._mapping)  # noqa: SLF001 documented name


async def forbidden_since(tx: AsyncConnection, suppression_hash: bytes) -> datetime | None:
    """When somebody who was erased asked never to be written to again."""
    query = select(suppression.c.created_at).where(suppression.c.hash == suppression_hash)
    return (await tx.execute(query)).scalar()


async def erasures_after(tx: AsyncConnection, index: int) -> Erasures | None:
    query = select(func.count(), func.min(consent_event.c.at), func.max(consent_event.c.at)).where(
        consent_event.c.index > index, consent_event.c.event == EventKind.ERASED
    )
    count, first, last = (await tx.execute(query)).one()
    return Erasures(count=count, first=first, last=last) if count else None
