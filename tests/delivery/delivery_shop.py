"""A shop that sends: real database, real keystore, and the simulator in Telegram's place."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, text

from bot.app.core import Core, build_core
from bot.app.desks import Desks, build_desks
from bot.campaigns.campaign import Author, Campaign, Report
from bot.campaigns.content import Content, ContentKind
from bot.clock import utc_now
from bot.consent.acts import Act, Choice, Method, Shown
from bot.consent.purposes import Advisory, Catalogue, Controller, Kind, Period, Purpose
from bot.consent.rules import PurposeId
from bot.delivery.body import Body, Words
from bot.delivery.flights import Flights
from bot.delivery.pace import Pace
from bot.delivery.sender import Sender
from bot.delivery.telegram import TelegramChannel
from bot.privacy.profile import Profile
from bot.sandbox.server import Call, Sandbox, serve
from bot.settings import Settings
from bot.usecases.campaigns import CampaignDesk
from bot.usecases.inbox import Inbox
from bot.usecases.people import People, Person
from bot.usecases.publication import Publication, publish
from storage import keystore, migrations
from storage.database import Database
from storage.prompts import Step
from storage.schema import delivery

TOKEN = "4242:made-up"
DEADLINE_SECONDS = 20.0
BOTH = {"ru": "текст", "en": "text"}
WORDS = {
    "ru": Words(unsubscribe="Отписаться", why="Почему я это получаю?"),
    "en": Words(unsubscribe="Unsubscribe", why="Why do I get this?"),
}
CATALOGUE = Catalogue(
    locales=("ru", "en"),
    controller=Controller(
        name={"ru": "ООО «Чайная лавка»", "en": "Tea Shop LLC"},
        address=BOTH,
        country="RU",
        contact="privacy@tea.example",
        inn="7707083893",
    ),
    advisories=(
        Advisory(id="RU-38FZ-5-10.7", accepted_by="O. Chaikina", accepted_on=date(2026, 11, 24)),
    ),
    purposes=(
        Purpose(id="orders", kind=Kind.INFORMATIONAL, title=BOTH, summary=BOTH, notice=BOTH),
        Purpose(
            id="offers",
            kind=Kind.ADVERTISING,
            title=BOTH,
            summary=BOTH,
            notice=BOTH,
            valid_for=Period("P1D"),
        ),
    ),
)
OWNER = Author(account="1", locale="en")


async def until(condition: Callable[[], Any], seconds: float = DEADLINE_SECONDS) -> None:
    """Wait for a condition, awaited where it is a coroutine; fail at the deadline."""
    async with asyncio.timeout(seconds):
        while True:
            holds = condition()
            if inspect.isawaitable(holds):
                holds = await holds
            if holds:
                return
            await asyncio.sleep(0.005)


@dataclass(slots=True)
class WallClock:
    """The real time, set ahead where a test says so."""

    ahead: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """What outlives a process: database and keys; and Telegram."""

    database: Database
    core: Core
    publication: Publication
    sandbox: Sandbox
    clock: WallClock
    processes: list["Process"] = field(default_factory=list)

    def process(self, **facts: Any) -> "Process":
        process = Process(self, **facts)
        self.processes.append(process)
        return process

    def desks(
        self, flights: Flights | None = None, wake: Callable[[], None] = lambda: None
    ) -> Desks:
        """The use-cases, built as the program builds them."""
        settings = Settings(_env_file=None, default_locale="en")
        flights = Flights() if flights is None else flights  # an empty one is false
        return build_desks(settings, self.core, self.publication, flights, wake)

    @property
    def people(self) -> People:
        return self.desks().people

    async def agree(self, account: int, *purposes: str) -> Person:
        """Let somebody start the bot and agree, as a conversation would."""
        phone = self.sandbox.person(account, f"Person {account}")
        phone.account.has_started = True
        profile = Profile(account=str(account), first_name="P", language="en")
        person = await self.people.meet(profile, self.clock())
        desk = self.desks().consents
        for purpose in purposes or ("orders",):
            shown = Shown(text="?", entities=(), buttons=())
            now = self.clock()
            nonce = await desk.ask(person, PurposeId(purpose), Step.ANSWER, shown, now)
            await desk.answer(person, nonce, Choice.AGREE, Act(method=Method.CALLBACK), now)
        return person

    async def agree_all(self, accounts: Sequence[int], *purposes: str) -> list[Person]:
        return [await self.agree(account, *purposes) for account in accounts]

    def campaigns(self) -> CampaignDesk:
        return self.desks().campaigns

    @property
    def inbox(self) -> Inbox:
        return self.desks().inbox

    async def draft(self, text_: str = "Hello", purpose: str = "orders") -> Campaign:
        content = Content(kind=ContentKind.TEXT, text=text_)
        return await self.campaigns().draft(purpose, content, OWNER, self.clock())

    async def started(self, text_: str = "Hello", purpose: str = "orders") -> Campaign:
        campaign = await self.draft(text_, purpose)
        return await self.campaigns().start(campaign.id, OWNER.account, self.clock())

    async def report(self, campaign: Campaign) -> Report:
        return (await self.campaigns().report(campaign.id))[1]

    async def state(self, campaign: Campaign) -> str:
        return (await self.campaigns().get(campaign.id)).state

    async def is_over(self, campaign: Campaign) -> bool:
        return await self.state(campaign) == "finished"

    async def deliveries(self, state: str) -> int:
        query = select(func.count()).select_from(delivery).where(delivery.c.state == state)
        async with self.database.snapshot() as tx:
            return (await tx.execute(query)).scalar_one()

    async def execute(self, statement: str) -> None:
        async with self.database.transaction() as tx:
            await tx.execute(text(statement))

    def arrived(self, account: int | None = None) -> list[str]:
        """The texts that lie in people's chats, from whatever call and however it ended."""
        return [
            message["text"]
            for chat in self.sandbox.world.chats.values()
            if account in {None, chat.id}
            for message in chat.messages.values()
        ]

    def calls(self, account: int | None = None) -> list[Call]:
        return [
            call
            for call in self.sandbox.calls
            if call.method == "sendMessage" and account in {None, call.chat_id}
        ]


