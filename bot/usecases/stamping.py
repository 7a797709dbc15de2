"""Letting others witness the log: an authority that stamps checkpoints, a channel that shows them.

The network is asked between two transactions, never inside of one. What fails leaves nothing
behind and is tried again.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import AssentError
from bot.proof import checkpoint, stamp
from bot.proof.errors import ProofError
from bot.proof.note import VerifierKey
from bot.proof.stamp import Stamp
from storage import log, stamps
from storage.database import Database
from storage.stamps import StoredPosting, StoredStamp

Ask = Callable[[bytes], Awaitable[bytes]]
"""Takes a TimeStampReq to the authority and returns its answer. Raises NotStamped."""


class NotStamped(AssentError):
    """The authority did not answer, or its answer is no stamp of what it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamping:
    """Asks one time authority to stamp the newest signed checkpoint (RFC 3161)."""

    database: Database
    authority: str
    """The address, as it is kept beside each stamp."""
    ask: Ask
    every: timedelta
    """The least time between two stamps."""
    roots: bytes | None = None
    """PEM; then a token that does not lead there is not kept."""

    async def is_due(self, at: datetime) -> bool:
        """Whether the log grew since the last stamp, and that is old enough."""
        async with self.database.snapshot() as tx:
            last = await stamps.latest(tx, self.authority)
            size = (await log.head(tx)).size
        if last is None:
            return True
        # Either way: an authority whose clock was ahead must not silence us until then.
        return size > last.size and abs(at - last.stamped_at) >= self.every

    async def stamp(self) -> StoredStamp | None:
        """Have the newest checkpoint stamped; None: there is none that is not stamped yet.

        Raises NotStamped; then nothing is kept.
        """
        async with self.database.snapshot() as tx:
            newest = await log.latest_checkpoint(tx)
            last = await stamps.latest(tx, self.authority)
        if newest is None or (last is not None and last.size >= newest[0]):
            return None
        size, note = newest
        token, checked = await ask_for_stamp(self.ask, note.encode(), self.roots)
        made = StoredStamp(
            size=size, authority=self.authority, note=note, token=token, stamped_at=checked.at
        )
        async with self.database.transaction() as tx:
            await stamps.add(tx, made)
        return made


async def ask_for_stamp(ask: Ask, note: bytes, roots: bytes | None) -> tuple[bytes, Stamp]:
    """Have a note stamped; return the checked token, which is kept nowhere. Raises NotStamped."""
    asked = stamp.request(note)
    answer = await ask(asked)
    try:
        token = stamp.token_of(answer, asked)
        return token, stamp.verify_token(token, note, None if roots is None else [roots])
    except ProofError as error:
        raise NotStamped(f"no stamp of what was asked: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """Keeps which checkpoints were shown in a public channel: one a UTC day in which it grew."""

    database: Database
    channel: str

    async def due(self, at: datetime) -> tuple[int, str] | None:
        """Return size and note of the checkpoint to post now; None: nothing is to be posted."""
        async with self.database.snapshot() as tx:
            newest = await log.latest_checkpoint(tx)
            last = await stamps.latest_posting(tx, self.channel)
        if newest is None:
            return None
        if last is not None and (newest[0] <= last.size or _day(last.posted_at) >= _day(at)):
            return None
        return newest

    async def record(self, size: int, note: str, message_id: int, posted_at: datetime) -> None:
        made = StoredPosting(
            channel=self.channel, message_id=message_id, size=size, note=note, posted_at=posted_at
        )
        async with self.database.transaction() as tx:
            await stamps.put_posting(tx, made)


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()


async def best_checkpoint(
    tx: AsyncConnection, index: int, key: VerifierKey
) -> tuple[int, str, Sequence[StoredStamp]] | None:
    """Return the checkpoint that proves an entry best: size, note, and the stamps over that note.

    That is the newest stamped one that holds the entry and was signed with this key; where there
    is none, the newest, without stamps. None: no checkpoint holds the entry yet.
    """
    for found in (await stamps.latest_stamped(tx), await log.latest_checkpoint(tx)):
        if found is None or found[0] <= index or not _is_signed(found[1], key):
            continue
        size, note = found
        return size, note, await stamps.of_checkpoint(tx, size, note)
    return None


def _is_signed(note: str, key: VerifierKey) -> bool:
    try:
        checkpoint.verify(note.encode(), key)
    except ProofError:
        return False
    return True
