"""Numbers, and who may do what."""

from datetime import datetime

from aiogram import Bot, Router
from aiogram.filters import Command
from aiogram.fsm.context import FSMContext
from aiogram.types import Message

from bot.usecases.campaigns import CampaignDesk
from handlers import screen
from handlers.i18n import _, escape
from handlers.operator import screens
from handlers.roles import FLAG, Permission, Roles
from handlers.screen import Screen

router = Router(name="admin.looking")


@router.message(Command("stats", ignore_case=True), flags={FLAG: Permission.STATISTICS})
async def stats(
    message: Message,
    state: FSMContext,
    campaign_desk: CampaignDesk,
    bot: Bot,
    locale: str,
    stored_at: datetime,
) -> None:
    """Say for each purpose how many may be written to, and why not the others."""
    await state.clear()
    blocks = []
    for purpose in campaign_desk.publication.catalogue.purposes:
        audience = await campaign_desk.audience(purpose.id, stored_at)
        lines = [
            f"<b>{escape(purpose.title[locale])}</b>",
            "✅ " + _("Agreed: {count}").format(count=audience.reached),
        ]
        if audience.excluded:
            lines.append(screens.exclusions(audience.excluded))
        blocks.append("\n".join(lines))
    await screen.send(bot, message.chat.id, Screen(text="\n\n".join(blocks)))


@router.message(Command("staff", ignore_case=True), flags={FLAG: Permission.STAFF})
async def staff(message: Message, state: FSMContext, roles: Roles) -> None:
    """Show who has a role."""
    await state.clear()
    owners = "\n".join(f"• <code>{owner}</code>" for owner in sorted(roles.owner_ids))
    await message.answer(_("<b>Owners</b> (setting OWNER_IDS)\n{owners}").format(owners=owners))
