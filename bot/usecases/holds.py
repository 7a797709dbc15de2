"""Legal holds: proofs that a dispute needs stay, whatever is asked or over."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent.rules import SubjectId
from bot.errors import AssentError, phrase
from bot.privacy.envelope import open_json, seal_json
from bot.usecases.erasure import Erasure
from bot.usecases.events import software
from bot.usecases.journal import Journal, Key
from bot.usecases.people import TELEGRAM
from storage import holds, subjects
from storage.database import Database
from storage.holds import StoredHold

REASON_LIMIT: Final = 500
"""Characters: a file number and a sentence, not the file."""


class HoldError(AssentError):
    """A hold that cannot be placed or released as asked. Nothing has changed."""


class HoldOfNobody(HoldError):
    """The account has never written here, or was erased."""

    message_key = phrase("Nobody with this account is known here. Nothing was held.")


class HoldStands(HoldError):
    """The person is under a hold already, for another reason."""

    message_key = phrase("A legal hold of this person stands already. Release it first: /hold")


class HoldUnknown(HoldError):
    """There is no such hold."""

    message_key = phrase("There is no legal hold of this person, or it was released. See /hold")


class ReasonMissing(HoldError):
    """A hold without a reason, or with a whole story."""

    message_key = phrase("A legal hold needs a reason in one line, at most 500 characters.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One hold, opened."""

    subject_id: SubjectId
    staff: str
    """The account that placed it, or `command line`."""
    reason: str
    placed_at: datetime
    erasure_wanted_at: datetime | None
    """When the person asked for erasure; the release erases them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldDesk:
    """Places and releases holds. Each public method is one use-case and one transaction."""

    database: Database
    journal: Journal
    recall: Callable[[SubjectId], Awaitable[None]]

    async def place(self, account: str, reason: str, staff: str, at: datetime) -> Hold:
        """Keep a person's proofs until further notice. The same once more changes nothing.

        The reason goes into the log, where nothing can be deleted: it names no person.
        Raises HoldOfNobody, HoldStands, ReasonMissing.
        """
        reason = reason.strip()
        if not reason or "\n" in reason or len(reason) > REASON_LIMIT:
            raise ReasonMissing
        async with self.database.transaction() as tx:
            subject_id = await self._subject(tx, account)
            if subject_id is None or not await subjects.lock(tx, subject_id):
                raise HoldOfNobody
            key = await self.journal.house_key(tx)
            if (stored := await holds.get(tx, subject_id)) is not None:
                standing = _opened(stored, key)
                if (standing.staff, standing.reason) != (staff, reason):
                    raise HoldStands
                return standing
            sealed = seal_json(key.secret, {"staff": staff, "reason": reason}, subject_id.encode())
            await holds.place(tx, subject_id, sealed=sealed, at=at)
            payload = {
                "staff": staff,
                "subject": subject_id,
                "reason": reason,
                "software": software(),
            }
            await self.journal.write(tx, "staff.hold_placed", payload, at, key=key)
        return Hold(
            subject_id=subject_id,
            staff=staff,
            reason=reason,
            placed_at=at,
            erasure_wanted_at=None,
        )

    async def release(self, subject_id: SubjectId, staff: str, at: datetime) -> bool:
        """End a hold; whoever asked for erasure meanwhile is erased with it. False: nobody did.

        Raises HoldUnknown.
        """
        async with self.database.transaction() as tx:
            stored = None
            if await subjects.lock(tx, subject_id):
                stored = await holds.get(tx, subject_id)
            if stored is None:
                raise HoldUnknown
            person = await subjects.by_id(tx, subject_id)
            assert person is not None  # noqa: S101 it was locked just now
            await holds.release(tx, subject_id)
            is_erased = stored.erasure_wanted_at is not None
            payload = {
                "staff": staff,
                "subject": subject_id,
                "erased": is_erased,
                "software": software(),
            }
            key = await self.journal.house_key(tx)
            if is_erased:
                # Rows of deliveries before the head of the log, as everywhere.
                await Erasure(journal=self.journal).erase(tx, subject_id, person.lookup, at)
            await self.journal.write(tx, "staff.hold_released", payload, at, key=key)
        if is_erased:
            await self.recall(subject_id)
            await self.database.empty_wal(is_needed=True)
        return is_erased

    async def find(self, account: str) -> Hold:
        """Return the hold of an account. Raises HoldUnknown."""
        async with self.database.snapshot() as tx:
            subject_id = await self._subject(tx, account)
        return await self.get(subject_id or SubjectId(""))

    async def get(self, subject_id: SubjectId) -> Hold:
        """Raise HoldUnknown."""
        async with self.database.snapshot() as tx:
            stored = await holds.get(tx, subject_id)
            if stored is None:
                raise HoldUnknown
            return _opened(stored, await self.journal.house_key(tx))

    async def standing(self) -> list[Hold]:
        """Every hold, oldest first."""
        async with self.database.snapshot() as tx:
            found = await holds.all_holds(tx)
            if not found:
                return []
            key = await self.journal.house_key(tx)
        return [_opened(stored, key) for stored in found]

    async def _subject(self, tx: AsyncConnection, account: str) -> SubjectId | None:
        lookup = self.journal.keyring().account_lookup(TELEGRAM, account)
        stored = await subjects.by_lookup(tx, lookup)
        return None if stored is None else stored.id


def _opened(stored: StoredHold, key: Key) -> Hold:
    facts = open_json(key.secret, stored.sealed, stored.subject_id.encode())
    return Hold(
        subject_id=stored.subject_id,
        staff=facts["staff"],
        reason=facts["reason"],
        placed_at=stored.placed_at,
        erasure_wanted_at=stored.erasure_wanted_at,
    )
