"""`doctor`: one line for each thing that must be right; it looks and changes nothing."""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from email.utils import formatdate
from pathlib import Path

import pytest
from program import Ended, Program, files_in, read_only
from shop import TOKEN
from time_authority import HAS_OPENSSL, found, listening, with_a_page

from bot.sandbox.server import Sandbox

NAMES = (
    "token",
    "API",
    "database",
    "migrations",
    "keys",
    "clock",
    "purposes",
    "advisories",
)
ME = {"id": 4242, "is_bot": True, "first_name": "Tea", "username": "tea_shop_bot"}


def marks(done: Ended) -> dict[str, str]:
    """Each thing's mark: ✓ right, ! worth knowing, ✗ wrong."""
    assert done.err == "", done.err
    found = {}
    for line in done.out.splitlines():
        mark, _, rest = line.partition(" ")
        found[rest.split(":")[0]] = mark
    return found


def wrong(done: Ended) -> list[str]:
    return [name for name, mark in marks(done).items() if mark == "✗"]


def told(done: Ended, name: str) -> str:
    [line] = [line for line in done.out.splitlines() if line[2:].startswith(f"{name}:")]
    return line


@asynccontextmanager
async def answering(body: object, date: str | None) -> AsyncIterator[str]:
    """An API that answers everything with this, and has a clock of its own."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\nConnection: close\r\n"
        writer.write(f"{head}Date: {date}\r\n\r\n".encode() if date else f"{head}\r\n".encode())
        writer.write(content)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@contextmanager
def unchanged(*folders: Path) -> Iterator[None]:
    before = [files_in(folder) for folder in folders]
    yield
    assert [files_in(folder) for folder in folders] == before


@pytest.fixture
def known(used: Program, telegram: Sandbox) -> Program:
    used.environment["BOT_API_URL"] = telegram.url
    return used


@pytest.fixture
def fresh(program: Program, telegram: Sandbox) -> Program:
    program.environment["BOT_API_URL"] = telegram.url
    return program


async def test_a_shop_that_runs_is_right_in_everything(known: Program, tmp_path: Path) -> None:
    with unchanged(tmp_path / "files", known.folder):
        done = await known.run("doctor")
    assert done.status == 0
    assert tuple(marks(done)) == NAMES
    assert set(marks(done).values()) == {"✓"}
    assert TOKEN.split(":")[1] not in done.out


async def test_before_the_first_run_it_says_what_will_be_made_and_makes_nothing(
    fresh: Program, files: Path
) -> None:
    with unchanged(files, fresh.folder):
        done = await fresh.run("doctor")
    assert done.status == 0
    assert {name for name, mark in marks(done).items() if mark == "!"} == {
        "database",
        "migrations",
        "keys",
    }
    assert not (files / "data").exists()
    assert not (files / "keys").exists()


async def test_a_token_that_telegram_refuses_is_found(known: Program) -> None:
    done = await known.run("doctor", BOT_TOKEN="123456:another_token_AAAABBBBCCCCDDDD")
    assert done.status == 1
    assert wrong(done) == ["token"]
    assert "another_token" not in done.out


async def test_an_api_that_is_down_is_found(used: Program) -> None:
    done = await used.run("doctor")
    assert done.status == 1
    assert wrong(done) == ["token", "API"]
    assert marks(done)["clock"] == "!"


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"\xff", [1], {"ok": True}], ids=repr)
async def test_something_else_at_the_address_is_found(used: Program, body: object) -> None:
    async with answering(body, formatdate(usegmt=True)) as url:
        done = await used.run("doctor", BOT_API_URL=url)
    assert done.status == 1
    assert "token" in wrong(done)


@pytest.mark.parametrize(("minutes", "status"), [(-7, 1), (7, 1), (0, 0)])
async def test_a_clock_that_is_off_is_found(used: Program, minutes: int, status: int) -> None:
    date = formatdate(time.time() + 60 * minutes, usegmt=True)
    async with answering({"ok": True, "result": ME}, date) as url:
        done = await used.run("doctor", BOT_API_URL=url)
    assert done.status == status
    assert wrong(done) == ["clock"] * status
    if status:
        assert abs(int(told(done, "clock").split()[2]) - 420) < 30


@pytest.mark.parametrize("date", [None, "yesterday", "Tue, 99 Foo 2026 00:00:00 GMT"])
async def test_a_clock_that_cannot_be_compared_is_no_fault(used: Program, date: str | None) -> None:
    async with answering({"ok": True, "result": ME}, date) as url:
        done = await used.run("doctor", BOT_API_URL=url)
    assert done.status == 0
    assert marks(done)["clock"] == "!"


async def test_a_database_that_cannot_be_written_is_found(known: Program, tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "assent.db"
    broken.parent.mkdir()
    broken.write_bytes(b"this is no database" * 1000)
    with unchanged(broken.parent):
        done = await known.run("doctor", DATABASE_URL=f"sqlite+aiosqlite:///{broken}")
    assert done.status == 1
    assert wrong(done) == ["database"]


async def test_a_read_only_database_is_found(known: Program, tmp_path: Path) -> None:
    database = tmp_path / "files" / "data" / "assent.db"
    with read_only(database):
        done = await known.run("doctor")
    assert done.status == 1
    assert wrong(done) == ["database"]


async def test_a_folder_in_the_place_of_the_database_is_found(
    known: Program, tmp_path: Path
) -> None:
    (tmp_path / "place" / "assent.db").mkdir(parents=True)
    url = f"sqlite+aiosqlite:///{tmp_path}/place/assent.db"
    done = await known.run("doctor", DATABASE_URL=url)
    assert done.status == 1
    assert wrong(done) == ["database"]


async def test_a_database_that_is_not_migrated_is_found_and_left_so(
    known: Program, tmp_path: Path
) -> None:
    old = tmp_path / "old" / "assent.db"
    old.parent.mkdir()
    with sqlite3.connect(old) as database:
        database.execute("PRAGMA journal_mode=WAL")
    done = await known.run("doctor", DATABASE_URL=f"sqlite+aiosqlite:///{old}")
    assert done.status == 1
    assert "migrations" in wrong(done)
    with sqlite3.connect(old) as database:
        assert database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


async def test_a_database_server_that_is_down_is_found(known: Program) -> None:
    url = "postgresql+asyncpg://somebody:secret-word@127.0.0.1:9/assent"
    done = await known.run("doctor", DATABASE_URL=url)
    assert done.status == 1
    assert wrong(done) == ["database"]
    assert "secret-word" not in done.out


async def test_keys_that_are_missing_or_wrong_are_found_and_not_made(
    known: Program, tmp_path: Path
) -> None:
    key_file = tmp_path / "files" / "keys" / "assent.key"
    right = key_file.read_bytes()
    key_file.unlink()
    done = await known.run("doctor")
    assert (done.status, wrong(done)) == (1, ["keys"])
    assert not key_file.exists()
    key_file.touch(mode=0o600)
    key_file.write_bytes(b"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n")
    done = await known.run("doctor")
    assert (done.status, wrong(done)) == (1, ["keys"])
    key_file.write_bytes(right)
    key_file.chmod(0o644)
    done = await known.run("doctor")
    assert (done.status, wrong(done)) == (1, ["keys"])
    assert "chmod 600" in told(done, "keys")


async def test_a_faulty_purposes_file_is_found(known: Program, tmp_path: Path) -> None:
    path = tmp_path / "files" / "purposes.toml"
    path.write_text(path.read_text().replace('inn = "7707083893"', 'inn = "1"'))
    done = await known.run("doctor")
    assert (done.status, wrong(done)) == (1, ["purposes"])
    assert "controller.inn" in told(done, "purposes")
    path.unlink()
    done = await known.run("doctor")
    assert (done.status, wrong(done)) == (1, ["purposes"])


async def test_an_open_advisory_is_told_and_is_no_fault(known: Program, tmp_path: Path) -> None:
    path = tmp_path / "files" / "purposes.toml"
    text = path.read_text()
    begin = text.index("[[advisory]]")
    path.write_text(text[:begin] + text[text.index("\n[", begin + 1) :])
    done = await known.run("doctor")
    assert done.status == 0
    assert marks(done)["advisories"] == "!"
    assert "RU-38FZ-5-10.7" in told(done, "advisories")


async def test_settings_that_cannot_be_read_are_2(known: Program) -> None:
    done = await known.run("doctor", TIMEZONE="Moscow", OWNER_IDS="")
    assert done.status == 2
    assert done.out == ""
    assert [line.split(":")[0] for line in done.faults] == ["OWNER_IDS", "TIMEZONE"]


# --- witnesses --------------------------------------------------------------------------------


@pytest.mark.skipif(not HAS_OPENSSL, reason="no openssl on this machine")
async def test_a_time_authority_is_tried_and_its_stamp_not_kept(
    known: Program, tmp_path: Path
) -> None:
    with listening(found(tmp_path / "authority")) as authority:
        settings = {
            "STAMP_URL": authority.url,
            "STAMP_ROOTS_FILE": str(authority.folder / "root.pem"),
        }
        with unchanged(tmp_path / "files"):
            done = await known.run("doctor", **settings)
        assert done.status == 0
        assert marks(done)["stamps"] == "✓"
        assert "CN=Test time" in told(done, "stamps")
        assert "no checkpoint is stamped yet" in told(done, "stamps")
        assert authority.asked == 1

        authority.next_answers = [with_a_page]
        done = await known.run("doctor", **settings)
        assert done.status == 1
        assert wrong(done) == ["stamps"]
    done = await known.run("doctor", **settings)
    assert wrong(done) == ["stamps"]
    assert "does not answer" in told(done, "stamps")


async def test_a_channel_that_is_not_there_is_found(known: Program, telegram: Sandbox) -> None:
    done = await known.run("doctor", CHECKPOINT_CHANNEL="@tea_log")
    assert done.status == 1
    assert wrong(done) == ["channel"]
    telegram.channel(-1001, "Tea log", "tea_log")
    done = await known.run("doctor", CHECKPOINT_CHANNEL="@tea_log")
    assert done.status == 0
    assert marks(done)["channel"] == "!", "nobody knows yet whether the bot may post"


async def test_without_an_answer_of_telegram_the_channel_is_not_judged(used: Program) -> None:
    done = await used.run("doctor", CHECKPOINT_CHANNEL="@tea_log")
    assert marks(done)["channel"] == "!"
    assert wrong(done) == ["token", "API"]
