"""The bot itself, its demo, and what it needs."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import click

from bot import logs
from bot.app import doctor as examination
from bot.cli.console import FOUND, log_to
from bot.consent.loader import PurposesFileError, load
from bot.errors import ConfigurationError
from bot.settings import Settings, load_settings, purposes_file


@click.command(short_help="Run the bot until it is stopped.")
@click.option("--role", type=click.Choice(["all"]), default="all", help="What this process does.")
def run(role: str) -> None:
    """Run the bot until it is stopped; migrates the database first.

    Prints the bot's t.me address. SIGTERM ends it cleanly: sends under way are finished first.
    """
    del role
    settings = _all_faults_at_once()
    log_to(settings)
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


@click.command(name="demo", short_help="Try everything on this machine; needs no token.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True)
def demo(port: int) -> None:
    """Try everything on this machine: a Telegram simulator with a chat page, and the bot.

    Needs no token and no network; keeps nothing when it ends.
    """
    logs.configure("console", "warning")
    from bot.app import demo as show  # noqa: PLC0415 it brings a web server, that others do not need

    _until_stopped(lambda: show.run(port, click.echo))


@click.command(name="doctor", short_help="Check what the bot needs, one line each.")
def doctor() -> int:
    """Check what the bot needs, one line each; exit status 1 when something is wrong."""
    settings = load_settings(for_run=True)
    log_to(settings)
    findings = asyncio.run(examination.examine(settings))
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
