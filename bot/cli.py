"""The commands: parse, call, print. Exit status 0 done, 1 a check found something, 2 cannot."""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import click
from sqlalchemy.exc import DBAPIError

from bot import logs
from bot.app import commands, doctor
from bot.app.core import why
from bot.consent.loader import PurposesFileError, load
from bot.errors import AssentError, ConfigurationError
from bot.proof import note, verifier
from bot.proof.errors import ProofError
from bot.proof.proof_file import Proof
from bot.settings import Settings, load_settings, purposes_file
from bot.usecases.exports import Format, Selection

FOUND: Final = 1
CANNOT: Final = 2
INTERRUPTED: Final = 130
DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
PROGRESS_SECONDS: Final = 1.0
"""Work that is over sooner shows no bar."""


def entry(arguments: Sequence[str]) -> int:
    """Run one command; return its exit status. Whatever cannot be done is told in one line."""
    os.umask(0o077)  # whatever is written may hold personal data
    try:
        result = main(list(arguments), prog_name="assent", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 a traceback would print what it should not
        for line in _causes(error):
            click.echo(line, err=True)
        return CANNOT
    return result if isinstance(result, int) else 0


def _causes(error: BaseException) -> list[str]:
    match error:
        case BaseExceptionGroup():
            lines = _causes(error.exceptions[0])
        case click.ClickException():
            lines = [f"assent: {' '.join(error.format_message().split())}"]
        case ConfigurationError():
            lines = error.faults
        case DBAPIError():
            lines = [f"DATABASE_URL: {why(error)}"]
        case OSError():
            lines = [f"{error.filename or 'a file'}: {error.strerror or error}"]
        case AssentError() | ProofError():
            lines = [str(error)]
        case _:
            facts = logs.describe(error)
            what = f"a fault of ours, {facts['error']} at {facts['at']}"
            lines = [f"assent: {what}; please report it"]
    return lines


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="assent")
def main() -> None:
    """Assent asks people for consent in a Telegram chat, keeps a proof of every answer, and sends
    only to those who agreed.

    Settings come from the environment, or from .env in the working directory; see .env.example.
    """  # noqa: D205 click shows the first sentence as it stands


# --- the bot ----------------------------------------------------------------------------------


@main.command(short_help="Run the bot until it is stopped.")
@click.option("--role", type=click.Choice(["all"]), default="all", help="What this process does.")
def run(role: str) -> None:
    """Run the bot until it is stopped; migrates the database first.

    Prints the bot's t.me address. SIGTERM ends it cleanly: sends under way are finished first.
    """
    del role
    settings = _all_faults_at_once()
    _log_to(settings)
    from bot.app import running  # noqa: PLC0415 loads for seconds: only `run` waits for it

    _until_stopped(lambda: running.run(settings, click.echo))


def _all_faults_at_once() -> Settings:
    """Read settings and purposes; raise ConfigurationError with the faults of both."""
    faults: list[str] = []
    settings: Settings | None = None
    try:
        settings = load_settings(for_run=True)
    except ConfigurationError as error:
        faults = error.faults
    if (path := purposes_file()) is not None:
        try:
            load(path)
        except PurposesFileError as error:
            faults = [*faults, *error.faults]
    if faults or settings is None:
        raise ConfigurationError(faults)
    return settings


