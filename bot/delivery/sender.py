"""The loop that sends: takes in audiences, claims within the pace, sends, records.

One sender per bot. `sending` is committed before the request leaves; the result is written by
the holder of the fence. Nothing waits in `sending`: places are taken before the commit. Running
campaigns take turns.
"""

import asyncio
import base64
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.campaigns.campaign import PauseReason
from bot.campaigns.states import CampaignState, DeliveryState, OccurrenceState
from bot.clock import Clock
from bot.consent.rules import Standing, SubjectId
from bot.delivery import gate
from bot.delivery.body import Body
from bot.delivery.channel import Channel, Outcome, Prepared
from bot.delivery.flights import Flight, Flights
from bot.delivery.gate import Cleared
from bot.delivery.pace import Pace
from bot.delivery.results import Recorder, landing
from bot.errors import AssentError
from bot.logs import describe
from bot.privacy.envelope import open_json
from bot.privacy.keyring import Keyring
from bot.supervisor import Supervisor
from storage import campaigns, consents, deliveries, facts, notices
from storage.database import Database
from storage.deliveries import Running
from storage.facts import Fact

log = structlog.get_logger(__name__)

AUDIENCE_CHUNK: Final = 500
IDLE_SECONDS: Final = 1.0
HALT_SECONDS: Final = 30.0
CHAT_SECONDS: Final = 1.0
"""A chat gets at most one message of a campaign a second (Bot API FAQ)."""
STORAGE_RETRY_SECONDS: Final = 1.0
SHORTEST_REST_SECONDS: Final = 0.001
LANDING_SECONDS: Final = 60.0
"""How long a clean end waits for what is on its way; longer than a request can last."""


