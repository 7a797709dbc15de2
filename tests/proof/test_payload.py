"""The tables have the contract's columns, say what the payloads say, and start no formula."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from small_log import ANNA, AT, BORIS, ERASURE, GONE, LOG, TEXT

from bot.proof import entry, payload

CONTRACT = (
    "index, entry_id, time, event, subject, channel, account, purpose, kind, notice_version, "
    "notice_sha256, shown_sha256, locale, source, method, update_id, message_id, expires, previous"
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def test_the_columns_are_those_of_the_contract_in_order() -> None:
    assert ", ".join(payload.COLUMNS) == CONTRACT
    line = json.loads(payload.json_line(payload.row(1, ANNA.entry, ANNA.payload)))
    assert ", ".join(line) == CONTRACT


def test_a_row_says_what_the_entry_and_its_payload_say() -> None:
    found = payload.row(1, ANNA.entry, ANNA.payload)
    assert found["index"] == 1
    assert found["entry_id"] == ANNA.id
    assert found["time"] == "2026-11-24T12:01:00.000Z"
    assert found["event"] == "granted"
    assert found["subject"] == "anna"
    assert found["notice_version"] == 1
    assert found["expires"] == ""


def test_of_an_erased_person_the_row_stays_and_tells_nobody() -> None:
    found = payload.row(3, GONE.entry, None)
    kept = ("index", "entry_id", "time", "event")
    assert [found[name] for name in kept] == [3, GONE.id, "2026-11-24T12:03:00.000Z", "granted"]
    assert {found[name] for name in payload.COLUMNS if name not in kept} == {""}


def test_the_row_of_an_erasure_says_only_that_there_was_one() -> None:
    found = payload.row(4, ERASURE.entry, ERASURE.payload)
    assert found["event"] == "erased"
    assert found["subject"] == found["account"] == ""


def test_a_payload_cannot_speak_for_its_entry() -> None:
    lying = {**ANNA.payload, "index": 9, "entry_id": "x", "time": "x", "event": "refused"}
    assert payload.row(1, ANNA.entry, lying) == payload.row(1, ANNA.entry, ANNA.payload)


# --- CSV --------------------------------------------------------------------------------------


@given(st.lists(TEXTS, min_size=2, max_size=5))
@example(["a\rb", "c"])
@example(['"', ",\n"])
def test_any_program_reads_the_cells_back(cells: list[str]) -> None:
    text = payload.csv_line(cells)
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == [cells]


@given(TEXTS)
@example("=cmd|' /C calc'!A0")
@example("+1")
@example("-1")
@example("@SUM(A1)")
@example("\t=1")
@example("\r=1")
def test_no_cell_can_start_a_formula(text: str) -> None:
    hostile = {name: text for name in ANNA.payload if name != "event"}
    line = payload.csv_row(payload.row(1, ANNA.entry, hostile))
    [cells] = csv.reader(io.StringIO(line, newline=""))
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
    assert cells[payload.COLUMNS.index("source")].removeprefix("'") == text.removeprefix("'")


def test_json_lines_keep_the_exact_value() -> None:
    line = payload.json_line(payload.row(1, ANNA.entry, ANNA.payload))
    assert line.count("\n") == 1
    assert json.loads(line)["source"] == "=cmd()"


# --- the selection ----------------------------------------------------------------------------

ANNA_TIME = ANNA.entry.time
LATER = entry.rfc3339(AT.replace(minute=30))


@pytest.mark.parametrize(
    ("selection", "is_taken"),
    [
        ({}, True),
        ({"from": ANNA_TIME}, True),
        ({"from": LATER}, False),
        ({"to": ANNA_TIME}, False),
        ({"to": LATER}, True),
        ({"from": ANNA_TIME, "to": LATER}, True),
        ({"purpose": "news"}, True),
        ({"purpose": "other"}, False),
        ({"purpose": "news", "to": ANNA_TIME}, False),
    ],
)
def test_a_selection_begins_with_its_start_and_stops_before_its_end(
    selection: dict[str, str], *, is_taken: bool
) -> None:
    assert payload.Choice(selection).takes(ANNA.entry, ANNA.payload) is is_taken


@pytest.mark.parametrize("opened", [None, {}])
def test_a_closed_entry_belongs_to_no_single_purpose(opened: dict[str, Any] | None) -> None:
    assert payload.Choice({}).takes(GONE.entry, opened)
    assert not payload.Choice({"purpose": "news"}).takes(GONE.entry, opened)


def test_only_consents_and_erasures_have_rows() -> None:
    chosen = [each for each in LOG if payload.Choice({}).takes(each.entry, each.payload)]
    assert TEXT not in chosen
    assert chosen == list(LOG[1:])
    assert BORIS in chosen


JSON = st.none() | st.booleans() | st.integers() | TEXTS | st.lists(TEXTS, max_size=2)


@given(st.dictionaries(st.sampled_from(payload.COLUMNS), JSON))
@example({"source": "a\\u0000b", "notice_version": 1})
@example({"source": "a\0b", "notice_version": 1, "account": "=1"})
@example({"source": "a,b", "notice_version": True})
def test_the_fast_way_to_a_line_writes_what_the_slow_one_does(opened: dict[str, Any]) -> None:
    line = payload.row(7, ANNA.entry, opened)
    expected = (payload.csv_row(line), payload.json_line(line))
    assert payload.table_lines(7, ANNA.entry, opened) == expected
