"""Promise 1: no message without a live matching consent, whatever the world does.

A machine plays people, operators, Telegram and the clock against the real use-cases, the real
gate and a real database. Beside it stands a model that knows nothing of them.
"""

import asyncio
import copy
import functools
import os
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
)
from tea_shop import (
    AT,
    DATA,
    DAY,
    HOUR,
    MINUTE,
    OFFERS,
    ORDERS,
    PRESS,
    SHOWN,
    Shop,
    new_shop,
    purpose,
    reopened,
)

from bot.campaigns.states import CampaignState, DeliveryState
from bot.consent.acts import Act, Choice, Method
from bot.consent.purposes import Period, Purpose
from bot.consent.rules import (
    EntryId,
    PrerequisiteMissing,
    PromptOver,
    PromptUnknown,
    PurposeId,
    Reach,
    Standing,
    SubjectId,
    UndoOver,
)
from bot.delivery import gate
from bot.usecases.people import Person
from storage import campaigns, consents, deliveries, notices
from storage.campaigns import add_occurrence
from storage.consents import StoredEvent
from storage.deliveries import Result, Running
from storage.prompts import Step

T = TypeVar("T")
MS = timedelta(milliseconds=1)
ACCOUNTS = ("101", "102", "103")
PURPOSES = (DATA, ORDERS, OFFERS)
TEXTS = ("text a", "text b", "text c")
LIFE = {OFFERS: 2 * DAY}
"""How long a consent lives; the others until they are withdrawn."""
CONFIRMED = {OFFERS}
"""What needs a second yes."""


# --- the model --------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Texts:
    """What was ever published of one purpose, and whose consents hold under which text."""

    order: list[str]
    good_for: dict[str, set[str]]
    """By text in force: the texts whose consents it accepts."""
    current: str
    is_offered: bool = True

    def change(self, text: str, *, reask: bool) -> None:
        if text not in self.order:
            kept = set() if reask else self.good_for[self.current]
            self.good_for[text] = {text} | kept
            self.order.append(text)
        self.current = text
        self.is_offered = True


@dataclass(slots=True, kw_only=True)
class Answer:
    """The last word of a person about a purpose."""

    word: str
    text: str
    entry_id: EntryId
    ends_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.word in {"yes", "half a yes"}


@dataclass(slots=True, kw_only=True)
class Somebody:
    """A person as they themselves would remember it."""

    account: str
    id: SubjectId
    answers: dict[PurposeId, Answer] = field(default_factory=dict)
    is_reachable: bool = True
    never_write: bool = False
    paused_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A message with buttons that is somewhere in a chat."""

    nonce: str
    person: Person
    purpose_id: PurposeId
    text: str
    step: Step
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A withdrawal whose answer has an Undo."""

    person: Person
    purpose_id: PurposeId
    entry_id: EntryId
    at: datetime
    ended_a_consent: bool


class Model:
    """Who may be written to under what: the promise in its plainest words."""

    def __init__(self) -> None:
        self.now = AT
        self.people: dict[str, Somebody] = {}
        self.forbidden: set[str] = set()
        self.texts = {
            purpose_id: Texts(order=[TEXTS[0]], good_for={TEXTS[0]: {TEXTS[0]}}, current=TEXTS[0])
            for purpose_id in PURPOSES
        }
        self.requires: dict[PurposeId, tuple[PurposeId, ...]] = {
            DATA: (),
            ORDERS: (DATA,),
            OFFERS: (ORDERS,),
        }
        self.spent: dict[str, Choice] = {}
        self.ready: dict[str, tuple[str, PurposeId, SubjectId]] = {}
        """Deliveries that wait: occurrence, purpose, person."""

    def all_required(self, purpose_id: PurposeId) -> set[PurposeId]:
        direct = self.requires[purpose_id]
        return set(direct).union(*(self.all_required(required) for required in direct))

    def holds(self, somebody: Somebody, purpose_id: PurposeId) -> bool:
        """Whether this one consent holds, whatever it requires."""
        answer, texts = somebody.answers.get(purpose_id), self.texts[purpose_id]
        return (
            answer is not None
            and answer.word == "yes"
            and texts.is_offered
            and answer.text in texts.good_for[texts.current]
            and (answer.ends_at is None or self.now < answer.ends_at)
        )

    def requirements_hold(self, somebody: Somebody, purpose_id: PurposeId) -> bool:
        return all(self.holds(somebody, required) for required in self.all_required(purpose_id))

    def may_receive(self, somebody: Somebody, purpose_id: PurposeId) -> bool:
        return (
            self.holds(somebody, purpose_id)
            and self.requirements_hold(somebody, purpose_id)
            and somebody.is_reachable
            and not somebody.never_write
            and (somebody.paused_until is None or self.now >= somebody.paused_until)
        )

    def recipients(self, purpose_id: PurposeId) -> dict[SubjectId, EntryId]:
        """Everybody who may be written to, with the consent that allows it."""
        return {
            somebody.id: somebody.answers[purpose_id].entry_id
            for somebody in self.people.values()
            if self.may_receive(somebody, purpose_id)
        }

    def by_id(self, subject_id: SubjectId) -> Somebody | None:
        found = [one for one in self.people.values() if one.id == subject_id]
        return found[0] if found else None

    def open_dependents(self, somebody: Somebody, purpose_id: PurposeId) -> set[PurposeId]:
        return {
            other
            for other in PURPOSES
            if purpose_id in self.all_required(other)
            and self.texts[other].is_offered
            and other in somebody.answers
            and somebody.answers[other].is_open
        }


