"""One person's proof stands alone: nothing in it can be changed, moved or left out."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_log import (
    ANNA,
    ANNA_LEFT,
    BORIS,
    KEY,
    LOG,
    ORIGIN,
    THIEF,
    Line,
    consent,
    head_of,
    line,
    notice_facts,
    published,
)

from bot.proof import canonical, merkle, note, proof_file, verifier
from bot.proof.errors import Contradiction, ProofError, UnusableFile
from bot.proof.merkle import Node

THIEFS_KEY = note.verifier_key(ORIGIN, THIEF)


def path_of(lines: Sequence[Line], index: int) -> list[bytes]:
    nodes: dict[Node, bytes] = {}
    for size, each in enumerate(lines):
        nodes.update(merkle.append(size, each.entry.leaf, nodes.__getitem__))
    return merkle.prove(merkle.inclusion_ranges(index, len(lines)), nodes.__getitem__)


def proof_of(each: Line, lines: Sequence[Line] = LOG, **facts: Any) -> bytes:
    index = lines.index(each)
    honest: dict[str, Any] = {
        "index": index,
        "hashed": each.entry.hashed,
        "salt": each.salt,
        "payload": each.payload,
        "notice": notice_facts(),
        "path": path_of(lines, index),
        "checkpoint": head_of(lines),
        "key": KEY,
    }
    return proof_file.write(**(honest | facts))


PROOF = proof_of(ANNA)
STAMP = {"authority": "https://time.example", "kind": "rfc3161", "token": "MAA="}


def with_extra(proof: bytes, **facts: Any) -> bytes:
    """Rewrite what the file says of the entry; nothing of it is signed by itself."""
    header, extra, rest = proof.split(b"\n", 2)
    told = canonical.parse(base64.b64decode(extra.removeprefix(b"extra "))) | facts
    text = base64.b64encode(canonical.canonical_bytes(told))
    return b"\n".join([header, b"extra " + text, rest])


def test_time_stamps_travel_with_the_proof() -> None:
    stamped = proof_of(ANNA, stamps=[("https://time.example", b"token")])
    assert proof_file.verify(stamped, KEY).stamps == ((b"token", head_of(LOG).encode()),)
    assert proof_file.verify(PROOF, KEY).stamps == ()


def test_the_proof_of_every_answer_verifies() -> None:
    for each in (ANNA, BORIS, ANNA_LEFT):
        proof = proof_file.verify(proof_of(each), KEY)
        assert (proof.index, proof.entry, proof.payload) == (
            LOG.index(each),
            each.entry,
            each.payload,
        )
        assert proof.notice == notice_facts()
        assert proof.checkpoint.size == len(LOG)


def test_without_a_key_it_is_checked_against_its_own_which_is_told(tmp_path: Path) -> None:
    path = tmp_path / "proof"
    path.write_bytes(PROOF)
    report = verifier.verify_file(path)
    assert report.ok
    assert not report.is_key_given
    assert report.key == KEY
    assert (report.origin, report.size, report.opened) == (ORIGIN, len(LOG), 1)


def test_a_log_of_one_entry_proves_it() -> None:
    alone = line(0, "staff.joined", {"n": 1})
    assert proof_file.verify(proof_of(alone, [alone], notice=None), KEY).index == 0


def test_a_proof_of_a_thief_is_refused_with_the_key_and_named_without() -> None:
    forged = proof_of(ANNA, checkpoint=head_of(LOG, THIEF), key=THIEFS_KEY)
    with pytest.raises(Contradiction, match="another key"):
        proof_file.verify(forged, KEY)
    report = verifier.verify_proof(forged, "proof")
    assert report.key is not None
    assert report.key.fingerprint == THIEFS_KEY.fingerprint != KEY.fingerprint


def test_a_thief_cannot_pass_under_the_key_of_another() -> None:
    with pytest.raises(Contradiction):
        proof_file.verify(proof_of(ANNA, checkpoint=head_of(LOG, THIEF)))


def test_every_changed_byte_is_found() -> None:
    for change in (0x01, 0x02, 0x20, 0x80):
        for at in range(len(PROOF)):
            changed = bytearray(PROOF)
            changed[at] ^= change
            with pytest.raises(ProofError):
                proof_file.verify(bytes(changed))


def test_a_cut_proof_is_found_wherever_it_ends() -> None:
    for end in range(len(PROOF)):
        with pytest.raises(ProofError):
            proof_file.verify(PROOF[:end])


@pytest.mark.parametrize(
    "facts",
    [
        {"index": 2},
        {"index": 5},
        {"index": 6},
        {"index": 10**18},
        {"path": path_of(LOG, 2)},
        {"path": path_of(LOG, 1)[:-1]},
        {"path": [*path_of(LOG, 1), bytes(32)]},
        {"path": [bytes(32)] * 63},
        {"path": [bytes(32)] * 64},
        {"path": [hash_[:31] for hash_ in path_of(LOG, 1)]},
        {"hashed": BORIS.entry.hashed},
        {"checkpoint": head_of(LOG[:4])},
        {"checkpoint": head_of([])},
        {"payload": BORIS.payload},
        {"salt": BORIS.salt},
        {"salt": ANNA.salt[:31]},
        {"salt": b""},
        {"notice": None},
        {"notice": notice_facts(version=2)},
        {"notice": notice_facts(text="We write to you every day.")},
        {"notice": {}},
        {"payload": ANNA.payload | {"account": "1002"}},
    ],
    ids=lambda facts: f"another {next(iter(facts))}",
)
def test_nothing_in_it_can_be_exchanged(facts: Mapping[str, Any]) -> None:
    with pytest.raises(ProofError):
        proof_file.verify(proof_of(ANNA, **facts), KEY)


@pytest.mark.parametrize(
    "facts",
    [
        {"entry": "{}"},
        {"entry": 7},
        {"entry": "é"},
        {"salt": None},
        {"salt": ["01"] * 32},
        {"salt": "٠١" * 32},
        {"salt": " ".join(["01"] * 32)},
        {"salt": "0x" + "01" * 31},
        {"payload": None},
        {"payload": []},
        {"payload": "text"},
        {"notice": []},
        {"notice": "text"},
        {"notice": False},
        {"key": f" {KEY}"},
        {"key": f"{KEY}\n"},
        {"key": ""},
        {"key": None},
        {"more": 1},
        {"stamps": None},
        {"stamps": {}},
        {"stamps": ["token"]},
        {"stamps": [STAMP | {"token": 1}]},
        {"stamps": [STAMP | {"more": ""}]},
        {"stamps": [{"kind": "rfc3161"}]},
    ],
    ids=repr,
)
def test_other_kinds_of_value_are_refused(facts: Mapping[str, Any]) -> None:
    with pytest.raises(ProofError):
        proof_file.verify(with_extra(PROOF, **facts), KEY)


def test_a_salt_in_capitals_is_another_file_and_refused() -> None:
    each = Line(type=ANNA.type, payload=ANNA.payload, id=ANNA.id, salt=b"\xab" * 32, at=ANNA.at)
    proof = proof_of(each, (LOG[0], each))
    assert proof_file.verify(proof, KEY)
    with pytest.raises(UnusableFile, match="entry 1: its salt"):
        proof_file.verify(with_extra(proof, salt="AB" * 32), KEY)


# --- what an operator wrote falsely from the start --------------------------------------------

TEXT = LOG[0]
FALSE_LINES = {
    "another event than its type": ANNA.saying(event="refused"),
    "no event": ANNA.saying(event=None),
    "another thing shown": ANNA.saying(shown={"text": "x", "entities": [], "buttons": []}),
    "a hash of nothing shown": ANNA.saying(shown=None),
    "no hash of what was shown": ANNA.saying(shown_sha256=None),
    "shown in another form": ANNA.saying(shown="News of tea?"),
    "shown with more parts": ANNA.saying(shown={"html": ""}),
    "another purpose than the text": ANNA.saying(purpose="other"),
    "another kind than the text": ANNA.saying(kind="informational"),
    "another version than the text": ANNA.saying(notice_version=2),
    "another locale than the text": ANNA.saying(locale="ru"),
    "a notice that claims a consent": published(1, notice_facts()).saying(event="granted"),
}


@pytest.mark.parametrize("false", FALSE_LINES.values(), ids=list(FALSE_LINES))
def test_a_false_answer_is_no_proof_though_it_is_signed(false: Line) -> None:
    with pytest.raises(ProofError, match="entry 1") as found:
        proof_file.verify(proof_of(false, (TEXT, false, BORIS)), KEY)
    assert "payload was changed" not in str(found.value)


def test_the_failure_names_the_index() -> None:
    report = verifier.verify_proof(proof_of(ANNA, payload=BORIS.payload), "proof", KEY)
    [failure] = report.failures
    assert failure.startswith("entry 1: ")
    assert not report.proven


# --- whatever comes ---------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_fail_clearly(data: bytes) -> None:
    for tried in (data, PROOF[: len(data)] + data, proof_file.HEADER.encode() + b"\n" + data):
        with pytest.raises(ProofError):
            proof_file.verify(tried)


@given(at=st.integers(0, len(PROOF)), gone=st.integers(0, 12), instead=st.binary(max_size=12))
def test_a_damaged_proof_never_does_more_than_fail_clearly(
    at: int, gone: int, instead: bytes
) -> None:
    damaged = PROOF[:at] + instead + PROOF[at + gone :]
    if damaged != PROOF:
        assert not verifies(damaged)


def verifies(data: bytes) -> bool:
    try:
        proof_file.verify(data, KEY)
    except ProofError:
        return False
    return True


@given(name=st.sampled_from(sorted(proof_file.EXTRA_KEYS)), value=JSON)
def test_any_json_in_any_place_fails_clearly(name: str, value: Any) -> None:
    try:
        changed = with_extra(PROOF, **{name: value})
    except UnusableFile:
        return  # a lone surrogate has no bytes
    assert verifies(changed) is (changed == PROOF)


@given(name=st.sampled_from(sorted(ANNA.payload)), value=JSON)
def test_any_json_in_a_signed_payload_fails_clearly_or_verifies(name: str, value: Any) -> None:
    try:
        false = ANNA.saying(**{name: value})
        proof = proof_of(false, (TEXT, false))
    except UnusableFile:
        return
    assert verifies(proof) in {True, False}


def test_nesting_without_end_fails_clearly() -> None:
    # From some depth on the reader gives up, from another the writer: each depth between counts.
    for depth in (*range(100, 1_100, 5), 100_000):
        deep = b'{"entry":' + b"[" * depth + b"]" * depth + b"}"
        extra = b"extra " + base64.b64encode(deep)
        data = b"\n".join([proof_file.HEADER.encode(), extra, b"index 0", b"", b""])
        with pytest.raises(ProofError):
            proof_file.verify(data)


def test_facts_too_deep_to_be_written_have_no_form() -> None:
    # Newer Pythons read deeper than they can walk.
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(UnusableFile):
        canonical.canonical_bytes({"deep": deep})


def test_a_proof_of_a_megabyte_is_not_even_read() -> None:
    with pytest.raises(UnusableFile):
        verifier.verify_proof(PROOF + bytes(proof_file.MAX_BYTES), "proof", KEY)


def test_other_events_are_proven_with_their_text() -> None:
    text = published(0, notice_facts(version=3))
    given_ = consent(1, "confirmed", "anna", text)
    proof = proof_of(given_, (text, given_), notice=notice_facts(version=3))
    assert proof_file.verify(proof, KEY).payload["notice_version"] == 3
