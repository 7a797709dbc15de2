"""Campaigns and their occurrences. Content and author are sealed under the campaign's own key."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ScalarSelect, Select, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.campaigns.campaign import Occurrence
from bot.campaigns.states import CampaignState, OccurrenceState, sources
from bot.privacy.keyring import WrappedKey
from storage.schema import campaign, data_key, occurrence
from storage.upsert import insert_missing

PAGE: Final = 500
NOBODY = b""
"""The lookup of an author who was erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCampaign:
    """A campaign as stored; `key` opens `sealed` (content, erid, author)."""

    id: str
    number: int | None
    revision: int
    state: CampaignState
    purpose_id: str
    sealed: bytes
    key: WrappedKey
    content_sha256: str
    created_at: datetime
    schedule_revision: int
    starts_at: datetime | None
    wall_time: str | None
    pause_reason: str | None
    notice_version: int
    progress_message_id: int | None


def _query() -> Select[Any]:
    return select(campaign, data_key.c.generation, data_key.c.wrapped).join(
        data_key, data_key.c.id == campaign.c.id
    )


def _record(row: Any) -> StoredCampaign:
    return StoredCampaign(
        id=row.id,
        number=row.number,
        revision=row.revision,
        state=CampaignState(row.state),
        purpose_id=row.purpose_id,
        sealed=row.sealed,
        key=WrappedKey(generation=row.generation, wrapped=row.wrapped),
        content_sha256=row.content_sha256,
        created_at=row.created_at,
        schedule_revision=row.schedule_revision,
        starts_at=row.starts_at,
        wall_time=row.wall_time,
        pause_reason=row.pause_reason,
        notice_version=row.notice_version,
        progress_message_id=row.progress_message_id,
    )


async def add(
    tx: AsyncConnection,
    *,
    campaign_id: str,
    purpose_id: str,
    sealed: bytes,
    content_sha256: str,
    author_lookup: bytes,
    notice_version: int,
    at: datetime,
) -> None:
    await tx.execute(
        insert(campaign).values(
            id=campaign_id,
            revision=1,
            state=CampaignState.DRAFT,
            purpose_id=purpose_id,
            sealed=sealed,
            content_sha256=content_sha256,
            author_lookup=author_lookup,
            notice_version=notice_version,
            created_at=at,
            changed_at=at,
            schedule_revision=0,
        )
    )


async def get(tx: AsyncConnection, campaign_id: str) -> StoredCampaign | None:
    row = (await tx.execute(_query().where(campaign.c.id == campaign_id))).one_or_none()
    return None if row is None else _record(row)


async def get_many(
    tx: AsyncConnection, campaign_ids: Sequence[str]
) -> AsyncIterator[StoredCampaign]:
    for start in range(0, len(campaign_ids), PAGE):
        wanted = campaign_ids[start : start + PAGE]
        for row in await tx.execute(_query().where(campaign.c.id.in_(wanted))):
            yield _record(row)


async def revise(
    tx: AsyncConnection, campaign_id: str, *, sealed: bytes, content_sha256: str, at: datetime
) -> bool:
    """Replace the content of a draft. False: it is a draft no longer."""
    statement = (
        update(campaign)
        .where(campaign.c.id == campaign_id, campaign.c.state == CampaignState.DRAFT)
        .values(
            sealed=sealed,
            content_sha256=content_sha256,
            revision=campaign.c.revision + 1,
            changed_at=at,
        )
    )
    return (await tx.execute(statement)).rowcount == 1


async def move(
    tx: AsyncConnection,
    campaign_id: str,
    to: CampaignState,
    *,
    if_in: Collection[CampaignState],
    at: datetime,
    **values: Any,
) -> bool:
    """Move a campaign on, if it still is where it was. False: somebody was first."""
    assert set(if_in) <= sources(to), "a move that CAMPAIGN_MOVES does not know"  # noqa: S101
    statement = (
        update(campaign)
        .where(campaign.c.id == campaign_id, campaign.c.state.in_(if_in))
        .values(state=to, changed_at=at, **values)
    )
    return (await tx.execute(statement)).rowcount == 1


def next_number() -> ScalarSelect[int]:
    """Number confirmed campaigns 1, 2, 3, as people call them."""
    other = campaign.alias("numbered")
    return select(func.coalesce(func.max(other.c.number), 0) + 1).scalar_subquery()


async def set_announced(
    tx: AsyncConnection, campaign_id: str, state: CampaignState, progress_message_id: int | None
) -> None:
    """Remember what the author was told, and in which message."""
    await tx.execute(
        update(campaign)
        .where(campaign.c.id == campaign_id)
        .values(announced=state, progress_message_id=progress_message_id)
    )


