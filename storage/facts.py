"""Single values that the program must remember: the log's origin, pauses, when it last listened."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.schema import fact
from storage.upsert import upsert


class Fact(StrEnum):
    """The names of the values."""

    LOG_ORIGIN = "log_origin"
    UPDATES_FETCHED_AT = "updates_fetched_at"
    PAUSED_UNTIL = "paused_until"
    MENUS = "menus_sha256"
    RESTORE_HELD = "restore_held"
    """The signed tree that the database fell behind, once campaigns were held because of it."""
    EPOCH_GENERATION = "epoch_generation"
    """Nothing is wrapped under an older epoch key; locked by whoever wraps (storage.keys)."""
    SIGNING_KEY = "signing_key"
    """The verifier key that the last `key.changed` entry names; absent before the first one."""


async def get(tx: AsyncConnection, name: Fact) -> str | None:
    return (await tx.execute(select(fact.c.value).where(fact.c.name == name))).scalar()


async def put(tx: AsyncConnection, name: Fact, value: str) -> None:
    await upsert(tx, fact, {"name": name.value, "value": value})


async def forget(tx: AsyncConnection, name: Fact) -> None:
    await tx.execute(delete(fact).where(fact.c.name == name))


async def get_time(tx: AsyncConnection, name: Fact) -> datetime | None:
    value = await get(tx, name)
    return None if value is None else datetime.fromisoformat(value)


async def put_time(tx: AsyncConnection, name: Fact, at: datetime) -> None:
    await put(tx, name, at.isoformat())
