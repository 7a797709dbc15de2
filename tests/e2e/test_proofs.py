"""A person takes their proofs away, in both languages, and they convince without us."""

import io
import json
import re
import shutil
import zipfile
from base64 import b64decode

import pytest
from shop import WORDS, Shop, query

from bot.proof import proof_file, verifier
from bot.sandbox.people import Person, Seen

LANGUAGES = ("en", "ru")
SAID = {
    "en": {
        "receipt": "Your receipt",
        "kept": "What we keep about you",
        "choose": "Your proofs: {} answer",
        "zip": "Proofs of {} answers",
        "all": "All of them",
        "other": "Other proofs",
        "older": "Older ➡️",
        "forget": "Delete everything?",
        "not proven": "It does not prove who held the phone",
        "unsubscribed": "unsubscribed",
        "again": "subscribed to “Offers and discounts” again",
        "withdrawn": "withdrawn",
        "nothing": "nothing to prove yet",
        "later": "Please ask for it again later",
    },
    "ru": {
        "receipt": "Ваша квитанция",
        "kept": "Что мы о вас храним",
        "choose": "Ваши доказательства: {} ответ",
        "zip": "Доказательства: {} ответ",
        "all": "Все сразу",
        "other": "Другие доказательства",
        "older": "Более ранние ➡️",
        "forget": "Удалить всё?",
        "not proven": "не говорит, кто держал телефон",
        "unsubscribed": "отписаны",
        "again": "Вы снова подписаны на «Акции и скидки»",
        "withdrawn": "отозвано",
        "nothing": "доказывать пока нечего",
        "later": "Попросите его позже",
    },
}
CAPTION_LIMIT = 1024


async def album(person: Person, after: int = 0) -> list[Seen]:
    """Wait for three files that belong together."""
    last = await person.wait(
        lambda m: m.file_id is not None and bool(m.text) and "media_group_id" in m.facts,
        after=after,
    )
    group = last.facts["media_group_id"]
    return [m for m in person.received if m.facts.get("media_group_id") == group]


def names(messages: list[Seen]) -> list[str]:
    return [message.facts["document"]["file_name"] for message in messages]


def opened(person: Person, messages: list[Seen]) -> proof_file.Proof:
    """Check the files of an album against each other as a stranger would."""
    page, receipt, proof = (person.file(message) for message in messages)
    report = verifier.verify_proof(proof, "proof")
    assert report.ok, report.failures
    assert report.proof is not None
    facts = json.loads(receipt)
    assert facts["dct:provenance"]["entry_id"] == report.proof.entry.id
    embedded = re.findall(rb'id="embedded-(proof|receipt)">([^<]*)<', page)
    assert {name: b64decode(data) for name, data in embedded} == {
        b"proof": proof,
        b"receipt": receipt,
    }
    return report.proof


def last_id(person: Person) -> int:
    return person.received[-1].id


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_button_under_the_receipt_brings_three_files_that_verify(
    shop: Shop, language: str
) -> None:
    words = SAID[language]
    anna = shop.customer(1, language, first_name="<b>Anna</b>\u202e", last_name="A&B")
    await shop.answer_all(anna)
    await anna.press(WORDS[language]["proof"], await anna.wait(words["receipt"]))
    files = await album(anna)
    proof = opened(anna, files)
    assert proof.payload["account"] == str(anna.id)
    assert proof.payload["purpose"] == "offers"
    assert proof.notice is not None
    assert proof.payload["shown"]["text"].startswith(WORDS[language]["offers"])
    start = proof.entry.id[:8]
    assert names(files) == [
        f"proof-{start}.html",
        f"receipt-{start}.jsonld",
        f"proof-{start}.tlog-proof",
    ]
    assert [bool(message.text) for message in files] == [False, False, True]
    caption = files[-1].text
    assert len(caption) <= CAPTION_LIMIT
    assert words["not proven"] in caption
    assert f"python -m bot verify proof-{start}.tlog-proof" in caption
    receipt = json.loads(anna.file(files[1]))
    assert receipt["dct:language"] == language
    everything = "".join(anna.file(each).decode() for each in files) + caption
    assert "A&B" not in everything
    assert str(anna.id) not in "".join(names(files)) + caption


