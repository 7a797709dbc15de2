"""`purposes check`: every fault by its key, before anybody is asked anything."""

import re
from pathlib import Path

import pytest
from program import Program

ADVISORY = "RU-38FZ-5-10.7"


async def test_a_good_file_is_summed_up(program: Program, files: Path) -> None:
    path = files / "purposes.toml"
    done = await program.run("purposes", "check", str(path))
    assert done.status == 0
    assert done.err == ""
    line, *terms = done.out.splitlines()
    assert line.startswith(str(path))
    assert [term.split(":")[0] for term in terms] == ["personal-data", "orders", "offers"]
    assert all("kept P3Y after the consent ended (общий срок" in term for term in terms)
    for purpose_id in ("personal-data", "orders", "offers"):
        assert purpose_id in line


async def test_what_is_still_the_examples_is_said(program: Program, files: Path) -> None:
    path = files / "purposes.toml"
    path.write_text(path.read_text().replace("me@tea-shop.test", "privacy@tea.example"))
    done = await program.run("purposes", "check", str(path))
    assert done.status == 0
    assert "the example's" in done.out.splitlines()[1]


async def test_without_a_file_the_one_of_the_settings_is_checked(
    program: Program, files: Path
) -> None:
    done = await program.run("purposes", "check")
    assert done.status == 0
    assert str(files / "purposes.toml") in done.out


async def test_it_needs_no_settings_when_the_file_is_named(program: Program, files: Path) -> None:
    program.environment = {}
    done = await program.run("purposes", "check", str(files / "purposes.toml"))
    assert done.status == 0


async def test_every_fault_is_a_line_with_file_and_key(program: Program, files: Path) -> None:
    path = files / "purposes.toml"
    text = path.read_text()
    text = text.replace('inn = "7707083893"', 'inn = "7707083894"')
    text = text.replace('kind = "informational"', 'kind = "spam"')
    text = text.replace('valid_for = "P3Y"', 'valid_for = "3 years"', 1)
    path.write_text(text + "\n[nonsense]\nkey = 1\n")
    (files / "notices" / "offers.en.txt").unlink()
    done = await program.run("purposes", "check", str(path))
    assert done.status == 1
    keys = ("controller.inn", "purpose[orders].kind", ".valid_for", "nonsense", "notice_file.en")
    for key in keys:
        assert any(key in line for line in done.faults), key
    assert len(done.faults) == len(keys)
    assert all(line.startswith(f"{path}: ") for line in done.faults)


@pytest.mark.parametrize("content", [b"format = ", b"\xff\xfe\x00", b"", b"format = 2\n"], ids=repr)
async def test_what_is_not_a_purposes_file_is_a_fault_not_a_traceback(
    content: bytes, program: Program, tmp_path: Path
) -> None:
    path = tmp_path / "strange.toml"
    path.write_bytes(content)
    done = await program.run("purposes", "check", str(path))
    assert done.status == 1
    assert done.faults
    assert all(line.startswith(f"{path}: ") for line in done.faults)


async def test_a_file_that_is_not_there_is_one_line(program: Program, tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.toml", tmp_path):
        done = await program.run("purposes", "check", str(path))
        assert done.status == 2
        [line] = done.faults
        assert str(path) in line
    done = await program.run("purposes", "check", PURPOSES_FILE=f"{tmp_path}/nothing.toml")
    assert done.status == 2
    assert done.err.startswith("PURPOSES_FILE: ")


async def test_an_advisory_that_nobody_accepted_is_told_by_its_id(
    program: Program, files: Path
) -> None:
    path = files / "purposes.toml"
    path.write_text(re.sub(r"(?ms)^\[\[advisory\]\].*?(?=^\[)", "", path.read_text()))
    assert ADVISORY not in path.read_text()
    done = await program.run("purposes", "check", str(path))
    assert done.status == 0
    assert f"note: {ADVISORY}: " in done.out
