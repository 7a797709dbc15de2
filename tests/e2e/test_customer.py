"""A customer's way through the conversation, in both languages."""

import json
import re
from datetime import UTC, datetime

import pytest
from shop import PURPOSES, WORDS, Shop, eventually

from bot.proof import proof_file
from bot.sandbox.people import Person

LANGUAGES = ("en", "ru")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_agreeing_takes_one_tap_a_purpose_in_one_message(shop: Shop, language: str) -> None:
    anna = shop.customer(1, language)
    await shop.answer_all(anna)
    await anna.wait(WORDS[language]["thanks"])
    assert len(anna.received) == 3, "who asks, the questions, the receipts"
    receipt = anna.received[-1]
    assert str(datetime.now(UTC).year) in receipt.text
    assert len({word for word in receipt.text.split() if len(word) == 32}) == len(PURPOSES)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_start_alone_is_no_consent_and_says_who_asks_and_why(
    shop: Shop, language: str
) -> None:
    anna = shop.customer(1, language)
    await anna.start()
    await anna.wait(lambda m: m.button(WORDS[language]["agree"]) is not None)
    welcome = anna.received[0].text
    assert {"en": "Tea Shop LLC", "ru": "ООО «Чайная лавка»"}[language] in welcome
    await shop.broadcast("Nobody gets this")
    await shop.finished()
    assert not shop.advertisements(anna, "Nobody gets this")


async def test_the_title_is_the_first_line_and_nothing_is_preselected(shop: Shop) -> None:
    anna = shop.customer(1)
    await anna.start()
    question = await anna.wait(lambda m: m.button("Agree") is not None)
    assert question.text.split("\n")[0] == "Processing of personal data"
    assert [label.split(" ", 1)[1] for label in question.labels] == [
        "Agree",
        "Decline",
        "Full text",
    ]


async def test_the_full_text_is_shown_on_demand_and_back(shop: Shop) -> None:
    anna = shop.customer(1)
    await anna.start()
    question = await anna.wait(lambda m: m.button("Full text") is not None)
    await anna.press("Full text", question)
    full = await anna.wait("Federal")
    assert full.id == question.id
    await anna.press("Short version", full)
    await anna.wait(lambda m: m.button("Full text") is not None)
    await anna.press("Agree")
    await anna.wait("Orders and delivery")


async def test_what_requires_a_refused_purpose_is_not_asked(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna, "decline")
    done = await anna.wait("will not ask again")
    assert not done.buttons
    again = await shop.say(anna, "/start", "Your subscriptions")
    assert "declined on" in again.text, "a refusal is recorded and not nagged about"
    assert again.button("Turn on: Processing of personal data")


async def test_a_refusal_of_one_leaves_the_other_free(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna, "agree", "decline", "agree")
    await anna.wait("Thank you")
    await shop.broadcast("Order news", "orders")
    await shop.finished(1)
    await shop.broadcast("Offer news", "offers")
    await shop.finished(2)
    assert not shop.advertisements(anna, "Order news")
    assert len(shop.advertisements(anna, "Offer news")) == 1


@pytest.mark.parametrize("language", LANGUAGES)
async def test_one_tap_leaves_and_one_takes_it_back(shop: Shop, language: str) -> None:
    words = WORDS[language]
    anna = shop.customer(1, language)
    await shop.answer_all(anna)
    await shop.broadcast("One")
    message = await anna.wait("One")
    await anna.press(words["leave"], message)
    answer = await anna.wait(words["left"])
    await shop.finished(1)
    await shop.broadcast("Two")
    await shop.finished(2)
    assert not shop.advertisements(anna, "Two")
    await anna.press(words["undo"], answer)
    await eventually_without_button(anna, answer.id, words["undo"])
    await shop.broadcast("Three")
    await anna.wait("Three")


async def eventually_without_button(person: Person, message_id: int, label: str) -> None:
    async def gone() -> bool:
        message = next(m for m in person.received if m.id == message_id)
        return message.button(label) is None

    await eventually(gone)


@pytest.mark.parametrize(
    "word",
    [
        "/stop",
        "stop",
        "STOP!",
        "unsubscribe",
        "Стоп",
        "стоп.",
        "отписаться",
        "Отписка",
        "отпишите",
        "s\u200btop",
        "\u202eстоп\u202c",
        " stop ",
        "«Стоп»",
    ],
)
async def test_plain_words_leave_everything_but_processing(shop: Shop, word: str) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    answer = await shop.say(anna, word, "unsubscribed")
    assert sum("Undo" in label for label in answer.labels) == 2
    overview = await shop.say(anna, "/subscriptions", "Your subscriptions")
    assert overview.text.count("withdrawn on") == 2
    assert overview.text.count("agreed on") == 1, "the consent of kind processing stays"


@pytest.mark.parametrize("sentence", ["please stop", "stop it", "стоп машина", "don't stop me"])
async def test_a_sentence_with_the_word_is_not_a_withdrawal(shop: Shop, sentence: str) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await shop.say(anna, sentence, "privacy@tea.example")
    overview = await shop.say(anna, "/subscriptions", "Your subscriptions")
    assert overview.text.count("agreed on") == 3


