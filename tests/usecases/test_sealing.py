"""Seals: what was sent is fixed when it is over, and what is changed afterwards is found."""

import asyncio
import base64
import itertools
import os
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from tea_shop import AT, DATA, DAY, HOUR, MINUTE, ORDERS, PRESS, Shop

from bot.campaigns.campaign import Author
from bot.campaigns.content import Content, ContentKind
from bot.campaigns.states import CampaignState, DeliveryState, OccurrenceState
from bot.delivery import gate
from bot.proof import delivery as evidence
from bot.proof import merkle
from bot.usecases.people import Person
from bot.usecases.sealing import SealedDelivery
from storage import campaigns, deliveries
from storage.database import Database
from storage.deliveries import Result, Running
from storage.schema import data_key, delivery, occurrence

OWNER = Author(account="1", locale="en")
SENT, FAILED, UNCERTAIN = DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.UNCERTAIN
READY, SUPPRESSED = DeliveryState.READY, DeliveryState.SUPPRESSED


def clock() -> datetime:
    return AT + DAY


def new_id() -> str:
    return base64.urlsafe_b64encode(os.urandom(16)).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """A running campaign whose audience is some people."""

    shop: Shop
    running: Running
    ids: dict[str, str]
    """Delivery by person."""
    claimed: list[gate.Cleared] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.running.occurrence_id

    async def claim(self, *, leaving_alone: Sequence[Person] = ()) -> None:
        async with self.shop.database.transaction() as tx:
            cleared, _ = await gate.claim(
                tx,
                self.running,
                leaving_alone={person.id for person in leaving_alone},
                limit=9999,
                at=AT + MINUTE,
            )
        self.claimed.extend(cleared)

    async def land(self, fates: dict[str, DeliveryState]) -> None:
        """Record what became of sends, by person."""
        results = [
            Result(
                delivery_id=one.candidate.delivery_id,
                fence=one.candidate.fence,
                state=fates[one.candidate.subject_id],
                reason=None if fates[one.candidate.subject_id] is SENT else "http_500",
                message_id=number if fates[one.candidate.subject_id] is SENT else None,
            )
            for number, one in enumerate(self.claimed, start=1)
            if one.candidate.subject_id in fates
        ]
        async with self.shop.database.transaction() as tx:
            await deliveries.record(tx, results, AT + 2 * MINUTE)

    async def finish(self) -> None:
        """End as the sender does when nothing is open."""
        async with self.shop.database.transaction() as tx:
            assert not await deliveries.has_open(tx, self.id)
            await campaigns.move(
                tx,
                self.running.campaign_id,
                CampaignState.FINISHED,
                if_in=[CampaignState.RUNNING],
                at=AT + HOUR,
            )
            await campaigns.move_occurrences(
                tx,
                self.running.campaign_id,
                OccurrenceState.ENDED,
                if_in=[OccurrenceState.COLLECTING],
                ended_at=AT + HOUR,
            )

    async def cancel(self) -> None:
        assert await self.shop.campaigns.cancel(self.running.campaign_id, AT + HOUR)


async def people(shop: Shop, number: int) -> list[Person]:
    """People who agreed to messages about orders."""
    known = [await shop.meet(str(100 + one)) for one in range(number)]
    for person in known:
        await shop.answer(person, DATA)
        await shop.answer(person, ORDERS)
    return known


async def fire(shop: Shop, audience: Sequence[Person]) -> Firing:
    content = Content(kind=ContentKind.TEXT, text="Your order is ready")
    campaign = await shop.campaigns.draft(ORDERS, content, OWNER, AT)
    await shop.campaigns.start(campaign.id, OWNER.account, AT)
    ids = {person.id: new_id() for person in audience}
    async with shop.database.transaction() as tx:
        (running,) = [one for one in await deliveries.running(tx) if one.campaign_id == campaign.id]
        await deliveries.add_ready(
            tx, running.occurrence_id, [(ids[one.id], one.id) for one in audience], AT
        )
    return Firing(shop=shop, running=running, ids=ids)


async def finished(shop: Shop, audience: Sequence[Person]) -> Firing:
    """A campaign that everybody got."""
    firing = await fire(shop, audience)
    await firing.claim()
    await firing.land({person.id: SENT for person in audience})
    await firing.finish()
    return firing


async def list_of(shop: Shop, firing: Firing) -> list[SealedDelivery]:
    async with shop.database.snapshot() as tx:
        return [one async for one in shop.seals.deliveries(tx, firing.id)]


