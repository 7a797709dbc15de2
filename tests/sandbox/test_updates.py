"""Updates reach a bot as Telegram brings them: in order, again until acknowledged, once."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from sandbox_shape import ANNA, Bot, anna, begin, faults_in, running_bot, until

from bot.sandbox.people import Person
from bot.sandbox.server import SECRET_HEADER

WEBHOOK_ACTIVE = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete "
    "the webhook first"
)
TERMINATED = (
    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is "
    "running"
)
KEYBOARD = {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}]]}


@pytest.fixture
async def bot() -> AsyncIterator[Bot]:
    async with running_bot() as running:
        yield running


def texts(updates: list[dict[str, Any]]) -> list[str]:
    return [update["message"]["text"] for update in updates]


async def say(bot: Bot, *words: str) -> None:
    for word in words:
        await anna(bot.sandbox).send(word)


# --- what an update is ------------------------------------------------------------------------


async def starts(person: Person, _: Bot) -> None:
    await person.start("s_invite")


async def writes_with_links(person: Person, _: Bot) -> None:
    await person.send("😀 see https://tea.example", entities=[])


async def sends_a_photo(person: Person, _: Bot) -> None:
    await person.send_photo(b"...", "A photo")


async def sends_a_document(person: Person, _: Bot) -> None:
    await person.send_document(b"...", "a.pdf", "A file")


async def sends_a_sticker(person: Person, _: Bot) -> None:
    size = {"width": 512, "height": 512}
    sticker = {"file_id": "s", "file_unique_id": "s", "type": "regular", **size}
    await person.send_body({"sticker": {**sticker, "is_animated": False, "is_video": False}})


async def edits(person: Person, _: Bot) -> None:
    message = await person.send("before https://tea.example")
    await person.edit(message, "after /help")


async def blocks_and_comes_back(person: Person, _: Bot) -> None:
    await person.block()
    await person.unblock()


async def presses(person: Person, bot: Bot) -> None:
    await bot.ok("sendMessage", chat_id=ANNA, text="Well?", reply_markup=KEYBOARD)
    begin(person.press("Yes"))
    await until(lambda: bot.sandbox.world.pending)


async def presses_what_is_gone(person: Person, bot: Bot) -> None:
    await bot.ok("sendMessage", chat_id=ANNA, text="Well?", reply_markup=KEYBOARD)
    seen = person.received[-1]
    begin(person.press_data("yes", seen, is_gone=True))
    await until(lambda: bot.sandbox.world.pending)


async def presses_without_a_message(person: Person, bot: Bot) -> None:
    begin(person.press_data("forged"))
    await until(lambda: bot.sandbox.world.pending)


async def writes_in_a_group(person: Person, bot: Bot) -> None:
    await person.send("/stop@tea_shop_bot", chat=bot.sandbox.group(-1001, "Tea lovers"))


ACTS: list[tuple[Callable[[Person, Bot], Awaitable[None]], list[str]]] = [
    (starts, ["message"]),
    (writes_with_links, ["message"]),
    (sends_a_photo, ["message"]),
    (sends_a_document, ["message"]),
    (sends_a_sticker, ["message"]),
    (edits, ["message", "edited_message"]),
    (blocks_and_comes_back, ["my_chat_member"] * 2),
    (presses, ["callback_query"]),
    (presses_what_is_gone, ["callback_query"]),
    (presses_without_a_message, ["callback_query"]),
    (writes_in_a_group, ["message"]),
]


@pytest.mark.parametrize(("act", "kinds"), ACTS, ids=[act.__name__ for act, _ in ACTS])
async def test_what_a_person_does_is_an_update_of_the_bot_api(
    act: Callable[[Person, Bot], Awaitable[None]], kinds: list[str], bot: Bot
) -> None:
    await act(anna(bot.sandbox), bot)

    updates = await bot.updates()
    assert [(update.keys() - {"update_id"}).pop() for update in updates] == kinds
    assert faults_in(updates, "Array of Update") == []


@pytest.mark.parametrize(
    ("text", "entities"),
    [("after /help", [{"type": "bot_command", "offset": 6, "length": 5}]), ("after", None)],
)
async def test_an_edit_has_the_entities_of_its_own_text(
    text: str, entities: list[dict[str, Any]] | None, bot: Bot
) -> None:
    person = anna(bot.sandbox)
    message = await person.send("before https://tea.example")
    await person.edit(message, text)

    edited = (await bot.updates())[-1]["edited_message"]
    assert edited.get("entities") == entities
    assert edited["edit_date"] >= edited["date"]


# --- polling ----------------------------------------------------------------------------------


async def test_updates_come_in_order_with_ids_that_grow_by_one(bot: Bot) -> None:
    await say(bot, *"abcde")

    updates = await bot.updates()

    assert texts(updates) == list("abcde")
    first = updates[0]["update_id"]
    assert [update["update_id"] for update in updates] == list(range(first, first + 5))


async def test_updates_come_again_until_a_higher_offset_acknowledges_them(bot: Bot) -> None:
    await say(bot, *"abc")
    updates = await bot.updates()

    again = await bot.updates()
    of_the_first = await bot.updates(offset=updates[0]["update_id"])
    rest = await bot.updates(offset=updates[1]["update_id"] + 1)
    nothing = await bot.updates(offset=updates[2]["update_id"] + 1)

    assert updates == again == of_the_first
    assert texts(rest) == ["c"]
    assert nothing == await bot.updates() == []


async def test_a_negative_offset_forgets_all_but_the_last(bot: Bot) -> None:
    await say(bot, *"abc")

    assert texts(await bot.updates(offset=-2)) == ["b", "c"]
    assert texts(await bot.updates()) == ["b", "c"]


@pytest.mark.parametrize(
    ("limit", "count"), [(1, 1), (2, 2), (0, 1), (-5, 1), (100, 100), (500, 100)]
)
async def test_a_poll_brings_at_most_its_limit_and_never_more_than_100(
    limit: int, count: int, bot: Bot
) -> None:
    await say(bot, *map(str, range(101)))

    assert texts(await bot.updates(limit=limit)) == [str(number) for number in range(count)]


async def test_a_long_poll_is_answered_as_soon_as_something_happens(bot: Bot) -> None:
    poll = asyncio.ensure_future(bot.updates(timeout=50))
    await until(lambda: bot.sandbox._poller)

    await say(bot, "now")

    assert texts(await asyncio.wait_for(poll, 5)) == ["now"]


async def test_a_long_poll_ends_empty_after_its_time(bot: Bot) -> None:
    began = time.monotonic()

    assert await bot.updates(timeout=1) == []

    assert 1 <= time.monotonic() - began < 5


async def test_a_poll_without_a_timeout_does_not_wait(bot: Bot) -> None:
    began = time.monotonic()

    assert await bot.updates() == []

    assert time.monotonic() - began < 1


async def test_a_second_poller_ends_the_first_with_a_conflict(bot: Bot) -> None:
    first = asyncio.ensure_future(bot.refusal("getUpdates", timeout=50))
    await until(lambda: bot.sandbox._poller)
    second = asyncio.ensure_future(bot.updates(timeout=50))

    assert await asyncio.wait_for(first, 5) == (409, TERMINATED)
    await say(bot, "for the second")
    assert texts(await asyncio.wait_for(second, 5)) == ["for the second"]


async def test_polls_one_after_the_other_are_no_conflict(bot: Bot) -> None:
    await say(bot, "a")

    assert texts(await bot.updates()) == texts(await bot.updates()) == ["a"]


async def test_only_the_kinds_that_were_asked_for_come_until_others_are_asked_for(bot: Bot) -> None:
    person = anna(bot.sandbox)
    await bot.updates(allowed_updates=["message"])
    await person.block()
    await person.unblock()
    await say(bot, "a")
    assert texts(await bot.updates()) == ["a"]

    await bot.updates(allowed_updates=["my_chat_member"])
    await say(bot, "b")
    await person.block()
    kinds = Counter(kind for update in await bot.updates() for kind in update)
    assert kinds == {"update_id": 2, "message": 1, "my_chat_member": 1}

    await bot.updates(allowed_updates=[])
    await say(bot, "c")
    assert len(await bot.updates()) == 3


# --- webhook ----------------------------------------------------------------------------------


@dataclass
class Receiver:
    """The bot's side of a webhook; `statuses` are given first, then 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json())
        self.headers.append(dict(request.headers))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)


