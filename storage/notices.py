"""Published texts: every version for ever, and which of them is in force."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent.purposes import Kind
from bot.consent.rules import EntryId, PurposeId, Terms
from storage.schema import notice, notice_acceptance, notice_version, purpose
from storage.upsert import upsert


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedNotice:
    """One text as it was published; `canonical` is the hashed form (RFC 8785)."""

    purpose_id: PurposeId
    version: int
    locale: str
    sha256: str
    canonical: str
    entry_id: EntryId


async def versions(tx: AsyncConnection, purpose_id: PurposeId) -> dict[int, dict[str, str]]:
    """Return the hash of each text by version and locale."""
    query = select(notice.c.version, notice.c.locale, notice.c.sha256).where(
        notice.c.purpose_id == purpose_id
    )
    found: dict[int, dict[str, str]] = {}
    for row in await tx.execute(query):
        found.setdefault(row.version, {})[row.locale] = row.sha256
    return found


async def current_version(tx: AsyncConnection, purpose_id: PurposeId) -> int | None:
    query = select(purpose.c.current_version).where(purpose.c.id == purpose_id)
    return (await tx.execute(query)).scalar()


async def kind(tx: AsyncConnection, purpose_id: PurposeId) -> str | None:
    """The kind of messages that a purpose was published for last."""
    return (await tx.execute(select(purpose.c.kind).where(purpose.c.id == purpose_id))).scalar()


async def accepted(tx: AsyncConnection, purpose_id: PurposeId, version: int) -> frozenset[int]:
    """Versions whose consents hold while `version` is in force."""
    query = select(notice_acceptance.c.accepted_version).where(
        notice_acceptance.c.purpose_id == purpose_id, notice_acceptance.c.version == version
    )
    return frozenset((await tx.execute(query)).scalars())


async def add_version(
    tx: AsyncConnection,
    purpose_id: PurposeId,
    version: int,
    *,
    reask: bool,
    accepts: frozenset[int],
    at: datetime,
) -> None:
    await tx.execute(
        insert(notice_version).values(
            purpose_id=purpose_id, version=version, reask=reask, published_at=at
        )
    )
    await tx.execute(
        insert(notice_acceptance),
        [
            {"purpose_id": purpose_id, "version": version, "accepted_version": other}
            for other in sorted(accepts)
        ],
    )


async def add_text(tx: AsyncConnection, text: PublishedNotice) -> None:
    await tx.execute(
        insert(notice).values(
            purpose_id=text.purpose_id,
            version=text.version,
            locale=text.locale,
            sha256=text.sha256,
            canonical=text.canonical,
            entry_id=text.entry_id,
        )
    )


async def put_purpose(
    tx: AsyncConnection,
    purpose_id: PurposeId,
    *,
    kind: str,
    position: int,
    version: int,
    requires: tuple[PurposeId, ...],
) -> None:
    await upsert(
        tx,
        purpose,
        {
            "id": purpose_id,
            "kind": kind,
            "position": position,
            "current_version": version,
            "requires": " ".join(requires),
            "retired": False,
        },
    )


async def retire_others(tx: AsyncConnection, kept: set[PurposeId]) -> None:
    """Mark the purposes that are no longer in the file: nothing is sent under them."""
    await tx.execute(update(purpose).where(purpose.c.id.not_in(kept)).values(retired=True))


async def terms(tx: AsyncConnection) -> dict[PurposeId, Terms]:
    """What a consent to each offered purpose must meet now, as this transaction sees it."""
    query = (
        select(
            purpose.c.id,
            purpose.c.current_version,
            purpose.c.requires,
            notice_acceptance.c.accepted_version,
        )
        .join(
            notice_acceptance,
            (notice_acceptance.c.purpose_id == purpose.c.id)
            & (notice_acceptance.c.version == purpose.c.current_version),
        )
        .where(purpose.c.retired.is_(False))
    )
    accepted_by: dict[str, set[int]] = {}
    facts: dict[str, tuple[int, str]] = {}
    for row in await tx.execute(query):
        accepted_by.setdefault(row.id, set()).add(row.accepted_version)
        facts[row.id] = (row.current_version, row.requires)
    return {
        PurposeId(purpose_id): Terms(
            version=version,
            accepted=frozenset(accepted_by[purpose_id]),
            requires=tuple(PurposeId(required) for required in requires.split()),
        )
        for purpose_id, (version, requires) in facts.items()
    }


async def text(
    tx: AsyncConnection, purpose_id: PurposeId, version: int, locale: str
) -> PublishedNotice | None:
    query = select(notice).where(
        notice.c.purpose_id == purpose_id,
        notice.c.version == version,
        notice.c.locale == locale,
    )
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else PublishedNotice(**row._mapping)  # noqa: SLF001 documented name


async def all_texts(tx: AsyncConnection) -> list[PublishedNotice]:
    """Every text ever published; as many as the company wrote, so they fit in memory."""
    query = select(notice).order_by(notice.c.purpose_id, notice.c.version, notice.c.locale)
    return [PublishedNotice(**row._mapping) for row in await tx.execute(query)]  # noqa: SLF001


async def purpose_ids(tx: AsyncConnection, *, unless: Kind | None = None) -> list[PurposeId]:
    """Every purpose there ever was, also those no longer offered, in the order of asking."""
    query = select(purpose.c.id).order_by(purpose.c.position, purpose.c.id)
    if unless is not None:
        query = query.where(purpose.c.kind != unless)
    return [PurposeId(found) for found in (await tx.execute(query)).scalars()]
