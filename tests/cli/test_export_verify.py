"""`export` takes the consent log out, `verify` checks it where nobody knows us."""

import asyncio
import csv
import json
import os
import re
import signal
import sqlite3
import stat
import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from program import Program, files_in, small_disk

from bot.cli import evidence
from bot.proof import note, verifier
from bot.proof.comparison import Comparison
from bot.proof.payload import COLUMNS
from bot.proof.report import Report
from bot.sandbox.server import Sandbox

FINGERPRINT = re.compile(r"^    ([0-9a-f]{8} ){7}[0-9a-f]{8}$", re.MULTILINE)
EVENTS = {
    "granted": 8,
    "refused": 1,
    "withdrawn": 1,
    "erased": 1,
}
"""Of three customers: agreed to all; agreed to two and left; agreed to all and was erased."""


async def exported(
    program: Program, *options: str, name: str = "log.jsonl"
) -> list[dict[str, Any]]:
    """Export as JSON Lines and read it."""
    out = program.folder / name
    done = await program.run("export", "--out", str(out), *options)
    assert done.status == 0, done.err
    return [json.loads(line) for line in out.read_text().splitlines()]


@pytest.fixture
def bare(tmp_path: Path) -> Program:
    """A stranger's machine: an empty folder, no environment."""
    return Program(tmp_path / "stranger")


@pytest.fixture
async def bundle(used: Program, tmp_path: Path) -> Path:
    path = tmp_path / "log.zip"
    assert (await used.run("export", "--out", str(path))).status == 0
    return path


# --- export -----------------------------------------------------------------------------------


async def test_csv_has_the_columns_of_the_contract_and_every_event(used: Program) -> None:
    out = used.folder / "log.csv"
    done = await used.run("export", "--out", str(out))
    assert (done.status, done.out) == (0, "")
    with out.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert tuple(reader.fieldnames or ()) == COLUMNS
    counts = {event: sum(row["event"] == event for row in rows) for event in EVENTS}
    assert counts == EVENTS
    assert len(rows) == sum(EVENTS.values())
    assert f"{len(rows)} consent events" in done.err
    assert {row["source"] for row in rows if row["account"] == "2001"} == {"spring-2026"}
    erased = [row for row in rows if row["event"] == "erased" or not row["account"]]
    assert len(erased) == 4
    assert all(not row["subject"] for row in erased), "of an erased person the row stays, empty"
    assert all(row["index"] and row["entry_id"] and row["time"] for row in erased)


async def test_json_lines_say_the_same_as_csv(used: Program) -> None:
    lines = await exported(used)
    out = used.folder / "log.csv"
    await used.run("export", "--out", str(out))
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{name: str(value) for name, value in line.items()} for line in lines] == rows
    assert all(tuple(line) == COLUMNS for line in lines)


@pytest.mark.parametrize(
    ("name", "option", "begins"),
    [
        ("log.csv", (), b"index,"),
        ("log.jsonl", (), b"{"),
        ("log.zip", (), b"PK"),
        ("log.txt", (), b"index,"),
        ("log.csv", ("--format", "bundle"), b"PK"),
        ("log.zip", ("--format", "jsonl"), b"{"),
    ],
)
async def test_the_format_goes_by_the_name_unless_it_is_said(
    used: Program, name: str, option: tuple[str, ...], begins: bytes
) -> None:
    done = await used.run("export", "--out", name, *option)
    assert done.status == 0
    assert (used.folder / name).read_bytes().startswith(begins)


async def test_only_its_owner_reads_the_file_also_when_it_was_there_before(used: Program) -> None:
    out = used.folder / "log.csv"
    out.write_text("old")
    out.chmod(0o644)
    assert (await used.run("export", "--out", str(out))).status == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert out.read_text().startswith("index,")
    assert list(files_in(used.folder)) == ["log.csv"]


