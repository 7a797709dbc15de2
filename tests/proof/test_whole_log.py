"""Deliveries, changes of keys, earlier checkpoints, several files: what entries say together."""

import base64
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_log import (
    ANNA,
    ANNA_LEFT,
    AT,
    BORIS,
    ERASURE,
    KEY,
    LOG,
    ORIGIN,
    SEED,
    TEXT,
    Line,
    Sealed,
    checked,
    consent,
    files_of,
    head_of,
    line,
    packed,
    signed,
)
from test_proof_file import proof_of

from bot.proof import bundle, canonical, comparison, entry, key_change, merkle, note, verifier
from bot.proof.errors import ProofError, UnusableFile
from bot.proof.key_change import LostLog
from bot.proof.merkle import leaf_hash

FILES = files_of(checkpoints=(2, 4))
NEW_SEED = b"new".ljust(32, b".")
OCCURRENCE, CAMPAIGN = "0c" * 16, "ca" * 16
ANNAS = "a" * 32


def failures(files: Mapping[str, bytes], trusted: note.VerifierKey | None = KEY) -> list[str]:
    return checked(files, trusted).failures


def with_entries(lines: Sequence[bytes]) -> dict[str, bytes]:
    """Files of an attacker who changed the entries, and left the tree as it was."""
    return signed({**FILES, bundle.ENTRIES: b"".join(each + b"\n" for each in lines)})


HASHED = [each.entry.hashed for each in LOG]
OTHER = consent(9, "granted", "boris", TEXT).entry.hashed

# --- entries beside the leaves of the tree ----------------------------------------------------


@pytest.mark.parametrize("at", range(len(LOG)))
def test_a_changed_entry_is_named_and_nothing_else(at: int) -> None:
    lines = [*HASHED[:at], OTHER, *HASHED[at + 1 :]]
    [found] = failures(with_entries(lines))
    assert found.startswith(f"entry {at} was changed: its leaf hash is {leaf_hash(OTHER).hex()}")


@pytest.mark.parametrize("at", range(len(LOG)))
def test_a_removed_entry_is_named_and_nothing_else(at: int) -> None:
    found = failures(with_entries([*HASHED[:at], *HASHED[at + 1 :]]))
    assert found == [f"entry {at} was removed: the tree has it"]


@pytest.mark.parametrize("at", range(len(LOG) + 1))
def test_an_inserted_entry_is_named_and_nothing_else(at: int) -> None:
    [found] = failures(with_entries([*HASHED[:at], OTHER, *HASHED[at:]]))
    assert found.startswith(f"line {at} of the entries was inserted (consent.granted of 2026-")


def test_a_repeated_entry_is_named_and_nothing_else() -> None:
    found = failures(with_entries([*HASHED, HASHED[2]]))
    assert found == ["line 6 of the entries repeats entry 2"]


def test_entries_in_another_order_are_named_and_nothing_else() -> None:
    found = failures(with_entries([*HASHED[:3], HASHED[4], HASHED[3], HASHED[5]]))
    assert len(found) == 1
    assert "does not belong there: entries were reordered" in found[0]


def test_a_cut_tail_is_named() -> None:
    assert failures(with_entries(HASHED[:3])) == ["entries 3 to 5 were removed: the tree has them"]
    assert failures(with_entries([])) == ["entries 0 to 5 were removed: the tree has them"]


def test_a_changed_leaf_is_told_from_a_changed_entry() -> None:
    leaves = bytearray(FILES[bundle.LEAVES])
    leaves[3 * 32] ^= 1
    found = failures(signed({**FILES, bundle.LEAVES: bytes(leaves)}))
    assert found == ["leaves.bin was changed: its leaf 3 is not that of entry 3"]
    for wrong in (leaves[:-1], leaves[:-32], leaves + bytes(32), b""):
        assert failures(signed({**FILES, bundle.LEAVES: bytes(wrong)}))


def test_a_forked_log_says_up_to_where_it_is_the_same() -> None:
    forked = (*LOG[:4], replace(ERASURE, id="f" * 32), ANNA_LEFT)
    files = signed(
        {**files_of(forked, checkpoints=(2, 4)), bundle.CHECKPOINT: FILES[bundle.CHECKPOINT]}
    )
    report = checked(files)
    assert report.failures[0].startswith("the entries have root ")
    assert report.remarks[0].startswith("the first 4 entries are those of the checkpoint")


@given(order=st.permutations(range(len(LOG))), gone=st.sets(st.integers(0, 5)))
def test_no_shuffle_of_the_entries_passes(order: list[int], gone: set[int]) -> None:
    lines = [HASHED[at] for at in order if at not in gone]
    found = failures(with_entries(lines)) if lines != HASHED else []
    assert bool(found) is (lines != HASHED)


