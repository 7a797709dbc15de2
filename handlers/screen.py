"""Putting words before a person: a message is edited where one stands already, else sent."""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest
from aiogram.methods import SendDocument, SendMessage, SendPhoto
from aiogram.types import (
    BufferedInputFile,
    CallbackQuery,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaDocument,
    Message,
    MessageEntity,
)

from bot.consent.acts import Shown
from bot.delivery.channel import Prepared

PARSE_MODE = "HTML"
ALERT_LIMIT = 200
"""Characters of the answer to a press (Bot API, answerCallbackQuery: text)."""
SENDERS: dict[str, type[SendMessage | SendPhoto | SendDocument]] = {
    "sendMessage": SendMessage,
    "sendPhoto": SendPhoto,
    "sendDocument": SendDocument,
}


_answered: ContextVar[str] = ContextVar("answered press", default="")
"""The press that the update under way has answered already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A button of ours: its words and what a press brings back."""

    text: str
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """One message. With `entities` the text is exactly what is shown; without, it is HTML."""

    text: str
    rows: Sequence[Sequence[Button]] = ()
    entities: Sequence[MessageEntity] | None = field(default=None)

    @property
    def markup(self) -> InlineKeyboardMarkup | None:
        if not self.rows:
            return None
        return InlineKeyboardMarkup(
            inline_keyboard=[
                [InlineKeyboardButton(text=b.text, callback_data=b.data) for b in row]
                for row in self.rows
            ]
        )

    def shown(self) -> Shown:
        """Return what will be before the person's eyes, for the proof."""
        return Shown(
            text=self.text,
            entities=tuple(
                {
                    key: value
                    for key, value in entity.model_dump().items()
                    if isinstance(value, str | int) and not isinstance(value, bool)
                }
                for entity in self.entities or ()
            ),
            buttons=tuple(button.text for row in self.rows for button in row),
        )


async def send(bot: Bot, chat_id: int, screen: Screen) -> int:
    """Send a new message; return its id."""
    message = await bot.send_message(
        chat_id,
        screen.text,
        entities=list(screen.entities) if screen.entities is not None else None,
        parse_mode=None if screen.entities is not None else PARSE_MODE,
        reply_markup=screen.markup,
    )
    return message.message_id


async def send_file(bot: Bot, chat_id: int, name: str, content: bytes, caption: str) -> None:
    """Send one file with HTML words under it (Bot API, sendDocument: caption, 1024)."""
    await bot.send_document(chat_id, BufferedInputFile(content, name), caption=caption)


async def send_album(
    bot: Bot, chat_id: int, files: Sequence[tuple[str, bytes]], caption: str
) -> None:
    """Send 2 to 10 files together; the words stand under the last (Bot API, sendMediaGroup)."""
    captions = [None] * (len(files) - 1) + [caption]
    await bot.send_media_group(
        chat_id,
        [
            InputMediaDocument(
                media=BufferedInputFile(content, name), caption=words, parse_mode=PARSE_MODE
            )
            for (name, content), words in zip(files, captions, strict=True)
        ],
    )


async def edit(bot: Bot, chat_id: int, message_id: int, screen: Screen) -> bool:
    """Change a message in place. False: it is gone, or not ours to change."""
    try:
        await bot.edit_message_text(
            screen.text,
            chat_id=chat_id,
            message_id=message_id,
            entities=list(screen.entities) if screen.entities is not None else None,
            parse_mode=None if screen.entities is not None else PARSE_MODE,
            reply_markup=screen.markup,
        )
    except TelegramBadRequest as error:
        return "not modified" in error.message
    return True


async def put(bot: Bot, chat_id: int, message_id: int | None, screen: Screen) -> int:
    """Edit the message if there is one that can be edited, else send; return the id."""
    if message_id is not None and await edit(bot, chat_id, message_id, screen):
        return message_id
    return await send(bot, chat_id, screen)


async def remove_buttons(bot: Bot, chat_id: int, message_id: int) -> None:
    """Take the buttons off a message whose step is over."""
    try:
        await bot.edit_message_reply_markup(chat_id=chat_id, message_id=message_id)
    except TelegramBadRequest:
        return  # it is gone, or has none: that is what was wanted


async def acknowledge(query: CallbackQuery, text: str = "", *, alert: bool = False) -> None:
    """Answer a press, so that the person's phone stops waiting; an old one cannot be."""
    _answered.set(query.id)
    try:
        await query.answer(text[:ALERT_LIMIT], show_alert=alert)
    except TelegramBadRequest:
        return  # "query is too old": the answer in the chat is what the person will see


def is_acknowledged(query: CallbackQuery) -> bool:
    """Whether this press has had its one answer: what comes later must be said in the chat."""
    return _answered.get() == query.id


def pressed_message(query: CallbackQuery) -> int | None:
    """Return the id of the message that can still be edited under a press."""
    return query.message.message_id if isinstance(query.message, Message) else None


async def send_prepared(bot: Bot, prepared: Prepared) -> int:
    """Send a campaign's message through the bot itself: previews and tests."""
    call = SENDERS[prepared.method](parse_mode=None, **prepared.fields)
    message = await bot(call)
    return message.message_id
