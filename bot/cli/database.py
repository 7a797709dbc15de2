"""The database."""

import asyncio

import click

from bot.app import commands
from bot.cli.console import log_to
from bot.settings import load_settings


@click.group()
def db() -> None:
    """The database."""


@db.command()
def upgrade() -> None:
    """Bring the schema up to what this program needs (`run` does it by itself)."""
    settings = load_settings(for_run=False)
    log_to(settings)
    click.echo(f"the database has revision {asyncio.run(commands.upgrade(settings))}")
