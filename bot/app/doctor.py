"""Looks at everything that must be right, one finding each; changes nothing."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
from sqlalchemy.exc import SQLAlchemyError

from bot.app.authority import Authority, roots_of
from bot.app.core import open_keys, open_keystore, read_kek
from bot.app.key_commands import status_of
from bot.campaigns import policy
from bot.campaigns.countries import rules_of
from bot.clock import utc_now
from bot.consent.loader import load
from bot.consent.purposes import Catalogue, Kind
from bot.errors import ConfigurationError
from bot.settings import Settings
from bot.usecases.stamping import NotStamped, ask_for_stamp
from storage import inbox, migrations, stamps
from storage.database import Database

TIMEOUT_SECONDS: Final = 10
SKEW_SECONDS: Final = 60
"""A clock that is further off than this makes proofs say the wrong time."""
PROBE: Final = b"assent: is anybody there?\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that must be right, and whether it is. `is_note`: right, but worth knowing."""

    name: str
    what: str
    is_right: bool = True
    is_note: bool = False

    @property
    def mark(self) -> str:
        if not self.is_right:
            return "✗"
        return "!" if self.is_note else "✓"


async def examine(settings: Settings) -> list[Finding]:
    """Look at token, API, database, keys, clock, witnesses, purposes, and what belongs to each."""
    found = [*await _telegram(settings)]
    async with _database(settings) as (database, finding):
        found.append(finding)
        found.append(await _migrations(database))
        found.append(await _keys(settings, database))
        found += await _key_status(settings, database)
        found += await _set_aside(database)
        found += await _stamps(settings, database)
        found += await _channel(settings, database)
    found += _purposes(settings)
    order = (
        "token",
        "API",
        "database",
        "migrations",
        "updates",
        "keys",
        "rotation",
        "log",
        "clock",
        "stamps",
        "channel",
        "purposes",
        "advisories",
    )
    return sorted(found, key=lambda finding: order.index(finding.name))


# --- Telegram and the clock -------------------------------------------------------------------


async def _telegram(settings: Settings) -> list[Finding]:
    assert settings.bot_token is not None, "`doctor` requires it"  # noqa: S101 load_settings checks
    url = f"{settings.bot_api_url}/bot{settings.bot_token.get_secret_value()}/getMe"
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            answer: Any = await response.json(content_type=None)
            told_at = response.headers.get("Date")
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        why = f"{settings.bot_api_url} does not answer ({type(error).__name__})"
        return [
            Finding(name="token", what="not checked: the API does not answer", is_right=False),
            Finding(name="API", what=f"{why}; check network and BOT_API_URL", is_right=False),
            Finding(name="clock", what="not compared: the API does not answer", is_note=True),
        ]
    return [
        _token(answer),
        Finding(name="API", what=f"{settings.bot_api_url} answers"),
        _clock(told_at, utc_now()),
    ]


def _token(answer: Any) -> Finding:
    me = answer.get("result") if isinstance(answer, dict) and answer.get("ok") is True else None
    if isinstance(me, dict):
        return Finding(name="token", what=f"Telegram knows it: https://t.me/{me.get('username')}")
    return Finding(
        name="token",
        what="Telegram does not accept it; take a fresh one from @BotFather",
        is_right=False,
    )


def _clock(told_at: str | None, now: datetime) -> Finding:
    if told_at is None:
        return Finding(name="clock", what="not compared: the API names no time", is_note=True)
    try:
        off = abs((parsedate_to_datetime(told_at) - now).total_seconds())
    except ValueError:
        return Finding(name="clock", what="not compared: the API names no time", is_note=True)
    if off > SKEW_SECONDS:
        return Finding(
            name="clock", what=f"{off:.0f} seconds away from the API's; set it", is_right=False
        )
    return Finding(name="clock", what="agrees with the API's")


# --- database and keys ------------------------------------------------------------------------


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[tuple[Database | None, Finding]]:
    """Open the database if it is there; looking must not make one."""
    path = settings.database_path
    if path is not None and not path.exists():
        yield None, _absent_database(path)
        return
    database = Database(settings.database_url)
    try:
        await database.probe()
    except (SQLAlchemyError, OSError) as error:
        what = f"cannot be written ({type(error).__name__}); check DATABASE_URL, owner and mode"
        yield None, Finding(name="database", what=what, is_right=False)
    else:
        yield database, Finding(name="database", what=_place(database))
    finally:
        await database.close()


