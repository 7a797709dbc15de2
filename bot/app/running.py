"""Builds the running bot, part by part, and runs it until it is told to stop."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog
from aiogram import Bot
from aiogram.exceptions import (
    TelegramAPIError,
    TelegramNetworkError,
    TelegramServerError,
    TelegramUnauthorizedError,
)

from bot.app.authority import build_stamping
from bot.app.chat import Chat, apology, build_chat
from bot.app.clockwork import Clockwork
from bot.app.core import Core, build_core, open_keys, remember_origin, upgrade
from bot.app.desks import Desks, build_desks
from bot.app.exclusion import only_one
from bot.app.herald import Herald
from bot.app.listening import Handling, Poller, Webhook
from bot.app.reasking import Reasker
from bot.app.restoring import Restoring
from bot.app.telegram import build_bot
from bot.clock import utc_now
from bot.consent.loader import load
from bot.delivery.body import Body, Words
from bot.delivery.flights import Flights
from bot.delivery.pace import Pace
from bot.delivery.sender import Sender
from bot.delivery.telegram import TelegramChannel
from bot.errors import ConfigurationError
from bot.settings import Settings
from bot.supervisor import Supervisor
from bot.usecases.campaigns import CampaignDesk
from bot.usecases.inbox import Inbox
from bot.usecases.publication import Publication, publish
from bot.usecases.stamping import Posting
from bot.web.server import WEBHOOK_PATH, serve_web
from handlers.operator.telling import Teller
from storage.database import Database

log = structlog.get_logger(__name__)
UPDATES: Final = ["message", "callback_query", "my_chat_member"]
GREETING_SECONDS: Final = 2.0
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Signals:
    """What the parts tell each other."""

    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Updates were stored."""
    caught_up: asyncio.Event = field(default_factory=asyncio.Event)
    """Telegram has nothing more that came before we started."""
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """Every stored update is handled."""
    may_send: asyncio.Event = field(default_factory=asyncio.Event)
    """What people said while we were away is handled: it may have been a withdrawal."""
    sender: asyncio.Event = field(default_factory=asyncio.Event)
    """There may be something to send."""


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
            log.warning(
                "telegram.unreachable",
                error=type(error).__name__,
                hint="check the network and BOT_API_URL",
            )
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
    signals, flights = Signals(), Flights()
    desks = build_desks(settings, core, publication, flights, signals.sender.set)
    chat = build_chat(settings, core, publication, desks, bot)
    channel = TelegramChannel(
        settings.bot_api_url, bot.token, connections=settings.send_concurrency
    )
    sender = Sender(
        database=core.database,
        keyring=core.journal.keyring,
        channel=channel,
        pace=pace,
        flights=flights,
        clock=utc_now,
        bodies=_bodies(desks.campaigns, chat.footer),
        concurrency=settings.send_concurrency,
        wake=signals.sender,
        is_held=lambda: not signals.may_send.is_set(),
    )
    fallen_behind = await core.signer.fallen_behind()
    if await desks.aftermath.settle(fallen_behind, utc_now()) is not None:
        log.error("database.put_back", hint="nothing is resent; advertising waits for an admin")
    if fallen_behind is not None:
        log.error("log.fallen_behind", hint="nothing is signed; see `keys status`")
    await desks.campaigns.settle_former_process(utc_now())
    await desks.campaigns.after_silence(await desks.inbox.last_fetched(), utc_now())
    try:
        async with Supervisor() as tasks:
            _start_updates(settings, bot, desks.inbox, signals, tasks)
            _start_chat(settings, core, bot, desks, chat, signals, tasks)
            restoring = Restoring(
                aftermath=desks.aftermath,
                people=desks.people,
                bot=bot,
                language=chat.language,
                owner_ids=settings.owner_ids,
                zone=settings.zone,
            )
            tasks.start(restoring.run(), name="after a restore")
            tasks.start(_let_sender_start(signals), name="backlog")
            tasks.start(sender.run(), name="sender")
            log.info("assent.running")
    finally:
        await channel.close()


async def _let_sender_start(signals: Signals) -> None:
    await signals.caught_up.wait()
    await signals.idle.wait()
    signals.may_send.set()
    signals.sender.set()


def _start_chat(
    settings: Settings,
    core: Core,
    bot: Bot,
    desks: Desks,
    chat: Chat,
    signals: Signals,
    tasks: Supervisor,
) -> None:
    """Start what speaks with people, and the clock."""
    handling = Handling(
        bot=bot,
        dispatcher=chat.dispatcher,
        inbox=desks.inbox,
        arrived=signals.arrived,
        idle=signals.idle,
        apologise=apology(bot, chat.language),
    )
    teller = Teller(desk=desks.campaigns, drafting=chat.drafting, language=chat.language)
    reasker = Reasker(
        desk=desks.consents, reception=chat.reception, people=desks.people, language=chat.language
    )
    clockwork = Clockwork(
        consents=desks.consents,
        campaigns=desks.campaigns,
        inbox=desks.inbox,
        signer=core.signer,
        seals=desks.seals,
        stamping=build_stamping(settings, core.database),
        herald=_herald(settings, core, bot, chat),
        retention=desks.retention,
        rotation=core.rotation,
        clock=utc_now,
    )
    tasks.start(handling.run(), name="conversations")
    tasks.start(teller.run(), name="news for operators")
    tasks.start(chat.menus.run(), name="menus")
    tasks.start(reasker.run(signals.may_send), name="asking again")
    tasks.start(clockwork.run(), name="clock")


def _herald(settings: Settings, core: Core, bot: Bot, chat: Chat) -> Herald | None:
    if settings.checkpoint_channel is None:
        return None
    posting = Posting(database=core.database, channel=settings.checkpoint_channel)
    return Herald(bot=bot, posting=posting, language=chat.language)


def _start_updates(
    settings: Settings, bot: Bot, inbox: Inbox, signals: Signals, tasks: Supervisor
) -> None:
    """Take updates by webhook where one is configured, else by polling."""
    secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret else None
    if settings.web_bind is not None:
        webhook_secret = secret if settings.public_url else None
        web = serve_web(settings.web_bind, webhook_secret, inbox, signals.arrived, utc_now)
        tasks.start(web, name="web")
    if settings.public_url and secret is not None:
        webhook = Webhook(
            bot=bot,
            inbox=inbox,
            clock=utc_now,
            caught_up=signals.caught_up,
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
        arrived=signals.arrived,
        caught_up=signals.caught_up,
        allowed=UPDATES,
    )
    tasks.start(poller.run(), name="updates")


def _bodies(desk: CampaignDesk, footer: Mapping[str, Words]) -> Callable[[str], Awaitable[Body]]:
    async def body(campaign_id: str) -> Body:
        campaign = await desk.get(campaign_id)
        label = desk.label(campaign.purpose_id, campaign.author.locale, campaign.erid)
        return Body(content=campaign.content, label=label, words=footer)

    return body
