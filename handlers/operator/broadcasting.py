"""An operator writes a campaign: purpose, message, preview, the last question."""

from dataclasses import replace
from datetime import datetime

from aiogram import F, Router
from aiogram.filters import Command, StateFilter
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, Message

from bot.campaigns import policy, schedule
from bot.campaigns.campaign import Author, Campaign, CampaignChanged
from bot.campaigns.content import LinkFault, parse_links
from bot.usecases.campaigns import CampaignDesk
from handlers import screen
from handlers.i18n import _, time_words
from handlers.operator import screens
from handlers.operator.data import At, Choose, Draft, Leave, Step, Writing
from handlers.operator.drafting import Drafting, author_of, content_of
from handlers.operator.tidying import ASKED
from handlers.roles import FLAG, Permission
from handlers.screen import Screen

router = Router(name="operator.broadcasting")
SEND = {FLAG: Permission.SEND}


@router.message(Command("broadcast", ignore_case=True), flags=SEND)
async def broadcast(
    message: Message,
    state: FSMContext,
    campaign_desk: CampaignDesk,
    drafting: Drafting,
    locale: str,
) -> None:
    await state.clear()
    shown = screens.purposes(campaign_desk.publication.catalogue, locale)
    await state.set_data({ASKED: await screen.send(drafting.bot, message.chat.id, shown)})


@router.callback_query(Choose.filter(), flags=SEND)
async def choose(
    query: CallbackQuery,
    callback_data: Choose,
    state: FSMContext,
    campaign_desk: CampaignDesk,
    drafting: Drafting,
    locale: str,
) -> None:
    """Take the purpose; refuse at once what could not be confirmed anyway."""
    await screen.acknowledge(query)
    chat_id, message_id = query.from_user.id, screen.pressed_message(query)
    refusals = campaign_desk.refusals(callback_data.purpose_id)
    if refusals:
        shown = screens.refused(refusals, campaign_desk.publication.catalogue)
        await screen.put(drafting.bot, chat_id, message_id, shown)
        return
    await state.set_state(Writing.content)
    title = drafting.title(callback_data.purpose_id, locale)
    asked = await screen.put(drafting.bot, chat_id, message_id, screens.ask_content(title))
    await state.set_data({"purpose_id": callback_data.purpose_id, ASKED: asked})


@router.message(Command("cancel", ignore_case=True), flags=SEND)
async def cancel(message: Message, state: FSMContext) -> None:
    """Out of any conversation; a draft that was not confirmed is never sent."""
    was_busy = bool(await state.get_state() or await state.get_data())
    await state.clear()
    await message.answer(
        _("Cancelled. Nothing was sent.") if was_busy else _("There is nothing to cancel.")
    )


@router.callback_query(Leave.filter(), flags=SEND)
async def leave(query: CallbackQuery, state: FSMContext, drafting: Drafting) -> None:
    await state.clear()
    await screen.acknowledge(query)
    shown = Screen(text=_("Cancelled. Nothing was sent."))
    await screen.put(drafting.bot, query.from_user.id, screen.pressed_message(query), shown)


# --- the message ------------------------------------------------------------------------------


@router.message(StateFilter(Writing.content), F.media_group_id, flags=SEND)
async def album(message: Message, state: FSMContext) -> None:
    """Each part of an album comes alone; one answer is enough for all of them."""
    data = await state.get_data()
    if data.get("album") == message.media_group_id:
        return
    await state.update_data(album=message.media_group_id)
    await message.answer(_("Albums cannot be sent. Send one photo with a caption."))


