"""Words that others rely on (CONTRACT.md, "Chat"): buttons, and what means /stop."""

import re
import unicodedata
from typing import Final

from handlers.i18n import _

STOP_WORDS: Final = frozenset({"stop", "unsubscribe", "стоп", "отписаться", "отписка", "отпишите"})
LETTERS: Final = re.compile(r"\w+")


def means_stop(text: str | None) -> bool:
    """Whether a message is one of the plain words alone: any case, punctuation around it.

    Zero-width and direction marks that a keyboard or a copy may bring do not hide the word.
    """
    if not text:
        return False
    plain = "".join(
        character
        for character in unicodedata.normalize("NFKC", text)
        if unicodedata.category(character) != "Cf"
    )
    found = LETTERS.findall(plain.casefold())
    return len(found) == 1 and found[0] in STOP_WORDS


def agree() -> str:
    return "✅ " + _("Agree")


def decline() -> str:
    return "❌ " + _("Decline")


def full_text() -> str:
    return "📄 " + _("Full text")


def confirm() -> str:
    return "✅ " + _("Confirm")


def unsubscribe() -> str:
    return _("Unsubscribe")


def undo() -> str:
    return _("Undo")


def why() -> str:
    return _("Why do I get this?")


def proof() -> str:
    return "📎 " + _("Proof")


def delete_everything() -> str:
    return "🗑 " + _("Delete everything")


def send_now() -> str:
    return "📣 " + _("Send now")


def schedule() -> str:
    return "🕒 " + _("Schedule")


def test_to_me() -> str:
    return "🧪 " + _("Test to me")


def yes_send() -> str:
    return "✅ " + _("Yes, send")


def pause() -> str:
    return "⏸ " + _("Pause")


def resume() -> str:
    return "▶️ " + _("Resume")


def cancel() -> str:
    """Out of a conversation."""
    return _("Cancel")


def cancel_campaign() -> str:
    """The end of a campaign: the same word in English, another one in Russian."""
    return _("Cancel campaign")
