"""A customer looks at what they agreed to and switches it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from aiogram import Router
from aiogram.filters import Command
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, Message

from bot.consent.rules import PromptUnknown, PurposeId, Standing
from bot.usecases.consents import ConsentDesk
from bot.usecases.people import People, Person
from handlers import screen
from handlers.customer import acts, screens
from handlers.customer.data import Dismiss, Rest, Show, Switch, Withdraw
from handlers.customer.reception import Reception
from handlers.i18n import _, escape
from handlers.screen import Button, Screen

router = Router(name="customer.subscriptions")
LONGEST_PAUSE_DAYS: Final = 30


@router.message(Command("subscriptions", ignore_case=True))
async def subscriptions(
    message: Message,
    person: Person,
    state: FSMContext,
    reception: Reception,
    stored_at: datetime,
) -> None:
    del message
    await state.clear()
    await reception.show_overview(person, stored_at)


@router.callback_query(Show.filter())
async def show(
    query: CallbackQuery, person: Person | None, reception: Reception, stored_at: datetime
) -> None:
    if person is None:
        raise PromptUnknown
    await screen.acknowledge(query)
    await reception.show_overview(person, stored_at)


@router.callback_query(Dismiss.filter())
async def dismiss(
    query: CallbackQuery, person: Person | None, reception: Reception, stored_at: datetime
) -> None:
    """Out of a question that changes nothing."""
    if person is None:
        raise PromptUnknown
    await screen.acknowledge(query, _("Nothing was changed."))
    await reception.show_overview(person, stored_at, screen.pressed_message(query))


@router.callback_query(Rest.filter())
async def rest(
    query: CallbackQuery,
    callback_data: Rest,
    person: Person | None,
    people: People,
    reception: Reception,
    stored_at: datetime,
) -> None:
    """Let all messages rest for a while, or go on; nothing that was agreed to changes."""
    if person is None or callback_data.days > LONGEST_PAUSE_DAYS:
        raise PromptUnknown
    await screen.acknowledge(query)
    if callback_data.days == screens.ASK:
        chat_id, message_id = int(person.profile.account), screen.pressed_message(query)
        await screen.put(reception.bot, chat_id, message_id, screens.ask_pause())
        return
    days = callback_data.days
    until = stored_at + timedelta(days=days) if days > 0 else None
    await people.pause(person.id, until)
    person = replace(person, paused_until=until)
    await reception.show_overview(person, stored_at, screen.pressed_message(query))


@router.callback_query(Switch.filter())
async def switch(
    query: CallbackQuery,
    callback_data: Switch,
    person: Person | None,
    desk: ConsentDesk,
    reception: Reception,
    stored_at: datetime,
    update_id: int,
) -> None:
    """Turn a subscription on (by asking) or off (saying first what ends with it)."""
    purpose_id = PurposeId(callback_data.purpose_id)
    if person is None or purpose_id not in reception.publication.catalogue:
        raise PromptUnknown
    await screen.acknowledge(query)
    if callback_data.on:
        await _turn_on(query, person, purpose_id, desk, reception, stored_at)
        return
    dependents = await desk.dependents(person, purpose_id)
    if dependents:
        await _warn(query, person, purpose_id, dependents, reception)
        return
    act = acts.of_press(query, update_id)
    ended = await desk.withdraw(person, purpose_id, act, stored_at)
    await reception.show_overview(person, stored_at, screen.pressed_message(query))
    catalogue = reception.publication.catalogue
    shown = screens.left(ended, catalogue, person.locale, catalogue.controller.contact)
    await screen.send(reception.bot, int(person.profile.account), shown)


async def _turn_on(
    query: CallbackQuery,
    person: Person,
    purpose_id: PurposeId,
    desk: ConsentDesk,
    reception: Reception,
    at: datetime,
) -> None:
    """Ask: only an answer to the question is a consent. What is required is asked first."""
    positions = {p.purpose_id: p.standing for p in await desk.positions(person, at)}
    catalogue = reception.publication.catalogue
    needed = [
        PurposeId(required)
        for required in catalogue.prerequisites(purpose_id)
        if positions[PurposeId(required)] is not Standing.LIVE
    ]
    asked = replace(
        person, question_message_id=screen.pressed_message(query), receipt_message_id=None
    )
    await reception.ask(asked, needed[0] if needed else purpose_id, at)


async def _warn(
    query: CallbackQuery,
    person: Person,
    purpose_id: PurposeId,
    dependents: list[PurposeId],
    reception: Reception,
) -> None:
    catalogue = reception.publication.catalogue
    titles = "\n".join(
        f"• {escape(catalogue.purpose(other).title[person.locale])}" for other in dependents
    )
    text = _("If you withdraw «{title}», this ends as well:\n{titles}").format(
        title=escape(catalogue.purpose(purpose_id).title[person.locale]), titles=titles
    )
    rows = [
        [Button(text=_("Yes, withdraw"), data=Withdraw(purpose_id=purpose_id).pack())],
        [Button(text=_("Keep everything"), data=Dismiss().pack())],
    ]
    chat_id = int(person.profile.account)
    message_id = screen.pressed_message(query)
    await screen.put(reception.bot, chat_id, message_id, Screen(text=text, rows=rows))
