"""The program: its commands, its exit status. 0 done, 1 a check found something, 2 cannot."""

import os
from collections.abc import Sequence
from typing import Final

import click
from sqlalchemy.exc import DBAPIError

from bot import logs
from bot.app.core import why
from bot.cli import (
    copies,
    database,
    dossier,
    evidence,
    keys,
    privacy,
    purposes,
    running,
)
from bot.cli.console import CANNOT
from bot.errors import AssentError, ConfigurationError
from bot.proof.errors import ProofError

INTERRUPTED: Final = 130


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


for command in (
    running.run,
    running.demo,
    running.doctor,
    purposes.purposes,
    database.db,
    copies.backup,
    copies.restore,
    privacy.privacy,
    evidence.export,
    evidence.verify,
    dossier.dossier,
    keys.keys,
):
    main.add_command(command)
