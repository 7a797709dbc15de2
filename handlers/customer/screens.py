"""What a customer reads: questions, receipts, overviews. Words only, nothing is done here."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from itertools import cycle

from aiogram.utils.formatting import Bold, Italic, Text
from aiogram.utils.i18n import ngettext

from bot.consent.acts import Choice
from bot.consent.difference import Difference
from bot.consent.purposes import Catalogue, Purpose
from bot.consent.rules import Standing
from bot.usecases.consent_steps import Outcome
from bot.usecases.consent_views import Position, ReceiptLine
from handlers import words
from handlers.customer.data import (
    Answer,
    Dismiss,
    FullText,
    Locale,
    OpenProof,
    Rest,
    Show,
    Switch,
    Undo,
)
from handlers.i18n import _, date_words, escape, time_words
from handlers.screen import Button, Screen
from storage.consents import StoredEvent

MARKS = ("🔵", "🟢", "🟠", "🟣", "🔴", "🟡", "🟤", "⚪", "⚫")
"""Tell apart undo buttons of the same words."""
ASK = 0
RESUME = -1
"""What a button about the pause says instead of a number of days."""
RECEIPT_LINES = 8
"""The latest answers; more would not fit into one message."""
LANGUAGES = {"ru": "🇷🇺 Русский", "en": "🇬🇧 English"}


def welcome(catalogue: Catalogue, locale: str) -> Screen:
    """Say who is asking and why, before anything is asked."""
    controller = catalogue.controller
    text = _(
        "👋 <b>{controller}</b> would like to write to you here, and asks your consent first.\n\n"
        "You decide on each purpose separately. Nothing is chosen for you, and a refusal costs "
        "you nothing. You get a receipt for every answer and can change it at any time.\n\n"
        "Your data and rights: /privacy"
    ).format(controller=escape(controller.name[locale]))
    others = [other for other in catalogue.locales if other != locale]
    rows = [[Button(text=LANGUAGES[o], data=Locale(code=o).pack()) for o in others]]
    return Screen(text=text, rows=rows if others else ())


def question(
    purpose: Purpose,
    locale: str,
    nonce: str,
    *,
    is_full: bool,
    change: Difference | None,
) -> Screen:
    """Ask for one purpose; its title is the first line (contract, "Opting in")."""
    parts: list[Text | str] = [Bold(purpose.title[locale]), "\n\n"]
    if change is not None:
        parts += [_("The text that you agreed to has changed, so we ask you again."), "\n"]
        if change.removed:
            parts += ["\n", Bold(_("Was:")), "\n", Italic(change.removed), "\n"]
        if change.added:
            parts += ["\n", Bold(_("Now:")), "\n", Italic(change.added), "\n"]
        parts.append("\n")
    parts.append(purpose.notice[locale] if is_full else purpose.summary[locale])
    text, entities = Text(*parts).render()
    return Screen(text=text, entities=entities, rows=_question_rows(nonce, is_full=is_full))


def _question_rows(nonce: str, *, is_full: bool) -> list[list[Button]]:
    toggle = _("Short version") if is_full else words.full_text()
    return [
        [
            Button(text=words.agree(), data=Answer(choice=Choice.AGREE, nonce=nonce).pack()),
            Button(text=words.decline(), data=Answer(choice=Choice.DECLINE, nonce=nonce).pack()),
        ],
        [Button(text=toggle, data=FullText(nonce=nonce, is_full=not is_full).pack())],
    ]


def confirmation(purpose: Purpose, locale: str, nonce: str) -> Screen:
    """Ask once more, where the purpose wants a double opt-in."""
    text, entities = Text(
        Bold(purpose.title[locale]),
        "\n\n",
        _("One more step: please confirm that you want this. Until then nothing is sent."),
    ).render()
    confirm = Answer(choice=Choice.CONFIRM, nonce=nonce)
    decline = Answer(choice=Choice.DECLINE, nonce=nonce)
    rows = [
        [
            Button(text=words.confirm(), data=confirm.pack()),
            Button(text=words.decline(), data=decline.pack()),
        ]
    ]
    return Screen(text=text, entities=entities, rows=rows)


def finished(positions: Sequence[Position], catalogue: Catalogue, locale: str) -> Screen:
    """Say that all is asked, and what is possible from here."""
    agreed = [p for p in positions if p.standing is Standing.LIVE]
    if not agreed:
        return Screen(
            text=_(
                "Thank you for your answer. We will not write to you and will not ask again.\n\n"
                "If you change your mind: /subscriptions"
            )
        )
    titles = "\n".join(f"✅ {_title(catalogue, p.purpose_id, locale)}" for p in agreed)
    return Screen(
        text=_(
            "Thank you! You agreed to:\n{titles}\n\n"
            "See or change it: /subscriptions\nLeave everything: /stop"
        ).format(titles=titles)
    )


def receipt(
    lines: Sequence[ReceiptLine], catalogue: Catalogue, locale: str, zone: tzinfo
) -> Screen:
    """Certify answers: what, when, which text, the entry's id. The last one's proof is a press."""
    blocks = [
        _(
            "<b>{title}</b>: {event}\n{time}\nText version {version}, <code>{sha256}…</code>\n"
            "Entry no. {index}: <code>{entry_id}</code>"
        ).format(
            event=event_words(line.event.value),
            title=_title(catalogue, line.purpose_id, locale),
            time=time_words(line.at, zone, locale),
            version=line.notice_version,
            sha256=line.notice_sha256[:12],
            index=line.index,
            entry_id=line.entry_id,
        )
        for line in lines[-RECEIPT_LINES:]
    ]
    rows = [[proof_button(lines[-1].entry_id)]]
    if len(lines) > 1:
        rows.append([Button(text=_("Other proofs"), data=OpenProof(entry_id="").pack())])
    return Screen(text="🧾 " + _("<b>Your receipt</b>") + "\n\n" + "\n\n".join(blocks), rows=rows)


def proof_button(entry_id: str, mark: str = "") -> Button:
    """Offer the proof of one answer; `mark` tells it apart from others on the same message."""
    return Button(text=f"{mark} {words.proof()}".strip(), data=OpenProof(entry_id=entry_id).pack())


def event_words(event: str) -> str:
    """Name what happened to a consent."""
    return {
        "granted": "✅ " + _("agreed"),
        "confirmed": "✅ " + _("confirmed"),
        "refused": "❌ " + _("declined"),
        "withdrawn": "🚫 " + _("withdrawn"),
        "expired": "⌛ " + _("ended, its time was over"),
        "superseded": "📝 " + _("replaced by your answer to a newer text"),
        "imported": "📥 " + _("imported"),
    }[event]


def standing_words(position: Position, zone: tzinfo, locale: str) -> str:
    """Say how a person stands to a purpose, since when, to which text."""
    consent = position.consent
    if consent is None:
        return "◻️ " + _("not answered yet")
    since = date_words(consent.since, zone, locale)
    words_of = {
        Standing.LIVE: "✅ " + _("agreed on {date}, text version {version}"),
        Standing.UNCONFIRMED: "⏳ " + _("agreed on {date}, not confirmed yet"),
        Standing.REFUSED: "❌ " + _("declined on {date}"),
        Standing.WITHDRAWN: "🚫 " + _("withdrawn on {date}"),
        Standing.EXPIRED: "⌛ " + _("ended on {date}"),
        Standing.OLDER_TEXT: "📝 " + _("agreed on {date} to an older text (version {version})"),
        Standing.PREREQUISITE: "⏸ " + _("agreed on {date}, rests until what it needs is agreed to"),
    }
    line = words_of[position.standing].format(date=since, version=consent.notice_version)
    if position.standing is Standing.LIVE and consent.expires_at is not None:
        line += ", " + _("until {date}").format(date=date_words(consent.expires_at, zone, locale))
    return line


def overview(
    positions: Sequence[Position],
    catalogue: Catalogue,
    zone: tzinfo,
    locale: str,
    *,
    paused_until: datetime | None,
) -> Screen:
    """Show every purpose with a switch, and the pause of all messages."""
    blocks = []
    rows = []
    for position in positions:
        title = catalogue.purpose(position.purpose_id).title[locale]
        blocks.append(f"<b>{escape(title)}</b>\n{standing_words(position, zone, locale)}")
        is_on = position.standing in {Standing.LIVE, Standing.PREREQUISITE}
        label = _("Turn off: {title}") if is_on else _("Turn on: {title}")
        data = Switch(purpose_id=position.purpose_id, on=not is_on)
        rows.append([Button(text=label.format(title=title), data=data.pack())])
    if paused_until is not None:
        blocks.append(
            "⏸ "
            + _("All messages are paused until {time}.").format(
                time=time_words(paused_until, zone, locale)
            )
        )
        rows.append([Button(text=words.resume(), data=Rest(days=RESUME).pack())])
    elif any(position.standing is Standing.LIVE for position in positions):
        rows.append([Button(text=words.pause(), data=Rest(days=ASK).pack())])
    return Screen(
        text="<b>" + _("Your subscriptions") + "</b>\n\n" + "\n\n".join(blocks), rows=rows
    )


def ask_pause() -> Screen:
    """Ask for how long messages shall rest; consents stay as they are."""
    names = {1: _("1 day"), 7: _("7 days"), 30: _("30 days")}
    return Screen(
        text=_("For how long shall nothing be sent? What you agreed to stays agreed."),
        rows=[
            [Button(text=name, data=Rest(days=days).pack()) for days, name in names.items()],
            [Button(text="⬅️ " + _("Back"), data=Dismiss().pack())],
        ],
    )


def left_before(purpose_id: str, catalogue: Catalogue, locale: str) -> Screen:
    """Say once more that this subscription has ended; others may go on."""
    text = _("You are unsubscribed from «{title}» already.").format(
        title=_title(catalogue, purpose_id, locale)
    )
    return Screen(text=text, rows=[[Button(text=_("Your subscriptions"), data=Show().pack())]])


def left(ended: Sequence[StoredEvent], catalogue: Catalogue, locale: str, contact: str) -> Screen:
    """Confirm that somebody left; each subscription can be taken back."""
    if not ended:
        return Screen(
            text=_(
                "You are unsubscribed: there is nothing that we may send to you. "
                "Questions: {contact}"
            ).format(contact=escape(contact))
        )
    if len(ended) == 1:
        title = _title(catalogue, ended[0].purpose_id or "", locale)
        text = _(
            "You are unsubscribed from «{title}». We send nothing more about it.\n\n{entry}"
        ).format(title=title, entry=entry_words(ended[0].index, ended[0].entry_id))
        return Screen(text=text, rows=_ended_rows([("", ended[0])]))
    marked = list(zip(cycle(MARKS), ended, strict=False))
    lines = "\n".join(
        f"{mark} {_title(catalogue, event.purpose_id or '', locale)}\n"
        f"{entry_words(event.index, event.entry_id)}"
        for mark, event in marked
    )
    count = ngettext(
        "You are unsubscribed from {count} subscription:",
        "You are unsubscribed from {count} subscriptions:",
        len(ended),
    ).format(count=len(ended))
    return Screen(text=f"{count}\n{lines}", rows=_ended_rows(marked))


def entry_words(index: int, entry_id: str) -> str:
    """Name the entry that proves an answer, as a receipt does."""
    return "🧾 " + _("Entry no. {index}: <code>{entry_id}</code>").format(
        index=index, entry_id=entry_id
    )


def _ended_rows(marked: Sequence[tuple[str, StoredEvent]]) -> list[list[Button]]:
    """Offer to take each withdrawal back, and the proof of it: nobody can deny it later."""
    rows = []
    for mark, event in marked:
        undo = Button(
            text=f"{mark or '↩️'} {words.undo()}", data=Undo(entry_id=event.entry_id).pack()
        )
        taken_back = [undo] if event.is_undoable else []
        rows.append([*taken_back, proof_button(event.entry_id, mark)])
    return rows


def back(outcome: Outcome, catalogue: Catalogue, locale: str) -> Screen:
    text = _("You are subscribed to «{title}» again.\n\n{entry}").format(
        title=_title(catalogue, outcome.purpose_id, locale),
        entry=entry_words(outcome.index, outcome.entry_id),
    )
    return Screen(text=text, rows=[[proof_button(outcome.entry_id)]])


def answered_already(outcome: Outcome, catalogue: Catalogue, zone: tzinfo, locale: str) -> Screen:
    """Say what was answered first; a change is a press away."""
    text = _("On {time} you answered about «{title}»: {answer}. This stands.").format(
        time=time_words(outcome.at, zone, locale),
        title=_title(catalogue, outcome.purpose_id, locale),
        answer=event_words(outcome.event.value),
    )
    change = Button(text=_("Change"), data=Show().pack())
    return Screen(text=text, rows=[[change, proof_button(outcome.entry_id)]])


def title_of(catalogue: Catalogue, purpose_id: str | None, locale: str) -> str:
    """Return the title, or the bare id of a purpose that is no longer offered; not escaped."""
    if purpose_id is None or purpose_id not in catalogue:
        return purpose_id or ""
    return catalogue.purpose(purpose_id).title[locale]


def _title(catalogue: Catalogue, purpose_id: str, locale: str) -> str:
    return escape(title_of(catalogue, purpose_id, locale))