class Process:
    """One run of the program, as far as sending goes."""

    def __init__(
        self,
        shop: Shop,
        *,
        rate: float = 1000,
        concurrency: int = 30,
        timeout_seconds: float = 30,
        bodies: Callable[[str], Awaitable[Body]] | None = None,
        audience_chunk: int = 500,
    ) -> None:
        self.shop = shop
        self.flights = Flights()
        self.pace = Pace(rate)
        self.channel = TelegramChannel(
            shop.sandbox.url,
            TOKEN,
            connections=concurrency,
            timeout_seconds=timeout_seconds,
        )
        self.sender = Sender(
            database=shop.database,
            keyring=shop.core.journal.keyring,
            channel=self.channel,
            pace=self.pace,
            flights=self.flights,
            clock=shop.clock,
            bodies=bodies or self._body,
            concurrency=concurrency,
            audience_chunk=audience_chunk,
        )
        desks = shop.desks(self.flights, self.sender.wake.set)
        self.consents, self.campaigns = desks.consents, desks.campaigns
        self.task: asyncio.Task[None] | None = None

    async def _body(self, campaign_id: str) -> Body:
        campaign = await self.campaigns.get(campaign_id)
        label = self.campaigns.label(campaign.purpose_id, campaign.author.locale, campaign.erid)
        return Body(content=campaign.content, label=label, words=WORDS)

    async def start(self) -> "Process":
        await self.campaigns.settle_former_process(self.shop.clock())
        self.task = asyncio.ensure_future(self.sender.run())
        return self

    async def stop(self) -> None:
        """End as SIGTERM does: what was begun lands first."""
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task
            self.task = None
        await self.channel.close()

    async def crash(self) -> None:
        """End as SIGKILL does: whatever is in memory is lost."""
        assert self.task is not None
        self.task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await self.stop()


@asynccontextmanager
async def open_shop(folder: Path) -> AsyncIterator[Shop]:
    """Open a shop on a fresh database in a folder; close it and all its processes."""
    database = Database(f"sqlite+aiosqlite:///{folder}/assent.db")
    await migrations.upgrade(database)
    start = datetime(2026, 11, 24, tzinfo=UTC)
    opened = keystore.create(folder / "assent.keystore.json", b"k" * 32, "assent/tea", start)
    core = build_core(database, opened)
    publication = await publish(database, core.journal, CATALOGUE, utc_now())
    async with serve(Sandbox(token=TOKEN)) as sandbox:
        made = Shop(
            database=database,
            core=core,
            publication=publication,
            sandbox=sandbox,
            clock=WallClock(),
        )
        yield made
        for held in sandbox.holds:
            held.release()
        for process in made.processes:
            await process.stop()
    await database.close()
