"""Moments and spans as a paper writes them: in the operator's zone, with its offset."""

from datetime import datetime, timedelta, tzinfo
from typing import Final

from babel.dates import format_datetime
from babel.units import format_unit

MINUTE: Final = 60
UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", MINUTE))


def moment(at: datetime, zone: tzinfo, locale: str) -> str:
    """Write an instant: "24 Nov 2026, 15:34:05 +03:00"."""
    local = at.astimezone(zone)
    words = format_datetime(local, "d MMM y, HH:mm:ss", locale=locale, tzinfo=zone)
    offset = f"{local:%z}"
    return f"{words} {offset[:3]}:{offset[3:5]}"


def span(length: timedelta, locale: str) -> str:
    """Write how long something took, to the millisecond: "2 min 0.35 sec"."""
    seconds = abs(length.total_seconds())
    parts = []
    for unit, size in UNITS:
        if seconds >= size:
            parts.append(_unit(int(seconds // size), unit, locale))
            seconds %= size
    if seconds or not parts:
        parts.append(_unit(round(seconds, 3), "second", locale))
    sign = "−" if length < timedelta(0) else ""
    return sign + " ".join(parts)


def _unit(value: float, unit: str, locale: str) -> str:
    return format_unit(value, f"duration-{unit}", length="short", locale=locale)
