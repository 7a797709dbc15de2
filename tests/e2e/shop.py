"""A whole shop under test: the real program, real HTTP, our simulator in Telegram's place."""

import asyncio
import shutil
import sqlite3
import tomllib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import event

from bot.app import running
from bot.app.core import build_core, open_keys, remember_origin, upgrade
from bot.clock import utc_now
from bot.consent.acts import Act, Choice, Method, Shown
from bot.consent.loader import load
from bot.consent.rules import PurposeId
from bot.delivery.flights import Flights
from bot.privacy.profile import Profile
from bot.sandbox.people import Person, Seen
from bot.sandbox.server import Sandbox, serve
from bot.settings import Settings
from bot.usecases.publication import publish
from storage.database import Database
from storage.prompts import Step

TOKEN = "123456:canary_token_AAAABBBBCCCCDDDD"
OWNER_ID = 1001
EXAMPLE = Path(__file__).resolve().parents[2] / "examples"
PURPOSES = ("personal-data", "orders", "offers")

WORDS = {
    "en": {
        "agree": "Agree",
        "decline": "Decline",
        "full": "Full text",
        "leave": "Unsubscribe",
        "undo": "Undo",
        "why": "Why do I get this?",
        "left": "unsubscribed",
        "thanks": "Thank you",
        "offers": "Offers and discounts",
        "orders": "Orders and delivery",
        "send": "Send now",
        "yes": "Yes, send",
        "preview": "Preview",
        "erase": "Delete everything",
        "proof": "Proof",
    },
    "ru": {
        "agree": "Соглашаюсь",
        "decline": "Отказываюсь",
        "full": "Полный текст",
        "leave": "Отписаться",
        "undo": "Вернуть",
        "why": "Почему я это получаю?",
        "left": "отписаны",
        "thanks": "Спасибо",
        "offers": "Акции и скидки",
        "orders": "Заказы и доставка",
        "send": "Отправить сейчас",
        "yes": "Да, отправить",
        "preview": "Предпросмотр",
        "erase": "Удалить всё",
        "proof": "Доказательство",
    },
}


@dataclass(slots=True)
class Shop:
    """The bot of a tea shop, its files, and the Telegram that it lives in."""

    sandbox: Sandbox
    folder: Path
    rate: float = 1000.0
    told: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)
    _task: asyncio.Task[None] | None = None

    @property
    def settings(self) -> Settings:
        facts: dict[str, Any] = {
            "bot_token": SecretStr(TOKEN),
            "bot_api_url": self.sandbox.url,
            "owner_ids": (OWNER_ID,),
            "database_url": f"sqlite+aiosqlite:///{self.folder}/data/assent.db",
            "key_file": self.folder / "keys" / "assent.key",
            "purposes_file": self.folder / "purposes.toml",
            "broadcast_rate": self.rate,
        }
        return Settings(_env_file=None, **(facts | self.more))

    @property
    def database_file(self) -> Path:
        return self.folder / "data" / "assent.db"

    @property
    def purposes_file(self) -> Path:
        return self.folder / "purposes.toml"

    def change_purposes(self, old: str, new: str) -> None:
        text = self.purposes_file.read_text()
        assert old in text
        self.purposes_file.write_text(text.replace(old, new))
        tomllib.loads(self.purposes_file.read_text())

    # --- the program --------------------------------------------------------------------------

    async def open(self) -> None:
        """Start the bot and wait until it listens."""
        self.told.clear()
        self._task = asyncio.ensure_future(running.run(self.settings, self.told.append))
        polls = self.sandbox.polls

        async def listens() -> bool:
            assert self._task is not None
            if self._task.done():
                self._task.result()
            return self.sandbox.polls > polls + 1

        await eventually(listens)

    async def close(self) -> None:
        """Stop the bot cleanly."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def reopen(self) -> None:
        await self.close()
        await self.open()

    # --- people -------------------------------------------------------------------------------

    @property
    def owner(self) -> Person:
        return self.sandbox.person(OWNER_ID, "Olga", language_code="en")

    def customer(self, number: int, language: str = "en", **names: str) -> Person:
        return self.sandbox.person(
            2000 + number, names.pop("first_name", f"Customer{number}"),
            language_code=language, **names,
        )  # fmt: skip

    async def answer_all(self, person: Person, *answers: str, source: str = "") -> None:
        """Start and answer each question with "agree" or "decline", in the order of asking."""
        await person.start(source)
        language = person.account.language_code
        for answer in answers or ("agree",) * len(PURPOSES):
            question = await person.wait(lambda m: m.button(WORDS[language]["agree"]) is not None)
            title = question.text.split("\n")[0]
            await person.press(WORDS[language][answer], question)
            await person.wait(
                lambda m, title=title, asked=question.id: (
                    m.id == asked and m.text.split("\n")[0] != title
                ),
            )

    async def broadcast(self, text: str, purpose: str = "offers") -> None:
        """Let the owner send a message to everybody who agreed to a purpose."""
        await self.preview(text, purpose)
        await self.owner.press("Send now")
        await self.press(self.owner, "Yes, send")

    async def preview(self, text: str, purpose: str = "offers") -> Seen:
        owner = self.owner
        after = await self.say(owner, "/broadcast", "What is the message for")
        await owner.press(WORDS["en"][purpose], after)
        await owner.wait("Now send me", after=after.id - 1)
        sent = await owner.send(text)
        return await owner.wait("Preview", after=sent.id)

    async def press(self, person: Person, label: str) -> dict[str, Any]:
        """Wait until a message shows a button, then press it."""
        return await person.press(label, await person.wait(lambda m: m.button(label) is not None))

    async def say(self, person: Person, text: str, expected: str | Callable[[Seen], bool]) -> Seen:
        """Say something and wait for the answer to it."""
        said = await person.send(text)
        return await person.wait(expected, after=said.id)

    async def finished(self, number: int = 1, seconds: float = 30) -> Seen:
        """Wait until the owner sees that campaign `number` is over."""
        return await self.owner.wait(
            lambda m: f"№{number} " in m.text and "finished" in m.text, seconds=seconds
        )

    def advertisements(self, person: Person, text: str) -> list[Seen]:
        return [m for m in person.received if m.text.startswith(text)]


async def eventually(condition: Callable[[], Awaitable[bool]], *, seconds: float = 15.0) -> None:
    """Wait for a condition with a deadline."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def open_shop(folder: Path, **facts: Any) -> AsyncIterator[Shop]:
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    async with serve(Sandbox(token=TOKEN)) as sandbox:
        shop = Shop(sandbox, folder, **facts)
        try:
            yield shop
        finally:
            await shop.close()


