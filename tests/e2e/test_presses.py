"""Whatever is pressed, by whomever, however often: one answer, and no consent by accident."""

import asyncio
import time
from random import Random
from typing import Any

import pytest
from shop import (
    Shop,
    answers_to_presses,
    button_data,
    deliveries,
    events,
    eventually,
    query,
    settled,
)

from bot.sandbox.people import Person, Seen

ANSWER_SECONDS = 5.0
UNKNOWN_NONCE = "A" * 22
FORGED = [
    "",
    " ",
    "\x00",
    "a",
    "a:",
    "a::",
    "a:agree:",
    f"a:agree:{UNKNOWN_NONCE}",
    f"a:AGREE:{UNKNOWN_NONCE}",
    f"a:decline:{UNKNOWN_NONCE}",
    f"a:confirm:{UNKNOWN_NONCE}:extra",
    "a:agree:\x00",
    "a:agree:' OR 1=1 --",
    f"t:{UNKNOWN_NONCE}:1",
    "t:x:maybe",
    "l:",
    "l:xx",
    "l:../../etc",
    "s:1:no-such-purpose",
    "s:maybe:offers",
    "s::",
    "w:",
    "w:no-such-purpose",
    "rest:99999999999999999999999999",
    "rest:-99999999999999999999999999",
    "rest:x",
    "rest:31",
    "u:",
    "u:" + "0" * 32,
    "u:\ud7ff\uffff",
    "p:" + "f" * 32,
    "erase:maybe",
    "o:",
    "o:" + "B" * 22,
    "y:",
    "y:" + "B" * 22,
    "op:offers",
    "d:yes:" + "0" * 32 + ":1",
    "at:" + "0" * 32 + ":1:1:1",
    "m:cancel:" + "0" * 32,
    "pg:99999999999999999999999999",
    "cv",
    "ep:99999999999999999999999999",
    "ew:99999999999999999999999999:*",
    "\U0001f375" * 16,
    "я" * 32,
    "x" * 64,
    "../../../../etc/passwd",
    "%s%s%n{0}",
]


async def question_of(person: Person) -> Seen:
    return await person.wait(lambda m: m.button("Agree") is not None)


async def pressed_in_time(person: Person, data: str, message: Seen | None = None) -> dict[str, Any]:
    """Press; the answer came within the five seconds of the contract."""
    before = time.monotonic()
    answer = await person.press_data(data, message)
    assert time.monotonic() - before < ANSWER_SECONDS
    return answer


def each_answered_once(shop: Shop) -> bool:
    return set(answers_to_presses(shop).values()) == {1}


# --- forged ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["customer", "owner", "unknown"])
async def test_forged_presses_are_answered_and_write_nothing(shop: Shop, who: str) -> None:
    presser = shop.owner if who == "owner" else shop.customer(1)
    message = None
    if who != "unknown":
        await presser.start()
        message = await question_of(presser)
    for data in FORGED:
        await pressed_in_time(presser, data, message)
    await settled(shop)
    assert events(shop) == []
    assert deliveries(shop) == {}
    assert query(shop, "SELECT state FROM inbox WHERE state = 'set_aside'") == []
    assert each_answered_once(shop)
    known = query(shop, "SELECT count(*) FROM subject")
    assert known == [(0,)] if who == "unknown" else [(1,)]


@pytest.mark.parametrize("seed", range(3))
async def test_random_bytes_write_nothing(shop: Shop, seed: int) -> None:
    anna = shop.customer(1)
    await anna.start()
    message = await question_of(anna)
    randomness = Random(seed)
    for _ in range(40):
        size = randomness.randint(1, 64)
        data = (
            randomness.randbytes(size)
            .decode(errors="ignore")
            .encode()[:64]
            .decode("utf-8", "ignore")
        )
        await pressed_in_time(anna, data, message)
    assert events(shop) == []
    assert each_answered_once(shop)


