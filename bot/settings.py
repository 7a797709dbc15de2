"""Every setting, typed, with its meaning. All faults are told at once; secrets never are."""

import math
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import isodate
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from bot.errors import ConfigurationError
from bot.proof import stamp
from bot.proof.errors import UnusableFile

TOKEN: Final = re.compile(r"\d+:[A-Za-z0-9_-]+")
SECRET: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
"""Bot API, setWebhook: secret_token."""
FREE_RATE: Final = 30
"""Messages a second that Telegram permits without paid broadcasts (Bot API FAQ)."""
SHORTEST_STAMP: Final = timedelta(minutes=5)
LONGEST_STAMP: Final = timedelta(days=30)
MAX_STAMP_URL: Final = 256
CHANNEL: Final = re.compile(r"@[A-Za-z][A-Za-z0-9_]{3,31}", re.ASCII)
"""Telegram: 4 to 32 letters, digits and underscores; five is the least that is given today."""
DRIVERS: Final = ("sqlite+aiosqlite", "postgresql+asyncpg")
TELEGRAM_API: Final = "https://api.telegram.org"
NEEDED_BY_RUN: Final = {
    "bot_token": "missing; take it from @BotFather in Telegram",
    "owner_ids": "missing; write the Telegram user ids of the owners, comma-separated",
}


def _owner_ids(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    ids = [part.strip() for part in value.split(",") if part.strip()]
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in ids):
        raise ValueError("not a list of Telegram user ids; write numbers, comma-separated")
    return tuple(int(part) for part in ids)


def _token(value: SecretStr) -> SecretStr:
    if not TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("not a token; copy it from @BotFather as a whole (digits:letters)")
    return value


def _api_url(value: str) -> str:
    parts = _split(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}:
        raise ValueError("give scheme, host and port only, like http://127.0.0.1:8081")
    return value.rstrip("/")


def _public_url(value: str) -> str:
    if _split(value).scheme != "https":
        raise ValueError("must begin with https:// (Bot API, setWebhook: url)")
    return value.rstrip("/")


def _split(value: str) -> Any:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        raise ValueError("not a URL; check scheme, host and port") from error
    return parts


def _database_url(value: str) -> str:
    try:
        driver = make_url(value).drivername
    except ArgumentError:
        driver = ""
    if driver not in DRIVERS:
        raise ValueError("use sqlite+aiosqlite:///PATH or postgresql+asyncpg://…")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("not a time zone; use an IANA name like Europe/Moscow") from error
    return value


def _rate(value: float) -> float:
    if not math.isfinite(value) or value <= 0:
        raise ValueError("must be a positive number of messages a second")
    return value


def _origin(value: str) -> str:
    if re.search(r"[\s+]", value):
        raise ValueError("must not have spaces or plus signs (C2SP signed-note: key name)")
    return value


