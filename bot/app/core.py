"""The parts that every command needs: database, keys, purposes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import inspect
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from bot.errors import ConfigurationError
from bot.settings import Settings
from bot.usecases.checkpoints import Signer
from bot.usecases.dossiers import DossierDesk
from bot.usecases.exports import ExportDesk
from bot.usecases.journal import Journal
from bot.usecases.key_rotation import KeyRotation
from bot.usecases.sealing import SealDesk
from bot.usecases.signing_keys import SigningKeys
from bot.usecases.wrapping import KeystoreOutdated, wrapping_keyring
from storage import facts, keystore, migrations, subjects
from storage.database import Database
from storage.facts import Fact
from storage.key_holder import KeystoreHolder
from storage.keystore import Keystore


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What commands and the bot share."""

    database: Database
    keystore: KeystoreHolder
    journal: Journal
    signer: Signer
    exports: ExportDesk
    dossiers: DossierDesk
    rotation: KeyRotation
    signing_keys: SigningKeys


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """Open the database. Raises ConfigurationError when it cannot be reached or written."""
    try:
        database = Database(settings.database_url)
    except OSError as error:
        raise ConfigurationError(
            [f"DATABASE_URL: its folder cannot be made ({error.strerror})"]
        ) from error
    try:
        yield database
    finally:
        await database.close()


async def upgrade(database: Database) -> None:
    """Migrate. Raises ConfigurationError naming the setting."""
    try:
        await migrations.upgrade(database)
    except (DBAPIError, OSError) as error:
        raise ConfigurationError([f"DATABASE_URL: {why(error)}"]) from error


def why(error: BaseException) -> str:
    """Say why the database refuses, and what to do; without a word of what it was asked."""
    text = str(getattr(error, "orig", error)).lower()
    if "locked" in text:
        return "the database is locked by another program; stop that one and try again"
    if "readonly" in text or "read-only" in text or "unable to open" in text:
        return "the database cannot be written; check the owner and mode of file and folder"
    if "malformed" in text or "not a database" in text:
        return "the database file is damaged; restore it from its backup"
    if "full" in text:
        return "the disk is full; make room and try again"
    if isinstance(error, OSError) or "connect" in text:
        return "the database server cannot be reached; check host, port and that it runs"
    return f"the database cannot be used ({type(error).__name__})"


def is_new(connection: Connection) -> bool:
    return "subject" not in inspect(connection).get_table_names()


async def has_people(database: Database) -> bool:
    async with database.snapshot() as tx:
        if await tx.run_sync(is_new):
            return False
        return await subjects.count(tx) > 0


async def open_keys(
    settings: Settings, database: Database, *, origin: str | None, at: datetime
) -> tuple[Keystore, list[str]]:
    """Open the keystore; make key and keystore where both are missing and nobody is known yet.

    `origin` names a new log; None: only what exists is opened. Returns what a person should be
    told, besides. Raises ConfigurationError.
    """
    told: list[str] = []
    path = settings.keystore
    missing_key = settings.has_key_file and not settings.key_file.exists()
    if (missing_key or not path.exists()) and await has_people(database):
        name, gone = ("KEY_FILE", settings.key_file) if missing_key else ("KEYSTORE_FILE", path)
        raise ConfigurationError(
            [
                (
                    f"{name}: {gone} is missing, but the database has people in it whose data only "
                    "it opens; restore it from its backup"
                )
            ]
        )
    if missing_key:
        if origin is None:
            raise ConfigurationError(
                [f"KEY_FILE: {settings.key_file} is missing; it is made at the first `run`"]
            )
        kek = keystore.create_kek(settings.key_file)
        told.append(f"a new key was made: {settings.key_file.resolve()}; keep a copy apart")
    else:
        kek = read_kek(settings)
    if not path.exists():
        if origin is None:
            raise ConfigurationError(
                [f"KEYSTORE_FILE: {path} is missing; it is made at the first `run`"]
            )
        return keystore.create(path, kek, origin, at), told
    opened = open_keystore(settings, kek)
    return opened, told


def open_keystore(settings: Settings, kek: bytes) -> Keystore:
    """Open the keystore of the settings. Raises ConfigurationError."""
    opened = keystore.open_keystore(settings.keystore, kek)
    _check_origin(settings, opened)
    return opened


def read_kek(settings: Settings) -> bytes:
    """Read the key-encryption key from wherever it is. Raises ConfigurationError."""
    if settings.key is not None:
        return keystore.decode_kek(settings.key.get_secret_value().encode(), "KEY")
    if settings.key_command is not None:
        return keystore.ask_kek(settings.key_command.get_secret_value())
    return keystore.read_kek(settings.key_file)


def _check_origin(settings: Settings, opened: Keystore) -> None:
    if settings.log_origin is not None and settings.log_origin not in opened.origins:
        raise ConfigurationError(
            [
                (
                    f"LOG_ORIGIN: the log is called {opened.origin} since its first start; "
                    "remove the setting or put this name"
                )
            ]
        )


async def remember_origin(database: Database, opened: Keystore) -> None:
    """Tie the database to its keystore. Raises ConfigurationError for another's, or an older one.

    The database may know the log by a name from before a loss, or by the one that comes next.
    """
    async with database.transaction() as tx:
        try:
            await wrapping_keyring(tx, lambda: opened.keyring)
        except KeystoreOutdated as error:
            raise ConfigurationError([error.detail]) from error
        known = await facts.get(tx, Fact.LOG_ORIGIN)
        if known is None:
            await facts.put(tx, Fact.LOG_ORIGIN, opened.origin)
        elif known not in opened.origins:
            raise ConfigurationError(
                [f"KEYSTORE_FILE: it belongs to the log {opened.origin}, the database to {known}"]
            )


def build_core(database: Database, opened: Keystore) -> Core:
    holder = KeystoreHolder(opened)
    journal = Journal(keyring=holder.keyring)
    signer = Signer(database=database, keystore=holder)
    return Core(
        database=database,
        keystore=holder,
        journal=journal,
        signer=signer,
        exports=ExportDesk(
            database=database,
            journal=journal,
            signer=signer,
            seals=SealDesk(database=database, journal=journal),
        ),
        dossiers=DossierDesk(database=database, journal=journal, signer=signer),
        rotation=KeyRotation(database=database, keystore=holder),
        signing_keys=SigningKeys(
            database=database, keystore=holder, journal=journal, signer=signer
        ),
    )
