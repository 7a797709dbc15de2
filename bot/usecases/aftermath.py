"""After a copy of the database was put back: nothing is sent twice, nor to whoever left since."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.campaigns.campaign import PauseReason
from bot.campaigns.states import CampaignState
from bot.usecases.journal import Journal
from storage import campaigns, deliveries, facts
from storage.database import Database
from storage.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The time of which the database knows nothing."""

    since: datetime
    until: datetime

    def __str__(self) -> str:
        return f"{self.since.isoformat()} {self.until.isoformat()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        since, until = text.split(" ")
        return cls(since=datetime.fromisoformat(since), until=datetime.fromisoformat(until))


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What a restored database may do, and who decides. Each method is one use-case."""

    database: Database
    journal: Journal

    async def settle(self, fallen_behind: str | None, at: datetime) -> Gap | None:
        """Hold everything if a copy was put back since the last start; return what is missing.

        `fallen_behind` names the signed tree that the database does not reach, as the signer's
        file tells it; None: it reaches it, and only `restore` can have said that it is a copy.
        """
        async with self.database.transaction() as tx:
            restored = await facts.get(tx, Fact.RESTORED)
            is_known = fallen_behind is None or fallen_behind == await facts.get(
                tx, Fact.RESTORE_HELD
            )
            if restored is None and is_known:
                return None
            if fallen_behind is not None:
                await facts.put(tx, Fact.RESTORE_HELD, fallen_behind)
            await facts.forget(tx, Fact.RESTORED)
            gap = await self._gap(tx, restored, at)
            await facts.put(tx, Fact.ADVERTISING_HELD, str(gap))
            await self._hold(tx, at)
        return gap

    async def held(self) -> Gap | None:
        """Return the missing time while advertising waits for an admin; else None."""
        async with self.database.snapshot() as tx:
            text = await facts.get(tx, Fact.ADVERTISING_HELD)
        return None if text is None else Gap.parse(text)

    async def confirm(self, staff_account: str, at: datetime) -> bool:
        """Let advertising go on: somebody with a name decided it. False: nothing waits.

        Campaigns that rest stay so until each is resumed.
        """
        async with self.database.transaction() as tx:
            text = await facts.get(tx, Fact.ADVERTISING_HELD)
            if text is None:
                return False
            await facts.forget(tx, Fact.ADVERTISING_HELD)
            gap = Gap.parse(text)
            payload = {
                "staff": staff_account,
                "missing_from": gap.since.isoformat(),
                "missing_to": gap.until.isoformat(),
            }
            key = await self.journal.house_key(tx)
            await self.journal.write(tx, "staff.restore_confirmed", payload, at, key=key)
        return True

    async def _gap(self, tx: AsyncConnection, restored: str | None, at: datetime) -> Gap:
        """`restore` said it; for copied files: since updates were last fetched, as it knows."""
        if restored is not None:
            return Gap.parse(restored)
        return Gap(since=await facts.get_time(tx, Fact.UPDATES_FETCHED_AT) or at, until=at)

    async def _hold(self, tx: AsyncConnection, at: datetime) -> None:
        for state in (CampaignState.RUNNING, CampaignState.SCHEDULED):
            for stored in await campaigns.in_state(tx, state):
                await campaigns.move(
                    tx,
                    stored.id,
                    CampaignState.PAUSED,
                    if_in=[state],
                    at=at,
                    pause_reason=PauseReason.RESTORED,
                )
        await campaigns.close_audiences(tx)
        await deliveries.doubt_unfinished(tx, at)
