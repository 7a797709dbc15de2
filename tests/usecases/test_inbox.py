"""The inbox: stored before acknowledged, known again, forgotten when handled (promise 4)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from bot.usecases.inbox import ATTEMPTS, KEPT, Inbox
from storage import keystore
from storage import schema as tables
from storage.database import Database
from storage.keystore import Keystore

AT = datetime(2026, 11, 24, 10, tzinfo=UTC)
ANNA, BORIS, GROUP = 100, 101, -1001


@pytest.fixture
def keys(tmp_path: Path) -> Keystore:
    return keystore.create(tmp_path / "assent.keystore.json", b"k" * 32, "assent/tea", AT)


@pytest.fixture
def inbox(database: Database, keys: Keystore) -> Inbox:
    return Inbox(database=database, keyring=lambda: keys.keyring)


def said(update_id: int, who: int, words: str = "hello") -> dict[str, Any]:
    return {
        "update_id": update_id,
        "message": {"chat": {"id": who}, "from": {"id": who}, "text": words},
    }


async def rows(inbox: Inbox) -> list[Any]:
    async with inbox.database.snapshot() as tx:
        return list(await tx.execute(select(tables.inbox).order_by(tables.inbox.c.update_id)))


async def waiting_ids(inbox: Inbox) -> list[int]:
    return [waiting.update_id for waiting in await inbox.waiting(after=None, limit=100)]


async def test_what_was_taken_in_is_read_back_whole_and_in_order(inbox: Inbox) -> None:
    await inbox.take_in([said(7, ANNA), said(5, BORIS)], AT)
    await inbox.take_in([said(6, ANNA, "как дела? 🫖")], AT + timedelta(seconds=1))
    found = await inbox.waiting(after=None, limit=100)
    assert [waiting.update_id for waiting in found] == [5, 6, 7]
    assert found[1].content == said(6, ANNA, "как дела? 🫖")
    assert found[1].stored_at == AT + timedelta(seconds=1)
    assert found[1].attempts == 0
    assert repr(found[1]) == "Waiting(6)"


async def test_pages_begin_behind_the_last_one_read(inbox: Inbox) -> None:
    await inbox.take_in([said(number, ANNA) for number in range(1, 6)], AT)
    first = await inbox.waiting(after=None, limit=2)
    second = await inbox.waiting(after=first[-1].update_id, limit=2)
    assert [w.update_id for w in first + second] == [1, 2, 3, 4]


async def test_updates_are_committed_all_or_none(inbox: Inbox) -> None:
    """Telegram is told only after the commit, so half a batch would be lost or doubled."""
    with pytest.raises(KeyError):
        await inbox.take_in([said(1, ANNA), {"message": {}}], AT)
    assert await rows(inbox) == []
    assert await inbox.last_fetched() is None


async def test_a_batch_that_cannot_be_stored_is_not_remembered_as_fetched(inbox: Inbox) -> None:
    await inbox.fetched(AT)
    async with inbox.database.transaction() as tx:
        await tx.execute(text("ALTER TABLE inbox RENAME TO elsewhere"))
    with pytest.raises(SQLAlchemyError):
        await inbox.take_in([said(1, ANNA)], AT + timedelta(hours=1))
    async with inbox.database.transaction() as tx:
        await tx.execute(text("ALTER TABLE elsewhere RENAME TO inbox"))
    assert await inbox.last_fetched() == AT


async def test_the_same_update_again_changes_nothing(inbox: Inbox) -> None:
    await inbox.take_in([said(1, ANNA, "first")], AT)
    await inbox.take_in([said(1, ANNA, "second"), said(2, ANNA)], AT)
    found = await inbox.waiting(after=None, limit=100)
    assert [w.content["message"]["text"] for w in found] == ["first", "hello"]


async def test_an_update_that_was_handled_is_not_handled_again(inbox: Inbox) -> None:
    await inbox.take_in([said(1, ANNA)], AT)
    await inbox.settle(1)
    await inbox.take_in([said(1, ANNA)], AT + timedelta(hours=47))
    assert await waiting_ids(inbox) == []
    assert await inbox.is_empty()


async def test_what_is_handled_leaves_its_number_and_no_word(inbox: Inbox) -> None:
    await inbox.take_in([said(1, ANNA, "my secret"), said(2, BORIS)], AT)
    assert not await inbox.is_empty()
    await inbox.settle(1)
    handled, waiting = await rows(inbox)
    assert (handled.update_id, handled.state) == (1, "handled")
    assert (handled.sealed, handled.chat_lookup, handled.account_lookup) == (None, b"", None)
    assert waiting.state == "waiting"


async def test_nothing_that_was_said_or_who_said_it_lies_open(inbox: Inbox) -> None:
    await inbox.take_in([said(1, 123456789, "my secret")], AT)
    (row,) = await rows(inbox)
    kept = row.sealed + row.chat_lookup + row.account_lookup
    assert b"secret" not in kept
    assert b"123456789" not in kept


async def test_an_update_that_fails_three_times_is_set_aside_with_its_words(inbox: Inbox) -> None:
    await inbox.take_in([said(1, ANNA), said(2, ANNA)], AT)
    outcomes = []
    for _ in range(ATTEMPTS):
        (first, *_rest) = await inbox.waiting(after=None, limit=1)
        outcomes.append(await inbox.failed(1, first.attempts))
    assert outcomes == [False, False, True]
    assert await waiting_ids(inbox) == [2]
    aside, _ = await rows(inbox)
    assert (aside.state, aside.attempts) == ("set_aside", 3)
    assert aside.sealed is not None


async def test_failures_are_counted_across_a_restart(inbox: Inbox, keys: Keystore) -> None:
    await inbox.take_in([said(1, ANNA)], AT)
    await inbox.failed(1, 0)
    again = Inbox(database=inbox.database, keyring=lambda: keys.keyring)
    (waiting,) = await again.waiting(after=None, limit=10)
    assert waiting.attempts == 1


async def test_numbers_are_kept_for_forty_eight_hours_and_what_waits_for_ever(
    inbox: Inbox,
) -> None:
    assert timedelta(hours=48) == KEPT
    await inbox.take_in([said(1, ANNA), said(2, ANNA)], AT)
    await inbox.settle(1)
    await inbox.forget_old(AT + KEPT)
    assert [row.update_id for row in await rows(inbox)] == [1, 2]
    await inbox.forget_old(AT + KEPT + timedelta(milliseconds=1))
    assert [row.update_id for row in await rows(inbox)] == [2]


async def test_what_was_set_aside_stays_until_somebody_looks(inbox: Inbox) -> None:
    await inbox.take_in([said(1, ANNA)], AT)
    await inbox.failed(1, ATTEMPTS - 1)
    await inbox.forget_old(AT + KEPT * 10)
    assert [row.update_id for row in await rows(inbox)] == [1]


async def test_asking_and_hearing_nothing_is_remembered_too(inbox: Inbox) -> None:
    assert await inbox.last_fetched() is None
    await inbox.fetched(AT)
    assert await inbox.last_fetched() == AT
    await inbox.take_in([said(1, ANNA)], AT + timedelta(minutes=1))
    assert await inbox.last_fetched() == AT + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("update", "chat", "account"),
    [
        ({"message": {"chat": {"id": ANNA}, "from": {"id": ANNA}}}, ANNA, ANNA),
        ({"message": {"chat": {"id": GROUP}, "from": {"id": ANNA}}}, GROUP, ANNA),
        ({"message": {"chat": {"id": GROUP}}}, GROUP, None),
        ({"edited_message": {"chat": {"id": ANNA}, "from": {"id": ANNA}}}, ANNA, ANNA),
        ({"my_chat_member": {"chat": {"id": ANNA}, "from": {"id": ANNA}}}, ANNA, ANNA),
        (
            {"callback_query": {"from": {"id": ANNA}, "message": {"chat": {"id": ANNA}}}},
            ANNA,
            ANNA,
        ),
        (
            {"callback_query": {"from": {"id": ANNA}, "message": {"chat": {"id": GROUP}}}},
            GROUP,
            ANNA,
        ),
        ({"callback_query": {"from": {"id": ANNA}, "inline_message_id": "x"}}, ANNA, ANNA),
        ({"inline_query": {"from": {"id": ANNA}}}, ANNA, ANNA),
    ],
)
async def test_an_update_belongs_to_the_chat_whose_order_matters_and_to_who_acted(
    inbox: Inbox, keys: Keystore, update: dict[str, Any], chat: int, account: int | None
) -> None:
    await inbox.take_in([{"update_id": 1, **update}], AT)
    (row,) = await rows(inbox)
    assert row.chat_lookup == keys.keyring.account_lookup("telegram", str(chat))
    found = None if account is None else keys.keyring.account_lookup("telegram", str(account))
    assert row.account_lookup == found


async def test_a_press_without_a_message_keeps_its_place_among_what_the_person_wrote(
    inbox: Inbox,
) -> None:
    press = {"update_id": 2, "callback_query": {"from": {"id": ANNA}, "data": "x"}}
    await inbox.take_in([said(1, ANNA), press, said(3, BORIS)], AT)
    first, second, third = await inbox.waiting(after=None, limit=10)
    assert first.chat == second.chat != third.chat


async def test_an_update_of_an_unknown_kind_is_kept_as_well(inbox: Inbox) -> None:
    await inbox.take_in([{"update_id": 1, "something_new": {"x": 1}}], AT)
    (waiting,) = await inbox.waiting(after=None, limit=10)
    assert waiting.content == {"update_id": 1, "something_new": {"x": 1}}
