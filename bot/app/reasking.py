"""Asks people again whose text has changed materially: told once, at the campaigns' pace."""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

import structlog
from aiogram.exceptions import TelegramAPIError, TelegramForbiddenError
from sqlalchemy.exc import SQLAlchemyError

from bot.clock import utc_now
from bot.consent.rules import PurposeId, Reach, Standing, SubjectId
from bot.errors import AssentError
from bot.logs import describe
from bot.usecases.consents import ConsentDesk
from bot.usecases.people import People, Person
from handlers.customer.reception import Reception
from handlers.i18n import Language

log = structlog.get_logger(__name__)
PAGE: Final = 100
RETRY_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasker:
    """Goes through those who agreed to an older text, once after each start.

    The prompt is committed before it is sent: after a crash nobody is asked twice, and whoever
    was missed is asked when they write.
    """

    desk: ConsentDesk
    reception: Reception
    people: People
    language: Language

    async def run(self, may_start: asyncio.Event) -> None:
        await may_start.wait()
        for purpose_id in self.desk.publication.versions:
            while True:
                try:
                    await self._ask_all(purpose_id)
                except (SQLAlchemyError, TelegramAPIError) as error:
                    log.warning("reasking.interrupted", **describe(error))
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    break

    async def _ask_all(self, purpose_id: PurposeId) -> None:
        after: SubjectId | None = None
        while page := await self.desk.to_ask_again(purpose_id, utc_now(), after=after, limit=PAGE):
            for subject_id in page:
                await self._ask(purpose_id, subject_id)
            after = page[-1]

    async def _may_answer(self, person: Person, purpose_id: PurposeId) -> bool:
        """What it requires comes first; the answer to that brings this question by itself."""
        positions = await self.desk.positions(person, utc_now())
        live = {p.purpose_id for p in positions if p.standing is Standing.LIVE}
        return live.issuperset(self.desk.publication.catalogue.prerequisites(purpose_id))

    async def _ask(self, purpose_id: PurposeId, subject_id: SubjectId) -> None:
        person = await self.people.by_id(subject_id)
        if person is None or not await self._may_answer(person, purpose_id):
            return
        asked = replace(person, question_message_id=None, receipt_message_id=None)
        with self.language.speaking(person.locale):
            try:
                await self.reception.ask(asked, purpose_id, utc_now(), reasked=True)
            except TelegramForbiddenError:
                await self.people.set_reach(subject_id, Reach.BLOCKED)
            except AssentError as error:
                # Left, paused, answered or erased since the page was read.
                log.info("reasking.passed_over", **describe(error))
