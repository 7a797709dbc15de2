"""How long the proof of an answer is kept once its consent has ended."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from bot.consent.purposes import Period
from bot.consent.rules import Consent, ConsentState

STEP: Final = timedelta(milliseconds=1)
"""Instants are stored as whole milliseconds."""
EPOCH: Final = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Term:
    """A span after the end of a consent, in which its proof is kept."""

    period: Period

    def is_over(self, ended_at: datetime, at: datetime) -> bool:
        """Whether what ended then need not be proven any more. The end is exclusive."""
        return self.period.end(ended_at) <= at

    def latest_end(self, at: datetime) -> datetime:
        """Return the last millisecond at which a consent can have ended whose term is over.

        A span of the calendar cannot be subtracted (a month before March 31st): it is looked
        for, because a later start never has an earlier end.
        """
        over, kept = 0, (at - EPOCH) // STEP + 1
        while kept - over > 1:
            middle = (over + kept) // 2
            if self.is_over(EPOCH + middle * STEP, at):
                over = middle
            else:
                kept = middle
        return EPOCH + over * STEP


def ended_at(consent: Consent) -> datetime | None:
    """Return when a consent ended: the refusal, the withdrawal, its own expiry. None: it holds.

    An agreement that was never confirmed has come to nothing; it counts from the answer on.
    """
    if consent.state is ConsentState.GRANTED:
        return None
    if consent.state is ConsentState.EXPIRED:
        return consent.expires_at or consent.since
    return consent.since
