"""Proofs that need not be kept any more: found and deleted for many people in one statement."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Select,
    and_,
    case,
    delete,
    func,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.campaigns.states import CampaignState
from bot.consent.rules import ConsentState, PurposeId, SubjectId
from storage.inbox import InboxState
from storage.schema import (
    campaign,
    consent,
    consent_event,
    delivery,
    inbox,
    legal_hold,
    log_payload,
    occurrence,
    prompt,
    purpose,
    subject,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How long the proofs of one purpose are kept, as its file said last."""

    purpose_id: PurposeId
    period: str | None
    """ISO 8601; None: until the person asks for erasure."""
    law: Mapping[str, str]
    """By which rule of law, by locale; empty: the file does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """How many ended consents of a purpose are past their term, and when they ended."""

    people: int
    entries: int
    earliest: datetime | None
    latest: datetime | None
    held: int
    """Left alone because of a legal hold."""
    waiting: int
    """Left for a later sweep: being spoken with, or a message to them is not sealed yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What one page of a sweep deleted."""

    people: int
    entries: int
    deliveries: int


async def put_rule(
    tx: AsyncConnection,
    purpose_id: PurposeId,
    *,
    period: str | None,
    rule: Mapping[str, str] | None,
) -> None:
    """Keep a purpose's term beside it: it outlives the purpose's place in the file."""
    law = None if rule is None else json.dumps(dict(rule), ensure_ascii=False, sort_keys=True)
    await tx.execute(
        update(purpose)
        .where(purpose.c.id == purpose_id)
        .values(keep_proof_for=period, keep_proof_rule=law)
    )


async def rules(tx: AsyncConnection) -> list[Rule]:
    """The rule of every purpose there ever was, in the order of asking."""
    query = select(purpose.c.id, purpose.c.keep_proof_for, purpose.c.keep_proof_rule).order_by(
        purpose.c.position, purpose.c.id
    )
    return [
        Rule(
            purpose_id=PurposeId(row.id),
            period=row.keep_proof_for,
            law={} if row.keep_proof_rule is None else json.loads(row.keep_proof_rule),
        )
        for row in await tx.execute(query)
    ]


# The same rule as bot.consent.retention.ended_at, as SQL; a test holds the two together.
ENDED_AT: ColumnElement[datetime] = case(
    (
        and_(consent.c.state == ConsentState.EXPIRED, consent.c.expires_at.is_not(None)),
        consent.c.expires_at,
    ),
    else_=consent.c.since,
)


def _over(purpose_id: PurposeId, latest_end: datetime) -> ColumnElement[bool]:
    return and_(
        consent.c.purpose_id == purpose_id,
        consent.c.state != ConsentState.GRANTED,
        latest_end >= ENDED_AT,
    )


def _is_held() -> ColumnElement[bool]:
    return (
        select(legal_hold.c.subject_id)
        .where(legal_hold.c.subject_id == consent.c.subject_id)
        .exists()
    )


def _of_purpose(purpose_id: PurposeId) -> Select[tuple[str]]:
    """The occurrences of all campaigns under a purpose."""
    return (
        select(occurrence.c.id)
        .join(campaign, campaign.c.id == occurrence.c.campaign_id)
        .where(campaign.c.purpose_id == purpose_id)
    )


def _waits(purpose_id: PurposeId, at: datetime) -> ColumnElement[bool]:
    """Whether somebody is left for a later sweep.

    A question that stands in their chat, or words that nobody has handled yet, must not lose
    their person. A delivery that no seal covers yet must not lose what the seal commits to.
    """
    is_asked = (
        select(prompt.c.nonce)
        .where(
            prompt.c.subject_id == consent.c.subject_id,
            prompt.c.choice.is_(None),
            prompt.c.expires_at > at,
        )
        .exists()
    )
    has_written = (
        select(inbox.c.update_id)
        .join(subject, subject.c.lookup == inbox.c.account_lookup)
        .where(subject.c.id == consent.c.subject_id, inbox.c.state == InboxState.WAITING)
        .exists()
    )
    is_unsealed = (
        select(delivery.c.id)
        .where(
            delivery.c.subject_id == consent.c.subject_id,
            delivery.c.leaf.is_(None),
            delivery.c.occurrence_id.in_(_of_purpose(purpose_id)),
        )
        .exists()
    )
    return or_(is_asked, has_written, is_unsealed)


async def survey(
    tx: AsyncConnection, purpose_id: PurposeId, latest_end: datetime, at: datetime
) -> Due:
    """Count what a sweep would take now, and what it would leave."""
    is_held, waits = _is_held(), _waits(purpose_id, at)
    goes = and_(not_(is_held), not_(waits))
    query = select(
        func.sum(case((goes, 1), else_=0)),
        func.min(case((goes, ENDED_AT))),
        func.max(case((goes, ENDED_AT))),
        func.sum(case((is_held, 1), else_=0)),
        func.sum(case((and_(not_(is_held), waits), 1), else_=0)),
    ).where(_over(purpose_id, latest_end))
    people, earliest, latest, held, waiting = (await tx.execute(query)).one()
    going = select(consent.c.subject_id).where(_over(purpose_id, latest_end), goes)
    entries = select(func.count()).where(
        consent_event.c.purpose_id == purpose_id, consent_event.c.subject_id.in_(going)
    )
    return Due(
        people=people or 0,
        entries=(await tx.execute(entries)).scalar_one(),
        earliest=earliest,
        latest=latest,
        held=held or 0,
        waiting=waiting or 0,
    )


async def due(
    tx: AsyncConnection,
    purpose_id: PurposeId,
    latest_end: datetime,
    at: datetime,
    *,
    after: SubjectId | None = None,
    only: Sequence[SubjectId] | None = None,
    limit: int,
) -> list[SubjectId]:
    """One page, by id, of the people whose proofs of a purpose are to go."""
    query = (
        select(consent.c.subject_id)
        .where(_over(purpose_id, latest_end), not_(_is_held()), not_(_waits(purpose_id, at)))
        .order_by(consent.c.subject_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(consent.c.subject_id > after)
    if only is not None:
        query = query.where(consent.c.subject_id.in_(only))
    return [SubjectId(found) for found in (await tx.execute(query)).scalars()]


async def erase_proofs(
    tx: AsyncConnection, purpose_id: PurposeId, subject_ids: Sequence[SubjectId]
) -> Erased:
    """Delete what proves some people's answers about one purpose; the entries stay, unreadable."""
    theirs = and_(
        consent_event.c.subject_id.in_(subject_ids), consent_event.c.purpose_id == purpose_id
    )
    indexes = select(consent_event.c.index).where(theirs)
    await tx.execute(delete(log_payload).where(log_payload.c.index.in_(indexes)))
    entries = await tx.execute(
        update(consent_event)
        .where(theirs)
        .values(subject_id=None, update_id=None, delivery_id=None)
    )
    await tx.execute(
        delete(prompt).where(
            prompt.c.subject_id.in_(subject_ids), prompt.c.purpose_id == purpose_id
        )
    )
    gone = await tx.execute(
        delete(consent).where(
            consent.c.subject_id.in_(subject_ids), consent.c.purpose_id == purpose_id
        )
    )
    emptied = await tx.execute(
        update(delivery)
        .where(
            delivery.c.subject_id.in_(subject_ids),
            delivery.c.occurrence_id.in_(_of_purpose(purpose_id)),
        )
        .values(subject_id=None, message_id=None, consent_entry_id=None)
    )
    return Erased(
        people=_rows(gone),
        entries=_rows(entries),
        deliveries=_rows(emptied),
    )


