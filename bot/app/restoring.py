"""After a restore: what rests, and which time is missing, told to the owners at every start."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

import structlog
from aiogram import Bot
from aiogram.exceptions import TelegramAPIError, TelegramBadRequest, TelegramForbiddenError
from sqlalchemy.exc import SQLAlchemyError

from bot.logs import describe
from bot.usecases.aftermath import Aftermath, Gap
from bot.usecases.people import People
from handlers import screen
from handlers.admin import restored
from handlers.i18n import Language

log = structlog.get_logger(__name__)
RETRY_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoring:
    """Asks the owners whether advertising may go on, until one of them has decided."""

    aftermath: Aftermath
    people: People
    bot: Bot
    language: Language
    owner_ids: Iterable[int]
    zone: tzinfo

    async def run(self) -> None:
        """Tell each owner once; whoever has never written to the bot cannot be told."""
        waiting = list(self.owner_ids)
        while waiting:
            try:
                gap = await self.aftermath.held()
                if gap is None:
                    return
                await self._tell(waiting[0], gap)
            except (TelegramForbiddenError, TelegramBadRequest) as error:
                log.warning("restore.owner_not_told", **describe(error))
            except (TelegramAPIError, SQLAlchemyError) as error:
                log.warning("restore.owner_not_told", **describe(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            waiting.pop(0)

    async def _tell(self, owner_id: int, gap: Gap) -> None:
        person = await self.people.find(str(owner_id))
        locale = self.people.locale_for("") if person is None else person.locale
        with self.language.speaking(locale):
            shown = restored.question(gap, self.zone, locale)
        await screen.send(self.bot, owner_id, shown)