async def test_days_are_the_operators_and_the_last_one_is_in_it(used: Program) -> None:
    all_lines = await exported(used)
    first = datetime.fromisoformat(all_lines[0]["time"]).astimezone(ZoneInfo("Europe/Moscow"))
    last = datetime.fromisoformat(all_lines[-1]["time"]).astimezone(ZoneInfo("Europe/Moscow"))
    assert await exported(used, "--from", f"{first:%F}", "--to", f"{last:%F}") == all_lines
    before = first.date() - timedelta(days=1)
    after = last.date() + timedelta(days=1)
    assert await exported(used, "--to", f"{before}") == []
    assert await exported(used, "--from", f"{after}") == []
    # Where the day is another one, so is what belongs to it.
    east = ZoneInfo("Pacific/Kiritimati")
    used.environment["TIMEZONE"] = "Pacific/Kiritimati"
    day = datetime.fromisoformat(all_lines[-1]["time"]).astimezone(east).date()
    assert await exported(used, "--from", f"{day + timedelta(days=1)}") == []
    begin = datetime(day.year, day.month, day.day, tzinfo=east)
    inside = [line for line in all_lines if datetime.fromisoformat(line["time"]) >= begin]
    assert await exported(used, "--from", f"{day}") == inside


async def test_instants_begin_inclusive_and_end_exclusive(used: Program) -> None:
    lines = await exported(used)
    third = lines[3]["time"]
    instant = datetime.fromisoformat(third)
    elsewhere = instant.astimezone(ZoneInfo("Asia/Kolkata")).isoformat(timespec="milliseconds")
    since = [line for line in lines if line["time"] >= third]
    assert await exported(used, "--from", third) == since
    assert await exported(used, "--from", elsewhere) == since
    assert await exported(used, "--to", third) == lines[: len(lines) - len(since)]


async def test_one_purpose_alone_can_be_taken(used: Program) -> None:
    lines = await exported(used, "--purpose", "offers")
    assert {line["purpose"] for line in lines} == {"offers"}
    assert [line["event"] for line in lines] == ["granted", "granted", "withdrawn"]


async def test_an_unknown_purpose_is_2_and_names_those_there_are(used: Program) -> None:
    done = await used.run("export", "--out", "log.csv", "--purpose", "offer")
    assert done.status == 2
    [line] = done.faults
    assert line.startswith("--purpose: ")
    assert "offers" in line
    assert files_in(used.folder) == {}


async def test_without_a_database_nothing_is_made(program: Program, files: Path) -> None:
    before = files_in(files)
    done = await program.run("export", "--out", "log.csv")
    assert done.status == 2
    [line] = done.faults
    assert line.startswith("DATABASE_URL: ")
    assert files_in(files) == before
    assert files_in(program.folder) == {}


async def test_without_its_key_nothing_is_written(used: Program, tmp_path: Path) -> None:
    (tmp_path / "files" / "keys" / "assent.key").unlink()
    done = await used.run("export", "--out", "log.csv")
    assert done.status == 2
    assert done.err.startswith("KEY_FILE: ")
    assert files_in(used.folder) == {}