@main.command(name="demo", short_help="Try everything on this machine; needs no token.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True)
def demo_(port: int) -> None:
    """Try everything on this machine: a Telegram simulator with a chat page, and the bot.

    Needs no token and no network; keeps nothing when it ends.
    """
    logs.configure("console", "warning")
    from bot.app import demo  # noqa: PLC0415 it brings a web server, that others do not need

    _until_stopped(lambda: demo.run(port, click.echo))


@main.command(name="doctor", short_help="Check what the bot needs, one line each.")
def doctor_() -> int:
    """Check what the bot needs, one line each; exit status 1 when something is wrong."""
    settings = load_settings(for_run=True)
    _log_to(settings)
    findings = asyncio.run(doctor.examine(settings))
    for finding in findings:
        click.echo(f"{finding.mark} {finding.name}: {finding.what}")
    return 0 if all(finding.is_right for finding in findings) else FOUND


def _until_stopped(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run until the work ends, SIGTERM (status 0) or Ctrl+C (status 130)."""

    async def guarded() -> None:
        task = asyncio.ensure_future(work())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            # SIGTERM cancels the work only, Ctrl+C (asyncio.run) this task around it.
            around = asyncio.current_task()
            if around is not None and around.cancelling():
                raise

    asyncio.run(guarded())


def _log_to(settings: Settings) -> None:
    secrets = [settings.bot_token, settings.key_command, settings.webhook_secret]
    logs.configure(
        settings.log_format,
        settings.log_level,
        [secret.get_secret_value() for secret in secrets if secret is not None],
    )


# --- the purposes file, the database ----------------------------------------------------------


@main.group()
def purposes() -> None:
    """The purposes file: what people are asked for."""


@purposes.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
def check(file: Path | None) -> int:
    """Check a purposes file and name every fault by its key.

    Without FILE: the one of the setting PURPOSES_FILE.
    """
    path = file or load_settings(for_run=False).purposes_file
    if path.is_dir() or not os.access(path, os.R_OK):
        name = "FILE" if file else "PURPOSES_FILE"
        raise ConfigurationError([f"{name}: {path} cannot be read; name an existing file"])
    try:
        catalogue = load(path)
    except PurposesFileError as error:
        for fault in error.faults:
            click.echo(fault, err=True)
        return FOUND
    click.echo(f"{path}: {doctor.summary(catalogue)}")
    for warning in (*doctor.sample_warnings(catalogue), *doctor.advisory_warnings(catalogue)):
        click.echo(f"note: {warning}")
    return 0


@main.group()
def db() -> None:
    """The database."""


@db.command()
def upgrade() -> None:
    """Bring the schema up to what this program needs (`run` does it by itself)."""
    settings = load_settings(for_run=False)
    _log_to(settings)
    click.echo(f"the database has revision {asyncio.run(commands.upgrade(settings))}")


# --- the consent log --------------------------------------------------------------------------


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


@main.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where to write; the file is readable by you alone.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice([kind.value for kind in Format]),
    help="csv and jsonl are for reading, bundle can be verified. Default: by the name of --out.",
)
@click.option("--from", "start", type=Moment(), help="From this day on, or this instant.")
@click.option("--to", "end", type=Moment(), help="Up to this day, with it; or before this instant.")
@click.option("--purpose", "purpose_id", help="Only this purpose, by its id.")
def export(
    out: Path,
    kind: str | None,
    start: datetime | date | None,
    end: datetime | date | None,
    purpose_id: str | None,
) -> None:
    """Write the consent log to a file. The export itself is recorded in the log."""
    settings = load_settings(for_run=False)
    _log_to(settings)
    selection = Selection(
        start=_instant(start, settings.zone, days=0),
        end=_instant(end, settings.zone, days=1),
        purpose_id=None if purpose_id is None else commands.as_purpose_id(purpose_id),
    )
    chosen = Format(kind) if kind else _by_name(out)
    lines = asyncio.run(commands.export(settings, out, chosen, selection, _Progress("entries")))
    click.echo(f"{out}: {lines} consent events", err=True)


def _instant(given: datetime | date | None, zone: ZoneInfo, *, days: int) -> datetime | None:
    """Return where a day begins, or the next one where it ends."""
    if given is None or isinstance(given, datetime):
        return given
    day = given + timedelta(days=days)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _by_name(out: Path) -> Format:
    return next((kind for kind in Format if out.suffix == f".{kind.suffix}"), Format.CSV)


@main.command(short_help="Check bundles and proofs offline.")
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--key", "key_text", metavar="VKEY", help="The key that must have signed it.")
def verify(files: tuple[Path, ...], key_text: str | None) -> int:
    """Check bundles and proofs offline; needs no settings and trusts nobody.

    Exit status 0: everything holds; 1: something does not; 2: a file cannot be used.
    """
    trusted = None if key_text is None else note.parse_key(key_text)
    worst = 0
    for path in files:
        try:
            report = verifier.verify_file(path, trusted)
        except ProofError as error:
            click.echo(f"{path}: {error}", err=True)
            worst = CANNOT
            continue
        click.echo(_told(report))
        if not report.ok:
            worst = max(worst, FOUND)
    return worst


def _told(report: verifier.Report) -> str:
    lines = [f"{report.file}: {'holds' if report.ok else 'DOES NOT HOLD'}"]
    lines += [f"  ✗ {failure}" for failure in report.failures]
    if report.proof is not None:
        lines += _claims(report.proof)
    if report.ok:
        lines.append(f"  log {report.origin}, {report.size} entries, {report.opened} opened")
        lines += [f"  ✓ {line}" for line in report.proven]
    lines += [f"  ! {remark}" for remark in report.remarks]
    if report.key is not None and report.is_key_given:
        lines.append("  signed by the key that you gave")
    elif report.key is not None:
        lines.append(
            "  checked against the key in the file; compare its fingerprint by another way:"
        )
        lines.append(f"    {report.key.fingerprint}")
    lines.append("  not proven:")
    lines += [f"    - {line}" for line in report.not_proven]
    return "\n".join(lines)


def _claims(proof: Proof) -> list[str]:
    """Say what a person's proof is about, in the words of its own payload."""
    names = ("event", "purpose", "notice_version", "account", "previous")
    said = [f"{name} {proof.payload[name]}" for name in names if name in proof.payload]
    return [f"  entry {proof.index}, {proof.entry.time}: {', '.join(said)}"]


class _Progress:
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
