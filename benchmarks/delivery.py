"""How fast a campaign leaves, against a bare aiogram loop to the same sink.

Ours claims, reads each consent again, decrypts, commits `sending`, sends and records; the
baseline calls `send_message`, with the same concurrency, and does nothing else. The pace is not
limited, so that the program is measured and not Telegram's rate.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer

from benchmarks import sink
from benchmarks.measuring import compare
from benchmarks.shop import ORDERS, Shop, agree, open_shop
from bot.campaigns.campaign import Author
from bot.campaigns.content import Content, ContentKind
from bot.campaigns.states import CampaignState
from bot.clock import utc_now
from bot.delivery.body import Body, Words
from bot.delivery.flights import Flights
from bot.delivery.pace import Pace
from bot.delivery.sender import Sender
from bot.delivery.telegram import TelegramChannel

PEOPLE = 2000
CONCURRENCY = 50
UNLIMITED = 1_000_000.0
TOKEN = "4242:benchmark"  # noqa: S105 the sink takes any
TEXT = "Your order no. 1234 is on its way and will be with you tomorrow."
WORDS = {"en": Words(unsubscribe="Unsubscribe", why="Why do I get this?")}


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = await open_shop(Path(folder))
        desks = shop.desks()
        for account in range(1, PEOPLE + 1):
            await agree(desks, account)
        async with sink.running() as url:
            await compare(
                f"Delivery: {PEOPLE} messages, concurrency {CONCURRENCY}, SQLite",
                lambda: _ours(shop, url),
                lambda: _bare(url),
                unit="messages",
                against="aiogram's send_message in a loop",
            )
        await shop.database.close()


async def _ours(shop: Shop, url: str) -> int:
    flights = Flights()
    desks = shop.desks(flights)
    content = Content(kind=ContentKind.TEXT, text=TEXT)
    author = Author(account="1", locale="en")
    campaign = await desks.campaigns.draft(ORDERS, content, author, utc_now())
    await desks.campaigns.start(campaign.id, "1", utc_now())
    channel = TelegramChannel(url, TOKEN, connections=CONCURRENCY)

    async def body(_campaign_id: str) -> Body:
        return Body(content=content, label=None, words=WORDS)

    sender = Sender(
        database=shop.database,
        keyring=shop.core.journal.keyring,
        channel=channel,
        pace=Pace(UNLIMITED),
        flights=flights,
        clock=utc_now,
        bodies=body,
        concurrency=CONCURRENCY,
    )
    sending = asyncio.ensure_future(sender.run())
    while (await desks.campaigns.get(campaign.id)).state is not CampaignState.FINISHED:
        await asyncio.sleep(0.02)
    sending.cancel()
    await asyncio.wait([sending])
    await channel.close()
    return PEOPLE


async def _bare(url: str) -> int:
    bot = Bot(TOKEN, session=AiohttpSession(api=TelegramAPIServer.from_base(url)))
    accounts: Iterator[int] = iter(range(1, PEOPLE + 1))

    async def work() -> None:
        for account in accounts:
            await bot.send_message(account, TEXT)

    await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
    await bot.session.close()
    return PEOPLE