async def test_another_persons_question_cannot_be_answered_and_stays_answerable(
    shop: Shop,
) -> None:
    anna, mallory = shop.customer(1), shop.customer(2)
    await anna.start()
    await mallory.start()
    question = await question_of(anna)
    await question_of(mallory)
    for label in ("Agree", "Decline", "Full text"):
        answer = await pressed_in_time(mallory, button_data(question, label), question)
        assert "not for you" in answer["text"]
    await settled(shop)
    assert events(shop) == []
    await anna.press("Agree", question)
    await anna.wait("Orders and delivery")
    assert events(shop) == [("granted", "personal-data")], "nothing was burnt"


async def test_whatever_belongs_to_others_cannot_be_pressed(shop: Shop) -> None:
    anna, mallory = shop.customer(1), shop.customer(2)
    await shop.answer_all(anna)
    await shop.answer_all(mallory)
    await shop.broadcast("News")
    message = await anna.wait("News")
    await mallory.wait("News")
    await shop.finished()
    receipt = await anna.wait("Your receipt")
    left = await shop.say(anna, "/stop", "unsubscribed")
    before = events(shop)
    files = len(shop.sandbox.world.files)
    undo = button_data(left, "Undo")
    stolen = [
        (undo, "not for you"),
        (button_data(receipt, "Proof"), "not for you"),
        (button_data(message, "Unsubscribe"), "no longer known"),
        (button_data(message, "Why do I get this?"), "no longer known"),
    ]
    for data, said in stolen:
        assert said in (await pressed_in_time(mallory, data, message))["text"]
    await settled(shop)
    assert events(shop) == before, "nothing withdrawn, nothing granted"
    assert len(shop.sandbox.world.files) == files, "no proof handed out"
    assert each_answered_once(shop)
    overview = await mallory.wait("Your subscriptions")
    assert overview.text.count("agreed on") == 3


async def test_a_campaign_cannot_be_sent_or_stopped_by_a_stranger(shop: Shop) -> None:
    anna, mallory = shop.customer(1), shop.customer(2)
    await shop.answer_all(anna)
    await mallory.start()
    control = await shop.preview("Not yours")
    campaign_id = button_data(control, "Send now").rsplit(":", 1)[-1]
    data = [button["callback_data"] for button in control.buttons]
    data += [f"d:yes:{campaign_id}:1", f"at:{campaign_id}:1:0:1", f"d:drop:{campaign_id}:1"]
    data += [f"m:{change}:{campaign_id}" for change in ("open", "pause", "resume", "cancel")]
    for one in data:
        assert "staff" in (await pressed_in_time(mallory, one, control))["text"]
    await settled(shop)
    assert deliveries(shop) == {}
    assert query(shop, "SELECT state FROM campaign") == [("draft",)]
    assert not shop.advertisements(mallory, "Not yours")


# --- replayed, late, older ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "said", "event", "asked_next"),
    [
        ("Agree", "Recorded: ✅ agreed", "granted", ["Orders and delivery"]),
        ("Decline", "Recorded: ❌ declined", "refused", []),
    ],
)
async def test_two_taps_at_once_are_one_event_and_one_kind_answer(
    shop: Shop, label: str, said: str, event: str, asked_next: list[str]
) -> None:
    anna = shop.customer(1)
    await anna.start()
    question = await question_of(anna)
    data = button_data(question, label)
    first, second = await asyncio.gather(
        anna.press_data(data, question), anna.press_data(data, question)
    )
    assert first["text"] == second["text"] == said
    await settled(shop)
    assert events(shop) == [(event, "personal-data")]
    asked = [message for message in anna.received if message.button("Agree")]
    assert [message.text.split("\n")[0] for message in asked] == asked_next
    assert len([message for message in anna.received if "Your receipt" in message.text]) == 1


async def test_a_replayed_answer_gives_its_first_outcome_again(shop: Shop) -> None:
    anna = shop.customer(1)
    await anna.start()
    data = button_data(await question_of(anna), "Agree")
    await anna.press_data(data)
    await settled(shop)
    before = events(shop)
    for _ in range(3):
        assert "agreed" in (await pressed_in_time(anna, data))["text"]
    await settled(shop)
    assert events(shop) == before == [("granted", "personal-data")]


