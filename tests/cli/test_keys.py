"""`keys …` as an operator's shell runs it, on files and beside a bot that runs."""

import json
import re
import signal
import sqlite3
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from program import Ended, Program

from bot.proof import note
from bot.sandbox.server import Sandbox
from storage import key_changes, keystore

ORIGIN = "assent/tea_shop_bot"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The keys of the shop."""
    return tmp_path / "files" / "keys"


def state(folder: Path) -> keystore.Keystore:
    kek = keystore.read_kek(folder / "assent.key")
    return keystore.open_keystore(folder / "assent.keystore.json", kek)


def done(ended: Ended) -> Ended:
    assert ended.status == 0, (ended.out, ended.err)
    return ended


def refused(ended: Ended, beginning: str) -> None:
    assert ended.status == 2, (ended.out, ended.err)
    [line] = ended.faults
    assert line.startswith(beginning), line


def put_back(tmp_path: Path) -> None:
    """Cut the database back to a copy that lacks what was signed last."""
    data = tmp_path / "files" / "data"
    for name in ("assent.db-wal", "assent.db-shm"):
        (data / name).unlink(missing_ok=True)
    (data / "assent.db").write_bytes((tmp_path / "copy.db").read_bytes())


async def copied_and_signed(used: Program, tmp_path: Path) -> None:
    """Make a copy, then let the log grow and be signed."""
    done(await used.run("export", "--out", f"{tmp_path}/first.zip"))
    with sqlite3.connect(tmp_path / "files" / "data" / "assent.db") as source:
        with sqlite3.connect(tmp_path / "copy.db") as copy:
            source.backup(copy)
        copy.close()
    source.close()
    for name in ("second", "third", "fourth"):
        done(await used.run("export", "--out", f"{tmp_path}/{name}.zip"))


# --- init


async def test_init_makes_key_and_keystore_that_run_takes(
    program: Program, files: Path, telegram: Sandbox
) -> None:
    program.environment["BOT_API_URL"] = telegram.url
    made = done(await program.run("keys", "init", "--origin", ORIGIN))
    folder = files / "keys"
    assert str(folder / "assent.key") in made.out
    for name in ("assent.key", "assent.keystore.json"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    before = state(folder)
    assert before.key.fingerprint in made.out
    looked = done(await program.run("keys", "status"))
    assert "no database of this version yet" in looked.out
    async with program.started("run") as bot:
        await bot.says("assent.running")
        await bot.end(signal.SIGTERM)
    assert state(folder).key == before.key


async def test_init_replaces_nothing(used: Program, folder: Path) -> None:
    before = (folder / "assent.keystore.json").read_bytes()
    refused(await used.run("keys", "init", "--origin", ORIGIN), "KEYSTORE_FILE: there is ")
    assert (folder / "assent.keystore.json").read_bytes() == before
    (folder / "assent.keystore.json").unlink()
    refused(await used.run("keys", "init", "--origin", ORIGIN), "DATABASE_URL: it has people")


async def test_init_needs_a_name(program: Program, files: Path) -> None:
    refused(await program.run("keys", "init"), "LOG_ORIGIN: the log needs its name")
    assert not (files / "keys").exists()
    done(await program.run("keys", "init", LOG_ORIGIN="shop/log"))
    assert state(files / "keys").origin == "shop/log"


# --- status, export-public


async def test_status_tells_what_there_is(used: Program, folder: Path) -> None:
    told = done(await used.run("keys", "status")).out
    opened = state(folder)
    assert f"log: {ORIGIN}" in told
    assert opened.key.fingerprint in told
    assert re.search(r"epoch key: number 1, made \d{4}-\d\d-\d\d .*due \d{4}-\d\d-\d\d", told)
    assert re.search(r"signed last: \d+ entries, \d{4}-", told)
    assert "it continues what was signed last" in told


async def test_status_changes_nothing(used: Program, folder: Path) -> None:
    before = (folder / "assent.keystore.json").read_bytes()
    done(await used.run("keys", "status"))
    assert (folder / "assent.keystore.json").read_bytes() == before


async def test_the_public_key_is_what_verify_takes(
    used: Program, tmp_path: Path, folder: Path
) -> None:
    shown = done(await used.run("keys", "export-public")).out
    vkey = shown.splitlines()[0]
    assert note.parse_key(vkey) == state(folder).key
    assert f"# fingerprint: {state(folder).key.fingerprint}" in shown
    out = tmp_path / "public.txt"
    done(await used.run("keys", "export-public", "--out", str(out)))
    assert out.read_text() == shown
    assert stat.S_IMODE(out.stat().st_mode) == 0o644
    done(await used.run("export", "--out", f"{tmp_path}/log.zip"))
    done(await used.run("verify", f"{tmp_path}/log.zip", "--key", vkey))


# --- rotate


async def test_a_rotation_beside_a_bot_that_runs(
    used: Program, folder: Path, telegram: Sandbox, tmp_path: Path
) -> None:
    used.environment["BOT_API_URL"] = telegram.url
    async with used.started("run") as bot:
        await bot.says("assent.running")
        told = done(await used.run("keys", "rotate"))
        assert "epoch key 2 is in use" in told.out
        assert set(state(folder).keyring.epochs) == {2}
        eve = telegram.person(2077, "Wilhelmina")
        await eve.start()
        await eve.wait(lambda m: m.button("Agree") is not None, seconds=30)
        anna = telegram.person(2001, "Customer1", language_code="en")
        await anna.send("/mydata")
        await anna.wait(lambda m: m.file_id is not None, seconds=30)
        assert (await bot.end(signal.SIGTERM)).status == 0
    with sqlite3.connect(tmp_path / "files" / "data" / "assent.db") as database:
        assert database.execute("SELECT DISTINCT generation FROM data_key").fetchall() == [(2,)]
    database.close()


async def test_status_tells_of_a_rotation_that_was_cut_short(used: Program, folder: Path) -> None:
    key_changes.begin_epoch(state(folder), datetime.now(UTC))
    assert "a rotation is not finished" in done(await used.run("keys", "status")).out
    told = done(await used.run("keys", "rotate"))
    assert "cut short is finished: epoch key 2 is in use" in told.out
    assert set(state(folder).keyring.epochs) == {2}


async def test_another_signing_key(used: Program, folder: Path, tmp_path: Path) -> None:
    before = state(folder).key
    done(await used.run("export", "--out", f"{tmp_path}/before.zip"))
    told = done(await used.run("keys", "rotate", "--signing"))
    after = state(folder).key
    assert after != before
    assert after.fingerprint in told.out
    shown = done(await used.run("keys", "export-public")).out
    assert shown.splitlines()[0] == str(after)
    assert f"# former 1: {before}" in shown
    done(await used.run("verify", f"{tmp_path}/before.zip", "--key", str(before)))


async def test_another_key_encryption_key(used: Program, folder: Path, tmp_path: Path) -> None:
    new = tmp_path / "elsewhere.key"
    told = done(await used.run("keys", "rotate", "--kek", str(new)))
    assert f"KEY_FILE={new}" in told.out
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    refused(await used.run("keys", "status"), "KEY_FILE: this key does not open")
    used.environment |= {
        "KEY_FILE": str(new),
        "KEYSTORE_FILE": str(folder / "assent.keystore.json"),
    }
    assert "epoch key: number 1" in done(await used.run("keys", "status")).out
    refused(await used.run("keys", "rotate", "--kek", str(new)), "--kek: there is ")
    inside = tmp_path / "files" / "data" / "kek"
    refused(await used.run("keys", "rotate", "--kek", str(inside)), "--kek: ")
    assert not inside.exists()


async def test_the_key_encryption_key_stays_while_a_bot_runs(
    used: Program, telegram: Sandbox, tmp_path: Path
) -> None:
    used.environment["BOT_API_URL"] = telegram.url
    new = tmp_path / "new.key"
    async with used.started("run") as bot:
        await bot.says("assent.running")
        refused(await used.run("keys", "rotate", "--kek", str(new)), "DATABASE_URL: another `run`")
        await bot.end(signal.SIGTERM)
    assert not new.exists()


async def test_signing_and_kek_are_not_rotated_together(used: Program, tmp_path: Path) -> None:
    ended = await used.run("keys", "rotate", "--signing", "--kek", f"{tmp_path}/x")
    refused(ended, "assent: choose one")


async def test_an_older_keystore_is_refused(used: Program, folder: Path, telegram: Sandbox) -> None:
    used.environment["BOT_API_URL"] = telegram.url
    path = folder / "assent.keystore.json"
    older = path.read_bytes()
    done(await used.run("keys", "rotate"))
    path.write_bytes(older)
    refused(await used.run("run"), "KEYSTORE_FILE: it ends with epoch key 1")


# --- the key in the environment


async def test_the_key_may_be_in_the_environment(used: Program, folder: Path) -> None:
    key = (folder / "assent.key").read_text().strip()
    del used.environment["KEY_FILE"]
    used.environment |= {"KEYSTORE_FILE": str(folder / "assent.keystore.json"), "KEY": key}
    (folder / "assent.key").unlink()
    assert f"log: {ORIGIN}" in done(await used.run("keys", "status")).out
    twice = await used.run("keys", "status", KEY_COMMAND="echo x")
    refused(twice, "KEY: the key is given twice, by KEY_COMMAND")
    wrong = await used.run("keys", "status", KEY="c2VjcmV0")
    refused(wrong, "KEY: not a key")
    assert "c2VjcmV0" not in wrong.err
    assert key not in twice.err


# --- loss


async def test_a_log_that_lost_nothing_goes_on(used: Program, folder: Path) -> None:
    before = (folder / "assent.keystore.json").read_bytes()
    refused(await used.run("keys", "continue-after-loss", "--yes"), "nothing is lost: ")
    assert (folder / "assent.keystore.json").read_bytes() == before


async def test_after_a_loss_it_says_what_is_lost_and_goes_on(
    used: Program, folder: Path, tmp_path: Path
) -> None:
    await copied_and_signed(used, tmp_path)
    put_back(tmp_path)
    refused(await used.run("export", "--out", f"{tmp_path}/behind.zip"), "the log has ")
    assert not (tmp_path / "behind.zip").exists()
    assert "it does NOT continue" in done(await used.run("keys", "status")).out
    asked = await used.run("keys", "continue-after-loss")
    assert asked.status == 130, "nobody answered"
    assert "signed last: " in asked.out
    assert re.search(r"agrees with what was signed up to \d+ entries, until \d{4}-", asked.out)
    assert "lost: what was recorded after that, 3 entries at most" in asked.out
    assert state(folder).origin == ORIGIN
    told = done(await used.run("keys", "continue-after-loss", "--yes"))
    assert f"the log goes on as {ORIGIN}/2" in told.out
    assert "it continues what was signed last" in done(await used.run("keys", "status")).out
    done(await used.run("export", "--out", f"{tmp_path}/after.zip", LOG_ORIGIN=ORIGIN))
    done(await used.run("export", "--out", f"{tmp_path}/named.zip", LOG_ORIGIN=f"{ORIGIN}/2"))
    facts = json.loads((folder / "assent.keystore.json").read_text())
    assert facts["changes"][0]["lost"]["origin"] == ORIGIN


async def test_doctor_tells_what_is_wrong_and_what_is_due(
    used: Program, folder: Path, tmp_path: Path, telegram: Sandbox
) -> None:
    used.environment["BOT_API_URL"] = telegram.url
    await copied_and_signed(used, tmp_path)
    put_back(tmp_path)
    path = folder / "assent.keystore.json"
    facts = json.loads(path.read_text())
    facts["epochs"]["1"]["created"] = "2026-01-01T00:00:00+00:00"
    path.write_text(json.dumps(facts))
    ended = await used.run("doctor")
    assert ended.status == 1
    assert "! rotation: due since 2026-01-31" in ended.out
    assert "✗ log: it does not continue what was signed last" in ended.out
