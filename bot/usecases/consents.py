"""What can happen to a consent. Each public method is one use-case and one transaction."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent import rules
from bot.consent.acts import Act, Choice, Method, Shown
from bot.consent.purposes import Kind, Purpose
from bot.consent.rules import (
    PROMPT_LIFETIME,
    UNDO_LIFETIME,
    Consent,
    ConsentState,
    EntryId,
    EventKind,
    PrerequisiteMissing,
    PromptOver,
    PromptUnknown,
    PurposeId,
    Standing,
    SubjectId,
    Terms,
    UndoOver,
)
from bot.privacy.envelope import open_json, seal_json
from bot.proof import canonical
from bot.usecases.events import EventWriter
from bot.usecases.journal import opened
from bot.usecases.people import TELEGRAM, People, Person
from bot.usecases.publication import Publication
from storage import consents, deliveries, log, notices, prompts, subjects
from storage.consents import StoredEvent
from storage.database import Database
from storage.deliveries import Origin
from storage.notices import PublishedNotice
from storage.prompts import Prompt, Step

EXPIRY_PAGE: Final = 200


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How a person stands to one purpose."""

    purpose_id: PurposeId
    standing: Standing
    consent: Consent | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptLine:
    """The last answer about one purpose, as a receipt certifies it."""

    purpose_id: PurposeId
    event: EventKind
    entry_id: EntryId
    index: int
    at: datetime
    notice_version: int
    notice_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The consent that allowed a message, with the text agreed to."""

    title: str
    text: str
    notice_version: int
    entry_id: EntryId
    index: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentDesk:
    """Takes answers and keeps their proof."""

    database: Database
    events: EventWriter
    people: People
    publication: Publication
    recall: Callable[[SubjectId], Awaitable[None]]
    """Stops what is on its way to a person who leaves; called after the commit, waits briefly."""

    # --- looking ------------------------------------------------------------------------------

    async def positions(self, person: Person, at: datetime) -> list[Position]:
        """How a person stands to every purpose on offer, in the order of asking."""
        async with self.database.snapshot() as tx:
            terms = await notices.terms(tx)
            held = await consents.of_subject(tx, person.id)
        return [
            Position(
                purpose_id=PurposeId(purpose.id),
                standing=rules.standing(PurposeId(purpose.id), held, terms, at),
                consent=held.get(PurposeId(purpose.id)),
            )
            for purpose in self.publication.catalogue.purposes
        ]

    async def dependents(self, person: Person, purpose_id: PurposeId) -> list[PurposeId]:
        """What a withdrawal of this purpose would end besides it."""
        async with self.database.snapshot() as tx:
            held = await consents.of_subject(tx, person.id)
        return self._open_dependents(held, purpose_id)

    async def receipt(self, person: Person) -> list[ReceiptLine]:
        """The last answer about each purpose, the latest at the end."""
        async with self.database.snapshot() as tx:
            held = await consents.of_subject(tx, person.id)
            lines = [await self._receipt_line(tx, consent) for consent in held.values()]
        return sorted(lines, key=lambda line: line.index)

    async def text(
        self, purpose_id: PurposeId, version: int, locale: str
    ) -> PublishedNotice | None:
        """A text as it was published, however old."""
        async with self.database.snapshot() as tx:
            return await notices.text(tx, purpose_id, version, locale)

    async def origin(self, delivery_id: str) -> Origin | None:
        """Where the message under which somebody presses came from."""
        async with self.database.snapshot() as tx:
            return await deliveries.origin(tx, delivery_id)

    async def allowed_by(self, person: Person, origin: Origin) -> Allowance:
        """What a message rested on. Raises PromptUnknown when that is not known any more."""
        async with self.database.snapshot() as tx:
            event = await consents.event(tx, origin.consent_entry_id or EntryId(""))
            entry = await log.entry(tx, origin.consent_entry_id or "")
            if event is None or entry is None or entry.sealed is None:
                raise PromptUnknown
            payload = opened(entry.sealed, person.key.secret, entry.hashed)["payload"]
            text = await notices.text(
                tx, origin.purpose_id, payload["notice_version"], payload["locale"]
            )
        assert text is not None, "a consent to a text that was never published"  # noqa: S101
        facts = canonical.parse(text.canonical.encode())
        return Allowance(
            title=facts["title"],
            text=facts["text"],
            notice_version=text.version,
            entry_id=event.entry_id,
            index=event.index,
            at=event.at,
        )

    async def event(self, entry_id: EntryId) -> StoredEvent | None:
        async with self.database.snapshot() as tx:
            return await consents.event(tx, entry_id)

    async def prompted_purpose(self, person: Person, nonce: str) -> PurposeId | None:
        """What a prompt of this person is about; None: it is not theirs."""
        async with self.database.snapshot() as tx:
            prompt = await prompts.get(tx, nonce)
        return prompt.purpose_id if prompt and prompt.subject_id == person.id else None

    # --- asking -------------------------------------------------------------------------------

    async def ask(
        self,
        person: Person,
        purpose_id: PurposeId,
        step: Step,
        shown: Shown,
        at: datetime,
        *,
        reasked: bool = False,
    ) -> str:
        """Keep what is about to be shown; return the nonce that its buttons carry.

        Raises PromptUnknown when the person was erased meanwhile.
        """
        nonce = self.events.nonce()
        prompt = Prompt(
            nonce=nonce,
            subject_id=person.id,
            purpose_id=purpose_id,
            notice_version=self.publication.versions[purpose_id],
            locale=person.locale,
            step=step,
            reasked=reasked,
            sealed=seal_json(person.key.secret, shown.to_json(), nonce.encode()),
            created_at=at,
            expires_at=at + PROMPT_LIFETIME,
        )
        async with self.database.transaction() as tx:
            await self._lock(tx, person)
            await prompts.add(tx, prompt)
        return nonce

    async def to_ask_again(
        self, purpose_id: PurposeId, at: datetime, *, after: SubjectId | None, limit: int
    ) -> list[SubjectId]:
        """People who agreed to an older text and were not yet shown the present one."""
        async with self.database.snapshot() as tx:
            terms = await notices.terms(tx)
            return await consents.to_ask_again(
                tx, purpose_id, terms[purpose_id], at, after=after, limit=limit
            )

    # --- answering ----------------------------------------------------------------------------

    async def answer(
        self, person: Person, nonce: str, choice: Choice, act: Act, at: datetime
    ) -> Outcome:
        """Take the answer to a prompt: agree, decline or confirm.

        `at` is when Telegram's update was stored: a person who answered in time must not lose
        the answer to our queue. A prompt that was spent gives its first outcome again.

        Raises PromptUnknown, PromptOver, PrerequisiteMissing; then nothing has changed.
        """
        async with self.database.transaction() as tx:
            await self._lock(tx, person)
            prompt = await prompts.get(tx, nonce)
            if prompt is None or prompt.subject_id != person.id:
                raise PromptUnknown
            if prompt.choice is not None:
                return await self._again(tx, prompt, choice)
            terms = await notices.terms(tx)
            self._check_current(prompt, choice, terms, at)
            held = await consents.of_subject(tx, person.id)
            outcome = await self._take(tx, person, prompt, choice, act, at, held, terms)
            await prompts.spend(tx, nonce, choice=choice, entry_id=outcome.entry_id)
        if outcome.event is EventKind.WITHDRAWN:
            await self.recall(person.id)
        return outcome

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

    async def _receipt_line(self, tx: AsyncConnection, consent: Consent) -> ReceiptLine:
        event = await consents.event(tx, consent.entry_id)
        text = await notices.text(tx, consent.purpose_id, consent.notice_version, consent.locale)
        assert event is not None, "a consent without its event"  # noqa: S101 promise 2
        assert text is not None, "a consent to a text that was never published"  # noqa: S101
        return ReceiptLine(
            purpose_id=consent.purpose_id,
            event=event.event,
            entry_id=event.entry_id,
            index=event.index,
            at=event.at,
            notice_version=consent.notice_version,
            notice_sha256=text.sha256,
        )

    async def forget_old_prompts(self, at: datetime) -> None:
        """Drop questions that ended a day ago; what an answer showed is in its proof."""
        async with self.database.transaction() as tx:
            await prompts.remove_ended(tx, at - PROMPT_LIFETIME)

    # --- inside the transactions --------------------------------------------------------------

    async def _lock(self, tx: AsyncConnection, person: Person) -> None:
        # A first consent has no row to lock, so the person is locked.
        if not await subjects.lock(tx, person.id):
            raise PromptUnknown("the person was erased")

    async def _again(self, tx: AsyncConnection, prompt: Prompt, choice: Choice) -> Outcome:
        first = None if prompt.entry_id is None else await consents.event(tx, prompt.entry_id)
        if first is None:
            raise PromptOver(prompt.purpose_id)
        catalogue = self.publication.catalogue
        return Outcome(
            purpose_id=prompt.purpose_id,
            event=first.event,
            entry_id=first.entry_id,
            index=first.index,
            at=first.at,
            ended=await self._ended_with(tx, first),
            contradicts=choice != prompt.choice,
            waits_for_confirmation=first.event is EventKind.GRANTED
            and prompt.purpose_id in catalogue
            and catalogue.purpose(prompt.purpose_id).double_opt_in,
        )

    async def _ended_with(self, tx: AsyncConnection, first: StoredEvent) -> tuple[StoredEvent, ...]:
        """What a withdrawal ended besides: withdrawn by the same update, after it."""
        if first.event is not EventKind.WITHDRAWN or first.update_id is None:
            return ()
        assert first.subject_id is not None  # noqa: S101 it was found by its person's prompt
        same = await consents.events_of_update(tx, first.subject_id, first.update_id)
        return tuple(event for event in same if event.index > first.index)

    def _check_current(
        self,
        prompt: Prompt,
        choice: Choice,
        terms: Mapping[PurposeId, Terms],
        at: datetime,
    ) -> None:
        present = terms.get(prompt.purpose_id)
        is_current = present is not None and present.version == prompt.notice_version
        # A process that has not read the newest file yet must not answer for it.
        is_current = is_current and prompt.purpose_id in self.publication.catalogue
        fits = (choice is Choice.CONFIRM) == (prompt.step is Step.CONFIRM)
        fits = fits or (choice is Choice.DECLINE)
        if at >= prompt.expires_at or not is_current or not fits:
            raise PromptOver(prompt.purpose_id)

    async def _take(
        self,
        tx: AsyncConnection,
        person: Person,
        prompt: Prompt,
        choice: Choice,
        act: Act,
        at: datetime,
        held: dict[PurposeId, Consent],
        terms: Mapping[PurposeId, Terms],
    ) -> Outcome:
        if choice is Choice.DECLINE:
            return await self._decline(tx, person, prompt, act, at, held)
        missing = rules.missing_prerequisite(prompt.purpose_id, held, terms, at)
        if missing is not None:
            raise PrerequisiteMissing(missing)
        if choice is Choice.CONFIRM:
            return await self._confirm(tx, person, prompt, act, at, held)
        return await self._grant(tx, person, prompt, act, at, held, terms)

    async def _grant(
        self,
        tx: AsyncConnection,
        person: Person,
        prompt: Prompt,
        act: Act,
        at: datetime,
        held: dict[PurposeId, Consent],
        terms: Mapping[PurposeId, Terms],
    ) -> Outcome:
        before = held.get(prompt.purpose_id)
        present = terms[prompt.purpose_id]
        if (
            before is not None
            and before.notice_version == present.version
            and rules.own_standing(before, present, at) is Standing.LIVE
        ):
            return await self._already(tx, before)
        if before is not None and before.state is ConsentState.GRANTED:
            is_over = rules.is_over(before, at)
            event = EventKind.EXPIRED if is_over else EventKind.SUPERSEDED
            ended = await self._end(tx, person, before, event, act, at)
            before = held[prompt.purpose_id] = await self._held(tx, person, ended)
        outcome = await self._say_yes(tx, person, prompt, EventKind.GRANTED, act, at, before)
        if person.suppressed:
            await self._lift_suppression(tx, person)
        return outcome

    async def _confirm(
        self,
        tx: AsyncConnection,
        person: Person,
        prompt: Prompt,
        act: Act,
        at: datetime,
        held: dict[PurposeId, Consent],
    ) -> Outcome:
        before = held.get(prompt.purpose_id)
        if before is None or before.state is not ConsentState.PENDING:
            raise PromptOver(prompt.purpose_id)
        if before.notice_version != prompt.notice_version:
            raise PromptOver(prompt.purpose_id)
        return await self._say_yes(tx, person, prompt, EventKind.CONFIRMED, act, at, before)

    async def _say_yes(
        self,
        tx: AsyncConnection,
        person: Person,
        prompt: Prompt,
        event: EventKind,
        act: Act,
        at: datetime,
        before: Consent | None,
    ) -> Outcome:
        purpose = self._purpose(prompt.purpose_id)
        state = rules.state_after(event, double_opt_in=purpose.double_opt_in)
        expires_at = None if purpose.valid_for is None else purpose.valid_for.end(at)
        shown = open_json(person.key.secret, prompt.sealed, prompt.nonce.encode())
        written = await self.events.write(
            tx,
            person,
            event,
            await self._text_of(tx, prompt),
            act,
            at,
            shown=shown,
            prompted_at=prompt.created_at,
            previous=before,
            expires_at=expires_at,
        )
        consent = Consent(
            purpose_id=prompt.purpose_id,
            state=state,
            entry_id=written.entry_id,
            notice_version=prompt.notice_version,
            locale=prompt.locale,
            since=at,
            expires_at=expires_at,
        )
        await consents.put(tx, person.id, consent)
        return Outcome(
            purpose_id=prompt.purpose_id,
            event=event,
            entry_id=written.entry_id,
            index=written.index,
            at=at,
            waits_for_confirmation=state is ConsentState.PENDING,
        )

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

    async def _decline(
        self,
        tx: AsyncConnection,
        person: Person,
        prompt: Prompt,
        act: Act,
        at: datetime,
        held: dict[PurposeId, Consent],
    ) -> Outcome:
        before = held.get(prompt.purpose_id)
        event = rules.declining(before)
        shown = open_json(person.key.secret, prompt.sealed, prompt.nonce.encode())
        written = await self.events.write(
            tx,
            person,
            event,
            await self._text_of(tx, prompt),
            act,
            at,
            shown=shown,
            prompted_at=prompt.created_at,
            previous=before,
        )
        await consents.put(
            tx,
            person.id,
            Consent(
                purpose_id=prompt.purpose_id,
                state=rules.state_after(event),
                entry_id=written.entry_id,
                notice_version=prompt.notice_version,
                locale=prompt.locale,
                since=at,
            ),
        )
        ended = [
            await self._end_dependent(tx, person, held[other], act, at)
            for other in self._open_dependents(held, prompt.purpose_id)
        ]
        return Outcome(
            purpose_id=prompt.purpose_id,
            event=event,
            entry_id=written.entry_id,
            index=written.index,
            at=at,
            ended=tuple(ended),
        )

    async def _text_of(self, tx: AsyncConnection, prompt: Prompt) -> PublishedNotice:
        text = await notices.text(tx, prompt.purpose_id, prompt.notice_version, prompt.locale)
        assert text is not None, "a question about a text never published"  # noqa: S101
        return text

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
        text = await notices.text(tx, consent.purpose_id, consent.notice_version, consent.locale)
        assert text is not None, "a consent to a text that was never published"  # noqa: S101
        written = await self.events.write(
            tx,
            person,
            event,
            text,
            act,
            at,
            previous=consent,
            is_undoable=event is EventKind.WITHDRAWN
            and consent.purpose_id in terms
            and rules.own_standing(consent, terms[consent.purpose_id], at) is Standing.LIVE,
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
            ),
        )
        return written

    async def _held(self, tx: AsyncConnection, person: Person, event: StoredEvent) -> Consent:
        assert event.purpose_id is not None  # noqa: S101 an event of one purpose
        return (await consents.of_subject(tx, person.id))[event.purpose_id]

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
        is_late = at - undone.at >= UNDO_LIFETIME
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
        purpose = self._purpose(purpose_id)
        expires_at = None if purpose.valid_for is None else purpose.valid_for.end(at)
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

    async def _lift_suppression(self, tx: AsyncConnection, person: Person) -> None:
        # Only the person's own explicit yes ends their own "never write to me again".
        keyring = self.events.journal.keyring()
        await subjects.lift_suppression(
            tx, keyring.suppression_hash(TELEGRAM, person.profile.account)
        )
        await subjects.change(tx, person.id, suppressed=False)

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