@router.message(StateFilter(Writing.content), ~F.text.startswith("/"), flags=SEND)
async def content(
    message: Message,
    state: FSMContext,
    campaign_desk: CampaignDesk,
    drafting: Drafting,
    locale: str,
    stored_at: datetime,
) -> None:
    """Keep what was sent as a draft and show it as it will arrive."""
    written = content_of(message)
    if written is None:
        await message.answer(
            _("This kind of message cannot be sent on. Send text, a photo or a document.")
        )
        return
    purpose_id = str((await state.get_data())["purpose_id"])
    author = author_of(message, locale)
    campaign = await campaign_desk.draft(purpose_id, written, author, stored_at)
    await state.set_state(Writing.deciding)
    await state.update_data(campaign_id=campaign.id)
    await _show(campaign, state, drafting, stored_at)


@router.message(StateFilter(Writing.links), ~F.text.startswith("/"), flags=SEND)
async def links(
    message: Message,
    state: FSMContext,
    campaign_desk: CampaignDesk,
    drafting: Drafting,
    stored_at: datetime,
) -> None:
    campaign = await _of_conversation(state, campaign_desk)
    try:
        buttons = parse_links(message.text or "")
    except LinkFault as fault:
        await message.answer(_(fault.message_key).format(line=fault.detail))
        return
    revised = replace(campaign.content, buttons=buttons)
    campaign = await campaign_desk.revise(campaign, revised, campaign.erid, stored_at)
    await state.set_state(Writing.deciding)
    await _show(campaign, state, drafting, stored_at)


@router.message(StateFilter(Writing.erid), ~F.text.startswith("/"), flags=SEND)
async def erid(
    message: Message,
    state: FSMContext,
    campaign_desk: CampaignDesk,
    drafting: Drafting,
    stored_at: datetime,
) -> None:
    campaign = await _of_conversation(state, campaign_desk)
    token = policy.check_erid(message.text or "")
    campaign = await campaign_desk.revise(campaign, campaign.content, token, stored_at)
    await state.set_state(Writing.deciding)
    await _show(campaign, state, drafting, stored_at)


@router.message(StateFilter(Writing.time), ~F.text.startswith("/"), flags=SEND)
async def typed_time(
    message: Message,
    state: FSMContext,
    campaign_desk: CampaignDesk,
    drafting: Drafting,
    locale: str,
    stored_at: datetime,
) -> None:
    campaign = await _of_conversation(state, campaign_desk)
    moment = schedule.parse(message.text or "", stored_at, drafting.zone)
    account = author_of(message, locale).account
    campaign = await campaign_desk.schedule(
        campaign.id, moment, account, stored_at, revision=campaign.revision
    )
    await state.clear()
    await screen.send(drafting.bot, message.chat.id, _scheduled(campaign, moment, drafting, locale))


@router.message(StateFilter(Writing.deciding), ~F.text.startswith("/"), flags=SEND)
async def another_version(
    message: Message,
    state: FSMContext,
    campaign_desk: CampaignDesk,
    drafting: Drafting,
    stored_at: datetime,
) -> None:
    """A message sent while the preview waits replaces it."""
    campaign = await _of_conversation(state, campaign_desk)
    written = content_of(message)
    if written is None:
        await message.answer(
            _("This kind of message cannot be sent on. Send text, a photo or a document.")
        )
        return
    revised = replace(written, buttons=campaign.content.buttons)
    campaign = await campaign_desk.revise(campaign, revised, campaign.erid, stored_at)
    await _show(campaign, state, drafting, stored_at)


async def _show(campaign: Campaign, state: FSMContext, drafting: Drafting, at: datetime) -> None:
    await state.update_data({ASKED: await drafting.show(campaign, at)})


async def _of_conversation(state: FSMContext, desk: CampaignDesk) -> Campaign:
    return await desk.get(str((await state.get_data()).get("campaign_id", "")))


# --- the buttons under the preview ------------------------------------------------------------