async def sealed_payload(shop: Shop, firing: Firing) -> dict[str, Any]:
    """What the log says of a sealed occurrence: one entry, which its row names."""
    async with shop.database.snapshot() as tx:
        query = select(occurrence.c.seal_entry_id).where(occurrence.c.id == firing.id)
        entry_id = (await tx.execute(query)).scalar_one()
    seals_in_log = [
        one
        for one in await shop.log()
        if one.read.type == "occurrence.sealed" and one.payload["occurrence"] == firing.id
    ]
    assert [one.read.id for one in seals_in_log] == [entry_id]
    return seals_in_log[0].payload


async def rows(shop: Shop, firing: Firing) -> list[Any]:
    """Every delivery of an occurrence, sorted by Python as bytes: not as the database sorts."""
    query = select(delivery).where(delivery.c.occurrence_id == firing.id)
    async with shop.database.snapshot() as tx:
        return sorted((await tx.execute(query)).all(), key=lambda row: row.id.encode())


def root_of(listed: Sequence[SealedDelivery]) -> str:
    """The root as a stranger computes it: from openings where there are some."""
    leaves = [
        one.leaf if one.payload is None else evidence.check_opening(one.salt, one.payload)
        for one in listed
    ]
    return merkle.root(leaves).hex()


async def without_triggers(shop: Shop) -> None:
    """Do as somebody does who wants to change what the database refuses to change."""
    on = "" if shop.database.is_sqlite else " ON delivery"
    async with shop.database.transaction() as tx:
        for verb in ("update", "delete"):
            await tx.execute(text(f"DROP TRIGGER delivery_sealed_no_{verb}{on}"))


async def doctor(shop: Shop, statement: str, **facts: str) -> None:
    async with shop.database.transaction() as tx:
        assert (await tx.execute(text(statement), facts)).rowcount == 1


# --- what a seal says -------------------------------------------------------------------------


async def test_a_seal_says_what_was_confirmed_and_what_became_of_it(either_shop: Shop) -> None:
    shop = either_shop
    audience = await people(shop, 3)
    firing = await finished(shop, audience)
    assert await shop.seals.due() == [firing.id]
    assert await shop.seals.seal(firing.id, clock) is not None
    payload = await sealed_payload(shop, firing)
    campaign = await shop.campaigns.get(firing.running.campaign_id)
    assert payload == {
        "campaign": campaign.id,
        "number": campaign.number,
        "revision": 1,
        "content_sha256": campaign.content_sha256,
        "purpose": "orders",
        "occurrence": firing.id,
        "scheduled": "now",
        "started": "2026-11-24T12:00:00.000Z",
        "ended": "2026-11-24T13:00:00.000Z",
        "counts": {"sent": 3},
        "size": 3,
        "root": root_of(await list_of(shop, firing)),
        "software": "assent 0.1.0",
    }
    assert not any(person.id in str(payload) for person in audience)
    assert await shop.seals.due() == []


async def test_an_opened_send_names_the_consent_that_allowed_it(shop: Shop) -> None:
    (person,) = await people(shop, 1)
    firing = await finished(shop, [person])
    await shop.seals.seal(firing.id, clock)
    (one,) = await list_of(shop, firing)
    agreed = [
        event.entry_id for event in await shop.records.events(person) if event.purpose_id == ORDERS
    ]
    assert one.payload == {
        "campaign": firing.running.campaign_id,
        "consent_entry": agreed[-1],
        "delivery": firing.ids[person.id],
        "message_id": "1",
        "occurrence": firing.id,
        "purpose": "orders",
        "state": "sent",
        "subject": person.id,
        "time": "2026-11-24T12:02:00.000Z",
    }
    assert evidence.check_opening(one.salt, one.payload) == one.leaf


async def test_a_campaign_that_reached_nobody_is_sealed_too(either_shop: Shop) -> None:
    firing = await fire(either_shop, await people(either_shop, 1))
    async with either_shop.database.transaction() as tx:
        await tx.execute(delivery.delete())
    await firing.finish()
    await either_shop.seals.seal(firing.id, clock)
    payload = await sealed_payload(either_shop, firing)
    assert (payload["size"], payload["counts"]) == (0, {})
    assert payload["root"] == merkle.EMPTY_ROOT.hex()


# --- whatever happened ------------------------------------------------------------------------