def _absent_database(path: Path) -> Finding:
    folder = next(parent for parent in path.parents if parent.exists())
    if not os.access(folder, os.W_OK):
        what = f"{folder} cannot be written; check DATABASE_URL"
        return Finding(name="database", what=what, is_right=False)
    return Finding(name="database", what=f"the first `run` makes {path}", is_note=True)


def _place(database: Database) -> str:
    return database.url.render_as_string(hide_password=True).rsplit("?", 1)[0] + " can be written"


async def _migrations(database: Database | None) -> Finding:
    if database is None:
        return Finding(name="migrations", what="the first `run` makes them", is_note=True)
    found, needed = await migrations.revisions(database)
    if found == needed:
        return Finding(name="migrations", what=f"at {found}")
    what = f"at {found or 'none'}, needed is {needed}; `run` or `db upgrade` brings them up"
    return Finding(name="migrations", what=what, is_right=False)


async def _set_aside(database: Database | None) -> list[Finding]:
    """Updates that failed three times: somebody said something that was not handled."""
    if database is None or not await _is_migrated(database):
        return []
    async with database.snapshot() as tx:
        count = await inbox.count_set_aside(tx)
    if not count:
        return []
    what = f"{count} failed three times and were set aside; the log of the program says why"
    return [Finding(name="updates", what=what, is_right=False)]


async def _is_migrated(database: Database) -> bool:
    found, needed = await migrations.revisions(database)
    return found == needed


async def _keys(settings: Settings, database: Database | None) -> Finding:
    is_fresh = not settings.keystore.exists() and (
        not settings.has_key_file or not settings.key_file.exists()
    )
    if database is None and is_fresh:
        return Finding(name="keys", what="the first `run` makes them", is_note=True)
    if database is None:
        return Finding(name="keys", what="there, not tried: no database yet", is_note=True)
    try:
        opened, _ = await open_keys(settings, database, origin=None, at=utc_now())
    except ConfigurationError as error:
        return Finding(name="keys", what="; ".join(error.faults), is_right=False)
    return Finding(name="keys", what=f"they open the log {opened.origin}")


async def _key_status(settings: Settings, database: Database | None) -> list[Finding]:
    """Say what is due with the keys, and whether the log can be signed."""
    if database is None:
        return []
    try:
        opened = open_keystore(settings, read_kek(settings))
        found = await status_of(database, opened)
    except ConfigurationError:
        return []  # told as the finding of the keys
    findings = []
    if opened.retiring:
        what = "not finished: `run` goes on with it, or `keys rotate`"
        findings.append(Finding(name="rotation", what=what, is_note=True))
    elif utc_now() >= found.due_at:
        what = f"due since {found.due_at:%Y-%m-%d}: `run` does it by itself, or `keys rotate`"
        findings.append(Finding(name="rotation", what=what, is_note=True))
    if not found.log_continues:
        what = "it does not continue what was signed last, and is not signed: see `keys status`"
        findings.append(Finding(name="log", what=what, is_right=False))
    return findings


# --- witnesses --------------------------------------------------------------------------------


async def _stamps(settings: Settings, database: Database | None) -> list[Finding]:
    """Have something stamped that is not kept, and say how old the last kept stamp is."""
    url = settings.stamp_url
    if url is None:
        return []
    try:
        _, made = await ask_for_stamp(Authority(url=url).ask, PROBE, roots_of(settings))
    except NotStamped as error:
        what = f"{url}: {error.detail}; check the network, STAMP_URL and STAMP_ROOTS_FILE"
        return [Finding(name="stamps", what=what, is_right=False)]
    off = abs((made.at - utc_now()).total_seconds())
    apart = f"; its clock is {off:.0f} seconds away from ours" if off > SKEW_SECONDS else ""
    last = "no checkpoint is stamped yet"
    if database is not None and await _is_migrated(database):
        async with database.snapshot() as tx:
            if (kept := await stamps.latest(tx, url)) is not None:
                last = f"the last checkpoint is stamped at {_minute(kept.stamped_at)}"
    what = f"{made.authority} stamps at {url}; {last}{apart}"
    return [Finding(name="stamps", what=what, is_note=bool(apart))]


