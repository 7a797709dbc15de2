"""The purposes file once it is read: periods of the calendar, chains of prerequisites."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.consent.purposes import Catalogue, Controller, Kind, Period, Purpose

BOTH = {"ru": "текст", "en": "text"}
NAMES = ["a", "b", "c", "d", "e", "f"]
moments = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 the zone is added by the strategy
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def catalogue(requires: dict[str, list[str]]) -> Catalogue:
    return Catalogue(
        locales=("ru", "en"),
        controller=Controller(
            name=BOTH, address=BOTH, country="DE", contact="privacy@tea.example", registration="1"
        ),
        advisories=(),
        purposes=tuple(
            Purpose(
                id=name,
                kind=Kind.INFORMATIONAL,
                title=BOTH,
                summary=BOTH,
                notice=BOTH,
                requires=tuple(needed),
            )
            for name, needed in requires.items()
        ),
    )


@st.composite
def requirements(draw: st.DrawFn) -> dict[str, list[str]]:
    """What each purpose names directly: some of those that stand before it."""
    return {
        name: draw(st.lists(st.sampled_from(NAMES[:place]), unique=True)) if place else []
        for place, name in enumerate(NAMES)
    }


@given(start=moments, years=st.integers(min_value=1, max_value=50))
def test_a_year_is_a_year_leap_or_not(start: datetime, years: int) -> None:
    end = Period(f"P{years}Y").end(start)
    assert end.year == start.year + years
    is_leap_day = (start.month, start.day) == (2, 29)
    if is_leap_day and end.day != 29:
        assert (end.month, end.day) == (2, 28)
    else:
        assert (end.month, end.day) == (start.month, start.day)
    assert end.timetz() == start.timetz()


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("P1Y", datetime(2028, 2, 29, tzinfo=UTC), datetime(2029, 2, 28, tzinfo=UTC)),
        ("P4Y", datetime(2028, 2, 29, tzinfo=UTC), datetime(2032, 2, 29, tzinfo=UTC)),
        ("P1Y", datetime(2027, 3, 1, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)),
        ("P1M", datetime(2027, 1, 31, tzinfo=UTC), datetime(2027, 2, 28, tzinfo=UTC)),
        ("P1M", datetime(2028, 1, 31, tzinfo=UTC), datetime(2028, 2, 29, tzinfo=UTC)),
        ("P365D", datetime(2028, 1, 1, tzinfo=UTC), datetime(2028, 12, 31, tzinfo=UTC)),
        ("PT24H", datetime(2028, 2, 28, tzinfo=UTC), datetime(2028, 2, 29, tzinfo=UTC)),
    ],
)
def test_periods_end_where_the_calendar_says(period: str, start: datetime, end: datetime) -> None:
    assert Period(period).end(start) == end


@given(start=moments, days=st.integers(min_value=1, max_value=9999))
def test_days_are_counted_and_not_looked_up(start: datetime, days: int) -> None:
    assert Period(f"P{days}D").end(start) - start == timedelta(days=days)


@given(requires=requirements())
def test_prerequisites_hold_all_the_way_down_in_the_order_of_the_file(
    requires: dict[str, list[str]],
) -> None:
    made = catalogue(requires)
    for name in NAMES:
        found = made.prerequisites(name)
        expected = set(requires[name]).union(*(made.prerequisites(n) for n in requires[name]))
        assert found == tuple(sorted(expected))
        assert name not in found


@given(requires=requirements())
def test_what_ends_with_a_purpose_is_exactly_what_requires_it(
    requires: dict[str, list[str]],
) -> None:
    made = catalogue(requires)
    for name in NAMES:
        expected = [other for other in NAMES if name in made.prerequisites(other)]
        assert list(made.dependents(name)) == expected


def test_a_purpose_is_found_by_its_id_only() -> None:
    made = catalogue({"a": []})
    assert made.purpose("a").id == "a"
    assert "a" in made
    assert "b" not in made
    with pytest.raises(KeyError):
        made.purpose("b")
