"""Where each conversation stands: sealed, because it holds what people say."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.privacy.envelope import open_json, seal_json
from bot.privacy.keyring import Keyring
from bot.usecases.people import TELEGRAM
from bot.usecases.wrapping import wrapping_keyring
from storage import conversations
from storage.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversations:
    """The state of the conversations of one bot, by account."""

    database: Database
    keyring: Callable[[], Keyring]

    async def read(self, account: str) -> dict[str, Any]:
        """Return what was written last; empty: there is no conversation."""
        lookup = self.keyring().account_lookup(TELEGRAM, account)
        async with self.database.snapshot() as tx:
            found = await conversations.get(tx, lookup)
        if found is None:
            return {}
        generation, sealed = found
        # Asked for after the reading: a rotation may have brought a newer epoch meanwhile.
        return open_json(self.keyring().epoch(generation), sealed, lookup)

    async def write(self, account: str, record: dict[str, Any] | None, at: datetime) -> None:
        """Keep a conversation's state; None ends it."""
        lookup = self.keyring().account_lookup(TELEGRAM, account)
        async with self.database.transaction() as tx:
            if record is None:
                await conversations.remove(tx, lookup)
                return
            ring = await wrapping_keyring(tx, self.keyring)
            sealed = seal_json(ring.epoch_key, record, lookup)
            await conversations.put(tx, lookup, generation=ring.generation, sealed=sealed, at=at)
