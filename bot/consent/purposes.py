"""What people may agree to, and on whose behalf they are asked: the purposes file, read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

import isodate

TITLE_LIMIT = 60
"""Characters: the title also stands on buttons."""


class Kind(StrEnum):
    """What follows from a consent."""

    PROCESSING = "processing"
    """Keeping and using the person's data; nothing is ever sent under it."""
    INFORMATIONAL = "informational"
    ADVERTISING = "advertising"


@dataclass(frozen=True, slots=True)
class Period:
    """A span of the calendar (ISO 8601 duration): a year is a year, leap or not."""

    text: str

    def end(self, start: datetime) -> datetime:
        """Return the first moment that no longer belongs to the span."""
        moment: datetime = start + isodate.parse_duration(self.text)
        return moment

    def calendar(self) -> tuple[int, int, int]:
        """Return years, months and days; a week is seven days, less than a day is left out."""
        parsed = isodate.parse_duration(self.text, as_timedelta_if_possible=False)
        return int(parsed.years), int(parsed.months), parsed.tdelta.days

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """The legal person on whose behalf consent is asked. Texts by locale."""

    name: Mapping[str, str]
    address: Mapping[str, str]
    country: str
    """ISO 3166-1 alpha-2: whose rules of content and label apply."""
    contact: str
    inn: str | None = None
    registration: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """A known legal risk that the controller has decided to take."""

    id: str
    accepted_by: str
    accepted_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """One thing a person may agree to. Texts by locale."""

    id: str
    kind: Kind
    title: Mapping[str, str]
    summary: Mapping[str, str]
    """What is shown before the choice."""
    notice: Mapping[str, str]
    """The full text."""
    data: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    reask: bool = True
    """Whether a change of the text asks everybody again."""
    valid_for: Period | None = None
    keep_proof_for: Period | None = None
    """How long the proof is kept after the end of the consent; None: until they ask."""
    keep_proof_rule: Mapping[str, str] | None = None
    """By which rule of law, by locale. No part of the notice: it explains, it is not agreed to."""
    channels: tuple[str, ...] = ("telegram",)
    requires: tuple[str, ...] = ()
    double_opt_in: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """The whole file: purposes in the order of asking."""

    locales: tuple[str, ...]
    controller: Controller
    advisories: tuple[Advisory, ...]
    purposes: tuple[Purpose, ...]

    def purpose(self, purpose_id: str) -> Purpose:
        """Raise KeyError for an id that the file does not have."""
        for purpose in self.purposes:
            if purpose.id == purpose_id:
                return purpose
        raise KeyError(purpose_id)

    def __contains__(self, purpose_id: str) -> bool:
        return any(purpose.id == purpose_id for purpose in self.purposes)

    def prerequisites(self, purpose_id: str) -> tuple[str, ...]:
        """All that must be agreed to first, transitively, in the order of the file."""
        needed: set[str] = set()
        open_ids = [purpose_id]
        while open_ids:
            for required in self.purpose(open_ids.pop()).requires:
                if required not in needed:
                    needed.add(required)
                    open_ids.append(required)
        return tuple(purpose.id for purpose in self.purposes if purpose.id in needed)

    def dependents(self, purpose_id: str) -> tuple[str, ...]:
        """All that ends when this purpose ends, in the order of the file."""
        return tuple(
            purpose.id for purpose in self.purposes if purpose_id in self.prerequisites(purpose.id)
        )