# --- the machine ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A shop in which everybody has agreed to everything; each example begins with a copy."""

    folder: Path
    people: tuple[Somebody, ...]


@functools.cache
def template() -> Template:
    folder = Path(tempfile.mkdtemp(prefix="assent-promise-one-"))

    async def make() -> tuple[Somebody, ...]:
        async with new_shop(folder) as shop:
            await shop.publish(*purposes(Model()), at=AT - DAY)
            return tuple([await eager(shop, account) for account in ACCOUNTS])

    return Template(folder=folder, people=asyncio.run(make()))


async def eager(shop: Shop, account: str) -> Somebody:
    """Let somebody agree to everything."""
    person = await shop.meet(account)
    somebody = Somebody(account=account, id=person.id)
    for purpose_id in PURPOSES:
        outcome = await shop.answer(person, purpose_id)
        if purpose_id in CONFIRMED:
            outcome = await shop.answer(person, purpose_id, Choice.CONFIRM)
        ends_at = AT + LIFE[purpose_id] if purpose_id in LIFE else None
        somebody.answers[purpose_id] = Answer(
            word="yes", text=TEXTS[0], entry_id=outcome.entry_id, ends_at=ends_at
        )
    return somebody


def teardown_module() -> None:
    shutil.rmtree(template().folder)


def purposes(model: Model, reask: dict[PurposeId, bool] | None = None) -> list[Purpose]:
    """Write the purposes file that the model has in mind."""
    return [
        purpose(
            purpose_id,
            model.texts[purpose_id].current,
            requires=model.requires[purpose_id],
            valid_for=Period("P2D") if purpose_id in LIFE else None,
            double_opt_in=purpose_id in CONFIRMED,
            reask=(reask or {}).get(purpose_id, True),
        )
        for purpose_id in PURPOSES
        if model.texts[purpose_id].is_offered
    ]


any_account = st.sampled_from(ACCOUNTS)
any_purpose = st.sampled_from(PURPOSES)


