"""The bot behind a webhook: refused without the secret, stored before it is acknowledged."""

import asyncio
import json
import socket
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from shop import Shop, events, eventually, inbox_states, query, settled

from bot.app import running
from bot.sandbox.people import Person

SECRET = "a-secret_of-the-shop"
HEADER = "X-Telegram-Bot-Api-Secret-Token"
PUBLIC_URL = "https://shop.example"
SOON = 0.5


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Door:
    """The bot's web port, knocked at directly."""

    def __init__(self, shop: Shop, port: int) -> None:
        self.shop = shop
        self.url = f"http://127.0.0.1:{port}"
        self.webhook = f"{self.url}/telegram"
        self._next_id = 900_000_000

    def update(self, person: Person, text: str, update_id: int | None = None) -> dict[str, Any]:
        """Write an update as Telegram would."""
        self._next_id += 1
        person.account.has_started = True
        message = self.shop.sandbox.world.add_message(
            person.chat, person.account.user(), {"text": text}
        )
        return {"update_id": update_id or self._next_id, "message": dict(message)}

    async def knock(
        self,
        body: bytes | dict[str, Any],
        secret: str | None = SECRET,
        path: str = "/telegram",
        **headers: str,
    ) -> int:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {} if secret is None else {HEADER: secret}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url + path, data=content, headers={**given, **headers}) as response,
        ):
            return response.status


async def open_behind_webhook(shop: Shop, port: int) -> Door:
    """Start the bot; then let Telegram find it here, whatever name it goes by outside."""
    shop.more = {
        "public_url": PUBLIC_URL,
        "webhook_secret": SecretStr(SECRET),
        "web_bind": f"127.0.0.1:{port}",
    }
    shop._task = asyncio.ensure_future(running.run(shop.settings, shop.told.append))
    door = Door(shop, port)

    async def is_set() -> bool:
        assert shop._task is not None
        if shop._task.done():
            shop._task.result()
        return shop.sandbox.webhook is not None and await is_open(port)

    await eventually(is_set)
    assert shop.sandbox.webhook is not None
    assert shop.sandbox.webhook.url == f"{PUBLIC_URL}/telegram"
    assert shop.sandbox.webhook.secret == SECRET
    shop.sandbox.webhook.url = door.webhook
    return door


async def is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@pytest.fixture
async def door(closed_shop: Shop) -> AsyncIterator[Door]:
    """A shop behind a webhook."""
    yield await open_behind_webhook(closed_shop, free_port())
    await closed_shop.close()


async def test_the_bot_works_the_same_behind_a_webhook(door: Door) -> None:
    shop = door.shop
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await shop.broadcast("Pushed")
    await anna.press("Unsubscribe", await anna.wait("Pushed"))
    await anna.wait("unsubscribed")
    await shop.finished()
    assert shop.sandbox.polls == 0
    assert [event for event, _ in events(shop)] == ["granted"] * 3 + ["withdrawn"]
    assert shop.sandbox.world.allowed_updates == {"message", "callback_query", "my_chat_member"}


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET + "x", SECRET[:-1], SECRET.upper()])
async def test_without_the_secret_nothing_is_stored(door: Door, secret: str | None) -> None:
    anna = door.shop.customer(1)
    update = door.update(anna, "/start")
    spoofed = {"X-Forwarded-For": "149.154.167.220", "X-Real-Ip": "149.154.167.220"}
    assert await door.knock(update, secret, **spoofed) == 403
    assert await door.knock(b"\xff" * 2_000_000, secret) == 403, "refused before it is read"
    assert inbox_states(door.shop) == {}
    assert not anna.received


async def test_other_paths_and_methods_lead_nowhere(door: Door) -> None:
    update = door.update(door.shop.customer(1), "/start")
    for path in ("/", "/telegram/x", "/telegramm", "/docs", "/openapi.json", "/bot"):
        assert await door.knock(update, path=path) in {404, 405}
    async with aiohttp.ClientSession() as session, session.get(door.webhook) as response:
        assert response.status == 405
    assert inbox_states(door.shop) == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"update_id": "1"}',
        b'{"update_id": 1.5}',
        b'{"update_id": true}',
        b'{"update_id": null}',
        b'{"update_id": 0}',
        b'{"update_id": -1}',
        b'{"update_id": 9223372036854775808}',
        b'{"update_id": NaN}',
    ],
    ids=lambda body: body[:30].decode(errors="replace"),
)
async def test_what_is_no_update_is_refused(door: Door, body: bytes) -> None:
    assert await door.knock(body) == 400
    assert inbox_states(door.shop) == {}