def _bind(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:  # noqa: PLR2004 port numbers
        raise ValueError("write HOST:PORT, like 127.0.0.1:8443")
    return value


def _secret(value: SecretStr) -> SecretStr:
    if not SECRET.fullmatch(value.get_secret_value()):
        raise ValueError("use 1 to 256 letters, digits, _ or - (Bot API, setWebhook)")
    return value


def _stamp_url(value: str) -> str:
    parts = _split(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("not a URL; write the authority's address, like https://tsa.example/tsr")
    if parts.username or parts.query or parts.fragment or len(value) > MAX_STAMP_URL:
        raise ValueError(
            f"must have no user, ? or # and at most {MAX_STAMP_URL} characters: it is published "
            "in every bundle"
        )
    return value


def _roots_file(value: Path) -> Path:
    try:
        stamp.read_roots([value.read_bytes()])
    except OSError as error:
        raise ValueError(f"{value} cannot be read ({error.strerror})") from error
    except UnusableFile as error:
        raise ValueError(
            f"{value} has no certificates; save the authority's roots as PEM"
        ) from error
    return value


def _stamp_every(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        period = isodate.parse_duration(value)
    except (ValueError, TypeError):
        period = None
    if not isinstance(period, timedelta) or not SHORTEST_STAMP <= period <= LONGEST_STAMP:
        raise ValueError("write an ISO 8601 period from PT5M to P30D, like PT1H")
    return period


def _checkpoint_channel(value: str) -> str:
    if not CHANNEL.fullmatch(value):
        raise ValueError("write the @name of a public channel")
    return value


class Settings(BaseSettings):
    """The settings of one process; from the environment, or `.env` in the working directory."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    bot_token: Annotated[SecretStr, AfterValidator(_token)] | None = None
    """From @BotFather."""
    bot_api_url: Annotated[str, AfterValidator(_api_url)] = TELEGRAM_API
    """Another Bot API server: scheme, host, port."""
    owner_ids: Annotated[tuple[int, ...], NoDecode, BeforeValidator(_owner_ids)] = ()
    """Telegram user ids of the owners."""
    database_url: Annotated[str, AfterValidator(_database_url)] = (
        "sqlite+aiosqlite:///data/assent.db"
    )
    key_file: Path = Path("keys/assent.key")
    """Where the key-encryption key is; never in the folder of the database."""
    key_command: SecretStr | None = None
    """A command that prints the key, instead of `key_file`."""
    key: SecretStr | None = None
    """The key itself, instead of `key_file` and `key_command`: 32 bytes in base64."""
    keystore_file: Path | None = None
    """Wrapped keys and the last signed tree; beside `key_file` unless set."""
    purposes_file: Path = Path("purposes.toml")
    default_locale: Literal["ru", "en"] = "ru"
    timezone: Annotated[str, AfterValidator(_zone)] = "Europe/Moscow"
    """The operator's, IANA name."""
    broadcast_rate: Annotated[float, AfterValidator(_rate)] = 30
    """Messages a second that Telegram permits this bot."""
    send_concurrency: Annotated[int, Field(ge=1, le=1000)] = 30
    """Sends between gate and answer at one time: the most that a crash leaves in doubt."""
    paid_broadcast: bool = False
    """May spend Stars for more than 30 a second."""
    log_origin: Annotated[str, AfterValidator(_origin)] | None = None
    """The log's name in checkpoints; fixed at first start."""
    stamp_url: Annotated[str, AfterValidator(_stamp_url)] | None = None
    """A time authority (RFC 3161) that stamps checkpoints."""
    stamp_roots_file: Annotated[Path, AfterValidator(_roots_file)] | None = None
    """Its roots, PEM: then only stamps that lead there are kept."""
    stamp_every: Annotated[timedelta, BeforeValidator(_stamp_every)] = timedelta(hours=1)
    """The least time between two stamps."""
    checkpoint_channel: Annotated[str, AfterValidator(_checkpoint_channel)] | None = None
    """The @name of a public channel in which the bot posts a checkpoint a day."""
    web_bind: Annotated[str, AfterValidator(_bind)] | None = None
    public_url: Annotated[str, AfterValidator(_public_url)] | None = None
    webhook_secret: Annotated[SecretStr, AfterValidator(_secret)] | None = None
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if faults := [*self._webhook_faults(), *self._place_faults(), *self._key_faults()]:
            raise ValueError("\n".join(faults))
        return self

    def _webhook_faults(self) -> Iterator[str]:
        if self.public_url and self.webhook_secret is None:
            yield "WEBHOOK_SECRET: missing; a webhook without a secret could be forged by anybody"
        if self.public_url and self.web_bind is None:
            yield "WEB_BIND: missing; say where the webhook listens, as HOST:PORT"

    def _key_faults(self) -> Iterator[str]:
        if self.key is None:
            return
        for name in ("key_file", "key_command"):
            if name in self.model_fields_set and getattr(self, name) is not None:
                yield (
                    f"KEY: the key is given twice, by {name.upper()} too; remove the setting that "
                    "is not meant"
                )

    def _place_faults(self) -> Iterator[str]:
        folder = self.database_folder
        places = {"KEYSTORE_FILE": self.keystore}
        if self.has_key_file:
            places["KEY_FILE"] = self.key_file
        for name, path in places.items():
            if folder is not None and path.resolve().is_relative_to(folder):
                yield (
                    f"{name}: it lies in the folder of the database, {folder}; move one of them, "
                    "or whoever copies the folder can read everything"
                )

    @property
    def has_key_file(self) -> bool:
        """Whether the key-encryption key is what KEY_FILE holds."""
        return self.key_command is None and self.key is None

    @property
    def keystore(self) -> Path:
        return self.keystore_file or self.key_file.with_name("assent.keystore.json")

    @property
    def database_path(self) -> Path | None:
        """Where the SQLite file is; None on PostgreSQL."""
        url = make_url(self.database_url)
        if not url.drivername.startswith("sqlite") or not url.database:
            return None
        return Path(url.database).resolve()

    @property
    def database_folder(self) -> Path | None:
        return None if self.database_path is None else self.database_path.parent

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def warnings(self) -> list[str]:
        """What is permitted and probably not meant."""
        if self.broadcast_rate > FREE_RATE and not self.paid_broadcast:
            return [
                (
                    f"BROADCAST_RATE: {self.broadcast_rate:g} is above the {FREE_RATE} a second "
                    "that Telegram gives for free; without PAID_BROADCAST=1 expect refusals"
                )
            ]
        return []


def load_settings(*, for_run: bool) -> Settings:
    """Read the settings. Raises ConfigurationError with one line for each fault."""
    faults: list[str] = []
    settings: Settings | None = None
    try:
        settings = Settings()
    except ValidationError as error:
        faults = _lines(error) + _faults_beside(
            {str(f["loc"][0]) for f in error.errors() if f["loc"]}
        )
    except UnicodeDecodeError as error:
        raise ConfigurationError([".env: not UTF-8 text; save it as UTF-8"]) from error
    if for_run:
        faults += _missing(settings, faults)
    if faults or settings is None:
        raise ConfigurationError(sorted(faults))
    return settings


def purposes_file() -> Path | None:
    """Where the purposes are, whatever is wrong with the other settings; None: not to be told."""
    try:
        return Path(_Required().purposes_file)
    except (ValidationError, UnicodeDecodeError):
        return None


def _faults_beside(wrong: Iterable[str]) -> list[str]:
    """Return what does not belong together, whatever each wrong setting was meant to be."""
    neutral: dict[str, Any] = {name: Settings.model_fields[name].default for name in wrong}
    if not neutral:
        return []  # then just this was found
    if "database_url" in neutral:
        neutral["database_url"] = "postgresql+asyncpg://"  # has no folder
    try:
        Settings(**neutral)
    except ValidationError as error:
        named = tuple(f"{name.upper()}:" for name in neutral)
        return [line for line in _lines(error) if not line.startswith(named)]
    return []


def _missing(settings: Settings | None, faults: list[str]) -> list[str]:
    """Name what `run` needs, also when other settings are wrong."""
    given = settings if settings is not None else _Required()
    return [
        f"{name.upper()}: {what}"
        for name, what in NEEDED_BY_RUN.items()
        if not getattr(given, name) and not any(f.startswith(name.upper()) for f in faults)
    ]


class _Required(BaseSettings):
    """Only whether the settings that `run` needs are there, whatever is wrong elsewhere."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    bot_token: str | None = None
    owner_ids: str | None = None
    purposes_file: str = "purposes.toml"


def _lines(error: ValidationError) -> list[str]:
    return [line for fault in error.errors() for line in _line(fault).split("\n")]


def _line(fault: Any) -> str:
    message = str(fault["msg"]).removeprefix("Value error, ")
    name = str(fault["loc"][0]).upper() if fault["loc"] else ""
    if not name:
        return message
    if fault["type"] in {"float_parsing", "int_parsing", "int_from_float"}:
        message = "not a number; write digits only"
    if fault["type"] == "literal_error":
        message = f"use one of {fault['ctx']['expected']}"
    return f"{name}: {message[0].lower()}{message[1:]}"
