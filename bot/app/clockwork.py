"""The clock: APScheduler's ticks, each a short transaction; nothing is sent from here."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy.exc import SQLAlchemyError

from bot.clock import Clock
from bot.errors import AssentError
from bot.logs import describe
from bot.usecases.campaigns import CampaignDesk
from bot.usecases.checkpoints import Signer
from bot.usecases.consents import ConsentDesk
from bot.usecases.inbox import Inbox
from bot.usecases.retention import RetentionDesk

log = structlog.get_logger(__name__)
SCHEDULE_SECONDS: Final = 1
HOUSEKEEPING_SECONDS: Final = 30
CHECKPOINT_SECONDS: Final = 60
RETENTION_SECONDS: Final = 600
"""How often it is looked whether the last sweep was a day ago: a restart must not lose a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clockwork:
    """What happens because time passes."""

    consents: ConsentDesk
    campaigns: CampaignDesk
    inbox: Inbox
    signer: Signer
    retention: RetentionDesk
    clock: Clock

    async def run(self) -> None:
        scheduler = AsyncIOScheduler(timezone="UTC")
        self._every(scheduler, SCHEDULE_SECONDS, self._schedule)
        self._every(scheduler, HOUSEKEEPING_SECONDS, self._keep_house)
        self._every(scheduler, CHECKPOINT_SECONDS, self._sign)
        self._every(scheduler, RETENTION_SECONDS, self._sweep)
        scheduler.start()
        try:
            await asyncio.Event().wait()
        finally:
            scheduler.shutdown(wait=False)

    def _every(self, scheduler: Any, seconds: int, work: Callable[[], Awaitable[None]]) -> None:
        scheduler.add_job(
            _survives(work), "interval", seconds=seconds, max_instances=1, coalesce=True
        )

    async def _schedule(self) -> None:
        await self.campaigns.start_due(self.clock())

    async def _keep_house(self) -> None:
        now = self.clock()
        await self.campaigns.after_silence(await self.inbox.last_fetched(), now)
        while await self.consents.expire_due(now):
            await asyncio.sleep(0)
        await self.consents.forget_old_prompts(now)
        await self.inbox.forget_old(now)
        await self.inbox.database.empty_wal()

    async def _sign(self) -> None:
        if await self.signer.has_grown():
            await self.signer.sign(self.clock())

    async def _sweep(self) -> None:
        # A copy that was put back does not know the holds and withdrawals since it was made.
        if await self.signer.fallen_behind() is not None:
            return
        report = await self.retention.sweep_daily(self.clock())
        if report is not None and not report.tally.is_empty:
            log.info("privacy.swept", entry=report.index, erased=report.tally.people_erased)


def _survives(work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """A tick that fails is logged; the next one comes all the same."""

    async def tick() -> None:
        try:
            await work()
        except asyncio.CancelledError:
            return  # the program ends; APScheduler would call that an error
        except (SQLAlchemyError, AssentError, OSError) as error:
            log.error("clock.failed", work=work.__name__, **describe(error))

    return tick
