"""What an operator wants said, to whom it may be said, and when: the records of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from bot.campaigns.content import Content
from bot.campaigns.states import CampaignState, DeliveryState, OccurrenceState
from bot.errors import AssentError, phrase


class PauseReason(StrEnum):
    """Why a campaign rests; shown to the operator in words."""

    OPERATOR = "operator"
    CONTENT_REFUSED = "content_refused"
    """The first recipients all got the same error about the content."""
    OUTAGE = "outage"
    """Updates were not fetched for so long that withdrawals may be missing."""
    MISSED = "missed"
    """Its time passed while the program did not run."""
    RESTORED = "restored"
    """The database was put back from a copy: who left or got it since then is not known."""
    NOTICE_CHANGED = "notice_changed"
    """The purpose's text changed between scheduling and start."""


class CampaignError(AssentError):
    """Something asked of a campaign that its state does not allow. Nothing has changed."""

    message_key = phrase("This is no longer possible for this campaign. Send /campaigns to see it.")


class CampaignUnknown(CampaignError):
    """There is no such campaign."""

    message_key = phrase("This campaign does not exist any more. Send /campaigns to see them all.")


class CampaignChanged(CampaignError):
    """What was previewed is not what would be sent: the message was changed since."""

    message_key = phrase(
        "The message was changed after this preview. Look at the newest one and use its buttons."
    )


class AdvertisingHeld(CampaignError):
    """A copy of the database was put back: advertising waits until an admin confirms."""

    message_key = phrase(
        "The database was put back from a copy, and whoever left since then is not known. "
        "Advertising waits until an admin has confirmed that it may go on: /campaigns"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who wrote a campaign and is told how it goes. `repr` is empty: it must not reach a log."""

    NOBODY: ClassVar = ""
    """The account of an author who was erased: the campaign stays, its author does not."""

    account: str
    locale: str

    @property
    def is_nobody(self) -> bool:
        return self.account == self.NOBODY

    def __repr__(self) -> str:
        return "Author(…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A message, its purpose and time. What was confirmed (`content_sha256`) is what is sent."""

    id: str
    number: int
    revision: int
    state: CampaignState
    purpose_id: str
    content: Content
    content_sha256: str
    erid: str | None
    author: Author
    created_at: datetime
    starts_at: datetime | None = None
    wall_time: str | None = None
    schedule_revision: int = 0
    pause_reason: PauseReason | None = None
    progress_message_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One firing of a campaign."""

    id: str
    campaign_id: str
    state: OccurrenceState
    started_at: datetime
    ended_at: datetime | None
    cursor: str | None
    """The last subject that was taken into the audience; None: none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of an occurrence, counted."""

    by_state: Mapping[DeliveryState, int] = field(default_factory=dict)
    suppressed_by_reason: Mapping[str, int] = field(default_factory=dict)
    failed_by_reason: Mapping[str, int] = field(default_factory=dict)
    left: int = 0
    """People who withdrew with the button under this message."""

    def count(self, *states: DeliveryState) -> int:
        return sum(self.by_state.get(state, 0) for state in states)

    @property
    def total(self) -> int:
        return sum(self.by_state.values())

    @property
    def open(self) -> int:
        """Deliveries that can still change by themselves."""
        return self.count(
            DeliveryState.PLANNED,
            DeliveryState.READY,
            DeliveryState.LEASED,
            DeliveryState.SENDING,
        )
