"""Signing the log: size and root, never of a log that forks or shrinks."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.proof import checkpoint
from bot.proof.checkpoint import Checkpoint
from bot.proof.errors import ProofError
from bot.proof.note import VerifierKey
from storage import facts, log
from storage.database import Database
from storage.facts import Fact
from storage.keystore import Keystore, SignedTree, TreeRolledBack, larger
from storage.log import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The log beside what was signed last, as one snapshot of the database shows them."""

    head: Head
    last: SignedTree | None
    """The larger of what the keystore and the database know."""
    kept: SignedTree | None
    """What the database itself knows of that."""
    root_then: bytes | None
    """The root that the log had at that size; None: it is shorter."""
    signer: str | None
    """The verifier key that the log names, if the key was ever changed."""

    @property
    def continues(self) -> bool:
        """Whether the log begins with what was signed last."""
        return self.last is None or self.root_then == self.last.root


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Vouches for the log with the key of the keystore."""

    database: Database
    keystore: Callable[[], Keystore]

    @property
    def key(self) -> VerifierKey:
        return self.keystore().key

    async def sign(self, at: datetime) -> tuple[Checkpoint, str]:
        """Return the log as it stands and the signed note of it. Raises TreeRolledBack."""
        while True:
            opened = self.keystore()
            last = opened.last_signed()
            try:
                current, signed = await self._sign_after(opened, last, at)
                break
            except TreeRolledBack:
                # Somebody signed a longer log while we read ours: read again.
                if opened.last_signed() == last:
                    raise
        async with self.database.transaction() as tx:
            await log.put_checkpoint(tx, current.size, signed, at)
        return current, signed

    async def has_grown(self) -> bool:
        """Whether there is something to sign since the last time."""
        standing = await self.standing()
        return standing.last is None or standing.head.size != standing.last.size

    async def fallen_behind(self) -> str | None:
        """Return the last signed tree if the log does not continue it: a copy was put back."""
        standing = await self.standing()
        if standing.last is None or standing.continues:
            return None
        return f"{standing.last.size} {standing.last.root.hex()}"

    async def standing(self) -> Standing:
        opened = self.keystore()
        return await self._stand(opened, opened.last_signed())

    async def _stand(self, opened: Keystore, filed: SignedTree | None) -> Standing:
        async with self.database.snapshot() as tx:
            head = await log.head(tx)
            signer = await facts.get(tx, Fact.SIGNING_KEY)
            origin = opened.origin
            if opened.successor is not None and opened.is_succeeded(signer):
                # What was lost is named by the entry that began the new log: nothing is behind.
                filed = None if opened.successor.is_after_loss else filed
                origin = opened.successor.origin
            kept = await self._kept(tx, opened, origin)
            last = larger(filed, kept)
            root_then = (
                await log.root_at(tx, last.size)
                if last is not None and last.size <= head.size
                else None
            )
        return Standing(head=head, last=last, kept=kept, root_then=root_then, signer=signer)

    async def _kept(self, tx: AsyncConnection, opened: Keystore, origin: str) -> SignedTree | None:
        """Return the last checkpoint of the database, if a key of ours signed it for this log.

        It counts where an older copy of the keystore was put back.
        """
        found = await log.latest_checkpoint(tx)
        if found is None:
            return None
        for key in (opened.key, *opened.former_keys):
            with suppress(ProofError):
                known = checkpoint.verify(found[1].encode(), key)
                if known.origin == origin:
                    return SignedTree(size=known.size, root=known.root)
        return None

    async def _sign_after(
        self, opened: Keystore, filed: SignedTree | None, at: datetime
    ) -> tuple[Checkpoint, str]:
        standing = await self._stand(opened, filed)
        head, last = standing.head, standing.last
        async with self.database.snapshot() as tx:
            if head.root != await log.root_at(tx, head.size):
                raise TreeRolledBack("the head of the log does not follow from its entries")
        signed_as: list[Checkpoint] = []

        def sign(origin: str, seed: bytes) -> str:
            signed_as.append(Checkpoint(origin=origin, size=head.size, root=head.root))
            return checkpoint.sign(signed_as[0], seed)

        signed = opened.sign_tree(
            SignedTree(size=head.size, root=head.root, at=at),
            extends=lambda before: before == last and standing.root_then == before.root,
            sign=sign,
            seen=last,
            signer=standing.signer,
        )
        return signed_as[0], signed
