"""What every change of a consent is made of, inside its transaction."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent import rules
from bot.consent.acts import Act, Method
from bot.consent.purposes import Purpose
from bot.consent.rules import (
    Consent,
    EntryId,
    EventKind,
    PromptUnknown,
    PurposeId,
    Standing,
    SubjectId,
)
from bot.usecases.events import EventWriter
from bot.usecases.people import People, Person
from bot.usecases.publication import Publication
from storage import consents, notices, prompts, subjects
from storage.consents import StoredEvent
from storage.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an answer came to; the same again when it is repeated."""

    purpose_id: PurposeId
    event: EventKind
    entry_id: EntryId
    index: int
    at: datetime
    ended: tuple[StoredEvent, ...] = ()
    """Consents that ended with this one, because they required it."""
    contradicts: bool = False
    """The prompt was answered before, otherwise: nothing changed now."""
    waits_for_confirmation: bool = False


async def end(
    tx: AsyncConnection,
    events: EventWriter,
    person: Person,
    consent: Consent,
    event: EventKind,
    act: Act,
    at: datetime,
    *,
    is_undoable: bool = False,
) -> StoredEvent:
    """End one consent: the entry that proves it, and the state, in the caller's transaction."""
    text = await notices.text(tx, consent.purpose_id, consent.notice_version, consent.locale)
    assert text is not None, "a consent to a text that was never published"  # noqa: S101
    written = await events.write(
        tx, person, event, text, act, at, previous=consent, is_undoable=is_undoable
    )
    await consents.put(
        tx,
        person.id,
        Consent(
            purpose_id=consent.purpose_id,
            state=rules.state_after(event),
            entry_id=written.entry_id,
            notice_version=consent.notice_version,
            locale=consent.locale,
            since=at,
            expires_at=consent.expires_at,
        ),
    )
    if event is EventKind.WITHDRAWN:
        # A confirmation of before must not confirm what is agreed to later.
        await prompts.end_confirmations(tx, person.id, consent.purpose_id)
    return written


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The steps that answering and leaving share; each takes the open transaction."""

    database: Database
    events: EventWriter
    people: People
    publication: Publication
    recall: Callable[[SubjectId], Awaitable[None]]
    """Stops what is on its way to a person who leaves; called after the commit, waits briefly."""

    async def _lock(self, tx: AsyncConnection, person: Person) -> None:
        # A first consent has no row to lock, so the person is locked.
        if not await subjects.lock(tx, person.id):
            raise PromptUnknown("the person was erased")

    async def _already(self, tx: AsyncConnection, before: Consent) -> Outcome:
        first = await consents.event(tx, before.entry_id)
        assert first is not None, "a consent without its event"  # noqa: S101 promise 2
        return Outcome(
            purpose_id=before.purpose_id,
            event=first.event,
            entry_id=first.entry_id,
            index=first.index,
            at=first.at,
        )

    async def _end_all(
        self,
        tx: AsyncConnection,
        person: Person,
        held: Mapping[PurposeId, Consent],
        purpose_ids: Iterable[PurposeId],
        act: Act,
        at: datetime,
    ) -> list[StoredEvent]:
        leaving = [p for p in purpose_ids if rules.is_open(held.get(p))]
        dependents = [
            other
            for purpose_id in leaving
            for other in self._open_dependents(held, purpose_id)
            if other not in leaving
        ]
        ended = [
            await self._end(tx, person, held[purpose_id], EventKind.WITHDRAWN, act, at)
            for purpose_id in leaving
        ]
        ended += [
            await self._end_dependent(tx, person, held[other], act, at)
            for other in dict.fromkeys(dependents)
        ]
        return ended

    async def _end_dependent(
        self, tx: AsyncConnection, person: Person, consent: Consent, act: Act, at: datetime
    ) -> StoredEvent:
        because = Act(
            method=Method.PREREQUISITE,
            update_id=act.update_id,
            callback_id=act.callback_id,
            message_id=act.message_id,
            message_date=act.message_date,
            delivery_id=act.delivery_id,
        )
        return await self._end(tx, person, consent, EventKind.WITHDRAWN, because, at)

    async def _end(
        self,
        tx: AsyncConnection,
        person: Person,
        consent: Consent,
        event: EventKind,
        act: Act,
        at: datetime,
    ) -> StoredEvent:
        terms = await notices.terms(tx)
        is_undoable = (
            event is EventKind.WITHDRAWN
            and consent.purpose_id in terms
            and rules.own_standing(consent, terms[consent.purpose_id], at) is Standing.LIVE
        )
        return await end(tx, self.events, person, consent, event, act, at, is_undoable=is_undoable)

    def _purpose(self, purpose_id: PurposeId) -> Purpose:
        return self.publication.catalogue.purpose(purpose_id)

    def _open_dependents(
        self, held: Mapping[PurposeId, Consent], purpose_id: PurposeId
    ) -> list[PurposeId]:
        catalogue = self.publication.catalogue
        if purpose_id not in self.publication.versions:
            return []
        return [
            PurposeId(other)
            for other in catalogue.dependents(purpose_id)
            if rules.is_open(held.get(PurposeId(other)))
        ]
