"""What is sealed does not change, and its order is the same for every database."""

import random
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from bot.campaigns.states import CampaignState, DeliveryState, OccurrenceState
from bot.consent.rules import EntryId, SubjectId
from storage import deliveries, seals
from storage.database import Database
from storage.deliveries import Result
from storage.schema import campaign, data_key, delivery, occurrence, purpose

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
OCCURRENCE, PERSON = "0" * 32, SubjectId("5" * 32)
IDS = ("-A_" + "x" * 19, "0" * 22, "B" * 22, "_" * 22, "a" * 22, "b" * 22)
"""In the order of their bytes; a language sorts punctuation and capitals elsewhere."""
LEAF = b"l" * 32


async def ended(database: Database, *ids: str, **facts: object) -> None:
    """Keep an occurrence that is over, with deliveries to one person and to nobody."""
    common = {"occurrence_id": OCCURRENCE, "state": DeliveryState.SENT, "fence": 1, "leaf": None}
    async with database.transaction() as tx:
        await tx.execute(
            purpose.insert().values(
                id="orders",
                kind="informational",
                position=1,
                current_version=1,
                requires="",
                retired=False,
            )
        )
        await tx.execute(
            campaign.insert().values(
                id="c" * 32,
                number=1,
                revision=1,
                state=CampaignState.FINISHED,
                purpose_id="orders",
                sealed=b"",
                content_sha256="",
                author_lookup=b"",
                created_at=AT,
                changed_at=AT,
                schedule_revision=0,
                notice_version=1,
            )
        )
        await tx.execute(
            occurrence.insert().values(
                id=OCCURRENCE,
                campaign_id="c" * 32,
                schedule_revision=0,
                wall_time="now",
                state=OccurrenceState.ENDED,
                started_at=AT,
                ended_at=AT,
            )
        )
        await tx.execute(data_key.insert().values(id=PERSON, generation=1, wrapped=b"w"))
        rows = []
        for number, delivery_id in enumerate(ids):
            known = {
                "subject_id": PERSON if number == 0 else None,
                "consent_entry_id": "e" * 32 if number == 0 else None,
                "message_id": 7 if number == 0 else None,
            }
            rows.append({"id": delivery_id, "changed_at": AT, **common, **known, **facts})
        if rows:
            await tx.execute(delivery.insert(), rows)


async def change(database: Database, statement: str) -> int:
    async with database.transaction() as tx:
        return (await tx.execute(text(statement))).rowcount


async def order_of(database: Database) -> list[str]:
    async with database.snapshot() as tx:
        pages = [page async for page in seals.of_occurrence(tx, OCCURRENCE)]
    return [facts.delivery_id for page in pages for facts in page]


# --- the order --------------------------------------------------------------------------------


async def test_leaves_are_in_the_order_of_the_bytes(database: Database) -> None:
    await ended(database, *reversed(IDS))
    assert await order_of(database) == list(IDS)


async def test_the_language_of_the_database_does_not_change_the_order(
    english_database: Database,
) -> None:
    async with english_database.snapshot() as tx:
        spoken = (await tx.execute(text("SELECT 'a' < 'B' AND '_' < '0'"))).scalar_one()
    assert spoken  # otherwise this test would prove nothing
    await ended(english_database, *reversed(IDS))
    assert await order_of(english_database) == list(IDS)


async def test_pages_read_each_leaf_once(database: Database) -> None:
    names = [f"{number:022}" for number in range(2 * seals.PAGE + 1)]
    await ended(database, *random.Random(4).sample(names, len(names)))
    async with database.transaction() as tx:
        await seals.put_leaves(tx, [(name, name.encode()) for name in names])
    assert await order_of(database) == names
    async with database.snapshot() as tx:
        pages = [page async for page in seals.leaves(tx, OCCURRENCE)]
    assert [len(page) for page in pages] == [seals.PAGE, seals.PAGE, 1]
    assert [leaf for page in pages for _, leaf in page] == [name.encode() for name in names]


# --- set once ---------------------------------------------------------------------------------


async def test_a_leaf_that_stands_is_not_replaced(database: Database) -> None:
    await ended(database, *IDS)
    async with database.transaction() as tx:
        await seals.put_leaves(tx, [(IDS[0], LEAF)])
        await seals.put_leaves(tx, [(IDS[0], b"another"), (IDS[1], LEAF)])
        kept = {row.id: row.leaf for row in await tx.execute(select(delivery))}
        left = await seals.without_leaf(tx, OCCURRENCE, after="", limit=3)
    assert kept[IDS[0]] == kept[IDS[1]] == LEAF
    assert [facts.delivery_id for facts in left] == list(IDS[2:5])


