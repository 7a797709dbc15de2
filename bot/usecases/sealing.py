"""Sends are evidence too: an ended occurrence is sealed by one entry over all its deliveries.

Single deliveries append nothing to the log. Each gets a leaf hash at its end; the root over the
leaves is the entry `occurrence.sealed`.
"""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import Clock
from bot.consent.rules import EntryId, SubjectId
from bot.privacy.keyring import KeyMissing
from bot.proof import delivery
from bot.proof.merkle import Frontier
from bot.usecases.events import rfc3339, software
from bot.usecases.journal import Journal
from storage import deliveries, keys, seals
from storage.database import Database
from storage.seals import DeliveryFacts, Ended

CHUNK: Final = 200
"""Deliveries that get their leaves in one transaction: some milliseconds of work."""
DUE: Final = 100
"""Occurrences looked up at a time; the others come with the next look."""
CANCELLED: Final = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedDelivery:
    """One leaf of a seal, opened as far as that is possible."""

    delivery_id: str
    leaf: bytes
    salt: str | None
    """Hexadecimal. None, as is the payload: the person was erased since."""
    payload: dict[str, str] | None


@dataclass(slots=True, kw_only=True)
class _Tree:
    """The leaves of an occurrence, taken together."""

    edge: Frontier = field(default_factory=Frontier)
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealDesk:
    """Seals what has ended, and opens what was sealed."""

    database: Database
    journal: Journal
    chunk: int = CHUNK

    async def due(self) -> list[str]:
        """Occurrences that have ended, are not sealed, and have nothing on its way."""
        async with self.database.snapshot() as tx:
            return await seals.due(tx, limit=DUE)

    async def seal(self, occurrence_id: str, clock: Clock) -> EntryId | None:
        """Seal one occurrence. None: it is not due, or somebody else was first.

        Not one transaction but many short ones: an answer to a person must not wait for the seal
        of a large campaign. A crash between any two of them loses nothing. Leaves are set once and
        the next call goes on; the entry and the mark at the occurrence come together or not at all.
        """
        house = await self._settle(occurrence_id, clock())
        if house is None:
            return None
        await self._put_leaves(occurrence_id, house)
        tree = await self._tree(occurrence_id)
        return None if tree is None else await self._append(occurrence_id, tree, clock())

    async def deliveries(
        self, tx: AsyncConnection, occurrence_id: str
    ) -> AsyncIterator[SealedDelivery]:
        """All deliveries of a sealed occurrence in the order of its leaves, page by page.

        What was changed behind our back is opened all the same, with what the row says now: it
        does not lead to the sealed root, and `verify` finds it.
        """
        house = await self.journal.key(tx, keys.HOUSE)
        if house is None:
            return  # nothing was ever sealed
        async for page in seals.of_occurrence(tx, occurrence_id):
            for facts in page:
                yield self._opened(facts, house.secret)

    # --- sealing ------------------------------------------------------------------------------

    async def _settle(self, occurrence_id: str, at: datetime) -> bytes | None:
        """Return the key of the house for an occurrence that can be sealed, else None.

        A result "not sent" that is recorded while the campaign is cancelled may leave a row ready
        in an occurrence that is over (PostgreSQL: neither transaction sees the other). Nobody
        will ever send it.
        """
        async with self.database.transaction() as tx:
            if not await seals.is_due(tx, occurrence_id):
                return None
            await deliveries.suppress_occurrence(tx, occurrence_id, CANCELLED, at)
            return (await self.journal.house_key(tx)).secret

    async def _put_leaves(self, occurrence_id: str, house: bytes) -> None:
        after = ""
        while True:
            # Read and hashed outside of the transaction: what is final changes only by an erasure,
            # which sets the leaf itself, and then this one is not kept.
            async with self.database.snapshot() as tx:
                page = await seals.without_leaf(tx, occurrence_id, after=after, limit=self.chunk)
            if not page:
                return
            leaves = [(facts.delivery_id, self._leaf(facts, house)) for facts in page]
            async with self.database.transaction() as tx:
                await seals.put_leaves(tx, leaves)
            after = page[-1].delivery_id

    async def _tree(self, occurrence_id: str) -> _Tree | None:
        """Hash the leaves together; None while one is missing. They do not change any more."""
        tree = _Tree()
        async with self.database.snapshot() as tx:
            async for page in seals.leaves(tx, occurrence_id):
                for state, leaf in page:
                    if leaf is None:
                        return None
                    tree.edge.add(leaf)
                    tree.counts[state.value] += 1
        return tree

    async def _append(self, occurrence_id: str, tree: _Tree, at: datetime) -> EntryId | None:
        async with self.database.transaction() as tx:
            # The row is locked: two processes cannot both find it unsealed.
            ended = await seals.lock_unsealed(tx, occurrence_id)
            if ended is None:
                return None
            key = await self.journal.house_key(tx)
            written = await self.journal.write(
                tx, "occurrence.sealed", _seal(ended, tree), at, key=key
            )
            await seals.mark(tx, occurrence_id, written.entry_id)
        return written.entry_id

    # --- leaves -------------------------------------------------------------------------------

    def _own_key(self, facts: DeliveryFacts) -> bytes | None:
        """The key of the person; None: erased, from the row or by the end of an epoch key."""
        if facts.key is None:
            return None
        try:
            return self.journal.keyring().unwrap(facts.key)
        except KeyMissing:
            return None

    def _leaf(self, facts: DeliveryFacts, house: bytes) -> bytes:
        return delivery.leaf(*_opening(facts, self._own_key(facts), house))

    def _opened(self, facts: DeliveryFacts, house: bytes) -> SealedDelivery:
        own = self._own_key(facts)
        salt, payload = _opening(facts, own, house)
        leaf = delivery.leaf(salt, payload)
        # Of somebody erased the leaf was made under a key that is gone, unless it came later.
        is_closed = own is None and facts.leaf not in {None, leaf}
        return SealedDelivery(
            delivery_id=facts.delivery_id,
            leaf=leaf if facts.leaf is None else facts.leaf,
            salt=None if is_closed else salt.hex(),
            payload=None if is_closed else payload,
        )


