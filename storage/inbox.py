"""Updates of Telegram, stored before they are acknowledged (promise 4)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.schema import inbox
from storage.upsert import insert_missing


class InboxState(StrEnum):
    """Where an update stands."""

    WAITING = "waiting"
    HANDLED = "handled"
    SET_ASIDE = "set_aside"
    """Failed three times; listed for the operator, never blocks its chat."""


GONE: Final = {"sealed": None, "chat_lookup": b"", "account_lookup": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredUpdate:
    """An update as stored; its content is `sealed` under the epoch key `generation`."""

    update_id: int
    chat_lookup: bytes
    account_lookup: bytes | None
    stored_at: datetime
    generation: int
    sealed: bytes
    attempts: int = 0


async def store(tx: AsyncConnection, updates: Sequence[StoredUpdate]) -> None:
    """Keep updates; one that came before, handled or not, changes nothing."""
    rows: list[Mapping[str, Any]] = [
        {
            "update_id": new.update_id,
            "chat_lookup": new.chat_lookup,
            "account_lookup": new.account_lookup,
            "stored_at": new.stored_at,
            "state": InboxState.WAITING,
            "attempts": 0,
            "generation": new.generation,
            "sealed": new.sealed,
        }
        for new in updates
    ]
    await insert_missing(tx, inbox, rows)


async def waiting(tx: AsyncConnection, *, after: int | None, limit: int) -> list[StoredUpdate]:
    """The oldest updates that nobody has handled, beginning behind `after`."""
    query = (
        select(inbox)
        .where(inbox.c.state == InboxState.WAITING)
        .order_by(inbox.c.update_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(inbox.c.update_id > after)
    return [
        StoredUpdate(
            update_id=row.update_id,
            chat_lookup=row.chat_lookup,
            account_lookup=row.account_lookup,
            stored_at=row.stored_at,
            generation=row.generation,
            sealed=row.sealed,
            attempts=row.attempts,
        )
        for row in await tx.execute(query)
    ]


async def count_waiting(tx: AsyncConnection) -> int:
    query = select(func.count()).select_from(inbox).where(inbox.c.state == InboxState.WAITING)
    return (await tx.execute(query)).scalar_one()


async def settle(tx: AsyncConnection, update_id: int) -> None:
    """End an update. The content goes; the id stays, so that a repeat is recognised."""
    await tx.execute(
        update(inbox).where(inbox.c.update_id == update_id).values(state=InboxState.HANDLED, **GONE)
    )


async def set_aside(tx: AsyncConnection, update_ids: Collection[int]) -> None:
    """Let what keeps failing block its chat no longer; what was said is kept."""
    await tx.execute(
        update(inbox).where(inbox.c.update_id.in_(update_ids)).values(state=InboxState.SET_ASIDE)
    )


async def record_attempt(tx: AsyncConnection, update_id: int) -> None:
    await tx.execute(
        update(inbox).where(inbox.c.update_id == update_id).values(attempts=inbox.c.attempts + 1)
    )


async def remove_of(
    tx: AsyncConnection, account_lookup: bytes, *, unless: InboxState | None = None
) -> None:
    """Empty what a person sent; the ids stay, so that a redelivery makes nobody anew."""
    statement = update(inbox).where(inbox.c.account_lookup == account_lookup)
    if unless is not None:
        statement = statement.where(inbox.c.state != unless)
    await tx.execute(statement.values(state=InboxState.HANDLED, **GONE))


async def remove_settled(tx: AsyncConnection, before: datetime) -> None:
    """Forget the ids of handled updates; what was set aside stays until somebody looks."""
    await tx.execute(
        delete(inbox).where(inbox.c.stored_at < before, inbox.c.state == InboxState.HANDLED)
    )


async def count_set_aside(tx: AsyncConnection) -> int:
    query = select(func.count()).select_from(inbox).where(inbox.c.state == InboxState.SET_ASIDE)
    return (await tx.execute(query)).scalar_one()


async def page_under(
    tx: AsyncConnection, generations: Collection[int], *, after: int, limit: int
) -> dict[int, tuple[int, bytes]]:
    """Lock and return the next updates that these epochs seal, handled by nobody yet."""
    query = (
        select(inbox.c.update_id, inbox.c.generation, inbox.c.sealed)
        .where(
            inbox.c.generation.in_(generations),
            inbox.c.sealed.is_not(None),
            inbox.c.update_id > after,
        )
        .order_by(inbox.c.update_id)
        .limit(limit)
        .with_for_update()
    )
    return {row.update_id: (row.generation, row.sealed) for row in await tx.execute(query)}


async def reseal(tx: AsyncConnection, generation: int, sealed: Mapping[int, bytes]) -> None:
    """Keep the same updates under another epoch; their rows are locked."""
    if sealed:
        statement = (
            update(inbox)
            .where(inbox.c.update_id == bindparam("of_update"))
            .values(generation=generation, sealed=bindparam("as_sealed"))
        )
        rows = [{"of_update": number, "as_sealed": content} for number, content in sealed.items()]
        await tx.execute(statement, rows)


async def empty(tx: AsyncConnection, update_ids: Collection[int]) -> None:
    """Set aside what nobody can open; the content goes, it says nothing to anybody."""
    await tx.execute(
        update(inbox)
        .where(inbox.c.update_id.in_(update_ids))
        .values(state=InboxState.SET_ASIDE, sealed=None)
    )


async def count_under(tx: AsyncConnection, generations: Collection[int]) -> int:
    query = (
        select(func.count())
        .select_from(inbox)
        .where(inbox.c.generation.in_(generations), inbox.c.sealed.is_not(None))
    )
    return (await tx.execute(query)).scalar_one()
