"""Where people speak to the bot, and what they may send: consent in private only, never silence."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from shop import Shop, answers_to_presses, button_data, events, query, settled
from structlog.testing import capture_logs

from bot.sandbox.people import Person, Seen
from bot.sandbox.world import Chat

GROUP_ID = -100_777
ANONYMOUS = {
    "id": 1_087_968_824,
    "is_bot": True,
    "first_name": "Group",
    "username": "GroupAnonymousBot",
}
OTHER_BOT = {"id": 5151, "is_bot": True, "first_name": "Other", "username": "other_bot"}
COMMANDS = (
    "/start shop",
    "/subscriptions",
    "/stop",
    "/privacy",
    "/mydata",
    "/forget",
    "/language",
    "/help",
    "/broadcast",
    "/campaigns",
    "/cancel",
    "/stats",
    "/export",
    "/staff",
    "/unknown",
)
FILE = {"file_id": "f", "file_unique_id": "u"}
KINDS: dict[str, dict[str, Any]] = {
    "photo": {"photo": [{**FILE, "width": 1, "height": 1}], "caption": "stop"},
    "voice": {"voice": {**FILE, "duration": 1}},
    "video": {"video": {**FILE, "duration": 1, "width": 1, "height": 1}},
    "video_note": {"video_note": {**FILE, "duration": 1, "length": 1}},
    "audio": {"audio": {**FILE, "duration": 1}},
    "document": {"document": {**FILE, "file_name": "/etc/passwd"}},
    "sticker": {
        "sticker": {
            **FILE,
            "type": "regular",
            "width": 1,
            "height": 1,
            "is_animated": False,
            "is_video": False,
        }
    },
    "contact": {"contact": {"phone_number": "+79990001122", "first_name": "A", "user_id": 7}},
    "location": {"location": {"latitude": 0.0, "longitude": 0.0}},
    "dice": {"dice": {"emoji": "🎲", "value": 6}},
    "poll": {
        "poll": {
            "id": "1",
            "question": "?",
            "options": [{"persistent_id": "1", "text": "a", "voter_count": 0}],
            "total_voter_count": 0,
            "is_closed": False,
            "is_anonymous": True,
            "type": "regular",
            "allows_multiple_answers": False,
            "allows_revoting": False,
            "members_only": False,
        }
    },
    "nothing": {},
    "longest": {"text": "я" * 4096},
    "emoji": {"text": "🍵" * 2048},
    "right_to_left": {"text": "مرحبا \u202e\u2067متى تفتحون؟"},
    "zero_width": {"text": "\u200b\u200d\ufeff\u2060"},
    "controls": {"text": "\x01\x02\x7f"},
    "markup": {"text": "<b>x</b>&amp; {name} %s *_[`"},
    "slash": {"text": "/"},
    "chinese": {"text": "你好"},
}
DIRECTIONS = dict.fromkeys(range(0x202A, 0x202F))
SERVICE: dict[str, dict[str, Any]] = {
    "timer": {"message_auto_delete_timer_changed": {"message_auto_delete_time": 86_400}},
    "write_access": {"write_access_allowed": {}},
    "boost": {"boost_added": {"boost_count": 1}},
}


@pytest.fixture(autouse=True)
def nothing_fails() -> Iterator[None]:
    """Whatever comes, no conversation may fail."""
    with capture_logs() as lines:
        yield
    assert [line for line in lines if line["log_level"] in {"error", "critical"}] == []


@pytest.fixture(params=["group", "supergroup"])
def group(request: pytest.FixtureRequest, shop: Shop) -> Chat:
    return shop.sandbox.group(GROUP_ID, "Tea lovers", request.param)


def said_in(chat: Chat) -> list[str]:
    """What the bot said there."""
    return [m["text"] for m in chat.messages.values() if m.get("from", {}).get("id") == 4242]


def nothing_is_kept(shop: Shop) -> bool:
    tables = ("subject", "consent_event", "prompt", "conversation", "campaign")
    return all(query(shop, f"SELECT count(*) FROM {table}") == [(0,)] for table in tables)  # noqa: S608


async def post(shop: Shop, chat: Chat, sender: dict[str, Any], body: dict[str, Any]) -> None:
    """Let anybody, also who is no person, write into a chat."""
    message = shop.sandbox.world.add_message(chat, sender, body)
    await shop.sandbox.world.tell_bot("message", dict(message))


# --- groups ---------------------------------------------------------------------------------------


async def test_a_command_in_a_group_gets_one_sentence_and_keeps_nothing(
    shop: Shop, group: Chat
) -> None:
    anna = shop.customer(1)
    for number, command in enumerate(COMMANDS, start=1):
        for person in (anna, shop.owner):
            await person.send(command, chat=group)
        await settled(shop)
        assert len(said_in(group)) == 2 * number, "one answer to each"
    assert len(set(said_in(group))) == 1
    assert "private chat only" in said_in(group)[0]
    assert not any(message.get("reply_markup") for message in group.messages.values())
    assert nothing_is_kept(shop)
    assert not anna.received


async def test_plain_words_in_a_group_are_not_heard(shop: Shop, group: Chat) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    before = events(shop)
    for text in ("stop", "Стоп", "отписаться", "Hello!", "I agree", "/start@other_bot"):
        await anna.send(text, chat=group)
    await settled(shop)
    assert said_in(group) == []
    assert events(shop) == before


async def test_a_command_that_names_this_bot_is_answered(shop: Shop, group: Chat) -> None:
    await shop.customer(1).send("/start@tea_shop_bot", chat=group)
    await settled(shop)
    assert len(said_in(group)) == 1


async def test_an_anonymous_admin_is_answered_and_is_nobody(shop: Shop, group: Chat) -> None:
    facts = shop.sandbox.world.chat_facts(group)
    for text in ("/start", "/broadcast", "stop"):
        await post(shop, group, ANONYMOUS, {"text": text, "sender_chat": facts})
    await settled(shop)
    assert len(said_in(group)) == 2
    assert nothing_is_kept(shop)


async def test_other_bots_and_service_messages_are_not_answered(shop: Shop, group: Chat) -> None:
    await post(shop, group, OTHER_BOT, {"text": "/start"})
    await post(shop, group, OTHER_BOT, {"text": "stop"})
    newcomer = shop.customer(1).account.user()
    for body in (
        {"new_chat_members": [newcomer]},
        {"left_chat_member": newcomer},
        {"new_chat_title": "/start"},
        {"delete_chat_photo": True},
        {"migrate_to_chat_id": -1},
    ):
        await post(shop, group, newcomer, body)
    await settled(shop)
    assert said_in(group) == []
    assert nothing_is_kept(shop)


async def test_presses_in_a_group_change_nothing(shop: Shop, group: Chat) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna, "agree", "agree")
    question = await anna.wait(lambda m: m.text.startswith("Offers") and m.button("Agree"))
    before, shown = events(shop), [m.facts for m in anna.received]
    shown = json.loads(json.dumps(shown))
    in_group = Seen(shop.sandbox.world.add_message(group, shop.sandbox.world.bot, {"text": "x"}))
    for data in (
        button_data(question, "Agree"),
        button_data(question, "Full text"),
        "w:orders",
        "s:0:orders",
        "erase:0",
        "rest:7",
        "subs",
    ):
        for is_gone in (False, True):
            answer = await anna.press_data(data, in_group, is_gone=is_gone)
            assert answer["text"]
    await settled(shop)
    assert events(shop) == before
    assert query(shop, "SELECT paused_until FROM subject") == [(None,)]
    assert [m.facts for m in anna.received] == shown, "her own chat was not touched"
    assert set(answers_to_presses(shop).values()) == {1}


async def test_being_added_to_a_group_or_channel_says_nothing(shop: Shop) -> None:
    world = shop.sandbox.world
    anna = shop.customer(1)
    for chat_id, kind in ((-1001, "group"), (-1002, "supergroup"), (-1003, "channel")):
        chat = shop.sandbox.group(chat_id, "Somewhere", kind)
        member = {"user": world.bot}
        await world.tell_bot(
            "my_chat_member",
            {
                "chat": world.chat_facts(chat),
                "from": anna.account.user(),
                "date": 1,
                "old_chat_member": {**member, "status": "left"},
                "new_chat_member": {**member, "status": "member"},
            },
        )
        await settled(shop)
        assert said_in(chat) == []
    assert nothing_is_kept(shop)


async def test_channel_posts_and_edited_messages_are_not_even_asked_for(shop: Shop) -> None:
    world = shop.sandbox.world
    assert world.allowed_updates == {"message", "callback_query", "my_chat_member"}
    anna = shop.customer(1)
    await shop.answer_all(anna)
    said = await anna.send("hello")
    await anna.wait("privacy@tea.example", after=said.id)
    await anna.edit(said, "stop")
    channel = shop.sandbox.group(-1003, "News", "channel")
    post_ = world.add_message(channel, None, {"text": "/stop", "sender_chat": {"id": -1003}})
    assert await world.tell_bot("channel_post", post_) == 0
    await settled(shop)
    assert [event for event, _ in events(shop)] == ["granted"] * 3
    assert said_in(channel) == []


# --- private chats --------------------------------------------------------------------------------


async def answered_kindly(person: Person, body: dict[str, Any]) -> Seen:
    said = await person.send_body(body)
    return await person.wait(
        lambda m: "privacy@tea.example" in m.text or "/help" in m.text, after=said.id
    )


async def test_whatever_a_customer_sends_is_answered_kindly_once(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    before = events(shop)
    for body in KINDS.values():
        count = len(anna.received)
        await answered_kindly(anna, body)
        await settled(shop)
        assert len(anna.received) == count + 1
    assert events(shop) == before, "a caption is no plain word alone in a message"


async def test_service_messages_in_private_break_nothing(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    before = events(shop)
    for body in SERVICE.values():
        await anna.send_body(body)
    await shop.say(anna, "/help", "/subscriptions")
    assert events(shop) == before


async def test_a_forwarded_word_of_somebody_is_heard_as_theirs_who_forwards(shop: Shop) -> None:
    """Leaving is easy on purpose; nothing that is forwarded can agree to anything."""
    anna, ben = shop.customer(1), shop.customer(2)
    await shop.answer_all(anna)
    await shop.answer_all(ben)
    origin = {"type": "user", "date": 1, "sender_user": ben.account.user()}
    await anna.send_body({"text": "I agree to everything", "forward_origin": origin})
    said = await anna.send_body({"text": "stop", "forward_origin": origin})
    await anna.wait("unsubscribed", after=said.id)
    overview = await shop.say(ben, "/subscriptions", "Your subscriptions")
    assert overview.text.count("agreed on") == 3, "nothing happened to whom it was forwarded from"


async def test_a_bot_in_private_is_not_answered(shop: Shop) -> None:
    shop.sandbox.person(OTHER_BOT["id"], "Other")
    chat = shop.sandbox.world.private_chat(OTHER_BOT["id"])
    for text in ("/start", "/help", "stop", "hello", "/unknown"):
        await post(shop, chat, OTHER_BOT, {"text": text})
    await settled(shop)
    assert said_in(chat) == []
    assert nothing_is_kept(shop)


@pytest.mark.parametrize(
    ("first_name", "last_name"),
    [
        ("<b>x</b>&amp;", "<a href='tg://user?id=1'>y</a>"),
        ("\u202egnihsihp\u202c", "\u200b\u200d\ufeff"),
        ("&" * 64, "<" * 64),
        ("{name}", "%s {0} $HOME"),
        ("=cmd()|' /C calc'!A0", "*_[`~\\"),
        ("мама", "你好"),
    ],
)
async def test_names_are_shown_as_they_are_and_never_as_markup(
    shop: Shop, first_name: str, last_name: str
) -> None:
    anna = shop.customer(1, first_name=first_name, last_name=last_name)
    await shop.answer_all(anna)
    words = await shop.say(anna, "/mydata", "What we keep about you")
    # Telegram itself takes marks of direction out of every message.
    assert f"{first_name} {last_name}".translate(DIRECTIONS).strip() in words.text
    start = words.text.index("Name: ")
    end = words.text.index("User name")
    in_utf16 = len(words.text[:start].encode("utf-16-le")) // 2
    until = len(words.text[:end].encode("utf-16-le")) // 2
    marked = {e["type"] for e in words.entities if in_utf16 <= e["offset"] < until}
    assert marked <= {"bot_command"}, "what Telegram finds by itself in any text"
    file = await anna.wait(lambda m: m.file_id is not None)
    person = json.loads(anna.file(file))["person"]
    assert (person["first_name"], person["last_name"]) == (first_name, last_name)
    asked = await shop.say(shop.owner, "/export", "For which period")
    await shop.owner.press("Everything", asked)
    await shop.owner.press("All purposes", await shop.owner.wait("For which purpose"))
    await shop.owner.wait("python -m bot verify")
    tables = [m for m in shop.owner.received if m.file_id and "zip" not in str(m.facts)]
    assert len(tables) == 2
    for table in tables:
        assert str(anna.id).encode() in shop.owner.file(table)
        assert first_name.encode() not in shop.owner.file(table), "no names in the consent log"
