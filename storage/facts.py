"""Single values that the program must remember: the log's origin, pauses, when it last listened."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.schema import fact
from storage.upsert import insert_missing, upsert


class Fact(StrEnum):
    """The names of the values."""

    LOG_ORIGIN = "log_origin"
    UPDATES_FETCHED_AT = "updates_fetched_at"
    PAUSED_UNTIL = "paused_until"
    MENUS = "menus_sha256"
    RESTORE_HELD = "restore_held"
    """The signed tree that the database fell behind, once campaigns were held because of it."""
    RESTORED = "restored"
    """`restore` put this database in place: the missing time; forgotten once it was acted on."""
    ADVERTISING_HELD = "advertising_held"
    """The missing time, while advertising waits for an admin after a restore."""
    BACKED_UP_AT = "backed_up_at"
    SWEPT_AT = "swept_at"
    """When the last sweep of proofs that need not be kept came to its end."""
    SWEEP = "sweep"
    """What the sweep under way has erased so far: a crash must not lose the count."""
    EPOCH_GENERATION = "epoch_generation"
    """Nothing is wrapped under an older epoch key; locked by whoever wraps (storage.keys)."""
    SIGNING_KEY = "signing_key"
    """The verifier key that the last `key.changed` entry names; absent before the first one."""


async def get(tx: AsyncConnection, name: Fact) -> str | None:
    return (await tx.execute(select(fact.c.value).where(fact.c.name == name))).scalar()


async def get_locked(tx: AsyncConnection, name: Fact) -> str | None:
    """Read a value that only one transaction at a time changes; empty counts as absent."""
    await insert_missing(tx, fact, [{"name": name.value, "value": ""}])
    query = select(fact.c.value).where(fact.c.name == name).with_for_update()
    return (await tx.execute(query)).scalar_one() or None


async def put(tx: AsyncConnection, name: Fact, value: str) -> None:
    await upsert(tx, fact, {"name": name.value, "value": value})


async def forget(tx: AsyncConnection, name: Fact) -> None:
    await tx.execute(delete(fact).where(fact.c.name == name))


async def get_time(tx: AsyncConnection, name: Fact) -> datetime | None:
    value = await get(tx, name)
    return None if value is None else datetime.fromisoformat(value)


async def put_time(tx: AsyncConnection, name: Fact, at: datetime) -> None:
    await put(tx, name, at.isoformat())
