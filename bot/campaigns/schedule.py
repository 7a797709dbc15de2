"""When a campaign starts: what operators type, in their own time zone, across clock changes."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from bot.errors import AssentError, phrase

FURTHEST: Final = timedelta(days=366)
GRACE: Final = timedelta(hours=1)
"""A campaign that is later than this (the program did not run) asks before it starts."""
TODAY: Final = frozenset({"", "today", "сегодня"})
TOMORROW: Final = frozenset({"tomorrow", "завтра"})
TYPED: Final = re.compile(
    r"(?:(?P<day>\S+?),?\s+)?(?:(?:at|в)\s+)?(?P<hour>\d{1,2})[:.](?P<minute>\d\d)", re.IGNORECASE
)
ISO_DATE: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
DOTTED_DATE: Final = re.compile(r"(\d{1,2})\.(\d{1,2})(?:\.(\d{4}))?")


class ScheduleError(AssentError):
    """A time that cannot be used."""

    message_key = phrase(
        "I could not read this time. Write it like 2026-12-24 10:00, 24.12 10:00, "
        "tomorrow 10:00 or 10:00."
    )


class TimePast(ScheduleError):
    """The moment is over."""

    message_key = phrase("This time has passed already. Send a later one.")


class TimeTooFar(ScheduleError):
    """More than a year ahead."""

    message_key = phrase("This is more than a year ahead. Send an earlier time.")


class TimeSkipped(ScheduleError):
    """The clocks go forward over it."""

    message_key = phrase("On that day the clocks skip this time. Send another one.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A start: the instant, and the wall time by which its occurrence is known."""

    at: datetime
    wall_time: str
    is_ambiguous: bool
    """The clocks show it twice that day; the first one is meant."""


def parse(text: str, now: datetime, zone: ZoneInfo) -> Moment:
    """Read a typed time in `zone`. Raises ScheduleError."""
    found = TYPED.fullmatch(text.strip())
    if found is None:
        raise ScheduleError
    today = now.astimezone(zone).date()
    try:
        clock = time(int(found["hour"]), int(found["minute"]))
        day = _day((found["day"] or "").lower(), today)
    except ValueError as error:
        raise ScheduleError from error
    moment = _moment(day, clock, zone)
    if moment.at <= now and found["day"] is None:
        moment = _moment(today + timedelta(days=1), clock, zone)
    return _checked(moment, now)


def in_hours(hours: int, now: datetime, zone: ZoneInfo) -> Moment:
    """Return the moment a number of hours ahead, on the minute."""
    local = (now + timedelta(hours=hours)).replace(second=0, microsecond=0).astimezone(zone)
    return Moment(at=local.astimezone(UTC), wall_time=_wall(local), is_ambiguous=False)


def tomorrow_at(hour: int, now: datetime, zone: ZoneInfo) -> Moment:
    day = now.astimezone(zone).date() + timedelta(days=1)
    return _checked(_moment(day, time(hour), zone), now)


def _day(text: str, today: date) -> date:
    if text in TODAY:
        return today
    if text in TOMORROW:
        return today + timedelta(days=1)
    if found := ISO_DATE.fullmatch(text):
        return date(*map(int, found.groups()))
    if found := DOTTED_DATE.fullmatch(text):
        day, month, year = found.groups()
        if year:
            return date(int(year), int(month), int(day))
        this_year = date(today.year, int(month), int(day))
        return this_year if this_year >= today else this_year.replace(year=today.year + 1)
    raise ScheduleError


def _moment(day: date, clock: time, zone: ZoneInfo) -> Moment:
    first = datetime.combine(day, clock, zone)
    at = first.astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) != first.replace(tzinfo=None):
        raise TimeSkipped
    second = first.replace(fold=1)
    return Moment(
        at=at, wall_time=_wall(first), is_ambiguous=second.utcoffset() != first.utcoffset()
    )


def _checked(moment: Moment, now: datetime) -> Moment:
    if moment.at <= now:
        raise TimePast
    if moment.at - now > FURTHEST:
        raise TimeTooFar
    return moment


def _wall(local: datetime) -> str:
    return local.strftime("%Y-%m-%d %H:%M")
