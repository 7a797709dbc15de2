"""The states of campaigns, occurrences and deliveries, and the moves between them."""

from enum import StrEnum
from typing import Final


class CampaignState(StrEnum):
    """Where a campaign stands."""

    DRAFT = "draft"
    """Being written; may change."""
    SCHEDULED = "scheduled"
    """Confirmed; waits for its time."""
    RUNNING = "running"
    PAUSED = "paused"
    """Rests, by the operator's wish or by a rule of ours; can go on."""
    FINISHED = "finished"
    CANCELLED = "cancelled"


class OccurrenceState(StrEnum):
    """Where one firing of a campaign stands."""

    COLLECTING = "collecting"
    """Its audience is still being taken in; what is taken in is being sent already."""
    SENDING = "sending"
    """The audience is complete."""
    ENDED = "ended"


class DeliveryState(StrEnum):
    """Where one message to one person stands."""

    PLANNED = "planned"
    """Known, not yet due."""
    READY = "ready"
    LEASED = "leased"
    """Held by a sender that has not committed to send it."""
    SENDING = "sending"
    """Committed: the request may be on the wire."""
    SENT = "sent"
    FAILED = "failed"
    """Telegram said no (400, 403), or the message could not be made."""
    SUPPRESSED = "suppressed"
    """Not sent, because it must not be."""
    UNCERTAIN = "uncertain"
    """Nobody knows whether it arrived; never silently sent again (promise 5)."""


_D = DeliveryState
DELIVERY_MOVES: Final = {
    _D.PLANNED: {_D.READY, _D.SUPPRESSED, _D.UNCERTAIN},
    _D.READY: {_D.LEASED, _D.SENDING, _D.SUPPRESSED, _D.UNCERTAIN},
    _D.LEASED: {_D.READY, _D.SENDING, _D.SUPPRESSED, _D.UNCERTAIN},
    _D.SENDING: {_D.SENT, _D.READY, _D.SUPPRESSED, _D.FAILED, _D.UNCERTAIN},
    _D.SENT: set[DeliveryState](),
    _D.FAILED: set[DeliveryState](),
    _D.SUPPRESSED: set[DeliveryState](),
    _D.UNCERTAIN: set[DeliveryState](),
}
"""`ready` goes straight to `sending` where one transaction claims, gates and commits to send.

What was not begun becomes `uncertain` only by a restore: the copy does not know what came after.
"""

_C = CampaignState
CAMPAIGN_MOVES: Final = {
    _C.DRAFT: {_C.SCHEDULED, _C.RUNNING, _C.CANCELLED},
    _C.SCHEDULED: {_C.RUNNING, _C.PAUSED, _C.CANCELLED},
    _C.RUNNING: {_C.PAUSED, _C.FINISHED, _C.CANCELLED},
    _C.PAUSED: {_C.SCHEDULED, _C.RUNNING, _C.CANCELLED},
    _C.FINISHED: set[CampaignState](),
    _C.CANCELLED: set[CampaignState](),
}


def sources(to: CampaignState) -> set[CampaignState]:
    """From where a campaign may come into a state."""
    return {state for state, targets in CAMPAIGN_MOVES.items() if to in targets}
