"""When a consent holds, and what an answer makes of it.

Nothing here knows the time, chance or a database: what is decided can be tried for any moment.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NewType

from bot.errors import AssentError, phrase

SubjectId = NewType("SubjectId", str)
PurposeId = NewType("PurposeId", str)
EntryId = NewType("EntryId", str)

PROMPT_LIFETIME: Final = timedelta(hours=24)
UNDO_LIFETIME: Final = timedelta(minutes=10)


class EventKind(StrEnum):
    """What can happen to a consent; each is one entry of the log (promise 2)."""

    GRANTED = "granted"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    IMPORTED = "imported"
    ERASED = "erased"


class ConsentState(StrEnum):
    """What the events so far come to. Only `granted` can ever allow a message."""

    PENDING = "pending"
    """Agreed, not yet confirmed (double opt-in)."""
    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    """Agreed to an older text and answered a newer one since."""


class Reach(StrEnum):
    """Whether Telegram lets us write to a person."""

    REACHABLE = "reachable"
    BLOCKED = "blocked"
    """Blocked the bot, deleted the account or was not found. Not a withdrawal."""
    RETURNED = "returned"
    """Unblocked the bot and has not been told yet that messages resume."""


class Standing(StrEnum):
    """How a person stands to one purpose at one moment: live, or the first reason why not."""

    LIVE = "live"
    NEVER_ASKED = "never_asked"
    UNCONFIRMED = "unconfirmed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    OLDER_TEXT = "older_text"
    PREREQUISITE = "prerequisite"


class ConsentError(AssentError):
    """An answer that cannot be taken as it was given. Nothing has changed."""


class PromptUnknown(ConsentError):
    """The button was made for somebody else, or never made by us."""

    message_key = phrase("This button is not for you. Send /start to see your own choices.")


class PromptOver(ConsentError):
    """The prompt ended, or its text is no longer the current one. The person is asked anew."""

    message_key = phrase("This question is no longer current. Here is the present one.")


class PrerequisiteMissing(ConsentError):
    """What the purpose requires is not agreed to. `detail` is the required purpose's id."""

    message_key = phrase("This needs another consent first. Send /subscriptions to see it.")


class UndoOver(ConsentError):
    """More than ten minutes have passed, or the choice was changed since."""

    message_key = phrase("It is too late to undo this. Send /subscriptions to subscribe again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """How the events of one subject and purpose stand, as they were stored last."""

    purpose_id: PurposeId
    state: ConsentState
    entry_id: EntryId
    notice_version: int
    locale: str
    since: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a consent to one purpose must meet to hold now."""

    version: int
    """The version in force."""
    accepted: frozenset[int]
    """Versions whose holders need not be asked again: the changes since were editorial."""
    requires: tuple[PurposeId, ...]
    """All prerequisites, transitively."""


ENDED: Final = {
    ConsentState.REFUSED: Standing.REFUSED,
    ConsentState.WITHDRAWN: Standing.WITHDRAWN,
    ConsentState.EXPIRED: Standing.EXPIRED,
    ConsentState.SUPERSEDED: Standing.OLDER_TEXT,
    ConsentState.PENDING: Standing.UNCONFIRMED,
}

OUTCOMES: Final = {
    EventKind.CONFIRMED: ConsentState.GRANTED,
    EventKind.REFUSED: ConsentState.REFUSED,
    EventKind.WITHDRAWN: ConsentState.WITHDRAWN,
    EventKind.EXPIRED: ConsentState.EXPIRED,
    EventKind.SUPERSEDED: ConsentState.SUPERSEDED,
}


def own_standing(consent: Consent | None, terms: Terms, at: datetime) -> Standing:
    """Judge one consent by itself, its prerequisites left aside. An expiry is exclusive."""
    if consent is None:
        return Standing.NEVER_ASKED
    if consent.state is not ConsentState.GRANTED:
        return ENDED[consent.state]
    if consent.expires_at is not None and at >= consent.expires_at:
        return Standing.EXPIRED
    if consent.notice_version not in terms.accepted:
        return Standing.OLDER_TEXT
    return Standing.LIVE


def standing(
    purpose_id: PurposeId,
    consents: Mapping[PurposeId, Consent],
    terms: Mapping[PurposeId, Terms],
    at: datetime,
) -> Standing:
    """Say whether a person may be written to under a purpose, or why not (promise 1).

    A purpose without terms is no longer offered: nothing may be sent under it.
    """
    if purpose_id not in terms:
        return Standing.OLDER_TEXT
    own = own_standing(consents.get(purpose_id), terms[purpose_id], at)
    if own is not Standing.LIVE:
        return own
    if missing_prerequisite(purpose_id, consents, terms, at) is not None:
        return Standing.PREREQUISITE
    return Standing.LIVE


def missing_prerequisite(
    purpose_id: PurposeId,
    consents: Mapping[PurposeId, Consent],
    terms: Mapping[PurposeId, Terms],
    at: datetime,
) -> PurposeId | None:
    """Return the first prerequisite that does not hold, or None."""
    for required in terms[purpose_id].requires:
        if required not in terms:
            return required
        if own_standing(consents.get(required), terms[required], at) is not Standing.LIVE:
            return required
    return None


def state_after(event: EventKind, *, double_opt_in: bool = False) -> ConsentState:
    """What an event makes of a consent. A grant waits where the purpose asks for confirmation."""
    if event is EventKind.GRANTED:
        return ConsentState.PENDING if double_opt_in else ConsentState.GRANTED
    return OUTCOMES[event]


def is_open(consent: Consent | None) -> bool:
    """Whether there is something that a withdrawal would end."""
    return consent is not None and consent.state in {ConsentState.GRANTED, ConsentState.PENDING}


def is_over(consent: Consent, at: datetime) -> bool:
    """Whether the time of something still open has passed; its end is exclusive."""
    return is_open(consent) and consent.expires_at is not None and at >= consent.expires_at


def declining(consent: Consent | None) -> EventKind:
    """Name a "no": what was agreed to is withdrawn, what was not is refused."""
    return EventKind.WITHDRAWN if is_open(consent) else EventKind.REFUSED
