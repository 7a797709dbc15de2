"""Signing the log: size and root, never of a log that forks or shrinks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bot.proof import checkpoint, note
from bot.proof.checkpoint import Checkpoint
from bot.proof.note import VerifierKey
from storage import log
from storage.database import Database
from storage.keystore import Keystore, SignedTree


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
        last = opened.last_signed()
        async with self.database.snapshot() as tx:
            head = await log.head(tx)
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
        async with self.database.transaction() as tx:
            await log.put_checkpoint(tx, head.size, signed, at)
        return current, signed
