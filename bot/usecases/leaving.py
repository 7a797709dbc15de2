"""How a consent ends, and how a withdrawal is taken back."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent import rules
from bot.consent.acts import Act, Method
from bot.consent.purposes import Kind
from bot.consent.rules import (
    UNDO_LIFETIME,
    Consent,
    ConsentState,
    EntryId,
    EventKind,
    PrerequisiteMissing,
    PromptUnknown,
    PurposeId,
    SubjectId,
    Terms,
    UndoOver,
)
from bot.usecases.consent_steps import Outcome, Steps
from bot.usecases.people import Person
from storage import consents, notices, subjects
from storage.consents import StoredEvent

EXPIRY_PAGE: Final = 200


class Leaving(Steps):
    """Each public method is one use-case and one transaction."""

    __slots__ = ()

    async def withdraw(
        self, person: Person, purpose_id: PurposeId, act: Act, at: datetime
    ) -> list[StoredEvent]:
        """End one consent and what requires it. Empty: there was nothing to end."""
        return await self._leave(person, [purpose_id], act, at)

    async def leave_all(self, person: Person, act: Act, at: datetime) -> list[StoredEvent]:
        """End every consent to messages; what is kept and why is the person's own choice.

        Consents of kind processing stay: they end nothing that is sent (contract, "Leaving").
        Those to purposes that are not offered now end too: they may be offered again.
        """
        return await self._leave(person, None, act, at)

    async def undo(self, person: Person, entry_id: EntryId, act: Act, at: datetime) -> Outcome:
        """Take back a withdrawal within ten minutes: a grant of the same text.

        Raises UndoOver when it is too late, the text has changed, or the choice was changed.
        """
        async with self.database.transaction() as tx:
            await self._lock(tx, person)
            undone = await consents.event(tx, entry_id)
            if undone is None or undone.subject_id != person.id or undone.purpose_id is None:
                raise PromptUnknown
            held = await consents.of_subject(tx, person.id)
            current = held.get(undone.purpose_id)
            if (repeated := await self._undone_before(tx, current, undone)) is not None:
                return repeated
            terms = await notices.terms(tx)
            self._check_undo(undone, current, terms, held, at)
            return await self._grant_undone(tx, person, undone.purpose_id, act, at, held)

    async def expire_due(self, at: datetime) -> int:
        """Say of consents whose time is over that they expired; return how many."""
        async with self.database.transaction() as tx:
            due = await consents.due_to_expire(tx, at, EXPIRY_PAGE)
            # All people before the log's head, or two transactions could wait for each other.
            for subject_id in sorted({subject_id for subject_id, _ in due}):
                await subjects.lock(tx, subject_id)
            ended = [await self._expire(tx, *one, at) for one in due]
        return sum(ended)

    async def _expire(
        self, tx: AsyncConnection, subject_id: SubjectId, purpose_id: PurposeId, at: datetime
    ) -> bool:
        """False: the person was erased, left or agreed anew just before they were locked."""
        stored = await subjects.by_id(tx, subject_id)
        held = await consents.of_subject(tx, subject_id)
        consent = held.get(purpose_id)
        if stored is None or consent is None or not rules.is_over(consent, at):
            return False
        act = Act(method=Method.CLOCK)
        await self._end(tx, self.people.opened(stored), consent, EventKind.EXPIRED, act, at)
        return True

    async def _leave(
        self, person: Person, purpose_ids: Sequence[PurposeId] | None, act: Act, at: datetime
    ) -> list[StoredEvent]:
        """Without ids: whatever messages may be sent under."""
        async with self.database.transaction() as tx:
            await self._lock(tx, person)
            if act.update_id is not None:
                first = await consents.events_of_update(tx, person.id, act.update_id)
                if first:
                    return first
            held = await consents.of_subject(tx, person.id)
            if purpose_ids is None:
                purpose_ids = await notices.purpose_ids(tx, unless=Kind.PROCESSING)
            ended = await self._end_all(tx, person, held, purpose_ids, act, at)
        await self.recall(person.id)
        return ended

    async def _undone_before(
        self, tx: AsyncConnection, current: Consent | None, undone: StoredEvent
    ) -> Outcome | None:
        """The first outcome, if this withdrawal was undone before and still is."""
        if current is None or current.state is not ConsentState.GRANTED:
            return None
        latest = await consents.event(tx, current.entry_id)
        if latest is None or latest.at - undone.at > UNDO_LIFETIME or latest.at < undone.at:
            return None
        return await self._already(tx, current)

    def _check_undo(
        self,
        undone: StoredEvent,
        current: Consent | None,
        terms: Mapping[PurposeId, Terms],
        held: Mapping[PurposeId, Consent],
        at: datetime,
    ) -> None:
        if current is None or current.entry_id != undone.entry_id:
            raise UndoOver(current.purpose_id if current else "")
        if not undone.is_undoable:
            raise UndoOver(current.purpose_id)
        present = terms.get(current.purpose_id)
        ends = current.expires_at
        is_late = not undone.at <= at < undone.at + UNDO_LIFETIME or (
            ends is not None and at >= ends
        )
        if is_late or present is None or current.notice_version not in present.accepted:
            raise UndoOver(current.purpose_id)
        missing = rules.missing_prerequisite(current.purpose_id, held, terms, at)
        if missing is not None:
            raise PrerequisiteMissing(missing)

    async def _grant_undone(
        self,
        tx: AsyncConnection,
        person: Person,
        purpose_id: PurposeId,
        act: Act,
        at: datetime,
        held: Mapping[PurposeId, Consent],
    ) -> Outcome:
        before = held[purpose_id]
        text = await notices.text(tx, purpose_id, before.notice_version, before.locale)
        assert text is not None, "a consent to a text that was never published"  # noqa: S101
        # What is taken back is the old consent, so it ends when that would have ended.
        expires_at = before.expires_at
        written = await self.events.write(
            tx, person, EventKind.GRANTED, text, act, at, previous=before, expires_at=expires_at
        )
        await consents.put(
            tx,
            person.id,
            Consent(
                purpose_id=purpose_id,
                state=ConsentState.GRANTED,
                entry_id=written.entry_id,
                notice_version=before.notice_version,
                locale=before.locale,
                since=at,
                expires_at=expires_at,
            ),
        )
        return Outcome(
            purpose_id=purpose_id,
            event=EventKind.GRANTED,
            entry_id=written.entry_id,
            index=written.index,
            at=at,
        )
