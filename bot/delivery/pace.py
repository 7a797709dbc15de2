"""How fast the bot may speak: all of what Telegram permits, and never more.

A send counts from its write until one second after its answer, because Telegram sees it at some
moment between the two. Answers to people take part in the count and go first; messages of
campaigns are spread evenly, so that an answer never waits behind a burst of them.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

WINDOW_SECONDS: Final = 1.0
CATCH_UP_SECONDS: Final = 0.1
"""A campaign that comes late may make up for this much, or every late wake-up would cost speed."""
ROUNDING: Final = 1e-6


class Pace:
    """A sliding window over everything this bot sends."""

    def __init__(self, rate: float, *, now: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.capacity = max(1, int(rate))
        self.window = max(WINDOW_SECONDS, 1 / rate)
        self._now = now
        self._in_use = 0
        self._cooling: deque[float] = deque()
        self._waiting_answers = 0
        self._turn = asyncio.Lock()
        self._next_due = 0.0
        """When the next message of a campaign may start."""
        self._resumes_at = 0.0

    # --- answers ------------------------------------------------------------------------------

    @asynccontextmanager
    async def answer(self, messages: int = 1) -> AsyncIterator[None]:
        """Hold the places of one answer to a person; waits its turn, before any campaign.

        An album is one answer of several messages. One that is larger than what the rate permits
        at a time takes all there is, and its places cool that much longer.
        """
        held = min(messages, self.capacity)
        await self._wait_for_places(held)
        try:
            yield
        finally:
            self._in_use -= held
            now = self._now()
            rounds = (1 + number // self.capacity for number in range(messages))
            self._cooling.extend(now + self.window * waited for waited in rounds)

    async def _wait_for_places(self, wanted: int) -> None:
        self._waiting_answers += 1
        try:
            async with self._turn:  # first come, first served: asyncio.Lock is fair
                while self.pause_left or self._used() + wanted > self.capacity:
                    await asyncio.sleep(max(self.seconds_until_free(), 0.001))
                self._in_use += wanted
        finally:
            self._waiting_answers -= 1

    # --- campaigns ----------------------------------------------------------------------------

    def take(self, wanted: int) -> int:
        """Take up to `wanted` places for messages of campaigns, now; return how many."""
        now = self._now()
        if self._waiting_answers or not self._has_place():
            return 0
        self._next_due = max(self._next_due, now - CATCH_UP_SECONDS)
        late = (now - self._next_due) * self.rate
        due = int(late + ROUNDING) + 1 if late > -ROUNDING else 0
        taken = max(0, min(wanted, due, self.capacity - self._used()))
        self._next_due += taken / self.rate
        self._in_use += taken
        return taken

    def give_back(self, unused: int) -> None:
        """Return places that were taken and not used: nothing was written for them."""
        self._in_use -= unused
        self._next_due -= unused / self.rate

    def release(self) -> None:
        """End one send: its place stays taken for the rest of the window."""
        self._in_use -= 1
        self._cooling.append(self._now() + self.window)

    # --- pauses -------------------------------------------------------------------------------

    def pause(self, seconds: float) -> None:
        """Rest altogether: Telegram said 429 (Bot API, ResponseParameters: retry_after)."""
        self._resumes_at = max(self._resumes_at, self._now() + seconds)

    @property
    def pause_left(self) -> float:
        return max(0.0, self._resumes_at - self._now())

    # --- the window ---------------------------------------------------------------------------

    def _used(self) -> int:
        now = self._now()
        while self._cooling and self._cooling[0] <= now:
            self._cooling.popleft()
        return self._in_use + len(self._cooling)

    def _has_place(self) -> bool:
        return self.pause_left == 0 and self._used() < self.capacity

    def seconds_until_free(self) -> float:
        """How long at least until a place can be free; 0 when one may be free now."""
        if self.pause_left:
            return self.pause_left
        if self._used() < self.capacity:
            return 0.0
        return max(0.0, self._cooling[0] - self._now()) if self._cooling else 0.01

    def seconds_until_due(self) -> float:
        """How long until a campaign may start its next message."""
        return max(self.seconds_until_free(), self._next_due - self._now(), 0.0)
