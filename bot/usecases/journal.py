"""Writes entries of the log: commits to a payload, seals it, appends it (promise 2)."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent.rules import EntryId
from bot.privacy.envelope import open_json, seal_json
from bot.privacy.keyring import Keyring
from bot.proof import canonical, entry
from bot.usecases.wrapping import wrapping_keyring
from storage import keys, log

SALT_BYTES = 32
ID_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Where an entry stands in the log."""

    index: int
    entry_id: EntryId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An opened data key and its id in the database. `repr` is empty: it must not reach a log."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return "Key(…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """The pen of the log. Each method takes the open transaction of a use-case."""

    keyring: Callable[[], Keyring]
    entropy: Callable[[int], bytes] = os.urandom

    async def write(
        self,
        tx: AsyncConnection,
        kind: str,
        payload: Mapping[str, Any],
        at: datetime,
        *,
        key: Key | None,
    ) -> Written:
        """Append one entry. Without a key the payload is public (a published notice)."""
        entry_id = self.entropy(ID_BYTES).hex()
        salt = self.entropy(SALT_BYTES)
        commitment = entry.commitment(salt, payload)
        hashed = entry.build(entry_type=kind, entry_id=entry_id, at=at, commitment=commitment)
        opening = {"salt": salt.hex(), "payload": dict(payload)}
        sealed = (
            canonical.canonical_bytes(opening)
            if key is None
            else seal_json(key.secret, opening, hashed)
        )
        index = await log.append(
            tx, entry_id, hashed, sealed=sealed, key_id=None if key is None else key.id
        )
        return Written(index=index, entry_id=EntryId(entry_id), at=at)

    async def new_key(self, tx: AsyncConnection, key_id: str) -> Key:
        """Make a data key, keep it wrapped, return it opened."""
        secret = self.entropy(32)
        ring = await wrapping_keyring(tx, self.keyring)
        await keys.add(tx, key_id, ring.wrap(secret))
        return Key(id=key_id, secret=secret)

    async def key(self, tx: AsyncConnection, key_id: str) -> Key | None:
        wrapped = await keys.get(tx, key_id)
        if wrapped is None:
            return None
        return Key(id=key_id, secret=self.keyring().unwrap(wrapped))

    async def house_key(self, tx: AsyncConnection) -> Key:
        """Return the key of what belongs to no single person; made when first needed."""
        return await self.key(tx, keys.HOUSE) or await self.new_key(tx, keys.HOUSE)


def opened(sealed: bytes, secret: bytes, hashed: bytes) -> dict[str, Any]:
    """Open what `write` sealed: {salt, payload}."""
    opening: dict[str, Any] = open_json(secret, sealed, hashed)
    return opening
