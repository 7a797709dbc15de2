"""The bot's own description and command menus, in every locale; set only when they changed."""

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiogram import Bot
from aiogram.exceptions import TelegramAPIError
from aiogram.types import (
    BotCommand,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
)
from sqlalchemy.exc import SQLAlchemyError

from bot.logs import describe
from bot.usecases.publication import Publication
from handlers.i18n import Language, _
from handlers.roles import Roles
from storage import facts
from storage.database import Database
from storage.facts import Fact

log = structlog.get_logger(__name__)
RETRY_SECONDS: Final = 2.0
DESCRIPTION_LIMIT: Final = 512
SHORT_LIMIT: Final = 120
CUSTOMER: Final = (
    "start",
    "subscriptions",
    "stop",
    "privacy",
    "mydata",
    "forget",
    "language",
    "help",
)


def command_words() -> dict[str, str]:
    """Say in a few words what each command does."""
    return {
        "start": _("Begin"),
        "subscriptions": _("What I agreed to"),
        "stop": _("Leave all messages"),
        "privacy": _("Who keeps what about me"),
        "mydata": _("Everything kept about me"),
        "forget": _("Delete everything"),
        "language": _("Change the language"),
        "help": _("Help"),
        "broadcast": _("Write to those who agreed"),
        "campaigns": _("What was sent"),
        "cancel": _("Out of any conversation"),
        "stats": _("Numbers"),
        "export": _("The consent log"),
        "dossier": _("Everything about one person"),
        "staff": _("Who may do what"),
        "hold": _("Legal holds"),
    }


@dataclass(slots=True, kw_only=True)
class Menus:
    """Keeps Telegram's picture of the bot up to date; never blocks the start."""

    bot: Bot
    database: Database
    language: Language
    publication: Publication
    roles: Roles
    _greeted: set[int] = field(default_factory=set)

    async def run(self) -> None:
        """Set them once; a database that is locked for a while must not end the program."""
        while True:
            try:
                await self.update()
            except SQLAlchemyError as error:
                log.warning("menus.not_set", **describe(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def update(self) -> None:
        """Set what changed since the last time. A refusal is logged and changes nothing else."""
        wanted = self._wanted()
        digest = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
        async with self.database.snapshot() as tx:
            known = await facts.get(tx, Fact.MENUS)
        if known == digest:
            return
        try:
            await self._set(wanted)
        except TelegramAPIError as error:
            log.warning("menus.not_set", error=type(error).__name__)
            return
        async with self.database.transaction() as tx:
            await facts.put(tx, Fact.MENUS, digest)

    def _wanted(self) -> dict[str, Any]:
        wanted: dict[str, Any] = {}
        for locale in self.publication.catalogue.locales:
            with self.language.speaking(locale):
                words = command_words()
                name = self.publication.catalogue.controller.name[locale]
                wanted[locale] = {
                    "customer": [[command, words[command]] for command in CUSTOMER],
                    "description": _(
                        "{name} writes here only about what you agreed to, purpose by purpose. "
                        "You get a receipt for every answer and leave with one tap."
                    ).format(name=name)[:DESCRIPTION_LIMIT],
                    "short": _("{name}: messages you agreed to").format(name=name)[:SHORT_LIMIT],
                }
        return wanted

    async def _set(self, wanted: dict[str, Any]) -> None:
        for locale, facts_of in wanted.items():
            for code in self._codes(locale):
                await self.bot.set_my_description(facts_of["description"], language_code=code)
                await self.bot.set_my_short_description(facts_of["short"], language_code=code)
                customer = _commands(facts_of["customer"])
                await self.bot.set_my_commands(
                    customer, scope=BotCommandScopeAllPrivateChats(), language_code=code
                )

    async def greet(self, user_id: int) -> None:
        """Give somebody of the staff their own menu, when they first write to this process."""
        if user_id in self._greeted:
            return
        self._greeted.add(user_id)
        for locale in self.publication.catalogue.locales:
            with self.language.speaking(locale):
                words = command_words()
            names = (*CUSTOMER, *self.roles.commands_of(user_id))
            commands = _commands([[name, words[name]] for name in names])
            scope = BotCommandScopeChat(chat_id=user_id)
            try:
                for code in self._codes(locale):
                    await self.bot.set_my_commands(commands, scope=scope, language_code=code)
            except TelegramAPIError as error:
                log.warning("menus.not_set", error=type(error).__name__)

    def _codes(self, locale: str) -> list[str | None]:
        """The first locale of the file also serves whoever speaks none of them."""
        return [None, locale] if locale == self.publication.catalogue.locales[0] else [locale]


def _commands(pairs: list[list[str]]) -> list[BotCommand]:
    return [BotCommand(command=command, description=words) for command, words in pairs]
