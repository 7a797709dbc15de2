"""A bundle holds the whole log, opens what was selected, and stands alone."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_log import (
    ANNA,
    ANNA_LEFT,
    BORIS,
    ERASURE,
    GONE,
    KEY,
    LOG,
    ORIGIN,
    SEED,
    TEXT,
    checked,
    checked_bytes,
    files_of,
    head_of,
    line,
    packed,
    root_of,
    signed,
    unpacked,
    written,
)

from bot.proof import archive, bundle, canonical, checkpoint, note, verifier
from bot.proof.bundle import BundleWriter
from bot.proof.errors import UnusableFile
from bot.proof.report import MAX_FAILURES

FILES = files_of()


def rows(files: dict[str, bytes]) -> list[dict[str, Any]]:
    return [json.loads(each) for each in files[bundle.JSONL].splitlines()]


def test_a_bundle_of_an_honest_operator_verifies(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    assert written(path) == 5
    report = verifier.verify_file(path, KEY)
    assert report.failures == []
    assert report.remarks == [
        "1 answers and 0 deliveries are closed; 1 erasures and sweeps are in the log"
    ]
    assert (report.origin, report.size, report.opened) == (ORIGIN, 6, 5)
    assert report.is_key_given
    assert report.proven
    assert report.not_proven


def test_it_has_the_files_of_the_contract() -> None:
    assert sorted(FILES) == [
        "README.txt",
        "checkpoint.note",
        "checkpoints.jsonl",
        "consents.csv",
        "consents.jsonl",
        "deliveries.jsonl",
        "entries.jsonl",
        "leaves.bin",
        "manifest.json",
        "manifest.note",
        "notices.jsonl",
        "payloads.jsonl",
        "public-key.txt",
        "stamps.jsonl",
        "summary.html",
        "verifier.html",
    ]


def test_the_same_log_makes_the_same_bundle(tmp_path: Path) -> None:
    for name in ("a", "b"):
        written(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == packed(FILES)


def test_nothing_is_left_beside_it(tmp_path: Path) -> None:
    written(tmp_path / "bundle.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle.zip"]


def test_nothing_is_left_when_writing_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), BundleWriter(tmp_path / "bundle.zip"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_the_checkpoint_is_of_all_entries() -> None:
    head = checkpoint.verify(FILES[bundle.CHECKPOINT], KEY)
    assert (head.origin, head.size, head.root) == (ORIGIN, len(LOG), root_of(LOG))
    assert FILES[bundle.ENTRIES].splitlines() == [each.entry.hashed for each in LOG]


def test_what_was_erased_stays_closed_and_the_log_still_verifies() -> None:
    openings = [canonical.parse(each) for each in FILES[bundle.PAYLOADS].splitlines()]
    assert [opening["index"] for opening in openings] == [0, 1, 2, 4, 5]
    assert b"carl" not in b"".join(FILES.values())
    closed = rows(FILES)[2]
    assert (closed["index"], closed["event"], closed["subject"]) == (3, "granted", "")


def test_both_tables_say_the_same() -> None:
    table = csv.DictReader(io.StringIO(FILES[bundle.CSV].decode(), newline=""))
    told = [{name: str(value) for name, value in row.items()} for row in rows(FILES)]
    told[0]["source"] = "'=cmd()"
    assert list(table) == told


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, [ANNA, BORIS, GONE, ERASURE, ANNA_LEFT]),
        ({"purpose": "news"}, [ANNA, BORIS, ANNA_LEFT]),
        ({"purpose": "other"}, []),
        ({"from": BORIS.entry.time}, [BORIS, GONE, ERASURE, ANNA_LEFT]),
        ({"to": GONE.entry.time}, [ANNA, BORIS]),
        ({"from": ANNA_LEFT.entry.time, "purpose": "news"}, [ANNA_LEFT]),
    ],
    ids=repr,
)
def test_a_selection_opens_its_part_and_verifies(
    selection: dict[str, str], expected: list[Any]
) -> None:
    files = files_of(selection=selection)
    assert [row["entry_id"] for row in rows(files)] == [each.id for each in expected]
    assert canonical.parse(files[bundle.MANIFEST])["selection"] == selection
    assert checked(files).failures == []
    opened = [canonical.parse(each)["index"] for each in files[bundle.PAYLOADS].splitlines()]
    assert opened == [LOG.index(each) for each in (TEXT, *expected) if not each.is_erased]


def test_an_empty_log_has_a_bundle() -> None:
    files = files_of(())
    report = checked(files)
    assert (report.failures, report.size, report.opened) == ([], 0, 0)
    assert rows(files) == []


def test_a_cell_of_several_lines_is_no_hiding_place() -> None:
    hostile = (TEXT, ANNA.saying(source='a\n2,"x"\r\n,"'), BORIS)
    files = files_of(hostile)
    assert checked(files).failures == []
    changed = files[bundle.CSV].replace(b'2,""x""', b'2,""y""')
    assert changed != files[bundle.CSV]
    report = checked(signed({**files, bundle.CSV: changed}))
    assert report.failures == ["entry 1: consents.csv tells something else"]


def test_a_clock_that_went_back_is_a_remark() -> None:
    late, early = line(9, "staff.act", {}), line(0, "staff.act", {})
    report = checked(files_of((late, early)))
    assert report.failures == []
    assert report.remarks == [f"entry 1: the clock went back to {early.entry.time}"]


def test_the_summary_opens_offline_and_runs_nothing() -> None:
    hostile = TEXT.payload["notice"] | {"purpose": "<script>x</script>"}
    text = TEXT.saying(notice=hostile)
    files = files_of((text, ANNA.saying(purpose="<script>x</script>")))
    page = files[bundle.SUMMARY].decode()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "http:" not in page
    assert "https:" not in page


def test_the_summary_counts_every_row() -> None:
    page = FILES[bundle.SUMMARY].decode()
    kinds = {(row["purpose"], row["event"]) for row in rows(FILES)}
    assert page.count("aria-label=") == len(kinds) + 1, "a bar for each, and the picture"
    assert page.count("</title></rect>") == 2, "one day: those who agreed, and all others"


@pytest.mark.parametrize("name", ["extra.txt", "/etc/passwd", "../up.txt", "manifest.json2"])
def test_another_file_in_it_is_refused(name: str) -> None:
    with pytest.raises(UnusableFile, match="other files"):
        checked({**FILES, name: b""})


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_is_refused(name: str) -> None:
    with pytest.raises(UnusableFile, match=name):
        checked({other: data for other, data in FILES.items() if other != name})


def test_a_bundle_of_a_later_format_is_unusable_and_not_false() -> None:
    with pytest.raises(UnusableFile, match="assent-bundle/1"):
        checked(signed(FILES, format="assent-bundle/2"))


@pytest.mark.parametrize("data", [b"", b"P", b"PK", b"PK\3\4", b"c2sp.org/tlog-proof@v2\n"])
def test_a_file_of_neither_kind_is_unusable(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(UnusableFile):
        verifier.verify_file(path, KEY)


def test_a_file_that_cannot_be_read_is_unusable(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert not verifier.is_checkpoint(pipe)
    for path in (tmp_path, tmp_path / "absent", pipe, Path("/dev/zero")):
        with pytest.raises(UnusableFile, match="cannot be read"):
            verifier.verify_file(path)


def test_a_report_of_a_flood_of_failures_ends_somewhere() -> None:
    # Every entry is opened wrongly; what is printed stays readable.
    lines = [TEXT, *(line(number, "staff.act", {"n": number}) for number in range(1, 101))]
    files = files_of(lines)
    openings = [canonical.parse(each) for each in files[bundle.PAYLOADS].splitlines()]
    openings += [
        {"index": number, "salt": "00" * 32, "payload": {}} for number in range(1, len(lines))
    ]
    forged = b"".join(canonical.canonical_bytes(each) + b"\n" for each in openings)
    report = checked(signed({**files, bundle.PAYLOADS: forged}))
    assert len(report.failures) == MAX_FAILURES
    assert report.more_failures == 100 - MAX_FAILURES


def test_the_public_key_in_it_is_in_the_form_of_other_verifiers() -> None:
    assert note.parse_key(FILES[bundle.KEY].decode()) == KEY
    assert head_of(LOG, SEED).encode() == FILES[bundle.CHECKPOINT]


def test_a_bundle_is_an_archive_like_any_other() -> None:
    data = packed(FILES)
    assert unpacked(data) == FILES
    assert [member.name for member in archive.read(io.BytesIO(data))] == sorted(FILES)
    assert checked_bytes(data).ok


def test_the_verifier_needs_nothing_else_of_the_project() -> None:
    program = "import bot.proof.verifier, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()
    ours = {name for name in loaded if name.split(".")[0] in {"bot", "storage", "handlers"}}
    assert "bot.proof.verifier" in ours
    assert {name for name in ours if name != "bot" and not name.startswith("bot.proof")} == set()
    assert not {"aiogram", "sqlalchemy", "pydantic", "fastapi", "aiohttp"} & set(loaded)


def test_what_a_killed_export_left_open_is_gone_after_the_next(tmp_path: Path) -> None:
    left = tmp_path / "bundle.zip.files"
    left.mkdir()
    (left / "payloads.jsonl").write_text("somebody's")
    with BundleWriter(tmp_path / "bundle.zip"):
        assert (left / "payloads.jsonl").read_bytes() == b""
        assert left.stat().st_mode & 0o077 == 0
    assert not left.exists()
