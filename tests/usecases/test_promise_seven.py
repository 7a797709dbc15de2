"""Promise 7: erased means gone, held means kept, and the log verifies for everybody else.

A machine lets people agree, refuse, leave and ask to be forgotten, lets time pass, sweeps, and
places and releases holds. Beside it stands a model that knows which proofs must be readable.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import event
from tea_shop import AT, DATA, DAY, HOUR, OFFERS, ORDERS, PRESS, Shop, open_shop, purpose

from bot.consent.acts import Choice
from bot.consent.purposes import Period
from bot.consent.rules import PROMPT_LIFETIME, PurposeId
from bot.proof import verifier
from bot.usecases.exports import Format, Selection
from storage import migrations
from storage.database import Database

T = TypeVar("T")
TERMS = {ORDERS: Period("P1Y"), OFFERS: Period("P90D")}
"""How long proofs are kept; those about DATA until the person asks."""
ACCOUNTS = ("101", "102", "103")
accounts = st.sampled_from(ACCOUNTS)
purposes = st.sampled_from((DATA, ORDERS, OFFERS))


@dataclass(slots=True)
class Known:
    """A person as they would remember it: their answers, and what was promised to them."""

    proofs: dict[PurposeId, set[str]] = field(default_factory=dict)
    ended: dict[PurposeId, datetime | None] = field(default_factory=dict)
    asked_until: datetime | None = None
    is_held: bool = False
    wants_erasure: bool = False


@asynccontextmanager
async def quick_shop(folder: Path) -> AsyncIterator[Shop]:
    """A shop on a SQLite file that waits for no disk: nothing is killed here."""
    database = Database(f"sqlite+aiosqlite:///{folder}/data/assent.db")

    @event.listens_for(database.engine.sync_engine, "connect")
    def _hurry(raw: Any, _record: object) -> None:
        raw.execute("PRAGMA synchronous=OFF")

    await migrations.upgrade(database)
    try:
        async with open_shop(database, folder) as shop:
            yield shop
    finally:
        await database.close()


class Retention(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.stack = AsyncExitStack()
        self.shop: Shop = self.do(self.stack.enter_async_context(quick_shop(self.folder)))
        self.do(
            self.shop.publish(
                purpose(DATA),
                purpose(ORDERS, keep_proof_for=TERMS[ORDERS]),
                purpose(OFFERS, keep_proof_for=TERMS[OFFERS], valid_for=Period("P1Y")),
            )
        )
        self.now = AT
        self.known: dict[str, Known] = {}
        self.expiry: dict[tuple[str, PurposeId], datetime] = {}
        self.size = self.do(self.shop.log_size())

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.do(self.stack.aclose())
        self.loop.close()
        shutil.rmtree(self.folder)

    def learn(self) -> None:
        """Take in what the last act wrote into the log."""
        for one in self.do(self.shop.log())[self.size :]:
            self.size = one.index + 1
            if not one.read.type.startswith("consent."):
                continue
            person = self.known[one.payload["account"]]
            purpose_id, word = PurposeId(one.payload["purpose"]), one.payload["event"]
            person.proofs.setdefault(purpose_id, set()).add(one.read.id)
            holds = word == "granted"
            person.ended[purpose_id] = None if holds else datetime.fromisoformat(one.read.time)
            if holds:
                person.wants_erasure = False
            if word == "expired":
                person.ended[purpose_id] = self.expiry.pop((one.payload["account"], purpose_id))
            if "expires" in one.payload and holds:
                key = (one.payload["account"], purpose_id)
                self.expiry[key] = datetime.fromisoformat(one.payload["expires"])

    @initialize()
    def everybody_has_answered(self) -> None:
        """One left, one refused, one stays; the second is under a hold."""
        for account, agrees in (("101", True), ("102", False), ("103", True)):
            for purpose_id in (DATA, ORDERS, OFFERS):
                self.answer(account, purpose_id, agrees=agrees)
        for purpose_id in (DATA, ORDERS, OFFERS):
            self.answer("101", purpose_id, agrees=False)
        self.do(self.shop.holds.place("102", "a case", "7", self.now))
        self.known["102"].is_held = True
        self.learn()

    # --- what people do -----------------------------------------------------------------------

    @rule(account=accounts, purpose_id=purposes, agrees=st.booleans())
    def answer(self, account: str, purpose_id: PurposeId, *, agrees: bool) -> None:
        person = self.do(self.shop.meet(account, self.now))
        self.known.setdefault(account, Known())
        choice = Choice.AGREE if agrees else Choice.DECLINE
        self.do(self.shop.answer(person, purpose_id, choice, self.now))
        self.learn()

    @rule(account=accounts, purpose_id=purposes)
    def ask(self, account: str, purpose_id: PurposeId) -> None:
        person = self.do(self.shop.meet(account, self.now))
        self.known.setdefault(account, Known()).asked_until = self.now + PROMPT_LIFETIME
        self.do(self.shop.ask(person, purpose_id, self.now))

    @precondition(lambda self: self.known)
    @rule(data=st.data(), purpose_id=purposes)
    def withdraw(self, data: st.DataObject, purpose_id: PurposeId) -> None:
        person = self.do(self.shop.meet(data.draw(st.sampled_from(sorted(self.known))), self.now))
        self.do(self.shop.consents.withdraw(person, purpose_id, PRESS, self.now))
        self.learn()

    @precondition(lambda self: self.known)
    @rule(data=st.data(), never_again=st.booleans())
    def forget(self, data: st.DataObject, *, never_again: bool) -> None:
        account = data.draw(st.sampled_from(sorted(self.known)))
        person = self.do(self.shop.meet(account, self.now))
        self.do(self.shop.records.erase(person, self.now, never_again=never_again))
        if self.known[account].is_held:
            self.learn()
            self.known[account].wants_erasure = True
            self.known[account].asked_until = None
        else:
            del self.known[account]
            self.size = self.do(self.shop.log_size())

    # --- what the company and time do ---------------------------------------------------------

    @precondition(lambda self: any(not one.is_held for one in self.known.values()))
    @rule(data=st.data())
    def hold(self, data: st.DataObject) -> None:
        free = sorted(account for account, one in self.known.items() if not one.is_held)
        account = data.draw(st.sampled_from(free))
        self.do(self.shop.holds.place(account, "a case", "7", self.now))
        self.known[account].is_held = True
        self.learn()

    @precondition(lambda self: any(one.is_held for one in self.known.values()))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        held = sorted(account for account, one in self.known.items() if one.is_held)
        account = data.draw(st.sampled_from(held))
        found = self.do(self.shop.holds.find(account))
        is_erased = self.do(self.shop.holds.release(found.subject_id, "7", self.now))
        assert is_erased == self.known[account].wants_erasure
        self.known[account].is_held = False
        if is_erased:
            del self.known[account]
        self.size = self.do(self.shop.log_size())

    @rule(span=st.sampled_from([HOUR, 2 * DAY, 89 * DAY, 90 * DAY, 366 * DAY]))
    def wait(self, span: timedelta) -> None:
        self.now += span
        self.do(self.shop.consents.expire_due(self.now))
        self.learn()

    @rule()
    def sweep(self) -> None:
        self.do(self.shop.retention.sweep("clock", self.now))
        self.size = self.do(self.shop.log_size())
        for account, person in list(self.known.items()):
            is_asked = person.asked_until is not None and person.asked_until > self.now
            if person.is_held or is_asked:
                continue
            over = [
                purpose_id
                for purpose_id, ended in person.ended.items()
                if ended is not None
                and purpose_id in TERMS
                and TERMS[purpose_id].end(ended) <= self.now
            ]
            for purpose_id in over:
                del person.proofs[purpose_id], person.ended[purpose_id]
            if over and not person.proofs:
                del self.known[account]
        path = self.folder / "bundle.zip"
        self.do(self.shop.core.exports.write(path, Format.BUNDLE, Selection(), self.now))
        report = verifier.verify_file(path, self.shop.core.signer.key)
        assert report.ok, report.failures

    # --- the promise --------------------------------------------------------------------------

    @invariant()
    def exactly_the_promised_proofs_can_be_read(self) -> None:
        readable = {
            one.read.id
            for one in self.do(self.shop.log())
            if one.read.type.startswith("consent.") and one.opening is not None
        }
        promised = [
            entry_id
            for person in self.known.values()
            for proofs in person.proofs.values()
            for entry_id in proofs
        ]
        assert readable == set(promised)

    @invariant()
    def exactly_those_are_known_who_should_be(self) -> None:
        for account in ACCOUNTS:
            found = self.do(self.shop.people.find(account))
            assert (found is not None) == (account in self.known), account


TestPromiseSeven = Retention.TestCase
TestPromiseSeven.settings = settings(max_examples=8, stateful_step_count=15, deadline=None)