async def test_stopping_without_subscriptions_says_so_kindly(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.say(anna, "stop", "unsubscribed")


async def test_why_is_answered_with_date_purpose_and_text(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await shop.broadcast("Why me")
    message = await anna.wait("Why me")
    await anna.press("Why do I get this?", message)
    answer = await anna.wait("You get this because")
    assert "Offers and discounts" in answer.text
    assert str(datetime.now(UTC).year) in answer.text
    assert "Consent to receive advertising" in answer.text


async def test_everything_kept_comes_as_words_and_as_json(shop: Shop) -> None:
    anna = shop.customer(1, first_name="Annabelle", last_name="Stone", username="astone")
    await shop.answer_all(anna, source="shop_window-7")
    words = await shop.say(anna, "/mydata", "What we keep about you")
    assert "Annabelle Stone" in words.text
    file = await anna.wait(lambda m: m.file_id is not None)
    facts = json.loads(anna.file(file))
    assert facts["person"]["account"] == str(anna.id)
    assert facts["person"]["source"] == "shop_window-7"
    assert [event["purpose"] for event in facts["events"]] == list(PURPOSES)
    assert all(event["shown"]["text"] for event in facts["events"])


async def test_the_proof_that_a_person_takes_away_verifies_offline(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    receipt = await anna.wait("Your receipt")
    await anna.press("Proof", receipt)
    file = await anna.wait(lambda m: m.file_id is not None)
    proof = proof_file.verify(anna.file(file))
    assert proof.payload["account"] == str(anna.id)
    assert proof.payload["purpose"] == "offers"
    assert proof.notice is not None
    assert proof.payload["shown"]["text"].startswith("Offers and discounts")


async def test_erasing_takes_one_press_and_leaves_nobody(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    question = await shop.say(anna, "/forget", "Delete everything?")
    await anna.press("Delete everything", question)
    await anna.wait("Everything about you is deleted")
    await shop.broadcast("Nobody is left")
    await shop.finished()
    assert not shop.advertisements(anna, "Nobody is left")
    await anna.start()
    fresh = await anna.wait(lambda m: m.button("Agree") is not None)
    assert fresh.text.startswith("Processing of personal data")


async def test_old_buttons_of_an_erased_person_make_nobody_anew(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await shop.broadcast("Before")
    message = await anna.wait("Before")
    question = await shop.say(anna, "/forget", "Delete everything?")
    await anna.press("Delete everything", question)
    await anna.wait("Everything about you is deleted")
    for label in ("Unsubscribe", "Why do I get this?"):
        answer = await anna.press(label, message)
        assert answer["text"]
    await shop.broadcast("After")
    report = await shop.finished(2)
    assert "Sent: 0" in report.text


async def test_the_language_changes_what_is_asked(shop: Shop) -> None:
    anna = shop.customer(1, "de")
    await anna.start()
    question = await anna.wait(lambda m: m.button("Соглашаюсь") is not None)
    await anna.press(["🇬🇧", "English"][1], anna.received[0])
    await anna.wait(lambda m: m.id == question.id and m.button("Agree") is not None)
    assert "Tea Shop LLC" in anna.received[0].text
    await shop.say(anna, "/language", "Choose a language")


async def test_free_text_gets_a_kind_answer_with_the_contact(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.say(anna, "When do you open?", "privacy@tea.example")
    await shop.say(anna, "/nonsense", "/help")
    for command in ("/help", "/privacy"):
        await shop.say(anna, command, "/mydata")


async def test_blocking_stops_sending_and_returning_is_told_first(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await anna.block()
    control = await shop.preview("While away")
    assert "blocked the bot: 1" in control.text
    await shop.owner.press("Cancel", control)
    await anna.unblock()
    told = await anna.wait("Welcome back")
    assert "Offers and discounts" in told.text
    await shop.broadcast("Again here")
    await anna.wait("Again here")
    overview = await shop.say(anna, "/subscriptions", "Your subscriptions")
    assert overview.text.count("agreed on") == 3, "blocking is not a withdrawal"


async def test_a_pause_rests_messages_and_no_consent(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    overview = await shop.say(anna, "/subscriptions", "Your subscriptions")
    await anna.press("Pause", overview)
    question = await anna.wait("For how long")
    await anna.press("7 days", question)
    await anna.wait("paused until")
    control = await shop.preview("Not now")
    assert "paused all messages: 1" in control.text
    await anna.press("Resume")
    await anna.wait(lambda m: m.button("Pause") is not None)
    await shop.broadcast("Now")
    await anna.wait("Now")


async def test_withdrawing_a_prerequisite_says_first_what_ends_with_it(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    overview = await shop.say(anna, "/subscriptions", "Your subscriptions")
    await anna.press("Turn off: Processing of personal data", overview)
    warning = await anna.wait("this ends as well")
    assert "Offers and discounts" in warning.text
    assert "Orders and delivery" in warning.text
    await anna.press("Yes, withdraw", warning)
    answer = await anna.wait("unsubscribed from 3")
    assert sum("Undo" in label for label in answer.labels) == 3
    await shop.broadcast("Nothing holds")
    await shop.finished()
    assert not shop.advertisements(anna, "Nothing holds")


async def test_a_material_change_asks_again_with_the_difference(closed_shop: Shop) -> None:
    shop = closed_shop
    await shop.open()
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await shop.close()
    shop.change_purposes("new teas and selections.", "every single day.")
    await shop.open()
    question = await anna.wait("has changed, so we ask you again")
    assert "every single day" in question.text
    assert "new teas and selections" in question.text
    await shop.broadcast("Too early")
    await shop.finished(1)
    assert not shop.advertisements(anna, "Too early")
    await anna.press("Agree", question)
    await anna.wait("Thank you")
    await shop.broadcast("Now again")
    await anna.wait("Now again")


async def test_an_editorial_change_asks_nobody(closed_shop: Shop) -> None:
    shop = closed_shop
    shop.change_purposes('id = "offers"', 'id = "offers"\nreask = false')
    await shop.open()
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await shop.close()
    shop.change_purposes("new teas and selections.", "new teas, and selections.")
    await shop.open()
    await shop.broadcast("Still agreed")
    await anna.wait("Still agreed")
    assert all("has changed" not in message.text for message in anna.received)


async def test_double_opt_in_sends_nothing_before_the_confirmation(closed_shop: Shop) -> None:
    shop = closed_shop
    shop.change_purposes('id = "offers"', 'id = "offers"\ndouble_opt_in = true')
    await shop.open()
    anna = shop.customer(1)
    await shop.answer_all(anna, "agree", "agree")
    question = await anna.wait(lambda m: m.button("Agree") is not None)
    await anna.press("Agree", question)
    confirm = await anna.wait(lambda m: m.button("Confirm") is not None)
    await shop.broadcast("Unconfirmed")
    await shop.finished(1)
    assert not shop.advertisements(anna, "Unconfirmed")
    await anna.press("Confirm", confirm)
    await anna.wait("Thank you")
    await shop.broadcast("Confirmed")
    await anna.wait("Confirmed")


async def test_menus_and_descriptions_are_set_in_every_locale(shop: Shop) -> None:
    world = shop.sandbox.world

    async def is_set() -> bool:
        return "all_private_chats::en" in world.commands

    await eventually(is_set)
    names = [command["command"] for command in world.commands["all_private_chats::en"]]
    assert names == [
        "start",
        "subscriptions",
        "stop",
        "privacy",
        "mydata",
        "forget",
        "language",
        "help",
    ]
    assert "Чайная лавка" in world.texts["description:ru"]
    assert "Tea Shop" in world.texts["short_description:en"]
    await shop.say(shop.owner, "/help", "/broadcast")
    for_owner = world.commands[f"chat:{shop.owner.id}:en"]
    assert {"broadcast", "campaigns", "export", "staff"} <= {c["command"] for c in for_owner}


@pytest.mark.parametrize("command", ["/STOP", "/Stop@tea_shop_bot", "/stop now"])
async def test_commands_are_taken_without_case(shop: Shop, command: str) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await shop.say(anna, command, "unsubscribed from 2")


async def test_leaving_twice_is_told_truly_and_leaves_the_other_subscription(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await shop.broadcast("Offer")
    message = await anna.wait("Offer\n")
    await anna.press("Unsubscribe", message)
    first = await anna.wait("We send nothing more about it")
    assert "Entry no." in first.text, "leaving brings a receipt as well"
    await anna.press("Unsubscribe", message)
    await anna.wait("unsubscribed from “Offers and discounts” already")
    overview = await shop.say(anna, "/subscriptions", "Your subscriptions")
    assert overview.text.count("agreed on") == 2


async def test_a_language_that_is_served_no_longer_stops_nobody(closed_shop: Shop) -> None:
    shop = closed_shop
    await shop.open()
    anna = shop.customer(1, "en")
    await shop.answer_all(anna)
    await shop.broadcast("Before the change")
    message = await anna.wait("Before the change")
    await shop.finished()
    await shop.close()
    text = shop.purposes_file.read_text().replace('locales = ["ru", "en"]', 'locales = ["ru"]')
    lines = [re.sub(r', en = "[^"]*"', "", line) for line in text.splitlines()]
    shop.purposes_file.write_text("\n".join(lines) + "\n")
    await shop.open()
    await anna.wait("изменился")
    await anna.press("Unsubscribe", message)
    await anna.wait("отписаны")
    await shop.say(anna, "/subscriptions", "Ваши подписки")


async def test_erased_means_gone_from_the_write_ahead_log_too(shop: Shop) -> None:
    anna = shop.customer(1, first_name="Annabelle")
    await shop.answer_all(anna)
    question = await shop.say(anna, "/forget", "Delete everything?")
    wal = shop.database_file.with_name("assent.db-wal")
    assert wal.stat().st_size > 0
    await anna.press("Delete everything", question)
    await anna.wait("is deleted")

    async def is_empty() -> bool:
        return wal.stat().st_size < 100_000

    await eventually(is_empty)