# --- earlier checkpoints ----------------------------------------------------------------------


def checkpoint_lines(*notes: tuple[int, str]) -> bytes:
    lines = [canonical.canonical_bytes({"note": text, "size": size}) for size, text in notes]
    return b"".join(each + b"\n" for each in lines)


def test_earlier_checkpoints_are_of_this_log() -> None:
    other = head_of((TEXT, BORIS))
    files = signed({**FILES, bundle.CHECKPOINTS: checkpoint_lines((2, other))})
    assert failures(files)[0].startswith("the checkpoint of 2 entries is of another log")
    thief = head_of(LOG[:2], b"thief".ljust(32, b"."))
    files = signed({**FILES, bundle.CHECKPOINTS: checkpoint_lines((2, thief))})
    assert failures(files) == [
        "the checkpoint of 2 entries: the note is signed by none of the given keys"
    ]


@pytest.mark.parametrize("sizes", [(4, 2), (2, 2), (2, 7), (-1,)])
def test_checkpoints_out_of_order_are_refused(sizes: tuple[int, ...]) -> None:
    lines = checkpoint_lines(*[(size, head_of(LOG[: max(size, 0)])) for size in sizes])
    assert "not in form or in order" in failures(signed({**FILES, bundle.CHECKPOINTS: lines}))[0]


POST = {"channel": "@tea", "date": "2026-11-24T12:00:00Z", "kind": "post", "message_id": "5"}


def stamp_lines(*stamps: dict[str, Any]) -> dict[str, bytes]:
    lines = [canonical.canonical_bytes(each) + b"\n" for each in stamps]
    return signed({**FILES, bundle.STAMPS: b"".join(lines)})


def test_a_post_is_a_claim_of_a_witness() -> None:
    report = checked(stamp_lines({**POST, "size": 2}, {**POST, "size": 4}))
    assert report.failures == []
    [claim] = report.clocks
    assert claim.startswith("witness: the checkpoint of 4 entries was posted to @tea as message 5")
    assert claim.endswith("and 1 earlier ones")


def test_a_stamp_needs_its_checkpoint_and_must_hold() -> None:
    assert failures(stamp_lines({**POST, "size": 3})) == [
        "stamps.jsonl has a stamp on a checkpoint of 3 entries, which is not there"
    ]
    token = base64.b64encode(b"nonsense").decode()
    broken = {"authority": "https://tsa", "kind": "rfc3161", "size": 2, "token": token}
    assert failures(stamp_lines(broken))[0].startswith("the stamp on the checkpoint of 2 entries")


# --- sealed deliveries ------------------------------------------------------------------------


def sent(number: int, **facts: Any) -> Sealed:
    payload = {
        "campaign": CAMPAIGN,
        "consent_entry": ANNA.id,
        "delivery": f"d{number}".ljust(22, "_"),
        "message_id": str(number),
        "occurrence": OCCURRENCE,
        "purpose": "news",
        "state": "sent",
        "subject": ANNAS,
        "time": entry.rfc3339(AT.replace(minute=10)),
        **facts,
    }
    return Sealed(payload={name: value for name, value in payload.items() if value is not None})


def seal(number: int, *deliveries: Sealed, **facts: Any) -> Line:
    payload = {
        "campaign": CAMPAIGN,
        "counts": dict(Counter(each.payload["state"] for each in deliveries)),
        "occurrence": OCCURRENCE,
        "purpose": "news",
        "root": merkle.root(each.leaf for each in deliveries).hex(),
        "size": len(deliveries),
        **facts,
    }
    return line(number, "occurrence.sealed", payload, deliveries=deliveries)


AGREED = consent(1, "granted", ANNAS, TEXT)
LEFT = consent(20, "withdrawn", ANNAS, TEXT, previous=AGREED)


def sealed_log(*deliveries: Sealed, left: Line = LEFT, **facts: Any) -> dict[str, bytes]:
    return files_of((TEXT, AGREED, left, seal(30, *deliveries, **facts)))


def test_deliveries_of_an_honest_operator_hold() -> None:
    files = sealed_log(sent(1), sent(2, state="failed", reason="blocked"))
    assert failures(files) == []
    other = files_of(
        (TEXT, AGREED, LEFT, seal(30, sent(1), sent(2, purpose="news"))),
        selection={"subjects": "b" * 32},
    )
    assert failures(other) == []
    assert b"payload" not in other[bundle.DELIVERIES]


