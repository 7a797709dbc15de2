"""The one place that asks for the time. Everything else takes it as an argument."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the wall clock's time, in UTC, to the millisecond that the log keeps."""
    now = datetime.now(UTC)  # noqa: TID251
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def boot_seconds() -> float:
    """Seconds since the machine started; goes on while it sleeps and is never set by anybody."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
