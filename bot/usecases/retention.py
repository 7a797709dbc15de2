"""The sweep: proofs that no rule keeps any more are deleted, page by page."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent.purposes import Period
from bot.consent.retention import Term
from bot.consent.rules import PurposeId, SubjectId
from bot.usecases.erasure import Erasure
from bot.usecases.events import rfc3339, software
from bot.usecases.journal import Journal
from storage import campaigns, facts, retention, subjects
from storage.database import Database
from storage.facts import Fact
from storage.retention import Due, Rule

PAGE: Final = 100
"""People in one transaction: answers to others wait no longer than for these."""
ABANDONED: Final = timedelta(days=90)
"""A draft or cancelled campaign that never began is deleted so long after its last change."""
EVERY: Final = timedelta(days=1)
CLOCK: Final = "clock"
"""Stands for the staff account where nobody asked: the daily sweep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What a sweep would do about one purpose now. Without `due` its proofs have no term."""

    rule: Rule
    due: Due | None


@dataclass(slots=True, kw_only=True)
class Swept:
    """What a sweep has deleted of one purpose so far."""

    keep_proof_for: str
    people: int = 0
    entries: int = 0
    deliveries: int = 0
    earliest: str = ""
    latest: str = ""
    """When the first and the last of the consents ended (RFC 3339)."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What the sweep under way has deleted; kept in the database until its log entry is written."""

    began: str
    purposes: dict[str, Swept] = field(default_factory=dict)
    people_erased: int = 0
    """Of whom nothing was left: their key was destroyed."""
    campaigns: int = 0
    """Drafts and cancelled campaigns that never began."""

    @property
    def is_empty(self) -> bool:
        return not (self.purposes or self.people_erased or self.campaigns)

    def to_json(self) -> dict[str, Any]:
        return {
            "began": self.began,
            "purposes": [
                {
                    "purpose": purpose_id,
                    "keep_proof_for": swept.keep_proof_for,
                    "people": swept.people,
                    "entries": swept.entries,
                    "deliveries": swept.deliveries,
                    "earliest": swept.earliest,
                    "latest": swept.latest,
                }
                for purpose_id, swept in sorted(self.purposes.items())
            ],
            "people_erased": self.people_erased,
            "campaigns": self.campaigns,
        }

    @classmethod
    def from_json(cls, known: dict[str, Any]) -> "Tally":
        purposes = {
            one["purpose"]: Swept(**{name: one[name] for name in one if name != "purpose"})
            for one in known["purposes"]
        }
        return cls(**{**known, "purposes": purposes})


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a sweep came to, with the log entry that says so. None: it changed nothing."""

    at: datetime
    tally: Tally
    ahead: list[Ahead]
    """As it stood before: what was to go, and what had to wait."""
    entry_id: str | None
    index: int | None

    def to_json(self) -> dict[str, Any]:
        """Return the report as facts for a file (docs/reference.md, "The report of a sweep")."""
        return {
            "format": "assent-sweep/1",
            "time": rfc3339(self.at),
            "log_entry": self.entry_id,
            "log_index": self.index,
            **self.tally.to_json(),
            "rules": [_rule_facts(one) for one in self.ahead],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionDesk:
    """Deletes what is past its term; people under a legal hold are left alone."""

    database: Database
    journal: Journal

    async def survey(self, at: datetime) -> list[Ahead]:
        """Say for every purpose what a sweep would delete now, and what it would leave."""
        async with self.database.snapshot() as tx:
            return [
                Ahead(
                    rule=rule,
                    due=None
                    if rule.period is None
                    else await retention.survey(
                        tx, rule.purpose_id, _latest_end(rule.period, at), at
                    ),
                )
                for rule in await retention.rules(tx)
            ]

    async def sweep_daily(self, at: datetime) -> Report | None:
        """Sweep if the last sweep was a day ago. None: it was not."""
        async with self.database.snapshot() as tx:
            last = await facts.get_time(tx, Fact.SWEPT_AT)
        if last is not None and at - last < EVERY:
            return None
        return await self.sweep(CLOCK, at)

    async def sweep(
        self,
        staff: str,
        at: datetime,
        progress: Callable[[int, int], None] = lambda _done, _of: None,
    ) -> Report:
        """Delete every proof past its term, each page in a transaction of its own.

        Killed at any moment, the next sweep goes on, and its log entry counts both.
        """
        ahead = await self.survey(at)
        total = sum(one.due.people for one in ahead if one.due is not None)
        done = 0
        for one in ahead:
            if one.rule.period is None:
                continue
            after: SubjectId | None = None
            while page := await self._sweep_page(one.rule.purpose_id, one.rule.period, at, after):
                after = page[-1]
                done += len(page)
                progress(min(done, total), total)
        while await self._remove_abandoned(at):
            pass
        report = await self._finish(staff, at, ahead)
        await self.database.empty_wal(is_needed=True)
        return report

    async def _sweep_page(
        self, purpose_id: PurposeId, period: str, at: datetime, after: SubjectId | None
    ) -> list[SubjectId]:
        """Return the people who were looked at, also those who changed just before they were."""
        latest_end = _latest_end(period, at)
        async with self.database.transaction() as tx:
            tally = await self._tally(tx, at)
            page = await retention.due(tx, purpose_id, latest_end, at, after=after, limit=PAGE)
            if not page:
                return []
            await subjects.lock_many(tx, page)
            # Somebody may have agreed again, or been put under a hold, until they were locked.
            due = await retention.due(tx, purpose_id, latest_end, at, only=page, limit=PAGE)
            if due:
                await self._erase_proofs(tx, purpose_id, period, due, tally)
                for subject_id, lookup in await retention.with_nothing_left(tx, due):
                    erasure = Erasure(journal=self.journal)
                    await erasure.erase(tx, subject_id, lookup, at, keeps_waiting=True)
                    tally.people_erased += 1
                await self._keep(tx, tally)
        return page

    async def _erase_proofs(
        self,
        tx: AsyncConnection,
        purpose_id: PurposeId,
        period: str,
        due: list[SubjectId],
        tally: Tally,
    ) -> None:
        earliest, latest = map(rfc3339, await retention.ends_between(tx, purpose_id, due))
        erased = await retention.erase_proofs(tx, purpose_id, due)
        swept = tally.purposes.setdefault(purpose_id, Swept(keep_proof_for=period))
        swept.people += erased.people
        swept.entries += erased.entries
        swept.deliveries += erased.deliveries
        swept.earliest = min(swept.earliest or earliest, earliest)
        swept.latest = max(swept.latest, latest)

    async def _remove_abandoned(self, at: datetime) -> bool:
        async with self.database.transaction() as tx:
            tally = await self._tally(tx, at)
            found = await retention.abandoned_campaigns(tx, at - ABANDONED, PAGE)
            if found:
                await campaigns.remove(tx, found)
                tally.campaigns += len(found)
                await self._keep(tx, tally)
        return bool(found)

    async def _finish(self, staff: str, at: datetime, ahead: list[Ahead]) -> Report:
        """Write the one log entry of the sweep, if there is something to say."""
        entry_id, index = None, None
        async with self.database.transaction() as tx:
            tally = await self._tally(tx, at)
            if not tally.is_empty:
                payload = {"staff": staff, **tally.to_json(), "software": software()}
                key = await self.journal.house_key(tx)
                written = await self.journal.write(tx, "staff.privacy_swept", payload, at, key=key)
                entry_id, index = written.entry_id, written.index
            await facts.forget(tx, Fact.SWEEP)
            await facts.put_time(tx, Fact.SWEPT_AT, at)
        return Report(at=at, tally=tally, ahead=ahead, entry_id=entry_id, index=index)

    async def _tally(self, tx: AsyncConnection, at: datetime) -> Tally:
        """Read the count under its lock, so that two sweeps at a time count into the same."""
        known = await facts.get_locked(tx, Fact.SWEEP)
        return Tally(began=rfc3339(at)) if known is None else Tally.from_json(json.loads(known))

    async def _keep(self, tx: AsyncConnection, tally: Tally) -> None:
        await facts.put(tx, Fact.SWEEP, json.dumps(tally.to_json()))


def _latest_end(period: str, at: datetime) -> datetime:
    return Term(Period(period)).latest_end(at)


def _rule_facts(one: Ahead) -> dict[str, Any]:
    facts_of: dict[str, Any] = {
        "purpose": one.rule.purpose_id,
        "keep_proof_for": one.rule.period,
        "keep_proof_rule": dict(one.rule.law),
    }
    if one.due is not None:
        facts_of |= {
            "people_due": one.due.people,
            "entries_due": one.due.entries,
            "earliest": None if one.due.earliest is None else rfc3339(one.due.earliest),
            "latest": None if one.due.latest is None else rfc3339(one.due.latest),
            "held": one.due.held,
            "waiting": one.due.waiting,
        }
    return facts_of
