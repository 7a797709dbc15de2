"""The consent log, taken out and checked."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from bot.app import commands
from bot.cli.console import CANNOT, FOUND, Moment, Progress, log_to
from bot.proof import note, verifier
from bot.proof.errors import ProofError
from bot.proof.proof_file import Proof
from bot.settings import load_settings
from bot.usecases.exports import Format, Selection


@click.command()
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
    log_to(settings)
    selection = Selection(
        start=_instant(start, settings.zone, days=0),
        end=_instant(end, settings.zone, days=1),
        purpose_id=None if purpose_id is None else commands.as_purpose_id(purpose_id),
    )
    chosen = Format(kind) if kind else _by_name(out)
    lines = asyncio.run(commands.export(settings, out, chosen, selection, Progress("entries")))
    click.echo(f"{out}: {lines} consent events", err=True)


def _instant(given: datetime | date | None, zone: ZoneInfo, *, days: int) -> datetime | None:
    """Return where a day begins, or the next one where it ends."""
    if given is None or isinstance(given, datetime):
        return given
    day = given + timedelta(days=days)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _by_name(out: Path) -> Format:
    return next((kind for kind in Format if out.suffix == f".{kind.suffix}"), Format.CSV)


@click.command(short_help="Check bundles and proofs offline.")
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
