"""The sweep: what is past its term goes, everything else stays and verifies (promises 3 and 7)."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select, update
from tea_shop import (
    AT,
    DATA,
    DAY,
    HOUR,
    MINUTE,
    OFFERS,
    ORDERS,
    PRESS,
    Shop,
    on_disk,
    purpose,
)

from bot.campaigns.campaign import Author, Campaign, CampaignUnknown
from bot.campaigns.content import Content, ContentKind
from bot.campaigns.states import DeliveryState
from bot.consent.acts import Choice
from bot.consent.purposes import Period, Purpose
from bot.consent.retention import STEP, ended_at
from bot.consent.rules import ConsentState, PromptUnknown
from bot.proof import verifier
from bot.usecases import retention as module
from bot.usecases.exports import Format, Selection
from bot.usecases.people import Person
from storage import consents, deliveries, facts, retention
from storage.facts import Fact
from storage.schema import campaign as campaign_table
from storage.schema import data_key, delivery

YEAR = Period("P1Y")
LAW = {"ru": "закон", "en": "a law"}
LATER = AT + 366 * DAY
ORDER = Content(kind=ContentKind.TEXT, text="Your order is ready")


def purposes(period: Period | None = YEAR) -> list[Purpose]:
    """The shop's purposes; only advertising has a term, unless it is taken away."""
    law = None if period is None else LAW
    return [
        purpose(DATA),
        purpose(ORDERS, requires=(DATA,)),
        purpose(OFFERS, requires=(DATA,), keep_proof_for=period, keep_proof_rule=law),
    ]


async def verified(shop: Shop, folder: Path, at: datetime) -> verifier.Report:
    """Export everything and let a stranger check it."""
    path = folder / "bundle.zip"
    await shop.core.exports.write(path, Format.BUNDLE, Selection(), at)
    return verifier.verify_file(path, shop.core.signer.key)


async def left(shop: Shop, account: str = "1", at: datetime = AT) -> Person:
    """Somebody who agreed to everything and left the advertising."""
    person = await shop.meet(account, at)
    await shop.agree_all(person, at)
    await shop.consents.withdraw(person, OFFERS, PRESS, at + HOUR)
    return person


async def types(shop: Shop) -> list[str]:
    return [one.read.type for one in await shop.log()]


async def test_a_proof_past_its_term_goes_and_the_log_still_verifies(
    either_shop: Shop, tmp_path: Path
) -> None:
    shop = either_shop
    await shop.publish(*purposes())
    person, other = await left(shop), await shop.meet("2")
    await shop.agree_all(other)
    before = await shop.log()
    report = await shop.retention.sweep("7", LATER)
    (swept,) = report.tally.purposes.values()
    assert (swept.people, swept.entries, report.tally.people_erased) == (1, 2, 0)
    assert swept.earliest == swept.latest == "2026-11-24T13:00:00.000Z"
    assert await shop.events(person) == ["granted personal-data", "granted orders"]
    after = await shop.log()
    assert [one.read for one in after[:-1]] == [one.read for one in before]
    closed = [one.index for one in after if one.sealed is None]
    theirs = [
        one.index
        for one in before
        if one.opening
        and one.payload.get("subject") == person.id
        and one.payload["purpose"] == OFFERS
    ]
    assert closed == theirs
    assert len(closed) == 2
    found = await verified(shop, tmp_path, LATER)
    assert found.ok, found.failures
    assert len(await shop.events(other)) == 3


async def test_a_sweep_is_one_entry_of_the_log_without_personal_data(either_shop: Shop) -> None:
    shop = either_shop
    await shop.publish(*purposes())
    person = await left(shop)
    report = await shop.retention.sweep("7", LATER)
    last = (await shop.log())[-1]
    assert (last.read.type, last.read.id) == ("staff.privacy_swept", report.entry_id)
    assert last.payload["staff"] == "7"
    assert last.payload["purposes"] == [
        {
            "purpose": "offers",
            "keep_proof_for": "P1Y",
            "people": 1,
            "entries": 2,
            "deliveries": 0,
            "earliest": "2026-11-24T13:00:00.000Z",
            "latest": "2026-11-24T13:00:00.000Z",
        }
    ]
    assert person.id not in json.dumps(last.payload)
    size = await shop.log_size()
    again = await shop.retention.sweep("7", LATER)
    assert again.tally.is_empty
    assert again.entry_id is None
    assert await shop.log_size() == size