@asynccontextmanager
async def receiving(*statuses: int) -> AsyncIterator[Receiver]:
    receiver = Receiver(statuses=list(statuses))
    application = web.Application()
    application.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def test_a_webhook_gets_updates_in_order_with_its_secret(bot: Bot) -> None:
    async with receiving() as receiver:
        await say(bot, "before")
        await bot.ok("setWebhook", url=receiver.url, secret_token="not-a-guess_1")
        await say(bot, *"ab")
        await until(lambda: len(receiver.bodies) == 3)

        assert texts(receiver.bodies) == ["before", "a", "b"]
        assert [faults_in(body, "Update") for body in receiver.bodies] == [[]] * 3
        assert {headers[SECRET_HEADER] for headers in receiver.headers} == {"not-a-guess_1"}
        assert {headers["Content-Type"] for headers in receiver.headers} == {"application/json"}


async def test_a_webhook_without_a_secret_sends_no_header(bot: Bot) -> None:
    async with receiving() as receiver:
        await bot.ok("setWebhook", url=receiver.url)
        await say(bot, "a")
        await until(lambda: receiver.bodies)

        assert SECRET_HEADER not in receiver.headers[0]


async def test_an_update_comes_again_until_the_webhook_takes_it_and_none_overtakes_it(
    bot: Bot,
) -> None:
    async with receiving(500, 302, 404) as receiver:
        await bot.ok("setWebhook", url=receiver.url)
        await say(bot, *"ab")
        await until(lambda: not bot.sandbox.world.pending)

        assert texts(receiver.bodies) == ["a", "a", "a", "a", "b"]