@pytest.mark.parametrize("language", LANGUAGES)
async def test_all_answers_are_listed_and_fit_one_file(shop: Shop, language: str) -> None:
    words = SAID[language]
    anna = shop.customer(1, language)
    await shop.answer_all(anna)
    kept = await shop.say(anna, "/mydata", words["kept"])
    await anna.press(WORDS[language]["proof"], kept)
    choice = await anna.wait(words["choose"].format(3))
    assert [label.split(" · ")[-1] for label in choice.labels[:3]] == [
        WORDS[language]["offers"],
        WORDS[language]["orders"],
        {"en": "Processing of personal data", "ru": "Обработка персональных данных"}[language],
    ]
    await anna.press_data(choice.buttons[2]["callback_data"], choice)
    assert opened(anna, await album(anna)).payload["purpose"] == "personal-data"
    await anna.press(words["all"], choice)
    sent = await anna.wait(words["zip"].format(3), after=choice.id)
    assert names([sent]) == ["proofs.zip"]
    assert len(sent.text) <= CAPTION_LIMIT
    with zipfile.ZipFile(io.BytesIO(anna.file(sent))) as archive:
        assert len(archive.namelist()) == 7
        for name in archive.namelist():
            if name.endswith(".tlog-proof"):
                assert verifier.verify_proof(archive.read(name), name).ok


