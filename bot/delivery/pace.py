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
BURST_SECONDS: Final = 0.05
"""A campaign may catch up on this much, so that one wake-up can start several sends."""


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
        self._broadcast_due = 0.0
        self._resumes_at = 0.0

    # --- answers ------------------------------------------------------------------------------

    @asynccontextmanager
    async def answer(self) -> AsyncIterator[None]:
        """Hold a place for one answer to a person; waits its turn, before any campaign."""
        await self._wait_for_place()
        try:
            yield
        finally:
            self.release()

    async def _wait_for_place(self) -> None:
        self._waiting_answers += 1
        try:
            async with self._turn:  # first come, first served: asyncio.Lock is fair
                while not self._has_place():
                    await asyncio.sleep(max(self.seconds_until_free(), 0.001))
                self._in_use += 1
        finally:
            self._waiting_answers -= 1

    # --- campaigns ----------------------------------------------------------------------------

    def take(self, wanted: int) -> int:
        """Take up to `wanted` places for messages of campaigns, now; return how many."""
        now = self._now()
        if self._waiting_answers or not self._has_place():
            return 0
        burst = max(1, int(self.rate * BURST_SECONDS))
        self._broadcast_due = max(self._broadcast_due, now - burst / self.rate)
        due = int((now - self._broadcast_due) * self.rate)
        taken = min(wanted, due, self.capacity - self._used())
        if taken > 0:
            self._broadcast_due += taken / self.rate
            self._in_use += taken
        return max(taken, 0)

    def give_back(self, unused: int) -> None:
        """Return places that were taken and not used: nothing was written for them."""
        self._in_use -= unused

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
        due = self._broadcast_due + 1 / self.rate - self._now()
        return max(self.seconds_until_free(), due, 0.0)
