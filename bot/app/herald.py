"""Posts a checkpoint a day in a public channel: whoever reads it there keeps a copy of ours."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog
from aiogram import Bot
from aiogram.exceptions import TelegramAPIError

from bot.logs import describe
from bot.usecases.stamping import Posting
from handlers.i18n import Language, _, escape

log = structlog.get_logger(__name__)
REST: Final = timedelta(hours=1)
"""After Telegram refused, or what it said could not be kept."""


@dataclass(slots=True, kw_only=True)
class Herald:
    """Tells the channel. What Telegram does not clearly confirm is not kept and posted again."""

    bot: Bot
    posting: Posting
    language: Language
    _rests_until: datetime | None = field(default=None, init=False)

    async def post_if_due(self, at: datetime) -> None:
        if self._rests_until is not None and at < self._rests_until:
            return
        due = await self.posting.due(at)
        if due is None:
            return
        size, note = due
        self._rests_until = at + REST  # whatever fails now, the channel is not flooded
        try:
            posted = await self.bot.send_message(
                self.posting.channel, self._text(note), disable_notification=True
            )
        except TelegramAPIError as error:
            log.warning(
                "checkpoint.not_posted",
                hint="is the bot an administrator of CHECKPOINT_CHANNEL that may post?",
                **describe(error),
            )
            return
        await self.posting.record(size, note, posted.message_id, posted.date)
        self._rests_until = None
        log.info("checkpoint.posted", size=size)

    def _text(self, note: str) -> str:
        with self.language.speaking(self.language.default_locale):
            said = _(
                "Checkpoint of our consent log. Whoever keeps this message can show later "
                "whether the log was rewritten."
            )
        return f"{said}\n\n<pre>{escape(note)}</pre>"
