"""Legal holds: proofs stay whatever is asked; the wish is remembered and fulfilled."""

from pathlib import Path

import pytest
from sqlalchemy import select
from tea_shop import AT, DATA, DAY, HOUR, MINUTE, OFFERS, ORDERS, PRESS, Shop, purpose

from bot.campaigns.campaign import Author, CampaignUnknown
from bot.campaigns.content import Content, ContentKind
from bot.campaigns.states import DeliveryState
from bot.consent.acts import Act, Choice, Method
from bot.consent.purposes import Period
from bot.consent.rules import PromptUnknown, Standing, SubjectId, UndoOver
from bot.proof import proof_file, verifier
from bot.usecases.erasure import Erased
from bot.usecases.exports import Format, Selection
from bot.usecases.holds import HoldOfNobody, HoldStands, HoldUnknown, ReasonMissing
from bot.usecases.people import Person
from storage import deliveries
from storage.schema import campaign, conversation, delivery, legal_hold, prompt, suppression
from storage.schema import inbox as inbox_table

REASON = "case 12/2026"
LATER = AT + 9999 * DAY


async def anna(shop: Shop) -> Person:
    person = await shop.meet("700100200", first_name="Anna")
    await shop.agree_all(person)
    return person


async def opened_of(shop: Shop, person: Person) -> list[str]:
    """The types of a person's entries that can still be opened."""
    return [
        one.read.type
        for one in await shop.log()
        if one.opening and one.payload.get("account") == person.profile.account
    ]


# --- placing and releasing ----------------------------------------------------------------------


async def test_a_hold_and_its_end_are_entries_of_the_log(either_shop: Shop) -> None:
    shop = either_shop
    person = await anna(shop)
    hold = await shop.holds.place("700100200", REASON, "7", AT)
    assert (hold.subject_id, hold.reason, hold.staff) == (person.id, REASON, "7")
    assert await shop.holds.standing() == [hold]
    assert await shop.holds.find("700100200") == hold
    assert not await shop.holds.release(person.id, "8", AT + HOUR)
    assert await shop.holds.standing() == []
    placed, released = (await shop.log())[-2:]
    assert placed.read.type == "staff.hold_placed"
    assert released.read.type == "staff.hold_released"
    assert placed.payload.items() >= {"staff": "7", "subject": person.id, "reason": REASON}.items()
    assert released.payload.items() >= {"staff": "8", "subject": person.id}.items()
    assert "700100200" not in str([placed.payload, released.payload])
    assert await shop.people.find("700100200") is not None


async def test_the_same_hold_again_changes_nothing_and_another_one_is_refused(shop: Shop) -> None:
    await anna(shop)
    first = await shop.holds.place("700100200", REASON, "7", AT)
    size = await shop.log_size()
    assert await shop.holds.place("700100200", REASON, "7", AT + MINUTE) == first
    with pytest.raises(HoldStands):
        await shop.holds.place("700100200", "another case", "7", AT + MINUTE)
    assert await shop.log_size() == size


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * 501])
async def test_a_hold_needs_a_reason_in_one_line(shop: Shop, reason: str) -> None:
    await anna(shop)
    with pytest.raises(ReasonMissing):
        await shop.holds.place("700100200", reason, "7", AT)
    assert await shop.holds.standing() == []


async def test_nobody_is_held_and_no_hold_is_released(shop: Shop) -> None:
    person = await anna(shop)
    with pytest.raises(HoldOfNobody):
        await shop.holds.place("1", REASON, "7", AT)
    for subject_id in (person.id, SubjectId("0" * 32)):
        with pytest.raises(HoldUnknown):
            await shop.holds.release(subject_id, "7", AT)
        with pytest.raises(HoldUnknown):
            await shop.holds.get(subject_id)
    with pytest.raises(HoldUnknown):
        await shop.holds.find("1")


async def test_a_sweep_leaves_whoever_is_held_alone(either_shop: Shop) -> None:
    shop = either_shop
    await shop.publish(purpose(ORDERS, keep_proof_for=Period("P1Y")))
    person = await shop.meet("700100200")
    await shop.answer(person, ORDERS, Choice.DECLINE)
    await shop.holds.place("700100200", REASON, "7", AT)
    assert (await shop.retention.sweep("7", LATER)).tally.is_empty
    (ahead,) = [one for one in await shop.retention.survey(LATER) if one.due is not None]
    assert ahead.due is not None
    assert (ahead.due.people, ahead.due.held) == (0, 1)
    await shop.holds.release(person.id, "7", LATER)
    assert (await shop.retention.sweep("7", LATER)).tally.people_erased == 1


