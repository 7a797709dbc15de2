"""Entries and payloads have one form, RFC 8785's, and commit to every byte of it."""

import base64
import json
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from bot.proof import canonical, entry
from bot.proof.errors import ProofError, UnusableFile

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "data/vectors/rfc8785-jcs/cases.json").read_text()
)
CASES = VECTORS["cases"]
AT = datetime(2026, 11, 24, 12, 0, 0, 123_000, tzinfo=UTC)
HASHED = entry.build(entry_type="consent.granted", entry_id="0" * 32, at=AT, commitment="f" * 64)
FACTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def has_float(facts: Any) -> bool:
    if isinstance(facts, dict):
        return any(map(has_float, facts.values()))
    return any(map(has_float, facts)) if isinstance(facts, list) else isinstance(facts, float)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_canonical_json_agrees_with_the_published_vectors(case: dict[str, Any]) -> None:
    facts = json.loads(base64.b64decode(case["input_b64"]))
    if has_float(facts):
        with pytest.raises(UnusableFile):
            canonical.canonical_bytes(facts)
    else:
        assert canonical.canonical_bytes(facts) == base64.b64decode(case["output_b64"])


@pytest.mark.parametrize(("bits", "spelled"), VECTORS["es6_numbers"])
def test_published_numbers_are_spelled_right_and_have_no_place_in_facts(
    bits: str, spelled: str
) -> None:
    [number] = struct.unpack(">d", bytes.fromhex(bits.zfill(16)))
    assert rfc8785.dumps(number).decode() == spelled
    with pytest.raises(UnusableFile):
        canonical.canonical_bytes(number)


@given(FACTS)
def test_what_is_written_is_read_back(facts: Any) -> None:
    try:
        data = canonical.canonical_bytes(facts)
    except UnusableFile:
        return  # a lone surrogate
    assert canonical.parse(data) == facts


def test_an_entry_reads_back_as_it_was_built() -> None:
    read = entry.parse(HASHED)
    assert (read.type, read.id, read.commitment) == ("consent.granted", "0" * 32, "f" * 64)
    assert read.time == "2026-11-24T12:00:00.123Z"


@given(st.binary(max_size=400))
def test_other_bytes_are_no_entry(data: bytes) -> None:
    with pytest.raises(ProofError):
        entry.parse(data)


@pytest.mark.parametrize(
    "changed",
    [
        HASHED + b" ",
        HASHED.replace(b"granted", b"invented"),
        HASHED.replace(b'"v":1', b'"v":2'),
        HASHED.replace(b".123Z", b"Z"),
        HASHED.replace(b"{", b'{"extra":"",', 1),
    ],
)
def test_an_entry_in_another_form_is_refused(changed: bytes) -> None:
    if changed == HASHED:
        pytest.fail("the change changed nothing")
    with pytest.raises(UnusableFile):
        entry.parse(changed)


def test_a_commitment_hides_and_binds() -> None:
    payload = {"account": "1001", "event": "granted"}
    commitment = entry.commitment(b"s" * 32, payload)
    assert commitment == entry.commitment(b"s" * 32, dict(reversed(payload.items())))
    assert commitment != entry.commitment(b"t" * 32, payload)
    assert commitment != entry.commitment(b"s" * 32, {**payload, "account": "1002"})
