"""`backup` copies the database while it is used, `restore` puts a copy back."""

import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from program import Program, files_in, settings_of, small_disk

from bot.proof import entry
from bot.proof.merkle import leaf_hash, root
from bot.sandbox.server import Sandbox

Statement = tuple[str, tuple[object, ...]]


@pytest.fixture
def place(used: Program, tmp_path: Path) -> Path:
    """The database of a shop that has customers."""
    del used
    return tmp_path / "files" / "data" / "assent.db"


@pytest.fixture
async def copy(used: Program, tmp_path: Path) -> Path:
    path = tmp_path / "copy.db"
    done = await used.run("backup", str(path))
    assert done.status == 0, done.err
    return path


def change(path: Path, *statements: Statement) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        for name in ("log_entry_no_UPDATE", "log_entry_no_DELETE", "log_entry_is_next"):
            database.execute(f"DROP TRIGGER IF EXISTS {name}")
        for statement, values in statements:
            database.execute(statement, values)


def asked(path: Path, question: str) -> object:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        return database.execute(question).fetchone()[0]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def beside(path: Path) -> list[Path]:
    """The files whose names begin with that of the path."""
    return sorted(path.parent.glob(f"{path.name}*"))


# --- backup -----------------------------------------------------------------------------------


async def test_a_backup_is_one_private_file_with_the_whole_log(
    used: Program, copy: Path, place: Path
) -> None:
    assert mode_of(copy) == 0o600
    assert beside(copy) == [copy]
    size = asked(copy, "SELECT count(*) FROM log_entry")
    assert size == asked(place, "SELECT count(*) FROM log_entry")
    assert asked(copy, "PRAGMA journal_mode") == "delete"
    assert asked(place, "SELECT value FROM fact WHERE name = 'backed_up_at'")
    again = await used.run("backup", str(copy))
    assert again.status == 2
    assert again.faults == [f"FILE: {copy} exists; name a file that does not"]


async def test_a_backup_holds_no_key(copy: Path, tmp_path: Path) -> None:
    held = files_in(copy.parent)["copy.db"]
    secrets = files_in(tmp_path / "files" / "keys")
    kept = json.loads(secrets["assent.keystore.json"])
    wrapped = [kept["index_key"], kept["signing_key"], kept["epochs"]["1"]["wrapped"]]
    for secret in (secrets["assent.key"].strip(), *(text.encode() for text in wrapped)):
        assert len(secret) > 32
        assert secret not in held


async def test_a_backup_is_made_while_the_bot_writes(
    files: Path, tmp_path: Path, telegram: Sandbox
) -> None:
    program = Program(tmp_path / "here", settings_of(files, telegram.url))
    async with program.started("run") as running:
        await running.says("https://t.me/")
        done = await program.run("backup", str(tmp_path / "copy.db"))
        assert done.status == 0, done.err
        assert "entries in its log" in done.err
        refused = await program.run("restore", str(tmp_path / "copy.db"), "--yes")
        assert refused.status == 2
        assert refused.faults[-1] == (
            "DATABASE_URL: another `run` uses this database; stop it first"
        )


async def test_nothing_is_copied_from_a_database_whose_log_was_changed(
    used: Program, place: Path, tmp_path: Path
) -> None:
    (hashed,) = (
        sqlite3.connect(place).execute('SELECT entry FROM log_entry WHERE "index" = 4').fetchone()
    )
    changed = hashed.replace(b'"t":"20', b'"t":"19')
    assert changed != hashed
    change(place, ('UPDATE log_entry SET entry = ? WHERE "index" = 4', (changed,)))
    done = await used.run("backup", str(tmp_path / "copy.db"))
    assert done.status == 2
    assert "its log was changed" in done.err
    assert not beside(tmp_path / "copy.db")


async def test_postgresql_names_its_own_tool(used: Program, tmp_path: Path) -> None:
    url = "postgresql+asyncpg://somebody:secret@127.0.0.1/shop"
    for command, tool in (("backup", "pg_dump"), ("restore", "pg_restore")):
        done = await used.run(command, str(tmp_path / "copy.db"), DATABASE_URL=url)
        assert done.status == 2
        [line] = done.faults
        assert f"{tool} " in line
        assert "shop" in line
        assert "secret" not in line


# --- restore ----------------------------------------------------------------------------------


