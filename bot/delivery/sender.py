"""The loop that sends: takes in audiences, claims within the pace, sends, records.

One sender per bot. `sending` is committed before the request leaves; the result is written by
the holder of the fence. Nothing waits in `sending`: places are taken before the commit.
"""

import asyncio
import base64
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.campaigns.states import CampaignState, DeliveryState, OccurrenceState
from bot.clock import Clock
from bot.consent.rules import Reach, Standing, SubjectId
from bot.delivery import gate
from bot.delivery.body import Body
from bot.delivery.channel import Channel, Outcome
from bot.delivery.flights import Flight, Flights
from bot.delivery.gate import Cleared
from bot.delivery.pace import Pace
from bot.privacy.envelope import open_json
from bot.privacy.keyring import Keyring
from bot.supervisor import Supervisor
from storage import campaigns, consents, deliveries, facts, notices, subjects
from storage.database import Database
from storage.deliveries import Result, Running
from storage.facts import Fact

log = structlog.get_logger(__name__)

AUDIENCE_CHUNK: Final = 500
SAME_ERROR_LIMIT: Final = 20
"""When this many first recipients get the same error about the content, the campaign rests."""
IDLE_SECONDS: Final = 1.0
HALT_SECONDS: Final = 30.0
CHAT_SECONDS: Final = 1.0
"""A chat gets at most one message of a campaign a second (Bot API FAQ)."""
STORAGE_RETRY_SECONDS: Final = 1.0


@dataclass(slots=True, kw_only=True)
class Tally:
    """How a running campaign fares in this process: enough to see an error everybody gets."""

    sent: int = 0
    refused_content: int = 0