async def keep_leaves(tx: AsyncConnection, subject_id: SubjectId, secret: bytes) -> None:
    """Set the leaves of what a person was sent, before an erasure empties the rows.

    Afterwards nobody can compute them: the key that salts them is gone. What is not over yet gets
    its leaf at the end, as a delivery to nobody.
    """
    after = ""
    while True:
        page = await seals.of_subject_without_leaf(tx, subject_id, after=after, limit=CHUNK)
        if not page:
            return
        leaves = [
            (facts.delivery_id, delivery.leaf(*_opening(facts, secret, secret))) for facts in page
        ]
        await seals.put_leaves(tx, leaves)
        after = page[-1].delivery_id


def _opening(facts: DeliveryFacts, own: bytes | None, house: bytes) -> tuple[bytes, dict[str, str]]:
    """Return salt and payload of a delivery; without a person's key it is one to nobody."""
    payload = delivery.payload(
        campaign=facts.campaign_id,
        occurrence=facts.occurrence_id,
        delivery=facts.delivery_id,
        purpose=facts.purpose_id,
        state=facts.state.value,
        at=facts.changed_at,
        reason=facts.reason,
        subject=None if own is None else facts.subject_id,
        consent_entry=facts.consent_entry_id,
        message_id=facts.message_id,
    )
    return delivery.salt(house if own is None else own, facts.delivery_id), payload


def _seal(ended: Ended, tree: _Tree) -> dict[str, Any]:
    """What the log keeps of an occurrence; nothing in it is about a person."""
    return {
        "campaign": ended.campaign_id,
        "number": ended.number,
        "revision": ended.revision,
        "content_sha256": ended.content_sha256,
        "purpose": ended.purpose_id,
        "occurrence": ended.occurrence_id,
        "scheduled": ended.wall_time,
        "started": rfc3339(ended.started_at),
        "ended": rfc3339(ended.ended_at),
        "counts": dict(tree.counts),
        "size": tree.edge.size,
        "root": tree.edge.root().hex(),
        "software": software(),
    }
