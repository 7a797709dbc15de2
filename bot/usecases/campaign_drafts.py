"""Writing a campaign: what an operator sends becomes a draft that can be previewed."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bot.campaigns import policy
from bot.campaigns.campaign import (
    Author,
    Campaign,
    CampaignError,
    CampaignUnknown,
    PauseReason,
)
from bot.campaigns.content import Content, ContentFault, excess, faults
from bot.campaigns.policy import CampaignRefused
from bot.campaigns.states import CampaignState
from bot.consent.purposes import Purpose
from bot.consent.rules import PurposeId
from bot.errors import AssentError, phrase
from bot.privacy.envelope import open_json, seal_json
from bot.usecases.journal import Journal
from bot.usecases.people import TELEGRAM
from bot.usecases.publication import Publication
from storage import campaigns
from storage.campaigns import StoredCampaign
from storage.database import Database


class ContentTooLong(AssentError):
    """The message with its label is longer than Telegram allows. `detail` is by how much."""

    message_key = phrase(
        "This is too long by {excess}: with the required label Telegram allows {limit} "
        "characters. Send a shorter one."
    )

    def __init__(self, over: int, limit: int) -> None:
        super().__init__(str(over))
        self.over = over
        self.limit = limit


class ContentEmpty(AssentError):
    """There is nothing to send."""

    message_key = phrase("There is no text in this message. Send one with text.")


class ContentCluttered(AssentError):
    """More formatted parts than Telegram takes."""

    message_key = phrase("There is too much formatting: Telegram allows 100 formatted parts.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """Takes what operators write. Each public method is one use-case and one transaction."""

    database: Database
    journal: Journal
    publication: Publication
    wake_sender: Callable[[], None]

    def refusals(self, purpose_id: str) -> list[policy.Refusal]:
        """What stands against sending under a purpose, before anything is written."""
        return policy.refusals(self.publication.catalogue, self.purpose(purpose_id))

    def purpose(self, purpose_id: str) -> Purpose:
        """Raise CampaignUnknown for a purpose that the file no longer has."""
        try:
            return self.publication.catalogue.purpose(purpose_id)
        except KeyError as error:
            raise CampaignUnknown(purpose_id) from error

    def label(self, purpose_id: str, locale: str, erid: str | None) -> str | None:
        catalogue = self.publication.catalogue
        return policy.label(catalogue, self.purpose(purpose_id), locale, erid)

    def check(self, purpose_id: str, content: Content, erid: str | None, locale: str) -> None:
        """Raise ContentTooLong, ContentEmpty or ContentCluttered."""
        label = self.label(purpose_id, locale, erid)
        for fault in faults(content, label):
            match fault:
                case ContentFault.EMPTY:
                    raise ContentEmpty
                case ContentFault.TOO_LONG:
                    from_limit = 4096 if content.file_id is None else 1024
                    raise ContentTooLong(excess(content, label), from_limit)
                case ContentFault.TOO_MANY_ENTITIES:
                    raise ContentCluttered

    async def draft(
        self, purpose_id: str, content: Content, author: Author, at: datetime
    ) -> Campaign:
        """Keep a first version of a message. Raises CampaignRefused and what `check` raises."""
        if refusals := self.refusals(purpose_id):
            raise CampaignRefused(refusals)
        self.check(purpose_id, content, None, author.locale)
        campaign_id = os.urandom(16).hex()
        async with self.database.transaction() as tx:
            key = await self.journal.new_key(tx, campaign_id)
            await campaigns.add(
                tx,
                campaign_id=campaign_id,
                purpose_id=purpose_id,
                sealed=_seal(key.secret, campaign_id, content, None, author),
                content_sha256=content.sha256(self.label(purpose_id, author.locale, None)),
                author_lookup=self.journal.keyring().account_lookup(TELEGRAM, author.account),
                notice_version=self.publication.versions[PurposeId(purpose_id)],
                at=at,
            )
        return await self.get(campaign_id)

    async def revise(
        self, campaign: Campaign, content: Content, erid: str | None, at: datetime
    ) -> Campaign:
        """Replace what a draft says; the same once more is no new revision.

        Raises CampaignError when it is a draft no longer.
        """
        self.check(campaign.purpose_id, content, erid, campaign.author.locale)
        async with self.database.transaction() as tx:
            key = await self.journal.key(tx, campaign.id)
            if key is None:
                raise CampaignUnknown(campaign.id)
            label = self.label(campaign.purpose_id, campaign.author.locale, erid)
            content_sha256 = content.sha256(label)
            stored = await campaigns.get(tx, campaign.id)
            if stored is None or stored.state is not CampaignState.DRAFT:
                raise CampaignError(campaign.id)
            if stored.content_sha256 != content_sha256 and not await campaigns.revise(
                tx,
                campaign.id,
                sealed=_seal(key.secret, campaign.id, content, erid, campaign.author),
                content_sha256=content_sha256,
                at=at,
            ):
                raise CampaignError(campaign.id)
        return await self.get(campaign.id)

    async def get(self, campaign_id: str) -> Campaign:
        """Raise CampaignUnknown."""
        async with self.database.snapshot() as tx:
            stored = await campaigns.get(tx, campaign_id)
        if stored is None:
            raise CampaignUnknown(campaign_id)
        return self._open(stored)

    def _author(self, account: str, locale: str) -> Author:
        """Speak another locale with an author whose own is served no longer."""
        locales = self.publication.catalogue.locales
        return Author(account=account, locale=locale if locale in locales else locales[0])

    def _open(self, stored: StoredCampaign) -> Campaign:
        secret = self.journal.keyring().unwrap(stored.key)
        facts = open_json(secret, stored.sealed, stored.id.encode())
        return Campaign(
            id=stored.id,
            number=stored.number or 0,
            revision=stored.revision,
            state=stored.state,
            purpose_id=stored.purpose_id,
            content=Content.from_json(facts["content"]),
            content_sha256=stored.content_sha256,
            erid=facts["erid"],
            author=self._author(**facts["author"]),
            created_at=stored.created_at,
            starts_at=stored.starts_at,
            wall_time=stored.wall_time,
            schedule_revision=stored.schedule_revision,
            pause_reason=None if stored.pause_reason is None else PauseReason(stored.pause_reason),
            progress_message_id=stored.progress_message_id,
        )


def _seal(
    secret: bytes, campaign_id: str, content: Content, erid: str | None, author: Author
) -> bytes:
    facts = {
        "content": content.to_json(),
        "erid": erid,
        "author": {"account": author.account, "locale": author.locale},
    }
    return seal_json(secret, facts, campaign_id.encode())
