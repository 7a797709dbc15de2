"""Somebody who complains: answers, messages, a withdrawal under way; every time is said."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tea_shop import AT, DAY, HOUR, ORDERS, Shop

from bot.campaigns.campaign import Author
from bot.campaigns.content import Content, ContentKind
from bot.campaigns.states import DeliveryState
from bot.consent.acts import Act, Method
from bot.delivery import gate
from bot.usecases.dossier_facts import ByAccount, Dossier, Wanted
from bot.usecases.dossiers import DossierDesk
from bot.usecases.people import Person
from storage import deliveries
from storage.deliveries import Result, Running

SECOND = timedelta(seconds=1)
ACCOUNT = "700100200"
STAFF = "1001"
HOSTILE = '<script>alert("1")</script> & {{ 7*7 }} </textarea>'


def dossiers(shop: Shop) -> DossierDesk:
    return shop.core.dossiers


async def opened(shop: Shop, wanted: Wanted | None = None, at: datetime = AT + DAY) -> Dossier:
    found = await dossiers(shop).open(wanted or ByAccount(ACCOUNT), STAFF, at)
    assert isinstance(found, Dossier), found
    return found


async def campaign(shop: Shop, people: Sequence[Person], text: str, at: datetime) -> Running:
    """A running campaign about orders whose audience is these people."""
    content = Content(kind=ContentKind.TEXT, text=text)
    draft = await shop.campaigns.draft(ORDERS, content, Author(account="1", locale="en"), at)
    await shop.campaigns.start(draft.id, "1", at)
    async with shop.database.transaction() as tx:
        running = next(r for r in await deliveries.running(tx) if r.campaign_id == draft.id)
        taken = [(f"{draft.id[:16]}{number:06}", one.id) for number, one in enumerate(people)]
        await deliveries.add_ready(tx, running.occurrence_id, taken, at)
    return running


async def claimed(shop: Shop, running: Running, at: datetime) -> list[gate.Cleared]:
    async with shop.database.transaction() as tx:
        cleared, _ = await gate.claim(tx, running, leaving_alone=(), limit=99, at=at)
    return cleared


async def landed(
    shop: Shop,
    cleared: Sequence[gate.Cleared],
    at: datetime,
    state: DeliveryState = DeliveryState.SENT,
    message_id: int | None = 501,
    reason: str | None = None,
) -> None:
    async with shop.database.transaction() as tx:
        results = [
            Result(
                delivery_id=one.candidate.delivery_id,
                fence=one.candidate.fence,
                state=state,
                reason=reason,
                message_id=message_id,
            )
            for one in cleared
        ]
        await deliveries.record(tx, results, at)


async def send(
    shop: Shop, person: Person, text: str, at: datetime, message_id: int = 501
) -> Running:
    running = await campaign(shop, [person], text, at)
    await landed(shop, await claimed(shop, running, at), at + SECOND, message_id=message_id)
    return running


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """Who it is, and the entries that their receipt shows."""

    person: Person
    granted: str
    withdrawn: str


async def complaint(shop: Shop, account: str = ACCOUNT) -> Complaint:
    """Agree to all; get a message, one in doubt and one on its way; leave by word; get nothing."""
    person = await shop.meet(
        account, first_name=HOSTILE, last_name="Чайкина", username="kate", source="poster_7"
    )
    shop.clock = lambda: AT + timedelta(milliseconds=40)
    answered = await shop.agree_all(person)
    granted = next(one for one in answered if one.purpose_id == ORDERS)
    await send(shop, person, f"Your order is ready {HOSTILE}", AT + HOUR, message_id=501)
    doubtful = await claimed(
        shop, await campaign(shop, [person], "In doubt", AT + 2 * HOUR), AT + 2 * HOUR
    )
    await landed(
        shop, doubtful, AT + 2 * HOUR + SECOND, DeliveryState.UNCERTAIN, None, "connection_lost"
    )
    crossing = await claimed(
        shop, await campaign(shop, [person], "On its way", AT + 3 * HOUR), AT + 3 * HOUR
    )
    left_at = AT + 3 * HOUR + SECOND
    act = Act(method=Method.TEXT, update_id=77, message_id=9001, message_date=left_at - 2 * SECOND)
    shop.clock = lambda: left_at + timedelta(milliseconds=350)
    (ended,) = await shop.consents.withdraw(person, ORDERS, act, left_at)
    await landed(shop, crossing, left_at + SECOND, message_id=503)
    never = await campaign(shop, [person], "Never sent", AT + 4 * HOUR)
    assert await claimed(shop, never, AT + 4 * HOUR) == []
    return Complaint(person=person, granted=granted.entry_id, withdrawn=ended.entry_id)


async def seal(shop: Shop, running: Running, entry_id: str) -> None:
    """Name the entry that seals an occurrence."""
    from sqlalchemy import update

    from storage.schema import occurrence

    async with shop.database.transaction() as tx:
        await tx.execute(
            update(occurrence)
            .where(occurrence.c.id == running.occurrence_id)
            .values(seal_entry_id=entry_id)
        )