@dataclass(slots=True, kw_only=True)
class Sender:
    """Sends what is due to whoever agreed. `run` lives as long as the program."""

    database: Database
    keyring: Callable[[], Keyring]
    channel: Channel
    pace: Pace
    flights: Flights
    clock: Clock
    bodies: Callable[[str], Awaitable[Body]]
    """The prepared message of a campaign, by its id."""
    concurrency: int
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    is_held: Callable[[], bool] = lambda: False
    """True while nothing may be sent (the backlog of updates is not handled yet)."""
    _prepared: dict[tuple[str, int], Body] = field(default_factory=dict)
    _tallies: dict[str, Tally] = field(default_factory=dict)
    _recent: dict[SubjectId, float] = field(default_factory=dict)
    _results: asyncio.Queue[tuple[Flight, Result, Running, Outcome]] = field(
        default_factory=asyncio.Queue
    )

    async def run(self) -> None:
        """Send until cancelled. Sends that were begun are finished and recorded first."""
        await self._restore_pause()
        async with Supervisor() as tasks:
            recorder = tasks.start(self._record_results(), name="delivery results")
            try:
                await self._send_forever(tasks)
            finally:
                await self._land()
                recorder.cancel()

    async def _send_forever(self, tasks: Supervisor) -> None:
        while True:
            try:
                busy = await self._step(tasks)
            except SQLAlchemyError as error:
                # Nothing was sent: what is claimed is claimed by the commit that failed.
                log.error("delivery.storage_failed", error=type(error).__name__)
                await asyncio.sleep(STORAGE_RETRY_SECONDS)
                continue
            if not busy:
                await self._rest()

    async def _rest(self) -> None:
        self.wake.clear()
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await self.wake.wait()
        except TimeoutError:
            return

    async def _step(self, tasks: Supervisor) -> bool:
        """Do what can be done now; False when there is nothing to do."""
        if self.is_held():
            return False
        async with self.database.snapshot() as tx:
            running = await deliveries.running(tx)
        if not running:
            self._tallies.clear()
            self._prepared.clear()
            return False
        worked = False
        for occurrence in running:
            if not occurrence.is_complete:
                await self._take_in(occurrence)
                worked = True
            worked = await self._send_some(occurrence, tasks) or worked
        if not worked and self.flights:
            await asyncio.sleep(max(self.pace.seconds_until_due(), 0.005))
            return True
        return worked

    # --- the audience -------------------------------------------------------------------------

    async def _take_in(self, running: Running) -> None:
        now = self.clock()
        async with self.database.transaction() as tx:
            terms = await notices.terms(tx)
            people = await consents.audience(
                tx, running.purpose_id, terms, now, after=running.cursor, limit=AUDIENCE_CHUNK
            )
            if people:
                taken = [(_new_id(), person) for person in people]
                await deliveries.add_ready(tx, running.occurrence_id, taken, now)
                await campaigns.set_cursor(tx, running.occurrence_id, people[-1])
            if len(people) < AUDIENCE_CHUNK:
                await campaigns.move_occurrences(
                    tx,
                    running.campaign_id,
                    OccurrenceState.SENDING,
                    if_in=[OccurrenceState.COLLECTING],
                )

    # --- claim, gate, send --------------------------------------------------------------------

    async def _send_some(self, running: Running, tasks: Supervisor) -> bool:
        places = self.pace.take(self.concurrency - len(self.flights))
        if not places:
            return await self._wait_for_place()
        used = 0
        try:
            cleared, suppressed = await self._claim(running, places)
            body = await self._body(running) if cleared else None
            for one in cleared:
                assert body is not None  # noqa: S101 cleared is not empty
                flight = self.flights.begin(one.candidate.subject_id)
                tasks.start(self._fly(flight, one, body, running), name="delivery")
                used += 1
        finally:
            self.pace.give_back(places - used)
        if not cleared and not suppressed and running.is_complete:
            return await self._finish_if_done(running)
        return True

    async def _wait_for_place(self) -> bool:
        await asyncio.sleep(min(max(self.pace.seconds_until_due(), 0.002), IDLE_SECONDS))
        return True

    async def _claim(self, running: Running, limit: int) -> tuple[list[Cleared], int]:
        async with self.database.transaction() as tx:
            return await gate.claim(
                tx, running, leaving_alone=self._resting(), limit=limit, at=self.clock()
            )

    def _resting(self) -> set[SubjectId]:
        """People who got a message of a campaign within the last second, or are getting one."""
        now = asyncio.get_running_loop().time()
        over = [person for person, at in self._recent.items() if now - at >= CHAT_SECONDS]
        for person in over:
            del self._recent[person]
        return set(self._recent) | self.flights.people()

    async def _body(self, running: Running) -> Body:
        key = (running.campaign_id, running.revision)
        if key not in self._prepared:
            self._prepared[key] = await self.bodies(running.campaign_id)
        return self._prepared[key]

    async def _fly(self, flight: Flight, cleared: Cleared, body: Body, running: Running) -> None:
        candidate = cleared.candidate
        key = self.keyring().unwrap(candidate.key)
        profile = open_json(key, candidate.sealed, candidate.subject_id.encode())
        message = body.to(profile["account"], candidate.locale, candidate.delivery_id)
        if flight.is_recalled:
            # Proven unwritten: the request was never begun.
            outcome = Outcome(state=DeliveryState.SUPPRESSED, reason=Standing.WITHDRAWN)
            self.pace.give_back(1)
        else:
            flight.is_written = True
            outcome = await self.channel.send(message)
            self.pace.release()
        flight.landed.set()
        self._recent[candidate.subject_id] = asyncio.get_running_loop().time()
        result = Result(
            delivery_id=candidate.delivery_id,
            fence=candidate.fence,
            state=outcome.state,
            reason=outcome.reason,
            message_id=outcome.message_id,
        )
        await self._results.put((flight, result, running, outcome))

    # --- results ------------------------------------------------------------------------------

    async def _record_results(self) -> None:
        while True:
            batch = [await self._results.get()]
            while not self._results.empty():
                batch.append(self._results.get_nowait())
            while not await self._record(batch):
                await asyncio.sleep(STORAGE_RETRY_SECONDS)
            for flight, _, _, _ in batch:
                self.flights.end(flight)
            self.wake.set()

    async def _record(self, batch: list[tuple[Flight, Result, Running, Outcome]]) -> bool:
        now = self.clock()
        try:
            async with self.database.transaction() as tx:
                gone = [
                    flight.subject_id for flight, _, _, outcome in batch if outcome.is_unreachable
                ]
                for subject_id in sorted(gone):
                    await subjects.set_reach(tx, subject_id, Reach.BLOCKED)
                await deliveries.record(tx, [result for _, result, _, _ in batch], now)
                for _, _, running, outcome in batch:
                    await self._consider(tx, running, outcome, now)
        except SQLAlchemyError as error:
            log.error("delivery.results_not_stored", error=type(error).__name__)
            return False
        return True

    async def _consider(
        self, tx: AsyncConnection, running: Running, outcome: Outcome, now: datetime
    ) -> None:
        """Act on what an outcome says about more than its own delivery."""
        if outcome.retry_after is not None:
            self.pace.pause(outcome.retry_after)
            until = now + timedelta(seconds=outcome.retry_after)
            await facts.put_time(tx, Fact.PAUSED_UNTIL, until)
        if outcome.stops_sending:
            self.pace.pause(HALT_SECONDS)
            log.error("delivery.stopped", reason=outcome.reason, retry_seconds=HALT_SECONDS)
        tally = self._tallies.setdefault(running.occurrence_id, Tally())
        tally.sent += outcome.state is DeliveryState.SENT
        tally.refused_content += outcome.is_about_content
        if not tally.sent and tally.refused_content >= SAME_ERROR_LIMIT:
            tally.refused_content = 0
            await campaigns.move(
                tx,
                running.campaign_id,
                CampaignState.PAUSED,
                if_in=[CampaignState.RUNNING],
                at=now,
                pause_reason="content_refused",
            )

    async def _finish_if_done(self, running: Running) -> bool:
        now = self.clock()
        async with self.database.transaction() as tx:
            if await deliveries.has_open(tx, running.occurrence_id):
                return False
            await campaigns.move_occurrences(
                tx,
                running.campaign_id,
                OccurrenceState.ENDED,
                if_in=[OccurrenceState.SENDING],
                ended_at=now,
            )
            await campaigns.move(
                tx,
                running.campaign_id,
                CampaignState.FINISHED,
                if_in=[CampaignState.RUNNING],
                at=now,
            )
        return True

    async def _land(self) -> None:
        """Wait for what is on its way: its result must not be lost to a clean shutdown."""
        while self.flights:
            await asyncio.sleep(0.01)

    async def _restore_pause(self) -> None:
        async with self.database.snapshot() as tx:
            until = await facts.get_time(tx, Fact.PAUSED_UNTIL)
        if until is not None and (left := (until - self.clock()).total_seconds()) > 0:
            self.pace.pause(left)


def _new_id() -> str:
    return base64.urlsafe_b64encode(os.urandom(16)).rstrip(b"=").decode()
