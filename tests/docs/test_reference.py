"""The documents name everything that others rely on, and their links lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from bot.proof.payload import COLUMNS
from bot.settings import Settings

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs/reference.md").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
OF_THE_DESIGN = (
    "controller",
    "purpose",
    "notice",
    "channel",
    "prerequisite",
    "subject",
    "consent event",
    "proof",
    "campaign",
    "occurrence",
    "delivery",
    "suppression",
    "staff",
)
OF_THE_CODE = ("prompt", "receipt", "checkpoint", "standing", "terms", "reach", "flight")


def section(title: str) -> str:
    """Return one chapter of the reference."""
    return REFERENCE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(text: str) -> list[str]:
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [row.split("|")[1].strip() for row in rows]


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, f"{path} {name}".strip())
    else:
        yield path, command


def anchors(page: Path) -> set[str]:
    """Name a page's headings as links do: lower case, hyphens for spaces, no punctuation."""
    headings = HEADING.findall(CODE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


@pytest.mark.parametrize("name", [name.upper() for name in Settings.model_fields])
def test_every_setting_is_in_the_reference_and_the_example(name: str) -> None:
    assert f"| `{name}` |" in section("Settings")
    assert re.search(rf"^#?{name}=", EXAMPLE, re.MULTILINE)


def test_the_reference_and_the_example_name_no_other_setting() -> None:
    known = {name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", section("Settings"), re.MULTILINE)) == known
    assert set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.MULTILINE)) == known


def test_every_command_and_option_is_in_the_reference() -> None:
    from bot.cli.program import main

    told = section("Command line")
    rows = {cell.strip("`"): cell for cell in first_cells(told.replace("\\|", "/"))}
    for path, command in commands(main, ""):
        row = next((row for row in rows if f"{row} ".startswith(f"{path} ")), None)
        assert row is not None, f"{path} is not in docs/reference.md"
        options = [p for p in command.params if isinstance(p, click.Option)]
        for option in options:
            assert option.opts[0] in row, f"{path} {option.opts[0]} is not in docs/reference.md"
    for parameter in main.params:
        assert f"`{parameter.opts[0]}`" in told


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_of_the_consent_log_is_in_the_reference(column: str) -> None:
    assert f"| `{column}` |" in section("The consent log as a table")


def test_the_columns_stand_in_their_order() -> None:
    cells = [cell.strip("`") for cell in first_cells(section("The consent log as a table"))]
    assert tuple(cell for cell in cells if cell in COLUMNS) == COLUMNS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    for target in LINK.findall(CODE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{target} leads nowhere"
        assert found.is_relative_to(ROOT), f"{target} leads out of the repository"
        if anchor:
            assert anchor in anchors(found), f"{target} names no heading"


@pytest.mark.parametrize("word", [*OF_THE_DESIGN, *OF_THE_CODE])
def test_the_glossary_has_every_word_once(word: str) -> None:
    assert first_cells((ROOT / "docs/glossary.md").read_text()).count(word) == 1


def test_the_glossary_has_no_word_twice_and_a_russian_form_for_each() -> None:
    rows = [line for line in (ROOT / "docs/glossary.md").read_text().splitlines() if "|" in line]
    terms = [row.split("|")[1].strip() for row in rows]
    assert len(set(terms)) == len(terms)
    assert all(row.split("|")[2].strip() and row.split("|")[3].strip() for row in rows)


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs/decisions"
    index = (folder / "README.md").read_text()
    assert [p.name for p in folder.glob("0*.md") if f"({p.name})" not in index] == []
