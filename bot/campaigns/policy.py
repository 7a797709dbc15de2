"""May this message be sent under this purpose, and what does the law add to it?"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bot.campaigns.countries import rules_of
from bot.consent.purposes import Catalogue, Kind, Purpose
from bot.errors import AssentError, phrase

ERID: Final = re.compile(r"[A-Za-z0-9]{8,64}")
"""The identifier that an operator of advertising data issues (38-FZ art. 18.1)."""


class RefusalKind(StrEnum):
    """Why a campaign may not be confirmed."""

    NOTHING_UNDER_PROCESSING = "nothing_under_processing"
    ADVISORY = "advisory"
    ADVERTISER_UNKNOWN = "advertiser_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One reason, with the advisory's id where it is one."""

    kind: RefusalKind
    advisory_id: str | None = None


class CampaignRefused(AssentError):
    """The law or the purposes file stands against it. `refusals` says what."""

    message_key = phrase("This campaign cannot be sent.")

    def __init__(self, refusals: list[Refusal]) -> None:
        super().__init__(", ".join(refusal.kind for refusal in refusals))
        self.refusals = refusals


class EridMalformed(AssentError):
    """Not an advertising token."""

    message_key = phrase(
        "This does not look like an erid: it is 8 to 64 Latin letters and digits. "
        "Send it once more, or press Cancel."
    )


def refusals(catalogue: Catalogue, purpose: Purpose) -> list[Refusal]:
    """Name everything that stands against sending under a purpose now."""
    if purpose.kind is Kind.PROCESSING:
        return [Refusal(kind=RefusalKind.NOTHING_UNDER_PROCESSING)]
    if purpose.kind is Kind.INFORMATIONAL:
        return []
    rules = rules_of(catalogue.controller.country)
    found = [
        Refusal(kind=RefusalKind.ADVISORY, advisory_id=name) for name in open_advisories(catalogue)
    ]
    if rules.needs_inn and not catalogue.controller.inn:
        found.append(Refusal(kind=RefusalKind.ADVERTISER_UNKNOWN))
    return found


def open_advisories(catalogue: Catalogue) -> list[str]:
    """Legal risks of the controller's country that nobody has accepted by name."""
    accepted = {advisory.id for advisory in catalogue.advisories}
    rules = rules_of(catalogue.controller.country)
    return [name for name in rules.advisories if name not in accepted]


def label(catalogue: Catalogue, purpose: Purpose, locale: str, erid: str | None) -> str | None:
    """Return what the law wants written under a message; None: nothing."""
    if purpose.kind is not Kind.ADVERTISING:
        return None
    controller = catalogue.controller
    rules = rules_of(controller.country)
    language = rules.label_locale or locale
    # A locale that is served no longer must not leave a campaign without its label.
    names = controller.name
    name = names.get(language) or names.get(locale) or next(iter(names.values()))
    parts = [
        f"{_word(rules.advertisement_word, locale)}. {name}",
        registration(catalogue, locale),
    ]
    text = ", ".join(part for part in parts if part)
    return f"{text}. erid: {erid}" if erid else text


def check_erid(text: str) -> str:
    """Return the token as it will be printed. Raises EridMalformed."""
    token = re.sub(r"^erid\s*[:=]\s*", "", text.strip(), flags=re.IGNORECASE)
    if not ERID.fullmatch(token):
        raise EridMalformed
    return token


def registration(catalogue: Catalogue, locale: str) -> str:
    """Name the number under which the controller is known; empty: it has none."""
    controller = catalogue.controller
    number = controller.inn or controller.registration
    word = _word(rules_of(controller.country).registration_word, locale)
    return f"{word} {number}" if number else ""


def _word(words: Mapping[str, str], locale: str) -> str:
    return words.get(locale, words["*"])
