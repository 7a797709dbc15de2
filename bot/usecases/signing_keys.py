"""Who signs the log: another key of the same log, or a new log after a loss.

The key in waiting is on disk before the log names it, and takes over with the first tree that
it signs. Cut short anywhere, the same command or the next signature goes on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import AssentError
from bot.proof import entry
from bot.proof.key_change import LostLog
from bot.proof.note import VerifierKey, parse_key
from bot.usecases.checkpoints import Signer
from bot.usecases.events import software
from bot.usecases.journal import Journal
from storage import facts, key_changes, keys, log
from storage.database import Database
from storage.facts import Fact
from storage.keystore import Keystore, SignedTree


class NothingLost(AssentError):
    """The log continues what was signed last: there is no reason for a new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What is gone when the log does not continue what was signed last."""

    signed: SignedTree
    """The last signature that is known."""
    agreed: int
    """So many entries are certainly those that were signed: a checkpoint of them is there."""
    agreed_until: str | None
    """Time of the last of them (RFC 3339); None: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeys:
    """Changes the key that signs, with an entry in which the old one names the new."""

    database: Database
    keystore: Callable[[], Keystore]
    journal: Journal
    signer: Signer

    async def change(self, at: datetime) -> VerifierKey:
        """Let a fresh key sign from the next checkpoint on. Raises TreeRolledBack."""
        waiting = self.keystore().successor
        # What the old key has to vouch for; and a log that cannot be signed gets no new key.
        await self.signer.sign(at)
        if waiting is not None and waiting.vkey == str(self.signer.key):
            return self.signer.key  # an earlier change was cut short, and this ended it
        await self._succeed(None, at)
        await self.signer.sign(at)
        return self.signer.key

    async def loss(self) -> Loss:
        """Say what is lost. Raises NothingLost."""
        standing = await self.signer.standing()
        if standing.last is None or standing.continues:
            raise NothingLost(
                f"nothing is lost: the log has {standing.head.size} entries and continues what was "
                "signed last; it goes on by itself"
            )
        kept = standing.kept
        async with self.database.snapshot() as tx:
            is_whole = kept is not None and kept.size <= standing.head.size
            agreed = kept.size if kept is not None and is_whole else 0
            if kept is not None and await log.root_at(tx, agreed) != kept.root:
                agreed = 0
            found = await log.entries_by_index(tx, [agreed - 1])
        return Loss(
            signed=standing.last,
            agreed=agreed,
            agreed_until=entry.parse(found[0].hashed).time if found else None,
        )

    async def continue_after(self, loss: Loss, at: datetime) -> VerifierKey:
        """Begin a new log with the entries that are left; its first entry names what is lost."""
        origin = self.keystore().origin
        await self._succeed(
            LostLog(
                origin=origin,
                size=loss.signed.size,
                root=loss.signed.root,
                agreed=min(loss.agreed, loss.signed.size),
            ),
            at,
        )
        await self.signer.sign(at)
        return self.signer.key

    async def _succeed(self, lost: LostLog | None, at: datetime) -> None:
        async with self.database.snapshot() as tx:
            signer = await facts.get(tx, Fact.SIGNING_KEY)
        successor = key_changes.prepare_successor(self.keystore(), signer, lost=lost)
        async with self.database.transaction() as tx:
            await keys.wrapping_generation(tx, exclusive=True)  # one change of keys at a time
            signer = await facts.get(tx, Fact.SIGNING_KEY)
            if signer == successor.vkey:
                return  # the entry was written before a crash
            for change in self._missing(signer):
                await self._write(tx, change, at)
            await self._write(tx, dict(successor.change), at)
            await facts.put(tx, Fact.LOG_ORIGIN, successor.origin)

    def _missing(self, signer: str | None) -> list[dict[str, object]]:
        """Return earlier changes that the log has lost: without them the chain would break."""
        changes = [dict(change) for change in self.keystore().changes]
        named = [change["new"] for change in changes]
        return changes[named.index(signer) + 1 :] if signer in named else changes

    async def _write(self, tx: AsyncConnection, change: dict[str, object], at: datetime) -> None:
        payload = {**change, "software": software()}
        await self.journal.write(tx, "key.changed", payload, at, key=None)
        await facts.put(tx, Fact.SIGNING_KEY, str(parse_key(str(change["new"]))))
