"""What operators' buttons carry. Every press checks the role again (flag `permission`)."""

from enum import StrEnum
from typing import Annotated

from aiogram.filters.callback_data import CallbackData
from aiogram.fsm.state import State, StatesGroup
from pydantic import Field

Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
"""What a forger writes instead may not reach a calendar or a database."""


class Writing(StatesGroup):
    """Where an operator stands in writing a campaign."""

    content = State()
    links = State()
    erid = State()
    time = State()
    deciding = State()


class Choose(CallbackData, prefix="op"):
    """The purpose of a new campaign."""

    purpose_id: str


class Step(StrEnum):
    """What can be done with a draft."""

    SEND = "send"
    CONFIRM = "yes"
    SCHEDULE = "when"
    TEST = "test"
    LINKS = "link"
    ERID = "erid"
    BACK = "back"
    CANCEL = "drop"


class Draft(CallbackData, prefix="d"):
    """A button under the preview of one revision of a message."""

    step: Step
    campaign_id: str
    revision: int


class At(CallbackData, prefix="at"):
    """A start that is offered: hours ahead, or tomorrow at an hour."""

    campaign_id: str
    hours: Annotated[int, Field(ge=0, le=24)]
    hour: Annotated[int, Field(ge=0, le=23)]
    revision: int


class Change(StrEnum):
    """What can be done with a confirmed campaign."""

    OPEN = "open"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


class Manage(CallbackData, prefix="m"):
    """A button about a confirmed campaign."""

    change: Change
    campaign_id: str


class Page(CallbackData, prefix="pg"):
    """An older page of /campaigns."""

    before: Count


class Leave(CallbackData, prefix="cv"):
    """Out of the conversation."""
