"""Takes the buttons off a step of the operator's conversation once it is over."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiogram import BaseMiddleware
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, Message, TelegramObject

from handlers import screen

ASKED: Final = "asked"
"""In the conversation's data: the message whose buttons wait for an answer."""


class Tidying(BaseMiddleware):
    """Compares what is asked before and after an act; whatever ended it, a command too.

    An old preview that kept its buttons would send what was written after it.
    """

    async def __call__(
        self,
        handler: Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]],
        event: TelegramObject,
        data: dict[str, Any],
    ) -> Any:
        user = event.from_user if isinstance(event, Message | CallbackQuery) else None
        if user is None or data["roles"].of(user.id) is None:
            return await handler(event, data)
        state: FSMContext = data["state"]
        before = (await state.get_data()).get(ASKED)
        result = await handler(event, data)
        after = (await state.get_data()).get(ASKED)
        # What stands in a pressed message now was put there by whoever answered the press.
        pressed = screen.pressed_message(event) if isinstance(event, CallbackQuery) else None
        if before not in {None, after, pressed}:
            await screen.remove_buttons(data["bot"], user.id, before)
        return result
