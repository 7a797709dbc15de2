"""An admin answers a complaint in the chat: whom it is about, two files, and the way out."""

import base64
import json
from typing import Any

import pytest
from shop import OWNER_ID, Shop, query, settled

from bot.proof import note, proof_file
from bot.sandbox.people import Person, Seen

SAYS = {
    "en": {
        "ask": "Whom is it about?",
        "done": "keep them safe",
        "hidden": "hides their account",
        "group": "in the name of a group",
        "nobody": "Nobody is kept here",
        "what": "I cannot read this",
        "none": "no such entry",
        "cancel": "Cancel",
        "cancelled": "Cancelled. Nobody",
        "title": "<h1>Dossier</h1>",
    },
    "ru": {
        "ask": "О ком речь?",
        "done": "берегите их",
        "hidden": "скрывает аккаунт",
        "group": "от имени группы",
        "nobody": "здесь никого нет",
        "what": "Не могу это прочесть",
        "none": "записи в журнале нет",
        "cancel": "Отмена",
        "cancelled": "Отменено. Никого",
        "title": "<h1>Досье</h1>",
    },
}


@pytest.fixture(params=["en", "ru"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def admin(shop: Shop, language: str) -> Person:
    """The owner, who speaks a language; the first one who asks decides which."""
    return shop.sandbox.person(OWNER_ID, "Olga", language_code=language)


def origin_of(person: Person) -> dict[str, Any]:
    user = {"id": person.id, "is_bot": False, "first_name": person.account.first_name}
    return {"type": "user", "date": 1, "sender_user": user}


async def files_after(person: Person, after: int) -> dict[str, bytes]:
    """The documents that came since, by their suffix."""
    return {
        seen.facts["document"]["file_name"]: person.file(seen)
        for seen in person.received
        if seen.file_id and seen.id > after
    }


async def answered(shop: Shop, language: str, person: Person) -> dict[str, Any]:
    """Wait for the answer to what was said last; return the JSON, having looked at the page."""
    asked = max(seen.id for seen in person.messages if not seen.is_from_bot)
    await person.wait(SAYS[language]["done"], after=asked)
    files = await files_after(person, asked)
    page, facts = (
        next(content for name, content in files.items() if name.endswith(suffix))
        for suffix in (".html", ".json")
    )
    read: dict[str, Any] = json.loads(facts)
    assert set(files) == {
        f"dossier-{read['person']['subject'][:8]}.{suffix}" for suffix in ("html", "json")
    }
    assert SAYS[language]["title"] in page.decode()
    assert str(read["person"]["account"]) in page.decode()
    return read


def states(shop: Shop) -> int:
    return int(query(shop, "SELECT count(*) FROM conversation")[0][0])


async def test_a_complaint_is_answered_by_every_way_to_name_a_person(
    shop: Shop, language: str
) -> None:
    says, olga = SAYS[language], admin(shop, language)
    anna = shop.customer(1)
    await shop.answer_all(anna)
    receipt = await anna.wait("Your receipt")
    await shop.say(anna, "/stop", "unsubscribed")
    await olga.send(f"/dossier {anna.id}")
    facts = await answered(shop, language, olga)
    assert facts["person"]["account"] == str(anna.id)
    withdrawals = [one for one in facts["endings"] if one["event"] == "withdrawn"]
    assert len(withdrawals) == 2
    for one in withdrawals:
        assert one["acted"] is not None
        assert 0 <= one["seconds_from_storing"] < 30
    key = note.parse_key(facts["log"]["key"])
    for one in facts["events"]:
        proof = proof_file.verify(base64.b64decode(one["proof"]), key)
        assert proof.payload["account"] == str(anna.id)
    entry = facts["events"][0]
    for named in (entry["entry_id"], f"no. {entry['index']}",
                  receipt.text):  # fmt: skip
        await shop.say(olga, "/dossier", says["ask"])
        await olga.send(named)
        assert (await answered(shop, language, olga))["person"] == facts["person"]
    await shop.say(olga, "/dossier", says["ask"])
    await olga.send_body({"text": "I never agreed!", "forward_origin": origin_of(anna)})
    assert (await answered(shop, language, olga))["person"] == facts["person"]
    assert states(shop) == 0, "the conversation is over"


async def test_a_forwarded_stop_is_the_complaint_and_not_the_admins_own(shop: Shop) -> None:
    olga, anna = admin(shop, "en"), shop.customer(1)
    await shop.answer_all(olga)
    await shop.answer_all(anna)
    await shop.say(olga, "/dossier", "Whom is it about?")
    await olga.send_body({"text": "stop", "forward_origin": origin_of(anna)})
    facts = await answered(shop, "en", olga)
    assert facts["person"]["account"] == str(anna.id)
    assert query(shop, "SELECT count(*) FROM consent_event WHERE event = 'withdrawn'") == [(0,)]
    await shop.say(olga, "/dossier", "Whom is it about?")
    await shop.say(olga, "stop", "unsubscribed")
    assert query(shop, "SELECT count(*) FROM consent_event WHERE event = 'withdrawn'") == [(2,)]


async def test_what_names_nobody_is_told_and_asked_again(shop: Shop, language: str) -> None:
    says, olga = SAYS[language], admin(shop, language)
    hidden = {"type": "hidden_user", "date": 1, "sender_user_name": "Anna"}
    chat = {"id": -1001, "type": "channel", "title": "News"}
    channel = {"type": "channel", "date": 1, "chat": chat, "message_id": 1}
    await shop.say(olga, "/dossier", says["ask"])
    for body, told in (
        ({"text": "hello", "forward_origin": hidden}, "hidden"),
        ({"text": "hello", "forward_origin": channel}, "group"),
        ({"text": "12345"}, "nobody"),
        ({"text": "0" * 31 + "a"}, "none"),
        ({"text": "who knows"}, "what"),
        ({"photo": [{"file_id": "x", "file_unique_id": "x", "width": 1, "height": 1}]}, "what"),
    ):
        said = await olga.send_body(body)
        answer = await olga.wait(says[told], after=said.id)
        assert answer.button(says["cancel"]) is not None
    await settled(shop)
    buttons = [seen for seen in olga.received if seen.button(says["cancel"])]
    assert [seen.id for seen in buttons] == [answer.id], "only the last question can be left"
    log = query(shop, "SELECT count(*) FROM log_entry")
    await olga.press(says["cancel"], answer)
    await olga.wait(says["cancelled"])
    await settled(shop)
    assert states(shop) == 0
    assert query(shop, "SELECT count(*) FROM log_entry") == log, "nobody was looked at"


async def test_messages_and_their_consents_are_in_it(shop: Shop) -> None:
    olga, anna = admin(shop, "en"), shop.customer(1)
    await shop.answer_all(anna)
    await shop.broadcast("A <b>new</b> tea for you", "offers")
    arrived = await anna.wait("A <b>new</b> tea")
    await shop.finished()
    await anna.press("Unsubscribe", arrived)
    await anna.wait("unsubscribed")
    await olga.send(f"/dossier {anna.id}")
    facts = await answered(shop, "en", olga)
    (message,) = facts["messages"]
    assert (message["state"], message["message_id"]) == ("sent", str(arrived.id))
    granted = next(
        one for one in facts["events"]
        if one["event"] == "granted" and one["payload"]["purpose"] == "offers"
    )  # fmt: skip
    assert message["consent_entry"] == granted["entry_id"]
    assert granted["payload"]["shown"]["text"].startswith("Offers and discounts")
    (ending,) = facts["endings"]
    assert ending["last_message_before"] == message["delivery"]
    assert ending["messages_after"] == []
    assert ending["acted"] is None, "a press has no time of Telegram's own"
    (said,) = facts["campaigns"]
    assert said["text"] == "A <b>new</b> tea for you"


async def test_somebody_erased_is_told_as_far_as_the_log_knows(shop: Shop) -> None:
    olga, eve = admin(shop, "en"), shop.customer(3)
    await shop.answer_all(eve)
    entry_id = query(shop, "SELECT entry_id FROM consent_event")[0][0]
    await shop.say(eve, "/forget", "Delete everything?")
    await shop.press(eve, "Delete everything")
    await eve.wait("deleted")
    answer: Seen = await shop.say(olga, f"/dossier {entry_id}", "was erased")
    assert "By the log they were erased on" in answer.text
    await shop.say(olga, f"/dossier {eve.id}", "Nobody is kept here")
