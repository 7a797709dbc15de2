"""How each consent stands, the events behind it, and who may be written to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent.rules import (
    Consent,
    ConsentState,
    EntryId,
    EventKind,
    PurposeId,
    Reach,
    Standing,
    SubjectId,
    Terms,
)
from storage.schema import consent, consent_event, prompt, subject
from storage.upsert import upsert

BLOCKED = "blocked"
SUPPRESSED = "suppressed"
PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """One consent event as it is found again; what was said is in the log's payload."""

    index: int
    entry_id: EntryId
    event: EventKind
    purpose_id: PurposeId | None
    at: datetime
    subject_id: SubjectId | None
    update_id: int | None = None
    delivery_id: str | None = None
    is_undoable: bool = False
    """A withdrawal that ended a consent which held."""
    written_at: datetime | None = None
    """Our clock at the end of the event's transaction; `at` is when its update was stored."""


def _consent(row: Any) -> Consent:
    return Consent(
        purpose_id=PurposeId(row.purpose_id),
        state=ConsentState(row.state),
        entry_id=EntryId(row.entry_id),
        notice_version=row.notice_version,
        locale=row.locale,
        since=row.since,
        expires_at=row.expires_at,
    )


async def of_subject(tx: AsyncConnection, subject_id: SubjectId) -> dict[PurposeId, Consent]:
    query = select(consent).where(consent.c.subject_id == subject_id)
    return {PurposeId(row.purpose_id): _consent(row) for row in await tx.execute(query)}


async def put(tx: AsyncConnection, subject_id: SubjectId, new: Consent) -> None:
    await upsert(
        tx,
        consent,
        {
            "subject_id": subject_id,
            "purpose_id": new.purpose_id,
            "state": new.state,
            "entry_id": new.entry_id,
            "notice_version": new.notice_version,
            "locale": new.locale,
            "since": new.since,
            "expires_at": new.expires_at,
        },
    )


async def remove_of(tx: AsyncConnection, subject_id: SubjectId) -> None:
    """Forget the state; the events stay, belonging to nobody."""
    await tx.execute(delete(consent).where(consent.c.subject_id == subject_id))
    await tx.execute(
        update(consent_event)
        .where(consent_event.c.subject_id == subject_id)
        .values(subject_id=None, update_id=None, delivery_id=None)
    )


async def add_event(tx: AsyncConnection, new: StoredEvent) -> None:
    await tx.execute(
        insert(consent_event).values(
            index=new.index,
            entry_id=new.entry_id,
            event=new.event,
            purpose_id=new.purpose_id,
            at=new.at,
            subject_id=new.subject_id,
            update_id=new.update_id,
            delivery_id=new.delivery_id,
            undoable=new.is_undoable,
            written_at=new.written_at,
        )
    )


def _event(row: Any) -> StoredEvent:
    return StoredEvent(
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
    )


async def events_of_update(
    tx: AsyncConnection, subject_id: SubjectId, update_id: int
) -> list[StoredEvent]:
    """What this update of Telegram's did the first time it came; empty if it is new."""
    query = (
        select(consent_event)
        .where(consent_event.c.subject_id == subject_id, consent_event.c.update_id == update_id)
        .order_by(consent_event.c.index)
    )
    return [_event(row) for row in await tx.execute(query)]


async def event(tx: AsyncConnection, entry_id: EntryId) -> StoredEvent | None:
    query = select(consent_event).where(consent_event.c.entry_id == entry_id)
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else _event(row)


async def events_of_subject(tx: AsyncConnection, subject_id: SubjectId) -> list[StoredEvent]:
    query = (
        select(consent_event)
        .where(consent_event.c.subject_id == subject_id)
        .order_by(consent_event.c.index)
    )
    return [_event(row) for row in await tx.execute(query)]


async def due_to_expire(
    tx: AsyncConnection, at: datetime, limit: int
) -> list[tuple[SubjectId, PurposeId]]:
    """Consents that are over by now and not yet said to be, oldest first."""
    query = (
        select(consent.c.subject_id, consent.c.purpose_id)
        .where(
            consent.c.expires_at.is_not(None),
            consent.c.expires_at <= at,
            consent.c.state.in_([ConsentState.GRANTED, ConsentState.PENDING]),
        )
        .order_by(consent.c.expires_at)
        .limit(limit)
    )
    return [(SubjectId(row[0]), PurposeId(row[1])) for row in await tx.execute(query)]