async def test_more_answers_than_fit_a_list_are_turned_like_pages(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    for _ in range(3):
        left = await shop.say(anna, "/stop", "unsubscribed from 2")
        for label in [label for label in left.labels if label.endswith("Undo")]:
            before = last_id(anna)
            button = next(b for b in left.buttons if b["text"] == label)
            await anna.press_data(button["callback_data"], left)
            await anna.wait("again", after=before)
    await shop.say(anna, "/mydata", "What we keep about you")
    await anna.press("Proof")
    first = await anna.wait("Your proofs: 15 answers")
    assert len(first.buttons) == 8 + 2
    await anna.press("Older ➡️", first)
    second = await anna.wait(lambda m: m.id == first.id and m.button("Newer") is not None)
    assert len(second.buttons) == 7 + 2
    entries = {query(shop, "SELECT count(*) FROM consent_event")[0][0]}
    assert entries == {15}
    await anna.press("Newer", second)
    await anna.wait(lambda m: m.id == first.id and m.button("Older ➡️") is not None)
    answer = await anna.press_data("pl:999", first)
    assert answer["show_alert"] is False
    await anna.wait(lambda m: m.id == first.id and m.button("Newer") is not None)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_after_stop_each_withdrawal_has_its_proof_which_nobody_can_deny(
    shop: Shop, language: str
) -> None:
    words = SAID[language]
    anna = shop.customer(1, language)
    await shop.answer_all(anna)
    left = await shop.say(anna, "/stop", words["unsubscribed"])
    proofs = [b for b in left.buttons if b["text"].endswith(WORDS[language]["proof"])]
    proven = set()
    for button in proofs:
        before = last_id(anna)
        await anna.press_data(button["callback_data"], left)
        files = await album(anna, before)
        assert words["withdrawn"] in files[-1].text
        proof = opened(anna, files)
        assert proof.entry.type == "consent.withdrawn"
        proven.add(proof.payload["purpose"])
    assert proven == {"orders", "offers"}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_one_withdrawal_and_its_undo_have_their_proofs(shop: Shop, language: str) -> None:
    words = WORDS[language]
    anna = shop.customer(1, language)
    await shop.answer_all(anna)
    await shop.broadcast("A new jasmine")
    await anna.press(words["leave"], await anna.wait("A new jasmine"))
    left = await anna.wait(SAID[language]["unsubscribed"])
    await anna.press(words["proof"], left)
    assert opened(anna, await album(anna)).entry.type == "consent.withdrawn"
    before = last_id(anna)
    await anna.press(words["undo"], left)
    back = await anna.wait(SAID[language]["again"], after=before)
    await anna.press(words["proof"], back)
    proof = opened(anna, await album(anna, back.id))
    assert (proof.entry.type, proof.payload["method"]) == ("consent.granted", "undo")


async def test_the_consent_behind_a_message_has_its_proof(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await shop.broadcast("A new jasmine")
    await anna.press("Why do I get this?", await anna.wait("A new jasmine"))
    why = await anna.wait("You get this because")
    await anna.press("Proof", why)
    assert opened(anna, await album(anna)).payload["purpose"] == "offers"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_before_erasing_one_press_takes_everything(shop: Shop, language: str) -> None:
    words = SAID[language]
    anna = shop.customer(1, language)
    await shop.answer_all(anna)
    question = await shop.say(anna, "/forget", words["forget"])
    await anna.press(WORDS[language]["proof"], question)
    taken = await anna.wait(words["zip"].format(3), after=question.id)
    await anna.press(WORDS[language]["erase"], question)
    await anna.wait(lambda m: m.id == question.id and not m.buttons)
    with zipfile.ZipFile(io.BytesIO(anna.file(taken))) as archive:
        proofs = [n for n in archive.namelist() if n.endswith(".tlog-proof")]
        assert all(verifier.verify_proof(archive.read(n), n).ok for n in proofs)
    answer = await anna.press_data("pa", question)
    assert answer["show_alert"] is True, "nobody's proofs any more"


async def test_one_answer_alone_comes_without_a_list(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna, "decline")
    await anna.wait("will not ask again")
    question = await shop.say(anna, "/forget", "Delete everything?")
    await anna.press("Proof", question)
    assert opened(anna, await album(anna)).entry.type == "consent.refused"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_without_answers_there_is_nothing_to_prove(shop: Shop, language: str) -> None:
    anna = shop.customer(1, language)
    kept = await shop.say(anna, "/mydata", SAID[language]["kept"])
    await anna.press(WORDS[language]["proof"], kept)
    await anna.wait(SAID[language]["nothing"])


async def test_nobody_gets_anothers_proof_by_its_button(shop: Shop) -> None:
    anna, boris = shop.customer(1), shop.customer(2)
    await shop.answer_all(anna)
    await shop.answer_all(boris)
    receipt = await anna.wait("Your receipt")
    data = receipt.button("Proof")
    assert data is not None
    answer = await boris.press_data(data["callback_data"])
    assert "not for you" in answer["text"]
    assert all(message.file_id is None for message in boris.received)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_while_a_copy_is_put_back_the_proof_comes_later_and_is_said_to(
    closed_shop: Shop, language: str
) -> None:
    shop, words = closed_shop, SAID[language]
    await shop.open()
    anna = shop.customer(1, language)
    await shop.close()
    shutil.copytree(shop.folder / "data", shop.folder / "copy")
    await shop.open()
    await shop.answer_all(anna)
    await anna.press(WORDS[language]["proof"], await anna.wait(words["receipt"]))
    await album(anna)  # a checkpoint is signed
    await shop.close()
    shutil.rmtree(shop.folder / "data")
    shutil.copytree(shop.folder / "copy", shop.folder / "data")
    await shop.open()
    boris = shop.customer(2, language)
    await shop.answer_all(boris, "decline")
    await boris.press(WORDS[language]["proof"], await boris.wait(words["receipt"]))
    told = await boris.wait(words["later"])
    assert all(message.file_id is None for message in boris.received)
    assert not told.buttons


async def test_every_file_of_an_album_counts_against_the_permitted_rate(closed_shop: Shop) -> None:
    shop = closed_shop
    shop.rate = 4
    await shop.open()
    anna = shop.customer(1)
    await shop.answer_all(anna, "decline")
    receipt = await anna.wait("Your receipt")
    for _ in range(3):
        before = last_id(anna)
        await anna.press("Proof", receipt)
        await album(anna, before)
    messages = [
        call.started
        for call in shop.sandbox.sent(anna.id)
        for _ in (call.response["result"] if call.method == "sendMediaGroup" else [None])
    ]
    assert len(messages) >= 3 * 3
    for start in messages:
        assert sum(start <= at < start + 1 for at in messages) <= shop.rate
