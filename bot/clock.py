"""The one place that asks for the time. Everything else takes it as an argument."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the wall clock's time, in UTC, to the millisecond that the log keeps."""
    now = datetime.now(UTC)  # noqa: TID251
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
