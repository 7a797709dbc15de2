"""What to ask next, and what to leave in peace."""

from collections.abc import Mapping, Sequence
from typing import Final

from bot.consent.rules import PurposeId, Standing

UNANSWERED: Final = frozenset(
    {Standing.NEVER_ASKED, Standing.OLDER_TEXT, Standing.EXPIRED, Standing.UNCONFIRMED}
)
"""Not refused and not withdrawn: only these are asked without the person wishing it."""


def next_question(
    order: Sequence[PurposeId],
    standings: Mapping[PurposeId, Standing],
    requires: Mapping[PurposeId, Sequence[PurposeId]],
) -> PurposeId | None:
    """Return the first unanswered purpose whose prerequisites all hold; None: nothing to ask."""
    for purpose_id in order:
        ready = all(standings[required] is Standing.LIVE for required in requires[purpose_id])
        if standings[purpose_id] in UNANSWERED and ready:
            return purpose_id
    return None
