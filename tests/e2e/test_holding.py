"""A legal hold by chat, and /forget while it stands; in both languages."""

import pytest
from shop import WORDS, Shop, deliveries, eventually, query

HOLDER = {
    "en": {
        "none": "No legal hold stands",
        "held": "Held.",
        "release": "Release",
        "ask": "Release this hold?",
        "over": "is released",
        "erased": "everything about them is deleted",
        "wish": "asked to be erased",
    },
    "ru": {
        "none": "Запретов на удаление нет",
        "held": "Запрет действует",
        "release": "Снять",
        "ask": "Снять этот запрет?",
        "over": "Запрет снят",
        "erased": "всё о нём удалено",
        "wish": "попросил удалить",
    },
}
SUBJECT = {
    "en": {"forget": "a legal hold stands", "stays": "stay until a legal hold is released"},
    "ru": {"forget": "действует запрет на удаление", "stays": "пока не снят запрет на удаление"},
}


@pytest.mark.parametrize("locale", ["en", "ru"])
async def test_a_hold_keeps_proofs_until_it_is_released(shop: Shop, locale: str) -> None:
    words, theirs = HOLDER[locale], SUBJECT[locale]
    owner = shop.sandbox.person(1001, "Olga", language_code=locale)
    anna = shop.customer(1, locale)
    await shop.answer_all(anna)
    await shop.say(owner, "/hold", words["none"])
    held = await shop.say(owner, f"/hold {anna.id} case <12>", words["held"])
    assert "case <12>" in held.text
    question = await shop.say(anna, "/forget", theirs["forget"])
    await anna.press(WORDS[locale]["erase"], question)
    await anna.wait(theirs["stays"])
    assert query(shop, "SELECT DISTINCT state FROM consent") == [("withdrawn",)]
    assert query(shop, "SELECT count(*) FROM subject")[0][0] >= 1
    listed = await shop.say(owner, "/hold", words["wish"])
    (label,) = listed.labels
    assert words["release"] in label
    await owner.press(label.removeprefix("🔓 "), listed)
    asked = await owner.wait(words["ask"])
    await owner.press(words["release"], asked)
    done = await owner.wait(words["erased"])
    assert words["over"] in done.text
    assert done.labels == []
    assert query(shop, "SELECT count(*) FROM consent") == [(0,)]
    assert query(shop, "SELECT count(*) FROM legal_hold") == [(0,)]


async def test_whoever_comes_back_under_a_hold_is_served_as_before(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await shop.say(shop.owner, f"/hold {anna.id} a case", "Held.")
    await anna.press("Delete everything", await shop.say(anna, "/forget", "a legal hold stands"))
    gone = await anna.wait("stay until a legal hold is released")
    await shop.broadcast("Nobody is left")
    report = await shop.finished()
    assert "Sent: 0" in report.text
    await anna.start()
    await anna.wait(lambda m: m.id > gone.id and m.is_from_bot)
    assert query(shop, "SELECT count(*) FROM consent WHERE state = 'withdrawn'") == [(3,)]
    assert deliveries(shop) == {}


async def test_what_is_wrong_with_a_hold_is_said(shop: Shop) -> None:
    owner, anna = shop.owner, shop.customer(1)
    await shop.answer_all(anna)
    await shop.say(owner, "/hold 999 a case", "Nobody with this account")
    await shop.say(owner, f"/hold {anna.id}", "needs a reason")
    await shop.say(owner, f"/hold {anna.id} a case", "Held.")
    await shop.say(owner, f"/hold {anna.id} another case", "stands already")
    assert query(shop, "SELECT count(*) FROM legal_hold") == [(1,)]


@pytest.mark.parametrize(
    ("locale", "line"),
    [
        ("en", "Offers and discounts: 3 years (general limitation period"),
        ("ru", "Акции и скидки: 3 года (общий срок исковой давности"),
    ],
)
async def test_privacy_says_how_long_proofs_are_kept(shop: Shop, locale: str, line: str) -> None:
    await shop.say(shop.customer(1, locale), "/privacy", line)


async def test_an_erased_author_is_told_nothing_and_the_campaign_goes_on(shop: Shop) -> None:
    anna, owner = shop.customer(1), shop.owner
    await shop.answer_all(anna)
    await shop.preview("Tea for everybody")
    await owner.press("Send now")
    await shop.press(owner, "Yes, send")
    await shop.finished()
    await owner.press("Delete everything", await shop.say(owner, "/forget", "Delete everything?"))
    await owner.wait("Everything about you is deleted")

    async def is_nobodys() -> bool:
        return query(shop, "SELECT author_lookup FROM campaign") == [(b"",)]

    await eventually(is_nobodys)
    await shop.say(owner, "/campaigns", "Sent: 1")
