"""aiogram as this program uses it: the pace in front of every answer, 429 honoured."""

import asyncio
from typing import Any, Final

from aiogram import Bot
from aiogram.client.default import DefaultBotProperties
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.session.middlewares.base import BaseRequestMiddleware, NextRequestMiddlewareType
from aiogram.client.telegram import PRODUCTION, TelegramAPIServer
from aiogram.enums import ParseMode
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramNetworkError,
    TelegramRetryAfter,
)
from aiogram.methods import GetUpdates, Response, SendMediaGroup, TelegramMethod
from aiogram.methods.base import TelegramType

from bot.delivery.pace import Pace
from bot.settings import TELEGRAM_API, Settings

COUNTED: Final = {"sendMessage", "sendPhoto", "sendDocument", "sendMediaGroup"}
"""What counts against the permitted rate: answers as well as campaigns."""
ATTEMPTS: Final = 5
MENUS: Final = {
    "setMyCommands",
    "deleteMyCommands",
    "setMyDescription",
    "setMyShortDescription",
}
"""Calls whose 429 does not pause sending (DESIGN, "Menus")."""


class Courtesy(BaseRequestMiddleware):
    """Keeps answers within the pace; a 429 lets the whole bot rest, then the call is repeated."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace

    async def __call__(
        self,
        make_request: NextRequestMiddlewareType[TelegramType],
        bot: Bot,
        method: TelegramMethod[TelegramType],
    ) -> Response[TelegramType]:
        name = method.__api_method__
        for attempt in range(ATTEMPTS):
            try:
                if name not in COUNTED:
                    return await make_request(bot, method)
                async with self.pace.answer(_messages(method)):
                    return await make_request(bot, method)
            except TelegramRetryAfter as error:
                if name in MENUS or attempt == ATTEMPTS - 1:
                    raise
                self.pace.pause(error.retry_after)
                await asyncio.sleep(error.retry_after)
            except (ClientDecodeError, UnicodeDecodeError) as error:
                if isinstance(method, GetUpdates) and _is_done(error):
                    raise  # the poller takes each update as it is
                raise _unreadable(method, error) from error
        raise AssertionError("the loop returns or raises")


def _messages(method: TelegramMethod[Any]) -> int:
    """How many messages a call makes: each file of an album is one."""
    return len(method.media) if isinstance(method, SendMediaGroup) else 1


def _is_done(error: Exception) -> bool:
    """Whether an answer that cannot be read says at least that the call was done."""
    data = error.data if isinstance(error, ClientDecodeError) else None
    return isinstance(data, dict) and data.get("ok") is True


def _unreadable(method: TelegramMethod[Any], error: Exception) -> TelegramAPIError:
    """What a proxy says in Telegram's place is an outage: no call may end the program."""
    kind = TelegramAPIError if _is_done(error) else TelegramNetworkError
    return kind(method=method, message="the answer cannot be read")


def build_bot(settings: Settings, pace: Pace) -> Bot:
    assert settings.bot_token is not None, "`run` requires it"  # noqa: S101 load_settings checks
    server = (
        PRODUCTION
        if settings.bot_api_url == TELEGRAM_API
        else TelegramAPIServer.from_base(settings.bot_api_url)
    )
    session = AiohttpSession(api=server)
    session.middleware(Courtesy(pace))
    return Bot(
        settings.bot_token.get_secret_value(),
        session=session,
        default=DefaultBotProperties(parse_mode=ParseMode.HTML),
    )
