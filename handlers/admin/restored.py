"""A copy of the database was put back: an admin is told what is missing, and decides."""

from datetime import datetime, tzinfo

from aiogram import Router
from aiogram.filters.callback_data import CallbackData
from aiogram.types import CallbackQuery

from bot.usecases.aftermath import Aftermath, Gap
from handlers import screen
from handlers.i18n import _, time_words
from handlers.operator.drafting import Drafting
from handlers.roles import FLAG, Permission
from handlers.screen import Button, Screen

router = Router(name="admin.restored")


class GoOn(CallbackData, prefix="rg"):
    """Advertising may go on after a restore."""


def question(gap: Gap, zone: tzinfo, locale: str) -> Screen:
    """Say which time is missing and what waits because of it."""
    text = _(
        "<b>The database was put back from a copy</b>\n\n"
        "Nothing is known of the time from {since} to {until}: who agreed, who left, what was "
        "sent.\n\nAdvertising waits, so that nobody who left is written to. Sends that were under "
        "way count as uncertain and are not repeated; campaigns rest until they are resumed.\n\n"
        "If you know who left in that time, let them send /stop again, or do not go on."
    ).format(since=time_words(gap.since, zone, locale), until=time_words(gap.until, zone, locale))
    return Screen(text=text, rows=[[Button(text=_("Advertising may go on"), data=GoOn().pack())]])


@router.callback_query(GoOn.filter(), flags={FLAG: Permission.RECOVER})
async def go_on(
    query: CallbackQuery, aftermath: Aftermath, drafting: Drafting, stored_at: datetime
) -> None:
    """Let advertising go on; who decided it stands in the log."""
    done = await aftermath.confirm(str(query.from_user.id), stored_at)
    await screen.acknowledge(query, "" if done else _("This has happened already."))
    shown = Screen(
        text=_("Advertising may go on; the log says that you decided it. Resume: /campaigns")
    )
    await screen.put(drafting.bot, query.from_user.id, screen.pressed_message(query), shown)