async def test_a_copy_is_put_back_and_the_former_database_kept(
    used: Program, copy: Path, place: Path
) -> None:
    change(place, ("DELETE FROM prompt", ()))
    done = await used.run("restore", str(copy), "--yes")
    assert done.status == 0, done.err
    assert "it knows nothing of what came after" in done.err
    assert asked(place, "SELECT count(*) FROM prompt")
    assert asked(place, "SELECT value FROM fact WHERE name = 'restored'")
    kept = next(path for path in beside(place) if ".replaced-" in path.name)
    assert asked(kept, "SELECT count(*) FROM prompt") == 0
    assert str(kept) in done.err
    assert mode_of(place) == 0o600
    assert (await used.run("export", "--out", str(copy.with_name("log.zip")))).status == 0


async def test_without_a_yes_nothing_happens(used: Program, copy: Path, tmp_path: Path) -> None:
    before = files_in(tmp_path / "files" / "data")
    done = await used.run("restore", str(copy))
    assert done.status == 130
    assert files_in(tmp_path / "files" / "data") == before


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = bytes(4096)
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE something (else_ TEXT)")


def changed_and_covered(path: Path) -> None:
    """Whoever changes an entry can also compute head and nodes again; not the signature."""
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute('SELECT entry FROM log_entry ORDER BY "index"').fetchall()
    entries = [hashed for (hashed,) in rows]
    entries[3] = entries[3].replace(b'"t":"20', b'"t":"19')
    change(
        path,
        ('UPDATE log_entry SET entry = ? WHERE "index" = 3', (entries[3],)),
        ("UPDATE log_head SET root = ?", (root(leaf_hash(one) for one in entries),)),
    )


def shortened(path: Path) -> None:
    change(path, ('DELETE FROM log_entry WHERE "index" = 5', ()))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (damaged, "damaged"),
        (cut, "damaged"),
        (lambda path: path.write_bytes(b"not a database" * 100), "not a SQLite database"),
        (foreign, "not one of Assent"),
        (changed_and_covered, "its log "),
        (shortened, "entry 5 of its log is missing"),
        (
            lambda path: change(path, ("UPDATE alembic_version SET version_num = '9999'", ())),
            "newer Assent",
        ),
        (
            lambda path: change(
                path, ("UPDATE fact SET value = 'assent/x' WHERE name = 'log_origin'", ())
            ),
            "belongs to the log assent/x",
        ),
        (
            lambda path: change(path, ("UPDATE data_key SET generation = 7", ())),
            "too old to open: epoch key 7 was destroyed",
        ),
        (Path.unlink, "no such file"),
    ],
    ids=[
        "damaged",
        "cut",
        "text",
        "foreign",
        "changed",
        "shortened",
        "newer",
        "another log",
        "too old",
        "absent",
    ],
)
async def test_what_is_no_whole_copy_of_ours_is_refused(
    used: Program, copy: Path, tmp_path: Path, spoil: object, why: str
) -> None:
    assert callable(spoil)
    spoil(copy)
    before = files_in(tmp_path / "files" / "data")
    done = await used.run("restore", str(copy), "--yes")
    assert done.status == 2
    [line] = done.faults
    assert why in line
    assert files_in(tmp_path / "files" / "data") == before


async def test_an_older_copy_says_what_is_lost_and_is_signed_no_more(
    used: Program, copy: Path, place: Path, tmp_path: Path
) -> None:
    assert (await used.run("export", "--out", str(tmp_path / "later.csv"))).status == 0
    assert (await used.run("export", "--out", str(tmp_path / "later.zip"))).status == 0
    done = await used.run("restore", str(copy), "--yes")
    assert done.status == 0
    assert "2 signed entries are lost with it" in done.err
    refused = await used.run("export", "--out", str(tmp_path / "after.zip"))
    assert refused.status == 2
    assert "signed before" in refused.err
    assert not (tmp_path / "after.zip").exists()
    last = sqlite3.connect(place).execute(
        'SELECT entry FROM log_entry ORDER BY "index" DESC LIMIT 1'
    )
    assert entry.parse(last.fetchone()[0])


async def test_a_full_disk_leaves_everything_as_it_was(used: Program, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "200k") as disk:
        done = await used.run("backup", str(disk / "copy.db"))
        assert done.status == 2
        assert not beside(disk / "copy.db")
