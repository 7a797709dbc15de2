"""A complaint answered from the command line."""

import asyncio
from pathlib import Path
from typing import Final

import click

from bot.app import commands
from bot.cli.console import log_to
from bot.consent.rules import SubjectId
from bot.settings import load_settings
from bot.usecases.dossier_facts import (
    SUBJECT,
    ByIndex,
    BySubject,
    Wanted,
    account_named,
    entry_named,
)
from locales import LOCALES

SUFFIXES: Final = (".html", ".json")
INDEX_DIGITS: Final = 18


@click.command(short_help="Everything about one person, with its proofs.")
@click.option("--account", metavar="ID", help="The number of their Telegram account.")
@click.option("--entry", metavar="ID", help="An entry from their receipt: its id or its number.")
@click.option("--subject", metavar="ID", help="Our own id of them, as exports show it.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where to write: FILE.html to read and print, FILE.json for programs.",
)
@click.option("--locale", type=click.Choice(LOCALES), help="The language. Default: DEFAULT_LOCALE.")
def dossier(
    account: str | None, entry: str | None, subject: str | None, out: Path, locale: str | None
) -> None:
    """Write everything about one person who complains or asks, with the proofs of their answers.

    One of --account, --entry and --subject says whom. That it was opened is recorded in the log.
    """
    wanted = _wanted(account, entry, subject)
    if out.suffix not in SUFFIXES:
        raise click.UsageError(f"--out: {out.name} must end in .html or .json")
    settings = load_settings(for_run=False)
    log_to(settings)
    spoken = locale or settings.default_locale
    index = asyncio.run(commands.dossier(settings, out, wanted, spoken))
    click.echo(f"{out}: recorded in the log as entry {index}", err=True)


def _wanted(account: str | None, entry: str | None, subject: str | None) -> Wanted:
    if sum(value is not None for value in (account, entry, subject)) != 1:
        raise click.UsageError("name the person by one of --account, --entry, --subject")
    if account is not None:
        found: Wanted | None = account_named(account)
        wrong = "--account: not the number of an account, like 123456789"
    elif entry is not None:
        number = entry.isdecimal() and entry.isascii() and len(entry) <= INDEX_DIGITS
        found = ByIndex(int(entry)) if number else entry_named(entry)
        wrong = "--entry: not an entry; give its 32 characters or its number"
    else:
        is_id = SUBJECT.fullmatch(subject or "")
        found = BySubject(SubjectId(subject or "")) if is_id else None
        wrong = "--subject: not an id of a person; it has 32 characters, 0-9 and a-f"
    if found is None:
        raise click.UsageError(wrong)
    return found
