"""What every handler may ask for: who it is, in which language, when the update was stored."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from aiogram import BaseMiddleware
from aiogram.types import (
    CallbackQuery,
    ChatMemberUpdated,
    ErrorEvent,
    Message,
    TelegramObject,
    User,
)

from bot.consent.rules import Reach
from bot.privacy.profile import Profile
from bot.usecases.people import People, Person
from handlers.customer.returning import welcome_back
from handlers.i18n import Language
from handlers.sources import source_of

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


class Introduction(BaseMiddleware):
    """Finds the person behind a private message or press; speaks their language.

    Whoever writes is kept from then on. A press or a block alone makes nobody known: after an
    erasure an old button must not bring a person back.
    """

    def __init__(
        self, people: People, language: Language, greet: Callable[[int], Awaitable[None]]
    ) -> None:
        self.people = people
        self.language = language
        self.greet = greet
        """Gives somebody of the staff their menu."""

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        user: User | None = getattr(event, "from_user", None)
        person = None if user is None else await self._person(event, user, data["stored_at"])
        locale = spoken(self.people, person, user)
        data["person"] = person
        data["locale"] = locale
        with self.language.speaking(locale):
            if user is not None and data["roles"].of(user.id) is not None:
                await self.greet(user.id)
            if person is not None and person.reach is not Reach.REACHABLE:
                await self._welcome_back(event, person, data)
            return await handler(event, data)

    async def _welcome_back(
        self, event: TelegramObject, person: Person, data: dict[str, Any]
    ) -> None:
        """Whoever writes has unblocked the bot: told before anything is sent again."""
        if isinstance(event, Message | CallbackQuery):
            await welcome_back(person, self.people, data["reception"], data["stored_at"])

    async def _person(self, event: TelegramObject, user: User, at: datetime) -> Person | None:
        if isinstance(event, Message) and event.chat.type == "private" and not user.is_bot:
            return await self.people.meet(_profile(user, event.text), at)
        if isinstance(event, CallbackQuery | ChatMemberUpdated):
            return await self.people.find(str(user.id))
        return None


def _profile(user: User, text: str | None) -> Profile:
    return Profile(
        account=str(user.id),
        first_name=user.first_name,
        last_name=user.last_name or "",
        username=user.username or "",
        language=user.language_code or "",
        source=source_of(text),
    )


class ErrorLanguage(BaseMiddleware):
    """Lets errors speak the language of whoever caused them."""

    def __init__(self, people: People, language: Language) -> None:
        self.people = people
        self.language = language

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        assert isinstance(event, ErrorEvent)  # noqa: S101 only errors come here
        user: User | None = getattr(event.update.event, "from_user", None)
        person = None if user is None else await self.people.find(str(user.id))
        with self.language.speaking(spoken(self.people, person, user)):
            return await handler(event, data)


def spoken(people: People, person: Person | None, user: User | None) -> str:
    """Choose a language: what somebody chose here, else what Telegram says of them."""
    if person is not None:
        return person.locale
    return people.locale_for((user.language_code if user else None) or "")
