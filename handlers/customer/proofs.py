"""A customer takes the proof of an answer away: one as three files, all of them as one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from aiogram import Router
from aiogram.types import CallbackQuery
from aiogram.utils.i18n import ngettext

from bot.consent.rules import PromptUnknown
from bot.usecases.people import Person
from bot.usecases.proof_files import VERIFIER_PAGE, AllProofs, packed
from bot.usecases.records import RecordDesk
from handlers import screen
from handlers.customer import screens
from handlers.customer.data import ListProofs, OpenProof, TakeProofs
from handlers.customer.reception import Reception
from handlers.i18n import _, escape, short_date_words, time_words
from handlers.screen import Button, Screen
from storage.consents import StoredEvent

router = Router(name="customer.proofs")
PAGE_LENGTH: Final = 8
ANSWERS_IN_ZIP: Final = 400
"""An answer's proof and receipt take 110 kB at most, and a bot may send 50 MB (Bot API, "Sending
files")."""


@router.callback_query(OpenProof.filter())
async def proof(
    query: CallbackQuery,
    callback_data: OpenProof,
    person: Person | None,
    records: RecordDesk,
    reception: Reception,
    stored_at: datetime,
) -> None:
    """Hand out the proof of one answer; without its id, let the person choose."""
    if person is None:
        raise PromptUnknown
    events = await records.events(person)
    wanted = [e for e in events if callback_data.entry_id in {"", e.entry_id}]
    if callback_data.entry_id and not wanted:
        raise PromptUnknown
    if len(wanted) > 1:
        await screen.acknowledge(query)
        shown = _choice(wanted, 0, reception, person.locale)
        await screen.send(reception.bot, int(person.profile.account), shown)
        return
    await screen.acknowledge(query, _("Your proof is being prepared."))
    await _hand_out(wanted, person, records, reception, stored_at)


@router.callback_query(ListProofs.filter())
async def list_proofs(
    query: CallbackQuery,
    callback_data: ListProofs,
    person: Person | None,
    records: RecordDesk,
    reception: Reception,
) -> None:
    """Turn the pages of the answers, in the message that lists them."""
    if person is None:
        raise PromptUnknown
    events = await records.events(person)
    await screen.acknowledge(query)
    shown = _choice(events, callback_data.page, reception, person.locale)
    await screen.put(
        reception.bot, int(person.profile.account), screen.pressed_message(query), shown
    )


@router.callback_query(TakeProofs.filter())
async def take_proofs(
    query: CallbackQuery,
    person: Person | None,
    records: RecordDesk,
    reception: Reception,
    stored_at: datetime,
) -> None:
    """Hand out the proofs of all answers, for keeping; also before everything is erased."""
    if person is None:
        raise PromptUnknown
    await screen.acknowledge(query, _("Your proof is being prepared."))
    events = await records.events(person)
    if len(events) > 1:
        found = await records.all_proofs(person, stored_at)
        await _send_zips(int(person.profile.account), found, reception)
        return
    await _hand_out(events, person, records, reception, stored_at)


# --- choosing ---------------------------------------------------------------------------------


def _choice(events: Sequence[StoredEvent], page: int, reception: Reception, locale: str) -> Screen:
    """List one page of the answers, the newest first. A page that is not there is the last."""
    newest_first = events[::-1]
    last = max(0, len(events) - 1) // PAGE_LENGTH
    page = min(max(page, 0), last)
    start = page * PAGE_LENGTH
    rows = [
        [Button(text=_label(event, reception, locale), data=_opening(event))]
        for event in newest_first[start : start + PAGE_LENGTH]
    ]
    turns = []
    if page > 0:
        turns.append(Button(text="⬅️ " + _("Newer"), data=ListProofs(page=page - 1).pack()))
    if page < last:
        turns.append(Button(text=_("Older") + " ➡️", data=ListProofs(page=page + 1).pack()))
    rows += [turns] if turns else []
    rows.append([Button(text="🗂 " + _("All of them"), data=TakeProofs().pack())])
    count = ngettext(
        "<b>Your proofs: {count} answer</b>", "<b>Your proofs: {count} answers</b>", len(events)
    ).format(count=len(events))
    asked = _("Choose an answer, or take all of them in one file. The newest stand first.")
    return Screen(text=f"{count}\n\n{asked}", rows=rows)


def _label(event: StoredEvent, reception: Reception, locale: str) -> str:
    """Name an answer on its button: what comes last is cut where a phone is narrow."""
    title = screens.title_of(reception.publication.catalogue, event.purpose_id, locale)
    date = short_date_words(event.at, reception.zone, locale)
    return f"{screens.event_words(event.event.value)} · {date} · {title}"


def _opening(event: StoredEvent) -> str:
    return OpenProof(entry_id=event.entry_id).pack()


# --- handing out ------------------------------------------------------------------------------


async def _hand_out(
    events: Sequence[StoredEvent],
    person: Person,
    records: RecordDesk,
    reception: Reception,
    at: datetime,
) -> None:
    """Send the files of the one answer there is: the page first, because people open that."""
    chat_id = int(person.profile.account)
    if not events:
        await reception.bot.send_message(chat_id, _("There is nothing to prove yet."))
        return
    files = await records.proof_files(person, events[0].entry_id, at)
    if files is None:
        raise PromptUnknown
    album = [
        (files.page_name, files.page),
        (files.receipt_name, files.receipt),
        (files.proof_name, files.proof),
    ]
    title = screens.title_of(reception.publication.catalogue, events[0].purpose_id, person.locale)
    caption = _(
        "<b>{title}</b>: {event}\n{time}. Entry no. {index}.\n\n"
        "Open {page}: it shows the answer and checks it. "
        "With Assent: <code>python -m bot verify {file}</code>\n\n"
        "It does not prove who held the phone, nor that our clock was right. Keep the files."
    ).format(
        title=escape(title),
        event=screens.event_words(events[0].event.value),
        time=time_words(events[0].at, reception.zone, person.locale),
        index=events[0].index,
        page=files.page_name,
        file=files.proof_name,
    )
    await screen.send_album(reception.bot, chat_id, album, caption)


async def _send_zips(chat_id: int, found: AllProofs, reception: Reception) -> None:
    """Send everything as one file, or as few as Telegram's limit makes of it."""
    parts = [
        found.files[start : start + ANSWERS_IN_ZIP]
        for start in range(0, len(found.files), ANSWERS_IN_ZIP)
    ]
    for number, part in enumerate(parts, 1):
        name = "proofs.zip" if len(parts) == 1 else f"proofs-{number}.zip"
        caption = _zip_words(len(part), found.later if number == len(parts) else 0)
        await screen.send_file(reception.bot, chat_id, name, packed(part), caption)


def _zip_words(count: int, later: int) -> str:
    head = ngettext(
        "<b>Proof of {count} answer</b>", "<b>Proofs of {count} answers</b>", count
    ).format(count=count)
    body = _(
        "Unpack the file, open {page} in it and drop a proof on it: it shows the answer and "
        "checks it. With Assent: <code>python -m bot verify FILE</code>\n\n"
        "They do not prove who held the phone, nor that our clock was right. Keep the file."
    ).format(page=VERIFIER_PAGE)
    blocks = [head, body]
    if later:
        blocks.append(
            ngettext(
                "{count} answer is not in it: we cannot sign its proof right now. It is kept; "
                "ask again later.",
                "{count} answers are not in it: we cannot sign their proofs right now. They are "
                "kept; ask again later.",
                later,
            ).format(count=later)
        )
    return "\n\n".join(blocks)
