"""An operator's way: write, look, send, stop; and what the law stands against."""

from pathlib import Path

import pytest
from shop import WORDS, Shop, eventually

from bot.proof import verifier
from bot.sandbox.people import Seen
from bot.sandbox.refusal import Refusal, bad_request

ADVISORY = """[[advisory]]
id = "RU-38FZ-5-10.7"
accepted_by = "О. П. Чайкина, генеральный директор"
accepted_on = 2026-11-24
"""


def message_before(owner_messages: list[Seen], control: Seen) -> Seen:
    return next(m for m in reversed(owner_messages) if m.id < control.id)


async def test_the_preview_is_exactly_what_arrives(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    owner = shop.owner
    asked = await shop.say(owner, "/broadcast", "What is the message for")
    await owner.press("Offers and discounts", asked)
    await owner.wait("Now send me")
    entities = [
        {"type": "bold", "offset": 0, "length": 5},
        {"type": "text_link", "offset": 9, "length": 4, "url": "https://tea.example/"},
    ]
    await owner.send("Green 🍵 tea! <b>&amp;</b>", entities=entities)
    control = await owner.wait("Preview")
    preview = message_before(owner.received, control)
    await owner.press("Send now", control)
    await shop.press(owner, "Yes, send")
    arrived = await anna.wait("Green")
    assert (arrived.text, arrived.entities, arrived.labels) == (
        preview.text,
        preview.entities,
        preview.labels,
    )
    assert arrived.text.endswith("Реклама. ООО «Чайная лавка», ИНН 7707083893")
    assert {e["type"] for e in arrived.entities} == {"bold", "text_link"}


async def test_purposes_of_kind_processing_are_not_offered(shop: Shop) -> None:
    asked = await shop.say(shop.owner, "/broadcast", "What is the message for")
    assert asked.labels[:-1] == ["Orders and delivery", "Offers and discounts"]


async def test_the_counts_say_who_is_left_out_and_why(shop: Shop) -> None:
    yes, no, gone, silent, blocked, erased = (shop.customer(n) for n in range(1, 7))
    for person in (yes, gone, blocked, erased):
        await shop.answer_all(person)
    await shop.answer_all(no, "agree", "agree", "decline")
    await silent.start()
    await silent.wait("Processing")
    await shop.say(gone, "/stop", "unsubscribed")
    await blocked.block()
    await erased.press("Delete everything", await shop.say(erased, "/forget", "Delete everything?"))
    await erased.wait("is deleted")
    control = await shop.preview("Count")
    for line in (
        "1 person will receive it",
        "declined: 1",
        "left: 1",
        "blocked the bot: 1",
        "erased: 1",
        "never answered: 2",  # silent, and the owner herself
    ):
        assert line in control.text


async def test_a_photo_with_caption_and_link_buttons_arrives_whole(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    owner = shop.owner
    await owner.press(
        "Offers and discounts", await shop.say(owner, "/broadcast", "What is the message for")
    )
    await owner.wait("Now send me")
    await owner.send_photo(b"\xff\xd8picture", "Look at this")
    control = await owner.wait("Preview")
    await owner.press("Link buttons", control)
    await owner.wait("each on a line")
    bad = await owner.send("Our shop example.com")
    await owner.wait("Line 1 is not a button", after=bad.id)
    good = await owner.send("Our shop - https://tea.example/shop")
    control = await owner.wait("Preview", after=good.id)
    await owner.press("Send now", control)
    await shop.press(owner, "Yes, send")
    arrived = await anna.wait("Look at this")
    assert anna.file(arrived) == b"\xff\xd8picture"
    assert arrived.buttons[0] == {"text": "Our shop", "url": "https://tea.example/shop"}
    assert arrived.button("Unsubscribe")


async def test_a_document_can_be_sent(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    owner = shop.owner
    await owner.press(
        "Orders and delivery", await shop.say(owner, "/broadcast", "What is the message for")
    )
    await owner.wait("Now send me")
    await owner.send_document(b"%PDF-", "terms.pdf", "New terms")
    await owner.press("Send now", await owner.wait("Preview"))
    await shop.press(owner, "Yes, send")
    arrived = await anna.wait("New terms")
    assert "Реклама" not in arrived.text, "an informational message is not labelled"
    assert anna.file(arrived) == b"%PDF-"


async def test_a_test_goes_to_the_operator_alone(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    control = await shop.preview("Only me")
    before = len(shop.advertisements(shop.owner, "Only me"))
    await shop.owner.press("Test to me", control)

    async def came() -> bool:
        return len(shop.advertisements(shop.owner, "Only me")) == before + 1

    await eventually(came)
    assert not shop.advertisements(anna, "Only me")
    sample = shop.advertisements(shop.owner, "Only me")[-1]
    for label in ("Unsubscribe", "Why do I get this?"):
        assert "preview" in (await shop.owner.press(label, sample))["text"]


async def test_length_is_counted_as_telegram_counts_with_the_label(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    owner = shop.owner
    label = "\n\nРеклама. ООО «Чайная лавка», ИНН 7707083893"
    fits = "🍵" * ((4096 - len(label)) // 2)
    await owner.press(
        "Offers and discounts", await shop.say(owner, "/broadcast", "What is the message for")
    )
    await owner.wait("Now send me")
    long = await owner.send(fits + "🍵")
    refused = await owner.wait("too long", after=long.id)
    assert "by 1" in refused.text or "by 2" in refused.text
    again = await owner.send(fits)
    await owner.press("Send now", await owner.wait("Preview", after=again.id))
    await shop.press(owner, "Yes, send")
    await anna.wait(lambda m: m.text.startswith(fits))


@pytest.mark.parametrize("body", [{"sticker": {"file_id": "s"}}, {"location": {}}, {"dice": {}}])
async def test_what_cannot_be_sent_on_is_said(shop: Shop, body: dict[str, object]) -> None:
    known = {
        "sticker": {
            "file_id": "s",
            "file_unique_id": "u",
            "type": "regular",
            "width": 1,
            "height": 1,
            "is_animated": False,
            "is_video": False,
        },
        "location": {"latitude": 1.0, "longitude": 2.0},
        "dice": {"emoji": "🎲", "value": 3},
    }
    kind = next(iter(body))
    owner = shop.owner
    await owner.press(
        "Offers and discounts", await shop.say(owner, "/broadcast", "What is the message for")
    )
    await owner.wait("Now send me")
    await owner.send_body({kind: known[kind]})
    await owner.wait("Send text, a photo or a document")
    sent = await owner.send("A text is fine")
    await owner.wait("Preview", after=sent.id)


async def test_an_album_is_answered_once(shop: Shop) -> None:
    owner = shop.owner
    await owner.press(
        "Offers and discounts", await shop.say(owner, "/broadcast", "What is the message for")
    )
    await owner.wait("Now send me")
    for _ in range(3):
        await owner.send_photo(b"\xff\xd8", media_group_id="g1")
    await owner.wait("Albums cannot be sent")
    await shop.say(owner, "/help", "/broadcast")
    assert sum("Albums" in message.text for message in owner.received) == 1


async def test_leaving_words_work_inside_a_conversation_of_staff(shop: Shop) -> None:
    owner = shop.owner
    await shop.answer_all(owner)
    await owner.press(
        "Offers and discounts", await shop.say(owner, "/broadcast", "What is the message for")
    )
    await owner.wait("Now send me")
    await shop.say(owner, "Стоп", "unsubscribed")
    nothing = await owner.send("This is not content any more")
    await owner.wait("privacy@tea.example", after=nothing.id)


async def test_cancel_leaves_any_conversation(shop: Shop) -> None:
    owner = shop.owner
    await owner.press(
        "Offers and discounts", await shop.say(owner, "/broadcast", "What is the message for")
    )
    await owner.wait("Now send me")
    await shop.say(owner, "/cancel", "Cancelled. Nothing was sent.")
    await shop.say(owner, "/cancel", "There is nothing to cancel.")


async def test_advertising_without_an_accepted_advisory_is_refused_by_name(
    closed_shop: Shop,
) -> None:
    shop = closed_shop
    shop.change_purposes(ADVISORY, "")
    await shop.open()
    owner = shop.owner
    asked = await shop.say(owner, "/broadcast", "What is the message for")
    await owner.press("Offers and discounts", asked)
    refused = await owner.wait("This cannot be sent")
    assert "RU-38FZ-5-10.7" in refused.text
    assert not refused.button("Send now")
    asked = await shop.say(owner, "/broadcast", "What is the message for")
    await owner.press("Orders and delivery", asked)
    await owner.wait("Now send me")


async def test_a_double_press_sends_once(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await shop.preview("Once only")
    await shop.owner.press("Send now")
    question = await shop.owner.wait(lambda m: m.button("Yes, send") is not None)
    data = question.button("Yes, send")
    assert data is not None
    await shop.owner.press_data(data["callback_data"], question)
    await shop.owner.press_data(data["callback_data"], question)
    await shop.finished()
    assert len(shop.advertisements(anna, "Once only")) == 1


async def test_a_scheduled_campaign_tells_when_it_begins_and_ends(shop: Shop) -> None:
    owner = shop.owner
    control = await shop.preview("Later")
    await owner.press("Schedule", control)
    await owner.wait("When shall it start")
    bad = await owner.send("sometime")
    await owner.wait("could not read this time", after=bad.id)
    past = await owner.send("2020-01-01 10:00")
    await owner.wait("passed already", after=past.id)
    good = await owner.send("tomorrow 10:00")
    planned = await owner.wait("starts on", after=good.id)
    assert planned.button("Cancel")
    listed = await shop.say(owner, "/campaigns", "№1")
    assert "starts on" in listed.text
    await owner.press("Cancel", listed)
    await owner.wait(lambda m: m.id == listed.id and "cancelled" in m.text)


async def test_pause_resume_and_cancel_act_on_a_running_campaign(closed_shop: Shop) -> None:
    shop = closed_shop
    shop.rate = 20
    await shop.open()
    people = [shop.customer(n) for n in range(1, 7)]
    for person in people:
        await shop.answer_all(person)
    await shop.preview("Slow")
    await shop.owner.press("Send now")
    question = await shop.owner.wait(lambda m: m.button("Yes, send") is not None)
    for person in people:
        shop.sandbox.fault("delay", method="sendMessage", chat_id=person.id, seconds=0.7)
    await shop.owner.press("Yes, send", question)
    running = await shop.owner.wait(lambda m: m.button("Pause") is not None)
    await shop.owner.press("Pause", running)
    await shop.owner.wait(lambda m: m.button("Resume") is not None)
    await shop.owner.press("Resume")
    await shop.finished()
    assert all(len(shop.advertisements(person, "Slow")) == 1 for person in people)


async def test_what_everybody_is_refused_pauses_the_campaign_and_says_so(shop: Shop) -> None:
    people = [shop.customer(n) for n in range(1, 26)]
    for person in people:
        await shop.answer_all(person)
    await shop.preview("Broken for all")
    await shop.owner.press("Send now")
    refusal: Refusal = bad_request("WEBPAGE_CURL_FAILED")
    for person in people:
        shop.sandbox.refuse(refusal, method="sendMessage", chat_id=person.id)
    await shop.press(shop.owner, "Yes, send")
    told = await shop.owner.wait("refuses the message for everybody", seconds=20)
    assert "Uncertain: 0" in told.text


async def test_campaigns_show_doubtful_sends(shop: Shop) -> None:
    anna, ben = shop.customer(1), shop.customer(2)
    await shop.answer_all(anna)
    await shop.answer_all(ben)
    await shop.preview("In doubt")
    await shop.owner.press("Send now")
    shop.sandbox.fault("reset_after", method="sendMessage", chat_id=anna.id)
    await shop.press(shop.owner, "Yes, send")
    await shop.finished()
    listed = await shop.say(shop.owner, "/campaigns", "№1")
    assert "Uncertain: 1" in listed.text
    assert len(shop.advertisements(anna, "In doubt")) == 1, "never sent again"
    shop.sandbox.person(shop.owner.id, "Olga").account.language_code = "ru"
    await shop.owner.press("Русский", await shop.say(shop.owner, "/language", "Choose"))
    listed = await shop.say(shop.owner, "/campaigns", "№1")
    assert "Неясно: 1" in listed.text


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_the_operators_way_in_each_language(shop: Shop, language: str) -> None:
    words = WORDS[language]
    anna = shop.customer(1, language)
    await shop.answer_all(anna)
    owner = shop.sandbox.person(shop.owner.id, "Olga")
    owner.account.language_code = language
    sent = await owner.send("/broadcast")
    asked = await owner.wait(lambda m: m.button(words["offers"]) is not None, after=sent.id)
    await owner.press(words["offers"], asked)
    written = await owner.send("Самовар")
    control = await owner.wait(words["preview"], after=written.id)
    await owner.press(words["send"], control)
    await shop.press(owner, words["yes"])
    await anna.wait("Самовар")


async def test_the_consent_log_comes_as_files(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    asked = await shop.say(shop.owner, "/export", "For which period")
    await shop.owner.press("Everything", asked)
    await shop.owner.press("All purposes", await shop.owner.wait("For which purpose"))
    await shop.owner.wait("python -m bot verify")
    names = [m.facts["document"]["file_name"] for m in shop.owner.received if m.file_id]
    assert [name.rsplit(".", 1)[-1] for name in names] == ["csv", "jsonl", "zip"]


async def test_numbers_and_staff_are_shown_to_the_owner(shop: Shop) -> None:
    await shop.answer_all(shop.customer(1))
    await shop.say(shop.owner, "/stats", "Agreed: 1")
    await shop.say(shop.owner, "/staff", str(shop.owner.id))


async def test_an_old_preview_cannot_send_the_newer_text(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    old = await shop.preview("The first wording")
    data = old.button("Send now")
    assert data is not None
    newer = await shop.owner.send("The second wording")
    await shop.owner.wait("Preview", after=newer.id)
    answer = await shop.owner.press_data(data["callback_data"], old)
    assert "changed after this preview" in answer["text"]
    confirm = data["callback_data"].replace(":send:", ":yes:")
    answer = await shop.owner.press_data(confirm, old)
    assert "changed after this preview" in answer["text"]
    assert "Nothing has been sent" in (await shop.say(shop.owner, "/campaigns", "sent")).text


async def test_the_public_bundle_verifies_and_opens_nobody(shop: Shop, tmp_path: Path) -> None:
    anna = shop.customer(1, first_name="Quaxby")
    await shop.answer_all(anna)
    asked = await shop.say(shop.owner, "/export", "For which period")
    await shop.owner.press("Only for checking, nobody's data", asked)
    told = await shop.owner.wait("may be published")
    [sent] = [m for m in shop.owner.received if asked.id <= m.id <= told.id and m.file_id]
    path = tmp_path / "public.zip"
    path.write_bytes(shop.owner.file(sent))
    report = verifier.verify_file(path)
    assert report.ok, report.failures
    assert str(anna.id).encode() not in path.read_bytes()
    assert b"Quaxby" not in path.read_bytes()