FALSE_SENDS: dict[str, tuple[Sealed, str]] = {
    "no such consent": (sent(1, consent_entry="f" * 32), "which is not in the log"),
    "no consent that was given": (sent(1, consent_entry=LEFT.id), "entry 2, which is withdrawn"),
    "another person's": (sent(1, subject="b" * 32), f"went to {'b' * 32}, its consent, entry 1"),
    "an earlier time than the consent": (
        sent(1, time=entry.rfc3339(AT)),
        "its consent, entry 1, is of",
    ),
    "long after they left": (
        sent(1, time=entry.rfc3339(AT.replace(minute=25))),
        "had been ended by entry 2 (withdrawn at",
    ),
}


@pytest.mark.parametrize(("one", "expected"), FALSE_SENDS.values(), ids=list(FALSE_SENDS))
def test_a_send_without_its_consent_is_found(one: Sealed, expected: str) -> None:
    [found] = failures(sealed_log(one))
    assert found.startswith(f"entry 3, delivery {one.payload['delivery']} (sent): ")
    assert expected in found


def test_a_send_that_crossed_a_withdrawal_is_a_remark() -> None:
    crossed = checked(sealed_log(sent(1, time=entry.rfc3339(AT.replace(minute=20, second=59)))))
    assert crossed.failures == []
    assert "they crossed" in crossed.remarks[0]


def test_a_doubt_is_a_remark_only_where_somebody_left_while_it_ran() -> None:
    doubtful = sent(1, state="uncertain", time=entry.rfc3339(AT.replace(minute=40)))
    report = checked(sealed_log(doubtful, started=entry.rfc3339(AT.replace(minute=19))))
    assert report.failures == []
    assert "when it went is not known" in report.remarks[0]
    for started in (
        None,
        entry.rfc3339(AT.replace(minute=20)),
        entry.rfc3339(AT.replace(minute=30)),
    ):
        [found] = failures(sealed_log(doubtful, started=started))
        assert "had been ended by entry 2 (withdrawn at" in found


def test_a_doctored_list_is_found() -> None:
    one, two = sent(1), sent(2)
    honest = (TEXT, AGREED, LEFT, seal(30, one, two))
    for doctored in ((one,), (two, one), (one, sent(2, message_id="9")), (one, two, sent(3))):
        forged = replace(honest[3], deliveries=doctored)
        assert failures(files_of((*honest[:3], forged)))[0].startswith("entry 3: ")
    wrong = failures(sealed_log(one, counts={"sent": 2}))
    assert wrong == ["entry 3: it counts 2 sent, opened are 1 sent and 0 are closed"]
    assert "sealed was 'other'" in failures(sealed_log(one, purpose="other"))[0]


def test_deliveries_that_nobody_sealed_are_found() -> None:
    files = sealed_log(sent(1))
    moved = files[bundle.DELIVERIES].replace(b'"index":3', b'"index":2')
    found = failures(signed({**files, bundle.DELIVERIES: moved}))
    assert found == [
        "entry 2: deliveries.jsonl lists deliveries that it did not seal",
        "entry 3: the deliveries that it sealed are not listed",
    ]


# --- the public form --------------------------------------------------------------------------


def test_the_public_form_opens_nobody_and_verifies() -> None:
    lines = (TEXT, AGREED, LEFT, seal(30, sent(1)))
    files = files_of(lines, selection={"form": "public"})
    assert failures(files) == []
    everything = b"".join(data for name, data in files.items() if name != bundle.ENTRIES)
    assert ANNAS.encode() not in everything
    assert b"1001" not in files[bundle.CSV]
    assert files[bundle.JSONL].count(b"\n") == 2
    told = signed({**files_of(lines), bundle.CSV: files[bundle.CSV]}, selection={"form": "public"})
    assert "entry 1: it is opened, in the public form" in failures(told)


@pytest.mark.parametrize(
    "selection",
    [
        {"form": "secret"},
        {"form": "public", "purpose": "news"},
        {"subjects": ""},
        {"subjects": "b" * 32 + " " + "a" * 32},
        {"subjects": "anna"},
    ],
    ids=repr,
)
def test_a_false_form_of_selection_is_refused(selection: dict[str, str]) -> None:
    assert failures(signed(FILES, selection=selection)) == [
        "manifest.json has a selection that is not in form"
    ]


# --- changes of keys --------------------------------------------------------------------------


