"""How long proofs are kept, in words."""

from collections.abc import Iterator, Sequence

from aiogram.utils.i18n import ngettext

from bot.consent.purposes import Catalogue, Period, Purpose
from handlers.i18n import _, escape


def terms_of_proofs(catalogue: Catalogue, locale: str) -> list[str]:
    """A heading, and one line for each purpose: how long after its end, and by which rule."""
    lines = [_line(purpose, locale) for purpose in catalogue.purposes]
    return [_("<b>How long we keep the proof, once a consent has ended</b>"), *lines]


def in_parts(lines: Sequence[str], limit: int) -> Iterator[str]:
    """Put lines together into messages of at most `limit` characters."""
    part = ""
    for line in lines:
        if part and len(part) + len(line) >= limit:
            yield part
            part = ""
        part = f"{part}\n{line}" if part else line
    yield part


def _line(purpose: Purpose, locale: str) -> str:
    title = escape(purpose.title[locale])
    if purpose.keep_proof_for is None:
        return _("• {title}: until you ask to delete it").format(title=title)
    period = period_words(purpose.keep_proof_for)
    if purpose.keep_proof_rule is None:
        return _("• {title}: {period}").format(title=title, period=period)
    return _("• {title}: {period} ({rule})").format(
        title=title, period=period, rule=escape(purpose.keep_proof_rule[locale])
    )


def period_words(period: Period) -> str:
    """Say a span of the calendar: "3 years", "1 year, 6 months". Less than a day stays as it is."""
    years, months, days = period.calendar()
    words = []
    if years:
        words.append(ngettext("{count} year", "{count} years", years).format(count=years))
    if months:
        words.append(ngettext("{count} month", "{count} months", months).format(count=months))
    if days:
        words.append(ngettext("{count} day", "{count} days", days).format(count=days))
    return ", ".join(words) or str(period)
