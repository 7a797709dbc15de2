"""Records what became of sends, and what that says about more than one of them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.campaigns.campaign import PauseReason
from bot.campaigns.states import CampaignState, DeliveryState
from bot.clock import Clock
from bot.consent.rules import Reach
from bot.delivery.channel import Outcome
from bot.delivery.flights import Flight, Flights
from bot.delivery.pace import Pace
from bot.logs import describe
from storage import campaigns, deliveries, facts, subjects
from storage.database import Database
from storage.deliveries import Candidate, Result, Running
from storage.facts import Fact

log = structlog.get_logger(__name__)

SAME_ERROR_LIMIT: Final = 20
"""When this many first recipients get the same error about the content, the campaign rests."""
STORAGE_RETRY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How a running campaign fares in this process: enough to see an error everybody gets."""

    sent: int = 0
    refused_content: int = 0

    @property
    def is_refused_by_everybody(self) -> bool:
        return self.sent == 0 and self.refused_content >= SAME_ERROR_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """A send that is over, its result not recorded yet."""

    flight: Flight
    result: Result
    running: Running
    outcome: Outcome


def landing(flight: Flight, candidate: Candidate, running: Running, outcome: Outcome) -> Landing:
    """Say what is to be recorded of a flight that is over."""
    result = Result(
        delivery_id=candidate.delivery_id,
        fence=candidate.fence,
        state=outcome.state,
        reason=outcome.reason,
        message_id=outcome.message_id,
    )
    return Landing(flight=flight, result=result, running=running, outcome=outcome)


@dataclass(slots=True, kw_only=True)
class Recorder:
    """Writes results in batches, and tries again until the database takes them."""

    database: Database
    pace: Pace
    flights: Flights
    clock: Clock
    wake: asyncio.Event
    """Set whenever something was recorded."""
    _waiting: asyncio.Queue[Landing] = field(default_factory=asyncio.Queue)
    _tallies: dict[str, Tally] = field(default_factory=dict)

    async def put(self, landed: Landing) -> None:
        await self._waiting.put(landed)

    def forget(self) -> None:
        """Begin to count anew: no campaign runs."""
        self._tallies.clear()

    async def run(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            while not await self._record(batch):
                await asyncio.sleep(STORAGE_RETRY_SECONDS)
            for one in batch:
                self.flights.end(one.flight)
            self.wake.set()

    async def _record(self, batch: list[Landing]) -> bool:
        """Write results, and what they say about more than their own delivery; all or nothing."""
        now = self.clock()
        tallies = self._counted(batch)
        gone = {one.flight.subject_id for one in batch if one.outcome.is_unreachable}
        try:
            async with self.database.transaction() as tx:
                for subject_id in sorted(gone):
                    await subjects.set_reach(tx, subject_id, Reach.BLOCKED)
                await deliveries.record(tx, [one.result for one in batch], now)
                if any(one.outcome.retry_after is not None for one in batch):
                    until = now + timedelta(seconds=self.pace.pause_left)
                    await facts.put_time(tx, Fact.PAUSED_UNTIL, until)
                for campaign_id in _refused_by_everybody(batch, tallies):
                    await campaigns.move(
                        tx,
                        campaign_id,
                        CampaignState.PAUSED,
                        if_in=[CampaignState.RUNNING],
                        at=now,
                        pause_reason=PauseReason.CONTENT_REFUSED,
                    )
        except SQLAlchemyError as error:
            log.error("delivery.results_not_stored", **describe(error))
            return False
        self._tallies |= {
            occurrence_id: Tally() if tally.is_refused_by_everybody else tally
            for occurrence_id, tally in tallies.items()
        }
        return True

    def _counted(self, batch: list[Landing]) -> dict[str, Tally]:
        """How the campaigns of a batch fare with it; kept only once it is recorded."""
        tallies: dict[str, Tally] = {}
        for one in batch:
            name = one.running.occurrence_id
            tally = tallies.get(name) or self._tallies.get(name) or Tally()
            tallies[name] = replace(
                tally,
                sent=tally.sent + (one.outcome.state is DeliveryState.SENT),
                refused_content=tally.refused_content + one.outcome.is_about_content,
            )
        return tallies


def _refused_by_everybody(batch: list[Landing], tallies: Mapping[str, Tally]) -> set[str]:
    return {
        one.running.campaign_id
        for one in batch
        if tallies[one.running.occurrence_id].is_refused_by_everybody
    }
