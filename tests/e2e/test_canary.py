"""Nothing that tells who somebody is, or what they said, leaves in a log or lies in a file.

Security test 1: whole conversations and many faults, then every stream and file is searched.
"""

import base64
import json
import shutil
import signal
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from program import Program, Started, files_in, settings_of
from shop import EXAMPLE, TOKEN, WORDS

from bot.sandbox.faults import FaultKind
from bot.sandbox.people import Person
from bot.sandbox.refusal import Refusal
from bot.sandbox.server import Sandbox, serve

ANNA_ID, OWNER_ID = 5_811_402_937_111, 6_113_870_455_927
"""Longer than 32 bits: such a number does not stand in a file by chance."""
FIRST, LAST, NICK = "Zephyrinne", "Quaxelbury", "zq_canary_nick"
PHONE = "79995550173"
SAID = "grobnik words 7731"
SAID_IN_RUSSIAN = "фраза-канарейка"
SOURCE = "canary_source_55"
CAMPAIGN = "Campaign canary 8891"
TEXTS = {
    "token": TOKEN.split(":")[1],
    "first name": FIRST,
    "last name": LAST,
    "user name": NICK,
    "phone": PHONE,
    "words": SAID,
    "Russian words": SAID_IN_RUSSIAN,
    "source": SOURCE,
    "campaign": CAMPAIGN,
    "owner's name": "Ottolinde",
    "webhook secret": "canary_webhook_secret",
}
NUMBERS = {"user id": ANNA_ID, "owner id": OWNER_ID}


def spellings() -> dict[str, bytes]:
    """Every form in which a value could lie in a file or on a stream."""
    found: dict[str, bytes] = {}
    for name, text in TEXTS.items():
        for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
            found[f"{name}, {encoding}"] = text.encode(encoding)
        found[f"{name}, JSON"] = json.dumps(text)[1:-1].encode()
        found[f"{name}, base64"] = base64.b64encode(text.encode())[:-4]
    for name, number in NUMBERS.items():
        found[f"{name}, decimal"] = str(number).encode()
        for order in ("big", "little"):
            found[f"{name}, 8 bytes {order}"] = number.to_bytes(8, order)
            # SQLite keeps numbers of this size in 6 bytes (file format, record format).
            found[f"{name}, 6 bytes {order}"] = number.to_bytes(6, order)
    return found


SPELLINGS = spellings()


def traces(places: Mapping[str, bytes], more: Mapping[str, bytes] | None = None) -> set[str]:
    return {
        f"{value} in {place}"
        for place, content in places.items()
        for value, spelling in (SPELLINGS | dict(more or {})).items()
        if spelling in content
    }


@pytest.fixture
async def telegram() -> AsyncIterator[Sandbox]:
    async with serve(Sandbox(token=TOKEN)) as sandbox:
        yield sandbox


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "files"))


@pytest.fixture
def program(files: Path, tmp_path: Path, telegram: Sandbox) -> Program:
    more = {
        "OWNER_IDS": str(OWNER_ID),
        "LOG_LEVEL": "debug",
        "WEBHOOK_SECRET": TEXTS["webhook secret"],
    }
    return Program(tmp_path / "here", settings_of(files, telegram.url) | more)


@pytest.fixture
def anna(telegram: Sandbox) -> Person:
    return telegram.person(ANNA_ID, FIRST, last_name=LAST, username=NICK)


@pytest.fixture
def owner(telegram: Sandbox) -> Person:
    return telegram.person(OWNER_ID, "Ottolinde")


async def talk(telegram: Sandbox, anna: Person, owner: Person) -> None:
    """What people do on a good day."""
    await anna.start(SOURCE)
    for title in ("Processing", "Orders", "Offers"):
        question = await anna.wait(lambda m, title=title: m.text.startswith(title), seconds=30)
        await anna.press("Agree", question)
    await anna.wait("Your receipt")
    contact = {"phone_number": f"+{PHONE}", "first_name": FIRST, "user_id": ANNA_ID}
    await anna.send_body({"contact": contact})
    await anna.send(f"{SAID} {SAID_IN_RUSSIAN}")
    await anna.send_photo(b"\xff\xd8\xff", caption=SAID)
    sent = await anna.send("/mydata")
    await anna.wait(lambda m: m.file_id is not None, after=sent.id)
    await anna.press_data("forged " + SAID[:20])
    group = telegram.group(-100_500, "Group")
    await anna.send(f"/start {SAID}", chat=group)
    asked = await owner.send("/broadcast")
    choice = await owner.wait("What is the message for", after=asked.id)
    await owner.press(WORDS["en"]["offers"], choice)
    await owner.wait("Now send me", after=asked.id)
    await owner.send(CAMPAIGN)
    await owner.wait("Preview")
    await owner.press("Send now")
    await owner.wait(lambda m: m.button("Yes, send") is not None)
    await owner.press("Yes, send")
    await anna.wait(CAMPAIGN, seconds=30)
    await anna.send("/stop")
    await anna.wait("unsubscribed")
    await owner.send(f"/dossier {ANNA_ID}")
    await owner.wait("keep them safe", seconds=30)
    await owner.send("/dossier")
    await owner.wait("Whom is it about")
    origin = {"type": "user", "date": 1, "sender_user": anna.account.user()}
    named = await owner.send_body({"text": SAID, "forward_origin": origin})
    await owner.wait("keep them safe", after=named.id, seconds=30)