async def test_an_occurrence_is_marked_once(database: Database) -> None:
    await ended(database)
    async with database.transaction() as tx:
        assert await seals.lock_unsealed(tx, OCCURRENCE) is not None
        await seals.mark(tx, OCCURRENCE, EntryId("1" * 32))
        assert await seals.lock_unsealed(tx, OCCURRENCE) is None
        assert await seals.due(tx, limit=9) == []
    with pytest.raises(DBAPIError, match="sealed once"):
        async with database.transaction() as tx:
            await seals.mark(tx, OCCURRENCE, EntryId("2" * 32))
    with pytest.raises(DBAPIError, match="sealed once"):
        await change(database, "UPDATE occurrence SET seal_entry_id = NULL")
    assert await change(database, "UPDATE occurrence SET cursor = NULL") == 1


# --- the guard --------------------------------------------------------------------------------


async def sealed(database: Database, state: DeliveryState = DeliveryState.SENT) -> None:
    await ended(database, IDS[0], state=state)
    async with database.transaction() as tx:
        await seals.put_leaves(tx, [(IDS[0], LEAF)])


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE delivery SET leaf = NULL",
        "UPDATE delivery SET leaf = CAST('x' AS {blob})",
        "UPDATE delivery SET state = 'failed'",
        "UPDATE delivery SET reason = 'withdrawn'",
        "UPDATE delivery SET changed_at = changed_at + 1",
        "UPDATE delivery SET message_id = 8",
        "UPDATE delivery SET consent_entry_id = 'another'",
        "UPDATE delivery SET subject_id = 'another'",
        "UPDATE delivery SET id = 'another'",
        "DELETE FROM delivery",
    ],
)
async def test_the_database_refuses_to_change_what_is_sealed(
    database: Database, attack: str
) -> None:
    await sealed(database)
    with pytest.raises(DBAPIError, match="sealed deliveries do not change"):
        await change(database, attack.format(blob="BLOB" if database.is_sqlite else "BYTEA"))


@pytest.mark.parametrize("state", [DeliveryState.SENT, DeliveryState.UNCERTAIN])
async def test_an_erasure_may_empty_what_is_sealed(
    database: Database, state: DeliveryState
) -> None:
    await sealed(database, state)
    async with database.transaction() as tx:
        await deliveries.forget_subject(tx, PERSON, AT)
        row = (await tx.execute(select(delivery))).one()
    assert (row.subject_id, row.consent_entry_id, row.message_id) == (None, None, None)
    assert (row.state, row.leaf) == (state, LEAF)
    with pytest.raises(DBAPIError, match="sealed deliveries do not change"):
        await change(database, f"UPDATE delivery SET subject_id = '{PERSON}'")  # noqa: S608


async def test_a_result_that_comes_late_changes_nothing(database: Database) -> None:
    await sealed(database)
    late = Result(delivery_id=IDS[0], fence=1, state=DeliveryState.FAILED, reason="http_400")
    async with database.transaction() as tx:
        before = (await tx.execute(select(delivery))).one()
        await deliveries.record(tx, [late], AT)
        assert (await tx.execute(select(delivery))).one() == before


async def test_a_doubt_may_be_resolved_under_its_leaf(database: Database) -> None:
    await sealed(database, DeliveryState.UNCERTAIN)
    resolved = "UPDATE delivery SET state = 'sent', message_id = 9, changed_at = changed_at + 1"
    assert await change(database, resolved) == 1
    with pytest.raises(DBAPIError, match="sealed deliveries do not change"):
        await change(database, "UPDATE delivery SET state = 'uncertain'")


async def test_what_is_not_over_changes_freely(database: Database) -> None:
    await ended(database, IDS[0], state=DeliveryState.SENDING)
    result = Result(delivery_id=IDS[0], fence=1, state=DeliveryState.SENT, message_id=3)
    async with database.transaction() as tx:
        await deliveries.record(tx, [result], AT)
        row = (await tx.execute(select(delivery))).one()
    assert (row.state, row.message_id, row.leaf) == (DeliveryState.SENT, 3, None)
    assert await change(database, "DELETE FROM delivery") == 1


# --- what is due ------------------------------------------------------------------------------


async def test_what_is_on_its_way_is_waited_for(database: Database) -> None:
    await ended(database, IDS[0], state=DeliveryState.SENDING)
    async with database.snapshot() as tx:
        assert await seals.due(tx, limit=9) == []
        assert not await seals.is_due(tx, OCCURRENCE)
    await change(database, "UPDATE delivery SET state = 'uncertain'")
    async with database.snapshot() as tx:
        assert await seals.due(tx, limit=9) == [OCCURRENCE]
        assert await seals.is_due(tx, OCCURRENCE)


async def test_a_persons_open_deliveries_get_no_leaf(database: Database) -> None:
    await ended(database, IDS[0], state=DeliveryState.SENDING)
    async with database.snapshot() as tx:
        assert await seals.of_subject_without_leaf(tx, PERSON, after="", limit=9) == []
    await change(database, "UPDATE delivery SET state = 'sent'")
    async with database.snapshot() as tx:
        (facts,) = await seals.of_subject_without_leaf(tx, PERSON, after="", limit=9)
    assert facts.key is not None
    assert (facts.delivery_id, facts.subject_id, facts.purpose_id) == (IDS[0], PERSON, "orders")
