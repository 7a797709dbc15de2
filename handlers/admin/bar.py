"""A bar in a message that moves while something long is being done."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from aiogram import Bot
from aiogram.exceptions import TelegramAPIError

from bot.supervisor import Supervisor
from handlers import screen
from handlers.screen import Screen

EDIT_SECONDS: Final = 3.0
"""A message may be edited about this often without being slowed down (Bot API FAQ)."""
CELLS: Final = 12


@dataclass(slots=True)
class Bar:
    """Draws how far work is under some words; work that is over sooner shows none."""

    bot: Bot
    chat_id: int
    message_id: int
    words: str
    done: int = 0
    total: int = 0

    def move(self, done: int, total: int) -> None:
        self.done, self.total = done, total

    @asynccontextmanager
    async def live(self) -> AsyncIterator[None]:
        failure: Exception | None = None
        async with Supervisor() as tasks:
            drawing = tasks.start(self._draw(), name="progress bar")
            try:
                yield
            except Exception as error:  # noqa: BLE001 raised below: the group would wrap it
                failure = error
            finally:
                drawing.cancel()
        if failure is not None:
            raise failure

    async def _draw(self) -> None:
        while True:
            await asyncio.sleep(EDIT_SECONDS)
            if self.total:
                full = CELLS * self.done // self.total
                bar = "▓" * full + "░" * (CELLS - full)
                text = f"{self.words}\n{bar} {100 * self.done // self.total}%"
                with suppress(TelegramAPIError):  # the next one comes soon
                    await screen.edit(self.bot, self.chat_id, self.message_id, Screen(text=text))
