"""One `run` for one SQLite database; what must be alone with it asks here too."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from bot.errors import ConfigurationError
from bot.settings import Settings
from storage.database import Database


@contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Refuse a second `run` on the same SQLite file. Raises ConfigurationError."""
    folder = settings.database_folder
    if folder is None:
        yield
        return
    name = Path(Database(settings.database_url).url.database or "").name
    with _lock_file(folder / f"{name}.run.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(
                ["DATABASE_URL: another `run` uses this database; stop it first"]
            ) from error
        yield


def _lock_file(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("w")
    except OSError as error:
        raise ConfigurationError(
            [f"DATABASE_URL: {path.parent} cannot be written ({error.strerror})"]
        ) from error
