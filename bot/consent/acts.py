"""How a person answered: what Telegram told of it, kept in the payload of the event."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Method(StrEnum):
    """The way in which an answer was given."""

    CALLBACK = "callback"
    """A press of an inline button."""
    TEXT = "text"
    """A plain word, such as "stop"."""
    COMMAND = "command"
    UNDO = "undo"
    PREREQUISITE = "prerequisite"
    """Ended because what it requires ended."""
    CLOCK = "clock"
    """Nobody acted: the time of the consent was over."""


class Choice(StrEnum):
    """What a prompt can be answered with."""

    AGREE = "agree"
    DECLINE = "decline"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act of a person.

    Telegram gives a press no time of its own (Bot API, CallbackQuery): `message_date`, when the
    message with the button was sent, bounds it from before.
    """

    method: Method
    update_id: int | None = None
    callback_id: str | None = None
    message_id: int | None = None
    message_date: datetime | None = None
    delivery_id: str | None = None
    """The message of a campaign under which the person acted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What was before the person's eyes: exact text, entities, labels of the buttons."""

    text: str
    entities: tuple[dict[str, str | int], ...]
    buttons: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        return {"text": self.text, "entities": list(self.entities), "buttons": list(self.buttons)}
