"""`privacy`: what is past its term goes, a hold keeps it, and the report says what was done."""

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from program import Program

from bot.cli.program import entry

YEARS = 4 * 366 * 86400 * 1000
"""Milliseconds."""


def let_time_pass(files: Path) -> None:
    """Let everything in a shop have happened four years ago."""
    with closing(sqlite3.connect(files / "data" / "assent.db")) as database:
        database.execute("UPDATE consent SET since = since - ?", (YEARS,))
        database.execute("UPDATE prompt SET expires_at = expires_at - ?", (YEARS,))
        database.commit()


def count(files: Path, table: str) -> int:
    with closing(sqlite3.connect(files / "data" / "assent.db")) as database:
        (number,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
    return int(number)


async def test_a_dry_run_says_what_would_go_and_changes_nothing(
    used: Program, tmp_path: Path
) -> None:
    files = tmp_path / "files"
    let_time_pass(files)
    before = count(files, "log_payload"), count(files, "log_entry")
    done = await used.run("privacy", "sweep", "--dry-run")
    assert (done.status, done.err) == (0, "")
    data, orders, offers = done.out.splitlines()
    assert "personal-data: 0 people" in data
    assert "orders: 1 people, 1 entries to delete; their consents ended 20" in orders
    assert "offers: 1 people, 2 entries" in offers
    assert "kept P3Y by общий срок исковой давности" in offers
    assert (count(files, "log_payload"), count(files, "log_entry")) == before


async def test_a_sweep_deletes_reports_and_is_recorded(used: Program, tmp_path: Path) -> None:
    files, path = tmp_path / "files", tmp_path / "swept.json"
    let_time_pass(files)
    done = await used.run("privacy", "sweep", "--report", str(path))
    assert (done.status, done.err) == (0, "")
    assert "offers: deleted for 1 people: 2 entries" in done.out
    assert "recorded in the log as entry" in done.out
    assert path.stat().st_mode & 0o077 == 0
    report = json.loads(path.read_text())
    assert report["format"] == "assent-sweep/1"
    assert [one["purpose"] for one in report["purposes"]] == ["offers", "orders"]
    assert report["rules"][0]["keep_proof_rule"]["en"].startswith("general limitation period")
    assert report["log_index"] == count(files, "log_entry") - 1
    again = await used.run("privacy", "sweep")
    assert again.out.count("nothing to delete") == 3
    bundle = tmp_path / "bundle.zip"
    assert (await used.run("export", "--out", str(bundle))).status == 0
    assert (await used.run("verify", str(bundle))).status == 0


async def test_a_report_that_cannot_be_written_stops_the_sweep(
    used: Program, tmp_path: Path
) -> None:
    files = tmp_path / "files"
    let_time_pass(files)
    before = count(files, "log_payload")
    done = await used.run("privacy", "sweep", "--report", str(tmp_path / "nowhere" / "x.json"))
    assert done.status == 2
    assert len(done.faults) == 1
    assert "nowhere" in done.faults[0]
    assert count(files, "log_payload") == before


async def test_a_hold_is_placed_listed_respected_and_released(
    used: Program, tmp_path: Path
) -> None:
    files = tmp_path / "files"
    let_time_pass(files)
    ben = "2002"
    placed = await used.run("privacy", "hold", "--account", ben, "--reason", "case 12/2026")
    assert (placed.status, placed.err) == (0, "")
    subject_id = placed.out.removeprefix("held: ").strip()
    listed = await used.run("privacy", "holds")
    assert subject_id in listed.out
    assert "case 12/2026" in listed.out
    assert time.strftime("%Y-", time.gmtime()) in listed.out
    assert ben not in listed.out.replace(subject_id, "")
    swept = await used.run("privacy", "sweep")
    assert swept.out.count("under a legal hold: 1") == 2
    assert swept.out.count("nothing to delete") == 3
    released = await used.run("privacy", "release", "--account", ben)
    assert released.out == f"released: {subject_id}\n"
    assert (await used.run("privacy", "holds")).out == ""


async def test_what_cannot_be_held_or_released_is_one_line_and_2(used: Program) -> None:
    for arguments in (
        ("hold", "--account", "999", "--reason", "a case"),
        ("hold", "--account", "2001", "--reason", ""),
        ("release", "--account", "2001"),
    ):
        done = await used.run("privacy", *arguments)
        assert done.status == 2, arguments
        assert len(done.faults) == 1
        assert done.faults[0].startswith("--")
        assert "2001" not in done.err


def test_a_report_of_a_dry_run_is_refused() -> None:
    assert entry(["privacy", "sweep", "--dry-run", "--report", "x.json"]) == 2
