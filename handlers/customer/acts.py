"""Turns what Telegram tells of an act into what its proof keeps."""

from aiogram.types import CallbackQuery, Message

from bot.consent.acts import Act, Method


def of_press(
    query: CallbackQuery,
    update_id: int,
    *,
    method: Method = Method.CALLBACK,
    delivery_id: str | None = None,
) -> Act:
    message = query.message
    dated = message if isinstance(message, Message) else None
    return Act(
        method=method,
        update_id=update_id,
        callback_id=query.id,
        message_id=None if message is None else message.message_id,
        message_date=None if dated is None else dated.date,
        delivery_id=delivery_id,
    )


def of_message(message: Message, update_id: int, method: Method) -> Act:
    return Act(
        method=method,
        update_id=update_id,
        message_id=message.message_id,
        message_date=message.date,
    )