@pytest.mark.parametrize("status", [200, 201, 204])
async def test_any_2xx_takes_an_update(status: int, bot: Bot) -> None:
    async with receiving(status) as receiver:
        await bot.ok("setWebhook", url=receiver.url)
        await say(bot, "a")
        await until(lambda: not bot.sandbox.world.pending)

        assert texts(receiver.bodies) == ["a"]


async def test_what_went_wrong_with_a_webhook_is_told(bot: Bot) -> None:
    async with receiving(503) as receiver:
        await bot.ok("setWebhook", url=receiver.url, allowed_updates=["message"])
        await say(bot, "a")
        await until(lambda: not bot.sandbox.world.pending)

    info = await bot.ok("getWebhookInfo")
    assert info["url"] == receiver.url
    assert info["pending_update_count"] == 0
    assert info["last_error_message"] == "Wrong response from the webhook: 503"
    assert abs(info["last_error_date"] - time.time()) < 60
    assert info["allowed_updates"] == ["message"]


async def test_polling_is_a_conflict_while_a_webhook_is_set(bot: Bot) -> None:
    await bot.ok("setWebhook", url="https://tea.example/hook")
    refused = await bot.refusal("getUpdates")
    await bot.ok("deleteWebhook")

    assert refused == (409, WEBHOOK_ACTIVE)
    assert await bot.updates() == []


async def test_an_empty_url_takes_the_webhook_away_and_the_updates_stay(bot: Bot) -> None:
    await bot.ok("setWebhook", url="http://127.0.0.1:9/nobody")
    await say(bot, "a")

    await bot.ok("setWebhook", url="")

    assert (await bot.ok("getWebhookInfo"))["url"] == ""
    assert texts(await bot.updates()) == ["a"]


@pytest.mark.parametrize("method", ["setWebhook", "deleteWebhook"])
async def test_waiting_updates_are_dropped_where_that_is_asked_for(method: str, bot: Bot) -> None:
    await say(bot, "a")

    await bot.ok(method, url="", drop_pending_updates=True)
    await say(bot, "b")

    assert texts(await bot.updates()) == ["b"]
