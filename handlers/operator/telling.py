"""Tells the author of a campaign how it goes: one message with a live bar, and what changed."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog
from aiogram.exceptions import TelegramAPIError, TelegramForbiddenError
from sqlalchemy.exc import SQLAlchemyError

from bot.campaigns.campaign import Campaign, Report
from bot.campaigns.states import CampaignState
from bot.errors import AssentError
from bot.logs import describe
from bot.usecases.campaigns import CampaignDesk
from handlers import screen
from handlers.i18n import Language
from handlers.operator import screens
from handlers.operator.drafting import Drafting

log = structlog.get_logger(__name__)
LOOK_SECONDS: Final = 0.5
BAR_SECONDS: Final = 3.0
"""A message may be edited about this often without being slowed down (Bot API FAQ)."""
GLANCE_SECONDS: Final = 15.0
"""A campaign that ends sooner is reported where its author is looking."""


@dataclass(slots=True, kw_only=True)
class Teller:
    """Watches the campaigns and keeps their authors informed."""

    desk: CampaignDesk
    drafting: Drafting
    language: Language
    _shown: dict[str, str] = field(default_factory=dict)
    """By campaign: the text in its live message."""
    _edited_at: dict[str, float] = field(default_factory=dict)
    _seen_at: dict[str, float] = field(default_factory=dict)
    """By campaign: when it was first seen to run."""

    async def run(self) -> None:
        while True:
            try:
                await self._look()
            except SQLAlchemyError as error:
                log.warning("campaigns.not_told", **describe(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        for campaign, report in await self.desk.to_announce():
            if campaign.author.is_nobody:
                await self._told(campaign, None)  # whoever wrote it was erased
                continue
            try:
                await self._announce(campaign, report)
            except TelegramForbiddenError:
                # Its author has blocked the bot; the others still want their news.
                await self._told(campaign, campaign.progress_message_id)
            except (TelegramAPIError, AssentError, LookupError) as error:
                log.warning("campaigns.not_told", **describe(error))
        await self._refresh_bars()

    async def _refresh_bars(self) -> None:
        now = asyncio.get_running_loop().time()
        for campaign in await self.desk.running():
            if campaign.author.is_nobody:
                continue
            self._seen_at.setdefault(campaign.id, now)
            if now - self._edited_at.get(campaign.id, 0) >= BAR_SECONDS:
                self._edited_at[campaign.id] = now
                with suppress(TelegramAPIError, AssentError):  # the next look comes soon
                    await self._refresh(*await self.desk.report(campaign.id))

    async def _announce(self, campaign: Campaign, report: Report) -> None:
        """A change of state: on the live message, and anew where the author should notice."""
        text = await self._refresh(campaign, report)
        message_id = campaign.progress_message_id
        if message_id is None or self._deserves_notice(campaign):
            message_id = await screen.send(self.drafting.bot, int(campaign.author.account), text)
            await self._retire(campaign, message_id)
        await self._told(campaign, message_id)

    async def _told(self, campaign: Campaign, message_id: int | None) -> None:
        await self.desk.announced(campaign.id, campaign.state, message_id)
        if campaign.state is not CampaignState.RUNNING:
            for memory in (self._shown, self._edited_at, self._seen_at):
                memory.pop(campaign.id, None)

    def _deserves_notice(self, campaign: Campaign) -> bool:
        """An edited message makes no sound; whoever started it a moment ago still looks at it."""
        if campaign.state is CampaignState.RUNNING:
            return False
        now = asyncio.get_running_loop().time()
        is_quick = now - self._seen_at.get(campaign.id, now) < GLANCE_SECONDS
        return campaign.starts_at is not None or not is_quick or campaign.pause_reason is not None

    async def _retire(self, campaign: Campaign, message_id: int) -> None:
        """The old progress message loses its buttons: its step is over."""
        old = campaign.progress_message_id
        if old is not None and old != message_id:
            await screen.remove_buttons(self.drafting.bot, int(campaign.author.account), old)

    async def _refresh(self, campaign: Campaign, report: Report) -> screen.Screen:
        locale = campaign.author.locale
        with self.language.speaking(locale):
            title = self.drafting.title(campaign.purpose_id, locale)
            shown = screens.progress(campaign, report, title, self.drafting.zone, locale)
        if campaign.progress_message_id is not None and self._shown.get(campaign.id) != shown.text:
            self._shown[campaign.id] = shown.text
            await screen.edit(
                self.drafting.bot,
                int(campaign.author.account),
                campaign.progress_message_id,
                shown,
            )
        return shown