def changed_key(
    number: int,
    new: note.VerifierKey,
    lost: LostLog | None = None,
    seed: bytes = SEED,
    old: note.VerifierKey = KEY,
) -> Line:
    payload = {
        "new": str(new),
        "note": note.sign(key_change.text(new, lost), ORIGIN, seed),
        "old": str(old),
        "software": "assent",
    }
    if lost is not None:
        payload["lost"] = {
            "agreed": lost.agreed,
            "origin": lost.origin,
            "root": lost.root.hex(),
            "size": lost.size,
        }
    return line(number, "key.changed", payload)


NEW = note.verifier_key(ORIGIN, NEW_SEED)
ROTATED = (*LOG, changed_key(10, NEW), consent(11, "granted", "boris", TEXT, previous=BORIS))


def rotated(lines: Sequence[Line] = ROTATED) -> dict[str, bytes]:
    files = files_of(lines, seed=NEW_SEED)
    earlier = checkpoint_lines((3, head_of(lines[:3])), (6, head_of(lines[:6])))
    return signed({**files, bundle.CHECKPOINTS: earlier}, NEW_SEED)


def test_an_old_key_leads_to_the_new_one() -> None:
    files = rotated()
    for trusted in (KEY, NEW, None):
        assert failures(files, trusted) == []
    assert "handed over" in checked(files, KEY).remarks[-1]
    stranger = note.verifier_key(ORIGIN, b"x" * 32)
    assert failures(files, stranger) == ["public-key.txt is not the key that it is checked against"]


def test_a_checkpoint_is_of_the_key_of_its_time() -> None:
    late = checkpoint_lines((7, head_of(ROTATED[:7])))
    assert failures(signed({**rotated(), bundle.CHECKPOINTS: late}, NEW_SEED))
    early = checkpoint_lines((3, head_of(ROTATED[:3], NEW_SEED)))
    assert failures(signed({**rotated(), bundle.CHECKPOINTS: early}, NEW_SEED))


def test_nobody_but_the_old_key_hands_over() -> None:
    taken = (*LOG, changed_key(10, NEW, seed=NEW_SEED))
    assert "not in form" in failures(files_of(taken, seed=NEW_SEED))[0]
    other = note.verifier_key(ORIGIN, b"y" * 32)
    elsewhere = (*LOG, changed_key(10, other))
    assert "lead to" in failures(files_of(elsewhere, seed=NEW_SEED), KEY)[0]


# --- several files ----------------------------------------------------------------------------


def together(folder: Path, *files: bytes) -> comparison.Comparison:
    reports = []
    for number, data in enumerate(files):
        path = folder / f"{number}"
        path.write_bytes(data)
        reports.append(verifier.verify_file(path, known=[KEY]))
        assert reports[-1].ok, reports[-1].failures
    return comparison.compare(reports)


LONGER = (*LOG, consent(7, "granted", "boris", TEXT, previous=BORIS))
FORKED = (*LOG[:2], consent(2, "granted", "boris", TEXT), *LOG[3:5], ANNA_LEFT)


def test_a_later_bundle_continues_an_earlier_one(tmp_path: Path) -> None:
    for pair in ((LOG, LONGER), (LONGER, LOG), (LOG, LOG)):
        found = together(tmp_path, *[packed(files_of(each)) for each in pair])
        assert found.ok
        assert "its first 6 entries are the same" in found.agreements[0]
    assert together(tmp_path, packed(files_of(LOG)), packed(rotated())).agreements


def test_a_bundle_that_is_another_log_names_the_first_entry(tmp_path: Path) -> None:
    found = together(tmp_path, packed(files_of(LOG)), packed(files_of(FORKED)))
    assert found.failures[0].startswith("entry 2 of ")


def test_what_was_lost_is_declared_and_not_taken_for_a_fork(tmp_path: Path) -> None:
    lost = LostLog(
        origin=ORIGIN, size=6, root=merkle.root(each.entry.leaf for each in LOG), agreed=4
    )
    seed, origin = b"second".ljust(32, b"."), f"{ORIGIN}/2"
    erased_again = line(9, "subject.erased", {})
    after = (*LOG[:4], changed_key(10, note.verifier_key(origin, seed), lost), erased_again)
    renewed = files_of(after, seed=seed, origin=origin)
    found = together(tmp_path, packed(files_of(LOG)), packed(renewed))
    assert (found.failures, found.agreements) == ([], [])
    assert "entries 4 to 5 of" in found.remarks[0]
    assert "declared lost at entry 4" in found.remarks[0]
    lie = together(tmp_path, packed(files_of(LONGER)), packed(renewed))
    assert "declares another log of 6 entries as lost" in lie.failures[0]