async def test_the_term_is_counted_to_the_millisecond(shop: Shop) -> None:
    await shop.publish(*purposes())
    await left(shop)
    end = YEAR.end(AT + HOUR)
    assert (await shop.retention.sweep("7", end - STEP)).tally.is_empty
    assert not (await shop.retention.sweep("7", end)).tally.is_empty


async def test_a_refusal_and_an_unconfirmed_yes_go_after_their_term(shop: Shop) -> None:
    await shop.publish(purpose(ORDERS, keep_proof_for=YEAR, double_opt_in=True))
    refused, half = await shop.meet("1"), await shop.meet("2")
    await shop.answer(refused, ORDERS, Choice.DECLINE)
    await shop.answer(half, ORDERS)
    report = await shop.retention.sweep("7", LATER)
    assert report.tally.purposes[ORDERS].people == 2
    assert report.tally.people_erased == 2


async def test_whoever_has_nothing_left_is_erased_whole(either_shop: Shop, tmp_path: Path) -> None:
    shop = either_shop
    await shop.publish(purpose(ORDERS, keep_proof_for=YEAR))
    person = await shop.meet("1")
    await shop.answer(person, ORDERS)
    await shop.consents.withdraw(person, ORDERS, PRESS, AT + HOUR)
    await shop.retention.sweep("7", LATER)
    assert await shop.people.find("1") is None
    async with shop.database.snapshot() as tx:
        assert list(await tx.execute(select(data_key).where(data_key.c.id == person.id))) == []
    assert (await types(shop))[-2:] == ["subject.erased", "staff.privacy_swept"]
    found = await verified(shop, tmp_path, LATER)
    assert found.ok, found.failures


async def test_a_live_consent_and_one_without_a_term_stay(shop: Shop) -> None:
    await shop.publish(*purposes(None))
    person = await left(shop)
    other = await shop.meet("2")
    await shop.agree_all(other)
    await shop.publish(*purposes())
    await shop.consents.withdraw(person, ORDERS, PRESS, AT + HOUR)
    await shop.retention.sweep("7", LATER)
    assert await shop.events(person) == [
        "granted personal-data",
        "granted orders",
        "withdrawn orders",
    ]
    assert len(await shop.events(other)) == 3


async def test_the_rule_outlives_the_purposes_place_in_the_file(either_shop: Shop) -> None:
    shop = either_shop
    await shop.publish(*purposes())
    await left(shop)
    await shop.publish(purpose(DATA), purpose(ORDERS, requires=(DATA,)))
    (ahead,) = [one for one in await shop.retention.survey(LATER) if one.due is not None]
    assert (ahead.rule.purpose_id, ahead.rule.period, ahead.rule.law) == (OFFERS, "P1Y", LAW)
    report = await shop.retention.sweep("7", LATER)
    assert report.tally.purposes[OFFERS].entries == 2


async def test_whoever_agrees_again_after_a_sweep_begins_a_new_chain(
    either_shop: Shop, tmp_path: Path
) -> None:
    shop = either_shop
    await shop.publish(*purposes())
    person = await left(shop)
    await shop.retention.sweep("7", LATER)
    outcome = await shop.answer(person, OFFERS, at=LATER + HOUR)
    assert "previous" not in await shop.payload(outcome.entry_id)
    await shop.consents.withdraw(person, OFFERS, PRESS, LATER + 2 * HOUR)
    found = await verified(shop, tmp_path, LATER + DAY)
    assert found.ok, found.failures
    taken = await shop.proof(person, outcome.entry_id, LATER + DAY)
    assert taken is not None


