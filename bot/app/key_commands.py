"""What the commands `keys …` do with the parts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot.app import commands, core
from bot.app.core import build_core, open_database, open_keystore, read_kek
from bot.clock import utc_now
from bot.errors import ConfigurationError
from bot.proof.note import VerifierKey
from bot.settings import Settings
from bot.usecases.key_rotation import due_at
from bot.usecases.signing_keys import Loss
from storage import key_changes, keystore, migrations
from storage.database import Database
from storage.keystore import Keystore, SignedTree

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatus:
    """What the keystore holds, and how the log stands to it."""

    opened: Keystore
    last: SignedTree | None
    log_size: int | None
    """None: there is no database of this version yet."""
    log_continues: bool

    @property
    def due_at(self) -> datetime:
        return due_at(self.opened)


# --- making and looking -----------------------------------------------------------------------


async def init(settings: Settings, origin: str | None) -> tuple[Keystore, bool]:
    """Make the keystore, and the key file if there is none; tell whether that was made too.

    Raises ConfigurationError.
    """
    name = origin or settings.log_origin
    if name is None:
        raise ConfigurationError(
            [
                (
                    "LOG_ORIGIN: the log needs its name now; give --origin assent/ and the bot's "
                    "user name, which is what `run` would take"
                )
            ]
        )
    if settings.keystore.exists():
        raise ConfigurationError([f"KEYSTORE_FILE: there is {settings.keystore} already"])
    if settings.database_path is None or settings.database_path.exists():
        async with open_database(settings) as database:
            if await core.has_people(database):
                raise ConfigurationError(
                    ["DATABASE_URL: it has people in it; put their keystore back from its backup"]
                )
    makes_key = settings.has_key_file and not settings.key_file.exists()
    kek = keystore.create_kek(settings.key_file) if makes_key else read_kek(settings)
    return keystore.create(settings.keystore, kek, name, utc_now()), makes_key


def public_keys(settings: Settings) -> tuple[VerifierKey, tuple[VerifierKey, ...]]:
    """Return the key that signs now, and those that signed before, oldest first."""
    opened = open_keystore(settings, read_kek(settings))
    return opened.key, opened.former_keys


async def status(settings: Settings) -> KeyStatus:
    """Look at keystore and log; change nothing."""
    opened = open_keystore(settings, read_kek(settings))
    path = settings.database_path
    if path is not None and not path.exists():
        return _without_log(opened)
    async with open_database(settings) as database:
        return await status_of(database, opened)


async def status_of(database: Database, opened: Keystore) -> KeyStatus:
    """Look at an open database, of whatever version."""
    found, needed = await migrations.revisions(database)
    if found != needed:
        return _without_log(opened)
    standing = await build_core(database, opened).signer.standing()
    return KeyStatus(
        opened=opened,
        last=standing.last,
        log_size=standing.head.size,
        log_continues=standing.continues,
    )


def _without_log(opened: Keystore) -> KeyStatus:
    return KeyStatus(opened=opened, last=opened.last_signed(), log_size=None, log_continues=True)


# --- changing ---------------------------------------------------------------------------------


async def rotate_epoch(settings: Settings, progress: Progress) -> tuple[Keystore, bool]:
    """Rotate the epoch key; tell whether an earlier rotation was finished instead."""
    async with commands.opened(settings) as parts:
        was_unfinished = bool(parts.keystore().retiring)
        await parts.rotation.rotate(utc_now(), progress)
        return parts.keystore(), was_unfinished


async def change_signing_key(settings: Settings) -> VerifierKey:
    async with commands.opened(settings) as parts:
        return await parts.signing_keys.change(utc_now())


async def loss(settings: Settings) -> Loss:
    """Say what is lost. Raises NothingLost."""
    async with commands.opened(settings) as parts:
        return await parts.signing_keys.loss()


async def continue_after_loss(settings: Settings) -> VerifierKey:
    async with commands.opened(settings) as parts:
        # Looked at again: while a person thought, a newer copy may have been put back.
        found = await parts.signing_keys.loss()
        return await parts.signing_keys.continue_after(found, utc_now())


def rewrap(settings: Settings, new_file: Path) -> None:
    """Make a key file, and wrap the keystore by it. Raises ConfigurationError."""
    if new_file.exists():
        raise ConfigurationError([f"--kek: there is {new_file} already; name a new file"])
    folder = settings.database_folder
    if folder is not None and new_file.resolve().is_relative_to(folder):
        raise ConfigurationError(
            [f"--kek: {new_file} lies in the folder of the database; name another place"]
        )
    from bot.app.exclusion import only_one  # noqa: PLC0415 loads for seconds: for this command only

    with only_one(settings):
        opened = open_keystore(settings, read_kek(settings))
        key_changes.rewrap(opened, keystore.create_kek(new_file))
