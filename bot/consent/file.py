"""The form of the purposes file: which keys there are, and what can stand under each."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

SERVED_CHANNELS: Final = ("telegram",)

Text = Annotated[str, Field(min_length=1)]
Localised = dict[str, Text]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ControllerTable(_Strict):
    name: Localised
    address: Localised
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    inn: str | None = None
    registration: str | None = None
    contact: Text


class AdvisoryTable(_Strict):
    id: Text
    accepted_by: Text
    accepted_on: date


class PurposeTable(_Strict):
    id: str
    kind: Literal["processing", "informational", "advertising"]
    title: Localised
    summary: Localised
    notice: Localised | None = None
    notice_file: Localised | None = None
    data: list[Text] = []
    recipients: list[Text] = []
    reask: bool = True
    valid_for: str | None = None
    keep_proof_for: str | None = None
    keep_proof_rule: Localised | None = None
    channels: list[str] = list(SERVED_CHANNELS)
    requires: list[str] = []
    double_opt_in: bool = False


class File(_Strict):
    format: Literal[1]
    locales: Annotated[list[str], Field(min_length=1)]
    controller: ControllerTable
    advisory: list[AdvisoryTable] = []
    purpose: Annotated[list[PurposeTable], Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """What of a file has the right form, so that its meaning can be checked as well."""

    locales: list[str]
    controller: ControllerTable | None
    purposes: list[PurposeTable]
    unreadable: Collection[str] = ()
    """Ids of purposes whose form is faulty."""
