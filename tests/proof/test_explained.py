"""What an honest log explains, and what an operator would rather leave closed or unsaid."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from page_corpus import (
    GONE_ONE,
    HONEST_SENDS,
    NEW_KEY,
    NEW_SEED,
    SENDERS,
    SENT_LOG,
    WHO,
    YES,
    handing_over,
    sealed,
    sent,
)
from small_log import (
    ANNA,
    ANNA_LEFT,
    AT,
    BORIS,
    ERASURE,
    GONE,
    LOG,
    ORIGIN,
    TEXT,
    Line,
    checked,
    consent,
    files_of,
    line,
    notice_facts,
    packed,
    published,
    root_of,
    signed,
)
from test_proof_file import proof_of
from test_tampering import signed_listing
from test_whole_log import changed_key, together

from bot.proof import bundle, canonical, delivery, entry, note
from bot.proof.key_change import LostLog

TOLD = {"started": "2026-11-24T12:02:00.000Z", "ended": "2026-11-24T12:59:00.000Z"}


def failures(*lines: Line, **how: Any) -> list[str]:
    return checked(files_of(lines, **how)).failures


def closed(files: dict[str, bytes]) -> dict[str, bytes]:
    """Close every delivery, as somebody does who hides what they say."""
    lines = []
    for raw in files[bundle.DELIVERIES].splitlines():
        facts = canonical.parse(raw)
        leaf = delivery.leaf(bytes.fromhex(facts["salt"]), facts["payload"])
        lines.append(canonical.canonical_bytes({"index": facts["index"], "leaf": leaf.hex()}))
    return signed({**files, bundle.DELIVERIES: b"".join(each + b"\n" for each in lines)})


# --- closed answers and deliveries ------------------------------------------------------------


def test_a_closed_answer_needs_an_erasure_or_a_sweep_after_it() -> None:
    told = ["entry 2: it is closed, and no erasure or sweep after it explains that"]
    assert failures(TEXT, ANNA, GONE) == told
    assert failures(TEXT, replace(ERASURE, id="e" * 32), GONE) == told
    for explainer in (ERASURE, line(4, "staff.privacy_swept", {})):
        assert failures(TEXT, ANNA, GONE, explainer) == []
    assert failures(TEXT, ANNA, GONE, selection={"purpose": "news"}) == []


def test_closed_answers_beyond_those_that_are_told_are_counted() -> None:
    gone = [replace(GONE, id=f"{number:032x}") for number in range(100, 170)]
    report = checked(files_of((TEXT, *gone)))
    assert (len(report.failures), report.more_failures) == (50, 20)


def test_closed_deliveries_need_an_erasure_or_a_sweep_in_the_log() -> None:
    seal = sealed(60, sent(1, YES, 10), sent(2, YES, 11))
    assert checked(closed(files_of((TEXT, YES, seal)))).failures == [
        "entry 2: 2 of its deliveries are closed, and no erasure or sweep is in the log"
    ]
    report = checked(closed(files_of((TEXT, YES, GONE_ONE, seal))))
    assert report.failures == []
    assert report.remarks == [
        "0 answers and 2 deliveries are closed; 1 erasures and sweeps are in the log"
    ]


@pytest.mark.parametrize("selection", [{}, {"form": "public"}, {"purpose": "x"}], ids=str)
def test_sealed_deliveries_are_always_listed(selection: dict[str, str]) -> None:
    files = files_of(SENT_LOG, selection=selection)
    assert checked(files).failures == []
    assert checked(signed({**files, bundle.DELIVERIES: b""})).failures == [
        "entry 5: the deliveries that it sealed are not listed"
    ]


def test_a_send_to_nobody_needs_an_erasure_before_the_seal() -> None:
    nobody = sealed(60, HONEST_SENDS[3])
    told = "it went to nobody, and nobody was erased before"
    [found] = failures(TEXT, YES, nobody)
    assert told in found
    [found] = failures(TEXT, YES, nobody, replace(GONE_ONE, at=nobody.at))
    assert told in found
    assert failures(TEXT, YES, GONE_ONE, nobody) == []


# --- times ------------------------------------------------------------------------------------


def test_a_send_is_of_the_time_of_its_occurrence() -> None:
    for minute, started, is_fine in (
        (10, "2026-11-24T12:11:30.000Z", True),
        (10, "2026-11-24T12:11:30.001Z", False),
        (10, None, True),
    ):
        found = failures(*SENDERS, sealed(60, sent(1, YES, minute), started=started))
        assert (found == []) is is_fine
    late = sealed(60, sent(1, YES, 10))
    for second, is_fine in ((30, True), (29, False)):
        at = AT.replace(minute=9, second=second)
        lines = (TEXT, YES, replace(late, at=at))
        assert (failures(*lines) == []) is is_fine


@pytest.mark.parametrize(
    "day",
    [
        *("2026-11-31", "2026-02-29", "2026-13-01", "2026-00-10", "2026-01-00", "2100-02-29"),
        *("0000-01-01", "2026-04-31", "2026-1-01"),
    ],
)
def test_a_day_that_does_not_exist_is_no_time(day: str) -> None:
    assert entry.TIME.fullmatch(f"{day}T00:00:00.000Z") is None


@pytest.mark.parametrize("clock", ["24:00:00", "23:60:00", "23:59:60"])
def test_a_clock_that_does_not_exist_is_no_time(clock: str) -> None:
    assert entry.TIME.fullmatch(f"2026-11-24T{clock}.000Z") is None
    created = f"2026-11-24T{clock}.000Z"
    assert checked(signed(files_of(), created=created)).failures == [
        "manifest.json does not say when it was made"
    ]
    assert failures(*SENDERS, sealed(60, ended=created)) == [
        "entry 5: the ended of its occurrence is not in form"
    ]


def test_days_that_exist_are_times() -> None:
    for day in ("2028-02-29", "2000-02-29", "0001-01-01", "9999-12-31", "2026-11-30"):
        assert entry.TIME.fullmatch(f"{day}T23:59:59.999Z")


# --- consents that are none, seals that are two -----------------------------------------------


def test_a_consent_to_processing_allows_no_message() -> None:
    text = published(0, notice_facts(kind="processing"))
    agreed = consent(1, "granted", WHO, text)
    [found] = failures(text, agreed, sealed(60, sent(1, agreed, 10)))
    assert "of a purpose of kind processing" in found


@pytest.mark.parametrize("event", ["granted", "confirmed"])
def test_an_import_gives_no_consent(event: str) -> None:
    assert failures(TEXT, consent(1, event, WHO, TEXT, method="import")) == [
        f"entry 1: {event} by import, which creates no consent"
    ]
    assert failures(TEXT, consent(1, "refused", WHO, TEXT, method="import")) == []


def test_an_occurrence_is_sealed_once_and_a_delivery_too() -> None:
    first = sealed(60, sent(1, YES, 10))
    second = sealed(61, sent(1, YES, 10, occurrence="f" * 32), occurrence="f" * 32)
    assert failures(TEXT, YES, first, second) == [
        f"entry 3, delivery {1:022}: entry 2 sealed it too"
    ]
    again = sealed(61, sent(2, YES, 10))
    assert failures(TEXT, YES, first, again) == [
        f"entry 3: occurrence {'e' * 32} was sealed before, by entry 2"
    ]


def test_true_is_not_one() -> None:
    one = sent(1, YES, 10)
    assert failures(TEXT, YES, sealed(60, one, size=True))
    assert failures(TEXT, YES, sealed(60, size=False))
    assert failures(TEXT, YES.saying(notice_version=True))
    files = files_of()
    sizes = {
        name: {"size": len(files[name]), "sha256": canonical.sha256_hex(files[name])}
        for name in bundle.LISTED
    }
    sizes[bundle.STAMPS]["size"] = False
    assert checked(signed_listing(sizes)).failures


# --- files against each other -----------------------------------------------------------------


def test_a_proof_is_missed_in_a_log_of_its_name_whatever_key_signed_that(tmp_path: Path) -> None:
    index = LOG.index(ANNA_LEFT)
    other = line(90, "staff.act", {})
    without = tuple(other if each is ANNA_LEFT else each for each in LOG[: index + 1])
    fresh = packed(files_of(without, seed=NEW_SEED))
    found = together(tmp_path, proof_of(ANNA_LEFT), fresh)
    assert f"has another entry {index}" in found.failures[0]
    honest = packed(files_of(LOG, seed=NEW_SEED))
    found = together(tmp_path, proof_of(ANNA_LEFT), honest)
    assert found.failures == []
    assert any("a key that" in remark for remark in found.remarks)
    elsewhere = packed(files_of(without, origin="x.example/log"))
    assert together(tmp_path, proof_of(ANNA_LEFT), elsewhere).ok


def test_a_loss_after_a_change_of_keys_is_declared_to_older_files(tmp_path: Path) -> None:
    seed, origin = b"two".ljust(32, b"."), f"{ORIGIN}/2"
    late = line(20, "staff.act", {})
    lost = LostLog(origin=ORIGIN, size=8, root=root_of((*LOG, handing_over(8), late)), agreed=3)
    key = note.verifier_key(origin, seed)
    loss = changed_key(9, key, lost, NEW_SEED, NEW_KEY)
    renewed = packed(files_of((*LOG[:3], handing_over(8), loss), seed=seed, origin=origin))
    for old in (proof_of(ANNA_LEFT), packed(files_of(LOG))):
        found = together(tmp_path, old, renewed)
        assert found.failures == []
        assert "lost" in found.remarks[0]
    by_second = packed(files_of((*LOG, handing_over(8), late), seed=NEW_SEED))
    assert together(tmp_path, by_second, renewed).ok
    forked = packed(files_of((TEXT, BORIS, handing_over(8), loss), seed=seed, origin=origin))
    assert "entry 1 of" in together(tmp_path, packed(files_of(LOG)), forked).failures[0]