async def test_a_huge_body_is_refused(door: Door) -> None:
    update = door.update(door.shop.customer(1), "x" * 1_100_000)
    assert await door.knock(update) == 413
    assert inbox_states(door.shop) == {}


async def test_updates_of_an_unknown_shape_are_set_aside_and_the_chat_goes_on(
    door: Door,
) -> None:
    shop = door.shop
    anna = shop.customer(1)
    odd: list[Any] = [
        {"message": {"from": [], "chat": 5}},
        {"callback_query": {"id": 1, "from": None, "message": "x"}},
        {"message": {"from": {"id": anna.id}, "chat": {"id": anna.id, "type": "private"}}},
        {"something_new": {"id": 1}},
    ]
    for number, facts in enumerate(odd):
        assert await door.knock({"update_id": 1000 + number, **facts}) == 200
    await shop.say(anna, "/start", "Tea Shop LLC")
    await settled(shop)
    assert inbox_states(shop)["set_aside"] == len(odd)


async def test_an_update_delivered_again_changes_nothing(door: Door) -> None:
    shop = door.shop
    anna = shop.customer(1)
    await shop.answer_all(anna)
    stop = door.update(anna, "/stop")
    statuses = await asyncio.gather(*(door.knock(stop) for _ in range(5)))
    assert set(statuses) == {200}
    await anna.wait("unsubscribed")
    await settled(shop)
    assert await door.knock(stop) == 200
    await settled(shop)
    assert [event for event, _ in events(shop)].count("withdrawn") == 2
    assert len([m for m in anna.received if "unsubscribed" in m.text]) == 1


async def test_an_earlier_update_that_comes_later_is_not_forgotten(door: Door) -> None:
    shop = door.shop
    anna, ben = shop.customer(1), shop.customer(2)
    later = door.update(anna, "/help", 5_000_002)
    earlier = door.update(ben, "/help", 5_000_001)
    held = shop.sandbox.hold("sendMessage")
    assert await door.knock(later) == 200

    async def is_being_handled() -> bool:
        return held.entered > 0

    await eventually(is_being_handled)
    assert await door.knock(earlier) == 200
    held.release()
    await anna.wait("/subscriptions")
    await ben.wait("/subscriptions")


async def test_an_update_is_in_the_database_before_it_is_acknowledged(door: Door) -> None:
    shop = door.shop
    anna = shop.customer(1)
    await settled(shop)
    update = door.update(anna, "/start")
    with closing(sqlite3.connect(shop.database_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        knocking = asyncio.ensure_future(door.knock(update))
        acknowledged, _ = await asyncio.wait({knocking}, timeout=SOON)
        assert not acknowledged, "nothing is acknowledged that cannot be stored"
        other.execute("ROLLBACK")
    assert await knocking == 200
    stored = query(shop, "SELECT count(*) FROM inbox WHERE update_id = ?", update["update_id"])
    assert stored == [(1,)]
    await anna.wait("Tea Shop LLC")


async def test_what_was_pushed_while_the_bot_was_down_is_handled_first(
    closed_shop: Shop,
) -> None:
    shop = closed_shop
    port = free_port()
    await open_behind_webhook(shop, port)
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await settled(shop)
    await shop.close()
    said = await anna.send("/stop")
    await open_behind_webhook(shop, port)
    await anna.wait("unsubscribed", after=said.id)


async def test_going_back_to_polling_loses_nothing(closed_shop: Shop) -> None:
    shop = closed_shop
    await open_behind_webhook(shop, free_port())
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await settled(shop)
    await shop.close()
    shop.more = {}
    said = await anna.send("/stop")
    await shop.open()
    await anna.wait("unsubscribed", after=said.id)
    assert shop.sandbox.webhook is None


async def test_health_answers_with_and_without_a_webhook(closed_shop: Shop) -> None:
    shop = closed_shop
    port = free_port()
    door = await open_behind_webhook(shop, port)
    assert await healthy(door)
    await shop.close()
    shop.more = {"web_bind": f"127.0.0.1:{port}"}
    await shop.open()

    async def answers() -> bool:
        return await is_open(port)

    await eventually(answers)
    assert await healthy(door)
    assert await door.knock(door.update(shop.customer(1), "/start")) == 404, "no webhook is served"


async def healthy(door: Door) -> bool:
    before = time.monotonic()
    async with aiohttp.ClientSession() as session, session.get(f"{door.url}/health") as response:
        body = await response.json()
        return response.status == 200 and body == {"ok": True} and time.monotonic() - before < 5
