"""The gate: consent is read again in the transaction that lets a message go (promise 1)."""

from datetime import timedelta

import pytest
from delivery_shop import Shop
from sqlalchemy import select

from bot.consent.acts import Act, Method
from bot.consent.rules import PurposeId, Reach
from bot.delivery import gate
from bot.delivery.gate import Cleared
from bot.usecases.people import Person
from storage import campaigns, deliveries, subjects
from storage.deliveries import Running
from storage.schema import consent, delivery

OFFERS = PurposeId("offers")
LEAVING = Act(method=Method.COMMAND)


async def ready(shop: Shop, people: list[Person], purpose: str = "offers") -> Running:
    """A running campaign whose audience is taken in, whatever the people do from now on."""
    await shop.started(purpose=purpose)
    async with shop.database.transaction() as tx:
        (running,) = await deliveries.running(tx)
        taken = [(f"delivery-{number:03}", one.id) for number, one in enumerate(people)]
        await deliveries.add_ready(tx, running.occurrence_id, taken, shop.clock())
    return running


async def claim(shop: Shop, running: Running, **facts: object) -> tuple[list[Cleared], int]:
    given = {"leaving_alone": set(), "limit": 100, "at": shop.clock()} | facts
    async with shop.database.transaction() as tx:
        return await gate.claim(tx, running, **given)  # type: ignore[arg-type]


async def states(shop: Shop) -> list[tuple[str, str | None]]:
    query = select(delivery.c.state, delivery.c.reason).order_by(delivery.c.id)
    async with shop.database.snapshot() as tx:
        return [(row.state, row.reason) for row in await tx.execute(query)]


async def test_what_is_cleared_is_sending_under_the_consent_that_allows_it(shop: Shop) -> None:
    person = await shop.agree(100, "offers")
    running = await ready(shop, [person])
    cleared, suppressed = await claim(shop, running)
    assert suppressed == 0
    async with shop.database.snapshot() as tx:
        row = (await tx.execute(select(delivery))).one()
        allowed_by = (await tx.execute(select(consent.c.entry_id))).scalar_one()
    assert row.state == "sending"
    assert row.consent_entry_id == cleared[0].entry_id == allowed_by
    assert row.fence == cleared[0].candidate.fence == 1


async def leave(shop: Shop, person: Person) -> None:
    await shop.desks().consents.withdraw(person, OFFERS, LEAVING, shop.clock())


async def block(shop: Shop, person: Person) -> None:
    await shop.people.set_reach(person.id, Reach.BLOCKED)


async def expire(shop: Shop, person: Person) -> None:
    shop.clock.ahead = timedelta(days=1)


async def become_suppressed(shop: Shop, person: Person) -> None:
    async with shop.database.transaction() as tx:
        await subjects.change(tx, person.id, suppressed=True)


async def ask_for_a_pause(shop: Shop, person: Person) -> None:
    async with shop.database.transaction() as tx:
        await subjects.change(tx, person.id, paused_until=shop.clock() + timedelta(hours=1))


async def see_the_purpose_retired(shop: Shop, person: Person) -> None:
    await shop.execute("UPDATE purpose SET retired = 1 WHERE id = 'offers'")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (leave, "withdrawn"),
        (block, "blocked"),
        (expire, "expired"),
        (become_suppressed, "suppressed"),
        (ask_for_a_pause, "paused"),
        (see_the_purpose_retired, "older_text"),
    ],
)
async def test_whatever_ended_the_consent_before_the_claim_suppresses_the_message(
    shop: Shop, change: object, reason: str
) -> None:
    person = await shop.agree(100, "offers")
    running = await ready(shop, [person])
    await change(shop, person)  # type: ignore[operator]
    assert await claim(shop, running) == ([], 1)
    assert await states(shop) == [("suppressed", reason)]


async def test_one_who_left_does_not_keep_the_others_from_their_message(shop: Shop) -> None:
    people = await shop.agree_all(range(100, 105), "offers")
    running = await ready(shop, people)
    await leave(shop, people[2])
    cleared, suppressed = await claim(shop, running)
    assert (len(cleared), suppressed) == (4, 1)
    assert people[2].id not in {one.candidate.subject_id for one in cleared}


async def test_a_claim_takes_no_more_than_its_limit_and_nobody_who_rests(shop: Shop) -> None:
    people = await shop.agree_all(range(100, 105), "offers")
    running = await ready(shop, people)
    first, _ = await claim(shop, running, limit=2)
    rest, _ = await claim(shop, running, leaving_alone={people[4].id})
    taken = [one.candidate.subject_id for one in first + rest]
    assert len(first) == 2
    assert sorted(taken) == sorted(person.id for person in people[:4])


async def test_whoever_has_said_something_unheard_is_left_alone_until_it_is_handled(
    shop: Shop,
) -> None:
    people = await shop.agree_all(range(100, 102), "offers")
    running = await ready(shop, people)
    unheard = {"update_id": 5, "message": {"chat": {"id": 100}, "from": {"id": 100}}}
    await shop.inbox.take_in([unheard], shop.clock())
    cleared, suppressed = await claim(shop, running)
    assert [one.candidate.subject_id for one in cleared] == [people[1].id]
    assert suppressed == 0
    await shop.inbox.settle(5)
    cleared, _ = await claim(shop, running)
    assert [one.candidate.subject_id for one in cleared] == [people[0].id]


@pytest.mark.parametrize("verb", ["pause", "cancel"])
async def test_a_campaign_that_was_stopped_gives_nothing_out(shop: Shop, verb: str) -> None:
    people = await shop.agree_all(range(100, 103), "offers")
    running = await ready(shop, people)
    await getattr(shop.campaigns(), verb)(running.campaign_id, shop.clock())
    assert await claim(shop, running) == ([], 0)


async def test_a_result_is_written_by_the_holder_of_the_fence_only(shop: Shop) -> None:
    running = await ready(shop, [await shop.agree(100, "offers")])
    (cleared,), _ = await claim(shop, running)
    stale = deliveries.Result(
        delivery_id=cleared.candidate.delivery_id, fence=0, state=deliveries.DeliveryState.SENT
    )
    async with shop.database.transaction() as tx:
        await deliveries.record(tx, [stale], shop.clock())
    assert await states(shop) == [("sending", None)]
    async with shop.database.transaction() as tx:
        assert await deliveries.void_leases(tx, shop.clock()) == 1
    held = deliveries.Result(
        delivery_id=cleared.candidate.delivery_id, fence=1, state=deliveries.DeliveryState.SENT
    )
    async with shop.database.transaction() as tx:
        await deliveries.record(tx, [held], shop.clock())
    assert await states(shop) == [("uncertain", "restart")]


@pytest.mark.parametrize("state", ["planned", "ready", "leased"])
async def test_a_cancelled_campaign_has_nothing_left_to_begin(shop: Shop, state: str) -> None:
    running = await ready(shop, [await shop.agree(100, "offers")])
    await shop.execute(f"UPDATE delivery SET state = '{state}'")  # noqa: S608 words of ours
    async with shop.database.snapshot() as tx:
        assert await deliveries.has_open(tx, running.occurrence_id)
    await shop.campaigns().cancel(running.campaign_id, shop.clock())
    assert await states(shop) == [("suppressed", "cancelled")]
    async with shop.database.snapshot() as tx:
        assert not await deliveries.has_open(tx, running.occurrence_id)
        assert (await campaigns.last_occurrence(tx, running.campaign_id)).state == "ended"  # type: ignore[union-attr]
