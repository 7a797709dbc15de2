"""Copies of a SQLite database: made while others write, looked through, put in place.

The copy has no keys: what opens it is in the keystore, which is kept apart (promise 6).
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from bot.errors import AssentError
from bot.proof import entry
from bot.proof.errors import ProofError
from bot.proof.merkle import Frontier
from storage.facts import Fact

PAGES: Final = 2000
"""Pages copied between two reports of progress; 8 MB at SQLite's usual size."""
COMPANIONS: Final = ("-wal", "-shm")
Progress = Callable[[int, int], None]


class CopyUnusable(AssentError):
    """A file that cannot be a whole copy of a database of ours; `str` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a copy holds, after its log was computed again from its entries."""

    revision: str
    origin: str | None
    size: int
    """Entries of its log."""
    last_entry_time: str | None
    """RFC 3339, UTC."""
    fetched_at: datetime | None
    """When updates were last fetched before the copy was made."""
    generations: frozenset[int]
    """Epoch keys without which somebody in it could not be opened."""
    checkpoint: str | None
    """The newest signed note that it keeps."""
    roots: Mapping[int, bytes]
    """Its root at the sizes that were asked for and at that of its checkpoint; longer ones lack."""


def copy(source: Path, target: Path, progress: Progress) -> None:
    """Copy a database as it stands at this moment, whoever writes to it meanwhile.

    `target` appears whole or not at all, readable by its owner only. Raises OSError,
    sqlite3.Error.
    """
    unfinished = target.with_name(target.name + ".part")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with _opened(source, "mode=ro") as reading, closing(sqlite3.connect(unfinished)) as writing:
            # An open read pins one state of the database: without it, each write of somebody
            # else between two steps would start the copy anew (SQLite, sqlite3_backup_step).
            reading.execute("BEGIN")
            reading.execute("SELECT count(*) FROM sqlite_master").fetchone()
            reading.backup(
                writing,
                pages=PAGES,
                progress=lambda _status, left, total: progress(total - left, total),
            )
            # One file is the whole copy: no log beside it that somebody could forget to take.
            writing.execute("PRAGMA journal_mode=DELETE")
        _sync(unfinished)
        unfinished.replace(target)
        _sync(target.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def inspect(path: Path, size: int) -> Contents:
    """Read a copy from its first byte to its last and compute its log again.

    `size`: where its root is wanted. Raises CopyUnusable, naming what is wrong.
    """
    try:
        with _opened(path, "mode=ro&immutable=1") as database:
            return _inspected(database, size)
    except sqlite3.Error as error:
        raise CopyUnusable("it is not a SQLite database, or it is damaged") from error
    except (ProofError, ValueError) as error:
        raise CopyUnusable(f"its log cannot be read: {error}") from error


def put_in_place(copied: Path, place: Path, replaced: Path, facts: dict[Fact, str]) -> None:
    """Put a copy where the database was, with some facts written into it beforehand.

    What stood there is kept under the name `replaced`, with what SQLite had beside it. Nobody
    else may have the database open. Raises OSError, sqlite3.Error; then the old one stands.
    """
    unfinished = place.with_name(place.name + ".part")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        shutil.copyfile(copied, unfinished)
        with closing(sqlite3.connect(unfinished)) as database, database:
            database.executemany(
                "INSERT INTO fact (name, value) VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                [(name.value, value) for name, value in facts.items()],
            )
        _sync(unfinished)
        _set_aside(place, replaced)
        unfinished.replace(place)
        _sync(place.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def _set_aside(place: Path, replaced: Path) -> None:
    """The log beside the old database belongs to it: left there, it would spoil the new one."""
    for suffix in (*COMPANIONS, ""):
        old = place.with_name(place.name + suffix)
        if old.exists():
            old.replace(replaced.with_name(replaced.name + suffix))


def _inspected(database: sqlite3.Connection, wanted: int) -> Contents:
    (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise CopyUnusable("SQLite finds it damaged (integrity_check)")
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    if not {"alembic_version", "log_entry", "data_key"} <= tables:
        raise CopyUnusable("it is a SQLite database, but not one of Assent")
    signed = database.execute("SELECT size, note FROM checkpoint ORDER BY size DESC").fetchone()
    size, last, roots = _computed(database, {wanted, 0 if signed is None else signed[0]})
    fetched_at = _fact(database, Fact.UPDATES_FETCHED_AT)
    return Contents(
        revision=database.execute("SELECT version_num FROM alembic_version").fetchone()[0],
        origin=_fact(database, Fact.LOG_ORIGIN),
        size=size,
        last_entry_time=last,
        fetched_at=None if fetched_at is None else datetime.fromisoformat(fetched_at),
        generations=_generations(database),
        checkpoint=None if signed is None else signed[1],
        roots=roots,
    )


def _computed(
    database: sqlite3.Connection, sizes: set[int]
) -> tuple[int, str | None, dict[int, bytes]]:
    """Compute the log again: its size, the time of its last entry, its roots at some sizes."""
    edge, last, roots = Frontier(), None, {0: Frontier().root()}
    for index, hashed in database.execute('SELECT "index", entry FROM log_entry ORDER BY "index"'):
        if index != edge.size:
            raise CopyUnusable(f"entry {edge.size} of its log is missing")
        last = entry.parse(hashed)
        edge.add(last.leaf)
        if edge.size in sizes:
            roots[edge.size] = edge.root()
    size, root = database.execute("SELECT size, root FROM log_head").fetchone()
    if (size, root) != (edge.size, edge.root()):
        raise CopyUnusable(f"its log was changed: {edge.size} entries do not give its root")
    return edge.size, None if last is None else last.time, roots


def _generations(database: sqlite3.Connection) -> frozenset[int]:
    return frozenset(
        number for (number,) in database.execute("SELECT DISTINCT generation FROM data_key")
    )


def _fact(database: sqlite3.Connection, name: Fact) -> str | None:
    found = database.execute("SELECT value FROM fact WHERE name = ?", [name.value]).fetchone()
    return None if found is None else found[0]


@contextmanager
def _opened(path: Path, options: str) -> Iterator[sqlite3.Connection]:
    if not path.is_file():
        raise CopyUnusable("there is no such file")
    database: Any = sqlite3.connect(f"{path.resolve().as_uri()}?{options}", uri=True)
    database.isolation_level = None
    with closing(database):
        yield database


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
