"""Legal holds: an admin keeps the proofs of one person for a dispute, and lets them go."""

from datetime import datetime
from typing import Final

from aiogram import Bot, Router
from aiogram.filters import Command, CommandObject
from aiogram.filters.callback_data import CallbackData
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, Message

from bot.consent.rules import SubjectId
from bot.usecases.holds import Hold, HoldDesk
from handlers import screen, words
from handlers.customer.data import Dismiss
from handlers.customer.reception import Reception
from handlers.i18n import _, date_words, escape
from handlers.roles import FLAG, Permission
from handlers.screen import Button, Screen

router = Router(name="admin.holding")
PRIVACY = {FLAG: Permission.PRIVACY}
SHOWN: Final = 10
"""Holds in one message; `python -m bot privacy holds` lists all."""
ID_SHOWN: Final = 8
"""Characters of our id of a person on a button."""


class Look(CallbackData, prefix="hl"):
    """One hold, before it is released."""

    subject_id: str


class Release(CallbackData, prefix="hr"):
    """The end of a hold."""

    subject_id: str


@router.message(Command("hold", ignore_case=True), flags=PRIVACY)
async def hold(
    message: Message,
    command: CommandObject,
    state: FSMContext,
    hold_desk: HoldDesk,
    reception: Reception,
    bot: Bot,
    locale: str,
    stored_at: datetime,
) -> None:
    """Place a hold, or show those that stand."""
    await state.clear()
    account, _space, reason = (command.args or "").partition(" ")
    if not account:
        shown = _standing(await hold_desk.standing(), reception, locale)
        await screen.send(bot, message.chat.id, shown)
        return
    placed = await hold_desk.place(account, reason, str(message.chat.id), stored_at)
    text = _(
        "<b>Held.</b> The proofs of this person stay, whatever they ask and whatever term is over, "
        "until the hold is released. It is recorded in the log.\n\n{hold}"
    ).format(hold=_line(placed, reception, locale))
    await screen.send(bot, message.chat.id, Screen(text=text, rows=[[_look(placed)]]))


@router.callback_query(Look.filter(), flags=PRIVACY)
async def look(
    query: CallbackQuery,
    callback_data: Look,
    hold_desk: HoldDesk,
    reception: Reception,
    bot: Bot,
    locale: str,
) -> None:
    """Say what a release brings about, before it does."""
    held = await hold_desk.get(SubjectId(callback_data.subject_id))
    await screen.acknowledge(query)
    text = _("<b>Release this hold?</b>\n\n{hold}").format(hold=_line(held, reception, locale))
    if held.erasure_wanted_at is not None:
        text += "\n\n" + _("The person is erased at once. It cannot be undone.")
    release_button = Button(text=_release(), data=Release(subject_id=held.subject_id).pack())
    rows = [[release_button], [Button(text=words.cancel(), data=Dismiss().pack())]]
    await screen.put(
        bot, query.from_user.id, screen.pressed_message(query), Screen(text=text, rows=rows)
    )


@router.callback_query(Release.filter(), flags=PRIVACY)
async def release(
    query: CallbackQuery,
    callback_data: Release,
    hold_desk: HoldDesk,
    bot: Bot,
    stored_at: datetime,
) -> None:
    """Release, and say whether the person was erased with it."""
    chat_id = query.from_user.id
    subject_id = SubjectId(callback_data.subject_id)
    is_erased = await hold_desk.release(subject_id, str(chat_id), stored_at)
    await screen.acknowledge(query)
    text = _("The hold is released. It is recorded in the log.")
    if is_erased:
        text += "\n\n" + _("The person had asked for it: everything about them is deleted now.")
    await screen.put(bot, chat_id, screen.pressed_message(query), Screen(text=text))


def _standing(found: list[Hold], reception: Reception, locale: str) -> Screen:
    usage = _(
        "A hold keeps the proofs of one person for a dispute, whatever they ask and whatever term "
        "is over:\n<code>/hold ACCOUNT REASON</code>\nThe account is the person's Telegram id. "
        "The reason stays in the log: name no person in it."
    )
    if not found:
        return Screen(text=_("No legal hold stands.") + "\n\n" + usage)
    lines = [_line(one, reception, locale) for one in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(
            _("{count} more: <code>python -m bot privacy holds</code>").format(
                count=len(found) - SHOWN
            )
        )
    blocks = [_("<b>Legal holds</b>"), *lines, usage]
    return Screen(text="\n\n".join(blocks), rows=[[_look(one)] for one in found[:SHOWN]])


def _line(held: Hold, reception: Reception, locale: str) -> str:
    line = _("<code>{subject}</code>, since {date}\n{reason}").format(
        subject=escape(held.subject_id),
        date=date_words(held.placed_at, reception.zone, locale),
        reason=escape(held.reason),
    )
    if held.erasure_wanted_at is not None:
        line += "\n" + _("On {date} the person asked to be erased.").format(
            date=date_words(held.erasure_wanted_at, reception.zone, locale)
        )
    return line


def _release() -> str:
    return "🔓 " + _("Release")


def _look(held: Hold) -> Button:
    text = f"{_release()} {held.subject_id[:ID_SHOWN]}"
    return Button(text=text, data=Look(subject_id=held.subject_id).pack())
