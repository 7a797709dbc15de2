"""The sealed deliveries of a bundle: the lists as they were sealed."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from bot.proof import canonical, delivery
from bot.proof.closures import Closures
from bot.proof.entry import TIME, Entry, rfc3339
from bot.proof.errors import Contradiction, ProofError
from bot.proof.ledger import Ledger
from bot.proof.merkle import Frontier
from bot.proof.payload import Choice
from bot.proof.report import Report

NAME: Final = "deliveries.jsonl"
HEX: Final = re.compile(r"[0-9a-f]{64}")
SHARED: Final = ("campaign", "occurrence", "purpose")
"""What every delivery says as its seal does."""
SLACK: Final = timedelta(seconds=60)
"""Clocks of one occurrence may differ by so much."""
ENDS: Final = ("started", "ended")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of the list: a leaf, and what opens it where it is opened."""

    index: int
    leaf: bytes
    payload: dict[str, Any] | None


class Deliveries:
    """The list, read beside the entries that seal it."""

    def __init__(
        self,
        lines: Iterator[bytes],
        choice: Choice,
        ledger: Ledger,
        closures: Closures,
        report: Report,
    ) -> None:
        self._listed = _read(lines)
        self._next = next(self._listed, None)
        self._choice, self._ledger, self._report = choice, ledger, report
        self._closures = closures

    def check(self, index: int, read: Entry, seal: Mapping[str, Any]) -> None:
        """Hold the deliveries that stand next against what was sealed."""
        self._refuse_before(index)
        self._ledger.add_seal(index, seal)
        self._check_ends(index, seal)
        if (self._next is None or self._next.index != index) and seal.get("size"):
            self._report.fail(f"entry {index}: the deliveries that it sealed are not listed")
            return
        span = _span(read, seal)
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
            self._check_one(index, seal, one.payload, span)
        self._closures.see_seal(index, closed)
        self._check_seal(index, seal, edge, counts, closed)

    def pass_over(self, index: int) -> None:
        """Leave out what entries before an index sealed: they are told to be wrong elsewhere."""
        while self._next is not None and self._next.index < index:
            self._take()

    def finish(self) -> None:
        self._refuse_before(None)

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
        if type(size) is not int or edge.size != size:
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

    def _check_ends(self, index: int, seal: Mapping[str, Any]) -> None:
        for name in ENDS:
            at = seal.get(name)
            if at is not None and not (isinstance(at, str) and TIME.fullmatch(at)):
                self._report.fail(f"entry {index}: the {name} of its occurrence is not in form")

    def _check_one(
        self,
        index: int,
        seal: Mapping[str, Any],
        payload: dict[str, Any],
        span: tuple[str, str],
    ) -> None:
        name = f"entry {index}, delivery {payload['delivery']}"
        for key in SHARED:
            if payload[key] != seal.get(key):
                self._report.fail(
                    f"{name}: its {key} is {payload[key]!r}, sealed was {seal.get(key)!r}"
                )
        if not self._choice.opens_delivery(payload):
            self._report.fail(f"{name}: it is opened, but was not selected")
        if payload["state"] == delivery.SENT and not span[0] <= payload["time"] <= span[1]:
            self._report.fail(
                f"{name}: it is said to be sent at {payload['time']}, not while its occurrence ran"
            )
        self._ledger.add_delivery(index, seal, payload)


def _span(read: Entry, seal: Mapping[str, Any]) -> tuple[str, str]:
    """Return between which times something can have been sent."""
    started = seal.get("started")
    is_told = isinstance(started, str) and TIME.fullmatch(started)
    return _moved(started, -SLACK) if is_told else "", _moved(read.time, SLACK)


def _moved(time: Any, by: timedelta) -> str:
    try:
        return rfc3339(datetime.fromisoformat(time) + by)
    except OverflowError:
        return str(time)


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