class PromiseOne(RuleBasedStateMachine):
    """What people, operators, Telegram and time do."""

    questions = Bundle("questions")
    departures = Bundle("departures")

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.folder = Path(tempfile.mkdtemp(prefix="assent-promise-one-"))
        shutil.copytree(template().folder, self.folder, dirs_exist_ok=True)
        self.model.people = {one.account: copy.deepcopy(one) for one in template().people}
        self.runner = asyncio.Runner()
        self.shop: Shop = self.run(reopened(self.folder, purposes(self.model)))
        self.occurrences: list[str] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.run(self.shop.database.close())
        self.runner.close()
        shutil.rmtree(self.folder)

    async def as_known_now(self, person: Person) -> Person:
        """The middleware knows people anew with each update; who is erased keeps old buttons."""
        return await self.shop.people.by_id(person.id) or person

    # --- people who come, are known, go -------------------------------------------------------

    @rule(account=any_account)
    def come(self, account: str) -> None:
        person = self.run(self.shop.meet(account, self.model.now))
        known = self.model.people.get(account)
        if known is None:
            self.model.people[account] = Somebody(
                account=account, id=person.id, never_write=account in self.model.forbidden
            )
        else:
            assert person.id == known.id

    @precondition(lambda self: self.model.people)
    @rule(data=st.data(), never_again=st.booleans())
    def be_erased(self, data: st.DataObject, *, never_again: bool) -> None:
        somebody = data.draw(st.sampled_from(list(self.model.people.values())))
        person = self.run(self.shop.people.by_id(somebody.id))
        assert person is not None
        self.run(self.shop.records.erase(person, self.model.now, never_again=never_again))
        if never_again or somebody.never_write:
            self.model.forbidden.add(somebody.account)
        del self.model.people[somebody.account]
        self.model.ready = {
            delivery_id: waiting
            for delivery_id, waiting in self.model.ready.items()
            if waiting[2] != somebody.id
        }

    @precondition(lambda self: self.model.people)
    @rule(data=st.data(), change=st.sampled_from(Reach) | st.sampled_from([None, HOUR, DAY]))
    def block_return_or_pause(self, data: st.DataObject, change: Reach | timedelta | None) -> None:
        somebody = data.draw(st.sampled_from(list(self.model.people.values())))
        if isinstance(change, Reach):
            self.run(self.shop.people.set_reach(somebody.id, change))
            somebody.is_reachable = change is Reach.REACHABLE
        else:
            until = None if change is None else self.model.now + change
            self.run(self.shop.people.pause(somebody.id, until))
            somebody.paused_until = until

    # --- questions and answers ----------------------------------------------------------------

    @precondition(lambda self: self.model.people)
    @rule(
        target=questions,
        data=st.data(),
        purpose_id=any_purpose,
        step=st.sampled_from([Step.ANSWER, Step.ANSWER, Step.CONFIRM]),
    )
    def ask(self, data: st.DataObject, purpose_id: PurposeId, step: Step) -> Any:
        if not self.model.texts[purpose_id].is_offered:
            return multiple()
        somebody = data.draw(st.sampled_from(list(self.model.people.values())))
        return self.asked(somebody, purpose_id, step)

    def asked(self, somebody: Somebody, purpose_id: PurposeId, step: Step) -> Question:
        person = self.run(self.shop.people.by_id(somebody.id))
        assert person is not None
        nonce = self.run(self.shop.consents.ask(person, purpose_id, step, SHOWN, self.model.now))
        return Question(
            nonce=nonce,
            person=person,
            purpose_id=purpose_id,
            text=self.model.texts[purpose_id].current,
            step=step,
            ends_at=self.model.now + DAY,
        )

    @precondition(lambda self: self.model.people)
    @rule(data=st.data())
    def agree_to_everything(self, data: st.DataObject) -> None:
        """Somebody goes through all questions, as most people do."""
        somebody = data.draw(st.sampled_from(list(self.model.people.values())))
        for purpose_id in PURPOSES:
            if self.model.texts[purpose_id].is_offered:
                self.press(self.asked(somebody, purpose_id, Step.ANSWER), Choice.AGREE)
                if purpose_id in CONFIRMED:
                    self.press(self.asked(somebody, purpose_id, Step.CONFIRM), Choice.CONFIRM)

    @rule(target=departures, question=questions, choice=st.sampled_from(Choice))
    def press(self, question: Question, choice: Choice) -> Any:
        person = self.run(self.as_known_now(question.person))
        answering = self.shop.consents.answer(person, question.nonce, choice, PRESS, self.model.now)
        expected = self.expected_error(question, choice)
        if expected is not None:
            self.fails_with(expected, answering)
            return multiple()
        outcome = self.run(answering)
        if question.nonce in self.model.spent:
            assert outcome.contradicts == (choice is not self.model.spent[question.nonce])
            return multiple()
        self.model.spent[question.nonce] = choice
        somebody = self.model.by_id(question.person.id)
        assert somebody is not None
        if choice is Choice.DECLINE:
            return self.declined(somebody, person, question, outcome.entry_id, outcome.ended)
        self.agreed(somebody, question, choice, outcome.entry_id)
        return multiple()

    def fails_with(self, expected: type[Exception], work: Coroutine[Any, Any, object]) -> None:
        try:
            self.run(work)
        except expected:
            event(expected.__name__)
        else:
            raise AssertionError(f"{expected.__name__} was not raised")

    def expected_error(self, question: Question, choice: Choice) -> type[Exception] | None:
        somebody = self.model.by_id(question.person.id)
        if somebody is None:
            return PromptUnknown
        if question.nonce in self.model.spent:
            return None
        texts = self.model.texts[question.purpose_id]
        is_current = texts.is_offered and texts.current == question.text
        is_confirmation = question.step is Step.CONFIRM
        fits = choice is Choice.DECLINE or is_confirmation == (choice is Choice.CONFIRM)
        if self.model.now >= question.ends_at or not is_current or not fits:
            return PromptOver
        if choice is Choice.DECLINE:
            return None
        if not self.model.requirements_hold(somebody, question.purpose_id):
            return PrerequisiteMissing
        answer = somebody.answers.get(question.purpose_id)
        is_awaited = (
            answer is not None and answer.word == "half a yes" and answer.text == question.text
        )
        return PromptOver if choice is Choice.CONFIRM and not is_awaited else None

    def agreed(
        self, somebody: Somebody, question: Question, choice: Choice, entry_id: EntryId
    ) -> None:
        before = somebody.answers.get(question.purpose_id)
        if choice is Choice.AGREE:
            is_same = before is not None and before.text == question.text
            if is_same and self.model.holds(somebody, question.purpose_id):
                return  # what holds already is not agreed to again
            somebody.never_write = False
            self.model.forbidden.discard(somebody.account)
        is_half = choice is Choice.AGREE and question.purpose_id in CONFIRMED
        life = LIFE.get(question.purpose_id)
        somebody.answers[question.purpose_id] = Answer(
            word="half a yes" if is_half else "yes",
            text=question.text,
            entry_id=entry_id,
            ends_at=None if life is None else self.model.now + life,
        )

    def declined(
        self,
        somebody: Somebody,
        person: Person,
        question: Question,
        entry_id: EntryId,
        ended: tuple[StoredEvent, ...],
    ) -> Any:
        dependents = self.model.open_dependents(somebody, question.purpose_id)
        assert {one.purpose_id for one in ended} == dependents
        somebody.answers[question.purpose_id] = Answer(
            word="no", text=question.text, entry_id=entry_id
        )
        return multiple(*self.ended(somebody, person, ended))

    # --- leaving and coming back --------------------------------------------------------------

    def ended(
        self, somebody: Somebody, person: Person, events: tuple[StoredEvent, ...]
    ) -> list[Left]:
        left = []
        for one in events:
            assert one.purpose_id is not None
            held = self.model.holds(somebody, one.purpose_id)
            answer = somebody.answers[one.purpose_id]
            somebody.answers[one.purpose_id] = Answer(
                word="no", text=answer.text, entry_id=one.entry_id
            )
            left.append(
                Left(
                    person=person,
                    purpose_id=one.purpose_id,
                    entry_id=one.entry_id,
                    at=self.model.now,
                    ended_a_consent=held,
                )
            )
        return left

    @precondition(lambda self: self.model.people)
    @rule(target=departures, data=st.data(), purpose_id=any_purpose)
    def leave(self, data: st.DataObject, purpose_id: PurposeId) -> Any:
        somebody = data.draw(st.sampled_from(list(self.model.people.values())))
        person = self.run(self.shop.people.by_id(somebody.id))
        assert person is not None
        events = self.run(self.shop.consents.withdraw(person, purpose_id, PRESS, self.model.now))
        answer = somebody.answers.get(purpose_id)
        expected = set()
        if answer is not None and answer.is_open:
            expected = {purpose_id}
            if self.model.texts[purpose_id].is_offered:
                expected |= self.model.open_dependents(somebody, purpose_id)
        assert {one.purpose_id for one in events} == expected
        return multiple(*self.ended(somebody, person, tuple(events)))

    @precondition(lambda self: self.model.people)
    @rule(target=departures, data=st.data())
    def stop(self, data: st.DataObject) -> Any:
        somebody = data.draw(st.sampled_from(list(self.model.people.values())))
        person = self.run(self.shop.people.by_id(somebody.id))
        assert person is not None
        act = Act(method=Method.COMMAND)
        events = self.run(self.shop.consents.leave_all(person, act, self.model.now))
        still_open = {p for p, answer in somebody.answers.items() if answer.is_open}
        assert {one.purpose_id for one in events} == still_open - {DATA}
        return multiple(*self.ended(somebody, person, tuple(events)))

    @rule(left=departures)
    def undo(self, left: Left) -> None:
        person = self.run(self.as_known_now(left.person))
        act = Act(method=Method.UNDO)
        undoing = self.shop.consents.undo(person, left.entry_id, act, self.model.now)
        somebody = self.model.by_id(left.person.id)
        if somebody is None:
            self.fails_with(PromptUnknown, undoing)
            return
        answer = somebody.answers[left.purpose_id]
        texts = self.model.texts[left.purpose_id]
        if answer.word == "yes":
            # Taken back before, or agreed to anew: whatever is said, nothing changes.
            try:
                assert self.run(undoing).entry_id == answer.entry_id
            except UndoOver:
                event("undone long ago")
            return
        is_good = texts.is_offered and answer.text in texts.good_for[texts.current]
        is_last_word = answer.entry_id == left.entry_id and left.ended_a_consent
        if not is_last_word or not is_good or self.model.now - left.at >= 10 * MINUTE:
            self.fails_with(UndoOver, undoing)
        elif not self.model.requirements_hold(somebody, left.purpose_id):
            self.fails_with(PrerequisiteMissing, undoing)
        else:
            life = LIFE.get(left.purpose_id)
            somebody.answers[left.purpose_id] = Answer(
                word="yes",
                text=answer.text,
                entry_id=self.run(undoing).entry_id,
                ends_at=None if life is None else self.model.now + life,
            )

    # --- what operators and time do -----------------------------------------------------------

    @rule(purpose_id=any_purpose, text=st.sampled_from(TEXTS), reask=st.booleans())
    def change_a_text(self, purpose_id: PurposeId, text: str, *, reask: bool) -> None:
        self.model.texts[purpose_id].change(text, reask=reask)
        file = purposes(self.model, {purpose_id: reask})
        self.run(self.shop.publish(*file, at=self.model.now))

    @rule(required=st.sampled_from([None, (), (DATA,), (ORDERS,)]))
    def retire_offers_or_require_something_else(
        self, required: tuple[PurposeId, ...] | None
    ) -> None:
        if required is None:
            self.model.texts[OFFERS].is_offered = False
        else:
            self.model.requires[OFFERS] = required
        self.run(self.shop.publish(*purposes(self.model), at=self.model.now))

    @rule(
        jump=st.sampled_from(
            [MS, 9 * MINUTE, 10 * MINUTE, HOUR, DAY - MS, DAY, 2 * DAY, 30 * DAY, -HOUR]
        )
    )
    def time_passes(self, jump: timedelta) -> None:
        self.model.now += jump

    @rule()
    def say_what_expired(self) -> None:
        number = self.run(self.shop.consents.expire_due(self.model.now))
        for somebody in self.model.people.values():
            for answer in somebody.answers.values():
                if answer.is_open and answer.ends_at and self.model.now >= answer.ends_at:
                    answer.word = "was a yes"
                    number -= 1
        assert number == 0

    # --- sending ------------------------------------------------------------------------------

    @precondition(lambda self: self.model.people)
    @rule(purpose_id=any_purpose, goes_at_once=st.booleans())
    def begin_to_send(self, purpose_id: PurposeId, *, goes_at_once: bool) -> None:
        """Take in everybody, as if the audience had been chosen wrongly or long ago."""
        self.occurrences.append(self.run(self.new_occurrence(purpose_id)))
        if goes_at_once:
            self.claim(self.occurrences[-1], 99, DeliveryState.SENT)

    async def new_occurrence(self, purpose_id: PurposeId) -> str:
        campaign_id, occurrence_id = os.urandom(16).hex(), os.urandom(16).hex()
        at = self.model.now
        async with self.shop.database.transaction() as tx:
            await self.shop.core.journal.new_key(tx, campaign_id)
            await campaigns.add(
                tx,
                campaign_id=campaign_id,
                purpose_id=purpose_id,
                sealed=b"",
                content_sha256="",
                author_lookup=b"",
                notice_version=1,
                at=at,
            )
            draft = [CampaignState.DRAFT]
            await campaigns.move(tx, campaign_id, CampaignState.RUNNING, if_in=draft, at=at)
            await add_occurrence(
                tx,
                occurrence_id=occurrence_id,
                campaign_id=campaign_id,
                schedule_revision=0,
                wall_time="now",
                at=at,
            )
            everybody = [
                (os.urandom(11).hex(), somebody.id) for somebody in self.model.people.values()
            ]
            await deliveries.add_ready(tx, occurrence_id, everybody, at)
        for delivery_id, subject_id in everybody:
            self.model.ready[delivery_id] = (occurrence_id, purpose_id, subject_id)
        return occurrence_id

    @precondition(lambda self: self.occurrences)
    @rule(
        data=st.data(),
        limit=st.sampled_from([1, 99]),
        result=st.sampled_from([None, DeliveryState.SENT, DeliveryState.READY]),
    )
    def send(self, data: st.DataObject, limit: int, result: DeliveryState | None) -> None:
        """Claim; then Telegram takes the message, says "too many requests", or is silent."""
        self.claim(data.draw(st.sampled_from(self.occurrences)), limit, result)

    def claim(self, occurrence_id: str, limit: int, result: DeliveryState | None) -> None:
        waiting = sorted(d for d, (o, _, _) in self.model.ready.items() if o == occurrence_id)
        taken = {delivery_id: self.model.ready.pop(delivery_id) for delivery_id in waiting[:limit]}
        cleared = self.run(self.claimed(occurrence_id, limit))
        expected = {}
        for delivery_id, (_, purpose_id, subject_id) in taken.items():
            recipients = self.model.recipients(purpose_id)
            if subject_id in recipients:
                expected[delivery_id] = (subject_id, recipients[subject_id])
        found = {
            one.candidate.delivery_id: (one.candidate.subject_id, one.entry_id) for one in cleared
        }
        assert found == expected
        event(f"cleared {len(found)} of {len(taken)}")
        if result is not None:
            self.run(self.recorded(cleared, result))
        if result is DeliveryState.READY:
            self.model.ready |= {delivery_id: taken[delivery_id] for delivery_id in found}

    async def claimed(self, occurrence_id: str, limit: int) -> list[gate.Cleared]:
        async with self.shop.database.transaction() as tx:
            running: Running | None = await deliveries.still_running(tx, occurrence_id)
            assert running is not None
            cleared, _ = await gate.claim(
                tx, running, leaving_alone=(), limit=limit, at=self.model.now
            )
        return cleared

    async def recorded(self, cleared: list[gate.Cleared], state: DeliveryState) -> None:
        results = [
            Result(
                delivery_id=one.candidate.delivery_id,
                fence=one.candidate.fence,
                state=state,
                message_id=1 if state is DeliveryState.SENT else None,
            )
            for one in cleared
        ]
        async with self.shop.database.transaction() as tx:
            await deliveries.record(tx, results, self.model.now)

    # --- the promise --------------------------------------------------------------------------

    @invariant()
    def whoever_agreed_may_be_written_to_and_nobody_else(self) -> None:
        found = self.run(self.recipients())
        assert found == {purpose_id: self.model.recipients(purpose_id) for purpose_id in PURPOSES}

    async def recipients(self) -> dict[PurposeId, dict[SubjectId, EntryId | None]]:
        """Whom the database would let a message to, and by which consent."""
        everybody = [somebody.id for somebody in self.model.people.values()]
        found = {}
        async with self.shop.database.snapshot() as tx:
            terms = await notices.terms(tx)
            for purpose_id in PURPOSES:
                standings = await consents.standings_of(
                    tx, everybody, purpose_id, terms, self.model.now
                )
                found[purpose_id] = {
                    subject_id: entry_id
                    for subject_id, (standing, entry_id) in standings.items()
                    if standing == Standing.LIVE
                }
        return found


TestPromiseOne = PromiseOne.TestCase
TestPromiseOne.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