async def test_the_record_tells_the_person_of_the_hold_but_not_why(shop: Shop) -> None:
    person = await anna(shop)
    facts = await shop.records.everything(person)
    assert facts["person"]["legal_hold"] is None
    await shop.holds.place("700100200", REASON, "7", AT)
    facts = await shop.records.everything(person)
    assert facts["person"]["legal_hold"] == {
        "since": "2026-11-24T12:00:00.000Z",
        "erasure_asked_for": None,
    }
    assert REASON not in str(facts)


# --- erasure under a hold ---------------------------------------------------------------------


async def test_forgetting_under_a_hold_ends_everything_and_keeps_every_proof(
    either_shop: Shop, tmp_path: Path
) -> None:
    shop = either_shop
    person = await anna(shop)
    await shop.holds.place("700100200", REASON, "7", AT)
    await shop.ask(person, OFFERS)
    act = Act(method=Method.CALLBACK, update_id=77)
    done = await shop.records.erase(person, AT + HOUR, never_again=False, act=act)
    assert done is Erased.HELD
    found = await shop.people.find("700100200")
    assert found is not None
    assert set((await shop.standings(found)).values()) == {Standing.WITHDRAWN}
    events = await shop.records.events(found)
    assert [event.event for event in events] == ["granted"] * 3 + ["withdrawn"] * 3
    assert not any(event.is_undoable for event in events)
    assert (await shop.payload(events[-1].entry_id))["update_id"] == "77"
    for event in events:
        data = await shop.proof(found, event.entry_id, AT + DAY)
        assert data is not None
        assert proof_file.verify(data, shop.core.signer.key).entry.id == event.entry_id
    async with shop.database.snapshot() as tx:
        assert list(await tx.execute(select(prompt))) == []
        assert list(await tx.execute(select(suppression))) == []
    path = tmp_path / "bundle.zip"
    await shop.core.exports.write(path, Format.BUNDLE, Selection(), AT + DAY)
    report = verifier.verify_file(path, shop.core.signer.key)
    assert report.ok, report.failures


async def test_a_second_demand_under_a_hold_changes_nothing(shop: Shop) -> None:
    person = await anna(shop)
    await shop.holds.place("700100200", REASON, "7", AT)
    await shop.records.erase(person, AT + HOUR, never_again=False)
    size = await shop.log_size()
    assert await shop.records.erase(person, AT + DAY, never_again=False) is Erased.HELD
    assert await shop.log_size() == size
    (hold,) = await shop.holds.standing()
    assert hold.erasure_wanted_at == AT + HOUR


async def test_what_was_ready_for_a_held_person_is_not_sent(shop: Shop) -> None:
    person = await anna(shop)
    await shop.holds.place("700100200", REASON, "7", AT)
    content = Content(kind=ContentKind.TEXT, text="Your order is ready")
    draft = await shop.campaigns.draft(ORDERS, content, Author(account="1", locale="en"), AT)
    await shop.campaigns.start(draft.id, "1", AT)
    async with shop.database.transaction() as tx:
        (running,) = await deliveries.running(tx)
        await deliveries.add_ready(tx, running.occurrence_id, [("d" * 22, person.id)], AT)
    flight = shop.flights.begin(person.id)
    await shop.records.erase(person, AT + HOUR, never_again=False)
    assert flight.is_recalled
    async with shop.database.snapshot() as tx:
        (row,) = await tx.execute(select(delivery))
    assert (row.state, row.reason) == (DeliveryState.SUPPRESSED, "withdrawn")
    assert row.subject_id == person.id, "it may be needed for the dispute"


async def test_what_a_held_person_wrote_is_emptied(shop: Shop) -> None:
    person = await anna(shop)
    await shop.holds.place("700100200", REASON, "7", AT)
    update = {
        "update_id": 7,
        "message": {
            "message_id": 1,
            "chat": {"id": 700100200, "type": "private"},
            "from": {"id": 700100200, "first_name": "Anna"},
            "text": "My secret words",
        },
    }
    await shop.inbox.take_in([update], AT)
    await shop.conversations.write("700100200", {"state": "somewhere"}, AT)
    await shop.records.erase(person, AT + HOUR, never_again=False)
    async with shop.database.snapshot() as tx:
        assert list(await tx.execute(select(conversation))) == []
        (row,) = await tx.execute(select(inbox_table))
    assert row.sealed is None