class Progress(Enum):
    """What came of one campaign's turn."""

    WORKED = auto()
    NOTHING = auto()
    """Whoever is left cannot be written to at this moment."""
    BLOCKED = auto()
    """The pace or the concurrency allows nobody a message at this moment."""
    FAILED = auto()
    """The database did not commit; nothing was sent."""


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
    audience_chunk: int = AUDIENCE_CHUNK
    """People taken into the audience in one transaction."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    is_held: Callable[[], bool] = lambda: False
    """True while nothing may be sent (the backlog of updates is not handled yet)."""
    _prepared: dict[tuple[str, int], Body] = field(default_factory=dict)
    _recent: dict[SubjectId, float] = field(default_factory=dict)
    _recorder: Recorder = field(init=False)
    _is_ending: bool = False
    _served: str = ""
    """The occurrence that had its turn last."""

    def __post_init__(self) -> None:
        self._recorder = Recorder(
            database=self.database,
            pace=self.pace,
            flights=self.flights,
            clock=self.clock,
            wake=self.wake,
        )

    async def run(self) -> None:
        """Send until cancelled. Sends that were begun are finished and recorded first."""
        await self._restore_pause()
        async with Supervisor() as tasks:
            recorder = tasks.start(self._recorder.run(), name="delivery results")
            sending = tasks.start(self._send_until_ending(tasks), name="sending")
            try:
                # A cancellation inside a transaction would leave doubt about what was committed,
                # and messages in doubt that were never written: the loop ends by itself.
                await asyncio.shield(sending)
            finally:
                self._is_ending = True
                self.wake.set()
                await self._land(sending, recorder)
                recorder.cancel()

    async def _send_until_ending(self, tasks: Supervisor) -> None:
        while not self._is_ending:
            self.wake.clear()
            try:
                rest_seconds = await self._step(tasks)
            except SQLAlchemyError as error:
                log.error("delivery.storage_failed", **describe(error))
                await asyncio.sleep(STORAGE_RETRY_SECONDS)
            else:
                await self._rest(rest_seconds)

    async def _rest(self, seconds: float) -> None:
        """Rest until `wake`: a campaign has started, or a result was recorded."""
        if seconds == 0 or self._is_ending:
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wake.wait()

    async def _step(self, tasks: Supervisor) -> float:
        """Do what can be done now; return for how many seconds there is nothing more to do."""
        if self.is_held():
            return IDLE_SECONDS
        async with self.database.snapshot() as tx:
            running = await deliveries.running(tx)
        if not running:
            self._recorder.forget()
            self._prepared.clear()
            return IDLE_SECONDS
        worked = False
        for occurrence in self._in_turn(running):
            progress = await self._advance(occurrence, tasks)
            if progress is Progress.BLOCKED:
                # Whose turn it is begins the next step, so that nobody is passed over.
                return await self._wait_for_place()
            self._served = occurrence.occurrence_id
            if progress is Progress.FAILED:
                return STORAGE_RETRY_SECONDS
            worked = worked or progress is Progress.WORKED
        return 0 if worked else self._seconds_until_rested()

    def _in_turn(self, running: list[Running]) -> list[Running]:
        """Begin behind the one that was served last."""
        ids = [occurrence.occurrence_id for occurrence in running]
        first = ids.index(self._served) + 1 if self._served in ids else 0
        return running[first:] + running[:first]

    async def _advance(self, occurrence: Running, tasks: Supervisor) -> Progress:
        if occurrence.is_complete:
            return await self._send_some(occurrence, tasks)
        await self._take_in(occurrence)
        progress = await self._send_some(occurrence, tasks)
        return Progress.WORKED if progress is Progress.NOTHING else progress

    async def _wait_for_place(self) -> float:
        if len(self.flights) >= self.concurrency:
            return IDLE_SECONDS  # woken when a result is recorded
        # A result that is recorded meanwhile frees no place: it must not wake.
        seconds = max(self.pace.seconds_until_due(), SHORTEST_REST_SECONDS)
        await asyncio.sleep(min(seconds, IDLE_SECONDS))
        return 0

    # --- the audience -------------------------------------------------------------------------

    async def _take_in(self, running: Running) -> None:
        now = self.clock()
        async with self.database.transaction() as tx:
            current = await deliveries.still_running(tx, running.occurrence_id)
            if current is None or current.is_complete:
                return
            terms = await notices.terms(tx)
            people = await consents.audience(
                tx, current.purpose_id, terms, now, after=current.cursor, limit=self.audience_chunk
            )
            if people:
                taken = [(_new_id(), person) for person in people]
                await deliveries.add_ready(tx, current.occurrence_id, taken, now)
                await campaigns.set_cursor(tx, current.occurrence_id, people[-1])
            if len(people) < self.audience_chunk:
                await campaigns.move_occurrences(
                    tx,
                    current.campaign_id,
                    OccurrenceState.SENDING,
                    if_in=[OccurrenceState.COLLECTING],
                )

    # --- claim, gate, send --------------------------------------------------------------------

    async def _send_some(self, running: Running, tasks: Supervisor) -> Progress:
        places = self.pace.take(self.concurrency - len(self.flights))
        if not places:
            return Progress.BLOCKED
        progress = await self._depart(running, places, tasks)
        if progress is Progress.NOTHING and running.is_complete:
            return await self._finish_if_done(running)
        return progress

    async def _depart(self, running: Running, places: int, tasks: Supervisor) -> Progress:
        """Claim, then start one flight for each that was cleared."""
        taken: list[tuple[Flight, Cleared]] = []
        try:
            async with self.database.transaction() as tx:
                cleared, suppressed = await gate.claim(
                    tx, running, leaving_alone=self._resting(), limit=places, at=self.clock()
                )
                # Begun before the commit: a withdrawal that comes after it finds them all.
                taken = [(self.flights.begin(one.candidate.subject_id), one) for one in cleared]
        except SQLAlchemyError as error:
            log.error("delivery.storage_failed", **describe(error))
            self.pace.give_back(places)
            # Where the commit did happen after all, the row goes back: nothing was written.
            for flight, one in taken:
                await self._land_unwritten(flight, one, running, "storage_failed")
            return Progress.FAILED
        self.pace.give_back(places - len(taken))
        body = await self._body(running) if taken else None
        for flight, one in taken:
            if body is None:
                self.pace.give_back(1)
                await self._land_unwritten(flight, one, running, "not_prepared")
            else:
                tasks.start(self._fly(flight, one, body, running), name="delivery")
        return Progress.WORKED if taken or suppressed else Progress.NOTHING

    def _resting(self) -> set[SubjectId]:
        """People who got a message of a campaign within the last second, or are getting one."""
        now = asyncio.get_running_loop().time()
        over = [person for person, at in self._recent.items() if now - at >= CHAT_SECONDS]
        for person in over:
            del self._recent[person]
        return set(self._recent) | self.flights.people()

    def _seconds_until_rested(self) -> float:
        """When the first of them may be written to again; oldest first in the dictionary."""
        oldest = next(iter(self._recent.values()), None)
        if oldest is None:
            return IDLE_SECONDS
        left = oldest + CHAT_SECONDS - asyncio.get_running_loop().time()
        return min(max(left, SHORTEST_REST_SECONDS), IDLE_SECONDS)

    async def _body(self, running: Running) -> Body | None:
        """Return the prepared message; None, and the campaign rests, when there is none."""
        key = (running.campaign_id, running.revision)
        if key in self._prepared:
            return self._prepared[key]
        try:
            self._prepared[key] = await self.bodies(running.campaign_id)
        except SQLAlchemyError as error:
            log.error("delivery.storage_failed", **describe(error))
            return None
        except (AssentError, LookupError, ValueError) as error:
            log.error("delivery.not_prepared", campaign=running.campaign_id, **describe(error))
            await self._pause_campaign(running)
            return None
        return self._prepared[key]

    async def _pause_campaign(self, running: Running) -> None:
        with suppress(SQLAlchemyError):  # then it is tried, and paused, once more
            async with self.database.transaction() as tx:
                await campaigns.move(
                    tx,
                    running.campaign_id,
                    CampaignState.PAUSED,
                    if_in=[CampaignState.RUNNING],
                    at=self.clock(),
                    pause_reason=PauseReason.CONTENT_REFUSED,
                )

    async def _fly(self, flight: Flight, cleared: Cleared, body: Body, running: Running) -> None:
        outcome = await self._send(flight, cleared, body)
        if outcome.retry_after is not None:
            self.pace.pause(outcome.retry_after)
        if outcome.stops_sending:
            self.pace.pause(HALT_SECONDS)
            log.error("delivery.stopped", reason=outcome.reason, retry_seconds=HALT_SECONDS)
        if flight.is_written:
            self._recent[cleared.candidate.subject_id] = asyncio.get_running_loop().time()
        flight.landed.set()
        await self._recorder.put(landing(flight, cleared.candidate, running, outcome))

    async def _send(self, flight: Flight, cleared: Cleared, body: Body) -> Outcome:
        """Send once; whatever goes wrong is an outcome, and the place is given back."""
        message = self._addressed(cleared, body)
        if message is None or flight.is_recalled:
            self.pace.give_back(1)
            if flight.is_recalled:
                # Proven unwritten: the request was never begun.
                return Outcome(state=DeliveryState.SUPPRESSED, reason=Standing.WITHDRAWN)
            return Outcome(state=DeliveryState.FAILED, reason="unreadable", is_about_content=True)
        flight.is_written = True
        try:
            return await self.channel.send(message)
        except Exception as error:  # noqa: BLE001 whatever a channel does, this send is in doubt
            log.error("delivery.channel_failed", **describe(error))
            return Outcome(state=DeliveryState.UNCERTAIN, reason="channel_failed")
        finally:
            self.pace.release()

    def _addressed(self, cleared: Cleared, body: Body) -> Prepared | None:
        """Fill in the recipient; None when what is kept of them does not open or does not fit."""
        candidate = cleared.candidate
        try:
            key = self.keyring().unwrap(candidate.key)
            profile = open_json(key, candidate.sealed, candidate.subject_id.encode())
            return body.to(profile["account"], candidate.locale, candidate.delivery_id)
        except (AssentError, LookupError, ValueError) as error:
            log.error("delivery.unreadable", delivery=candidate.delivery_id, **describe(error))
            return None

    async def _land_unwritten(
        self, flight: Flight, cleared: Cleared, running: Running, reason: str
    ) -> None:
        """End a flight that never wrote: its row is ready again."""
        flight.landed.set()
        outcome = Outcome(state=DeliveryState.READY, reason=reason)
        if flight.is_recalled:
            outcome = Outcome(state=DeliveryState.SUPPRESSED, reason=Standing.WITHDRAWN)
        await self._recorder.put(landing(flight, cleared.candidate, running, outcome))

    # --- the end of a campaign --------------------------------------------------------------------

    async def _finish_if_done(self, running: Running) -> Progress:
        now = self.clock()
        async with self.database.transaction() as tx:
            if await deliveries.has_open(tx, running.occurrence_id):
                return Progress.NOTHING
            # A campaign that was paused meanwhile ends when it is resumed, not behind its back.
            done = await campaigns.move(
                tx,
                running.campaign_id,
                CampaignState.FINISHED,
                if_in=[CampaignState.RUNNING],
                at=now,
            )
            if done:
                await campaigns.move_occurrences(
                    tx,
                    running.campaign_id,
                    OccurrenceState.ENDED,
                    if_in=[OccurrenceState.SENDING],
                    ended_at=now,
                )
        return Progress.WORKED

    # --- the end of the program -------------------------------------------------------------------

    async def _land(self, sending: asyncio.Task[None], recorder: asyncio.Task[None]) -> None:
        """Wait for what is on its way: its result must not be lost to a clean shutdown."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LANDING_SECONDS
        while not sending.done() or self.flights:
            if recorder.done() or loop.time() >= deadline:
                return
            await asyncio.sleep(0.01)

    async def _restore_pause(self) -> None:
        async with self.database.snapshot() as tx:
            until = await facts.get_time(tx, Fact.PAUSED_UNTIL)
        if until is not None and (left := (until - self.clock()).total_seconds()) > 0:
            self.pace.pause(left)


def _new_id() -> str:
    return base64.urlsafe_b64encode(os.urandom(16)).rstrip(b"=").decode()
