"""Signing the log: size and root, never of a log that forks or shrinks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bot.proof import checkpoint, note
from bot.proof.checkpoint import Checkpoint
from bot.proof.note import VerifierKey
from storage import log
from storage.database import Database
from storage.keystore import Keystore, SignedTree, TreeRolledBack


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Vouches for the log with the key of the keystore."""

    database: Database
    keystore: Callable[[], Keystore]

    @property
    def key(self) -> VerifierKey:
        opened = self.keystore()
        return note.verifier_key(opened.origin, opened.keyring.signing_seed)

    async def sign(self, at: datetime) -> tuple[Checkpoint, str]:
        """Return the log as it stands and the signed note of it. Raises TreeRolledBack."""
        opened = self.keystore()
        while True:
            last = opened.last_signed()
            try:
                current, signed = await self._sign_after(opened, last)
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
        last = self.keystore().last_signed()
        async with self.database.snapshot() as tx:
            return last is None or (await log.head(tx)).size != last.size

    async def fallen_behind(self) -> str | None:
        """Return the last signed tree if the log does not continue it: a copy was put back."""
        last = self.keystore().last_signed()
        if last is None:
            return None
        async with self.database.snapshot() as tx:
            head = await log.head(tx)
            if head.size >= last.size and await log.root_at(tx, last.size) == last.root:
                return None
        return f"{last.size} {last.root.hex()}"

    async def _sign_after(
        self, opened: Keystore, last: SignedTree | None
    ) -> tuple[Checkpoint, str]:
        async with self.database.snapshot() as tx:
            head = await log.head(tx)
            if head.root != await log.root_at(tx, head.size):
                raise TreeRolledBack("the head of the log does not follow from its entries")
            root_then = (
                await log.root_at(tx, last.size)
                if last is not None and last.size <= head.size
                else None
            )
        current = Checkpoint(origin=opened.origin, size=head.size, root=head.root)
        signed = opened.sign_tree(
            SignedTree(size=head.size, root=head.root),
            extends=lambda before: before == last and root_then == before.root,
            sign=lambda: checkpoint.sign(current, opened.keyring.signing_seed),
        )
        return current, signed