async def test_an_undo_of_what_was_swept_is_refused(shop: Shop) -> None:
    await shop.publish(*purposes(Period("PT1M")))
    person = await shop.meet("1")
    await shop.agree_all(person)
    (event,) = await shop.consents.withdraw(person, OFFERS, PRESS, AT + HOUR)
    await shop.retention.sweep("7", AT + HOUR + 2 * MINUTE)
    with pytest.raises(PromptUnknown):
        await shop.consents.undo(person, event.entry_id, PRESS, AT + HOUR + 3 * MINUTE)


async def test_whoever_is_being_asked_or_has_just_written_waits_for_a_later_sweep(
    either_shop: Shop,
) -> None:
    shop = either_shop
    await shop.publish(*purposes())
    asked, wrote = await left(shop, "1"), await left(shop, "2")
    await shop.ask(asked, OFFERS, LATER - MINUTE)
    update = {
        "update_id": 7,
        "message": {
            "message_id": 1,
            "chat": {"id": 2, "type": "private"},
            "from": {"id": 2, "first_name": "Ben"},
            "text": "/start",
        },
    }
    await shop.inbox.take_in([update], LATER)
    assert (await shop.retention.sweep("7", LATER)).tally.is_empty
    (ahead,) = [one for one in await shop.retention.survey(LATER) if one.due is not None]
    assert ahead.due is not None
    assert (ahead.due.people, ahead.due.waiting) == (0, 2)
    assert len(await shop.events(wrote)) == 4
    swept = await shop.retention.sweep("7", LATER + DAY)
    assert swept.tally.purposes[OFFERS].people == 1


async def advertised(shop: Shop, *people: Person) -> str:
    """Take people into a campaign under the advertising purpose; return its occurrence."""
    async with shop.database.transaction() as tx:
        await tx.execute(
            update(campaign_table)
            .where(campaign_table.c.purpose_id == ORDERS)
            .values(purpose_id=OFFERS)
        )
        (running,) = await deliveries.running(tx)
        taken = [(f"{number:022}", one.id) for number, one in enumerate(people)]
        await deliveries.add_ready(tx, running.occurrence_id, taken, AT)
    return running.occurrence_id


async def campaign_of(shop: Shop, account: str = "9") -> Campaign:
    return await shop.campaigns.draft(ORDERS, ORDER, Author(account=account, locale="en"), AT)


async def test_deliveries_wait_for_their_seal_and_then_lose_their_person(
    either_shop: Shop,
) -> None:
    """What a seal commits to is computed from the row: it is emptied only once that is stored."""
    shop = either_shop
    await shop.publish(*purposes())
    person = await shop.meet("1")
    await shop.agree_all(person)
    draft = await campaign_of(shop)
    await shop.campaigns.start(draft.id, "9", AT)
    await advertised(shop, person)
    await shop.consents.withdraw(person, OFFERS, PRESS, AT + HOUR)
    assert (await shop.retention.sweep("7", LATER)).tally.is_empty
    async with shop.database.transaction() as tx:
        await tx.execute(
            update(delivery).values(state=DeliveryState.SENT, message_id=4242, leaf=b"l" * 32)
        )
    report = await shop.retention.sweep("7", LATER)
    assert report.tally.purposes[OFFERS].deliveries == 1
    async with shop.database.snapshot() as tx:
        (row,) = await tx.execute(select(delivery))
    assert (row.subject_id, row.message_id, row.consent_entry_id) == (None, None, None)
    assert (row.state, row.leaf) == (DeliveryState.SENT, b"l" * 32)