async def test_a_place_that_cannot_be_written_is_one_line(used: Program, tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    for out in (tmp_path / "no" / "log.csv", tmp_path / "a-file" / "log.csv", tmp_path):
        done = await used.run("export", "--out", str(out))
        assert done.status == 2
        assert len(done.faults) == 1
        assert str(out) in done.err


async def test_every_export_is_in_the_log(used: Program, tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "files" / "data" / "assent.db")
    count = "SELECT count(*) FROM log_entry WHERE instr(entry, 'export.made')"
    before = database.execute(count).fetchone()[0]
    for name in ("log.csv", "log.jsonl", "log.zip"):
        assert (await used.run("export", "--out", name)).status == 0
    assert database.execute(count).fetchone()[0] == before + 3
    with zipfile.ZipFile(used.folder / "log.zip") as archive:
        entries = [name for name in archive.namelist() if b"export.made" in archive.read(name)]
    database.close()
    assert entries, "also the one that took this very bundle out"


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl", "log.zip"])
async def test_on_a_full_disk_the_file_is_absent_and_the_old_one_stays(
    used: Program, tmp_path: Path, name: str
) -> None:
    with small_disk(tmp_path / "disk", "8k") as disk:
        (disk / name).write_bytes(b"x" * 8192)
        done = await used.run("export", "--out", str(disk / name))
        assert done.status == 2
        assert len(done.faults) == 1
        assert "No space left" in done.err
        assert files_in(disk) == {name: b"x" * 8192}


async def test_a_leftover_of_a_killed_export_does_not_open_the_next_one_to_others(
    used: Program,
) -> None:
    leftover = used.folder / "log.csv.part"
    leftover.write_text("half")
    leftover.chmod(0o644)
    assert (await used.run("export", "--out", "log.csv")).status == 0
    assert stat.S_IMODE((used.folder / "log.csv").stat().st_mode) == 0o600
    assert list(files_in(used.folder)) == ["log.csv"]


async def test_killed_in_the_middle_the_file_is_whole_or_absent(used: Program) -> None:
    out = used.folder / "log.zip"
    async with used.started("export", "--out", str(out)) as running:
        part = out.with_name("log.zip.part")
        async with asyncio.timeout(60):
            while not part.exists() and not running.is_over:
                await asyncio.sleep(0)
        ended = await running.end(signal.SIGKILL)
    assert ended.status in {-signal.SIGKILL, 0}
    assert out.exists() or ended.status, "it was written, or the kill came first"
    assert not out.exists() or verifier.verify_file(out).ok


async def test_while_the_bot_is_at_work_the_export_works(used: Program, telegram: Sandbox) -> None:
    used.environment["BOT_API_URL"] = telegram.url
    async with used.started("run") as bot:
        await bot.says("assent.running")
        lines = await exported(used)
    assert len(lines) == sum(EVENTS.values())


# --- verify -----------------------------------------------------------------------------------


async def test_a_bundle_holds_on_a_strangers_machine(bare: Program, bundle: Path) -> None:
    done = await bare.run("verify", str(bundle))
    assert (done.status, done.err) == (0, "")
    assert "holds" in done.out.splitlines()[0]
    assert "checked against the key in the file" in done.out
    assert re.search(r"(?m)^    ([0-9a-f]{8} ){7}[0-9a-f]{8}$", done.out), (
        "the fingerprint to compare"
    )
    assert "not proven" in done.out
    assert files_in(bare.folder) == {}


async def test_a_proof_holds_on_a_strangers_machine(bare: Program, proof: Path) -> None:
    done = await bare.run("verify", str(proof))
    assert (done.status, done.err) == (0, "")
    assert "checked against the key in the file" in done.out


async def test_several_files_are_checked_and_the_worst_counts(
    bare: Program, bundle: Path, proof: Path, tmp_path: Path
) -> None:
    both = await bare.run("verify", str(bundle), str(proof))
    assert both.status == 0
    assert both.out.count(": holds") == 2
    tampered = changed(proof, b"assent/tea", b"assent/sea")
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    mixed = await bare.run("verify", str(tampered), str(bundle))
    assert mixed.status == 1
    assert "DOES NOT HOLD" in mixed.out
    assert f"{bundle}: holds" in mixed.out
    worst = await bare.run("verify", str(tampered), str(text), str(bundle))
    assert worst.status == 2
    assert worst.faults == [f"{text}: neither a bundle nor a proof file"]
    assert f"{bundle}: holds" in worst.out


def changed(path: Path, old: bytes, new: bytes) -> Path:
    """A copy in which one word is another one."""
    content = path.read_bytes()
    assert old in content
    copy = path.with_name(f"changed-{path.name}")
    copy.write_bytes(content.replace(old, new, 1))
    return copy


async def test_a_changed_byte_of_a_bundle_is_found(bare: Program, bundle: Path) -> None:
    tampered = changed(bundle, b'"event":"granted"', b'"event":"refused"')
    done = await bare.run("verify", str(tampered))
    assert done.status in {1, 2}
    assert not re.search(r": holds$", done.out, re.MULTILINE)
    assert len(done.out + done.err) > 40, "it says what"


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"PK\x03\x04 and so on", b"\xff" * 100, b"{}"], ids=repr
)
async def test_what_is_neither_is_2(bare: Program, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "strange"
    path.write_bytes(content)
    done = await bare.run("verify", str(path))
    assert done.status == 2
    [line] = done.faults
    assert line.startswith(f"{path}: ")


async def test_what_cannot_be_read_is_2(bare: Program, tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        done = await bare.run("verify", str(path))
        assert done.status == 2
        [line] = done.faults
        assert line.startswith(f"{path}: cannot be read")


async def test_a_given_key_must_be_the_one_that_signed(
    bare: Program, bundle: Path, proof: Path
) -> None:
    with zipfile.ZipFile(bundle) as archive:
        [name] = [name for name in archive.namelist() if "key" in name]
        right = archive.read(name).decode().strip()
    files = (str(bundle), str(proof))
    done = await bare.run("verify", *files, "--key", right)
    assert done.status == 0
    assert done.out.count("signed by the key that you gave") == 2
    assert "checked against the key in the file" not in done.out
    wrong = str(note.verifier_key("assent/tea_shop_bot", b"w" * 32))
    for file in files:
        done = await bare.run("verify", file, "--key", wrong)
        assert done.status == 1
        assert "DOES NOT HOLD" in done.out
    done = await bare.run("verify", *files, "--key", "nonsense")
    assert done.status == 2
    assert len(done.faults) == 1


async def test_files_of_one_log_are_held_against_each_other(
    bare: Program, bundle: Path, proof: Path
) -> None:
    done = await bare.run("verify", str(proof), str(bundle))
    assert done.status == 0
    assert "together: no contradiction" in done.out
    assert f"of {proof} is in {bundle}" in done.out
    assert "the operator's: times of entries" in done.out


async def test_a_public_bundle_names_nobody_and_holds(used: Program, bare: Program) -> None:
    out = used.folder / "public.zip"
    done = await used.run("export", "--out", str(out), "--public")
    assert done.status == 0
    assert (await bare.run("verify", str(out))).status == 0
    with zipfile.ZipFile(out) as archive:
        lines = [json.loads(line) for line in archive.read("consents.jsonl").splitlines()]
    assert lines
    assert {value for line in lines for value in list(line.values())[4:]} == {""}


async def test_what_contradicts_the_public_form_or_is_nobody_is_2(used: Program) -> None:
    for option in (("--public", "--purpose", "offers"), ("--subject", "99999999")):
        done = await used.run("export", "--out", "log.zip", *option)
        assert done.status == 2
        [line] = done.faults
        assert option[0] in line
        assert files_in(used.folder) == {}


async def test_roots_that_are_none_are_2(bare: Program, bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "roots.pem"
    path.write_text("nonsense")
    done = await bare.run("verify", str(bundle), "--stamp-roots", str(path))
    assert done.status == 2
    assert "--stamp-roots" in done.faults[0]


@pytest.mark.parametrize(
    "options",
    [
        ("--to", "9999-12-31"),
        ("--from", "0001-01-01T00:00:00+14:00"),
        ("--to", "9999-12-31T23:59:59-14:00"),
        ("--subject", "\udcff"),
    ],
    ids=ascii,
)
async def test_what_no_calendar_or_text_has_is_2(used: Program, options: tuple[str, str]) -> None:
    done = await used.run("export", "--out", str(used.folder / "x.csv"), *options)
    assert done.status == 2
    assert options[0] in done.err
    assert "fault of ours" not in done.err
    assert not (used.folder / "x.csv").exists()


async def test_a_pipe_a_device_and_a_folder_are_refused_at_once(
    bare: Program, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        done = await bare.run("verify", str(path))
        assert done.status == 2
        assert "not a regular file" in done.err


def test_what_others_wrote_stays_in_its_line() -> None:
    report = Report("x\x1b[8m.zip", failures=["a\nb\u202e"], remarks=["c\r\udcff"])
    told = evidence._told(report)
    assert "x\\x1b[8m.zip: DOES NOT HOLD" in told
    assert "  ✗ a\\nb\\u202e" in told.split("\n")
    assert "  ! c\\r\\udcff" in told.split("\n")
    found = Comparison(failures=["d\ne"])
    assert evidence._together(found)[1:] == ["  ✗ d\\ne"]
