"""Proofs that need not be kept any more, and legal holds that keep them."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click

from bot.app import privacy as work
from bot.cli.console import Progress, log_to
from bot.settings import Settings, load_settings
from bot.usecases.retention import Ahead, Report, Tally


@click.group()
def privacy() -> None:
    """How long proofs are kept, and legal holds."""


@privacy.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write what was deleted to this file, as JSON.",
)
def sweep(report_file: Path | None, *, dry_run: bool) -> None:
    """Delete the proofs of consents that ended longer ago than the purpose keeps them.

    `run` does it by itself once a day. People under a legal hold are left alone. The terms are
    those of the purposes file at the last start of `run`.
    """
    settings = _settings()
    if dry_run:
        if report_file is not None:
            raise click.UsageError("--report tells what was deleted; --dry-run deletes nothing")
        lines = _ahead_lines(asyncio.run(work.survey(settings)), settings)
    else:
        report, is_wal_empty = asyncio.run(work.sweep(settings, report_file, Progress("people")))
        lines = _report_lines(report, settings)
        if not is_wal_empty:
            click.echo(
                "the write-ahead log is still being read by another program; a running bot "
                "empties it, else run this command again",
                err=True,
            )
    for line in lines:
        click.echo(line)


@privacy.command()
@click.option("--account", required=True, help="The person's Telegram id.")
@click.option("--reason", required=True, help="One line that names no person: it stays in the log.")
def hold(account: str, reason: str) -> None:
    """Keep a person's proofs, whatever they ask and whatever term is over."""
    placed = asyncio.run(work.hold(_settings(), account, reason))
    click.echo(f"held: {placed.subject_id}")


@privacy.command()
@click.option("--account", required=True, help="The person's Telegram id.")
def release(account: str) -> None:
    """End a legal hold. Whoever asked for erasure meanwhile is erased at once."""
    subject_id, is_erased = asyncio.run(work.release(_settings(), account))
    click.echo(f"released: {subject_id}")
    if is_erased:
        click.echo("the person had asked for erasure; everything about them is deleted now")


@privacy.command()
def holds() -> None:
    """List the legal holds: since when, our id of the person, why; no names."""
    settings = _settings()
    for one in asyncio.run(work.standing(settings)):
        waits = "" if one.erasure_wanted_at is None else "; erasure asked for, waits for release"
        click.echo(f"{_day(one.placed_at, settings)} {one.subject_id} {one.reason}{waits}")


def _settings() -> Settings:
    settings = load_settings(for_run=False)
    log_to(settings)
    return settings


def _day(at: datetime, settings: Settings) -> str:
    return at.astimezone(settings.zone).date().isoformat()


# --- the report ---------------------------------------------------------------------------------


def _ahead_lines(ahead: list[Ahead], settings: Settings) -> Iterator[str]:
    for one in ahead:
        if one.due is None:
            yield _kept_until_asked(one)
            continue
        due = one.due
        line = f"{one.rule.purpose_id}: {due.people} people, {due.entries} entries to delete"
        if due.earliest is not None and due.latest is not None:
            ends = f"{_day(due.earliest, settings)} to {_day(due.latest, settings)}"
            line += f"; their consents ended {ends}"
        yield f"{line}; {_law(one, settings)}{_left(one)}"


def _report_lines(report: Report, settings: Settings) -> Iterator[str]:
    for one in report.ahead:
        if one.due is None:
            yield _kept_until_asked(one)
            continue
        swept = report.tally.purposes.get(one.rule.purpose_id)
        line = f"{one.rule.purpose_id}: nothing to delete"
        if swept is not None:
            first, last = (
                _day(datetime.fromisoformat(at), settings) for at in (swept.earliest, swept.latest)
            )
            line = (
                f"{one.rule.purpose_id}: deleted for {swept.people} people: {swept.entries} "
                f"entries, {swept.deliveries} deliveries; their consents ended {first} to {last}"
            )
        yield f"{line}; {_law(one, settings)}{_left(one)}"
    yield from _totals(report.tally)
    if report.index is not None:
        yield f"recorded in the log as entry {report.index}"


def _totals(tally: Tally) -> Iterator[str]:
    if tally.people_erased:
        yield f"people of whom nothing was left, deleted whole: {tally.people_erased}"
    if tally.campaigns:
        yield f"drafts and cancelled campaigns older than 90 days, deleted: {tally.campaigns}"


def _kept_until_asked(one: Ahead) -> str:
    return f"{one.rule.purpose_id}: no keep_proof_for; kept until the person asks for erasure"


def _law(one: Ahead, settings: Settings) -> str:
    law = one.rule.law.get(settings.default_locale) or next(iter(one.rule.law.values()), None)
    return f"kept {one.rule.period}" + (f" by {law}" if law else ", no keep_proof_rule is given")


def _left(one: Ahead) -> str:
    assert one.due is not None  # noqa: S101 asked only where there is a term
    left = ""
    if one.due.held:
        left += f"; under a legal hold: {one.due.held}"
    if one.due.waiting:
        left += f"; for a later sweep: {one.due.waiting}"
    return left
