"""Each opened send of a bundle, held against the consent that it names."""

from datetime import datetime, timedelta
from typing import Final

from bot.proof.entry import TIME
from bot.proof.ledger import Ledger, Rest
from bot.proof.report import Report

CROSSING: Final = timedelta(seconds=60)
"""A send that was under way when somebody left may end a little later than their leaving."""
PROCESSING: Final = "processing"
"""Consents of this kind allow no messages."""


def check_sends(
    ledger: Ledger, report: Report, *, explained_from: int | None, has_gaps: bool
) -> None:
    """Hold every opened send against the consent that it names (promise 1).

    `explained_from`: the first erasure or sweep. `has_gaps`: entries were changed or removed, so
    that a consent, or an erasure, may be one of them.
    """
    unseen = erased = 0
    for rest in ledger.rests():
        if has_gaps and rest.consent is not None and rest.consent_number is None:
            continue
        if rest.subject is None:
            erased += 1
            if not has_gaps:
                _check_nobody(rest, report, explained_from)
            continue
        fault = _fault_of_place(rest)
        if fault is None and rest.event is None:
            unseen += 1
            continue
        fault = fault or _fault_of_consent(rest)
        if fault is None:
            _check_time(rest, report)
        else:
            report.fail(f"{_name(rest)}: {fault}")
    if erased:
        report.remark(f"{erased} opened sends went to people who were erased before the seal")
    if unseen:
        report.remark(f"{unseen} opened sends rest on consents that are not opened here")


def _check_nobody(rest: Rest, report: Report, explained_from: int | None) -> None:
    is_explained = explained_from is not None and explained_from < rest.seal
    if rest.state == "sent" and not is_explained:
        report.fail(f"{_name(rest)}: it went to nobody, and nobody was erased before")


def _name(rest: Rest) -> str:
    return f"entry {rest.seal}, delivery {rest.delivery} ({rest.state})"


def _fault_of_place(rest: Rest) -> str | None:
    if rest.consent is None:
        return "it names no consent"
    if rest.consent_number is None:
        return f"it names {rest.consent} as its consent, which is not in the log"
    if rest.consent_number >= rest.seal:
        return f"its consent is entry {rest.consent_number}, which came after the seal"
    return None


def _fault_of_consent(rest: Rest) -> str | None:
    number = rest.consent_number
    if rest.event not in {"granted", "confirmed"}:
        return f"it rests on entry {number}, which is {rest.event}"
    if rest.purpose != rest.what:
        return f"it is of purpose {rest.purpose}, its consent, entry {number}, of {rest.what}"
    if rest.kind == PROCESSING:
        return f"its consent, entry {number}, is of a purpose of kind {PROCESSING}: no messages"
    if rest.subject != rest.who:
        return f"it went to {rest.subject}, its consent, entry {number}, is of {rest.who}"
    if rest.time < rest.since:
        return f"it ended at {rest.time}, its consent, entry {number}, is of {rest.since}"
    return None


def _check_time(rest: Rest, report: Report) -> None:
    """Look whether the consent had ended when the send did."""
    ends = []
    if rest.ended_by is not None:
        ends.append((rest.ended_at, f"entry {rest.ended_by} ({rest.ending} at {rest.ended_at})"))
    if rest.expires is not None and TIME.fullmatch(rest.expires):
        ends.append((rest.expires, f"its expiry at {rest.expires}"))
    ends = [end for end in ends if end[0] < rest.time]
    if not ends:
        return
    ended_at, by = min(ends)
    consent = f"its consent, entry {rest.consent_number}, had been ended by {by}"
    if rest.state == "uncertain" and rest.started is not None and ended_at > rest.started:
        # Its time is when doubt was noted, after a crash perhaps hours later.
        report.remark(f"{_name(rest)}: noted at {rest.time}; {consent}; when it went is not known")
    elif _between(ended_at, rest.time) <= CROSSING:
        report.remark(f"{_name(rest)}: it ended at {rest.time}, while {consent}: they crossed")
    else:
        report.fail(f"{_name(rest)}: it ended at {rest.time}; {consent}")


def _between(start: str, end: str) -> timedelta:
    try:
        return datetime.fromisoformat(end) - datetime.fromisoformat(start)
    except (TypeError, ValueError):
        return timedelta.max