async def test_a_sweep_that_was_killed_is_finished_and_counted_by_the_next(
    either_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = either_shop
    await shop.publish(*purposes())
    for number in range(5):
        await left(shop, str(number))
    monkeypatch.setattr(module, "PAGE", 2)

    def killed(done: int, _of: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await shop.retention.sweep("7", LATER, killed)
    assert "staff.privacy_swept" not in await types(shop)
    report = await shop.retention.sweep("7", LATER + HOUR)
    assert (report.tally.purposes[OFFERS].people, report.tally.purposes[OFFERS].entries) == (5, 10)
    assert report.tally.began == "2027-11-25T12:00:00.000Z"
    assert (await types(shop)).count("staff.privacy_swept") == 1
    async with shop.database.snapshot() as tx:
        assert await facts.get(tx, Fact.SWEEP) is None


async def test_progress_counts_people_to_the_end(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.publish(*purposes())
    for number in range(3):
        await left(shop, str(number))
    monkeypatch.setattr(module, "PAGE", 2)
    seen: list[tuple[int, int]] = []
    await shop.retention.sweep("7", LATER, lambda done, of: seen.append((done, of)))
    assert seen == [(2, 3), (3, 3)]


async def test_the_daily_sweep_happens_once_a_day(shop: Shop) -> None:
    await shop.publish(*purposes())
    await left(shop)
    assert await shop.retention.sweep_daily(AT + DAY) is not None
    assert await shop.retention.sweep_daily(AT + 2 * DAY - MINUTE) is None
    report = await shop.retention.sweep_daily(LATER)
    assert report is not None
    assert (await shop.log())[-1].payload["staff"] == "clock"


async def test_nothing_of_what_was_swept_is_on_the_disk(shop: Shop, tmp_path: Path) -> None:
    """File and write-ahead log, while the database is still open."""
    await shop.publish(purpose(ORDERS, keep_proof_for=YEAR))
    person = await shop.meet("700100200", first_name="Ekaterina")
    await shop.answer(person, ORDERS)
    await shop.consents.withdraw(person, ORDERS, PRESS, AT + HOUR)
    sealed = [one.sealed for one in await shop.log() if one.opening and "subject" in one.payload]
    async with shop.database.snapshot() as tx:
        (wrapped,) = (
            await tx.execute(select(data_key.c.wrapped).where(data_key.c.id == person.id))
        ).one()
    secrets = [
        *(one for one in sealed if one),
        wrapped,
        person.id.encode(),
        shop.core.journal.keyring().account_lookup("telegram", "700100200"),
    ]
    assert len(secrets) == 5
    assert all(secret in on_disk(tmp_path) for secret in secrets)
    await shop.retention.sweep("7", LATER)
    assert not [secret for secret in secrets if secret in on_disk(tmp_path)]
    for word in (b"700100200", b"Ekaterina"):
        assert word not in on_disk(tmp_path)


async def test_drafts_and_cancelled_campaigns_that_never_began_go_after_90_days(
    either_shop: Shop,
) -> None:
    shop = either_shop
    draft, cancelled, begun = [await campaign_of(shop) for _ in range(3)]
    await shop.campaigns.cancel(cancelled.id, AT)
    await shop.campaigns.start(begun.id, "9", AT)
    await shop.campaigns.cancel(begun.id, AT)
    assert (await shop.retention.sweep("7", AT + 90 * DAY - MINUTE)).tally.is_empty
    report = await shop.retention.sweep("7", AT + 90 * DAY)
    assert report.tally.campaigns == 2
    assert (await shop.campaigns.get(begun.id)).number == 1
    for gone in (draft, cancelled):
        with pytest.raises(CampaignUnknown):
            await shop.campaigns.get(gone.id)
        async with shop.database.snapshot() as tx:
            assert not list(await tx.execute(select(data_key).where(data_key.c.id == gone.id)))


# --- the two forms of one rule ----------------------------------------------------------------


async def test_the_database_and_the_rule_agree_on_when_a_consent_ended(shop: Shop) -> None:
    await shop.publish(*purposes())
    person = await left(shop)
    async with shop.database.transaction() as tx:
        held = (await consents.of_subject(tx, person.id))[OFFERS]
        for state in ConsentState:
            for expires_at in (None, AT + MINUTE, AT + 2 * DAY):
                stored = replace(held, state=state, expires_at=expires_at)
                await consents.put(tx, person.id, stored)
                ended = ended_at(stored)
                for at in (AT + MINUTE, AT + HOUR, AT + 2 * DAY):
                    for edge in (at - STEP, at):
                        due = await retention.due(
                            tx, OFFERS, edge, AT + 99 * DAY, only=[person.id], limit=9
                        )
                        expected = [person.id] if ended is not None and ended <= edge else []
                        assert due == expected, (state, expires_at, edge)
                if ended is not None:
                    between = await retention.ends_between(tx, OFFERS, [person.id])
                    assert between == (ended, ended)
