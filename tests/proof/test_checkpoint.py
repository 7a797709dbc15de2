"""A checkpoint says one size and one root of one log, in one spelling (C2SP tlog-checkpoint)."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_log import KEY, ORIGIN, SEED, THIEF

from bot.proof import checkpoint, note
from bot.proof.checkpoint import Checkpoint
from bot.proof.errors import Contradiction, ProofError, UnusableFile

ROOT = b"r" * 32
ROOT_TEXT = base64.b64encode(ROOT).decode()
SIGNED = checkpoint.sign(Checkpoint(origin=ORIGIN, size=7, root=ROOT), SEED).encode()


def signed(text: str) -> bytes:
    return note.sign(text, ORIGIN, SEED).encode()


@given(size=st.integers(0, 10**19 - 1), root=st.binary(min_size=32, max_size=32))
def test_what_is_signed_is_read_back(size: int, root: bytes) -> None:
    head = Checkpoint(origin=ORIGIN, size=size, root=root)
    assert checkpoint.verify(checkpoint.sign(head, SEED).encode(), KEY) == head


def test_the_text_has_three_lines() -> None:
    assert SIGNED.decode().startswith(f"{ORIGIN}\n7\n{ROOT_TEXT}\n\n— {ORIGIN} ")


def test_lines_behind_the_root_are_passed_over() -> None:
    # Extensions (C2SP tlog-checkpoint): signed, meant for others.
    assert checkpoint.verify(signed(f"{ORIGIN}\n7\n{ROOT_TEXT}\nmore\n"), KEY).size == 7


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n7\n",
        f"{ORIGIN}\n\n{ROOT_TEXT}\n",
        f"\n7\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n07\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n-7\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n+7\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n7 \n{ROOT_TEXT}\n",
        f"{ORIGIN}\n7_0\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n1٣\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n{10**19}\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n7\n{ROOT_TEXT}=\n",
        f"{ORIGIN}\n7\n{ROOT_TEXT[:-2]}J=\n",
        f"{ORIGIN}\n7\nкорень\n",
    ],
    ids=repr,
)
def test_another_form_is_refused_though_it_is_signed(text: str) -> None:
    with pytest.raises(UnusableFile):
        checkpoint.verify(signed(text), KEY)


def test_a_thief_of_the_name_is_refused() -> None:
    forged = checkpoint.sign(Checkpoint(origin=ORIGIN, size=7, root=ROOT), THIEF)
    with pytest.raises(Contradiction):
        checkpoint.verify(forged.encode(), KEY)


def test_a_false_signature_beside_the_true_one_spoils_it() -> None:
    text, line = SIGNED.decode().split("\n\n")
    blob = base64.b64decode(line.split(" ")[2])
    false = base64.b64encode(blob[:4] + bytes(64)).decode()
    with pytest.raises(Contradiction):
        checkpoint.verify(f"{text}\n\n— {ORIGIN} {false}\n{line}".encode(), KEY)


@given(at=st.integers(0, len(SIGNED)), gone=st.integers(0, 12), instead=st.binary(max_size=12))
def test_a_damaged_checkpoint_never_does_more_than_fail_clearly(
    at: int, gone: int, instead: bytes
) -> None:
    damaged = SIGNED[:at] + instead + SIGNED[at + gone :]
    if damaged != SIGNED:
        with pytest.raises(ProofError):
            checkpoint.verify(damaged, KEY)


@given(st.text())
def test_no_text_is_taken_for_a_key_but_in_its_one_spelling(text: str) -> None:
    try:
        key = note.parse_key(text)
    except UnusableFile:
        return
    assert str(key) == text.strip()
