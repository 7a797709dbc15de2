"""A customer starts, reads, answers."""

from dataclasses import replace
from datetime import datetime

from aiogram import Bot, Router
from aiogram.filters import CommandStart
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, Message

from bot.consent.rules import (
    PrerequisiteMissing,
    PromptOver,
    PromptUnknown,
    PurposeId,
    Standing,
)
from bot.usecases.consent_steps import Outcome
from bot.usecases.consents import ConsentDesk
from bot.usecases.people import People, Person
from bot.usecases.publication import Publication
from handlers import screen
from handlers.customer import acts, screens
from handlers.customer.data import Answer, FullText, Locale
from handlers.customer.reception import Reception
from handlers.i18n import Language, _
from handlers.screen import Screen

router = Router(name="customer.answering")


@router.message(CommandStart(ignore_case=True))
async def start(
    message: Message,
    person: Person,
    state: FSMContext,
    reception: Reception,
    stored_at: datetime,
) -> None:
    """Begin. A press on Start is not consent: it only brings the first question."""
    del message
    await state.clear()
    await reception.begin(person, stored_at)


@router.callback_query(Answer.filter())
async def answer(
    query: CallbackQuery,
    callback_data: Answer,
    person: Person | None,
    desk: ConsentDesk,
    reception: Reception,
    stored_at: datetime,
    update_id: int,
) -> None:
    """Take an answer, certify it, ask what is next."""
    if person is None:
        raise PromptUnknown
    act = acts.of_press(query, update_id)
    try:
        outcome = await desk.answer(
            person, callback_data.nonce, callback_data.choice, act, stored_at
        )
    except (PromptOver, PrerequisiteMissing) as error:
        await _present_again(query, person, callback_data, desk, reception, stored_at, error)
        return
    if outcome.contradicts:
        await _keep_first(query, person, outcome, reception)
        return
    await screen.acknowledge(query, _thanks(outcome))
    person = await reception.certify(person)
    await reception.go_on(person, stored_at, screen.pressed_message(query))


def _thanks(outcome: Outcome) -> str:
    if outcome.waits_for_confirmation:
        return _("One more step: please confirm.")
    return _("Recorded: {answer}").format(answer=screens.event_words(outcome.event.value))


async def _keep_first(
    query: CallbackQuery, person: Person, outcome: Outcome, reception: Reception
) -> None:
    """The prompt was answered otherwise before: that stands, and can be changed by a press."""
    await screen.acknowledge(query)
    catalogue = reception.publication.catalogue
    shown = screens.answered_already(outcome, catalogue, reception.zone, person.locale)
    await screen.send(reception.bot, int(person.profile.account), shown)


async def _present_again(
    query: CallbackQuery,
    person: Person,
    data: Answer | FullText,
    desk: ConsentDesk,
    reception: Reception,
    at: datetime,
    error: PromptOver | PrerequisiteMissing,
) -> None:
    """A question that is over recorded nothing: show the one of now in its place."""
    await screen.acknowledge(query, _(error.message_key), alert=True)
    purpose_id = await desk.prompted_purpose(person, data.nonce)
    positions = {p.purpose_id: p for p in await desk.positions(person, at)}
    position = positions.get(purpose_id) if purpose_id is not None else None
    is_open = position is not None and position.standing is not Standing.LIVE
    if isinstance(error, PrerequisiteMissing) or not is_open or purpose_id is None:
        await reception.show_overview(person, at, screen.pressed_message(query))
        return
    await _ask_in_place(query, person, purpose_id, reception, at)


async def _ask_in_place(
    query: CallbackQuery,
    person: Person,
    purpose_id: PurposeId,
    reception: Reception,
    at: datetime,
    *,
    is_full: bool = False,
) -> None:
    placed = replace(person, question_message_id=screen.pressed_message(query))
    await reception.ask(placed, purpose_id, at, is_full=is_full)


@router.callback_query(FullText.filter())
async def full_text(
    query: CallbackQuery,
    callback_data: FullText,
    person: Person | None,
    desk: ConsentDesk,
    reception: Reception,
    stored_at: datetime,
) -> None:
    """Show the other length of the text, in the same message."""
    if person is None:
        raise PromptUnknown
    purpose_id = await desk.prompted_purpose(person, callback_data.nonce)
    if purpose_id is None or purpose_id not in reception.publication.catalogue:
        raise PromptUnknown
    await screen.acknowledge(query)
    await _ask_in_place(
        query, person, purpose_id, reception, stored_at, is_full=callback_data.is_full
    )


@router.callback_query(Locale.filter())
async def change_language(
    query: CallbackQuery,
    callback_data: Locale,
    person: Person | None,
    people: People,
    publication: Publication,
    reception: Reception,
    bot: Bot,
    stored_at: datetime,
    language: Language,
) -> None:
    """Speak another language from now on; what is being asked is asked in it."""
    if person is None or callback_data.code not in publication.catalogue.locales:
        raise PromptUnknown
    await people.set_locale(person.id, callback_data.code)
    person = replace(person, locale=callback_data.code)
    with language.use_locale(person.locale):
        await screen.acknowledge(query, _("From now on in English."))
        chat_id = int(person.profile.account)
        shown = (
            Screen(text=_("From now on in English."))
            if callback_data.is_menu
            else screens.welcome(publication.catalogue, person.locale)
        )
        if (message_id := screen.pressed_message(query)) is not None:
            await screen.edit(bot, chat_id, message_id, shown)
        if person.question_message_id is not None:
            await reception.go_on(person, stored_at, person.question_message_id)
