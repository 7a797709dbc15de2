"""Copies of the database."""

import asyncio
from pathlib import Path

import click

from bot.app import copies
from bot.cli.console import Progress, log_to
from bot.settings import load_settings

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(short_help="Copy the database while it is used.")
@click.argument("file", type=FILE)
def backup(file: Path) -> None:
    """Copy the SQLite database to FILE while the bot runs, and look the copy through: its log is
    computed again and held against the last signed checkpoint.

    The copy has no keys: back up KEY_FILE and KEYSTORE_FILE too, and keep them apart from it.
    """  # noqa: D205 click shows the first sentence as it stands
    settings = load_settings(for_run=False)
    log_to(settings)
    made = asyncio.run(copies.back_up(settings, file, Progress("pages")))
    size, until = made.contents.size, made.contents.last_entry_time or "never"
    click.echo(f"{file}: {size} entries in its log, the last one of {until}", err=True)
    if made.lost:
        click.echo(f"{made.lost} signed entries are missing, as in the database itself", err=True)
    click.echo("keys are not in it: keep KEY_FILE and KEYSTORE_FILE apart from it", err=True)


@click.command(short_help="Put a copy of the database back.")
@click.argument("file", type=FILE)
@click.option("--yes", is_flag=True, help="Do not ask.")
def restore(file: Path, *, yes: bool) -> None:
    """Put a copy that `backup` made in the place of the SQLite database.

    It is looked through first; the former database is kept beside it. At the next `run` unfinished
    sends are uncertain, schedules wait, and advertising waits for an admin: whoever left since the
    copy was made would otherwise be written to.
    """
    settings = load_settings(for_run=False)
    log_to(settings)
    found = asyncio.run(copies.look(settings, file))
    contents = found.contents
    click.echo(f"{file}: {contents.size} entries in its log", err=True)
    if contents.fetched_at is not None:
        click.echo(
            f"it last heard of Telegram at {contents.fetched_at:%Y-%m-%d %H:%M:%S} UTC, and its "
            f"last entry is of {contents.last_entry_time or 'never'}; "
            "it knows nothing of what came after: answers, withdrawals, sends",
            err=True,
        )
    if found.lost:
        click.echo(
            f"{found.lost} signed entries are lost with it; the log is not signed any more "
            "until: keys continue-after-loss",
            err=True,
        )
    if not yes:
        click.confirm("Put it in the place of the database?", abort=True, err=True)
    replaced = asyncio.run(copies.put_back(settings, file, found))
    click.echo(f"done; the former database, with people's data, is {replaced}", err=True)