@router.callback_query(Draft.filter(), flags=SEND)
async def decide(
    query: CallbackQuery,
    callback_data: Draft,
    state: FSMContext,
    campaign_desk: CampaignDesk,
    drafting: Drafting,
    stored_at: datetime,
) -> None:
    campaign = await campaign_desk.get(callback_data.campaign_id)
    if callback_data.revision != campaign.revision:
        raise CampaignChanged(campaign.id)
    shown = await _decided(
        callback_data.step, campaign, state, campaign_desk, drafting, query, stored_at
    )
    # Only now: a press is answered once, and a refusal is best said there.
    await screen.acknowledge(query)
    if shown is not None:
        chat_id, message_id = query.from_user.id, screen.pressed_message(query)
        message_id = await screen.put(drafting.bot, chat_id, message_id, shown)
        if shown.rows:
            await state.update_data({ASKED: message_id})


async def _decided(
    step: Step,
    campaign: Campaign,
    state: FSMContext,
    desk: CampaignDesk,
    drafting: Drafting,
    query: CallbackQuery,
    at: datetime,
) -> Screen | None:
    """Do what a button says; return what stands in its place."""
    match step:
        case Step.SEND:
            return screens.last_question(campaign, await desk.audience(campaign.purpose_id, at))
        case Step.CONFIRM:
            # The message of the question becomes the live one; only the Teller writes it.
            await state.clear()
            await desk.start(
                campaign.id,
                str(query.from_user.id),
                at,
                revision=campaign.revision,
                progress_message_id=screen.pressed_message(query),
            )
            return None
        case Step.TEST:
            await _show(campaign, state, drafting, at)
            return Screen(text=_("The test is below."))
        case Step.CANCEL:
            await state.clear()
            await desk.cancel(campaign.id, at)
            return Screen(text=_("Cancelled. Nothing was sent."))
        case Step.BACK:
            await state.set_state(Writing.deciding)
            return await drafting.control(campaign, at)
        case _:
            await _ask_for(step, campaign, state)
            return _question_for(step, campaign, drafting)


async def _ask_for(step: Step, campaign: Campaign, state: FSMContext) -> None:
    states = {Step.LINKS: Writing.links, Step.ERID: Writing.erid, Step.SCHEDULE: Writing.time}
    await state.set_state(states[step])
    await state.update_data(campaign_id=campaign.id)


def _question_for(step: Step, campaign: Campaign, drafting: Drafting) -> Screen:
    if step is Step.SCHEDULE:
        return screens.ask_time(campaign, drafting.zone.key)
    if step is Step.LINKS:
        text = _(
            "Send the buttons, each on a line of its own, like this:\n"
            "Our shop - https://example.com"
        )
    else:
        text = _("Send the erid that your advertising data operator gave for this message.")
    return Screen(text=text, rows=[screens.cancel_row()])


@router.callback_query(At.filter(), flags=SEND)
async def offered_time(
    query: CallbackQuery,
    callback_data: At,
    state: FSMContext,
    campaign_desk: CampaignDesk,
    drafting: Drafting,
    locale: str,
    stored_at: datetime,
) -> None:
    if callback_data.hours:
        moment = schedule.in_hours(callback_data.hours, stored_at, drafting.zone)
    else:
        moment = schedule.tomorrow_at(callback_data.hour, stored_at, drafting.zone)
    account = Author(account=str(query.from_user.id), locale=locale).account
    campaign = await campaign_desk.schedule(
        callback_data.campaign_id, moment, account, stored_at, revision=callback_data.revision
    )
    await state.clear()
    await screen.acknowledge(query)
    shown = _scheduled(campaign, moment, drafting, locale)
    await screen.put(drafting.bot, query.from_user.id, screen.pressed_message(query), shown)


def _scheduled(
    campaign: Campaign, moment: schedule.Moment, drafting: Drafting, locale: str
) -> Screen:
    text = _("Campaign №{number} starts on {time}. I will tell you when it begins.").format(
        number=campaign.number, time=time_words(moment.at, drafting.zone, locale)
    )
    if moment.is_ambiguous:
        text += "\n" + _("The clocks show this time twice that day; the first one is meant.")
    return Screen(text=text, rows=screens.manage_rows(campaign))
