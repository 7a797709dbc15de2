"""The checkpoint of the day in a public channel, posted by the whole program."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from shop import TOKEN, Shop, eventually, open_shop, query
from tea_shop import AT, HOUR, MINUTE, new_shop

from bot.app.herald import Herald
from bot.app.telegram import build_bot
from bot.delivery.pace import Pace
from bot.sandbox.server import Call, Sandbox, serve
from bot.sandbox.world import Chat
from bot.settings import Settings
from bot.usecases.stamping import Posting
from handlers.i18n import Language

CHANNEL = "@tea_log"
CHANNEL_ID = -1001234567890


@pytest.fixture
async def witnessed(tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop, not open yet, that posts to a channel."""
    more: dict[str, Any] = {"checkpoint_channel": CHANNEL, "log_origin": "tea&honey/<log>"}
    async with open_shop(tmp_path, more=more) as shop:
        yield shop


@pytest.fixture
def channel(witnessed: Shop) -> Chat:
    return witnessed.sandbox.channel(CHANNEL_ID, "Log of the tea shop", "Tea_Log")


def posts(shop: Shop) -> list[Call]:
    return [call for call in shop.sandbox.calls if call.parameters.get("chat_id") == CHANNEL]


async def posted(shop: Shop) -> list[tuple[Any, ...]]:
    async def is_kept() -> bool:
        return bool(query(shop, "SELECT size FROM posting"))

    await eventually(is_kept)
    return query(shop, "SELECT channel, message_id, size, note, posted_at FROM posting")


async def test_the_channel_shows_the_very_note_and_the_place_is_kept(
    witnessed: Shop, channel: Chat
) -> None:
    await witnessed.open()
    [(name, message_id, size, note, at)] = await posted(witnessed)

    assert name == CHANNEL
    message = channel.messages[message_id]
    assert message["text"].startswith("Контрольная точка"), "in the default locale"
    [entity] = [e for e in message["entities"] if e["type"] == "pre"]
    shown = message["text"][entity["offset"] : entity["offset"] + entity["length"]]
    assert shown.rstrip("\n") == note.rstrip("\n")
    assert note.startswith(f"tea&honey/<log>\n{size}\n")
    assert (size, note) in query(witnessed, "SELECT size, note FROM checkpoint")
    assert at == message["date"] * 1000
    [call] = posts(witnessed)
    assert call.parameters["disable_notification"] in {True, "true"}


async def test_the_same_day_and_a_log_that_did_not_grow_bring_no_second_post(
    witnessed: Shop, channel: Chat
) -> None:
    await witnessed.open()
    await posted(witnessed)
    await witnessed.reopen()
    await witnessed.answer_all(witnessed.customer(1))
    assert len(channel.messages) == 1
    with closing(sqlite3.connect(witnessed.database_file)) as database:
        database.execute("UPDATE posting SET posted_at = posted_at - 86400000")
        database.commit()
    await witnessed.reopen()

    async def is_told() -> bool:
        return len(channel.messages) == 2

    await eventually(is_told)


@pytest.mark.parametrize(
    ("facts", "status"),
    [({"has_bot": False}, 403), ({"may_bot_post": False}, 400), ({"has_kicked_bot": True}, 403)],
    ids=str,
)
async def test_a_channel_that_refuses_disturbs_nobody_and_is_told_later(
    facts: dict[str, bool], status: int, witnessed: Shop, channel: Chat
) -> None:
    for name, value in facts.items():
        setattr(channel, name, value)
    await witnessed.open()

    async def is_refused() -> bool:
        return [call.status for call in posts(witnessed)] == [status]

    await eventually(is_refused)
    await witnessed.answer_all(witnessed.customer(1))
    assert query(witnessed, "SELECT size FROM posting") == []
    for name, value in facts.items():
        setattr(channel, name, not value)
    await witnessed.reopen()
    assert len(await posted(witnessed)) == 1


async def test_an_unknown_channel_is_refused_as_telegram_does(witnessed: Shop) -> None:
    await witnessed.open()

    async def is_refused() -> bool:
        return bool(posts(witnessed)) and posts(witnessed)[0].status == 400

    await eventually(is_refused)
    assert "chat not found" in posts(witnessed)[0].response["description"]
    assert query(witnessed, "SELECT size FROM posting") == []


async def test_after_a_refusal_the_channel_is_left_in_peace_for_an_hour(tmp_path: Path) -> None:
    async with serve(Sandbox(token=TOKEN)) as sandbox, new_shop(tmp_path) as shop:
        await shop.core.signer.sign(AT)
        settings = Settings(_env_file=None, bot_token=SecretStr(TOKEN), bot_api_url=sandbox.url)
        bot = build_bot(settings, Pace(1000))
        posting = Posting(database=shop.database, channel=CHANNEL)
        herald = Herald(bot=bot, posting=posting, language=Language("en"))
        await herald.post_if_due(AT)
        channel = sandbox.channel(CHANNEL_ID, "Log of the tea shop", "tea_log")
        await herald.post_if_due(AT + HOUR - MINUTE)
        assert len(sandbox.calls) == 1
        await herald.post_if_due(AT + HOUR)
        await bot.session.close()
        [message] = channel.messages.values()
        assert message["text"].startswith("Checkpoint of our consent log.")
