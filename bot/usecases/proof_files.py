"""The files that a person takes away: proof, receipt, page; and the checkpoint they rest on."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import AssentError, phrase
from bot.proof import checkpoint, entry, proof_file, receipt
from bot.proof.errors import ProofError
from bot.proof.note import VerifierKey
from bot.proof.page import page
from bot.usecases.checkpoints import Signer
from bot.usecases.stamping import best_checkpoint
from storage import log
from storage.database import Database
from storage.keystore import TreeRolledBack
from storage.log import StoredEntry

NAME_LENGTH: Final = 8
"""Digits of the entry's id in the names of its files: nothing in a name tells who."""
VERIFIER_PAGE: Final = "verifier.html"
FIRST_DAY: Final = (1980, 1, 1, 0, 0, 0)
"""The first day that a zip can name: the same files always make the same zip."""
FILE_MODE: Final = 0o100644 << 16


class ProofLater(AssentError):
    """No checkpoint that can be trusted holds the entry, and none can be signed now."""

    message_key: ClassVar[str] = phrase(
        "Your answers are kept, but we cannot sign a proof of this one right now. "
        "Please ask for it again later."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """A signed checkpoint, with the time stamps over exactly this note.

    Of each stamp the authority's address and the token (RFC 3161, DER).
    """

    size: int
    note: str
    stamps: Sequence[tuple[str, bytes]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofFiles:
    """What proves one answer: for machines, for other systems, for reading."""

    entry_id: str
    proof: bytes
    receipt: bytes

    @property
    def page(self) -> bytes:
        return page(self.proof, self.receipt)

    @property
    def proof_name(self) -> str:
        return f"proof-{self.entry_id[:NAME_LENGTH]}.tlog-proof"

    @property
    def receipt_name(self) -> str:
        return f"receipt-{self.entry_id[:NAME_LENGTH]}.jsonld"

    @property
    def page_name(self) -> str:
        return f"proof-{self.entry_id[:NAME_LENGTH]}.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllProofs:
    """The proofs of all of a person's answers."""

    files: list[ProofFiles]
    later: int
    """How many answers cannot be proven before the log is signed again."""


def compose(
    stored: StoredEntry,
    opening: Mapping[str, Any],
    notice: Mapping[str, Any] | None,
    path: Sequence[bytes],
    vouched: Vouched,
    key: VerifierKey,
) -> ProofFiles:
    """Write the files of one entry. `opening` is its {salt, payload}."""
    payload = opening["payload"]
    read = entry.parse(stored.hashed)
    return ProofFiles(
        entry_id=read.id,
        proof=proof_file.write(
            index=stored.index,
            hashed=stored.hashed,
            salt=bytes.fromhex(opening["salt"]),
            payload=payload,
            notice=notice,
            path=path,
            checkpoint=vouched.note,
            key=key,
            stamps=vouched.stamps,
        ),
        receipt=receipt.document(receipt.receipt(payload, notice, read, stored.index, key)),
    )


def packed(files: Sequence[ProofFiles]) -> bytes:
    """Put proofs and receipts into one zip, with the page that checks whatever is dropped on it.

    Stored without compression, sorted by name.
    """
    members = {VERIFIER_PAGE: page()}
    for each in files:
        members |= {each.proof_name: each.proof, each.receipt_name: each.receipt}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(members.items()):
            member = zipfile.ZipInfo(name, FIRST_DAY)
            member.external_attr = FILE_MODE
            archive.writestr(member, content)
    return target.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouching:
    """Finds what a proof can rest on, also while a copy that was put back may not be signed."""

    database: Database
    signer: Signer

    async def covering(self, index: int, at: datetime) -> Vouched:
        """Return a checkpoint that holds an entry. Raises ProofLater."""
        return await self.covering_most([index], at)

    async def covering_most(self, indexes: Sequence[int], at: datetime) -> Vouched:
        """Return a checkpoint that holds these entries, or the most that can be. Raises ProofLater.

        A log that may not be signed has the checkpoints that it had: they still hold.
        """
        try:
            return await self._stamped(max(indexes)) or await self._newest(at)
        except TreeRolledBack as error:
            older = await self._signed_before()
            if older is None or older.size <= min(indexes):
                raise ProofLater(error.detail) from error
            return older

    async def _stamped(self, index: int) -> Vouched | None:
        """Return the newest checkpoint with a stamp that holds an entry: its time is another's."""
        async with self.database.snapshot() as tx:
            found = await best_checkpoint(tx, index, self.signer.key)
            if found is None:
                return None
            size, signed, stamps = found
            if not stamps or not await self._is_of_this_log(tx, size, signed):
                return None
        tokens = [(stamp.authority, stamp.token) for stamp in stamps]
        return Vouched(size=size, note=signed, stamps=tokens)

    async def _newest(self, at: datetime) -> Vouched:
        current, signed = await self.signer.sign(at)
        return Vouched(size=current.size, note=signed)

    async def _signed_before(self) -> Vouched | None:
        """Return the last checkpoint in the database, if the log still continues it."""
        async with self.database.snapshot() as tx:
            found = await log.latest_checkpoint(tx)
            if found is None or not await self._is_of_this_log(tx, *found):
                return None
        size, signed = found
        return Vouched(size=size, note=signed)

    async def _is_of_this_log(self, tx: AsyncConnection, size: int, signed: str) -> bool:
        if size > (await log.head(tx)).size:
            return False
        try:
            known = checkpoint.verify(signed.encode(), self.signer.key)
        except ProofError:
            return False
        return known.size == size and known.root == await log.root_at(tx, size)
