"""The gate: whoever may not be written to at this moment is suppressed, not sent (promise 1)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent.rules import EntryId, Standing, SubjectId
from storage import consents, deliveries, notices
from storage.deliveries import Candidate, Running


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """A delivery that is now `sending`, with the consent that allowed it."""

    candidate: Candidate
    entry_id: EntryId


async def claim(
    tx: AsyncConnection,
    running: Running,
    *,
    leaving_alone: Collection[str],
    limit: int,
    at: datetime,
) -> tuple[list[Cleared], int]:
    """Take deliveries, read each consent again, let through or suppress: one transaction.

    A withdrawal that was committed before this transaction always wins. Returns what was
    cleared and how many were suppressed.
    """
    terms = await notices.terms(tx)
    candidates = await deliveries.ready(
        tx, running.occurrence_id, leaving_alone=leaving_alone, limit=limit
    )
    if not candidates:
        return [], 0
    decisions = await consents.standings_of(
        tx, [found.subject_id for found in candidates], running.purpose_id, terms, at
    )
    cleared, refused = _sort(candidates, decisions)
    await deliveries.start_sending(tx, [(one.candidate, one.entry_id) for one in cleared], at)
    await deliveries.suppress(tx, refused, at)
    return cleared, len(refused)


def _sort(
    candidates: list[Candidate], decisions: Mapping[SubjectId, tuple[str, EntryId | None]]
) -> tuple[list[Cleared], list[tuple[str, str]]]:
    cleared, refused = [], []
    for candidate in candidates:
        standing, entry_id = decisions[candidate.subject_id]
        if standing == Standing.LIVE and entry_id is not None:
            cleared.append(Cleared(candidate=candidate, entry_id=entry_id))
        else:
            refused.append((candidate.delivery_id, standing))
    return cleared, refused
