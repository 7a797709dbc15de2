"""`dossier` answers a complaint from the shell: one person, with proofs that a stranger checks."""

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from program import Program, files_in

from bot.cli.program import entry

ANNA, BEN, EVE = "2001", "2002", "2003"
"""Agreed to all; agreed to two and left; agreed to all and was erased."""


async def dossier(program: Program, *options: str) -> dict[str, Any]:
    out = program.folder / "dossier.json"
    done = await program.run("dossier", "--out", str(out), *options)
    assert done.status == 0, done.err
    facts: dict[str, Any] = json.loads(out.read_text())
    assert f"recorded in the log as entry {facts['recorded_as']['index']}" in done.err
    assert done.out == ""
    return facts


async def table(program: Program) -> list[dict[str, Any]]:
    out = program.folder / "log.jsonl"
    assert (await program.run("export", "--out", str(out))).status == 0
    return [json.loads(line) for line in out.read_text().splitlines()]


async def test_a_person_is_found_by_account_entry_number_and_subject(used: Program) -> None:
    rows = await table(used)
    left = next(row for row in rows if row["account"] == BEN and row["event"] == "withdrawn")
    facts = await dossier(used, "--account", BEN)
    for options in (
        ("--entry", left["entry_id"]),
        ("--entry", str(left["index"])),
        ("--subject", left["subject"]),
    ):
        assert (await dossier(used, *options))["person"] == facts["person"]
    assert facts["person"]["account"] == BEN
    assert [one["entry_id"] for one in facts["events"]] == [
        row["entry_id"] for row in rows if row["account"] == BEN
    ]
    assert [ending["event"] for ending in facts["endings"]] == ["refused", "withdrawn"]
    for ending in facts["endings"]:
        assert 0 <= ending["seconds_from_storing"] < 60
    assert facts["endings"][1]["acted"] is not None, "/stop has Telegram's date"


async def test_its_proofs_are_checked_by_a_stranger(used: Program, tmp_path: Path) -> None:
    facts = await dossier(used, "--account", ANNA)
    files = []
    for number, one in enumerate(facts["events"]):
        path = tmp_path / f"{number}.tlog-proof"
        path.write_bytes(base64.b64decode(one["proof"]))
        files.append(str(path))
    stranger = Program(tmp_path / "stranger")
    checked = await stranger.run("verify", *files, "--key", facts["log"]["key"])
    assert checked.status == 0, checked.out
    assert checked.out.count(": holds") == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [((), "Досье"), (("--locale", "en"), "Dossier")],
)
async def test_the_page_is_private_and_in_the_language_that_was_asked_for(
    used: Program, options: tuple[str, ...], words: str
) -> None:
    out = used.folder / "dossier.html"
    done = await used.run("dossier", "--account", ANNA, "--out", str(out), *options)
    assert done.status == 0, done.err
    assert f"<h1>{words}</h1>" in out.read_text()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert [path.name for path in used.folder.iterdir()] == ["dossier.html"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--account", EVE), "Nobody is kept here under this id"),
        (("--entry", "99999"), "The log has no such entry"),
        (("--entry", "0"), "is about no person: it is of type notice.published"),
    ],
)
async def test_nobody_is_a_sentence_and_writes_no_file(
    used: Program, options: tuple[str, ...], told: str
) -> None:
    done = await used.run("dossier", "--out", str(used.folder / "x.json"), *options)
    assert done.status == 2
    [line] = done.faults
    assert told in line
    assert files_in(used.folder) == {}


async def test_an_entry_of_somebody_erased_says_when(used: Program) -> None:
    rows = await table(used)
    gone = next(row for row in rows if not row["subject"] and row["event"] == "granted")
    out = used.folder / "x.html"
    done = await used.run("dossier", "--entry", gone["entry_id"], "--out", str(out))
    assert done.status == 2
    [line] = done.faults
    assert f"Entry no. {gone['index']} (consent.granted" in line
    assert "belongs to a person who was erased" in line
    assert "By the log they were erased on" in line
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "one of --account, --entry, --subject"),
        (("--account", "1", "--entry", "2"), "one of --account, --entry, --subject"),
        (("--account", "Anna"), "--account: not the number"),
        (("--entry", "seven"), "--entry: not an entry"),
        (("--subject", "12"), "--subject: not an id"),
        (("--account", "1", "--out", "x.pdf"), "must end in .html or .json"),
        (("--account", "1", "--locale", "de"), "--locale"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_2(
    options: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = () if "--out" in options else ("--out", "x.html")
    assert entry(["dossier", *options, *out]) == 2
    printed = capsys.readouterr()
    [line] = printed.err.splitlines()
    assert told in line
    assert printed.out == ""


async def test_nothing_that_tells_who_is_on_the_streams_or_in_the_name(used: Program) -> None:
    out = used.folder / "dossier.json"
    done = await used.run("dossier", "--account", BEN, "--out", str(out), LOG_LEVEL="debug")
    assert done.status == 0
    facts = json.loads(out.read_text())
    for secret in (BEN, facts["person"]["first_name"], facts["person"]["subject"]):
        assert secret not in done.out + done.err
