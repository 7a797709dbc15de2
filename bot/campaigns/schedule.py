"""When a campaign starts: what operators type, in their own time zone, across clock changes."""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from bot.errors import AssentError, phrase

FURTHEST: Final = timedelta(days=366)
ONE_DAY: Final = timedelta(days=1)
GRACE: Final = timedelta(hours=1)
"""A campaign that is later than this (the program did not run) asks before it starts."""
TODAY: Final = frozenset({"", "today", "сегодня"})
TOMORROW: Final = frozenset({"tomorrow", "завтра"})
TYPED: Final = re.compile(
    r"(?:(?P<day>(?!(?:at|в)\s)\S+?),?\s+)?(?:(?:at|в)\s+)?(?P<hour>\d{1,2})[:.](?P<minute>\d\d)",
    re.IGNORECASE,
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
    if abs(day - today) > FURTHEST + ONE_DAY:  # far enough from where datetimes end
        raise TimePast if day < today else TimeTooFar
    has_day = found["day"] is not None
    if not has_day and clock <= now.astimezone(zone).time():
        day += ONE_DAY
    moment = _moment(day, clock, zone)
    if not has_day and moment.at <= now:  # the clocks went back: it was the first one
        moment = _moment(day + ONE_DAY, clock, zone)
    return _checked(moment, now)


def in_hours(hours: int, now: datetime, zone: ZoneInfo) -> Moment:
    """Return the moment a number of hours ahead, on the minute."""
    local = (now + timedelta(hours=hours)).replace(second=0, microsecond=0).astimezone(zone)
    return Moment(at=local.astimezone(UTC), wall_time=_wall(local), is_ambiguous=False)


def tomorrow_at(hour: int, now: datetime, zone: ZoneInfo) -> Moment:
    day = now.astimezone(zone).date() + ONE_DAY
    return _checked(_moment(day, time(hour), zone), now)


def _day(text: str, today: date) -> date:
    if text in TODAY:
        return today
    if text in TOMORROW:
        return today + ONE_DAY
    if found := ISO_DATE.fullmatch(text):
        return date(*map(int, found.groups()))
    if found := DOTTED_DATE.fullmatch(text):
        day, month, year = found.groups()
        if year:
            return date(int(year), int(month), int(day))
        return _next(int(day), int(month), today)
    raise ScheduleError


def _next(day: int, month: int, today: date) -> date:
    """The next day of this name; 29 February may have to wait for a leap year."""
    for year in (today.year, today.year + 1):
        with suppress(ValueError):
            if (found := date(year, month, day)) >= today:
                return found
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
