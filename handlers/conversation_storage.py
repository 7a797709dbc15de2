"""aiogram's conversation state, kept sealed in the database: a restart loses no conversation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiogram.fsm.state import State
from aiogram.fsm.storage.base import BaseStorage, StateType, StorageKey

from bot.clock import Clock
from bot.usecases.conversations import Conversations


@dataclass(slots=True)
class ConversationStorage(BaseStorage):
    """One sealed record a person: the state and its data."""

    conversations: Conversations
    clock: Clock

    async def set_state(self, key: StorageKey, state: StateType = None) -> None:
        name = state.state if isinstance(state, State) else state
        record = await self._read(key)
        await self._write(key, {**record, "state": name})

    async def get_state(self, key: StorageKey) -> str | None:
        return (await self._read(key)).get("state")

    async def set_data(self, key: StorageKey, data: Mapping[str, Any]) -> None:
        record = await self._read(key)
        await self._write(key, {**record, "data": dict(data)})

    async def get_data(self, key: StorageKey) -> dict[str, Any]:
        return dict((await self._read(key)).get("data") or {})

    async def close(self) -> None:
        """Nothing is held open."""

    async def _read(self, key: StorageKey) -> dict[str, Any]:
        return await self.conversations.read(str(key.user_id))

    async def _write(self, key: StorageKey, record: dict[str, Any]) -> None:
        is_over = not record.get("state") and not record.get("data")
        await self.conversations.write(str(key.user_id), None if is_over else record, self.clock())
