"""A whole shop under test: the real program, real HTTP, our simulator in Telegram's place."""

import asyncio
import shutil
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bot.app import running
from bot.sandbox.people import Person, Seen
from bot.sandbox.server import Sandbox, serve
from bot.settings import Settings

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
