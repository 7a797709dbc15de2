"""Leads a person through the questions: one message asks, one other certifies."""

from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from aiogram import Bot

from bot.consent.asking import next_question
from bot.consent.difference import Difference, difference
from bot.consent.purposes import Purpose
from bot.consent.rules import PurposeId, Standing
from bot.proof import canonical
from bot.usecases.consent_views import Position
from bot.usecases.consents import ConsentDesk
from bot.usecases.people import People, Person
from bot.usecases.publication import Publication
from handlers import screen as on_screen
from handlers.customer import screens
from handlers.screen import Screen
from storage.prompts import Step

DRAFT_NONCE = "x" * 22
"""Stands in while what will be shown is composed; labels and text do not depend on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """Shows questions, receipts and overviews to one person at a time."""

    bot: Bot
    desk: ConsentDesk
    people: People
    publication: Publication
    zone: ZoneInfo

    # --- asking -------------------------------------------------------------------------------

    async def begin(self, person: Person, at: datetime) -> None:
        """Answer /start: ask what was never answered, or show what is agreed."""
        positions = await self.desk.positions(person, at)
        await self._close_old_question(person)
        purpose_id = self._next(positions)
        if purpose_id is None:
            await self.show_overview(person, at)
            return
        if all(position.consent is None for position in positions):
            await on_screen.send(
                self.bot, _chat(person), screens.welcome(self.publication.catalogue, person.locale)
            )
        fresh = replace(person, question_message_id=None, receipt_message_id=None)
        await self.ask(fresh, purpose_id, at)

    async def go_on(self, person: Person, at: datetime, message_id: int | None) -> None:
        """After an answer: the next question in the same message, or the end of the questions."""
        positions = await self.desk.positions(person, at)
        person = replace(person, question_message_id=message_id)
        purpose_id = self._next(positions)
        if purpose_id is not None:
            await self.ask(person, purpose_id, at)
            return
        done = screens.finished(positions, self.publication.catalogue, person.locale)
        await on_screen.put(self.bot, _chat(person), message_id, done)
        await self._remember(person, None, person.receipt_message_id)

    async def ask(
        self,
        person: Person,
        purpose_id: PurposeId,
        at: datetime,
        *,
        is_full: bool = False,
        reasked: bool = False,
    ) -> None:
        """Show one question, or its confirmation step, in the message that asks."""
        position = await self._position(person, purpose_id, at)
        purpose = self._purpose(purpose_id)
        step = Step.CONFIRM if position.standing is Standing.UNCONFIRMED else Step.ANSWER
        change = await self._change(position) if step is Step.ANSWER else None

        def composed(nonce: str) -> Screen:
            if step is Step.CONFIRM:
                return screens.confirmation(purpose, person.locale, nonce)
            return screens.question(purpose, person.locale, nonce, is_full=is_full, change=change)

        shown = composed(DRAFT_NONCE).shown()
        nonce = await self.desk.ask(person, purpose_id, step, shown, at, reasked=reasked)
        message_id = await on_screen.put(
            self.bot, _chat(person), person.question_message_id, composed(nonce)
        )
        await self._remember(person, message_id, person.receipt_message_id)

    async def show_overview(
        self, person: Person, at: datetime, message_id: int | None = None
    ) -> None:
        positions = await self.desk.positions(person, at)
        is_paused = person.paused_until is not None and person.paused_until > at
        shown = screens.overview(
            positions,
            self.publication.catalogue,
            self.zone,
            person.locale,
            paused_until=person.paused_until if is_paused else None,
        )
        await on_screen.put(self.bot, _chat(person), message_id, shown)

    # --- certifying ---------------------------------------------------------------------------

    async def certify(self, person: Person) -> Person:
        """Bring the receipt up to date: one message, edited, below the question it is for."""
        lines = await self.desk.receipt(person)
        shown = screens.receipt(lines, self.publication.catalogue, person.locale, self.zone)
        message_id = await on_screen.put(self.bot, _chat(person), person.receipt_message_id, shown)
        await self._remember(person, person.question_message_id, message_id)
        return replace(person, receipt_message_id=message_id)

    # --- inside -------------------------------------------------------------------------------

    def _next(self, positions: list[Position]) -> PurposeId | None:
        catalogue = self.publication.catalogue
        order = [position.purpose_id for position in positions]
        return next_question(
            order,
            {position.purpose_id: position.standing for position in positions},
            {p: [PurposeId(r) for r in catalogue.prerequisites(p)] for p in order},
        )

    async def _position(self, person: Person, purpose_id: PurposeId, at: datetime) -> Position:
        positions = await self.desk.positions(person, at)
        return next(p for p in positions if p.purpose_id == purpose_id)

    async def _change(self, position: Position) -> Difference | None:
        """Show what changed to whoever agreed to an older text."""
        consent = position.consent
        if position.standing is not Standing.OLDER_TEXT or consent is None:
            return None
        if consent.locale not in self.publication.catalogue.locales:
            return Difference(removed="", added="")  # not to be compared across languages
        older = await self.desk.text(position.purpose_id, consent.notice_version, consent.locale)
        if older is None:
            return None
        facts = canonical.parse(older.canonical.encode())
        purpose = self._purpose(position.purpose_id)
        before = f"{facts['title']}\n{facts['summary']}\n{facts['text']}"
        locale = consent.locale
        after = f"{purpose.title[locale]}\n{purpose.summary[locale]}\n{purpose.notice[locale]}"
        return difference(before, after)

    def _purpose(self, purpose_id: PurposeId) -> Purpose:
        return self.publication.catalogue.purpose(purpose_id)

    async def _close_old_question(self, person: Person) -> None:
        if person.question_message_id is not None:
            await on_screen.remove_buttons(self.bot, _chat(person), person.question_message_id)

    async def _remember(self, person: Person, question: int | None, receipt: int | None) -> None:
        await self.people.set_messages(person.id, question=question, receipt=receipt)


def _chat(person: Person) -> int:
    return int(person.profile.account)
