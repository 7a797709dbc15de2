"""Takes updates in and hands them on: stored before acknowledged, in order within a chat."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from bot.privacy.envelope import SealBroken, open_json, seal_json
from bot.privacy.keyring import KeyMissing, Keyring
from bot.usecases.people import TELEGRAM
from bot.usecases.wrapping import wrapping_keyring
from storage import facts, inbox
from storage.database import Database
from storage.facts import Fact
from storage.inbox import StoredUpdate

KEPT: Final = timedelta(hours=48)
"""How long the id of a handled update stays, so that a redelivery is recognised."""
ATTEMPTS: Final = 3
NESTED: Final = ("message", "edited_message", "callback_query", "my_chat_member", "inline_query")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An update to be handled. `repr` tells only its id."""

    update_id: int
    chat: bytes
    stored_at: datetime
    attempts: int
    content: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Waiting({self.update_id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """The updates of one bot."""

    database: Database
    keyring: Callable[[], Keyring]

    async def take_in(self, updates: Sequence[Mapping[str, Any]], at: datetime) -> None:
        """Commit updates, sealed. Only then may they be acknowledged (promise 4)."""
        async with self.database.transaction() as tx:
            ring = await wrapping_keyring(tx, self.keyring)
            await inbox.store(tx, [self._row(ring, update, at) for update in updates])
            await facts.put_time(tx, Fact.UPDATES_FETCHED_AT, at)

    async def fetched(self, at: datetime) -> None:
        """Remember that Telegram was asked and had nothing."""
        async with self.database.transaction() as tx:
            await facts.put_time(tx, Fact.UPDATES_FETCHED_AT, at)

    async def last_fetched(self) -> datetime | None:
        async with self.database.snapshot() as tx:
            return await facts.get_time(tx, Fact.UPDATES_FETCHED_AT)

    async def waiting(self, *, after: int | None, limit: int) -> list[Waiting]:
        """Return the next updates; one that does not open is set aside and blocks nobody."""
        while True:
            async with self.database.snapshot() as tx:
                rows = await inbox.waiting(tx, after=after, limit=limit)
            found = [waiting for row in rows if (waiting := self._open(row)) is not None]
            unreadable = {row.update_id for row in rows} - {one.update_id for one in found}
            if unreadable:
                async with self.database.transaction() as tx:
                    await inbox.set_aside(tx, unreadable)
            if found or not rows:
                return found
            after = rows[-1].update_id

    def _open(self, row: StoredUpdate) -> Waiting | None:
        try:
            key = self.keyring().epoch(row.generation)
            content = open_json(key, row.sealed, associated(row.update_id))
        except (KeyMissing, SealBroken):
            return None
        return Waiting(
            update_id=row.update_id,
            chat=row.chat_lookup,
            stored_at=row.stored_at,
            attempts=row.attempts,
            content=content,
        )

    async def is_empty(self) -> bool:
        async with self.database.snapshot() as tx:
            return await inbox.count_waiting(tx) == 0

    async def settle(self, update_id: int) -> None:
        async with self.database.transaction() as tx:
            await inbox.settle(tx, update_id)

    async def failed(self, update_id: int, attempts: int) -> bool:
        """Count a failure; True: this was the last try, the update is set aside."""
        async with self.database.transaction() as tx:
            await inbox.record_attempt(tx, update_id)
            if attempts + 1 < ATTEMPTS:
                return False
            await inbox.set_aside(tx, {update_id})
        return True

    async def forget_old(self, at: datetime) -> None:
        async with self.database.transaction() as tx:
            await inbox.remove_settled(tx, at - KEPT)

    def _row(self, keyring: Keyring, update: Mapping[str, Any], at: datetime) -> StoredUpdate:
        update_id = int(update["update_id"])
        chat, account = _who(update)
        return StoredUpdate(
            update_id=update_id,
            chat_lookup=keyring.account_lookup(TELEGRAM, chat),
            account_lookup=None if account is None else keyring.account_lookup(TELEGRAM, account),
            stored_at=at,
            generation=keyring.generation,
            sealed=seal_json(keyring.epoch_key, _storable(update), associated(update_id)),
        )


def _storable(update: Mapping[str, Any]) -> dict[str, Any]:
    """Replace halves of surrogate pairs, which no UTF-8 can hold."""
    text = json.dumps(update, ensure_ascii=False)
    facts: dict[str, Any] = json.loads(text.encode(errors="replace"))
    return facts


def associated(update_id: int) -> bytes:
    """Name what a sealed update belongs to."""
    return f"update {update_id}".encode()


def _who(update: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the chat whose order matters, and who acted."""
    for kind in NESTED:
        body = update.get(kind)
        if isinstance(body, dict):
            sender = _part(body, "from").get("id")
            message = _part(body, "message") or body
            chat = _part(message, "chat").get("id", sender)
            return str(chat), None if sender is None else str(sender)
    return "", None


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object inside an update; empty when there is none: its shape is not ours."""
    part = body.get(name)
    return part if isinstance(part, dict) else {}
