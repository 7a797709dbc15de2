"""Shows a draft as it will arrive, and what stands beneath it."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from aiogram import Bot
from aiogram.types import Message

from bot.campaigns.campaign import Author, Campaign
from bot.campaigns.content import Content, ContentKind, keep
from bot.campaigns.countries import rules_of
from bot.consent.purposes import Kind
from bot.delivery.body import PREVIEW_ID, Body, Words
from bot.usecases.campaigns import CampaignDesk
from handlers import screen
from handlers.operator import screens
from handlers.screen import Screen


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafting:
    """What the operator's handlers share."""

    bot: Bot
    desk: CampaignDesk
    words: dict[str, Words]
    zone: ZoneInfo
    rate: float

    def title(self, purpose_id: str, locale: str) -> str:
        catalogue = self.desk.publication.catalogue
        return (
            catalogue.purpose(purpose_id).title[locale] if purpose_id in catalogue else purpose_id
        )

    async def show(self, campaign: Campaign, at: datetime) -> int:
        """Send the message as a recipient will see it, and the choices under it; their id."""
        await self.sample(campaign)
        chat_id = int(campaign.author.account)
        return await screen.send(self.bot, chat_id, await self.control(campaign, at))

    async def sample(self, campaign: Campaign) -> None:
        locale = campaign.author.locale
        label = self.desk.label(campaign.purpose_id, locale, campaign.erid)
        body = Body(content=campaign.content, label=label, words=self.words)
        prepared = body.to(campaign.author.account, locale, PREVIEW_ID)
        await screen.send_prepared(self.bot, prepared)

    async def control(self, campaign: Campaign, at: datetime) -> Screen:
        audience = await self.desk.audience(campaign.purpose_id, at)
        catalogue = self.desk.publication.catalogue
        is_advertising = catalogue.purpose(campaign.purpose_id).kind is Kind.ADVERTISING
        title = self.title(campaign.purpose_id, campaign.author.locale)
        allows_erid = is_advertising and rules_of(catalogue.controller.country).allows_erid
        return screens.control(campaign, title, audience, self.rate, allows_erid=allows_erid)


def author_of(message: Message, locale: str) -> Author:
    assert message.from_user is not None  # noqa: S101 private chats have a sender
    return Author(account=str(message.from_user.id), locale=locale)


def content_of(message: Message) -> Content | None:
    """Take a message as content; None: it is of a kind that cannot be sent on."""
    entities = message.entities or message.caption_entities or []
    kept = keep(entity.model_dump() for entity in entities)
    if message.text is not None:
        return Content(kind=ContentKind.TEXT, text=message.text, entities=kept)
    caption = message.caption or ""
    if message.photo:
        return Content(
            kind=ContentKind.PHOTO, text=caption, entities=kept, file_id=message.photo[-1].file_id
        )
    if message.document:
        return Content(
            kind=ContentKind.DOCUMENT,
            text=caption,
            entities=kept,
            file_id=message.document.file_id,
        )
    return None
