"""Structured logs to standard error, from which nobody can be recognised and nothing stolen.

What foreign libraries say is not trusted: the text of their exceptions and the details of their
lines may hold SQL parameters, updates or URLs with the token. Of an exception only its class
and the places it passed are kept.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterable, MutableMapping
from types import TracebackType
from typing import Any, Final

import structlog
from structlog.typing import Processor

from bot.errors import AssentError

TOKEN: Final = re.compile(r"\d{3,}:[A-Za-z0-9_-]{10,}")
HIDDEN: Final = "[hidden]"
QUIET: Final = (
    "aiogram",
    "aiohttp",
    "aiosqlite",
    "alembic",
    "apscheduler",
    "asyncio",
    "fastapi",
    "httpx",
    "sqlalchemy",
    "uvicorn",
)
"""Foreign loggers: their lines may quote updates, ids or URLs; only their failures are heard."""

Event = MutableMapping[str, Any]


def configure(log_format: str, level: str, secrets: Iterable[str] = ()) -> None:
    """Send every record of this process, our own and foreign, through one chain."""
    chain: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _tell_errors_safely,
        _Redactor(secrets),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*chain[:3], _keep_only_where, *chain[3:]],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    structlog.configure(
        processors=[*chain, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _renderer(log_format: str) -> Any:
    if log_format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())


def _keep_only_where(_logger: Any, _method: str, event: Event) -> Event:
    """Keep of a foreign record who said it, not what: it may quote a person."""
    record: logging.LogRecord = event["_record"]
    if not _is_ours(record.name):
        event["event"] = f"{record.name} reported a problem"
        event["where"] = f"{record.module}:{record.lineno}"
        event.pop("positional_args", None)
        if record.exc_info:
            event["exc_info"] = record.exc_info
    return event


def _is_ours(name: str) -> bool:
    return name.split(".", maxsplit=1)[0] in {"bot", "handlers", "storage", "__main__", "tests"}


def _tell_errors_safely(_logger: Any, _method: str, event: Event) -> Event:
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info if isinstance(info, BaseException) else info[1] if info else None
    if error is not None:
        event.update(describe(error))
    return event


def describe(error: BaseException) -> dict[str, str]:
    """Say what failed and where, without a word of what a foreign library says about it."""
    facts = {"error": type(error).__name__, "at": _places(error.__traceback__)}
    if isinstance(error, AssentError):
        facts["detail"] = error.detail
    if error.__cause__ is not None:
        facts["cause"] = type(error.__cause__).__name__
    return facts


def _places(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)[-4:]
    return " > ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in frames)


class _Redactor:
    """The last look at every line: no token, no configured secret."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = [secret for secret in secrets if secret]

    def __call__(self, _logger: Any, _method: str, event: Event) -> Event:
        for name, value in event.items():
            event[name] = self._clean(value)
        return event

    def _clean(self, value: Any) -> Any:
        match value:
            case str():
                for secret in self._secrets:
                    value = value.replace(secret, HIDDEN)
                return TOKEN.sub(HIDDEN, value)
            case dict():
                return {name: self._clean(inner) for name, inner in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._clean(inner) for inner in value]
            case _:
                return value
