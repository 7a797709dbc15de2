"""What a country's law asks of a message: data, one module each, with source and date.

A controller's `country` chooses the module. Where the law is disputed the module says so and
refuses until the controller accepts the risk by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bot.campaigns.countries import elsewhere, ru


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One country's demands on advertising."""

    advertisement_word: Mapping[str, str]
    """By locale; `*` for every other. The law may fix the language."""
    registration_word: Mapping[str, str]
    label_locale: str | None = None
    """The language that the label must be in; None: the language of the message's author."""
    needs_inn: bool
    allows_erid: bool
    advisories: Mapping[str, str] = field(default_factory=dict)
    """Known legal risks by id, with what must be accepted, as a phrase of the catalogues."""


_BY_COUNTRY: Final = {
    "RU": Rules(
        advertisement_word=ru.ADVERTISEMENT_WORD,
        registration_word=ru.REGISTRATION_WORD,
        label_locale="ru",
        needs_inn=True,
        allows_erid=True,
        advisories=ru.ADVISORIES,
    )
}
_ELSEWHERE: Final = Rules(
    advertisement_word=elsewhere.ADVERTISEMENT_WORD,
    registration_word=elsewhere.REGISTRATION_WORD,
    needs_inn=False,
    allows_erid=False,
)


def rules_of(country: str) -> Rules:
    return _BY_COUNTRY.get(country, _ELSEWHERE)


def known_advisories() -> set[str]:
    return {name for rules in _BY_COUNTRY.values() for name in rules.advisories}
