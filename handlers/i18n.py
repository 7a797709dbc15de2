"""Whose language is spoken: the catalogues for aiogram, dates and numbers for people."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from gettext import GNUTranslations
from html import escape

from aiogram.utils.i18n import I18n
from aiogram.utils.i18n import gettext as _
from babel.dates import format_date, format_datetime

from locales import FOLDER, translations

__all__ = ["Language", "_", "date_words", "escape", "short_date_words", "time_words"]


class Language(I18n):
    """aiogram's I18n over catalogues that are compiled in memory."""

    def __init__(self, default_locale: str) -> None:
        super().__init__(path=FOLDER, default_locale=default_locale, domain="assent")

    @contextmanager
    def speaking(self, locale: str) -> Iterator[None]:
        """Let `_` speak a locale inside the block."""
        # aiogram keeps the current one by class, and its gettext asks I18n itself.
        token = I18n.set_current(self)
        try:
            with self.use_locale(locale):
                yield
        finally:
            I18n.reset_current(token)

    def find_locales(self) -> dict[str, GNUTranslations]:
        return translations()


def date_words(at: datetime, zone: tzinfo, locale: str) -> str:
    """Write a day with its year: "24 November 2026"."""
    return format_date(at.astimezone(zone).date(), "d MMMM y", locale=locale)


def short_date_words(at: datetime, zone: tzinfo, locale: str) -> str:
    """Write a day so that it fits a button: "24 Nov 2026"."""
    return format_date(at.astimezone(zone).date(), "d MMM y", locale=locale)


def time_words(at: datetime, zone: tzinfo, locale: str) -> str:
    """Write a moment in the operator's zone, which is named: "24 November 2026, 15:34 MSK"."""
    local = at.astimezone(zone)
    words = format_datetime(local, "d MMMM y, HH:mm", locale=locale, tzinfo=zone)
    return f"{words} {local.tzname()}"
