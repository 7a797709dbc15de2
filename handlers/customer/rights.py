"""A customer's rights: who keeps what and why, all of it as a file, its end."""

import json
from datetime import datetime
from typing import Final

from aiogram import Bot, Router
from aiogram.filters import Command
from aiogram.fsm.context import FSMContext
from aiogram.types import BufferedInputFile, CallbackQuery, Message

from bot.campaigns import policy
from bot.usecases.consents import ConsentDesk
from bot.usecases.erasure import Erased
from bot.usecases.people import Person
from bot.usecases.publication import Publication
from bot.usecases.records import RecordDesk
from handlers import screen, words
from handlers.customer import acts, screens
from handlers.customer.data import Dismiss, Erase, OpenProof, TakeProofs
from handlers.customer.reception import Reception
from handlers.customer.terms import in_parts, terms_of_proofs
from handlers.i18n import _, escape, time_words
from handlers.screen import Button, Screen

router = Router(name="customer.rights")
ONE_MESSAGE: Final = 3500
"""Characters: well below the 4096 UTF-16 units of a message (Bot API, sendMessage: text)."""


@router.message(Command("privacy", ignore_case=True))
async def privacy(
    message: Message, state: FSMContext, publication: Publication, locale: str
) -> None:
    """Say who keeps what, why, how long, and what one can do (GDPR art. 13, 152-FZ art. 18)."""
    await state.clear()
    controller = publication.catalogue.controller
    text = _(
        "<b>Who</b>\n{name}, {registration}, {address}\nA person answers: {contact}\n\n"
        "<b>What and why</b>\nYour Telegram account, name and language, and your answers in this "
        "chat, so that we write to you only about what you agreed to, and can prove it.\n\n"
        "<b>Who receives it</b>\nTelegram, because it delivers the messages; its servers may be "
        "in another country. Nobody else, unless the text of a purpose names them.\n\n"
        "<b>How long</b>\nUntil you withdraw; the proof of it as long as the text that you agreed "
        "to says. A refusal is kept, so that we do not ask again.\n\n"
        "<b>Your rights</b>\n/subscriptions: see and change what you agreed to\n"
        "/stop: leave all messages\n/mydata: everything that is kept about you\n"
        "/forget: delete everything\nYou may also complain to the supervisory authority."
    ).format(
        name=escape(controller.name[locale]),
        registration=escape(policy.registration(publication.catalogue, locale)),
        address=escape(controller.address[locale]),
        contact=escape(controller.contact),
    )
    lines = [text, "", *terms_of_proofs(publication.catalogue, locale)]
    for part in in_parts(lines, ONE_MESSAGE):
        await message.answer(part)


@router.message(Command("mydata", ignore_case=True))
async def my_data(
    message: Message,
    person: Person,
    state: FSMContext,
    desk: ConsentDesk,
    records: RecordDesk,
    reception: Reception,
    stored_at: datetime,
) -> None:
    """Everything kept, in words and as a JSON file."""
    await state.clear()
    facts = await records.everything(person)
    positions = await desk.positions(person, stored_at)
    catalogue = reception.publication.catalogue
    choices = "\n".join(
        f"• {escape(catalogue.purpose(p.purpose_id).title[person.locale])}: "
        f"{screens.standing_words(p, reception.zone, person.locale)}"
        for p in positions
    )
    text = _(
        "<b>What we keep about you</b>\n\nAccount: <code>{account}</code>\nName: {name}\n"
        "User name: {username}\nLanguage: {language}\nCame from: {source}\nKnown since: {since}\n\n"
        "<b>Your choices</b>\n{choices}\n\nAnswers recorded: {events}. Messages sent: {messages}.\n"
        "The file has every detail."
    ).format(
        account=escape(person.profile.account),
        name=escape(f"{person.profile.first_name} {person.profile.last_name}".strip()),
        username=escape(person.profile.username or "-"),
        language=escape(person.profile.language or "-"),
        source=escape(person.profile.source or "-"),
        since=time_words(person.created_at, reception.zone, person.locale),
        choices=choices,
        events=len(facts["events"]),
        messages=len(facts["messages"]),
    )
    rows = [[Button(text=words.proof(), data=OpenProof(entry_id="").pack())]]
    content = json.dumps(facts, ensure_ascii=False, indent=2).encode()
    await screen.send(reception.bot, message.chat.id, Screen(text=text, rows=rows))
    await message.answer_document(BufferedInputFile(content, "my-data.json"))


@router.message(Command("forget", ignore_case=True))
async def forget(
    message: Message, person: Person, state: FSMContext, records: RecordDesk, bot: Bot
) -> None:
    """Say what goes and what stays; one press then erases (contract)."""
    await state.clear()
    is_held = await records.is_held(person)
    text = _under_hold() if is_held else _what_goes()
    text += "\n\n" + _(
        "If you choose «Erase, and never write to me again», a code made from your account stays "
        "too, so that nothing ever writes to you unless you ask for it."
    )
    rows = [
        [Button(text=words.delete_everything(), data=Erase(never_again=False).pack())],
        [
            Button(
                text=_("Erase, and never write to me again"),
                data=Erase(never_again=True).pack(),
            )
        ],
        [Button(text=words.proof(), data=TakeProofs().pack())],
        [Button(text=words.cancel(), data=Dismiss().pack())],
    ]
    await screen.send(bot, message.chat.id, Screen(text=text, rows=rows))


def _what_goes() -> str:
    return _(
        "<b>Delete everything?</b>\n\n"
        "<b>Goes at once:</b> your account, name, answers, the messages' records, and whatever "
        "would open your proofs. You receive no more messages. It cannot be undone.\n\n"
        "<b>Stays:</b> entries of the log that nobody can read any more. We can then no longer "
        "show that you agreed or left; if you may want to, take your proof first."
    )


def _under_hold() -> str:
    return _(
        "<b>Delete everything?</b>\n\n"
        "The proofs of your answers are needed for a dispute (a legal hold stands). Until it is "
        "over, we must not delete them.\n\n"
        "<b>Ends at once:</b> whatever you agreed to. You receive no more messages.\n\n"
        "<b>Stays until the hold is released:</b> your account, your name, the proofs of your "
        "answers and which messages you got. Then it is deleted without your asking again. If you "
        "agree to something before that, the deletion is called off."
    )


@router.callback_query(Erase.filter())
async def erase(
    query: CallbackQuery,
    callback_data: Erase,
    person: Person | None,
    records: RecordDesk,
    bot: Bot,
    update_id: int,
    stored_at: datetime,
) -> None:
    """Erase whoever presses; a second press finds nobody and says the same."""
    erased = Erased.GONE
    if person is not None:
        act = acts.of_press(query, update_id)
        erased = await records.erase(
            person, stored_at, never_again=callback_data.never_again, act=act
        )
    await screen.acknowledge(query)
    text = _(
        "Everything about you is deleted. We will not write to you.\n"
        "If you ever want to come back: /start"
    )
    if erased is Erased.HELD:
        text = _(
            "Everything that you agreed to has ended. We will not write to you.\n\n"
            "The proofs of your answers stay until a legal hold is released; then everything about "
            "you is deleted. If you agree to something before that, the deletion is called off.\n"
            "If you ever want to come back: /start"
        )
    await screen.put(bot, query.from_user.id, screen.pressed_message(query), Screen(text=text))