async def _channel(settings: Settings, database: Database | None) -> list[Finding]:
    """Whether there is such a channel; whether the bot may post there is only seen by a post."""
    name = settings.checkpoint_channel
    if name is None:
        return []
    answer = await _ask_telegram(settings, "getChat", {"chat_id": name})
    if answer is None:
        return [Finding(name="channel", what="not checked: the API does not answer", is_note=True)]
    if answer.get("ok") is not True:
        what = f"Telegram knows no {name}; check CHECKPOINT_CHANNEL and that it is public"
        return [Finding(name="channel", what=what, is_right=False)]
    last = None
    if database is not None and await _is_migrated(database):
        async with database.snapshot() as tx:
            last = await stamps.latest_posting(tx, name)
    if last is None:
        what = f"{name} is there, nothing is posted yet; the bot must be an administrator of it"
        return [Finding(name="channel", what=what, is_note=True)]
    return [Finding(name="channel", what=f"{name}: last post at {_minute(last.posted_at)}")]


async def _ask_telegram(
    settings: Settings, method: str, parameters: dict[str, str]
) -> dict[str, Any] | None:
    """Return the answer to a call; None: there is none that can be read."""
    assert settings.bot_token is not None, "`doctor` requires it"  # noqa: S101 load_settings checks
    url = f"{settings.bot_api_url}/bot{settings.bot_token.get_secret_value()}/{method}"
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, json=parameters) as response,
        ):
            answer: Any = await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


# --- purposes ---------------------------------------------------------------------------------


def _purposes(settings: Settings) -> list[Finding]:
    try:
        catalogue = load(settings.purposes_file)
    except ConfigurationError as error:
        faults = "; ".join(error.faults)
        return [
            Finding(name="purposes", what=faults, is_right=False),
            Finding(name="advisories", what="not checked: the file is faulty", is_note=True),
        ]
    warnings, sample = advisory_warnings(catalogue), sample_warnings(catalogue)
    return [
        Finding(
            name="purposes",
            what="; ".join([f"{settings.purposes_file}: {summary(catalogue)}", *sample]),
            is_note=bool(sample),
        ),
        Finding(
            name="advisories",
            what="; ".join(warnings) or _accepted(catalogue),
            is_note=bool(warnings),
        ),
    ]


def summary(catalogue: Catalogue) -> str:
    """Say in a line what a purposes file offers."""
    kinds = ", ".join(f"{purpose.id} ({purpose.kind.value})" for purpose in catalogue.purposes)
    return f"{kinds}; in {', '.join(catalogue.locales)}"


def terms(catalogue: Catalogue) -> list[str]:
    """Say for each purpose how long its proofs are kept, and by which rule."""
    lines = []
    for purpose in catalogue.purposes:
        line = f"{purpose.id}: proofs are kept until the person asks for erasure"
        if purpose.keep_proof_for is not None:
            line = f"{purpose.id}: proofs are kept {purpose.keep_proof_for} after the consent ended"
            rule = purpose.keep_proof_rule
            line += "; no keep_proof_rule" if rule is None else f" ({rule[catalogue.locales[0]]})"
        lines.append(line)
    return lines


def _accepted(catalogue: Catalogue) -> str:
    taken = [f"{a.id} accepted by {a.accepted_by}" for a in catalogue.advisories]
    return "; ".join(taken) or "none"


def sample_warnings(catalogue: Catalogue) -> list[str]:
    """Say what was left as it stands in the example (RFC 2606 keeps `.example` for those)."""
    if not catalogue.controller.contact.endswith(".example"):
        return []
    warning = (
        "controller: the name, INN and contact are the example's, and so may be who accepted an "
        "advisory; put your own before you ask anybody"
    )
    return [warning]


def advisory_warnings(catalogue: Catalogue, translate: Callable[[str], str] = str) -> list[str]:
    """Name the legal risks that nobody has accepted, where there is advertising to send."""
    if all(purpose.kind is not Kind.ADVERTISING for purpose in catalogue.purposes):
        return []
    explained = rules_of(catalogue.controller.country).advisories
    return [f"{name}: {translate(explained[name])}" for name in policy.open_advisories(catalogue)]
