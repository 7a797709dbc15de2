"""Help, language, and a kind answer to what nothing expects."""

import re
from datetime import datetime

from aiogram import Bot, F, Router
from aiogram.enums import ChatMemberStatus, ChatType
from aiogram.filters import Command
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, ChatMemberUpdated, Message

from bot.consent.rules import PromptUnknown, Reach
from bot.usecases.people import People, Person
from bot.usecases.publication import Publication
from handlers import screen
from handlers.customer import screens
from handlers.customer.data import Locale
from handlers.customer.reception import Reception
from handlers.customer.returning import welcome_back
from handlers.i18n import _, escape
from handlers.roles import Roles
from handlers.screen import Button, Screen

router = Router(name="customer.basics")
last = Router(name="customer.last")
"""Asked after every other router."""
ANY_COMMAND = re.compile(r"\w+")


@router.message(Command("help", ignore_case=True))
async def help_(message: Message, state: FSMContext, roles: Roles) -> None:
    await state.clear()
    text = _(
        "/subscriptions: what you agreed to, and switches for it\n"
        "/stop: leave all messages; the word «stop» does the same\n"
        "/privacy: who keeps what about you, and your rights\n"
        "/mydata: everything that is kept about you\n"
        "/forget: delete everything\n"
        "/language: speak another language"
    )
    if message.from_user is not None and roles.of(message.from_user.id) is not None:
        text += "\n\n" + _(
            "For staff:\n/broadcast: write to those who agreed\n"
            "/campaigns: what was sent and what became of it\n"
            "/export: the consent log as a file\n/dossier: everything about one person\n"
            "/stats: numbers\n/staff: who may do what\n"
            "/cancel: out of any conversation"
        )
        text += "\n" + _("/hold: proofs that must stay for a dispute")
    await message.answer(text)


@router.message(Command("language", ignore_case=True))
async def choose_language(
    message: Message, state: FSMContext, publication: Publication, bot: Bot
) -> None:
    await state.clear()
    rows = [
        [Button(text=screens.LANGUAGES[code], data=Locale(code=code, is_menu=True).pack())]
        for code in publication.catalogue.locales
    ]
    await screen.send(bot, message.chat.id, Screen(text=_("Choose a language."), rows=rows))


@router.my_chat_member(F.chat.type == ChatType.PRIVATE)
async def reached_or_not(
    event: ChatMemberUpdated,
    person: Person | None,
    people: People,
    reception: Reception,
    stored_at: datetime,
) -> None:
    """Blocking stops what is sent and is no withdrawal; whoever unblocks is told first."""
    if person is None:
        return
    if event.new_chat_member.status == ChatMemberStatus.KICKED:
        await people.set_reach(person.id, Reach.BLOCKED)
    elif person.reach is not Reach.REACHABLE:
        await welcome_back(person, people, reception, stored_at)


@last.message(F.chat.type == ChatType.PRIVATE, ~F.from_user.is_bot, F.text.startswith("/"))
async def unknown_command(message: Message) -> None:
    await message.answer(_("I do not know this command. What I can do: /help"))


@last.message(F.chat.type == ChatType.PRIVATE, ~F.from_user.is_bot)
async def unexpected(message: Message, publication: Publication) -> None:
    """Answer kindly; a person reads what is written to the contact."""
    await message.answer(
        _(
            "I am a program and cannot talk about this. A person answers here: {contact}\n\n"
            "What I can do: /help"
        ).format(contact=escape(publication.catalogue.controller.contact))
    )


@last.message(
    F.chat.type.in_({ChatType.GROUP, ChatType.SUPERGROUP}),
    ~F.from_user.is_bot | F.sender_chat,
    Command(ANY_COMMAND),
)
async def in_a_group(message: Message) -> None:
    """Consent is given in private only; a group gets one sentence, and only when it asks us.

    A bot is not answered, or two of them could talk for ever; an anonymous admin, whom Telegram
    shows as a bot with a `sender_chat`, is.
    """
    await message.reply(_("I answer in a private chat only, so that your choices stay yours."))


@last.callback_query()
async def unknown_press(query: CallbackQuery) -> None:
    """Every press is answered, a forged one too."""
    await screen.acknowledge(query, _(PromptUnknown.message_key), alert=True)
