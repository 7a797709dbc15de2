"""Schedules: what operators type, in their own zone, across changes of the clock."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.campaigns import schedule
from bot.campaigns.schedule import (
    Moment,
    ScheduleError,
    TimePast,
    TimeSkipped,
    TimeTooFar,
    in_hours,
    parse,
    tomorrow_at,
)

BERLIN = ZoneInfo("Europe/Berlin")
MOSCOW = ZoneInfo("Europe/Moscow")
ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")]
    + [ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Australia/Lord_Howe")]
)
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
"""12:30 in Moscow."""


def utc(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("typed", "wall_time"),
    [
        ("2026-12-24 10:00", "2026-12-24 10:00"),
        ("2026-12-4 9.05", "2026-12-04 09:05"),
        ("24.12 10:00", "2026-12-24 10:00"),
        ("24.12.2026 10:00", "2026-12-24 10:00"),
        ("24.12.2026, 10:00", "2026-12-24 10:00"),
        ("24.12 at 10:00", "2026-12-24 10:00"),
        ("24.12 в 10:00", "2026-12-24 10:00"),
        ("today 23:59", "2026-11-24 23:59"),
        ("Today at 15:00", "2026-11-24 15:00"),
        ("сегодня 15:00", "2026-11-24 15:00"),
        ("Сегодня в 15:00", "2026-11-24 15:00"),
        ("tomorrow 0:00", "2026-11-25 00:00"),
        ("TOMORROW AT 10:00", "2026-11-25 10:00"),
        ("завтра 10:00", "2026-11-25 10:00"),
        ("завтра в 10.00", "2026-11-25 10:00"),
        ("  12:31 ", "2026-11-24 12:31"),
        ("12:30", "2026-11-25 12:30"),
        ("10:00", "2026-11-25 10:00"),
        ("at 15:00", "2026-11-24 15:00"),
        ("в 15:00", "2026-11-24 15:00"),
        ("23.11 10:00", "2027-11-23 10:00"),
        ("01.01 00:00", "2027-01-01 00:00"),
        ("31.12 23:59", "2026-12-31 23:59"),
    ],
)
def test_a_time_is_read_as_operators_write_it(typed: str, wall_time: str) -> None:
    moment = parse(typed, NOW, MOSCOW)
    assert moment.wall_time == wall_time
    assert moment.at.astimezone(MOSCOW).strftime("%Y-%m-%d %H:%M") == wall_time
    assert moment.at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "soon",
        "10",
        "10:0",
        "24:00",
        "12:60",
        "2026-12-24",
        "2026-13-01 10:00",
        "31.11 10:00",
        "0.12 10:00",
        "29.02.2027 10:00",
        "yesterday 10:00",
        "24.12 10:00 and more",
        "10:00 tomorrow",
    ],
)
def test_what_is_no_time_is_refused_with_examples(typed: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        parse(typed, NOW, MOSCOW)
    assert type(refused.value) is ScheduleError


@pytest.mark.parametrize(
    "typed",
    ["today 12:30", "2026-11-24 12:29", "2026-11-23 23:00", "24.11.2025 10:00", "0001-01-01 00:00"],
)
def test_a_moment_that_is_over_is_refused(typed: str) -> None:
    with pytest.raises(TimePast):
        parse(typed, NOW, MOSCOW)


@pytest.mark.parametrize("typed", ["2027-11-25 12:31", "2028-01-01 00:00", "9999-12-31 23:59"])
def test_more_than_a_year_ahead_is_refused(typed: str) -> None:
    with pytest.raises(TimeTooFar):
        parse(typed, NOW, MOSCOW)


def test_a_year_and_a_day_ahead_is_the_furthest() -> None:
    assert parse("2027-11-25 12:30", NOW, MOSCOW).at == NOW + timedelta(days=366)


# --- days that not every year or month has


@pytest.mark.parametrize(
    ("now", "typed", "day"),
    [
        (utc(2027, 12, 1), "29.02 10:00", (2028, 2, 29)),
        (utc(2027, 3, 1), "29.02 10:00", (2028, 2, 29)),
        (utc(2028, 2, 29), "29.02 10:00", (2028, 2, 29)),
        (utc(2028, 2, 28), "tomorrow 10:00", (2028, 2, 29)),
        (utc(2027, 2, 28), "tomorrow 10:00", (2027, 3, 1)),
        (utc(2026, 12, 31), "tomorrow 10:00", (2027, 1, 1)),
        (utc(2026, 4, 30), "tomorrow 10:00", (2026, 5, 1)),
        (utc(2026, 12, 31), "31.12 10:00", (2026, 12, 31)),
    ],
)
def test_leap_days_and_ends_of_months(now: datetime, typed: str, day: tuple[int, int, int]) -> None:
    assert parse(typed, now, BERLIN).at == datetime(*day, 10, 0, tzinfo=BERLIN)


@pytest.mark.parametrize("now", [utc(2026, 3, 1), utc(2028, 3, 1)])
def test_a_leap_day_more_than_a_year_away_is_not_guessed(now: datetime) -> None:
    with pytest.raises(ScheduleError):
        parse("29.02 10:00", now, BERLIN)


# --- the clocks change: Berlin 2026-03-29 02:00 to 03:00, 2026-10-25 03:00 to 02:00


@pytest.mark.parametrize("typed", ["2026-03-29 02:00", "29.03 02:59", "tomorrow 02:30"])
def test_a_time_that_the_clocks_skip_is_refused(typed: str) -> None:
    with pytest.raises(TimeSkipped):
        parse(typed, utc(2026, 3, 28, 12), BERLIN)


def test_around_the_skipped_hour_every_minute_is_one_instant() -> None:
    now = utc(2026, 3, 28, 12)
    before, after = parse("29.03 01:59", now, BERLIN), parse("29.03 03:00", now, BERLIN)
    assert (before.at, after.at) == (utc(2026, 3, 29, 0, 59), utc(2026, 3, 29, 1, 0))
    assert not before.is_ambiguous
    assert not after.is_ambiguous


def test_a_bare_time_that_today_skipped_means_tomorrow() -> None:
    moment = parse("02:30", utc(2026, 3, 29, 12), BERLIN)
    assert moment == Moment(
        at=utc(2026, 3, 30, 0, 30), wall_time="2026-03-30 02:30", is_ambiguous=False
    )


@pytest.mark.parametrize("typed", ["2026-10-25 02:00", "25.10 02:59"])
def test_a_time_that_the_clocks_show_twice_is_the_first_one_and_says_so(typed: str) -> None:
    moment = parse(typed, utc(2026, 10, 24, 12), BERLIN)
    assert moment.is_ambiguous
    assert moment.at.astimezone(BERLIN).fold == 0
    assert moment.at.hour == 0


@pytest.mark.parametrize("typed", ["25.10 01:59", "25.10 03:00"])
def test_around_the_doubled_hour_nothing_is_ambiguous(typed: str) -> None:
    assert not parse(typed, utc(2026, 10, 24, 12), BERLIN).is_ambiguous


def test_a_bare_time_in_the_second_of_the_doubled_hours_means_tomorrow() -> None:
    moment = parse("02:30", utc(2026, 10, 25, 1, 10), BERLIN)
    assert moment.at == utc(2026, 10, 26, 1, 30)


def test_offered_times_are_what_they_say() -> None:
    assert in_hours(3, utc(2026, 11, 24, 9, 30, 59), MOSCOW) == Moment(
        at=utc(2026, 11, 24, 12, 30), wall_time="2026-11-24 15:30", is_ambiguous=False
    )
    assert tomorrow_at(10, NOW, MOSCOW).wall_time == "2026-11-25 10:00"


# --- whatever is typed

PARTS = st.sampled_from(
    ["today", "завтра", "at", "в", " ", ",", ".", ":", "-", "10:00", "29.02", "0001-01-01", "٣:٠٠"]
) | st.text(max_size=4)
TYPED = st.lists(PARTS, max_size=6).map(" ".join) | st.text() | st.from_regex(schedule.TYPED)
INSTANTS = st.integers(946_684_800, 4_102_444_800).map(lambda s: datetime.fromtimestamp(s, UTC))


@given(typed=TYPED, now=INSTANTS, zone=ZONES)
@example(typed="0001-01-01 00:00", now=NOW, zone=MOSCOW)
@example(typed="9999-12-31 23:59", now=NOW, zone=ZoneInfo("America/New_York"))
def test_whatever_is_typed_gives_a_time_ahead_or_a_reason(
    typed: str, now: datetime, zone: ZoneInfo
) -> None:
    with suppress(ScheduleError):
        moment = parse(typed, now, zone)
        assert now < moment.at <= now + timedelta(days=366)


@given(at=INSTANTS, ahead=st.timedeltas(timedelta(minutes=1), timedelta(days=365)), zone=ZONES)
def test_round_trip_of_a_full_date(at: datetime, ahead: timedelta, zone: ZoneInfo) -> None:
    wanted = (at + ahead + timedelta(minutes=1)).replace(second=0, microsecond=0)
    local = wanted.astimezone(zone)
    moment = parse(local.strftime("%Y-%m-%d %H:%M"), at - timedelta(hours=2), zone)
    assert moment.wall_time == local.strftime("%Y-%m-%d %H:%M")
    assert moment.at == wanted - (timedelta(0) if local.fold == 0 else _doubled(local))


def _doubled(second: datetime) -> timedelta:
    """How much earlier the clocks showed the same time first."""
    first = second.replace(fold=0)
    return first.utcoffset() - second.utcoffset()  # type: ignore[operator]
