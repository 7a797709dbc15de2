"""What can go wrong between a bot and Telegram, on demand."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

WINDOW_SECONDS: Final = 1.0


class FaultKind(StrEnum):
    """How a call fails."""

    REPLY = "reply"
    """Answered with `status` and `body`; nothing was done."""
    RESET_BEFORE = "reset_before"
    """The connection ends; nothing was done."""
    RESET_AFTER = "reset_after"
    """It was done; the connection ends without an answer."""
    HANG = "hang"
    """It was done; for `seconds` no answer comes, then the connection ends."""
    TRUNCATED = "truncated"
    """It was done; the answer is cut in the middle."""
    DELAY = "delay"
    """It is done, `seconds` later."""


@dataclass(slots=True, kw_only=True)
class Fault:
    """One planned failure, for the next `times` calls that fit."""

    kind: FaultKind
    method: str | None = None
    chat_id: int | None = None
    times: int = 1
    status: int = 500
    body: bytes = b""
    seconds: float = 0.0

    def fits(self, method: str, chat_id: Any) -> bool:
        return self.times > 0 and self.method in {None, method} and self.chat_id in {None, chat_id}


@dataclass(slots=True)
class Hold:
    """Calls of a method that wait until they are released."""

    method: str
    entered: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        self.gate.set()


@dataclass(slots=True)
class RateLimit:
    """At most `per_second` calls in any window of a second; beyond it 429."""

    per_second: int
    seen: deque[float] = field(default_factory=deque)
    refused: int = 0

    def admits(self, now: float) -> bool:
        while self.seen and now - self.seen[0] >= WINDOW_SECONDS:
            self.seen.popleft()
        if len(self.seen) >= self.per_second:
            self.refused += 1
            return False
        self.seen.append(now)
        return True