async def suffer(telegram: Sandbox, anna: Person, database_file: Path, bot: Started) -> None:
    """What goes wrong on a bad one: each fault is about her, and she is heard in the end."""
    quoting = f"Bad Request: {FIRST} {LAST} {PHONE} {ANNA_ID} said {SAID}"
    wrong = json.dumps({"ok": False, "error_code": 500, "description": quoting}).encode()
    page = f"<html>{quoting}</html>".encode()
    for kind, facts in (
        (FaultKind.REPLY, {"status": 500, "body": wrong}),
        (FaultKind.REPLY, {"status": 502, "body": page}),
        (FaultKind.RESET_BEFORE, {}),
        (FaultKind.TRUNCATED, {}),
    ):
        telegram.fault(kind, method="sendMessage", chat_id=ANNA_ID, **facts)
    telegram.fault(FaultKind.REPLY, method="getUpdates", status=500, body=wrong)
    telegram.fault(FaultKind.REPLY, method="getUpdates", status=200, body=page)
    await heard(anna)
    # An update of which a conversation cannot make anything: it fails three times.
    telegram.refuse(Refusal(400, quoting), method="sendMessage", chat_id=ANNA_ID, times=3)
    await anna.send(SAID)
    await bot.says("updates.failed")
    await heard(anna)
    # Updates that are none.
    await telegram.world.tell_bot("message", {"text": SAID, "from": anna.account.user()})
    await telegram.world.tell_bot("callback_query", {"from": anna.account.user(), "data": SAID})
    await heard(anna)
    # A database that fails in the middle, with her data in the statement.
    with closing(sqlite3.connect(database_file, timeout=30, isolation_level=None)) as database:
        database.execute("ALTER TABLE subject RENAME TO lost")
        await anna.send(f"/start {SOURCE}")
        await bot.says("OperationalError")
        database.execute("ALTER TABLE lost RENAME TO subject")
    await heard(anna)


async def heard(anna: Person) -> None:
    sent = await anna.send("/help")
    await anna.wait("/subscriptions", after=sent.id, seconds=60)


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_whatever_happens_nobody_can_be_recognised(
    program: Program, telegram: Sandbox, files: Path, anna: Person, owner: Person, log_format: str
) -> None:
    database_file = files / "data" / "assent.db"
    async with program.started("run", LOG_FORMAT=log_format) as bot:
        await bot.says("assent.running")
        await talk(telegram, anna, owner)
        await suffer(telegram, anna, database_file, bot)
        while_it_runs = {f"{name} (running)": c for name, c in files_in(files).items()}
        ended = await bot.end(signal.SIGTERM)
    assert ended.status == 0, ended.err
    streams = {"stdout": ended.out.encode(), "stderr": ended.err.encode()}
    places = while_it_runs | files_in(files) | streams
    assert {"data/assent.db", "keys/assent.key", "keys/assent.keystore.json"} <= set(places)
    assert any(name.startswith("data/assent.db-wal") for name in places)
    assert "error" in ended.err, "the faults were told"
    assert "Traceback" not in ended.err
    key = (files / "keys" / "assent.key").read_bytes().strip()
    kek = {"KEK, base64": key, "KEK, raw": base64.b64decode(key), "KEK, hex": _hex(key)}
    where_it_must_be = {"keys/assent.key", "keys/assent.key (running)"}
    assert traces(places, kek) == {f"KEK, base64 in {place}" for place in where_it_must_be}


def _hex(key: bytes) -> bytes:
    return base64.b64decode(key).hex().encode()


async def test_after_an_erasure_she_is_nowhere(
    program: Program, telegram: Sandbox, files: Path, anna: Person, owner: Person
) -> None:
    async with program.started("run") as bot:
        await bot.says("assent.running")
        await talk(telegram, anna, owner)
        asked = await anna.send("/forget")
        await anna.press("Delete everything", await anna.wait("Delete everything?", after=asked.id))
        await anna.wait("Everything about you is deleted")
        ended = await bot.end(signal.SIGKILL)
    streams = {"stdout": ended.out.encode(), "stderr": ended.err.encode()}
    assert traces(files_in(files) | streams) == set()


async def test_the_canary_sings_where_a_value_must_be(tmp_path: Path, telegram: Sandbox) -> None:
    """The search finds every spelling where it is: in what we sent to Telegram, in a database."""
    anna = telegram.person(ANNA_ID, FIRST, last_name=LAST, username=NICK)
    await anna.start(SOURCE)
    seen = repr(list(telegram.world.pending)).encode()
    found = traces({"updates": seen})
    for value in ("first name", "last name", "user name", "source"):
        assert f"{value}, utf-8 in updates" in found
    assert "user id, decimal in updates" in found
    with closing(sqlite3.connect(tmp_path / "plain.db")) as database:
        database.execute("CREATE TABLE plain (id INTEGER, name TEXT, said BLOB)")
        said = SAID.encode("utf-16-le")
        database.execute("INSERT INTO plain VALUES (?, ?, ?)", (ANNA_ID, SAID_IN_RUSSIAN, said))
        database.commit()
    found = traces({"plain.db": (tmp_path / "plain.db").read_bytes()})
    assert found == {
        "user id, 6 bytes big in plain.db",
        "Russian words, utf-8 in plain.db",
        "words, utf-16-le in plain.db",
    }
    assert len({*SPELLINGS.values()}) > len(TEXTS) * 4
