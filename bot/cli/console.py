"""What several commands need: where messages go, dates as people type them, progress."""

import re
import sys
import time
from datetime import date, datetime
from typing import Any, Final

import click

from bot import logs
from bot.settings import Settings

FOUND: Final = 1
"""Exit status: a check found something."""
CANNOT: Final = 2
"""Exit status: it cannot be done as asked."""
DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
PROGRESS_SECONDS: Final = 1.0
"""Work that is over sooner shows no bar."""


def log_to(settings: Settings) -> None:
    secrets = [settings.bot_token, settings.key, settings.key_command, settings.webhook_secret]
    logs.configure(
        settings.log_format,
        settings.log_level,
        [secret.get_secret_value() for secret in secrets if secret is not None],
    )


class Moment(click.ParamType[datetime | date]):
    """A day (in the setting TIMEZONE) or an instant in RFC 3339."""

    name = "date"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime | date:
        if isinstance(value, date):
            return value
        try:
            if DAY.fullmatch(value):
                return date.fromisoformat(value)
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a date; write 2026-11-24", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no zone; write it like 2026-11-24T10:00:00Z", param, ctx)
        return moment


class Progress:
    """A bar on a terminal, for work that takes longer than a second."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._began = time.monotonic()
        self._bars: list[Any] = []

    def __call__(self, done: int, total: int) -> None:
        if not self._bars:
            if time.monotonic() - self._began < PROGRESS_SECONDS:
                return
            hidden = not sys.stderr.isatty()
            self._bars.append(
                click.progressbar(length=total, label=self._label, file=sys.stderr, hidden=hidden)
            )
        for bar in self._bars:
            bar.update(done - bar.pos)
            if done == total:
                bar.render_finish()