# --- looking into what the bot keeps and says ---------------------------------------------------


def query(shop: Shop, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Read, or change, the SQLite file beside the running bot."""
    with closing(sqlite3.connect(shop.database_file, timeout=10)) as database:
        found = database.execute(statement, values).fetchall()
        database.commit()
    return found


def events(shop: Shop) -> list[tuple[str, str]]:
    """Every event of everybody, oldest first: what happened, to which purpose."""
    return query(shop, 'SELECT event, purpose_id FROM consent_event ORDER BY "index"')


def inbox_states(shop: Shop) -> dict[str, int]:
    """How many updates are waiting, handled, set aside."""
    return dict(query(shop, "SELECT state, count(*) FROM inbox GROUP BY state"))


async def settled(shop: Shop) -> None:
    """Wait until the bot has fetched and handled whatever was done so far."""

    async def is_quiet() -> bool:
        return not shop.sandbox.world.pending and not inbox_states(shop).get("waiting")

    await eventually(is_quiet)


def deliveries(shop: Shop) -> dict[str, int]:
    """How many deliveries are in each state."""
    return dict(query(shop, "SELECT state, count(*) FROM delivery GROUP BY state"))


def answers_to_presses(shop: Shop) -> dict[str, int]:
    """How often each press was answered, by its id."""
    calls = [call for call in shop.sandbox.calls if call.method == "answerCallbackQuery"]
    return dict(Counter(str(call.parameters["callback_query_id"]) for call in calls))


def button_data(message: Seen, label: str) -> str:
    """What a button brings back when it is pressed."""
    button = message.button(label)
    assert button is not None, message.labels
    return str(button["callback_data"])


# --- people who were there before ---------------------------------------------------------------


async def agreed_before(shop: Shop, numbers: range) -> list[Person]:
    """Give a closed shop customers who agreed to offers; quicker than by conversation."""
    people = [shop.customer(number) for number in numbers]
    async with desks_of(shop) as desks:
        for person in people:
            person.account.has_started = True
            await _agree(desks, person)
    return people


async def _agree(desks: running.Desks, person: Person) -> None:
    profile = Profile(account=str(person.id), first_name=person.account.first_name, language="en")
    met = await desks.people.meet(profile, utc_now())
    shown = Shown(text="asked", entities=(), buttons=("Agree", "Decline"))
    for purpose_id in map(PurposeId, ("personal-data", "offers")):
        nonce = await desks.consents.ask(met, purpose_id, Step.ANSWER, shown, utc_now())
        act = Act(method=Method.CALLBACK)
        await desks.consents.answer(met, nonce, Choice.AGREE, act, utc_now())


@asynccontextmanager
async def desks_of(shop: Shop) -> AsyncIterator[running.Desks]:
    """Open the use-cases of a closed shop, as the bot itself builds them; nothing is synced."""
    settings = shop.settings
    database = Database(settings.database_url)

    @event.listens_for(database.engine.sync_engine, "connect")
    def _hurry(raw: Any, _record: object) -> None:
        raw.execute("PRAGMA synchronous=OFF")

    try:
        await upgrade(database)
        origin = f"assent/{shop.sandbox.world.bot['username']}"
        opened, _ = await open_keys(settings, database, origin=origin, at=utc_now())
        await remember_origin(database, opened)
        core = build_core(database, opened)
        catalogue = load(settings.purposes_file)
        publication = await publish(database, core.journal, catalogue, utc_now())
        yield running.build_desks(settings, core, publication, Flights(), lambda: None)
    finally:
        await database.close()
