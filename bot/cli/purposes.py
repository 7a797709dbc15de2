"""The purposes file."""

import os
from pathlib import Path

import click

from bot.app import doctor
from bot.cli.console import FOUND
from bot.consent.loader import PurposesFileError, load
from bot.errors import ConfigurationError
from bot.settings import load_settings


@click.group()
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
    for term in doctor.terms(catalogue):
        click.echo(term)
    return 0