def _rows(done: CursorResult[Any]) -> int:
    return done.rowcount


async def ends_between(
    tx: AsyncConnection, purpose_id: PurposeId, subject_ids: Sequence[SubjectId]
) -> tuple[datetime, datetime]:
    """When the first and the last of some consents ended."""
    query = select(func.min(ENDED_AT), func.max(ENDED_AT)).where(
        consent.c.purpose_id == purpose_id, consent.c.subject_id.in_(subject_ids)
    )
    earliest, latest = (await tx.execute(query)).one()
    return earliest, latest


async def with_nothing_left(
    tx: AsyncConnection, subject_ids: Sequence[SubjectId]
) -> list[tuple[SubjectId, bytes]]:
    """Of some people those of whom no answer, event or message is left, with their lookups."""
    query = (
        select(subject.c.id, subject.c.lookup)
        .where(subject.c.id.in_(subject_ids))
        .order_by(subject.c.id)
    )
    for table in (consent, consent_event, delivery):
        query = query.where(
            ~select(table.c.subject_id).where(table.c.subject_id == subject.c.id).exists()
        )
    return [(SubjectId(row.id), row.lookup) for row in await tx.execute(query)]


async def abandoned_campaigns(tx: AsyncConnection, before: datetime, limit: int) -> list[str]:
    """Drafts and cancelled campaigns that never began, untouched since a moment.

    The one with the highest number stays, or its number would be given again.
    """
    other = campaign.alias("numbered")
    highest = select(func.max(other.c.number)).scalar_subquery()
    query = (
        select(campaign.c.id)
        .where(
            campaign.c.state.in_([CampaignState.DRAFT, CampaignState.CANCELLED]),
            campaign.c.changed_at <= before,
            or_(campaign.c.number.is_(None), campaign.c.number < highest),
            ~select(occurrence.c.id).where(occurrence.c.campaign_id == campaign.c.id).exists(),
        )
        .order_by(campaign.c.id)
        .limit(limit)
    )
    return list((await tx.execute(query)).scalars())
