"""The keys: made, looked at, replaced."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click

from bot.app import key_commands
from bot.app.key_commands import KeyStatus
from bot.cli.console import Progress, log_to
from bot.proof.note import VerifierKey
from bot.settings import Settings, load_settings
from bot.usecases.signing_keys import Loss
from storage.keystore import SignedTree


@click.group()
def keys() -> None:
    """The keys: what opens the data, and what signs the log."""


def _settings() -> Settings:
    settings = load_settings(for_run=False)
    log_to(settings)
    return settings


@keys.command()
@click.option("--origin", metavar="NAME", help="The log's name. Default: the setting LOG_ORIGIN.")
def init(origin: str | None) -> None:
    """Make the key and the keystore before the first start (`run` does it by itself)."""
    settings = _settings()
    opened, is_key_new = asyncio.run(key_commands.init(settings, origin))
    if is_key_new:
        click.echo(f"a new key was made: {settings.key_file.resolve()}")
    click.echo(f"a new keystore was made: {opened.path.resolve()}")
    click.echo(f"the log is called {opened.origin}; its key has the fingerprint")
    click.echo(f"  {opened.key.fingerprint}")
    click.echo("keep copies of both apart from the database: without them nothing can be read")


@keys.command()
def status() -> None:
    """Tell how old the keys are, what is due, and whether the log continues what was signed."""
    for line in _told(asyncio.run(key_commands.status(_settings()))):
        click.echo(line)


def _told(found: KeyStatus) -> Iterator[str]:
    opened = found.opened
    generation = opened.keyring.generation
    yield f"log: {opened.origin}"
    yield f"signing key: {opened.key.fingerprint}"
    if opened.former_keys:
        yield f"former signing keys: {len(opened.former_keys)}; `keys export-public` has them"
    if opened.successor is not None:
        yield "a change of the signing key is not finished; run the same command again"
    made = f"{opened.made[generation]:%Y-%m-%d %H:%M}Z"
    yield f"epoch key: number {generation}, made {made}, rotation is due {found.due_at:%Y-%m-%d}"
    if opened.retiring:
        yield "a rotation is not finished: `run` goes on with it, or `keys rotate`"
    yield f"signed last: {_signed(found.last)}"
    if found.log_size is None:
        yield "the log: no database of this version yet"
    elif found.log_continues:
        yield f"the log: {found.log_size} entries; it continues what was signed last"
    else:
        yield (
            f"the log: {found.log_size} entries; it does NOT continue what was signed last, and is "
            "not signed: put back a newer copy of the database, or `keys continue-after-loss`"
        )


def _signed(tree: SignedTree | None) -> str:
    if tree is None:
        return "nothing yet"
    return f"{tree.size} entries{_at(tree.at)}"


def _at(moment: datetime | None) -> str:
    return "" if moment is None else f", {moment:%Y-%m-%d %H:%M:%S}Z"


@keys.command()
@click.option("--signing", is_flag=True, help="Replace the key that signs the log instead.")
@click.option(
    "--kek",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="NEWFILE",
    help="Replace the key-encryption key instead; the new one is made there.",
)
def rotate(*, signing: bool, kek: Path | None) -> None:
    """Replace the epoch key, so that older copies of the database do not open any more.

    Works beside a running bot, and goes on with a rotation that was cut short.
    """
    if signing and kek is not None:
        raise click.UsageError("choose one of --signing and --kek")
    settings = _settings()
    if kek is not None:
        _rotate_kek(settings, kek)
    elif signing:
        key = asyncio.run(key_commands.change_signing_key(settings))
        click.echo("another key signs the log from now on; its fingerprint is")
        click.echo(f"  {key.fingerprint}")
        click.echo("publish it: `keys export-public`; earlier checkpoints stay verifiable")
        click.echo("copy the keystore now; its older copies sign nothing any more")
    else:
        _rotate_epoch(settings)


def _rotate_epoch(settings: Settings) -> None:
    opened, was_unfinished = asyncio.run(
        key_commands.rotate_epoch(settings, Progress("keys wrapped anew"))
    )
    what = "the rotation that was cut short is finished" if was_unfinished else "rotated"
    click.echo(f"{what}: epoch key {opened.keyring.generation} is in use, the old one is destroyed")
    click.echo("copies of the database from before this moment do not open any more")
    click.echo(f"copy {opened.path} now, and delete its older copies")


def _rotate_kek(settings: Settings, new_file: Path) -> None:
    key_commands.rewrap(settings, new_file)
    click.echo(f"the keystore is wrapped by the key in {new_file.resolve()}")
    former = "KEY_FILE" if settings.has_key_file else "KEY and KEY_COMMAND"
    click.echo(f"set KEY_FILE={new_file.resolve()} (in place of {former}), then start again")
    if settings.database_path is None:
        click.echo("a bot that runs goes on with its keys, but signs nothing until it starts again")
    click.echo("the former key opens the older copies of the keystore: delete those, then the key")


@keys.command(name="export-public")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write. Default: standard output.",
)
def export_public(out: Path | None) -> None:
    """Write the public keys: what others verify with (`verify --key`)."""
    key, former = key_commands.public_keys(_settings())
    text = "".join(f"{line}\n" for line in _public(key, former))
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text)
        out.chmod(0o644)  # it is for everybody


def _public(key: VerifierKey, former: tuple[VerifierKey, ...]) -> Iterator[str]:
    yield str(key)
    yield f"# fingerprint: {key.fingerprint}"
    for number, before in enumerate(former, start=1):
        yield f"# former {number}: {before}"
        yield f"# former {number}, fingerprint: {before.fingerprint}"


@keys.command(name="continue-after-loss")
@click.option("--yes", is_flag=True, help="Do not ask.")
def continue_after_loss(*, yes: bool) -> None:
    """Begin a new log after entries were lost for good; its first entry says what is lost.

    Only where the log does not continue what was signed last: a copy of the database was put
    back, and there is no newer one.
    """
    settings = _settings()
    for line in _loss(asyncio.run(key_commands.loss(settings))):
        click.echo(line)
    if not yes and not click.confirm("Is there no newer copy? Begin a new log?"):
        raise click.ClickException("nothing was changed")
    key = asyncio.run(key_commands.continue_after_loss(settings))
    click.echo(f"the log goes on as {key.name}; its key has the fingerprint")
    click.echo(f"  {key.fingerprint}")
    click.echo("publish it: `keys export-public`; copy the keystore now")


def _loss(found: Loss) -> Iterator[str]:
    signed, agreed = found.signed, found.agreed
    until = f", until {found.agreed_until}" if found.agreed_until else ""
    yield f"signed last: {_signed(signed)}"
    yield f"this log agrees with what was signed up to {agreed} entries{until}"
    yield (
        f"lost: what was recorded after that, {signed.size - agreed} entries at most, and what was "
        "recorded since the last signature; withdrawals too"
    )
