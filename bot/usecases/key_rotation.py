"""Epoch rotation: everything is wrapped anew, then the old epoch key is destroyed (promise 7).

The order is what makes it safe: the fresh key is on disk before the database demands it, the
database demands it before anything is wrapped anew, and the old key goes last, once nothing
refers to it. A rotation that was cut short is gone on with at any of these steps.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import AssentError
from bot.privacy.envelope import SealBroken, open_sealed, seal
from bot.privacy.keyring import KeyMissing, Keyring
from bot.usecases.inbox import associated
from storage import conversations, inbox, key_changes, keys
from storage.database import Database
from storage.keystore import Keystore

EPOCH_DAYS: Final = 30
"""How long one epoch key wraps; what was erased can be read in older copies until the next."""
EPOCH: Final = timedelta(days=EPOCH_DAYS)
BATCH: Final = 500
"""Rows in one transaction: writers wait for a moment only."""
Progress = Callable[[int, int], None]


class RotationBlocked(AssentError):
    """A data key does not open under the epoch key that is to be destroyed."""


def due_at(store: Keystore) -> datetime:
    """When the present epoch key has wrapped for long enough."""
    return store.made[store.keyring.generation] + EPOCH


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRotation:
    """Replaces the epoch key beside whatever else the program does."""

    database: Database
    keystore: Callable[[], Keystore]
    batch: int = BATCH

    async def rotate(
        self, at: datetime, progress: Progress = lambda _done, _of: None, *, only_due: bool = False
    ) -> bool:
        """Begin a new epoch, or go on with what was cut short; False: nothing was due.

        Raises RotationBlocked; the old key is then kept.
        """
        store = self.keystore()
        if not store.retiring:
            if only_due and at < due_at(store):
                return False
            # Of a program and a command that both find it due, one begins.
            begun = key_changes.begin_epoch(store, at, older_than=at - EPOCH if only_due else None)
            if not begun and not self.keystore().retiring:
                return False
        await self._finish(progress)
        return True

    async def _finish(self, progress: Progress) -> None:
        store = self.keystore()
        retiring, ring = store.retiring, store.keyring
        async with self.database.transaction() as tx:
            if await keys.wrapping_generation(tx, exclusive=True) < ring.generation:
                await keys.set_wrapping_generation(tx, ring.generation)
        # From here on nothing new refers to the old key: whoever wraps was waited for.
        count = _Counted(await self._left(retiring), progress)
        for step, before in ((_rewrap_keys, ""), (_reseal_conversations, b""), (_reseal_inbox, -1)):
            await self._in_batches(step, before, ring, retiring, count)
        await self._destroy(store, retiring)

    async def _in_batches(
        self,
        step: Callable[..., Awaitable[list[Any]]],
        after: Any,
        ring: Keyring,
        retiring: Collection[int],
        count: "_Counted",
    ) -> None:
        while True:
            async with self.database.transaction() as tx:
                done = await step(tx, ring, retiring, after, self.batch)
            count.add(len(done))
            if len(done) < self.batch:
                return
            after = done[-1]

    async def _left(self, retiring: Collection[int]) -> int:
        async with self.database.snapshot() as tx:
            return await _count(tx, retiring)

    async def _destroy(self, store: Keystore, retiring: Collection[int]) -> None:
        async with self.database.transaction() as tx:
            await keys.wrapping_generation(tx, exclusive=True)
            if left := await _count(tx, retiring):
                raise RotationBlocked(
                    f"{left} rows still need the old epoch key; it is kept: run `keys rotate` again"
                )
            # Inside, so that nothing can be written between the look and the end of the key.
            key_changes.destroy_epochs(store, retiring)


class _Counted:
    """How far a rotation is, told as it goes."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def add(self, rows: int) -> None:
        self._done += rows
        self._progress(self._done, max(self._total, self._done))


async def _count(tx: AsyncConnection, retiring: Collection[int]) -> int:
    found = [
        await keys.count_under(tx, retiring),
        await conversations.count_under(tx, retiring),
        await inbox.count_under(tx, retiring),
    ]
    return sum(found)


async def _rewrap_keys(
    tx: AsyncConnection, ring: Keyring, retiring: Collection[int], after: str, limit: int
) -> list[str]:
    page = await keys.page_under(tx, retiring, after=after, limit=limit)
    try:
        fresh = {key_id: ring.wrap(ring.unwrap(wrapped)) for key_id, wrapped in page.items()}
    except KeyMissing as error:
        raise RotationBlocked(
            f"a data key is damaged ({error}), so the old epoch key is kept; "
            "put back an undamaged copy of the database"
        ) from error
    await keys.replace(tx, fresh)
    return list(page)


async def _reseal_conversations(
    tx: AsyncConnection, ring: Keyring, retiring: Collection[int], after: bytes, limit: int
) -> list[bytes]:
    page = await conversations.page_under(tx, retiring, after=after, limit=limit)
    fresh = {lookup: _resealed(ring, *row, lookup) for lookup, row in page.items()}
    for lookup in [lookup for lookup, sealed in fresh.items() if sealed is None]:
        await conversations.remove(tx, lookup)  # it opened for nobody before either
    known = {lookup: sealed for lookup, sealed in fresh.items() if sealed is not None}
    await conversations.reseal(tx, ring.generation, known)
    return list(page)


async def _reseal_inbox(
    tx: AsyncConnection, ring: Keyring, retiring: Collection[int], after: int, limit: int
) -> list[int]:
    page = await inbox.page_under(tx, retiring, after=after, limit=limit)
    fresh = {number: _resealed(ring, *row, associated(number)) for number, row in page.items()}
    if broken := [number for number, sealed in fresh.items() if sealed is None]:
        await inbox.empty(tx, broken)
    known = {number: sealed for number, sealed in fresh.items() if sealed is not None}
    await inbox.reseal(tx, ring.generation, known)
    return list(page)


def _resealed(ring: Keyring, generation: int, sealed: bytes, associated: bytes) -> bytes | None:
    """Seal the same words under the present epoch; None: they open for nobody."""
    try:
        words = open_sealed(ring.epoch(generation), sealed, associated)
    except SealBroken:
        return None
    return seal(ring.epoch_key, words, associated)