async def to_ask_again(
    tx: AsyncConnection,
    purpose_id: PurposeId,
    terms: Terms,
    at: datetime,
    *,
    after: SubjectId | None,
    limit: int,
    only: SubjectId | None = None,
) -> list[SubjectId]:
    """People who agreed to an older text and were not shown the present one, by id.

    Whoever paused all messages is left in peace, and asked once the pause is over.
    """
    asked = (
        select(prompt.c.nonce)
        .where(
            prompt.c.subject_id == consent.c.subject_id,
            prompt.c.purpose_id == purpose_id,
            prompt.c.notice_version == terms.version,
            prompt.c.reasked,
        )
        .exists()
    )
    query = (
        select(consent.c.subject_id)
        .join(subject, subject.c.id == consent.c.subject_id)
        .where(
            consent.c.purpose_id == purpose_id,
            consent.c.state == ConsentState.GRANTED,
            consent.c.notice_version.not_in(terms.accepted),
            or_(consent.c.expires_at.is_(None), consent.c.expires_at > at),
            subject.c.reach == Reach.REACHABLE,
            or_(subject.c.paused_until.is_(None), subject.c.paused_until <= at),
            ~asked,
        )
        .order_by(consent.c.subject_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(consent.c.subject_id > after)
    if only is not None:
        query = query.where(consent.c.subject_id == only)
    return [SubjectId(row) for row in (await tx.execute(query)).scalars()]


# --- who may be written to --------------------------------------------------------------------
# The same rule as bot.consent.rules.standing, as SQL, because audiences are counted and taken
# by the database. A property test holds the two against each other.


def _own(table: FromClause, terms: Terms | None, at: datetime) -> ColumnElement[str]:
    if terms is None:
        return literal(Standing.OLDER_TEXT.value)
    return case(
        (table.c.state.is_(None), Standing.NEVER_ASKED.value),
        (table.c.state == ConsentState.PENDING, Standing.UNCONFIRMED.value),
        (table.c.state == ConsentState.REFUSED, Standing.REFUSED.value),
        (table.c.state == ConsentState.WITHDRAWN, Standing.WITHDRAWN.value),
        (table.c.state == ConsentState.EXPIRED, Standing.EXPIRED.value),
        (table.c.state == ConsentState.SUPERSEDED, Standing.OLDER_TEXT.value),
        (
            and_(table.c.expires_at.is_not(None), table.c.expires_at <= at),
            Standing.EXPIRED.value,
        ),
        (table.c.notice_version.not_in(terms.accepted), Standing.OLDER_TEXT.value),
        else_=Standing.LIVE.value,
    )


def with_standing(
    purpose_id: PurposeId, terms: Mapping[PurposeId, Terms], at: datetime
) -> tuple[FromClause, ColumnElement[str], ColumnElement[str | None]]:
    """Join `subject` to what decides; return the join, the standing, the deciding entry's id.

    The standing is a word of `Standing`, or `blocked`, `suppressed` or `paused` for whoever
    agreed but cannot, must not, or does not want to be reached now.
    """
    own = consent.alias("own_consent")
    source = subject.outerjoin(
        own, and_(own.c.subject_id == subject.c.id, own.c.purpose_id == purpose_id)
    )
    lacking = []
    for number, required in enumerate(terms[purpose_id].requires if purpose_id in terms else ()):
        other = consent.alias(f"required_{number}")
        source = source.outerjoin(
            other, and_(other.c.subject_id == subject.c.id, other.c.purpose_id == required)
        )
        lacking.append(_own(other, terms.get(required), at) != Standing.LIVE.value)
    itself = _own(own, terms.get(purpose_id), at)
    standing = case(
        (itself != Standing.LIVE.value, itself),
        (or_(*lacking) if lacking else literal(value=False), Standing.PREREQUISITE.value),
        (subject.c.suppressed, SUPPRESSED),
        (subject.c.reach != Reach.REACHABLE, BLOCKED),
        (and_(subject.c.paused_until.is_not(None), subject.c.paused_until > at), PAUSED),
        else_=Standing.LIVE.value,
    )
    return source, standing, own.c.entry_id


async def count_by_standing(
    tx: AsyncConnection, purpose_id: PurposeId, terms: Mapping[PurposeId, Terms], at: datetime
) -> dict[str, int]:
    """Count everybody once, by standing; `erased` are those of whom only the log knows."""
    source, standing, _ = with_standing(purpose_id, terms, at)
    word = standing.label("standing")
    query = select(word, func.count()).select_from(source).group_by(word)
    counts = {row[0]: row[1] for row in await tx.execute(query)}
    erased = await tx.execute(
        select(func.count())
        .select_from(consent_event)
        .where(consent_event.c.event == EventKind.ERASED)
    )
    counts["erased"] = erased.scalar_one()
    return counts


async def audience(
    tx: AsyncConnection,
    purpose_id: PurposeId,
    terms: Mapping[PurposeId, Terms],
    at: datetime,
    *,
    after: SubjectId | None,
    limit: int,
) -> list[SubjectId]:
    """One page, by id, of the people who may be written to."""
    source, standing, _ = with_standing(purpose_id, terms, at)
    query = (
        select(subject.c.id)
        .select_from(source)
        .where(standing == Standing.LIVE.value)
        .order_by(subject.c.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(subject.c.id > after)
    return [SubjectId(found) for (found,) in await tx.execute(query)]


async def standings_of(
    tx: AsyncConnection,
    subject_ids: Sequence[SubjectId],
    purpose_id: PurposeId,
    terms: Mapping[PurposeId, Terms],
    at: datetime,
) -> dict[SubjectId, tuple[str, EntryId | None]]:
    """How some people stand, each with the event that decides."""
    source, standing, entry_id = with_standing(purpose_id, terms, at)
    query = (
        select(subject.c.id, standing, entry_id)
        .select_from(source)
        .where(subject.c.id.in_(subject_ids))
    )
    return {SubjectId(row[0]): (row[1], row[2]) for row in await tx.execute(query)}
