"""A person's own record: all of it, its proof, and its end (promises 3 and 7)."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select
from tea_shop import (
    AT,
    DATA,
    DAY,
    HOUR,
    MINUTE,
    OFFERS,
    ORDERS,
    PRESS,
    SHOWN,
    Shop,
    on_disk,
    purpose,
)

from bot.campaigns.campaign import Author
from bot.campaigns.content import Content, ContentKind
from bot.campaigns.states import DeliveryState
from bot.consent.acts import Choice
from bot.consent.rules import EntryId, PromptUnknown
from bot.delivery import gate
from bot.proof import note, proof_file
from bot.proof.errors import Contradiction, ProofError
from bot.usecases.people import Person
from storage import conversations, deliveries, inbox, keys
from storage.deliveries import Result
from storage.schema import (
    consent,
    conversation,
    data_key,
    delivery,
    log_payload,
    prompt,
    subject,
    suppression,
)
from storage.schema import inbox as inbox_table

SECRETS = ("700100200", "Ekaterina", "katya_tea", "poster_7")


async def ekaterina(shop: Shop) -> Person:
    """A person who has agreed to everything and has written something else, too."""
    person = await shop.meet(
        "700100200", first_name="Ekaterina", username="katya_tea", source="poster_7"
    )
    await shop.agree_all(person)
    return person


async def occurrence_of_orders(shop: Shop, *people: Person) -> deliveries.Running:
    """A running campaign whose audience is these people."""
    content = Content(kind=ContentKind.TEXT, text="Your order is ready")
    author = Author(account="1", locale="en")
    campaign = await shop.campaigns.draft(ORDERS, content, author, AT)
    await shop.campaigns.start(campaign.id, author.account, AT)
    async with shop.database.transaction() as tx:
        running = (await deliveries.running(tx))[-1]
        taken = [(f"{number:022}", person.id) for number, person in enumerate(people)]
        await deliveries.add_ready(tx, running.occurrence_id, taken, AT)
    return running


async def claimed(shop: Shop, running: deliveries.Running) -> list[gate.Cleared]:
    async with shop.database.transaction() as tx:
        cleared, _ = await gate.claim(tx, running, leaving_alone=(), limit=99, at=AT)
    return cleared


async def delivery_row(shop: Shop, delivery_id: str) -> tuple[object, ...]:
    """State, reason, person, message and consent of one delivery."""
    columns = delivery.c
    query = select(
        columns.state,
        columns.reason,
        columns.subject_id,
        columns.message_id,
        columns.consent_entry_id,
    ).where(columns.id == delivery_id)
    async with shop.database.snapshot() as tx:
        return tuple((await tx.execute(query)).one())


# --- everything -------------------------------------------------------------------------------


async def test_the_record_holds_all_that_is_kept(shop: Shop) -> None:
    person = await ekaterina(shop)
    await shop.consents.withdraw(person, OFFERS, PRESS, AT + HOUR)
    await shop.ask(person, OFFERS, AT + 2 * HOUR)
    await shop.people.pause(person.id, AT + DAY)
    running = await occurrence_of_orders(shop, person)
    found = await shop.people.by_id(person.id)
    assert found is not None
    facts = await shop.records.everything(found)
    expected = {
        "id": person.id,
        "channel": "telegram",
        "account": "700100200",
        "first_name": "Ekaterina",
        "username": "katya_tea",
        "language": "en",
        "source": "poster_7",
        "known_since": "2026-11-24T12:00:00.000Z",
        "last_seen": "2026-11-24T12:00:00.000Z",
        "paused_until": "2026-11-25T12:00:00.000Z",
        "reach": "reachable",
        "never_write_again": False,
    }
    assert expected.items() <= facts["person"].items()
    assert {one["purpose"]: one["state"] for one in facts["consents"]} == {
        DATA: "granted",
        ORDERS: "granted",
        OFFERS: "withdrawn",
    }
    assert [one["event"] for one in facts["events"]] == ["granted"] * 3 + ["withdrawn"]
    assert facts["events"][0]["shown"] == SHOWN.to_json()
    assert facts["questions"][-1]["shown"] == SHOWN.to_json()
    assert [one["answer"] for one in facts["questions"]] == ["agree"] * 3 + [None]
    (message,) = facts["messages"]
    assert (message["campaign"], message["state"]) == (running.campaign_id, "ready")


async def test_the_record_is_one_persons_and_fits_a_json_file(shop: Shop) -> None:
    person, other = await ekaterina(shop), await shop.meet("2", first_name="Boris")
    await shop.agree_all(other)
    text = json.dumps(await shop.records.everything(person))
    assert other.id not in text
    assert "Boris" not in text
    assert len(json.loads(text)["events"]) == 3


async def test_somebody_who_only_said_hello_has_a_record_without_answers(shop: Shop) -> None:
    facts = await shop.records.everything(await shop.meet())
    assert facts["consents"] == facts["events"] == facts["messages"] == facts["questions"] == []


# --- proofs -----------------------------------------------------------------------------------


async def test_each_answer_has_a_proof_that_convinces_a_stranger(shop: Shop) -> None:
    person = await ekaterina(shop)
    await shop.consents.withdraw(person, DATA, PRESS, AT + HOUR)
    trusted = shop.core.signer.key
    for event in await shop.records.events(person):
        data = await shop.proof(person, event.entry_id, AT + DAY)
        assert data is not None
        proof = proof_file.verify(data, trusted)
        assert (proof.index, proof.entry.id) == (event.index, event.entry_id)
        assert proof.payload["event"] == event.event
        assert proof.payload["account"] == "700100200"
        assert proof.notice is not None
        assert proof.notice["purpose"] == event.purpose_id
        assert proof.checkpoint.size == await shop.log_size()


async def test_a_proof_of_another_log_is_refused(shop: Shop) -> None:
    person = await ekaterina(shop)
    (event, *_) = await shop.records.events(person)
    data = await shop.proof(person, event.entry_id, AT)
    assert data is not None
    stranger = note.verifier_key("assent/tea", b"s" * 32)
    with pytest.raises(Contradiction):
        proof_file.verify(data, stranger)


async def test_a_changed_proof_is_found(shop: Shop) -> None:
    person = await ekaterina(shop)
    (event, *_) = await shop.records.events(person)
    data = await shop.proof(person, event.entry_id, AT)
    assert data is not None
    for place in range(0, len(data), 97):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(ProofError):
            proof_file.verify(bytes(changed), shop.core.signer.key)


async def test_nobody_gets_anothers_proof(shop: Shop) -> None:
    person, other = await ekaterina(shop), await shop.meet("2")
    (event, *_) = await shop.records.events(person)
    assert await shop.proof(other, event.entry_id, AT) is None
    assert await shop.proof(person, EntryId("0" * 32), AT) is None
    (published, *_) = await shop.log()
    assert await shop.proof(person, EntryId(published.read.id), AT) is None


async def test_a_proof_names_the_text_of_its_time(shop: Shop) -> None:
    await shop.publish(purpose(DATA, "the first text"))
    person = await shop.meet()
    outcome = await shop.answer(person, DATA)
    await shop.publish(purpose(DATA, "the second text"))
    data = await shop.proof(person, outcome.entry_id, AT + DAY)
    assert data is not None
    notice = proof_file.verify(data).notice
    assert notice is not None
    assert "the first text" in notice["text"]


# --- erasure ----------------------------------------------------------------------------------


async def rows_about(shop: Shop, person: Person) -> dict[str, int]:
    """Count what each table still holds of a person."""
    lookup = shop.core.journal.keyring().account_lookup("telegram", person.profile.account)
    queries = {
        "subject": select(subject.c.id).where(subject.c.id == person.id),
        "data_key": select(data_key.c.id).where(data_key.c.id == person.id),
        "consent": select(consent.c.purpose_id).where(consent.c.subject_id == person.id),
        "prompt": select(prompt.c.nonce).where(prompt.c.subject_id == person.id),
        "log_payload": select(log_payload.c.index).where(log_payload.c.key_id == person.id),
        "conversation": select(conversation.c.lookup).where(conversation.c.lookup == lookup),
        "delivery": select(delivery.c.id).where(delivery.c.subject_id == person.id),
        "inbox": select(inbox_table.c.update_id).where(
            (inbox_table.c.account_lookup == lookup) | (inbox_table.c.chat_lookup == lookup)
        ),
    }
    async with shop.database.snapshot() as tx:
        return {name: len(list(await tx.execute(query))) for name, query in queries.items()}


async def everywhere(shop: Shop) -> Person:
    """A person of whom every table knows something."""
    person = await ekaterina(shop)
    lookup = shop.core.journal.keyring().account_lookup("telegram", "700100200")
    update = {
        "update_id": 7,
        "message": {
            "message_id": 1,
            "chat": {"id": 700100200, "type": "private"},
            "from": {"id": 700100200, "first_name": "Ekaterina", "username": "katya_tea"},
            "text": "My secret words",
        },
    }
    await shop.inbox.take_in([update], AT)
    async with shop.database.transaction() as tx:
        await conversations.put(tx, lookup, generation=1, sealed=b"sealed", at=AT)
    await shop.ask(person, OFFERS)
    await occurrence_of_orders(shop, person)
    return person


async def test_erasing_leaves_no_row_about_the_person(shop: Shop) -> None:
    person = await everywhere(shop)
    before = await rows_about(shop, person)
    assert all(before.values()), before
    await shop.records.erase(person, AT + DAY, never_again=False)
    after = await rows_about(shop, person)
    assert not any(after.values()), after
    assert await shop.people.find("700100200") is None
    async with shop.database.snapshot() as tx:
        assert list(await tx.execute(select(suppression))) == []


async def test_an_erased_persons_updates_are_remembered_by_their_id_only(shop: Shop) -> None:
    person = await everywhere(shop)
    await shop.records.erase(person, AT + DAY, never_again=False)
    async with shop.database.snapshot() as tx:
        (row,) = await tx.execute(select(inbox_table))
        assert await inbox.count_waiting(tx) == 0
    assert (row.update_id, row.sealed, row.account_lookup) == (7, None, None)


async def test_words_and_names_never_lie_in_clear_on_the_disk(shop: Shop, tmp_path: Path) -> None:
    """Pages, free pages and the write-ahead log, before and after."""
    person = await everywhere(shop)
    words = (*SECRETS, "My secret words", SHOWN.text)
    assert not [word for word in words if word.encode() in on_disk(tmp_path)]
    await shop.records.erase(person, AT + DAY, never_again=True)
    assert not [word for word in words if word.encode() in on_disk(tmp_path)]


async def test_the_key_and_ciphertext_of_an_erased_person_are_overwritten(
    shop: Shop, tmp_path: Path
) -> None:
    person = await everywhere(shop)
    async with shop.database.snapshot() as tx:
        wrapped = await keys.get(tx, person.id)
        sealed = (await tx.execute(select(subject.c.sealed))).scalar_one()
    assert wrapped is not None
    assert wrapped.wrapped in on_disk(tmp_path)
    await shop.records.erase(person, AT + DAY, never_again=False)
    await shop.database.close()  # the write-ahead log goes into the file
    left = on_disk(tmp_path)
    assert wrapped.wrapped not in left
    assert sealed not in left
    assert person.id.encode() not in left


async def test_erasure_is_an_entry_that_says_nothing_of_whom(shop: Shop) -> None:
    person = await ekaterina(shop)
    await shop.records.erase(person, AT + DAY, never_again=False)
    last = (await shop.log())[-1]
    assert last.read.type == "subject.erased"
    assert set(last.payload) == {"erasure"}
    assert person.id not in str(last.payload)


async def test_an_erased_persons_entries_stay_and_cannot_be_opened(shop: Shop) -> None:
    person = await ekaterina(shop)
    before = await shop.log()
    mine = [one.index for one in before if one.opening and one.payload.get("subject") == person.id]
    await shop.records.erase(person, AT + DAY, never_again=False)
    after = await shop.log()
    assert [one.read for one in after[:-1]] == [one.read for one in before]
    assert [one.index for one in after if one.sealed is None] == mine
    assert len(mine) == 3


async def test_the_proofs_of_everybody_else_still_hold(shop: Shop) -> None:
    person, other = await ekaterina(shop), await shop.meet("2")
    outcome = await shop.answer(other, DATA)
    held_before = await shop.proof(other, outcome.entry_id, AT)
    await shop.records.erase(person, AT + DAY, never_again=False)
    held_after = await shop.proof(other, outcome.entry_id, AT + DAY)
    assert held_before is not None
    assert held_after is not None
    for data in (held_before, held_after):
        assert proof_file.verify(data, shop.core.signer.key).entry.id == outcome.entry_id


async def test_a_proof_taken_before_the_erasure_still_convinces(shop: Shop) -> None:
    person = await ekaterina(shop)
    (event, *_) = await shop.records.events(person)
    data = await shop.proof(person, event.entry_id, AT)
    await shop.records.erase(person, AT + DAY, never_again=False)
    assert data is not None
    assert proof_file.verify(data, shop.core.signer.key).payload["account"] == "700100200"
    assert await shop.proof(person, event.entry_id, AT + DAY) is None


async def test_erasing_twice_is_harmless(shop: Shop) -> None:
    person = await ekaterina(shop)
    await shop.records.erase(person, AT + DAY, never_again=False)
    size = await shop.log_size()
    await shop.records.erase(person, AT + DAY + MINUTE, never_again=True)
    assert await shop.log_size() == size
    assert not (await shop.meet("700100200", AT + 2 * DAY)).suppressed


async def test_never_again_leaves_only_a_keyed_hash(shop: Shop, tmp_path: Path) -> None:
    person = await everywhere(shop)
    await shop.records.erase(person, AT + DAY, never_again=True)
    assert not any((await rows_about(shop, person)).values())
    keyring = shop.core.journal.keyring()
    async with shop.database.snapshot() as tx:
        (row,) = await tx.execute(select(suppression))
    assert row.hash == keyring.suppression_hash("telegram", "700100200")
    assert row.hash != keyring.account_lookup("telegram", "700100200")
    assert b"700100200" not in on_disk(tmp_path)


async def test_never_again_outlives_a_second_erasure(shop: Shop) -> None:
    person = await shop.meet("1")
    await shop.records.erase(person, AT, never_again=True)
    again = await shop.meet("1", AT + HOUR)
    await shop.records.erase(again, AT + DAY, never_again=False)
    assert (await shop.meet("1", AT + 2 * DAY)).suppressed


async def test_an_erasure_without_never_again_does_not_bring_it_back(shop: Shop) -> None:
    """The person was known as suppressed when they wrote, and agreed before they erased."""
    person = await shop.meet("1")
    await shop.records.erase(person, AT, never_again=True)
    back = await shop.meet("1", AT + HOUR)
    await shop.answer(back, DATA, at=AT + HOUR)
    await shop.records.erase(back, AT + DAY, never_again=False)
    assert not (await shop.meet("1", AT + 2 * DAY)).suppressed


async def test_erasing_one_person_leaves_the_others_as_they_were(shop: Shop) -> None:
    person, other = await everywhere(shop), await shop.meet("2")
    await shop.agree_all(other)
    before = await shop.records.everything(other)
    await shop.records.erase(person, AT + DAY, never_again=False)
    assert await shop.records.everything(other) == before


async def test_a_ready_delivery_of_an_erased_person_is_suppressed(shop: Shop) -> None:
    person = await ekaterina(shop)
    running = await occurrence_of_orders(shop, person)
    await shop.records.erase(person, AT, never_again=False)
    row = await delivery_row(shop, f"{0:022}")
    assert row == (DeliveryState.SUPPRESSED, "erased", None, None, None)
    assert await claimed(shop, running) == []


@pytest.mark.parametrize("became", [DeliveryState.SENT, DeliveryState.UNCERTAIN])
async def test_a_result_after_the_erasure_stores_no_message_id(
    shop: Shop, became: DeliveryState
) -> None:
    person = await ekaterina(shop)
    running = await occurrence_of_orders(shop, person)
    (cleared,) = await claimed(shop, running)
    await shop.records.erase(person, AT, never_again=False)
    result = Result(
        delivery_id=cleared.candidate.delivery_id,
        fence=cleared.candidate.fence,
        state=became,
        message_id=4242,
    )
    async with shop.database.transaction() as tx:
        await deliveries.record(tx, [result], AT + MINUTE)
    assert await delivery_row(shop, cleared.candidate.delivery_id) == (
        became,
        None,
        None,
        None,
        None,
    )


async def test_a_send_that_comes_back_unsent_after_the_erasure_is_not_tried_again(
    shop: Shop,
) -> None:
    person = await ekaterina(shop)
    running = await occurrence_of_orders(shop, person)
    (cleared,) = await claimed(shop, running)
    await shop.records.erase(person, AT, never_again=False)
    result = Result(
        delivery_id=cleared.candidate.delivery_id,
        fence=cleared.candidate.fence,
        state=DeliveryState.READY,
    )
    async with shop.database.transaction() as tx:
        await deliveries.record(tx, [result], AT + MINUTE)
    row = await delivery_row(shop, cleared.candidate.delivery_id)
    assert row[:2] == (DeliveryState.SUPPRESSED, "erased")


async def test_a_message_that_is_on_its_way_is_recalled_by_the_erasure(shop: Shop) -> None:
    person = await ekaterina(shop)
    flight = shop.flights.begin(person.id)
    await shop.records.erase(person, AT, never_again=False)
    assert flight.is_recalled


async def test_an_erased_person_cannot_be_told_why_a_message_came(shop: Shop) -> None:
    person = await ekaterina(shop)
    running = await occurrence_of_orders(shop, person)
    (cleared,) = await claimed(shop, running)
    origin = await shop.consents.origin(cleared.candidate.delivery_id)
    assert origin is not None
    allowed = await shop.consents.allowed_by(person, origin)
    assert (allowed.entry_id, allowed.at, allowed.title) == (cleared.entry_id, AT, ORDERS)
    await shop.records.erase(person, AT, never_again=False)
    with pytest.raises(PromptUnknown):
        await shop.consents.allowed_by(person, origin)
    gone = await shop.consents.origin(cleared.candidate.delivery_id)
    assert gone is not None
    assert (gone.subject_id, gone.consent_entry_id) == (None, None)


async def test_a_refusal_is_in_the_record_too(shop: Shop) -> None:
    person = await shop.meet()
    await shop.answer(person, DATA, Choice.DECLINE)
    facts = await shop.records.everything(person)
    assert facts["consents"][0]["state"] == "refused"
    assert facts["events"][0]["event"] == "refused"