def test_a_withdrawal_that_a_bundle_lacks_is_a_contradiction(tmp_path: Path) -> None:
    proof = proof_of(ANNA_LEFT)
    assert together(tmp_path, proof, packed(files_of(LONGER))).ok
    denied = (*LOG[:5], consent(6, "granted", "boris", TEXT, previous=BORIS))
    found = together(tmp_path, proof, packed(files_of(denied)))
    assert "the operator signed entry 5, consent.withdrawn of 2026-" in found.failures[0]
    assert "has another entry 5" in found.failures[0]
    before = together(tmp_path, proof_of(ANNA), packed(files_of(FORKED)))
    assert "another one" in before.failures[0]


def test_a_withdrawal_that_was_left_out_long_after_is_a_contradiction(tmp_path: Path) -> None:
    short = files_of(LOG[:5])
    assert "it is older" in together(tmp_path, proof_of(ANNA_LEFT), packed(short)).remarks[0]
    later = signed(short, created="2026-12-24T12:00:00.000Z")
    found = together(tmp_path, proof_of(ANNA_LEFT), packed(later))
    assert "it was left out" in found.failures[0]


def test_a_proof_is_held_against_a_checkpoint_alone(tmp_path: Path) -> None:
    proof = proof_of(ANNA)
    assert together(tmp_path, proof, head_of(LOG).encode()).agreements
    assert together(tmp_path, proof, head_of(LONGER).encode()).remarks
    found = together(tmp_path, proof, head_of(FORKED).encode())
    assert "signed two different logs of 6 entries" in found.failures[0]
    with pytest.raises(UnusableFile, match="can be checked only with --key"):
        verifier.verify_checkpoint(head_of(LOG).encode(), "note")


# --- pages ------------------------------------------------------------------------------------


def page_with(proof: bytes) -> bytes:
    text = base64.b64encode(proof)
    element = b'<script type="application/octet-stream" id="embedded-proof">%s</script>' % text
    return b"<!doctype html>\n<title>x</title>" + element


def test_a_page_is_checked_by_the_proof_in_it(tmp_path: Path) -> None:
    path = tmp_path / "proof.html"
    path.write_bytes(page_with(proof_of(ANNA)))
    report = verifier.verify_file(path, KEY)
    assert report.ok
    assert report.proof is not None
    assert report.proof.entry == ANNA.entry
    assert "what else the page says" in report.remarks[0]


@pytest.mark.parametrize(
    "page",
    [b"<!doctype html>", page_with(b""), page_with(b"x") * 2, page_with(b"x").replace(b"eA", b"?")],
)
def test_a_page_without_one_proof_is_unusable(page: bytes) -> None:
    with pytest.raises(UnusableFile):
        verifier.verify_page(page, "page")


# --- whatever comes ---------------------------------------------------------------------------

OLD_AND_NEW = (TEXT, AGREED, LEFT, seal(30, sent(1)), changed_key(31, NEW))
WHOLE = signed(
    {
        **files_of(OLD_AND_NEW, seed=NEW_SEED),
        bundle.CHECKPOINTS: checkpoint_lines(
            (2, head_of(OLD_AND_NEW[:2])), (4, head_of(OLD_AND_NEW[:4]))
        ),
    },
    NEW_SEED,
)
LINES = (bundle.CHECKPOINTS, bundle.STAMPS, bundle.DELIVERIES, bundle.PAYLOADS, bundle.LEAVES)


@given(
    name=st.sampled_from(LINES),
    at=st.integers(0, 3000),
    gone=st.integers(0, 40),
    instead=st.binary(max_size=40) | st.sampled_from([b"\n", b"null\n", b"{}\n", b"[]", b"\xff"]),
)
def test_no_damage_does_more_than_fail_clearly(
    name: str, at: int, gone: int, instead: bytes
) -> None:
    data = WHOLE[name]
    damaged = data[: at % (len(data) + 1)] + instead + data[at % (len(data) + 1) + gone :]
    try:
        report = checked(signed({**WHOLE, name: damaged}, NEW_SEED), None)
    except UnusableFile:
        return
    # A checkpoint may be left out by whoever signs the rest; nothing else may.
    assert report.ok or damaged != data
    assert not report.ok or damaged == data or name == bundle.CHECKPOINTS


@settings(deadline=None)  # it writes files
@given(st.binary(max_size=300))
def test_no_file_does_more_than_fail_clearly(data: bytes) -> None:
    for begin in (b"", b"<!doctype html>", b"c2sp.org/tlog-proof@v1\n", page_with(b"")[:-9], b"PK"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            path.write_bytes(begin + data)
            try:
                assert not verifier.verify_file(path, known=[KEY]).ok
            except ProofError:
                continue