ERASED = ("never", "waiting", "in flight", "over", "ended", "sealed")
FATES = (SENT, FAILED, UNCERTAIN, SUPPRESSED, READY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What became of one person's delivery, and when the person was erased."""

    person: Person
    fate: DeliveryState
    erased: str

    @property
    def is_closed(self) -> bool:
        """Its leaf was made while the person was known, and their key is gone."""
        return self.erased in {"over", "ended", "sealed"}

    @property
    def state(self) -> DeliveryState:
        is_unsent = self.erased == "waiting" or self.fate is READY
        return SUPPRESSED if is_unsent else self.fate


async def told(shop: Shop, *, is_cancelled: bool) -> tuple[Firing, list[Story]]:
    """Let every fate meet an erasure at every moment; nothing is sealed yet."""
    possible = [
        (fate, erased)
        for fate, erased in itertools.product(FATES, ERASED)
        # Who is suppressed by the gate never flies; what comes back unsent needs a cancel.
        if not (fate is SUPPRESSED and erased == "in flight")
        and not (fate is READY and (not is_cancelled or erased == "over"))
    ]
    known = await people(shop, len(possible))
    stories = [
        Story(person=person, fate=fate, erased=erased)
        for person, (fate, erased) in zip(known, possible, strict=True)
    ]
    firing = await fire(shop, known)

    async def erase(when: str) -> None:
        for story in stories:
            if story.erased == when:
                await shop.records.erase(story.person, AT + 3 * MINUTE, never_again=False)

    await erase("waiting")
    for story in stories:
        if story.fate is SUPPRESSED and story.erased != "waiting":
            await shop.consents.withdraw(story.person, ORDERS, PRESS, AT + MINUTE)
    await firing.claim()
    await erase("in flight")
    fates = {
        story.person.id: story.fate
        for story in stories
        if story.fate is not SUPPRESSED and story.erased != "waiting"
    }
    await firing.land({who: fate for who, fate in fates.items() if fate is not READY})
    await erase("over")
    if is_cancelled:
        await firing.cancel()
        assert await shop.seals.due() == []  # some are still on their way
        assert await shop.seals.seal(firing.id, clock) is None
        await firing.land({who: fate for who, fate in fates.items() if fate is READY})
    else:
        await firing.finish()
    await erase("ended")
    return firing, stories


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_whatever_happened_the_list_leads_to_the_sealed_root(
    either_shop: Shop, *, is_cancelled: bool
) -> None:
    shop = either_shop
    firing, stories = await told(shop, is_cancelled=is_cancelled)
    desk = replace(shop.seals, chunk=4)
    assert await desk.due() == [firing.id]
    assert await desk.seal(firing.id, clock) is not None
    at_once = await list_of(shop, firing)
    for story in stories:
        if story.erased == "sealed":
            await shop.records.erase(story.person, AT + 2 * DAY, never_again=False)
    payload = await sealed_payload(shop, firing)
    listed = await list_of(shop, firing)
    stored = await rows(shop, firing)

    assert [one.delivery_id for one in listed] == [row.id for row in stored]
    assert [one.leaf for one in listed] == [one.leaf for one in at_once]
    assert payload["root"] == merkle.root([row.leaf for row in stored]).hex()
    assert payload["root"] == root_of(at_once) == root_of(listed)
    assert payload["size"] == len(stories)
    assert payload["counts"] == Counter(story.state.value for story in stories)

    by_id = {one.delivery_id: one for one in listed}
    for story in stories:
        one = by_id[firing.ids[story.person.id]]
        if story.is_closed:
            assert (one.salt, one.payload) == (None, None), story
            continue
        assert one.payload is not None
        assert one.payload["state"] == story.state
        is_known = story.erased == "never"
        assert one.payload.get("subject") == (story.person.id if is_known else None), story
        assert is_known or not {"consent_entry", "message_id"} & one.payload.keys(), story


async def test_a_row_left_ready_by_a_cancel_is_ended_before_the_seal(either_shop: Shop) -> None:
    """Two transactions of PostgreSQL that do not see each other can leave it so."""
    shop = either_shop
    firing = await fire(shop, await people(shop, 1))
    await firing.cancel()
    async with shop.database.transaction() as tx:
        await tx.execute(delivery.update().values(state=READY, reason="no_connection"))
    await shop.seals.seal(firing.id, clock)
    (one,) = await list_of(shop, firing)
    assert one.payload is not None
    assert (one.payload["state"], one.payload["reason"]) == ("suppressed", "cancelled")
    assert (await sealed_payload(shop, firing))["counts"] == {"suppressed": 1}


async def test_a_person_whose_key_nobody_can_open_any_more_is_nobody(either_shop: Shop) -> None:
    """As when a copy came back in which they are not erased yet, after their epoch key was."""
    shop = either_shop
    lost, kept = await people(shop, 2)
    firing = await finished(shop, [lost, kept])

    async def wrap_by(generation: int) -> None:
        async with shop.database.transaction() as tx:
            await tx.execute(
                data_key.update().where(data_key.c.id == lost.id).values(generation=generation)
            )

    await wrap_by(99)
    assert await shop.seals.seal(firing.id, clock) is not None
    listed = await list_of(shop, firing)
    await wrap_by(shop.core.journal.keyring().generation)  # so that the log can be read here
    assert (await sealed_payload(shop, firing))["root"] == root_of(listed)
    subjects = {one.delivery_id: (one.payload or {}).get("subject") for one in listed}
    assert subjects == {firing.ids[lost.id]: None, firing.ids[kept.id]: kept.id}


async def test_a_running_campaign_is_not_sealed(either_shop: Shop) -> None:
    firing = await fire(either_shop, await people(either_shop, 1))
    assert await either_shop.seals.due() == []
    assert await either_shop.seals.seal(firing.id, clock) is None
    (row,) = await rows(either_shop, firing)
    assert (row.state, row.leaf) == (READY, None)


async def test_an_erasure_keeps_only_the_leaf_of_what_was_over(either_shop: Shop) -> None:
    shop = either_shop
    (person,) = await people(shop, 1)
    over, waiting = await finished(shop, [person]), await fire(shop, [person])
    await shop.records.erase(person, AT + DAY, never_again=False)
    ((kept,), (empty,)) = await rows(shop, over), await rows(shop, waiting)
    assert (kept.subject_id, kept.consent_entry_id, kept.message_id) == (None, None, None)
    assert len(kept.leaf) == 32
    assert (empty.subject_id, empty.reason, empty.leaf) == (None, "erased", None)


# --- crashes and races ------------------------------------------------------------------------


class Crash(Exception):
    """The process ends here."""


class Mortal(Database):
    """The same database, to a process that ends before one of its commits."""

    def __init__(self, real: Database, *, commits: int) -> None:
        self.__dict__.update(real.__dict__)
        self.commits = commits

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        async with super().transaction() as tx:
            yield tx
            if not self.commits:
                raise Crash
            self.commits -= 1


async def test_a_crash_at_any_point_is_gone_on_from(either_shop: Shop) -> None:
    shop = either_shop
    firing = await finished(shop, await people(shop, 5))
    before = await shop.log_size()
    done = []
    for commits in itertools.count():
        dying = Mortal(shop.database, commits=commits)
        desk = replace(shop.seals, database=dying, chunk=2)
        try:
            assert await desk.seal(firing.id, clock) is not None
            break
        except Crash:
            done.append(sum(row.leaf is not None for row in await rows(shop, firing)))
            assert await shop.seals.due() == [firing.id]
            assert await shop.log_size() == before
    # One transaction to settle, then each crash is one further on: nothing is done again.
    assert done == [0, 0, 2, 5]
    assert (await sealed_payload(shop, firing))["root"] == root_of(await list_of(shop, firing))


async def test_two_sealers_seal_once(either_shop: Shop) -> None:
    shop = either_shop
    firing = await finished(shop, await people(shop, 5))
    desks = [replace(shop.seals, chunk=chunk) for chunk in (1, 2, 3, 4)]
    found = await asyncio.gather(*(desk.seal(firing.id, clock) for desk in desks))
    assert sum(entry_id is not None for entry_id in found) == 1
    payload = await sealed_payload(shop, firing)
    assert payload["root"] == root_of(await list_of(shop, firing))


async def test_an_erasure_beside_a_seal_spoils_neither(either_shop: Shop) -> None:
    shop = either_shop
    audience = await people(shop, 6)
    firing = await finished(shop, audience)
    desk = replace(shop.seals, chunk=1)
    entry_id, *_ = await asyncio.gather(
        desk.seal(firing.id, clock),
        *(shop.records.erase(person, AT + DAY, never_again=False) for person in audience[::2]),
    )
    assert entry_id is not None
    payload, listed = await sealed_payload(shop, firing), await list_of(shop, firing)
    assert payload["root"] == root_of(listed)
    assert sum(one.payload is None for one in listed) == 3


# --- what was doctored ------------------------------------------------------------------------

DOCTORINGS = (
    "UPDATE delivery SET state = 'failed' WHERE id = :it",
    "UPDATE delivery SET changed_at = changed_at + 1 WHERE id = :it",
    "UPDATE delivery SET message_id = 999 WHERE id = :it",
    "UPDATE delivery SET message_id = NULL WHERE id = :it",
    "UPDATE delivery SET consent_entry_id = '00000000000000000000000000000000' WHERE id = :it",
    "UPDATE delivery SET reason = 'withdrawn' WHERE id = :it",
    "UPDATE delivery SET id = 'AAAAAAAAAAAAAAAAAAAAAA' WHERE id = :it",
    "UPDATE delivery SET subject_id = NULL, leaf = :other WHERE id = :it",
    "DELETE FROM delivery WHERE id = :it",
)


def is_found(listed: Sequence[SealedDelivery], payload: dict[str, Any]) -> bool:
    """Whether a stranger sees that a list is not the one that was sealed."""
    return len(listed) != payload["size"] or root_of(listed) != payload["root"]


async def test_a_doctored_delivery_does_not_lead_to_the_root(either_shop: Shop) -> None:
    shop = either_shop
    audience = await people(shop, 3)
    firing = await finished(shop, audience)
    await shop.seals.seal(firing.id, clock)
    payload = await sealed_payload(shop, firing)
    assert not is_found(await list_of(shop, firing), payload)
    await without_triggers(shop)
    facts = {"it": firing.ids[audience[1].id], "other": b"a leaf of another delivery"}
    for statement in DOCTORINGS:
        async with shop.database.transaction() as tx:
            attempt = await tx.begin_nested()
            done = await tx.execute(text(statement).bindparams(**named_in(statement, facts)))
            assert done.rowcount == 1
            listed = [one async for one in shop.seals.deliveries(tx, firing.id)]
            await attempt.rollback()
        assert is_found(listed, payload), statement
    assert not is_found(await list_of(shop, firing), payload)


def named_in(statement: str, facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if f":{name}" in statement}


async def test_a_send_given_to_somebody_else_is_found(either_shop: Shop) -> None:
    shop = either_shop
    audience = await people(shop, 3)
    firing = await finished(shop, audience[:2])
    await shop.seals.seal(firing.id, clock)
    it = firing.ids[audience[0].id]
    await without_triggers(shop)
    await doctor(
        shop,
        "UPDATE delivery SET subject_id = :other WHERE id = :it",
        other=audience[2].id,
        it=it,
    )
    (found,) = [one for one in await list_of(shop, firing) if one.delivery_id == it]
    assert found.payload is not None
    assert found.payload["subject"] == audience[2].id
    assert evidence.check_opening(found.salt, found.payload) != found.leaf


@pytest.mark.parametrize("leaf", ["NULL", "leaf"])
async def test_a_send_added_afterwards_is_found(either_shop: Shop, leaf: str) -> None:
    shop = either_shop
    audience = await people(shop, 2)
    firing = await finished(shop, audience[:1])
    await shop.seals.seal(firing.id, clock)
    columns = "occurrence_id, state, fence, changed_at"
    await doctor(
        shop,
        f"INSERT INTO delivery ({columns}, id, subject_id, leaf) "  # noqa: S608 our own words
        f"SELECT {columns}, :it, :somebody, {leaf} FROM delivery",
        it=new_id(),
        somebody=audience[1].id,
    )
    listed = await list_of(shop, firing)
    assert len(listed) == 2
    assert is_found(listed, await sealed_payload(shop, firing))


# --- size -------------------------------------------------------------------------------------


async def test_ten_thousand_deliveries_are_sealed_in_order(either_shop: Shop) -> None:
    """Of nobody: their people are gone, so the house salts them."""
    shop = either_shop
    firing = await fire(shop, await people(shop, 1))
    async with shop.database.transaction() as tx:
        await tx.execute(delivery.delete())
        for _ in range(20):
            await tx.execute(
                delivery.insert(),
                [
                    {
                        "id": new_id(),
                        "occurrence_id": firing.id,
                        "state": SENT,
                        "fence": 1,
                        "changed_at": AT,
                    }
                    for _ in range(500)
                ],
            )
    await firing.finish()
    await shop.seals.seal(firing.id, clock)
    payload, stored = await sealed_payload(shop, firing), await rows(shop, firing)
    assert payload["size"] == len(stored) == 10_000
    assert payload["root"] == merkle.root([row.leaf for row in stored]).hex()


async def test_a_desk_opens_nothing_of_an_occurrence_that_is_unknown(shop: Shop) -> None:
    async with shop.database.snapshot() as tx:
        assert [one async for one in shop.seals.deliveries(tx, "0" * 32)] == []
    assert await shop.seals.seal("0" * 32, clock) is None