async def to_announce(tx: AsyncConnection) -> list[StoredCampaign]:
    """Campaigns whose state changed since their author was told."""
    query = (
        _query()
        .where(
            campaign.c.state != CampaignState.DRAFT,
            or_(campaign.c.announced.is_(None), campaign.c.announced != campaign.c.state),
        )
        .order_by(campaign.c.number)
    )
    return [_record(row) for row in await tx.execute(query)]


async def newest(
    tx: AsyncConnection, *, before_number: int | None, limit: int
) -> list[StoredCampaign]:
    """A page of what was at least confirmed, newest first."""
    query = (
        _query()
        .where(campaign.c.number.is_not(None))
        .order_by(campaign.c.number.desc())
        .limit(limit)
    )
    if before_number is not None:
        query = query.where(campaign.c.number < before_number)
    return [_record(row) for row in await tx.execute(query)]


async def in_state(tx: AsyncConnection, state: CampaignState) -> list[StoredCampaign]:
    """All campaigns in one state; meant for states that few campaigns are in at a time."""
    query = _query().where(campaign.c.state == state).order_by(campaign.c.number)
    return [_record(row) for row in await tx.execute(query)]


async def due(tx: AsyncConnection, at: datetime) -> list[StoredCampaign]:
    """Scheduled campaigns whose time has come, earliest first."""
    query = (
        _query()
        .where(campaign.c.state == CampaignState.SCHEDULED, campaign.c.starts_at <= at)
        .order_by(campaign.c.starts_at)
    )
    return [_record(row) for row in await tx.execute(query)]


async def add_occurrence(
    tx: AsyncConnection,
    *,
    occurrence_id: str,
    campaign_id: str,
    schedule_revision: int,
    wall_time: str,
    at: datetime,
) -> None:
    await insert_missing(
        tx,
        occurrence,
        [
            {
                "id": occurrence_id,
                "campaign_id": campaign_id,
                "schedule_revision": schedule_revision,
                "wall_time": wall_time,
                "state": OccurrenceState.COLLECTING.value,
                "started_at": at,
            }
        ],
    )


def _occurrence(row: Any) -> Occurrence:
    return Occurrence(
        id=row.id,
        campaign_id=row.campaign_id,
        state=OccurrenceState(row.state),
        started_at=row.started_at,
        ended_at=row.ended_at,
        cursor=row.cursor,
    )


async def last_occurrence(tx: AsyncConnection, campaign_id: str) -> Occurrence | None:
    query = (
        select(occurrence)
        .where(occurrence.c.campaign_id == campaign_id)
        .order_by(occurrence.c.started_at.desc(), occurrence.c.id)
        .limit(1)
    )
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else _occurrence(row)


async def move_occurrences(
    tx: AsyncConnection,
    campaign_id: str,
    to: OccurrenceState,
    *,
    if_in: Collection[OccurrenceState],
    ended_at: datetime | None = None,
) -> None:
    values: dict[str, Any] = {"state": to}
    if to is not OccurrenceState.COLLECTING:
        values["cursor"] = None  # it names a person, and nobody more is taken in
    if ended_at is not None:
        values["ended_at"] = ended_at
    await tx.execute(
        update(occurrence)
        .where(occurrence.c.campaign_id == campaign_id, occurrence.c.state.in_(if_in))
        .values(**values)
    )


async def close_audiences(tx: AsyncConnection) -> None:
    """Take in nobody more: whom an occurrence reached since a copy was made is not known."""
    await tx.execute(
        update(occurrence)
        .where(occurrence.c.state == OccurrenceState.COLLECTING)
        .values(state=OccurrenceState.SENDING)
    )


async def set_cursor(tx: AsyncConnection, occurrence_id: str, cursor: str) -> None:
    await tx.execute(
        update(occurrence).where(occurrence.c.id == occurrence_id).values(cursor=cursor)
    )


async def of_author(tx: AsyncConnection, author_lookup: bytes) -> list[StoredCampaign]:
    """Whatever an account wrote, drafts too."""
    query = _query().where(campaign.c.author_lookup == author_lookup).order_by(campaign.c.id)
    return [_record(row) for row in await tx.execute(query)]


async def unlink_author(tx: AsyncConnection, campaign_id: str, sealed: bytes) -> None:
    """Let nobody be the author; `sealed` says so too. Nobody is told how it goes any more."""
    await tx.execute(
        update(campaign)
        .where(campaign.c.id == campaign_id)
        .values(author_lookup=NOBODY, sealed=sealed, progress_message_id=None)
    )


async def remove(tx: AsyncConnection, campaign_ids: Sequence[str]) -> None:
    """Delete campaigns that never began, with the keys of their content."""
    await tx.execute(delete(campaign).where(campaign.c.id.in_(campaign_ids)))
    await tx.execute(delete(data_key).where(data_key.c.id.in_(campaign_ids)))
