"""The clock: APScheduler's ticks, each a short transaction; nothing is sent from here."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy.exc import SQLAlchemyError

from bot.app.herald import Herald
from bot.clock import Clock
from bot.errors import AssentError
from bot.logs import describe
from bot.usecases.campaigns import CampaignDesk
from bot.usecases.checkpoints import Signer
from bot.usecases.consents import ConsentDesk
from bot.usecases.inbox import Inbox
from bot.usecases.key_rotation import KeyRotation
from bot.usecases.retention import RetentionDesk
from bot.usecases.sealing import SealDesk
from bot.usecases.stamping import NotStamped, Stamping

log = structlog.get_logger(__name__)
SCHEDULE_SECONDS: Final = 1
HOUSEKEEPING_SECONDS: Final = 30
CHECKPOINT_SECONDS: Final = 60
SEAL_SECONDS: Final = 5
WITNESS_SECONDS: Final = 300
"""How often it is looked whether a stamp or a post is due, and so when a failed one is repeated."""
RETENTION_SECONDS: Final = 600
"""How often it is looked whether the last sweep was a day ago: a restart must not lose a day."""
ROTATION_SECONDS: Final = 3600
"""How often it is asked whether an epoch is over; that a rotation was cut short, at the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clockwork:
    """What happens because time passes."""

    consents: ConsentDesk
    campaigns: CampaignDesk
    inbox: Inbox
    signer: Signer
    seals: SealDesk
    stamping: Stamping | None
    """None: no time authority is configured."""
    herald: Herald | None
    """None: no public channel is configured."""
    retention: RetentionDesk
    rotation: KeyRotation
    clock: Clock

    async def run(self) -> None:
        scheduler = AsyncIOScheduler(timezone="UTC")
        self._every(scheduler, SCHEDULE_SECONDS, self._schedule)
        self._every(scheduler, HOUSEKEEPING_SECONDS, self._keep_house)
        self._every(scheduler, CHECKPOINT_SECONDS, self._sign)
        self._every(scheduler, SEAL_SECONDS, self._seal)
        self._every(scheduler, WITNESS_SECONDS, self._stamp, is_first_at_once=True)
        self._every(scheduler, WITNESS_SECONDS, self._post, is_first_at_once=True)
        self._every(scheduler, RETENTION_SECONDS, self._sweep)
        self._every(scheduler, ROTATION_SECONDS, self._rotate, is_first_at_once=True)
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
        is_first_at_once: bool = False,
    ) -> None:
        # Named only where it is wanted: to APScheduler no time means a job that never runs. Without
        # the grace a start that is slow would pass over the first time, and wait for the second.
        first: dict[str, Any] = {}
        if is_first_at_once:
            first = {"next_run_time": self.clock(), "misfire_grace_time": None}
        scheduler.add_job(
            _survives(work), "interval", seconds=seconds, max_instances=1, coalesce=True, **first
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

    async def _seal(self) -> None:
        for occurrence_id in await self.seals.due():
            await self.seals.seal(occurrence_id, self.clock)

    async def _stamp(self) -> None:
        if self.stamping is None or not await self.stamping.is_due(self.clock()):
            return
        await self._sign()  # what is stamped is as fresh as can be
        try:
            made = await self.stamping.stamp()
        except NotStamped as error:
            hint = "nothing is kept; asked again in some minutes; `doctor` tries it at once"
            log.warning("checkpoint.not_stamped", hint=hint, **describe(error))
        else:
            if made is not None:
                log.info("checkpoint.stamped", size=made.size)

    async def _post(self) -> None:
        if self.herald is not None:
            await self._sign()
            await self.herald.post_if_due(self.clock())

    async def _sweep(self) -> None:
        # A copy that was put back does not know the holds and withdrawals since it was made.
        if await self.signer.fallen_behind() is not None:
            return
        report = await self.retention.sweep_daily(self.clock())
        if report is not None and not report.tally.is_empty:
            log.info("privacy.swept", entry=report.index, erased=report.tally.people_erased)

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
