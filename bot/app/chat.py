"""The conversations: everything that turns updates into words, built once."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiogram import Bot, Dispatcher
from aiogram.exceptions import (
    TelegramAPIError,
)

from bot.app.core import Core
from bot.app.desks import Desks
from bot.app.menus import Menus
from bot.clock import utc_now
from bot.delivery.body import Words
from bot.errors import AssentError
from bot.settings import Settings
from bot.usecases.publication import Publication
from handlers import words
from handlers.conversation_storage import ConversationStorage
from handlers.customer.reception import Reception
from handlers.faults import apologise
from handlers.i18n import Language, _
from handlers.middleware import ErrorLanguage, Introduction
from handlers.operator.drafting import Drafting
from handlers.roles import Roles
from handlers.routers import include_all


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """What speaks with people."""

    language: Language
    footer: Mapping[str, Words]
    """The words under every message, by locale."""
    drafting: Drafting
    reception: Reception
    menus: Menus
    dispatcher: Dispatcher


def build_chat(
    settings: Settings, core: Core, publication: Publication, desks: Desks, bot: Bot
) -> Chat:
    language = Language(settings.default_locale)
    footer = footer_words(language, publication)
    drafting = Drafting(
        bot=bot,
        desk=desks.campaigns,
        words=footer,
        zone=settings.zone,
        rate=settings.broadcast_rate,
    )
    reception = Reception(
        bot=bot,
        desk=desks.consents,
        people=desks.people,
        publication=publication,
        zone=settings.zone,
    )
    menus = Menus(
        bot=bot,
        database=core.database,
        language=language,
        publication=publication,
        roles=Roles(frozenset(settings.owner_ids)),
    )
    return Chat(
        language=language,
        footer=footer,
        drafting=drafting,
        reception=reception,
        menus=menus,
        dispatcher=build_dispatcher(core, publication, desks, drafting, reception, language, menus),
    )


def build_dispatcher(
    core: Core,
    publication: Publication,
    desks: Desks,
    drafting: Drafting,
    reception: Reception,
    language: Language,
    menus: Menus,
) -> Dispatcher:
    dispatcher = Dispatcher(
        storage=ConversationStorage(desks.conversations, utc_now),
        people=desks.people,
        desk=desks.consents,
        records=desks.records,
        campaign_desk=desks.campaigns,
        aftermath=desks.aftermath,
        exports=core.exports,
        dossiers=core.dossiers,
        hold_desk=desks.holds,
        publication=publication,
        drafting=drafting,
        reception=reception,
        roles=menus.roles,
        language=language,
    )
    introduction = Introduction(desks.people, language, menus.greet)
    for observer in (dispatcher.message, dispatcher.callback_query, dispatcher.my_chat_member):
        observer.outer_middleware(introduction)
    dispatcher.errors.outer_middleware(ErrorLanguage(desks.people, language))
    include_all(dispatcher)
    return dispatcher


def footer_words(language: Language, publication: Publication) -> dict[str, Words]:
    """The words under every message, in every locale that a recipient may have."""
    found = {}
    for locale in publication.catalogue.locales:
        with language.speaking(locale):
            found[locale] = Words(unsubscribe=words.unsubscribe(), why=words.why())
    return found


def apology(bot: Bot, language: Language) -> Callable[[Mapping[str, Any]], Awaitable[None]]:
    """Return what tells a person, in their language, that we failed them."""

    async def apologise_for(update: Mapping[str, Any]) -> None:
        query, message = update.get("callback_query"), update.get("message")
        sender = (query or message or {}).get("from", {})
        locale = sender.get("language_code", "").split("-")[0]
        locale = locale if locale in language.available_locales else language.default_locale
        chat = (message or {}).get("chat", {})
        is_private = chat.get("type") == "private"
        with language.speaking(locale), suppress(TelegramAPIError):
            await apologise(
                bot,
                chat.get("id") if is_private else None,
                (query or {}).get("id"),
                _(AssentError.message_key),
            )

    return apologise_for
