"""An admin looks a person up who complains or asks: the answer is a page and the same as JSON."""

from datetime import datetime

from aiogram import Bot, F, Router
from aiogram.filters import Command, CommandObject, StateFilter
from aiogram.filters.callback_data import CallbackData
from aiogram.fsm.context import FSMContext
from aiogram.fsm.state import State, StatesGroup
from aiogram.types import (
    BufferedInputFile,
    CallbackQuery,
    Message,
    MessageOriginHiddenUser,
    MessageOriginUser,
)

from bot.documents.absence import absence
from bot.documents.dossier_json import as_json
from bot.documents.dossier_page import as_page
from bot.usecases.dossier_facts import (
    ByAccount,
    Dossier,
    Wanted,
    account_named,
    entry_named,
)
from bot.usecases.dossiers import DossierDesk
from handlers import screen, words
from handlers.customer.reception import Reception
from handlers.i18n import Language, _, escape
from handlers.operator.tidying import ASKED
from handlers.roles import FLAG, Permission
from handlers.screen import Button, Screen

router = Router(name="admin.dossier")
forwards = Router(name="admin.dossier.forwards")
"""Asked before what leaves: a forwarded «stop» is the complaint, not the admin's own word."""
DOSSIER = {FLAG: Permission.DOSSIER}


class Looking(StatesGroup):
    """Whether somebody was asked whom they look for."""

    person = State()


class Leave(CallbackData, prefix="dx"):
    """Out of the question."""


@router.message(Command("dossier", ignore_case=True), flags=DOSSIER)
async def dossier(
    message: Message,
    command: CommandObject,
    state: FSMContext,
    dossiers: DossierDesk,
    reception: Reception,
    language: Language,
    locale: str,
    stored_at: datetime,
) -> None:
    """Ask for whom, or answer at once where the command says it."""
    await state.clear()
    if command.args:
        wanted = wanted_in(command.args)
        await _answer(message, wanted, state, dossiers, reception, language, locale, stored_at)
        return
    await _ask(
        message,
        state,
        reception.bot,
        _(
            "Whom is it about? Send one of these:\n"
            "• forward a message of theirs\n"
            "• the number of their Telegram account\n"
            "• the entry from their receipt: its 32 characters, or «no. 17»\n\n"
            "That you looked is recorded in the log."
        ),
    )


@forwards.message(StateFilter(Looking.person), F.forward_origin, flags=DOSSIER)
async def forwarded(
    message: Message,
    state: FSMContext,
    dossiers: DossierDesk,
    reception: Reception,
    language: Language,
    locale: str,
    stored_at: datetime,
) -> None:
    """Take whoever wrote the message that was forwarded, whatever it says."""
    origin = message.forward_origin
    if isinstance(origin, MessageOriginUser):
        wanted = ByAccount(str(origin.sender_user.id))
        await _answer(message, wanted, state, dossiers, reception, language, locale, stored_at)
        return
    if isinstance(origin, MessageOriginHiddenUser):
        text = _(
            "This person hides their account in forwarded messages, so Telegram does not say who "
            "it is. Ask them for the entry from their receipt («Why do I get this?» under a "
            "message names one too), or for the number of their account, which /mydata tells them."
        )
    else:
        text = _("This was written in the name of a group or channel, not by a person.")
    await _ask(message, state, reception.bot, text)


@router.message(StateFilter(Looking.person), ~F.text.startswith("/"), flags=DOSSIER)
async def named(
    message: Message,
    state: FSMContext,
    dossiers: DossierDesk,
    reception: Reception,
    language: Language,
    locale: str,
    stored_at: datetime,
) -> None:
    wanted = wanted_in(message.text or "")
    await _answer(message, wanted, state, dossiers, reception, language, locale, stored_at)


@router.callback_query(Leave.filter(), flags=DOSSIER)
async def leave(query: CallbackQuery, state: FSMContext, bot: Bot) -> None:
    await state.clear()
    await screen.acknowledge(query)
    shown = Screen(text=_("Cancelled. Nobody was looked up."))
    await screen.put(bot, query.from_user.id, screen.pressed_message(query), shown)


def wanted_in(text: str) -> Wanted | None:
    """Read whom somebody means: an entry as a receipt shows it, else an account's number."""
    return entry_named(text) or account_named(text)


async def _ask(message: Message, state: FSMContext, bot: Bot, text: str) -> None:
    """Put a question, or why the answer to it was none, with a way out."""
    rows = [[Button(text=words.cancel(), data=Leave().pack())]]
    asked = await screen.send(bot, message.chat.id, Screen(text=escape(text), rows=rows))
    await state.set_state(Looking.person)
    await state.set_data({ASKED: asked})


async def _answer(
    message: Message,
    wanted: Wanted | None,
    state: FSMContext,
    dossiers: DossierDesk,
    reception: Reception,
    language: Language,
    locale: str,
    stored_at: datetime,
) -> None:
    """Send the files; where there is nobody, say why and go on asking."""
    bot, chat_id = reception.bot, message.chat.id
    if wanted is None:
        text = _(
            "I cannot read this. Send the number of an account, like 123456789, an entry, like "
            "«no. 17» or its 32 characters, or forward a message."
        )
        await _ask(message, state, bot, text)
        return
    found = await dossiers.open(wanted, str(chat_id), stored_at)
    translations = language.locales[locale]
    if not isinstance(found, Dossier):
        await _ask(message, state, bot, absence(found, translations, reception.zone, locale))
        return
    await state.clear()
    preparing = await screen.send(bot, chat_id, Screen(text=_("The dossier is being prepared …")))
    name = f"dossier-{found.who.subject_id[:8]}"
    for suffix, content in (
        ("html", as_page(found, translations, reception.zone, locale)),
        ("json", as_json(found, translations)),
    ):
        await bot.send_chat_action(chat_id, "upload_document")
        await bot.send_document(chat_id, BufferedInputFile(content, f"{name}.{suffix}"))
    done = _(
        "The page is for reading and printing, the JSON for programs; both hold the proofs. They "
        "hold personal data: keep them safe. That you looked is entry no. {index} of the log."
    ).format(index=found.opening[0])
    await screen.put(bot, chat_id, preparing, Screen(text=done))
