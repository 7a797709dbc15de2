"""An operator looks at campaigns and stops them."""

from datetime import datetime

from aiogram import Router
from aiogram.filters import Command
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, Message

from bot.usecases.aftermath import Aftermath
from bot.usecases.campaigns import CampaignDesk
from handlers import screen
from handlers.admin import restored
from handlers.i18n import _
from handlers.operator import screens
from handlers.operator.data import Change, Manage, Page
from handlers.operator.drafting import Drafting
from handlers.roles import FLAG, Permission, Roles
from handlers.screen import Screen

router = Router(name="operator.managing")
SEND = {FLAG: Permission.SEND}
PAGE = 5


@router.message(Command("campaigns", ignore_case=True), flags=SEND)
async def campaigns(
    message: Message,
    state: FSMContext,
    campaign_desk: CampaignDesk,
    aftermath: Aftermath,
    roles: Roles,
    drafting: Drafting,
    locale: str,
) -> None:
    await state.clear()
    gap = await aftermath.held()
    if gap is not None and roles.may(message.chat.id, Permission.RECOVER):
        await screen.send(
            drafting.bot, message.chat.id, restored.question(gap, drafting.zone, locale)
        )
    shown = await _page(None, campaign_desk, drafting, locale)
    await screen.send(drafting.bot, message.chat.id, shown)


@router.callback_query(Page.filter(), flags=SEND)
async def older(
    query: CallbackQuery,
    callback_data: Page,
    campaign_desk: CampaignDesk,
    drafting: Drafting,
    locale: str,
) -> None:
    await screen.acknowledge(query)
    shown = await _page(callback_data.before, campaign_desk, drafting, locale)
    await screen.put(drafting.bot, query.from_user.id, screen.pressed_message(query), shown)


async def _page(before: int | None, desk: CampaignDesk, drafting: Drafting, locale: str) -> Screen:
    page = await desk.newest(before_number=before, limit=PAGE + 1)
    titles = {p.id: p.title[locale] for p in desk.publication.catalogue.purposes}
    return screens.campaign_list(
        page[:PAGE], titles, drafting.zone, locale, has_more=len(page) > PAGE
    )


@router.callback_query(Manage.filter(), flags=SEND)
async def manage(
    query: CallbackQuery,
    callback_data: Manage,
    campaign_desk: CampaignDesk,
    drafting: Drafting,
    locale: str,
    stored_at: datetime,
) -> None:
    """Pause, resume or cancel; pressed twice, the second press changes nothing."""
    campaign_id = callback_data.campaign_id
    match callback_data.change:
        case Change.PAUSE:
            done = await campaign_desk.pause(campaign_id, stored_at)
        case Change.RESUME:
            done = await campaign_desk.resume(campaign_id, stored_at)
        case Change.CANCEL:
            done = await campaign_desk.cancel(campaign_id, stored_at)
        case Change.OPEN:
            done = True
    campaign, report = await campaign_desk.report(campaign_id)
    await screen.acknowledge(query, "" if done else _("This has happened already."))
    title = drafting.title(campaign.purpose_id, locale)
    shown = screens.progress(campaign, report, title, drafting.zone, locale)
    message_id = await screen.put(
        drafting.bot, query.from_user.id, screen.pressed_message(query), shown
    )
    if str(query.from_user.id) == campaign.author.account:
        await campaign_desk.announced(campaign_id, campaign.state, message_id)
