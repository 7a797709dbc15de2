"""The narrow interface to a messenger: send one prepared body, classify what came of it.

Another messenger is another implementation of `Channel`; nothing else of the delivery changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bot.campaigns.states import DeliveryState


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A message ready to be sent: the call and its fields. `repr` is empty, it is personal."""

    method: str
    fields: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Prepared({self.method})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one send: the state it leads to, and what else follows from it."""

    state: DeliveryState
    reason: str | None = None
    message_id: int | None = None
    retry_after: float | None = None
    """Seconds for which the whole bot must rest (Bot API, ResponseParameters)."""
    is_unreachable: bool = False
    """The person blocked the bot or is gone: no more to them until they return."""
    is_about_content: bool = False
    """The messenger refused the message itself; it would refuse it to everybody."""
    stops_sending: bool = False
    """The bot's own right to send is in question (401, 404, 409)."""


class Channel(Protocol):
    """A messenger, as far as delivery knows it."""

    async def send(self, message: Prepared) -> Outcome:
        """Send once, never retry. Doubt is an outcome (`uncertain`), not an error."""
        ...

    async def close(self) -> None: ...
