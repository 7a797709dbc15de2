"""Signed notes agree with golang's and C2SP's, and no changed byte passes."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.proof import checkpoint, note
from bot.proof.checkpoint import Checkpoint
from bot.proof.errors import Contradiction, ProofError

NOTES: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "data/vectors/signed-note/notes.json").read_text()
)
PETER = note.parse_key(NOTES["valid"][1]["vkeys"][0])
SEED = bytes(range(32))
KEY = note.verifier_key("assent/tea", SEED)
SIGNED = checkpoint.sign(Checkpoint(origin="assent/tea", size=7, root=b"r" * 32), SEED).encode()


@pytest.mark.parametrize("case", NOTES["valid"], ids=lambda case: case["name"])
def test_published_notes_verify(case: dict[str, Any]) -> None:
    text = note.verify(case["note"].encode(), *map(note.parse_key, case["vkeys"]))
    assert case["note"].startswith(text)


def test_signing_gives_golangs_bytes() -> None:
    case = NOTES["deterministic_signing"]
    name, _, key_text = case["skey"].removeprefix("PRIVATE+KEY+").split("+", 2)
    seed = base64.b64decode(key_text)[1:]
    assert note.sign(case["text"], name, seed) == case["note"]


@pytest.mark.parametrize("vkey", NOTES["invalid_vkeys"])
def test_broken_keys_are_refused(vkey: str) -> None:
    with pytest.raises(ProofError):
        note.parse_key(vkey)


@pytest.mark.parametrize("case", NOTES["must_reject_with_peter_key"], ids=lambda c: c["why"])
def test_broken_notes_are_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ProofError):
        note.verify(case["note"].encode(), PETER)


@pytest.mark.parametrize("case", NOTES["parse_only_checkpoints"], ids=lambda case: case["note"])
def test_published_checkpoints_are_read_and_not_believed(case: dict[str, Any]) -> None:
    """Their key is not published: the form is right, and nobody vouches for it here."""
    text = case["checkpoint"].split("\n\n")[0] + "\n"
    found = checkpoint.parse(text)
    assert found.text() == text
    if "root_b64" in case:
        root = base64.b64decode(case["root_b64"])
        assert found == Checkpoint(origin=case["origin"], size=case["size"], root=root)
    stranger = note.verifier_key(found.origin, SEED)
    with pytest.raises(Contradiction, match="none of the given keys"):
        checkpoint.verify(case["checkpoint"].encode(), stranger)


def test_sixteen_signatures_of_strangers_are_passed_over() -> None:
    text, lines = SIGNED.decode().split("\n\n")
    strangers = "".join(
        note.sign("x\n", f"witness{number}", bytes([number]) * 32).split("\n\n")[1]
        for number in range(16)
    )
    assert checkpoint.verify(f"{text}\n\n{strangers}{lines}".encode(), KEY).size == 7


def test_every_changed_byte_of_a_checkpoint_is_refused() -> None:
    for at in range(len(SIGNED)):
        changed = bytearray(SIGNED)
        changed[at] ^= 1
        with pytest.raises(ProofError):
            checkpoint.verify(bytes(changed), KEY)


def test_a_checkpoint_of_another_key_is_refused() -> None:
    other = note.verifier_key("assent/tea", b"o" * 32)
    with pytest.raises(Contradiction):
        checkpoint.verify(SIGNED, other)


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_fail_clearly(data: bytes) -> None:
    for parse in (lambda: checkpoint.verify(data, KEY), lambda: note.parse_key(repr(data))):
        with pytest.raises(ProofError):
            parse()