async def test_the_release_erases_whoever_asked_for_it(either_shop: Shop) -> None:
    shop = either_shop
    person = await anna(shop)
    await shop.holds.place("700100200", REASON, "7", AT)
    await shop.records.erase(person, AT + HOUR, never_again=True)
    assert len(await opened_of(shop, person)) == 6
    assert await shop.holds.release(person.id, "7", AT + DAY)
    assert await shop.people.find("700100200") is None
    assert await opened_of(shop, person) == []
    assert [one.read.type for one in await shop.log()][-2:] == [
        "subject.erased",
        "staff.hold_released",
    ]
    assert (await shop.meet("700100200", AT + 2 * DAY)).suppressed


async def test_never_again_holds_at_once_even_under_a_hold(shop: Shop) -> None:
    person = await anna(shop)
    await shop.holds.place("700100200", REASON, "7", AT)
    await shop.records.erase(person, AT + HOUR, never_again=True)
    found = await shop.people.find("700100200")
    assert found is not None
    assert found.suppressed


async def test_whoever_agrees_again_is_not_erased_by_the_release(
    either_shop: Shop, tmp_path: Path
) -> None:
    shop = either_shop
    person = await anna(shop)
    await shop.holds.place("700100200", REASON, "7", AT)
    await shop.records.erase(person, AT + HOUR, never_again=True)
    back = await shop.meet("700100200", AT + DAY)
    assert back.id == person.id
    await shop.answer(back, DATA, at=AT + DAY)
    assert (await shop.holds.get(person.id)).erasure_wanted_at is None
    assert not await shop.holds.release(person.id, "7", AT + 2 * DAY)
    found = await shop.people.find("700100200")
    assert found is not None
    assert not found.suppressed
    assert len(await opened_of(shop, person)) == 7
    path = tmp_path / "bundle.zip"
    await shop.core.exports.write(path, Format.BUNDLE, Selection(), AT + 3 * DAY)
    report = verifier.verify_file(path, shop.core.signer.key)
    assert report.ok, report.failures
    await shop.records.erase(found, AT + 4 * DAY, never_again=False)
    assert await opened_of(shop, person) == []


async def test_a_no_does_not_call_the_erasure_off(shop: Shop) -> None:
    person = await anna(shop)
    await shop.holds.place("700100200", REASON, "7", AT)
    await shop.records.erase(person, AT + HOUR, never_again=False)
    await shop.answer(person, OFFERS, Choice.DECLINE, at=AT + DAY)
    assert await shop.holds.release(person.id, "7", AT + 2 * DAY)


async def test_a_withdrawal_by_erasure_cannot_be_undone(shop: Shop) -> None:
    person = await anna(shop)
    await shop.holds.place("700100200", REASON, "7", AT)
    await shop.records.erase(person, AT + HOUR, never_again=False)
    last = (await shop.records.events(person))[-1]
    with pytest.raises(UndoOver):
        await shop.consents.undo(person, last.entry_id, PRESS, AT + HOUR + MINUTE)


async def test_the_reason_lies_sealed(shop: Shop) -> None:
    await anna(shop)
    await shop.holds.place("700100200", REASON, "7", AT)
    async with shop.database.snapshot() as tx:
        (row,) = await tx.execute(select(legal_hold))
    assert REASON.encode() not in row.sealed


# --- authors -----------------------------------------------------------------------------------


async def test_an_erased_author_cannot_be_linked_to_what_they_wrote(either_shop: Shop) -> None:
    shop = either_shop
    await anna(shop)
    author = await shop.meet("1")
    content = Content(kind=ContentKind.TEXT, text="Your order is ready")
    written = [
        await shop.campaigns.draft(ORDERS, content, Author(account="1", locale="ru"), AT)
        for _ in range(2)
    ]
    sent = await shop.campaigns.start(written[0].id, "1", AT, progress_message_id=5)
    await shop.records.erase(author, AT + HOUR, never_again=False)
    lookup = shop.core.journal.keyring().account_lookup("telegram", "1")
    async with shop.database.snapshot() as tx:
        rows = list(await tx.execute(select(campaign)))
    assert [row.id for row in rows] == [sent.id]
    assert lookup not in [row.author_lookup for row in rows]
    kept, _report = await shop.campaigns.report(sent.id)
    assert kept.author.is_nobody
    assert (kept.author.locale, kept.content, kept.progress_message_id) == ("ru", content, None)
    with pytest.raises(CampaignUnknown):
        await shop.campaigns.get(written[1].id)
    with pytest.raises(PromptUnknown):
        await shop.ask(author, ORDERS)
