"""The sealed deliveries of a bundle: the lists as they were sealed, each send on its consent."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from bot.proof import canonical, delivery
from bot.proof.entry import TIME
from bot.proof.errors import Contradiction, ProofError
from bot.proof.ledger import Ledger, Rest
from bot.proof.merkle import Frontier
from bot.proof.payload import Choice
from bot.proof.report import Report

NAME: Final = "deliveries.jsonl"
HEX: Final = re.compile(r"[0-9a-f]{64}")
WENT_OUT: Final = frozenset({"sent", "uncertain"})
SHARED: Final = ("campaign", "occurrence", "purpose")
"""What every delivery says as its seal does."""
CROSSING: Final = timedelta(seconds=60)
"""A send that was under way when somebody left may end a little later than their leaving."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of the list: a leaf, and what opens it where it is opened."""

    index: int
    leaf: bytes
    payload: dict[str, Any] | None


class Deliveries:
    """The list, read beside the entries that seal it."""

    def __init__(
        self, lines: Iterator[bytes], choice: Choice, ledger: Ledger, report: Report
    ) -> None:
        self._listed = _read(lines)
        self._next = next(self._listed, None)
        self._choice, self._ledger, self._report = choice, ledger, report
        self._unlisted = 0

    def check(self, index: int, seal: Mapping[str, Any]) -> None:
        """Hold the deliveries that stand next against what was sealed."""
        self._refuse_before(index)
        if (self._next is None or self._next.index != index) and seal.get("size"):
            self._unlisted += 1
            return
        edge, counts, closed, last = Frontier(), Counter[str](), 0, ""
        while self._next is not None and self._next.index == index:
            one = self._take()
            edge.add(one.leaf)
            if one.payload is None:
                closed += 1
                continue
            counts[one.payload["state"]] += 1
            if one.payload["delivery"] <= last:
                self._report.fail(f"entry {index}: its deliveries are not in order of their ids")
            last = one.payload["delivery"]
            self._check_one(index, seal, one.payload)
        self._check_seal(index, seal, edge, counts, closed)

    def pass_over(self, index: int) -> None:
        """Leave out what entries before an index sealed: they are told to be wrong elsewhere."""
        while self._next is not None and self._next.index < index:
            self._take()

    def finish(self) -> None:
        self._refuse_before(None)
        if self._unlisted:
            self._report.remark(f"the deliveries of {self._unlisted} seals are not listed here")

    def _take(self) -> Listed:
        taken = self._next
        assert taken is not None  # noqa: S101 whoever takes has looked
        self._next = next(self._listed, None)
        return taken

    def _refuse_before(self, index: int | None) -> None:
        while self._next is not None and (index is None or self._next.index < index):
            at = self._next.index
            self._report.fail(f"entry {at}: {NAME} lists deliveries that it did not seal")
            self.pass_over(at + 1)

    def _check_seal(
        self,
        index: int,
        seal: Mapping[str, Any],
        edge: Frontier,
        counts: Counter[str],
        closed: int,
    ) -> None:
        root, size, sealed = edge.root().hex(), seal.get("size"), seal.get("counts")
        if edge.size != size:
            self._report.fail(f"entry {index}: {edge.size} deliveries are listed, {size} sealed")
        elif root != seal.get("root"):
            self._report.fail(
                f"entry {index}: its deliveries were changed: they have root {root}, "
                f"sealed was {seal.get('root')}"
            )
        if not isinstance(sealed, dict) or not all(type(n) is int for n in sealed.values()):
            self._report.fail(f"entry {index}: the counts of its deliveries are not in form")
            return
        is_too_many = any(count > sealed.get(state, 0) for state, count in counts.items())
        is_other = not closed and counts != Counter(sealed)
        if is_too_many or is_other or sum(sealed.values()) != size:
            self._report.fail(
                f"entry {index}: it counts {_told(sealed)}, opened are {_told(counts)} "
                f"and {closed} are closed"
            )

    def _check_one(self, index: int, seal: Mapping[str, Any], payload: dict[str, Any]) -> None:
        name = f"entry {index}, delivery {payload['delivery']}"
        for key in SHARED:
            if payload[key] != seal.get(key):
                self._report.fail(
                    f"{name}: its {key} is {payload[key]!r}, sealed was {seal.get(key)!r}"
                )
        if not self._choice.opens_delivery(payload):
            self._report.fail(f"{name}: it is opened, but was not selected")
        if payload["state"] in WENT_OUT:
            self._ledger.add_delivery(index, payload)


def _read(lines: Iterator[bytes]) -> Iterator[Listed]:
    before = 0
    for line in lines:
        facts = canonical.parse(line)
        one = _listed(facts) if isinstance(facts, dict) else None
        if one is None or one.index < before:
            raise Contradiction(f"{NAME} has a line that is not in form or in order")
        before = one.index
        yield one


def _listed(facts: dict[str, Any]) -> Listed | None:
    index, leaf = facts.get("index"), facts.get("leaf")
    if type(index) is not int:
        return None
    if facts.keys() == {"index", "leaf"} and isinstance(leaf, str) and HEX.fullmatch(leaf):
        return Listed(index=index, leaf=bytes.fromhex(leaf), payload=None)
    if facts.keys() != {"index", "payload", "salt"}:
        return None
    payload = facts["payload"]
    try:
        return Listed(
            index=index, leaf=delivery.check_opening(facts["salt"], payload), payload=payload
        )
    except ProofError as error:
        raise Contradiction(f"entry {index}: {error}") from error


def _told(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none"


# --- each send on its consent -----------------------------------------------------------------


def check_consents(ledger: Ledger, report: Report, *, has_gaps: bool) -> None:
    """Hold every opened send against the consent that it names (promise 1).

    `has_gaps`: entries were changed or removed, so that a consent may be one of them.
    """
    unseen = erased = 0
    for rest in ledger.rests():
        if has_gaps and rest.consent is not None and rest.consent_number is None:
            continue
        if rest.subject is None:
            erased += 1
            continue
        fault = _fault_of_place(rest)
        if fault is None and rest.event is None:
            unseen += 1
        elif fault is None:
            fault = _fault_of_consent(rest)
        if fault is None and rest.event is not None:
            _check_time(rest, report)
        elif fault is not None:
            report.fail(f"{_name(rest)}: {fault}")
    if erased:
        report.remark(f"{erased} opened sends went to people who were erased before the seal")
    if unseen:
        report.remark(f"{unseen} opened sends rest on consents that are not opened here")


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
    if rest.state == "uncertain":
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
