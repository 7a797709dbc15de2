"""Builds the running bot, part by part, and runs it until it is told to stop."""

import asyncio
import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

import structlog
from aiogram import Bot, Dispatcher
from aiogram.exceptions import (
    TelegramAPIError,
    TelegramNetworkError,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from sqlalchemy.exc import SQLAlchemyError

from bot.app.clockwork import Clockwork
from bot.app.core import Core, build_core, open_keys, remember_origin, upgrade
from bot.app.listening import Handling, Poller, Webhook
from bot.app.menus import Menus
from bot.app.reasking import Reasker
from bot.app.telegram import build_bot
from bot.clock import utc_now
from bot.consent.loader import load
from bot.delivery.body import Body, Words
from bot.delivery.flights import Flights
from bot.delivery.pace import Pace
from bot.delivery.sender import Sender
from bot.delivery.telegram import TelegramChannel
from bot.errors import AssentError, ConfigurationError
from bot.logs import describe
from bot.settings import Settings
from bot.supervisor import Supervisor
from bot.usecases.campaigns import CampaignDesk
from bot.usecases.consents import ConsentDesk
from bot.usecases.conversations import Conversations
from bot.usecases.events import EventWriter
from bot.usecases.inbox import Inbox
from bot.usecases.people import People
from bot.usecases.publication import Publication, publish
from bot.usecases.records import RecordDesk
from bot.web.server import WEBHOOK_PATH, serve_web
from handlers import words
from handlers.conversation_storage import ConversationStorage
from handlers.customer.reception import Reception
from handlers.faults import apologise
from handlers.i18n import Language, _
from handlers.middleware import ErrorLanguage, Introduction
from handlers.operator.drafting import Drafting
from handlers.operator.telling import Teller
from handlers.roles import Roles
from handlers.routers import include_all
from storage.database import Database

log = structlog.get_logger(__name__)
UPDATES: Final = ["message", "callback_query", "my_chat_member"]
GREETING_SECONDS: Final = 2.0
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desks:
    """The use-cases of a running bot."""

    people: People
    consents: ConsentDesk
    records: RecordDesk
    campaigns: CampaignDesk
    inbox: Inbox
    conversations: Conversations


async def run(settings: Settings, tell: Tell) -> None:
    """Run the bot until cancelled. `tell` prints what a person should know.

    Raises ConfigurationError when it cannot start.
    """
    catalogue = load(settings.purposes_file)
    database = Database(settings.database_url)
    pace = Pace(settings.broadcast_rate)
    bot = build_bot(settings, pace)
    try:
        with only_one(settings):
            await upgrade(database)
            username = await _introduce(bot)
            origin = settings.log_origin or f"assent/{username}"
            opened, told = await open_keys(settings, database, origin=origin, at=utc_now())
            await remember_origin(database, opened)
            core = build_core(database, opened)
            publication = await publish(database, core.journal, catalogue, utc_now())
            for line in (*told, *settings.warnings, f"https://t.me/{username}"):
                tell(line)
            await _serve(settings, core, publication, bot, pace)
    finally:
        await bot.session.close()
        await database.close()


@contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Refuse a second `run` on the same SQLite file. Raises ConfigurationError."""
    folder = settings.database_folder
    if folder is None:
        yield
        return
    name = Path(Database(settings.database_url).url.database or "").name
    with _lock_file(folder / f"{name}.run.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(
                ["DATABASE_URL: another `run` uses this database; stop it first"]
            ) from error
        yield


def _lock_file(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("w")
    except OSError as error:
        raise ConfigurationError(
            [f"DATABASE_URL: {path.parent} cannot be written ({error.strerror})"]
        ) from error


async def _introduce(bot: Bot) -> str:
    """Ask Telegram who we are; wait while it cannot be reached. Raises ConfigurationError."""
    while True:
        try:
            me = await bot.get_me()
        except TelegramUnauthorizedError as error:
            raise ConfigurationError(
                ["BOT_TOKEN: Telegram does not accept it; take a fresh one from @BotFather"]
            ) from error
        except (TelegramNetworkError, TelegramServerError) as error:
            log.warning("telegram.unreachable", error=type(error).__name__)
            await asyncio.sleep(GREETING_SECONDS)
        except TelegramAPIError as error:
            raise ConfigurationError(
                ["BOT_TOKEN: Telegram does not know this bot; check it and BOT_API_URL"]
            ) from error
        else:
            return me.username or str(me.id)


async def _serve(
    settings: Settings, core: Core, publication: Publication, bot: Bot, pace: Pace
) -> None:
    language = Language(settings.default_locale)
    flights = Flights()
    sender_wake = asyncio.Event()
    desks = build_desks(settings, core, publication, flights, sender_wake.set)
    arrived, caught_up, idle = asyncio.Event(), asyncio.Event(), asyncio.Event()
    backlog_handled = asyncio.Event()
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
    roles = Roles(frozenset(settings.owner_ids))
    menus = Menus(
        bot=bot,
        database=core.database,
        language=language,
        publication=publication,
        roles=roles,
    )
    dispatcher = build_dispatcher(core, publication, desks, drafting, reception, language, menus)
    handling = Handling(
        bot=bot,
        dispatcher=dispatcher,
        inbox=desks.inbox,
        arrived=arrived,
        idle=idle,
        apologise=_apology(bot, language),
    )
    channel = TelegramChannel(
        settings.bot_api_url,
        bot.token,
        connections=settings.send_concurrency,
    )
    sender = Sender(
        database=core.database,
        keyring=core.journal.keyring,
        channel=channel,
        pace=pace,
        flights=flights,
        clock=utc_now,
        bodies=_bodies(desks.campaigns, footer),
        concurrency=settings.send_concurrency,
        wake=sender_wake,
        is_held=lambda: not backlog_handled.is_set(),
    )
    await desks.campaigns.settle_former_process(utc_now())
    await desks.campaigns.after_silence(await desks.inbox.last_fetched(), utc_now())

    async def let_sender_start() -> None:
        await caught_up.wait()
        await idle.wait()
        backlog_handled.set()
        sender_wake.set()

    teller = Teller(desk=desks.campaigns, drafting=drafting, language=language)
    reasker = Reasker(
        desk=desks.consents, reception=reception, people=desks.people, language=language
    )
    clockwork = Clockwork(
        consents=desks.consents,
        campaigns=desks.campaigns,
        inbox=desks.inbox,
        signer=core.signer,
        clock=utc_now,
    )
    try:
        async with Supervisor() as tasks:
            _start_updates(settings, bot, desks.inbox, arrived, caught_up, tasks)
            tasks.start(handling.run(), name="conversations")
            tasks.start(let_sender_start(), name="backlog")
            tasks.start(sender.run(), name="sender")
            tasks.start(teller.run(), name="news for operators")
            tasks.start(_set_menus(menus), name="menus")
            tasks.start(reasker.run(backlog_handled), name="asking again")
            tasks.start(clockwork.run(), name="clock")
            log.info("assent.running")
    finally:
        await channel.close()


async def _set_menus(menus: Menus) -> None:
    """Set the menus; a database that is locked for a while must not end the program."""
    while True:
        try:
            await menus.update()
        except SQLAlchemyError as error:
            log.warning("menus.not_set", **describe(error))
            await asyncio.sleep(GREETING_SECONDS)
        else:
            return


def _start_updates(
    settings: Settings,
    bot: Bot,
    inbox: Inbox,
    arrived: asyncio.Event,
    caught_up: asyncio.Event,
    tasks: Supervisor,
) -> None:
    """Take updates by webhook where one is configured, else by polling."""
    secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret else None
    if settings.web_bind is not None:
        webhook_secret = secret if settings.public_url else None
        web = serve_web(settings.web_bind, webhook_secret, inbox, arrived, utc_now)
        tasks.start(web, name="web")
    if settings.public_url and secret is not None:
        webhook = Webhook(
            bot=bot,
            inbox=inbox,
            clock=utc_now,
            caught_up=caught_up,
            url=f"{settings.public_url}{WEBHOOK_PATH}",
            secret=secret,
            allowed=UPDATES,
        )
        tasks.start(webhook.run(), name="updates")
        return
    poller = Poller(
        bot=bot,
        inbox=inbox,
        clock=utc_now,
        arrived=arrived,
        caught_up=caught_up,
        allowed=UPDATES,
    )
    tasks.start(poller.run(), name="updates")


def build_desks(
    settings: Settings,
    core: Core,
    publication: Publication,
    flights: Flights,
    wake_sender: Callable[[], None],
) -> Desks:
    people = People(
        database=core.database,
        journal=core.journal,
        locales=publication.catalogue.locales,
        default_locale=settings.default_locale,
    )
    events = EventWriter(journal=core.journal)
    return Desks(
        people=people,
        consents=ConsentDesk(
            database=core.database,
            events=events,
            people=people,
            publication=publication,
            recall=flights.recall,
        ),
        records=RecordDesk(
            database=core.database,
            journal=core.journal,
            signer=core.signer,
            recall=flights.recall,
        ),
        campaigns=CampaignDesk(
            database=core.database,
            journal=core.journal,
            publication=publication,
            wake_sender=wake_sender,
        ),
        inbox=Inbox(database=core.database, keyring=core.journal.keyring),
        conversations=Conversations(database=core.database, keyring=core.journal.keyring),
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
        exports=core.exports,
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


def _bodies(desk: CampaignDesk, footer: Mapping[str, Words]) -> Any:
    async def body(campaign_id: str) -> Body:
        campaign = await desk.get(campaign_id)
        label = desk.label(campaign.purpose_id, campaign.author.locale, campaign.erid)
        return Body(content=campaign.content, label=label, words=footer)

    return body


def _apology(bot: Bot, language: Language) -> Any:
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
