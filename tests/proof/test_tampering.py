"""Whoever changes a bundle is found out, and the failure names the place.

Three attackers: one without any key changes files and packs them again; one with a key of their
own signs everything; the operator, who has the key, lies in a log that is signed for the first
time or in what is said of it.
"""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_log import (
    ANNA,
    ANNA_LEFT,
    BORIS,
    ERASURE,
    GONE,
    KEY,
    LOG,
    ORIGIN,
    TEXT,
    THIEF,
    Line,
    checked,
    checked_bytes,
    consent,
    files_of,
    head_of,
    line,
    notice_facts,
    packed,
    published,
    signed,
)

from bot.proof import bundle, canonical, note, verifier
from bot.proof.errors import ProofError, UnusableFile
from bot.proof.members import MAX_LINE, SMALL
from bot.proof.notice import notice_canonical

FILES = files_of()
PAGES = {bundle.SUMMARY: b"x\n", bundle.README_FILE: b"x\n", bundle.PAGE: b"x\n"}
"""Short ones: every byte of a bundle is changed in turn."""
TINY = signed({**files_of((TEXT, ANNA), checkpoints=(1,)), **PAGES})
TINY_ZIP = packed(TINY)
THIEFS_KEY = note.verifier_key(ORIGIN, THIEF)
CHECKED_AGAINST_ENTRIES = (
    bundle.CHECKPOINT,
    bundle.CHECKPOINTS,
    bundle.LEAVES,
    bundle.CSV,
    bundle.ENTRIES,
    bundle.JSONL,
    bundle.NOTICES,
    bundle.PAYLOADS,
)


def failures(files: Mapping[str, bytes]) -> str:
    """Return what the check of somebody who knows the key found, one failure a line."""
    return "\n".join(checked(files).failures)


def edited(name: str, change: Callable[[list[bytes]], list[bytes]]) -> dict[str, bytes]:
    """Return the files of an operator who changes lines of one of them and signs again."""
    lines = change(FILES[name].splitlines(keepends=True))
    files = {**FILES, name: b"".join(lines)}
    assert files != FILES, "the change changed nothing"
    return signed(files)


# --- any byte ---------------------------------------------------------------------------------


def is_found(data: bytes, trusted: note.VerifierKey | None = KEY) -> bool:
    try:
        return not checked_bytes(data, trusted).ok
    except UnusableFile:
        return True


@pytest.mark.parametrize("change", [0x01, 0xA0])
def test_every_changed_byte_of_a_bundle_is_found(change: int) -> None:
    unseen = []
    for at in range(len(TINY_ZIP)):
        changed = bytearray(TINY_ZIP)
        changed[at] ^= change
        if not is_found(bytes(changed)):
            unseen.append(at)
    assert unseen == []


@pytest.mark.parametrize("name", sorted(TINY))
def test_every_changed_byte_is_found_by_an_archive_that_was_packed_again(name: str) -> None:
    unseen = []
    for at in range(len(TINY[name])):
        changed = bytearray(TINY[name])
        changed[at] ^= 0x01
        report = checked({**TINY, name: bytes(changed)})
        if report.ok:
            unseen.append(at)
    assert unseen == []


@pytest.mark.parametrize("name", CHECKED_AGAINST_ENTRIES)
def test_every_changed_byte_is_found_though_the_operator_signs_again(name: str) -> None:
    unseen = []
    for at in range(len(TINY[name])):
        changed = bytearray(TINY[name])
        changed[at] ^= 0x01
        if checked(signed({**TINY, name: bytes(changed)})).ok:
            unseen.append(at)
    assert unseen == []


