"""Asking for consent and taking the answers. Each public method is one transaction."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent import rules
from bot.consent.acts import Act, Choice, Shown
from bot.consent.rules import (
    PROMPT_LIFETIME,
    Consent,
    ConsentState,
    EventKind,
    PrerequisiteMissing,
    PromptOver,
    PromptUnknown,
    PurposeId,
    Standing,
    SubjectId,
    Terms,
)
from bot.privacy.envelope import open_json, seal_json
from bot.usecases.consent_steps import Outcome
from bot.usecases.consent_views import Views
from bot.usecases.leaving import Leaving
from bot.usecases.people import TELEGRAM, Person
from storage import consents, holds, notices, prompts, subjects
from storage.consents import StoredEvent
from storage.notices import PublishedNotice
from storage.prompts import Prompt, Step


class ConsentDesk(Views, Leaving):
    """What can happen to a consent: it is asked for, answered, looked at, ended."""

    __slots__ = ()

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

        Raises PromptUnknown when the person was erased meanwhile; PromptOver when somebody is
        about to be asked again (`reasked`) who left, paused or answered meanwhile.
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
            if reasked and not await self._is_to_ask_again(tx, person, purpose_id, at):
                raise PromptOver(purpose_id)
            await prompts.add(tx, prompt)
        return nonce

    async def _is_to_ask_again(
        self, tx: AsyncConnection, person: Person, purpose_id: PurposeId, at: datetime
    ) -> bool:
        terms = await notices.terms(tx)
        return bool(
            await consents.to_ask_again(
                tx, purpose_id, terms[purpose_id], at, after=None, limit=1, only=person.id
            )
        )

    async def to_ask_again(
        self, purpose_id: PurposeId, at: datetime, *, after: SubjectId | None, limit: int
    ) -> list[SubjectId]:
        """People who agreed to an older text and were not yet shown the present one."""
        async with self.database.snapshot() as tx:
            terms = await notices.terms(tx)
            return await consents.to_ask_again(
                tx, purpose_id, terms[purpose_id], at, after=after, limit=limit
            )

    async def forget_old_prompts(self, at: datetime) -> None:
        """Drop questions that ended a day ago; what an answer showed is in its proof."""
        async with self.database.transaction() as tx:
            await prompts.remove_ended(tx, at - PROMPT_LIFETIME)

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

    # --- inside the transaction ---------------------------------------------------------------

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
        # Whoever agrees again wants to be known again: a release erases them no more.
        await holds.drop_demand(tx, person.id)
        return outcome

    async def _held(self, tx: AsyncConnection, person: Person, event: StoredEvent) -> Consent:
        assert event.purpose_id is not None  # noqa: S101 an event of one purpose
        return (await consents.of_subject(tx, person.id))[event.purpose_id]

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

    async def _lift_suppression(self, tx: AsyncConnection, person: Person) -> None:
        # Only the person's own explicit yes ends their own "never write to me again".
        keyring = self.events.journal.keyring()
        await subjects.lift_suppression(
            tx, keyring.suppression_hash(TELEGRAM, person.profile.account)
        )
        await subjects.change(tx, person.id, suppressed=False)