async def test_the_other_choice_on_a_spent_question_says_what_was_answered(shop: Shop) -> None:
    anna = shop.customer(1)
    await anna.start()
    question = await question_of(anna)
    agree, decline = (button_data(question, label) for label in ("Agree", "Decline"))
    await anna.press_data(agree, question)
    await anna.wait("Orders and delivery")
    await pressed_in_time(anna, decline, question)
    told = await anna.wait("you answered about")
    assert told.text.startswith("On ")
    assert "Processing of personal data" in told.text
    assert events(shop) == [("granted", "personal-data")]
    await anna.press("Change", told)
    await anna.wait("Your subscriptions")
    assert events(shop) == [("granted", "personal-data")]


async def test_both_choices_at_once_record_one(shop: Shop) -> None:
    anna = shop.customer(1)
    await anna.start()
    question = await question_of(anna)
    await asyncio.gather(
        anna.press("Agree", question), anna.press_data(button_data(question, "Decline"), question)
    )
    await anna.wait("you answered about")
    assert events(shop) == [("granted", "personal-data")]


async def test_a_question_of_yesterday_records_nothing_and_is_asked_anew(shop: Shop) -> None:
    anna = shop.customer(1)
    await anna.start()
    question = await question_of(anna)
    old = button_data(question, "Agree")
    query(shop, "UPDATE prompt SET expires_at = created_at - 1")
    answer = await pressed_in_time(anna, old, question)
    assert "no longer current" in answer["text"]

    async def is_asked_anew() -> bool:
        fresh = next(m for m in anna.received if m.id == question.id)
        return fresh.button("Agree") is not None and button_data(fresh, "Agree") != old

    await eventually(is_asked_anew)
    assert events(shop) == []
    await anna.press("Agree")
    await anna.wait("Orders and delivery")
    assert events(shop) == [("granted", "personal-data")]


async def test_a_prompt_of_an_older_text_records_nothing_and_shows_the_current(
    closed_shop: Shop,
) -> None:
    shop = closed_shop
    await shop.open()
    anna = shop.customer(1)
    await shop.answer_all(anna, "agree", "agree")
    question = await anna.wait(lambda m: m.text.startswith("Offers") and m.button("Agree"))
    old = button_data(question, "Agree")
    before = events(shop)
    await shop.close()
    shop.change_purposes("new teas and selections.", "every single day.")
    await shop.open()
    answer = await pressed_in_time(anna, old, question)
    assert "no longer current" in answer["text"]
    current = await anna.wait("every single day")
    assert events(shop) == before
    await anna.press("Agree", current)
    await anna.wait("Thank you")
    assert events(shop)[-1] == ("granted", "offers")


