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
from bot.usecases.key_rotation import KeyRotation

log = structlog.get_logger(__name__)
SCHEDULE_SECONDS: Final = 1
HOUSEKEEPING_SECONDS: Final = 30
CHECKPOINT_SECONDS: Final = 60
ROTATION_SECONDS: Final = 3600
"""How often it is asked whether an epoch is over; that a rotation was cut short, at the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clockwork:
    """What happens because time passes."""

    consents: ConsentDesk
    campaigns: CampaignDesk
    inbox: Inbox
    signer: Signer
    rotation: KeyRotation
    clock: Clock

    async def run(self) -> None:
        scheduler = AsyncIOScheduler(timezone="UTC")
        self._every(scheduler, SCHEDULE_SECONDS, self._schedule)
        self._every(scheduler, HOUSEKEEPING_SECONDS, self._keep_house)
        self._every(scheduler, CHECKPOINT_SECONDS, self._sign)
        self._every(scheduler, ROTATION_SECONDS, self._rotate, at_once=True)
        scheduler.start()
        try:
            await asyncio.Event().wait()
        finally:
            scheduler.shutdown(wait=False)

    def _every(
        self,
        scheduler: Any,
        seconds: int,
        work: Callable[[], Awaitable[None]],
        *,
        at_once: bool = False,
    ) -> None:
        first = {"next_run_time": self.clock()} if at_once else {}
        scheduler.add_job(
            _survives(work),
            "interval",
            seconds=seconds,
            max_instances=1,
            coalesce=True,
            **first,
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

    async def _rotate(self) -> None:
        if await self.rotation.rotate(self.clock(), only_due=True):
            log.warning(
                "keys.rotated", hint="copy the keystore now; its older copies are of no use"
            )


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
