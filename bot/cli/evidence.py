"""The consent log, taken out and checked."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from cryptography import x509

from bot.app import commands
from bot.cli.console import CANNOT, FOUND, Moment, Progress, log_to
from bot.proof import comparison, note, verifier
from bot.proof.errors import ProofError
from bot.proof.proof_file import Proof
from bot.proof.report import Report
from bot.proof.words import CLOCKS
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
@click.option(
    "--subject",
    "people",
    multiple=True,
    metavar="ID",
    help="Only this person: their account, or our 32-digit id. May be repeated.",
)
@click.option("--public", "is_public", is_flag=True, help="Without anybody's data.")
def export(
    out: Path,
    kind: str | None,
    start: datetime | date | None,
    end: datetime | date | None,
    purpose_id: str | None,
    people: tuple[str, ...],
    *,
    is_public: bool,
) -> None:
    """Write the consent log to a file. The export itself is recorded in the log."""
    if is_public and (purpose_id is not None or people):
        raise click.UsageError("--public opens nobody; leave out --purpose and --subject")
    if any(not _is_text(person) for person in people):
        raise click.BadParameter("not text in UTF-8", param_hint="--subject")
    settings = load_settings(for_run=False)
    log_to(settings)
    selection = Selection(
        start=_instant(start, settings.zone, "--from", days=0),
        end=_instant(end, settings.zone, "--to", days=1),
        purpose_id=None if purpose_id is None else commands.as_purpose_id(purpose_id),
        is_public=is_public,
    )
    chosen = Format(kind) if kind else _by_name(out)
    writing = commands.export(settings, out, chosen, selection, Progress("entries"), people=people)
    lines = asyncio.run(writing)
    click.echo(f"{out}: {lines} consent events", err=True)


def _instant(
    given: datetime | date | None, zone: ZoneInfo, option: str, *, days: int
) -> datetime | None:
    """Return where a day begins, or the next one where it ends."""
    if given is None:
        return None
    try:
        if isinstance(given, datetime):
            return given.astimezone(UTC)
        day = given + timedelta(days=days)
        return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    except OverflowError as error:
        raise click.BadParameter("the calendar ends there", param_hint=option) from error


def _is_text(given: str) -> bool:
    """Whether no bytes of an argument were left undecoded."""
    return all(not "\ud800" <= character <= "\udfff" for character in given)


def _by_name(out: Path) -> Format:
    return next((kind for kind in Format if out.suffix == f".{kind.suffix}"), Format.CSV)


@click.command(short_help="Check bundles and proofs offline.")
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--key", "key_text", metavar="VKEY", help="The key that must have signed it.")
@click.option(
    "--stamp-roots",
    "roots_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="PEM certificates of the time authorities that you trust.",
)
def verify(files: tuple[Path, ...], key_text: str | None, roots_file: Path | None) -> int:
    """Check bundles, proofs and checkpoints offline; needs no settings and trusts nobody.

    Several files are also held against each other: an older bundle and a newer one, a person's
    proof and a later bundle or checkpoint.

    Exit status 0: everything holds; 1: something does not; 2: a file cannot be used.
    """
    trusted = None if key_text is None else note.parse_key(key_text)
    roots = None if roots_file is None else _roots(roots_file)
    reports: list[Report] = []
    worst = 0
    # A checkpoint alone is checked with the keys of the other files, so it comes last.
    for path in sorted(files, key=verifier.is_checkpoint):
        known = [report.key for report in reports if report.ok and report.key is not None]
        try:
            report = verifier.verify_file(path, trusted, roots, known)
        except ProofError as error:
            click.echo(_plain(f"{path}: {error}"), err=True)
            worst = CANNOT
            continue
        reports.append(report)
        click.echo(_told(report))
        if not report.ok:
            worst = max(worst, FOUND)
    together = comparison.compare(reports)
    for line in _together(together):
        click.echo(line)
    return worst if together.ok else max(worst, FOUND)


def _roots(path: Path) -> list[bytes]:
    """Return the certificates of a PEM file."""
    pem = path.read_bytes()
    try:
        x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise click.BadParameter("not certificates in PEM", param_hint="--stamp-roots") from error
    return [pem]


def _told(report: Report) -> str:
    lines = [f"{report.file}: {'holds' if report.ok else 'DOES NOT HOLD'}"]
    lines += [f"  ✗ {failure}" for failure in report.failures]
    if report.more_failures:
        lines.append(f"  ✗ and {report.more_failures} more")
    if report.proof is not None:
        lines += _claims(report.proof)
    if report.ok:
        opened = "" if report.is_checkpoint else f", {report.opened} opened"
        lines.append(f"  log {report.origin}, {report.size} entries{opened}")
        lines += [f"  ✓ {line}" for line in report.proven]
    lines += [f"  ! {remark}" for remark in report.remarks]
    if report.more_remarks:
        lines.append(f"  ! and {report.more_remarks} more")
    if report.ok and not report.is_checkpoint:
        lines.append("  clocks:")
        lines += [f"    - {line}" for line in (*report.clocks, *CLOCKS)]
    lines += _whose(report)
    lines.append("  not proven:")
    lines += [f"    - {line}" for line in report.not_proven]
    return "\n".join(map(_plain, lines))


def _plain(text: str) -> str:
    """Write what others wrote in one line: nothing in it moves a cursor or hides words."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "backslashreplace").decode()
        for each in text
    )


def _whose(report: Report) -> list[str]:
    if report.key is None:
        return []
    if report.is_key_given:
        return ["  signed by the key that you gave"] if report.ok else []
    return [
        "  checked against the key in the file; compare its fingerprint by another way:",
        f"    {report.key.fingerprint}",
    ]


def _claims(proof: Proof) -> list[str]:
    """Say what a person's proof is about, in the words of its own payload."""
    names = ("event", "purpose", "notice_version", "account", "previous")
    said = [f"{name} {proof.payload[name]}" for name in names if name in proof.payload]
    return [f"  entry {proof.index}, {proof.entry.time}: {', '.join(said)}"]


def _together(found: comparison.Comparison) -> list[str]:
    lines = [f"  ✗ {failure}" for failure in found.failures]
    lines += [f"  ✓ {agreement}" for agreement in found.agreements]
    lines += [f"  ! {remark}" for remark in found.remarks]
    if not lines:
        return []
    outcome = "no contradiction" if found.ok else "THEY CONTRADICT"
    return [f"together: {outcome}", *map(_plain, lines)]
