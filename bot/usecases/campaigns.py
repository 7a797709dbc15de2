"""What can happen to a campaign. Each public method is one use-case and one transaction."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.campaigns.campaign import (
    AdvertisingHeld,
    Campaign,
    CampaignChanged,
    CampaignError,
    CampaignUnknown,
    PauseReason,
    Report,
)
from bot.campaigns.policy import CampaignRefused
from bot.campaigns.schedule import GRACE, Moment
from bot.campaigns.states import CampaignState, OccurrenceState, sources
from bot.consent.purposes import Kind
from bot.consent.rules import PurposeId, Standing
from bot.usecases.campaign_drafts import Drafts
from storage import campaigns, consents, deliveries, delivery_records, facts, notices
from storage.campaigns import StoredCampaign
from storage.facts import Fact

OUTAGE: Final = timedelta(hours=24)
"""Telegram keeps updates this long (Bot API, getUpdates): withdrawals may be lost beyond."""
BEGUN: Final = (CampaignState.RUNNING, CampaignState.FINISHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """How many a campaign would reach now, and why not the others."""

    reached: int
    excluded: Mapping[str, int]
    """By `Standing` (but live), blocked, suppressed, erased."""

    def seconds(self, rate: float) -> float:
        return self.reached / rate


class CampaignDesk(Drafts):
    """Sets a campaign going when it may go, and stops it."""

    __slots__ = ()

    # --- looking ------------------------------------------------------------------------------

    async def audience(self, purpose_id: str, at: datetime) -> Audience:
        async with self.database.snapshot() as tx:
            terms = await notices.terms(tx)
            counts = await consents.count_by_standing(tx, PurposeId(purpose_id), terms, at)
        reached = counts.pop(Standing.LIVE.value, 0)
        return Audience(reached=reached, excluded={word: n for word, n in counts.items() if n > 0})

    async def newest(
        self, *, before_number: int | None = None, limit: int
    ) -> list[tuple[Campaign, Report]]:
        async with self.database.snapshot() as tx:
            page = await campaigns.newest(tx, before_number=before_number, limit=limit)
            return [
                (self._open(stored), await delivery_records.report(tx, stored.id))
                for stored in page
            ]

    async def report(self, campaign_id: str) -> tuple[Campaign, Report]:
        async with self.database.snapshot() as tx:
            stored = await campaigns.get(tx, campaign_id)
            if stored is None:
                raise CampaignUnknown(campaign_id)
            return self._open(stored), await delivery_records.report(tx, campaign_id)

    async def to_announce(self) -> list[tuple[Campaign, Report]]:
        """Campaigns whose author has not been told of their present state."""
        async with self.database.snapshot() as tx:
            found = await campaigns.to_announce(tx)
            return [
                (self._open(stored), await delivery_records.report(tx, stored.id))
                for stored in found
            ]

    async def running(self) -> list[Campaign]:
        async with self.database.snapshot() as tx:
            found = await campaigns.in_state(tx, CampaignState.RUNNING)
        return [self._open(stored) for stored in found]

    async def announced(
        self, campaign_id: str, state: CampaignState, progress_message_id: int | None
    ) -> None:
        async with self.database.transaction() as tx:
            await campaigns.set_announced(tx, campaign_id, state, progress_message_id)

    # --- going --------------------------------------------------------------------------------

    async def start(
        self,
        campaign_id: str,
        staff_account: str,
        at: datetime,
        *,
        revision: int | None = None,
        progress_message_id: int | None = None,
    ) -> Campaign:
        """Confirm a draft and send it now. Pressed twice, it starts once.

        `revision` is what was previewed; `progress_message_id` the message in which its author
        will see it go. Raises CampaignRefused, CampaignError, AdvertisingHeld.
        """
        self._check_refusals(await self.get(campaign_id))
        async with self.database.transaction() as tx:
            if await self._begin(tx, campaign_id, [CampaignState.DRAFT], at):
                # Read only now: before the move somebody else could still revise it.
                campaign = await self._inside(tx, campaign_id)
                self._check_previewed(campaign, revision)
                await self._confirmed(tx, campaign, staff_account, None, at)
                if progress_message_id is not None:
                    await campaigns.set_announced(
                        tx, campaign_id, CampaignState.RUNNING, progress_message_id
                    )
            elif (await self._inside(tx, campaign_id)).state not in BEGUN:
                raise CampaignError(campaign_id)
        self.wake_sender()
        return await self.get(campaign_id)

    async def schedule(
        self,
        campaign_id: str,
        moment: Moment,
        staff_account: str,
        at: datetime,
        *,
        revision: int | None = None,
    ) -> Campaign:
        """Confirm a draft for a time. The same time again changes nothing.

        Raises CampaignRefused, CampaignError.
        """
        self._check_refusals(await self.get(campaign_id))
        async with self.database.transaction() as tx:
            campaign = await self._inside(tx, campaign_id)
            if campaign.state is CampaignState.SCHEDULED and campaign.starts_at == moment.at:
                return campaign
            done = await campaigns.move(
                tx,
                campaign_id,
                CampaignState.SCHEDULED,
                if_in=[CampaignState.DRAFT],
                at=at,
                number=campaigns.next_number(),
                starts_at=moment.at,
                wall_time=moment.wall_time,
                schedule_revision=campaign.schedule_revision + 1,
                announced=CampaignState.SCHEDULED,
                notice_version=self.publication.versions[PurposeId(campaign.purpose_id)],
            )
            if not done:
                raise CampaignError(campaign_id)
            campaign = await self._inside(tx, campaign_id)
            self._check_previewed(campaign, revision)
            await self._confirmed(tx, campaign, staff_account, moment.wall_time, at)
        return await self.get(campaign_id)

    async def pause(
        self, campaign_id: str, at: datetime, reason: PauseReason = PauseReason.OPERATOR
    ) -> bool:
        """Stop within a second; what is on its way arrives. False: nothing to pause."""
        async with self.database.transaction() as tx:
            return await campaigns.move(
                tx,
                campaign_id,
                CampaignState.PAUSED,
                if_in=[CampaignState.RUNNING, CampaignState.SCHEDULED],
                at=at,
                pause_reason=reason,
                **({"announced": CampaignState.PAUSED} if reason is PauseReason.OPERATOR else {}),
            )

    async def resume(self, campaign_id: str, at: datetime) -> bool:
        """Go on, or begin now if its time passed while it rested. False: it does not rest."""
        self._check_refusals(await self.get(campaign_id))
        async with self.database.transaction() as tx:
            campaign = await self._inside(tx, campaign_id)
            self._check_label(campaign)
            is_early = campaign.starts_at is not None and campaign.starts_at > at
            if is_early and await campaigns.last_occurrence(tx, campaign_id) is None:
                return await campaigns.move(
                    tx,
                    campaign_id,
                    CampaignState.SCHEDULED,
                    if_in=[CampaignState.PAUSED],
                    at=at,
                    pause_reason=None,
                )
            done = await self._begin(tx, campaign_id, [CampaignState.PAUSED], at)
        self.wake_sender()
        return done

    async def cancel(self, campaign_id: str, at: datetime) -> bool:
        """End a campaign for good; whoever has not got it will not. False: it is over already."""
        async with self.database.transaction() as tx:
            done = await campaigns.move(
                tx,
                campaign_id,
                CampaignState.CANCELLED,
                if_in=sources(CampaignState.CANCELLED),
                at=at,
                announced=CampaignState.CANCELLED,
            )
            if done:
                await deliveries.suppress_campaign(tx, campaign_id, "cancelled", at)
                await campaigns.move_occurrences(
                    tx,
                    campaign_id,
                    OccurrenceState.ENDED,
                    if_in=[OccurrenceState.COLLECTING, OccurrenceState.SENDING],
                    ended_at=at,
                )
        return done

    async def start_due(self, at: datetime) -> None:
        """Start what is scheduled for now; what cannot start any more asks its author."""
        async with self.database.transaction() as tx:
            is_held = await facts.get(tx, Fact.ADVERTISING_HELD) is not None
            for stored in await campaigns.due(tx, at):
                reason = self._obstacle(stored, at)
                if is_held and self._kind(stored.purpose_id) is Kind.ADVERTISING:
                    reason = PauseReason.RESTORED
                if reason is None:
                    await self._begin(tx, stored.id, [CampaignState.SCHEDULED], at)
                    continue
                await campaigns.move(
                    tx,
                    stored.id,
                    CampaignState.PAUSED,
                    if_in=[CampaignState.SCHEDULED],
                    at=at,
                    pause_reason=reason,
                )
        self.wake_sender()

    async def after_silence(self, last_fetched: datetime | None, at: datetime) -> None:
        """Hold advertising when updates were not fetched for so long that some may be lost.

        What is only scheduled waits too: a withdrawal that is lost stays lost until its time.
        """
        if last_fetched is None or at - last_fetched < OUTAGE:
            return
        async with self.database.transaction() as tx:
            for state in (CampaignState.RUNNING, CampaignState.SCHEDULED):
                for stored in await campaigns.in_state(tx, state):
                    if self._kind(stored.purpose_id) is Kind.ADVERTISING:
                        await campaigns.move(
                            tx,
                            stored.id,
                            CampaignState.PAUSED,
                            if_in=[state],
                            at=at,
                            pause_reason=PauseReason.OUTAGE,
                        )

    async def settle_former_process(self, at: datetime) -> int:
        """Say of sends that a stopped process had begun that they are uncertain; count them.

        What may not go on as it was confirmed (another purposes file) rests.
        """
        async with self.database.transaction() as tx:
            for stored in await campaigns.in_state(tx, CampaignState.RUNNING):
                if not self._is_as_confirmed(stored):
                    await campaigns.move(
                        tx,
                        stored.id,
                        CampaignState.PAUSED,
                        if_in=[CampaignState.RUNNING],
                        at=at,
                        pause_reason=PauseReason.NOTICE_CHANGED,
                    )
            return await deliveries.void_leases(tx, at)

    # --- inside -------------------------------------------------------------------------------

    def _check_refusals(self, campaign: Campaign) -> None:
        if refusals := self.refusals(campaign.purpose_id):
            raise CampaignRefused(refusals)

    def _kind(self, purpose_id: str) -> Kind | None:
        catalogue = self.publication.catalogue
        return catalogue.purpose(purpose_id).kind if purpose_id in catalogue else None

    def _obstacle(self, stored: StoredCampaign, at: datetime) -> PauseReason | None:
        current = self.publication.versions.get(PurposeId(stored.purpose_id))
        if current != stored.notice_version or not self._is_as_confirmed(stored):
            return PauseReason.NOTICE_CHANGED
        if stored.starts_at is not None and at - stored.starts_at > GRACE:
            return PauseReason.MISSED
        return None

    def _is_as_confirmed(self, stored: StoredCampaign) -> bool:
        """The law, the accepted risks and the advertiser's name may have changed since."""
        try:
            self._check_label(self._open(stored))
        except CampaignError:
            return False
        return not self.refusals(stored.purpose_id)

    def _check_label(self, campaign: Campaign) -> None:
        """Raise CampaignError when what would be sent now is not what was shown."""
        label = self.label(campaign.purpose_id, campaign.author.locale, campaign.erid)
        if campaign.content.sha256(label) != campaign.content_sha256:
            raise CampaignError(campaign.id)

    def _check_previewed(self, campaign: Campaign, revision: int | None) -> None:
        """What was approved is what is sent. Raises CampaignChanged, CampaignError."""
        if revision is not None and revision != campaign.revision:
            raise CampaignChanged(campaign.id)
        self._check_label(campaign)

    async def _inside(self, tx: AsyncConnection, campaign_id: str) -> Campaign:
        stored = await campaigns.get(tx, campaign_id)
        if stored is None:
            raise CampaignUnknown(campaign_id)
        return self._open(stored)

    async def _begin(
        self,
        tx: AsyncConnection,
        campaign_id: str,
        if_in: list[CampaignState],
        at: datetime,
    ) -> bool:
        stored = await campaigns.get(tx, campaign_id)
        if stored is None:
            return False
        if (
            self._kind(stored.purpose_id) is Kind.ADVERTISING
            and await facts.get(tx, Fact.ADVERTISING_HELD) is not None
        ):
            raise AdvertisingHeld(campaign_id)
        values: dict[str, Any] = {"pause_reason": None}
        if stored.number is None:
            values["number"] = campaigns.next_number()
        done = await campaigns.move(
            tx, campaign_id, CampaignState.RUNNING, if_in=if_in, at=at, **values
        )
        if done:
            # The key (campaign, schedule revision, wall time) makes a second firing nothing.
            await campaigns.add_occurrence(
                tx,
                occurrence_id=os.urandom(16).hex(),
                campaign_id=campaign_id,
                schedule_revision=stored.schedule_revision,
                wall_time=stored.wall_time or "now",
                at=at,
            )
        return done

    async def _confirmed(
        self,
        tx: AsyncConnection,
        campaign: Campaign,
        staff_account: str,
        wall_time: str | None,
        at: datetime,
    ) -> None:
        """Write into the log who let what be sent, and which legal risks stood accepted."""
        catalogue = self.publication.catalogue
        payload: dict[str, Any] = {
            "staff": staff_account,
            "campaign": campaign.id,
            "revision": campaign.revision,
            "content_sha256": campaign.content_sha256,
            "purpose": campaign.purpose_id,
            "advisories": [
                {
                    "id": advisory.id,
                    "accepted_by": advisory.accepted_by,
                    "accepted_on": advisory.accepted_on.isoformat(),
                }
                for advisory in catalogue.advisories
            ],
        }
        if wall_time is not None:
            payload["wall_time"] = wall_time
        key = await self.journal.house_key(tx)
        await self.journal.write(tx, "staff.campaign_confirmed", payload, at, key=key)
