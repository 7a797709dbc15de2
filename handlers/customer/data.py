"""What customers' buttons carry: at most 64 bytes (Bot API, InlineKeyboardButton).

A press proves who pressed, nothing else: consent is bound to a nonce that only the server knows
the meaning of; everything else is looked up for the person who pressed.
"""

from aiogram.filters.callback_data import CallbackData

from bot.consent.acts import Choice
from bot.delivery.body import LEAVE_PREFIX, WHY_PREFIX


class Answer(CallbackData, prefix="a"):
    """An answer to a prompt."""

    choice: Choice
    nonce: str


class FullText(CallbackData, prefix="t"):
    """The other length of a question's text."""

    nonce: str
    is_full: bool


class Locale(CallbackData, prefix="l"):
    """Another language."""

    code: str
    is_menu: bool = False
    """Pressed under /language, not under the welcome."""


class Switch(CallbackData, prefix="s"):
    """A subscription switched on or off."""

    on: bool
    purpose_id: str


class Withdraw(CallbackData, prefix="w"):
    """A withdrawal that was warned about what ends with it."""

    purpose_id: str


class Show(CallbackData, prefix="subs"):
    """The overview."""


class Rest(CallbackData, prefix="rest"):
    """All messages paused for some days; 0: asks for how many, -1: they go on."""

    days: int


class Undo(CallbackData, prefix="u"):
    """A withdrawal taken back, by its entry."""

    entry_id: str


class OpenProof(CallbackData, prefix="p"):
    """The proof of an answer; an empty id: of one that is still to be chosen."""

    entry_id: str


class ListProofs(CallbackData, prefix="pl"):
    """One page of the answers whose proof can be taken, from 0 on."""

    page: int


class TakeProofs(CallbackData, prefix="pa"):
    """The proofs of all answers in one file."""


class Erase(CallbackData, prefix="erase"):
    """The end of everything that is kept."""

    never_again: bool


class Dismiss(CallbackData, prefix="x"):
    """Out of a question that changes nothing."""


class Leave(CallbackData, prefix=LEAVE_PREFIX):
    """The button under every message: never expires."""

    delivery_id: str


class Why(CallbackData, prefix=WHY_PREFIX):
    """The other button under every message."""

    delivery_id: str