async def test_undo_ends_after_ten_minutes(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    left = await shop.say(anna, "/stop", "unsubscribed")
    query(shop, "DROP TRIGGER IF EXISTS consent_event_keeps_facts")
    before = events(shop)
    query(shop, "UPDATE consent_event SET at = at - 600000 WHERE event = 'withdrawn'")
    answer = await pressed_in_time(anna, button_data(left, "Undo"), left)
    assert "too late" in answer["text"]
    assert events(shop) == before


# --- a message that is gone -----------------------------------------------------------------------


async def test_a_press_on_a_message_that_is_gone_works(shop: Shop) -> None:
    anna = shop.customer(1)
    await anna.start()
    question = await question_of(anna)
    await anna.press_data(button_data(question, "Agree"), question, is_gone=True)
    fresh = await anna.wait("Orders and delivery")
    assert fresh.id != question.id, "the answer is a new message"
    assert events(shop) == [("granted", "personal-data")]


async def test_leaving_works_under_a_message_that_is_gone(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await shop.broadcast("Gone soon")
    message = await anna.wait("Gone soon")
    await anna.press_data(button_data(message, "Why do I get this?"), message, is_gone=True)
    await anna.wait("You get this because")
    await anna.press_data(button_data(message, "Unsubscribe"), message, is_gone=True)
    left = await anna.wait("unsubscribed")
    await anna.press_data(button_data(left, "Undo"), left, is_gone=True)
    await anna.wait("again")
    assert events(shop)[-2:] == [("withdrawn", "offers"), ("granted", "offers")]


async def test_leaving_works_for_whoever_has_blocked_the_bot(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await shop.broadcast("Blocked soon")
    message = await anna.wait("Blocked soon")
    await anna.block()
    await pressed_in_time(anna, button_data(message, "Unsubscribe"), message)
    await settled(shop)
    assert events(shop)[-1] == ("withdrawn", "offers")
    assert query(shop, "SELECT state FROM inbox WHERE state = 'set_aside'") == []


# --- the end of a step ----------------------------------------------------------------------------


def with_buttons(person: Person, *labels: str) -> list[Seen]:
    return [m for m in person.received if any(m.button(label) for label in labels)]


async def test_buttons_of_answered_questions_are_removed(shop: Shop) -> None:
    anna = shop.customer(1)
    await anna.start()
    await question_of(anna)
    await anna.start()
    await settled(shop)
    assert len(with_buttons(anna, "Agree")) == 1, "an older question lost its buttons"
    ben = shop.customer(2)
    await shop.answer_all(ben)
    await ben.wait("Thank you")
    assert with_buttons(ben, "Agree", "Decline", "Full text") == []


async def test_buttons_of_a_withdrawal_that_was_made_are_removed(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    overview = await shop.say(anna, "/subscriptions", "Your subscriptions")
    await anna.press("Turn off: Processing of personal data", overview)
    warning = await anna.wait("this ends as well")
    await anna.press("Yes, withdraw", warning)
    left = await anna.wait("unsubscribed from 3")
    assert with_buttons(anna, "Yes, withdraw", "Keep everything") == []
    for _ in range(2):
        await anna.press("Undo", await anna.wait(lambda m, left=left: m.id == left.id))
        await settled(shop)
    remaining = next(m for m in anna.received if m.id == left.id)
    undos = [label for label in remaining.labels if label.endswith("Undo")]
    assert len(undos) == 1, "only the subscription that is left can be taken back"


async def test_buttons_of_an_erasure_that_was_made_are_removed(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    question = await shop.say(anna, "/forget", "Delete everything?")
    data = button_data(question, "Delete everything")
    first, second = await asyncio.gather(
        anna.press_data(data, question), anna.press_data(data, question)
    )
    assert first == second
    await anna.wait("Everything about you is deleted")
    assert with_buttons(anna, "Delete everything") == []
    assert [event for event, _ in events(shop)].count("erased") == 1


async def test_buttons_of_a_campaigns_steps_are_removed(shop: Shop) -> None:
    owner = shop.owner
    await shop.answer_all(shop.customer(1))
    await shop.say(owner, "/broadcast", "What is the message for")
    control = await shop.preview("First version")
    await settled(shop)
    assert with_buttons(owner, "Orders and delivery") == [], "the choice of a purpose is over"
    assert not any("Now send me" in m.text and m.buttons for m in owner.received)
    sent = await owner.send("Second version")
    fresh = await owner.wait("Preview", after=sent.id)
    await settled(shop)
    assert with_buttons(owner, "Send now") == [fresh], "only the newest preview can be sent"
    assert fresh.id != control.id
    await owner.press("Send now", fresh)
    question = await owner.wait(lambda m: m.button("Yes, send") is not None)
    await owner.press("Yes, send", question)
    await shop.finished()
    assert with_buttons(owner, "Send now", "Yes, send", "Pause", "Cancel") == []


async def test_cancelling_removes_the_buttons_of_the_conversation(shop: Shop) -> None:
    owner = shop.owner
    await shop.preview("Never mind")
    await shop.say(owner, "/cancel", "Cancelled. Nothing was sent.")
    await settled(shop)
    assert with_buttons(owner, "Send now", "Cancel") == []
