"""An admin takes the consent log out: period and purpose by buttons, files as the answer."""

import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

from aiogram import Bot, Router
from aiogram.filters import Command
from aiogram.filters.callback_data import CallbackData
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, FSInputFile, Message
from pydantic import Field

from bot.consent.rules import PurposeId
from bot.usecases.exports import ExportDesk, Format, Selection
from bot.usecases.publication import Publication
from handlers import screen
from handlers.admin.bar import Bar
from handlers.i18n import _
from handlers.roles import FLAG, Permission
from handlers.screen import Button, Screen

router = Router(name="admin.exporting")
EXPORT = {FLAG: Permission.EXPORT}
PERIODS = (7, 30, 365, 0)
ALL = "*"
Days = Annotated[int, Field(ge=0, le=max(PERIODS))]


class Period(CallbackData, prefix="ep"):
    """How far back, in days; 0: everything."""

    days: Days


class Public(CallbackData, prefix="eu"):
    """The bundle that opens nobody."""


class Wanted(CallbackData, prefix="ew"):
    """How far back, and which purpose; `*`: all."""

    days: Days
    purpose_id: str


@router.message(Command("export", ignore_case=True), flags=EXPORT)
async def export(message: Message, state: FSMContext, bot: Bot) -> None:
    await state.clear()
    names = {
        7: _("7 days"),
        30: _("30 days"),
        365: _("A year"),
        0: _("Everything"),
    }
    rows = [[Button(text=names[days], data=Period(days=days).pack()) for days in PERIODS]]
    rows.append([Button(text=_("Only for checking, nobody's data"), data=Public().pack())])
    await screen.send(bot, message.chat.id, Screen(text=_("For which period?"), rows=rows))


@router.callback_query(Period.filter(), flags=EXPORT)
async def period(
    query: CallbackQuery, callback_data: Period, publication: Publication, bot: Bot, locale: str
) -> None:
    await screen.acknowledge(query)
    choices = [(ALL, _("All purposes"))]
    choices += [(p.id, p.title[locale]) for p in publication.catalogue.purposes]
    rows = [
        [Button(text=title, data=Wanted(days=callback_data.days, purpose_id=purpose_id).pack())]
        for purpose_id, title in choices
    ]
    shown = Screen(text=_("For which purpose?"), rows=rows)
    await screen.put(bot, query.from_user.id, screen.pressed_message(query), shown)


@router.callback_query(Wanted.filter(), flags=EXPORT)
async def files(
    query: CallbackQuery,
    callback_data: Wanted,
    exports: ExportDesk,
    bot: Bot,
    stored_at: datetime,
) -> None:
    """Write the tables and the bundle, and send them as files."""
    selection = Selection(
        start=stored_at - timedelta(days=callback_data.days) if callback_data.days else None,
        purpose_id=None if callback_data.purpose_id == ALL else PurposeId(callback_data.purpose_id),
    )
    await _hand_out(query, exports, bot, selection, list(Format), stored_at)
    done = _(
        "CSV and JSON Lines are for reading; the bundle is what can be verified:\n"
        "<code>python -m bot verify FILE</code>\nThe files hold personal data: keep them safe."
    )
    await screen.send(bot, query.from_user.id, Screen(text=done))


@router.callback_query(Public.filter(), flags=EXPORT)
async def public(query: CallbackQuery, exports: ExportDesk, bot: Bot, stored_at: datetime) -> None:
    """Send the bundle without personal data: for whoever may check the log, and not read it."""
    selection = Selection(is_public=True)
    await _hand_out(query, exports, bot, selection, [Format.BUNDLE], stored_at)
    done = _(
        "This bundle shows that the log was not rewritten, and tells nothing about anybody. It "
        "may be published:\n<code>python -m bot verify FILE</code>"
    )
    await screen.send(bot, query.from_user.id, Screen(text=done))


async def _hand_out(
    query: CallbackQuery,
    exports: ExportDesk,
    bot: Bot,
    selection: Selection,
    kinds: list[Format],
    at: datetime,
) -> None:
    """Write the files one after the other, with a bar in the pressed message, and send each."""
    await screen.acknowledge(query)
    chat_id = query.from_user.id
    preparing = _("The files are being prepared …")
    shown = await screen.put(bot, chat_id, screen.pressed_message(query), Screen(text=preparing))
    await exports.record(str(chat_id), selection, kinds, at)
    name = "public" if selection.is_public else "consents"
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds:
            path = Path(folder) / f"{name}-{at:%Y-%m-%d}.{kind.suffix}"
            bar = Bar(bot, chat_id, shown, preparing)
            async with bar.live():
                await exports.write(path, kind, selection, at, bar.move)
            if not path.stat().st_size:
                continue  # Telegram takes no empty file; the table says that there is nothing
            await bot.send_chat_action(chat_id, "upload_document")
            await bot.send_document(chat_id, FSInputFile(path))
    await screen.put(bot, chat_id, shown, Screen(text=_("Ready.")))