def test_a_carriage_return_in_a_table_is_found_and_breaks_nothing() -> None:
    table = FILES[bundle.CSV]
    for at in (0, 30, len(table) // 2, len(table) - 2):
        changed = table[:at] + b"\r" + table[at + 1 :]
        assert failures(signed({**FILES, bundle.CSV: changed}))


def test_a_changed_file_is_named_and_the_check_goes_on() -> None:
    changed = FILES[bundle.CSV].replace(b",refused,", b",granted,")
    report = checked({**FILES, bundle.CSV: changed})
    assert [failure.split(":")[0] for failure in report.failures] == [
        "consents.csv was changed",
        "entry 2",
    ]
    assert report.opened == 5


def test_no_signature_may_be_added_to_the_note_of_the_manifest() -> None:
    # Nothing else covers this note; a witness signs checkpoints.
    extra = note.sign("x\n", "witness", THIEF).split("\n\n")[1].encode()
    assert "manifest.note" in failures(
        {**FILES, bundle.MANIFEST_NOTE: FILES[bundle.MANIFEST_NOTE] + extra}
    )


# --- with a key of one's own ------------------------------------------------------------------


def test_a_thief_is_refused_with_the_key_and_shown_without() -> None:
    forged = files_of(seed=THIEF)
    assert "not the key" in failures(forged)
    report = checked(forged, None)
    assert report.ok
    assert not report.is_key_given
    assert report.key is not None
    assert report.key.fingerprint == THIEFS_KEY.fingerprint != KEY.fingerprint


@pytest.mark.parametrize(
    "own", [(), (bundle.CHECKPOINT,), (bundle.MANIFEST, bundle.MANIFEST_NOTE), (bundle.KEY,)]
)
def test_a_thief_cannot_sign_only_a_part(own: tuple[str, ...]) -> None:
    forged = files_of(seed=THIEF)
    mixed = {**FILES, **{name: forged[name] for name in own}}
    for trusted in (KEY, THIEFS_KEY, None):
        assert checked(mixed, trusted).ok is (not own and trusted != THIEFS_KEY)


def test_a_key_of_another_name_is_another_key() -> None:
    renamed = note.verifier_key("other.example/log", bytes(range(32)))
    assert not checked(FILES, renamed).ok


def test_a_checkpoint_of_another_log_is_refused() -> None:
    other = head_of(LOG[:5])
    assert "the log has 6 entries, 5 were signed" in failures(
        signed({**FILES, bundle.CHECKPOINT: other.encode()})
    )


# --- entries: the operator signs the manifest again, but signed the tree once -----------------


def lines_of(lines: tuple[Line, ...]) -> dict[str, bytes]:
    """Return a bundle of changed entries under the checkpoint of the honest ones."""
    return signed({**files_of(lines), bundle.CHECKPOINT: FILES[bundle.CHECKPOINT]})


def test_a_removed_entry_is_found() -> None:
    for index in range(1, len(LOG)):
        assert "the log has 5 entries, 6 were signed" in failures(
            lines_of(LOG[:index] + LOG[index + 1 :])
        )


def test_a_cut_tail_is_found() -> None:
    assert "the log has 3 entries, 6 were signed" in failures(lines_of(LOG[:3]))


def test_entries_in_another_order_are_found() -> None:
    assert "the entries have root" in failures(
        lines_of((TEXT, BORIS, ANNA, GONE, ERASURE, ANNA_LEFT))
    )


def test_an_exchanged_entry_is_found() -> None:
    other = consent(2, "granted", "boris", TEXT, account="1002")
    assert "the entries have root" in failures(
        lines_of((TEXT, ANNA, other, GONE, ERASURE, ANNA_LEFT))
    )


def test_an_added_entry_is_found() -> None:
    assert "the log has 7 entries, 6 were signed" in failures(
        lines_of((*LOG, consent(6, "granted", "boris", TEXT, previous=BORIS)))
    )


def test_an_entry_that_stands_twice_is_found_though_everything_is_signed() -> None:
    twice = replace(BORIS, at=ANNA_LEFT.at)
    assert f"entry 6: its id {BORIS.id} stands in the log twice" in failures(
        files_of((*LOG, twice))
    )


def test_the_size_in_the_manifest_is_the_size_of_the_log() -> None:
    for size in (5, "6", None):
        assert "6 were signed" in failures(signed(FILES, size=size))


# --- payloads ---------------------------------------------------------------------------------


def openings(change: Callable[[dict[int, dict[str, Any]]], None]) -> dict[str, bytes]:
    """Return the files of an operator who changes openings, by index, and signs again."""

    def changed(lines: list[bytes]) -> list[bytes]:
        found = {(opening := canonical.parse(each.strip()))["index"]: opening for each in lines}
        change(found)
        return [canonical.canonical_bytes(each) + b"\n" for each in found.values()]

    return edited(bundle.PAYLOADS, changed)


def swap(name: str) -> Callable[[dict[int, dict[str, Any]]], None]:
    def change(found: dict[int, dict[str, Any]]) -> None:
        found[1][name], found[2][name] = found[2][name], found[1][name]

    return change


@pytest.mark.parametrize("name", ["payload", "salt"])
def test_what_is_swapped_between_two_people_is_found_at_both(name: str) -> None:
    found = failures(openings(swap(name)))
    assert "entry 1: the payload was changed or belongs to another entry" in found
    assert "entry 2: the payload was changed or belongs to another entry" in found


def test_a_changed_payload_is_found() -> None:
    found = failures(openings(lambda found: found[2]["payload"].update(event="granted")))
    assert "entry 2: the payload was changed" in found


def test_a_payload_for_an_erased_entry_is_found() -> None:
    def invented(found: dict[int, dict[str, Any]]) -> None:
        found[4], found[5], found[3] = found.pop(4), found.pop(5), {**found[1], "index": 3}
        for index in (4, 5):
            found[index] = found.pop(index)

    assert "entry 3: the payload was changed" in failures(openings(invented))


def test_a_payload_of_no_entry_is_found() -> None:
    found = failures(openings(lambda found: found.update({9: {**found[5], "index": 9}})))
    assert "a payload of entry 9, which is not there" in found


@pytest.mark.parametrize(
    "order", [[0, 2, 1, 4, 5], [0, 1, 1, 2, 4, 5]], ids=["out of order", "twice"]
)
def test_payloads_out_of_order_are_found(order: list[int]) -> None:
    by_index = dict(
        zip([0, 1, 2, 4, 5], FILES[bundle.PAYLOADS].splitlines(keepends=True), strict=True)
    )
    assert "payloads.jsonl" in failures(
        edited(bundle.PAYLOADS, lambda _: [by_index[index] for index in order])
    )


@pytest.mark.parametrize("payload", [None, [], "text", 7, {}, True])
def test_a_payload_of_another_kind_fails_clearly(payload: Any) -> None:
    found = failures(openings(lambda found: found[1].update(payload=payload)))
    assert found.startswith("entry 1: ")


@pytest.mark.parametrize("salt", [None, [], 7, "", "zz" * 32, "AB" * 32, "01 " * 32])
def test_a_salt_of_another_kind_fails_clearly(salt: Any) -> None:
    found = failures(openings(lambda found: found[1].update(salt=salt)))
    assert found.startswith("entry 1: ")


@pytest.mark.parametrize("index", [None, "1", True, -1, [], {}])
def test_an_index_of_another_kind_fails_clearly(index: Any) -> None:
    found = failures(openings(lambda found: found[1].update(index=index)))
    assert "payloads.jsonl has a line that is not in form or in order" in found


# --- what an operator writes falsely from the start, and signs --------------------------------

LATER_TEXT = published(2, notice_facts(version=2))
ON_LATER_TEXT = consent(1, "granted", "anna", LATER_TEXT)
SECOND = consent(3, "withdrawn", "anna", TEXT, previous=ANNA)
FALSE_LOGS: dict[str, tuple[tuple[Line, ...], str]] = {
    "a text that was published later": (
        (TEXT, ON_LATER_TEXT, LATER_TEXT),
        "entry 1: it names a text that was not published before it",
    ),
    "a text that was never published": (
        (TEXT, ON_LATER_TEXT),
        "entry 1: it names a text that was not published before it",
    ),
    "no text": (
        (TEXT, ANNA.saying(notice_entry=None)),
        "entry 1: it names a text that was not published before it",
    ),
    "a text named in another way": (
        (TEXT, ANNA.saying(notice_entry=[TEXT.id])),
        "entry 1: it names a text that was not published before it",
    ),
    "an entry that is no text": (
        (TEXT, ANNA, BORIS.saying(notice_entry=ANNA.id)),
        "entry 2: it names a text that was not published before it",
    ),
    "another hash of the text": (
        (TEXT, ANNA.saying(notice_sha256="0" * 64)),
        "entry 1: the text has hash",
    ),
    "another purpose than the text": (
        (TEXT, ANNA.saying(purpose="other")),
        "entry 1: its purpose is 'other', that of the text is 'news'",
    ),
    "another kind than the text": (
        (TEXT, ANNA.saying(kind="informational")),
        "entry 1: its kind is 'informational'",
    ),
    "another version than the text": (
        (TEXT, ANNA.saying(notice_version=2)),
        "entry 1: its notice_version is 2",
    ),
    "another locale than the text": (
        (TEXT, ANNA.saying(locale="ru")),
        "entry 1: its locale is 'ru'",
    ),
    "another event than its type": (
        (TEXT, ANNA.saying(event="refused")),
        "entry 1: of type consent.granted, but it says 'refused'",
    ),
    "no event": (
        (TEXT, replace(ANNA, payload={**ANNA.payload, "event": None})),
        "entry 1: of type consent.granted, but it says None",
    ),
    "an event on an entry of staff": (
        (TEXT, ANNA, line(2, "staff.act", {"event": "granted"})),
        "",  # staff's entries stay closed: nothing to contradict
    ),
    "another thing shown than its hash": (
        (TEXT, ANNA.saying(shown={"text": "x", "entities": [], "buttons": []})),
        "entry 1: what was shown has hash",
    ),
    "no previous event": (
        (TEXT, ANNA, BORIS, SECOND.saying(previous=None)),
        f"entry 3: the previous event should be {ANNA.id}, it names None",
    ),
    "the previous event of another person": (
        (TEXT, ANNA, BORIS, SECOND.saying(previous=BORIS.id)),
        f"entry 3: the previous event should be {ANNA.id}, it names {BORIS.id}",
    ),
    "a previous event that is not there": (
        (TEXT, ANNA.saying(previous="f" * 32)),
        "entry 1: the previous event should be None",
    ),
    "the event of somebody else before the first": (
        (TEXT, ANNA, BORIS.saying(previous=ANNA.id)),
        f"entry 2: the previous event should be None, it names {ANNA.id}",
    ),
    "itself as the previous event": (
        (TEXT, ANNA.saying(previous=ANNA.id)),
        "entry 1: the previous event should be None",
    ),
    "a previous event in another form": (
        (TEXT, ANNA, SECOND.saying(previous=[ANNA.id])),
        f"entry 2: the previous event should be {ANNA.id}",
    ),
    "a middle event that was left out": (
        (
            TEXT,
            ANNA,
            replace(SECOND, is_erased=True),
            consent(4, "granted", "anna", TEXT, previous=SECOND),
            line(9, "subject.erased", {"erasure": "01"}),
        ),
        f"entry 3: the previous event should be {ANNA.id}, it names {SECOND.id}",
    ),
}


@pytest.mark.parametrize(("lines", "expected"), FALSE_LOGS.values(), ids=list(FALSE_LOGS))
def test_a_false_log_is_found_though_all_of_it_is_signed(
    lines: tuple[Line, ...], expected: str
) -> None:
    found = checked(files_of(lines)).failures
    if not expected:
        assert found == []
    else:
        [failure] = found
        assert failure.startswith(expected)


def test_events_from_before_the_period_are_no_gap() -> None:
    cut = files_of(selection={"from": ANNA_LEFT.entry.time})
    assert failures(cut) == ""
    with_gap = (TEXT, ANNA, BORIS, ANNA_LEFT.saying(previous="f" * 32))
    selection = {"from": ANNA_LEFT.entry.time}
    assert "entry 3: the previous event should be None" in failures(
        files_of(with_gap, selection=selection)
    )


# --- texts ------------------------------------------------------------------------------------


def test_a_changed_text_is_found() -> None:
    def softened(lines: list[bytes]) -> list[bytes]:
        return [lines[0].replace(b"once a week", b"once a year")]

    found = failures(edited(bundle.NOTICES, softened))
    assert "entry 0: it published another text than notices.jsonl has" in found
    assert "entry 1: the text has hash" in found


def test_a_text_that_is_left_out_is_found() -> None:
    found = failures(edited(bundle.NOTICES, lambda _: []))
    assert "entry 0: it published another text" in found
    assert "entry 1: it names a text that was not published" in found


def test_a_text_that_nobody_published_is_found() -> None:
    text = canonical.canonical_bytes({"entry_id": BORIS.id, "notice": notice_facts(version=2)})
    found = failures(edited(bundle.NOTICES, lambda lines: [*lines, text + b"\n"]))
    assert found == f"a text says it was published by {BORIS.id}, which did not"


def test_a_false_text_before_the_true_one_is_found() -> None:
    text = canonical.canonical_bytes({"entry_id": TEXT.id, "notice": notice_facts(version=2)})
    found = failures(edited(bundle.NOTICES, lambda lines: [text + b"\n", *lines]))
    assert found == f"notices.jsonl has two texts of {TEXT.id}"


def test_a_publication_that_is_kept_closed_is_found() -> None:
    unused = published(2, notice_facts(version=2))
    files = files_of((TEXT, ANNA, unused))
    hidden = {
        **files,
        bundle.PAYLOADS: b"".join(files[bundle.PAYLOADS].splitlines(keepends=True)[:-1]),
        bundle.NOTICES: b"".join(files[bundle.NOTICES].splitlines(keepends=True)[:-1]),
    }
    assert failures(signed(hidden)) == ("entry 2: of type notice.published, but not opened")


@pytest.mark.parametrize(
    "facts",
    [
        {"entry_id": TEXT.id, "notice": None},
        {"entry_id": TEXT.id, "notice": []},
        {"entry_id": TEXT.id, "notice": "text"},
        {"entry_id": TEXT.id, "notice": {}},
        {"entry_id": [], "notice": notice_facts()},
        {"entry_id": TEXT.id},
        [],
        None,
    ],
    ids=repr,
)
def test_a_text_of_another_kind_fails_clearly(facts: Any) -> None:
    assert failures(edited(bundle.NOTICES, lambda _: [canonical.canonical_bytes(facts) + b"\n"]))


# --- tables: an operator leaves out what does not please --------------------------------------


@pytest.mark.parametrize("row", range(5))
def test_a_row_that_is_left_out_of_both_tables_is_found(row: int) -> None:
    csv_lines = FILES[bundle.CSV].splitlines(keepends=True)
    json_lines = FILES[bundle.JSONL].splitlines(keepends=True)
    index = json.loads(json_lines[row])["index"]
    del csv_lines[row + 1], json_lines[row]
    hidden = {**FILES, bundle.CSV: b"".join(csv_lines), bundle.JSONL: b"".join(json_lines)}
    assert checked(signed(hidden)).failures == [
        f"entry {index}: consents.csv has no line of it",
        f"entry {index}: consents.jsonl has no line of it",
    ]


@pytest.mark.parametrize("name", [bundle.CSV, bundle.JSONL])
def test_empty_tables_are_found(name: str) -> None:
    found = failures(edited(name, lambda lines: lines[: name == bundle.CSV]))
    assert found.count("has no line of it") == 5


@pytest.mark.parametrize("name", [bundle.CSV, bundle.JSONL])
def test_a_changed_line_is_found_in_either_table(name: str) -> None:
    found = failures(
        edited(name, lambda lines: [each.replace(b"refused", b"granted") for each in lines])
    )
    assert found == f"entry 2: {name} tells something else"


@pytest.mark.parametrize("name", [bundle.CSV, bundle.JSONL])
def test_a_line_that_stands_twice_is_found(name: str) -> None:
    found = failures(edited(name, lambda lines: [*lines, lines[-1]]))
    assert found == f"entry 5: {name} has a line that does not belong there"


@pytest.mark.parametrize("name", [bundle.CSV, bundle.JSONL])
def test_lines_in_another_order_are_found(name: str) -> None:
    found = failures(edited(name, lambda lines: [*lines[:-2], lines[-1], lines[-2]]))
    assert f"entry 4: {name} has no line of it" in found


@pytest.mark.parametrize("name", [bundle.CSV, bundle.JSONL])
@pytest.mark.parametrize("junk", [b"\n", b"x\n", b"\xff\xfe\n", b'"\n', b"0,x\n", b"99,x\n"])
def test_a_line_of_nothing_is_found(name: str, junk: bytes) -> None:
    assert failures(edited(name, lambda lines: [*lines, junk]))


def test_other_columns_are_found() -> None:
    found = failures(
        edited(bundle.CSV, lambda lines: [lines[0].replace(b"event", b"reply"), *lines[1:]])
    )
    assert found == "consents.csv has other columns than it must have"


def test_a_formula_made_live_again_is_found() -> None:
    found = failures(
        edited(bundle.CSV, lambda lines: [each.replace(b"'=cmd", b"=cmd") for each in lines])
    )
    assert found == "entry 1: consents.csv tells something else"


def test_a_selection_that_says_less_than_was_opened_is_found() -> None:
    found = failures(signed(FILES, selection={"to": BORIS.entry.time}))
    assert "entry 2: it is opened, but was not selected" in found
    assert "entry 5: it is opened, but was not selected" in found
    assert "entry 3: consents.csv has a line that does not belong there" in found


def test_a_selection_that_says_more_than_was_opened_is_found() -> None:
    part = files_of(selection={"to": BORIS.entry.time})
    found = failures(signed(part, selection={}))
    assert "entry 2: consents.csv has no line of it" in found
    assert "entry 5: consents.jsonl has no line of it" in found


@pytest.mark.parametrize(
    "selection",
    [None, [], "all", {"from": 1}, {"from": "2026"}, {"to": ""}, {"purpose": None}, {"who": "x"}],
    ids=repr,
)
def test_a_selection_in_another_form_is_refused(selection: Any) -> None:
    assert failures(signed(FILES, selection=selection)) == (
        "manifest.json has a selection that is not in form"
    )


@pytest.mark.parametrize("facts", [{"origin": "other"}, {"more": 1}, {"origin": None}], ids=repr)
def test_a_manifest_that_says_other_things_is_refused(facts: Mapping[str, Any]) -> None:
    assert "manifest.json" in failures(signed(FILES, **facts))


@pytest.mark.parametrize("listed", [None, [], {}, {"a": 1}], ids=repr)
def test_a_manifest_without_its_files_is_refused(listed: Any) -> None:
    assert "manifest.json lists other files" in failures(signed_listing(listed))


def signed_listing(listed: Any) -> dict[str, bytes]:
    about = {**canonical.parse(FILES[bundle.MANIFEST]), "files": listed}
    manifest = canonical.canonical_bytes(about)
    text = bundle.manifest_text(ORIGIN, manifest)
    signature = note.sign(text, ORIGIN, bytes(range(32))).encode()
    return {**FILES, bundle.MANIFEST: manifest, bundle.MANIFEST_NOTE: signature}


# --- entries in another form ------------------------------------------------------------------


@pytest.mark.parametrize(
    "forged",
    [
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"",
        ANNA.entry.hashed + b" ",
        ANNA.entry.hashed.replace(b'"v":1', b'"v":true'),
        ANNA.entry.hashed.replace(b"2026", "２０２６".encode()),
        b"[" * 900 + b"]" * 900,
        b"[" * 90_000,
    ],
    ids=range(10),
)
def test_an_entry_in_another_form_is_named(forged: bytes) -> None:
    files = edited(bundle.ENTRIES, lambda lines: [lines[0], forged + b"\n", *lines[2:]])
    [failure] = checked(files).failures
    assert failure.startswith("entry 1 was changed: ")


def test_a_line_of_megabytes_fails_clearly() -> None:
    long = b"x" * (MAX_LINE + 1) + b"\n"
    for name in (bundle.ENTRIES, bundle.PAYLOADS, bundle.NOTICES, bundle.CSV, bundle.JSONL):
        assert f"{name} has a line longer" in failures(signed({**FILES, name: long}))


def test_a_small_file_of_megabytes_fails_clearly() -> None:
    long = b"x" * (SMALL + 1)
    for name in (bundle.CHECKPOINT, bundle.MANIFEST, bundle.MANIFEST_NOTE, bundle.KEY):
        for trusted in (KEY, None):
            assert not checked({**FILES, name: long}, trusted).ok


# --- whatever comes ---------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@cache
def log_with(name: str, value: str) -> dict[str, bytes]:
    return files_of((TEXT, ANNA.saying(**{name: json.loads(value)})))


@given(name=st.sampled_from([*sorted(ANNA.payload), "previous", "expires"]), value=JSON)
def test_any_json_in_a_signed_payload_gets_a_report(name: str, value: Any) -> None:
    try:
        files = log_with(name, json.dumps(value))
    except UnusableFile:
        return  # a lone surrogate cannot be hashed, so it cannot be signed
    assert isinstance(checked(files).ok, bool)


@given(
    name=st.sampled_from(sorted(TINY)),
    at=st.integers(0, 2500),
    gone=st.integers(0, 30),
    instead=st.binary(max_size=30) | st.sampled_from([b"\r", b"\n", b"\0", b'"', b"[", b"\xff"]),
)
def test_damaged_files_never_do_more_than_fail_clearly(
    name: str, at: int, gone: int, instead: bytes
) -> None:
    data = TINY[name]
    at %= len(data) + 1
    damaged = data[:at] + instead + data[at + gone :]
    if damaged == data:
        return
    assert not checked({**TINY, name: damaged}).ok
    assert not checked({**TINY, name: damaged}, None).ok
    if name in CHECKED_AGAINST_ENTRIES:
        assert not checked(signed({**TINY, name: damaged})).ok


@given(at=st.integers(0, len(TINY_ZIP)), gone=st.integers(0, 30), instead=st.binary(max_size=30))
def test_a_damaged_bundle_never_does_more_than_fail_clearly(
    at: int, gone: int, instead: bytes
) -> None:
    damaged = TINY_ZIP[:at] + instead + TINY_ZIP[at + gone :]
    if damaged != TINY_ZIP:
        assert is_found(damaged)
        assert is_found(damaged, None)


@given(st.binary(max_size=400))
def test_no_bytes_do_more_than_fail_clearly(data: bytes) -> None:
    for tried in (data, b"PK\3\4" + data, b"c2sp.org/tlog-proof@v1\n" + data):
        for check in (
            lambda: verifier.verify_bundle(io.BytesIO(tried), "file"),  # noqa: B023 used at once
            lambda: verifier.verify_proof(tried, "file"),  # noqa: B023 used at once
        ):
            try:
                assert not check().ok
            except ProofError:
                continue


def test_an_honest_text_of_any_version_still_verifies() -> None:
    # The checks above must not refuse what is true.
    second = published(2, notice_facts(version=2))
    honest = (
        TEXT,
        ANNA,
        second,
        consent(3, "superseded", "anna", TEXT, previous=ANNA),
        consent(4, "granted", "anna", second, previous=line(3, "staff.x", {})),
    )
    assert failures(files_of(honest)) == ""
    assert notice_canonical(notice_facts()) != notice_canonical(notice_facts(version=2))


LARGE_ZIP = packed(
    files_of((TEXT, *[consent(n, "granted", f"person{n}", TEXT) for n in range(1, 200)]))
)


@given(at=st.integers(0, len(LARGE_ZIP) - 1), change=st.integers(1, 255))
@settings(max_examples=40, deadline=None)
def test_a_changed_byte_of_a_larger_bundle_is_found(at: int, change: int) -> None:
    changed = bytearray(LARGE_ZIP)
    changed[at] ^= change
    assert is_found(bytes(changed))
