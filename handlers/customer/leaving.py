"""A customer leaves, takes it back, or asks why a message came."""

from datetime import datetime

from aiogram import Bot, F, Router
from aiogram.filters import Command
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, Message

from bot.consent.acts import Act, Method
from bot.consent.rules import (
    EntryId,
    PrerequisiteMissing,
    PromptUnknown,
    PurposeId,
    UndoOver,
)
from bot.delivery.body import PREVIEW_ID
from bot.usecases.consents import ConsentDesk
from bot.usecases.people import Person
from handlers import screen
from handlers.customer import acts, screens
from handlers.customer.data import Leave, Undo, Why, Withdraw
from handlers.customer.reception import Reception
from handlers.i18n import _, date_words, escape
from handlers.screen import Button, Screen
from handlers.words import means_stop
from storage.delivery_records import Origin

router = Router(name="customer.leaving")


@router.message(Command("stop", ignore_case=True))
@router.message(F.text.func(means_stop))
async def stop(
    message: Message,
    person: Person,
    state: FSMContext,
    desk: ConsentDesk,
    reception: Reception,
    stored_at: datetime,
    update_id: int,
) -> None:
    """Leave all messages, at any point of any conversation (promise 8)."""
    await state.clear()
    method = Method.COMMAND if (message.text or "").startswith("/") else Method.TEXT
    act = acts.of_message(message, update_id, method)
    ended = await desk.leave_all(person, act, stored_at)
    catalogue = reception.publication.catalogue
    shown = screens.left(ended, catalogue, person.locale, catalogue.controller.contact)
    await screen.send(reception.bot, message.chat.id, shown)


@router.callback_query(Leave.filter())
async def leave(
    query: CallbackQuery,
    callback_data: Leave,
    person: Person | None,
    desk: ConsentDesk,
    reception: Reception,
    stored_at: datetime,
    update_id: int,
) -> None:
    """Leave the purpose of the message under which the button is. One tap, no question."""
    if callback_data.delivery_id == PREVIEW_ID:
        await screen.acknowledge(query, _preview_words(), alert=True)
        return
    origin = await desk.origin(callback_data.delivery_id)
    if person is None or origin is None or origin.subject_id != person.id:
        await _not_known(query, person, reception, stored_at)
        return
    act = acts.of_press(query, update_id, delivery_id=callback_data.delivery_id)
    await _withdraw(query, person, origin.purpose_id, act, desk, reception, stored_at)


@router.callback_query(Withdraw.filter())
async def withdraw(
    query: CallbackQuery,
    callback_data: Withdraw,
    person: Person | None,
    desk: ConsentDesk,
    reception: Reception,
    stored_at: datetime,
    update_id: int,
) -> None:
    """End a consent from the overview, the person having read what ends with it."""
    if person is None:
        raise PromptUnknown
    if (message_id := screen.pressed_message(query)) is not None:
        await screen.remove_buttons(reception.bot, int(person.profile.account), message_id)
    act = acts.of_press(query, update_id)
    purpose_id = PurposeId(callback_data.purpose_id)
    await _withdraw(query, person, purpose_id, act, desk, reception, stored_at)


async def _withdraw(
    query: CallbackQuery,
    person: Person,
    purpose_id: PurposeId,
    act: Act,
    desk: ConsentDesk,
    reception: Reception,
    at: datetime,
) -> None:
    ended = await desk.withdraw(person, purpose_id, act, at)
    catalogue = reception.publication.catalogue
    shown = (
        screens.left(ended, catalogue, person.locale, catalogue.controller.contact)
        if ended
        else screens.left_before(purpose_id, catalogue, person.locale)
    )
    await screen.acknowledge(query, _("You are unsubscribed."))
    await screen.send(reception.bot, int(person.profile.account), shown)


async def _not_known(
    query: CallbackQuery, person: Person | None, reception: Reception, at: datetime
) -> None:
    """Nothing is changed for anybody; the person is shown what is theirs to change."""
    if person is None:
        raise PromptUnknown
    await screen.acknowledge(query, _("This message is no longer known. Here is what you have."))
    await reception.show_overview(person, at)


@router.callback_query(Undo.filter())
async def undo(
    query: CallbackQuery,
    callback_data: Undo,
    person: Person | None,
    desk: ConsentDesk,
    reception: Reception,
    stored_at: datetime,
    update_id: int,
) -> None:
    """Take a withdrawal back: a grant of the same text, within ten minutes."""
    if person is None:
        raise PromptUnknown
    act = acts.of_press(query, update_id, method=Method.UNDO)
    entry_id = EntryId(callback_data.entry_id)
    try:
        outcome = await desk.undo(person, entry_id, act, stored_at)
    except (UndoOver, PrerequisiteMissing) as error:
        await screen.acknowledge(query, _(error.message_key), alert=True)
        return
    await screen.acknowledge(query)
    await _drop_button(query, reception.bot, callback_data)
    catalogue = reception.publication.catalogue
    shown = screens.back(outcome, catalogue, person.locale)
    await screen.send(reception.bot, int(person.profile.account), shown)


async def _drop_button(query: CallbackQuery, bot: Bot, pressed: Undo) -> None:
    """Take this undo off the message; those of other subscriptions stay."""
    message = query.message
    if not isinstance(message, Message) or message.reply_markup is None:
        return
    rows = [
        [
            Button(text=button.text, data=button.callback_data or "")
            for button in row
            if button.callback_data != pressed.pack()
        ]
        for row in message.reply_markup.inline_keyboard
    ]
    kept = Screen(text=message.html_text, rows=[row for row in rows if row])
    await screen.edit(bot, message.chat.id, message.message_id, kept)


@router.callback_query(Why.filter())
async def why(
    query: CallbackQuery,
    callback_data: Why,
    person: Person | None,
    desk: ConsentDesk,
    reception: Reception,
    stored_at: datetime,
) -> None:
    """Explain a message by the consent that allowed it: purpose, date, text."""
    if callback_data.delivery_id == PREVIEW_ID:
        await screen.acknowledge(query, _preview_words(), alert=True)
        return
    origin = await desk.origin(callback_data.delivery_id)
    if person is None or origin is None or origin.subject_id != person.id:
        await _not_known(query, person, reception, stored_at)
        return
    await screen.acknowledge(query)
    shown = await _explanation(person, origin, desk, reception)
    await screen.send(reception.bot, int(person.profile.account), shown)


async def _explanation(
    person: Person, origin: Origin, desk: ConsentDesk, reception: Reception
) -> Screen:
    allowed = await desk.allowed_by(person, origin)
    locale = person.locale
    text = _(
        "You get this because on {date} you agreed to «{title}».\n\n"
        "You agreed to text version {version}; your receipt is entry no. {index}: "
        "<code>{entry_id}</code>.\n\n<b>The text:</b>\n<blockquote expandable>{text}</blockquote>"
    ).format(
        date=date_words(allowed.at, reception.zone, locale),
        title=escape(allowed.title),
        version=allowed.notice_version,
        index=allowed.index,
        entry_id=allowed.entry_id,
        text=escape(allowed.text),
    )
    return Screen(
        text=text,
        rows=[
            [Button(text=_("Your subscriptions"), data="subs")],
            [screens.proof_button(allowed.entry_id)],
        ],
    )


def _preview_words() -> str:
    return _("This is a preview. For a recipient this button works.")
